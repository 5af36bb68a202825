"""The production container images of Carbide REST, as infrastructure."""

from carbide_infra.program import deploy

deploy()
