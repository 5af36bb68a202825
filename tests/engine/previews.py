"""What `pulumi preview` says of a checkout, and the updates between two previews."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tests.engine.backend import outputs_of, resources_of
from tests.engine.conftest import Checkout
from tests.support.catalogue import CATALOGUE

IMAGE, INDEX = "docker-build:index:Image", "docker-build:index:Index"
ALL = frozenset(CATALOGUE)


class PulumiFailed(Exception):
    """The command ended with an error; the message has what it said."""


@dataclass(frozen=True)
class Change:
    """One resource that an update would touch.

    Attributes:
        op: update, create, delete or replace.
        keys: the inputs that differ, as the preview names them.
        before: inputs in the state; empty for a new resource.
        after: inputs in the program; empty for one that goes.
    """

    op: str
    keys: frozenset[str]
    before: Mapping[str, Any] = field(repr=False)
    after: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Preview:
    """Everything a preview shows that is not "same".

    Attributes:
        images: by image name.
        aliases: by kind (version, revision, latest), then by image name.
        warnings: what the program says beside it.
    """

    images: Mapping[str, Change]
    aliases: Mapping[str, Mapping[str, Change]]
    warnings: Sequence[str] = ()

    @classmethod
    def of(cls, text: str) -> "Preview":
        """Read the output of `pulumi preview --json`."""
        images: dict[str, Change] = {}
        aliases: dict[str, dict[str, Change]] = {}
        digest = json.loads(text)
        for step in digest["steps"]:
            *_, type_chain, name = step["urn"].split("::")
            kind = type_chain.rpartition("$")[2]
            if step["op"] == "same" or kind not in {IMAGE, INDEX}:
                continue
            if kind == IMAGE:
                images[name] = _change(step)
            else:
                image, _, alias = name.rpartition("-")
                aliases.setdefault(alias, {})[image] = _change(step)
        return cls(images, aliases, [item["message"] for item in digest.get("diagnostics", ())])

    @property
    def own_tags(self) -> dict[str, str]:
        """The immutable reference of each image that the preview shows, build key included."""
        return {name: change.after["tags"][0] for name, change in self.images.items()}

    def moved(self, kind: str) -> frozenset[str]:
        """The images whose alias of a kind moves, comes or goes."""
        return frozenset(self.aliases.get(kind, {}))

    def operations(self) -> set[str]:
        """What would happen to anything at all."""
        every = [self.images, *self.aliases.values()]
        return {change.op for changes in every for change in changes.values()}


def _change(step: Mapping[str, Any]) -> Change:
    before, after = (step.get(state, {}).get("inputs", {}) for state in ("oldState", "newState"))
    return Change(step["op"], frozenset(step.get("diffReasons") or ()), before, after)


@dataclass(frozen=True)
class Stack:
    """A stack of one checkout, asked by plain `pulumi` in the shell that `make env` prepares.

    Attributes:
        root: the project's folder.
        environment: every variable of that shell.
        scratch: folder for configuration files, outside the checkout.
        name: the stack's name.
        config: keys without the namespace, on top of `Pulumi.dev.yaml`.
        umask: of the shell; -1 for the tests' own.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    scratch: Path
    name: str = "dev"
    config: Mapping[str, Any] = field(default_factory=dict)
    umask: int = -1

    @classmethod
    def of(cls, checkout: Checkout, scratch: Path) -> "Stack":
        """The development stack."""
        # pulumi-docker's plugin is for examples/deployment; offline, each look for it takes longer than a preview.
        environment = {**checkout.variables(), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
        return cls(checkout.root, environment, scratch)

    def at(self, root: Path, umask: int = -1) -> "Stack":
        """The same stack, with the same state, in another checkout."""
        return replace(self, root=root, umask=umask)

    def configured(self, **config: Any) -> "Stack":  # noqa: ANN401 - whatever YAML can hold
        """The same stack with other configuration."""
        return replace(self, config={**self.config, **config})

    def given(self, **variables: str) -> "Stack":
        """The same stack in a shell with other variables."""
        return replace(self, environment={**self.environment, **variables})

    def preview(self) -> Preview:
        return Preview.of(self.pulumi("preview", "--json", *self._selected()))

    def named(self, name: str) -> "Stack":
        """Another stack, with the same configuration, and a passphrase that is not the development stack's."""
        return replace(self, name=name).given(PULUMI_CONFIG_PASSPHRASE="of the tests")  # noqa: S106

    def up(self, *arguments: str) -> dict[str, Any]:
        """Update; gives the images of the outputs."""
        self.pulumi("up", "--yes", "--skip-preview", "--suppress-progress", *self._selected(), *arguments)
        return self.images()

    def images(self) -> dict[str, Any]:
        return dict(self.outputs()["images"])

    def outputs(self) -> dict[str, Any]:
        return outputs_of(*self._place)

    def resources(self) -> list[dict[str, Any]]:
        """What the state holds."""
        return resources_of(*self._place)

    def destroy(self) -> None:
        self.pulumi("destroy", "--yes", "--skip-preview", *self._selected())

    def preview_json(self) -> str:
        """What a preview prints for programs, also one that fails."""
        return self._run("preview", "--json", "--show-sames", *self._selected()).stdout

    def pulumi(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode:
            msg = f"pulumi {' '.join(arguments)}\n{_problem(done.stdout)}\n{done.stderr}"
            raise PulumiFailed(msg)
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            umask=self.umask,
        )

    @property
    def _place(self) -> tuple[Path, str, str]:
        project = yaml.safe_load((self.root / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
        return Path(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://")), project, self.name

    def _selected(self) -> tuple[str, ...]:
        """The arguments that choose stack and configuration; a file of its own leaves the checkout's as it is."""
        file = self.scratch / f"Pulumi.{self.name}.yaml"
        content = yaml.safe_load((self.root / "Pulumi.dev.yaml").read_text())
        if self.name != "dev":
            content.pop("encryptionsalt", None)
        content["config"] |= {f"carbide-infra:{key}": value for key, value in self.config.items()}
        file.write_text(yaml.safe_dump(content))
        return ("--stack", self.name, "--config-file", str(file))


def _problem(output: str) -> str:
    """What went wrong, without the thousands of lines of a preview's steps."""
    try:
        return "\n".join(item["message"] for item in json.loads(output).get("diagnostics", []))
    except ValueError:
        return output


def digests(images: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each image in a stack's outputs."""
    return {name: image["digest"] for name, image in images.items()}
