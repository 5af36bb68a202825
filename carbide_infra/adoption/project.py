"""The files of a project in somebody's repository: what Pulumi and the workflows need, in few lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbide_infra.adoption.catalogue_text import scalar
from carbide_infra.errors import shown
from carbide_infra.source.facts import MAIN_BRANCHES
from carbide_infra.workflows import Workflows

WORKFLOW = ".github/workflows/images.yml"
_SECRETS = (
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "REGISTRY_PASSWORD",
    "GITCREDS",
)
_LOCAL = "local"


@dataclass(frozen=True)
class Registry:
    """Where images go.

    Attributes:
        server: host[:port], or `local`.
        repository: the prefix below it.
        where: what says so.
    """

    server: str
    repository: str
    where: str


@dataclass(frozen=True)
class Project:
    """A project that is to be written.

    Attributes:
        name: of the Pulumi project.
        folder: of the project, relative to the repository.
        source: the source root, relative to the project.
        paths: what a pull request has to touch to be previewed, relative to the repository; empty for anything.
        branch: the main branch.
        source_url: home of the source; empty where it is not known.
        development: where the dev stack's images go.
        production: where the prod stack's images go.
        workflows: the reusable ones, if they are known.
        tag_prefixes: what stands before `v<version>` in the tags of images that have a version of their own.
    """

    name: str
    folder: str
    source: str
    paths: Sequence[str]
    branch: str
    source_url: str
    development: Registry
    production: Registry
    workflows: Workflows | None
    tag_prefixes: Sequence[str] = ()

    def texts(self, catalogue: str) -> dict[str, str]:
        """The files by their paths relative to the repository, without the locked requirements."""
        own = {
            "Pulumi.yaml": self._pulumi(),
            "Pulumi.dev.yaml": self._stack(self.development, {}),
            "Pulumi.prod.yaml": self._stack(self.production, {"requireHistory": '"true"'}),
            "__main__.py": "from carbide_infra.program import deploy\n\ndeploy()\n",
            "services.yaml": catalogue,
            ".gitignore": ".venv\n.local\n",
        }
        found = {f"{self.folder}/{name}": text for name, text in own.items()}
        return {**found, WORKFLOW: self._workflow(self.workflows)} if self.workflows else found

    def _pulumi(self) -> str:
        return (
            f"name: {scalar(self.name)}\n"
            "runtime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: .venv\n"
        )

    def _stack(self, registry: Registry, more: Mapping[str, str]) -> str:
        values = {
            "source": scalar(self.source),
            "catalogue": "services.yaml",
            "registryServer": f"{scalar(registry.server)}  # {shown(registry.where)}",
            "registryRepository": scalar(registry.repository),
            "sourceUrl": scalar(self.source_url),
            **({} if self.branch in MAIN_BRANCHES else {"mainBranch": scalar(self.branch)}),
            **more,
        }
        return "config:\n" + "".join(f"  {self.name}:{key}: {value}\n" for key, value in values.items())

    def _workflow(self, called: Workflows) -> str:
        paths = f"\n    paths: [{', '.join(map(scalar, self.paths))}]" if self.paths else ""
        tags = ", ".join(f'"{prefix}v[0-9]*"' for prefix in ("", *self.tag_prefixes))
        secrets = "".join(f"\n      {each}: ${{{{ secrets.{each} }}}}" for each in _SECRETS)

        return f"""\
# Previews, updates and releases of the images in {shown(self.folder)}, by the workflows of carbide-infra.
name: images

on:
  pull_request:
    branches: [{scalar(self.branch)}]{paths}
  push:
    branches: [{scalar(self.branch)}]{paths}
    tags: [{tags}]
  schedule:
    - cron: "17 4 * * *"
  # A finished preview of this workflow becomes the comment of its pull request.
  workflow_run: # zizmor: ignore[dangerous-triggers] the job runs main's code, and the report is data
    workflows: [images]
    types: [completed]

permissions:
  contents: read

jobs:
  preview:
    if: github.event_name == 'pull_request'
    uses: {called.uses("preview")}
    with: &project
      project: {scalar(self.folder)}
      stack: prod

  comment:
    if: github.event_name == 'workflow_run' && github.event.workflow_run.event == 'pull_request'
    permissions: {{actions: read, contents: read, pull-requests: write}}
    uses: {called.uses("comment")}
    with:
      project: {scalar(self.folder)}

  up:
    if: github.event_name == 'push' && github.ref_type == 'branch'
    uses: {called.uses("up")}
    with: *project
    secrets: &secrets{secrets}

  release:
    if: github.event_name == 'push' && github.ref_type == 'tag'
    uses: {called.uses("release")}
    with: *project
    secrets: *secrets

  drift:
    if: github.event_name == 'schedule'
    uses: {called.uses("drift")}
    with: *project
    secrets: *secrets
"""
