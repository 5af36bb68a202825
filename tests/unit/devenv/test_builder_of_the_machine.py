"""A machine with a builder of its own: what it gets of ours."""

from pathlib import Path

import pytest

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.paths import project_root
from devenv import builder, ready
from devenv.ready import Start
from devenv.toolchain import Tools


class Machine:
    """A machine on which nothing is built or started, only noted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, builds: bool = True) -> None:
        self.folder, self.seen = folder, list[str]()
        self.tools = Tools(*(folder for _ in range(6)))
        (folder / "Pulumi.yaml").touch()
        (folder / "source").mkdir()
        (folder / "docker").symlink_to(project_root() / "docker")
        monkeypatch.chdir(folder)
        monkeypatch.delenv("BUILDX_BUILDER", raising=False)
        monkeypatch.setattr(builder, "docker_answers", lambda: builds)
        monkeypatch.setattr(builder, "can_embed", lambda: False)
        monkeypatch.setattr(ready, "docker_answers", lambda: builds)
        monkeypatch.setattr(ready, "can_embed", lambda: False)
        monkeypatch.setattr(ready, "can_build", lambda: builds)
        monkeypatch.setattr(ready, "ensure_tools", self._tools)
        monkeypatch.setattr(ready, "install_plugin", lambda *_: None)
        monkeypatch.setattr(ready, "start_daemons", lambda *_: self.seen.append("start"))
        monkeypatch.setattr(ready, "local_registry", lambda *_: self.seen.append("registry alone"))
        monkeypatch.setattr(ready, "use_builder", lambda _, name, __: self.seen.append(f"use {name}"))

    def _tools(self, _: object, *, embedded: bool) -> Tools:
        assert not embedded, "a BuildKit that this user cannot run takes minutes to build"
        return self.tools

    def configure(self, registry: str, named: str = "") -> None:
        values = {"registryServer": registry, "registryRepository": "x", "source": "source", "builder": named}
        lines = [f'  carbide-infra:{key}: "{value}"\n' for key, value in values.items()]
        (self.folder / "Pulumi.prod.yaml").write_text("config:\n" + "".join(lines))


@pytest.mark.parametrize(
    ("variable", "config", "registry", "done"),
    [
        ("builder-1", "", "nvcr.io", ["use builder-1"]),
        ("builder-1", "fleet", "nvcr.io", []),
        ("", "fleet", "nvcr.io", []),
        ("builder-1", "", "local", ["start"]),
        ("", "", "nvcr.io", ["start"]),
    ],
)
def test_nothing_of_ours_starts_where_the_machine_brings_a_builder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, config: str, registry: str, done: list[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.configure(registry, config)
    monkeypatch.setenv("BUILDX_BUILDER", variable)
    ready.ensure("prod", Start.ALWAYS)
    assert machine.seen == done


@pytest.mark.parametrize(
    ("registry", "config", "start", "done"),
    [
        ("nvcr.io", "fleet", Start.ALWAYS, []),
        ("nvcr.io", "fleet", Start.ONCE, []),
        ("nvcr.io", "", Start.ONCE, []),
        ("local", "", Start.ONCE, ["registry alone"]),
        ("local", "", Start.NEVER, []),
    ],
)
def test_a_normal_user_without_docker_does_all_that_builds_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str, config: str, start: Start, done: list[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch, builds=False)
    machine.configure(registry, config)
    ready.ensure("prod", start)
    assert machine.seen == done


@pytest.mark.parametrize("registry", ["local", "nvcr.io"])
def test_a_normal_user_without_docker_is_told_why_he_cannot_build_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    machine = Machine(tmp_path, monkeypatch, builds=False)
    machine.configure(registry)
    monkeypatch.setattr(ready, "require_builder", builder.require_builder)
    with pytest.raises(MissingPrerequisite, match="start Docker"):
        ready.ensure("prod", Start.ALWAYS)


def test_a_builder_that_is_not_there_stops_an_update_and_no_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        message = "no such builder"
        raise SetupError(message)

    machine = Machine(tmp_path, monkeypatch)
    machine.configure("nvcr.io")
    monkeypatch.setenv("BUILDX_BUILDER", "gone")
    monkeypatch.setattr(ready, "use_builder", unknown)
    ready.ensure("prod", Start.ONCE)
    with pytest.raises(SetupError, match="no such builder"):
        ready.ensure("prod", Start.ALWAYS)
