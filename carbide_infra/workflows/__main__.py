"""`python -m carbide_infra.workflows`: what tools/run-workflow calls."""

from carbide_infra.workflows.cli import app

app(prog_name="run-workflow")
