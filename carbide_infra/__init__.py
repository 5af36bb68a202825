"""The production container images of Carbide REST as tracked infrastructure."""
