"""`python -m tests.support.workflow_runner`, from the root of a checkout."""

from tests.support.workflow_runner.cli import app

app(prog_name="python -m tests.support.workflow_runner")
