"""A machine with a builder of its own: what it gets of ours."""

from pathlib import Path

import pytest

from devenv import ready
from devenv.ready import Start
from devenv.toolchain import Tools


@pytest.mark.parametrize(
    ("builder", "registry", "done"),
    [
        ("builder-1", "nvcr.io", ["use builder-1"]),
        ("builder-1", "local", ["start"]),
        ("", "nvcr.io", ["start"]),
    ],
)
def test_nothing_of_ours_starts_where_the_machine_brings_a_builder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builder: str, registry: str, done: list[str]
) -> None:
    stack = f"config:\n  carbide-infra:registryServer: {registry}\n  carbide-infra:source: source\n"
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "Pulumi.prod.yaml").write_text(stack)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    seen: list[str] = []
    tools = Tools(*(tmp_path for _ in range(6)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDX_BUILDER", builder)
    monkeypatch.setattr(ready, "required_tools", lambda _: tools)
    monkeypatch.setattr(ready, "ensure_tools", lambda *_, **__: tools)
    monkeypatch.setattr(ready, "docker_answers", lambda: True)
    monkeypatch.setattr(ready, "install_plugin", lambda *_: None)
    monkeypatch.setattr(ready, "start_daemons", lambda *_: seen.append("start"))
    monkeypatch.setattr(ready, "use_builder", lambda _, name, __: seen.append(f"use {name}"))
    ready.ensure("prod", Start.ALWAYS)
    assert seen == done
