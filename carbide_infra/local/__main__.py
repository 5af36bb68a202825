"""`python -m carbide_infra.local`: what the make targets call."""

from carbide_infra.local.cli import app

app(prog_name="carbide-local")
