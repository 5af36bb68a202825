"""The commands behind the make targets: what a machine of its own gets of ours."""

from pathlib import Path

import pytest

from carbide_infra.settings import load_settings
from devenv import cli
from devenv.toolchain import Tools

CONFIG = {"registryServer": "nvcr.io", "registryRepository": "org"}


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
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config:\n  carbide-infra:registryServer: {registry}\n")
    seen: list[str] = []
    monkeypatch.setenv("BUILDX_BUILDER", builder)
    monkeypatch.setattr(cli, "_start", lambda *_: seen.append("start"))
    monkeypatch.setattr(cli, "use_builder", lambda _, name, __: seen.append(f"use {name}"))
    tools = Tools(*(tmp_path for _ in range(6)))
    cli._provide(tmp_path, tools, "prod", load_settings(CONFIG, {}))
    assert seen == done
