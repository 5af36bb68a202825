"""`python -m devenv`: what the make targets call."""

from devenv.cli import app

app(prog_name="python -m devenv")
