"""When the kit starts daemons, and for which base images."""

from pathlib import Path

import pytest

from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.paths import project_root
from carbide_infra.settings import ConfigError
from devenv import ready
from devenv.ready import Start, _bases, _is_wanted, _settings

PINNED = f"alpine:3.22@sha256:{'a' * 64}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "docker").symlink_to(project_root() / "docker")
    return tmp_path


def configure(root: Path, **values: str) -> None:
    lines = [f'  carbide-infra:{key}: "{value}"\n' for key, value in {"source": "source", **values}.items()]
    (root / "Pulumi.dev.yaml").write_text("config:\n" + "".join(lines))


@pytest.mark.parametrize(("server", "wanted"), [("local", True), ("nvcr.io", False)])
def test_a_stack_with_a_registry_of_its_own_needs_no_local_one(root: Path, server: str, wanted: bool) -> None:  # noqa: FBT001
    configure(root, registryServer=server, registryRepository="x")
    assert _is_wanted(Start.LOCAL, _settings(root, "dev", Start.LOCAL), root) is wanted
    assert _is_wanted(Start.ALWAYS, _settings(root, "dev", Start.ALWAYS), root)


def test_what_starts_nothing_asks_for_nothing_that_builds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        pytest.fail("a builder was asked for")

    configure(root, registryServer="nvcr.io", registryRepository="x")
    (root / "Pulumi.yaml").touch()
    monkeypatch.chdir(root)
    monkeypatch.setattr(ready, "required_tools", never)
    monkeypatch.setattr(ready, "docker_answers", lambda: False)
    monkeypatch.setattr(ready, "ensure_tools", lambda *_, **__: None)
    monkeypatch.setattr(ready, "install_plugin", lambda *_: None)
    assert ready.ensure("dev", Start.LOCAL)["PULUMI_SKIP_UPDATE_CHECK"] == "true"


def test_once_is_once_for_the_same_base_images(root: Path) -> None:
    configure(root)
    assert _is_wanted(Start.ONCE, _settings(root, "dev", Start.ONCE), root)
    write_endpoint(root, Endpoint("vm:5443", "b", "/ca", {}, ("golang:1.25", "alpine:latest")))
    assert not _is_wanted(Start.ONCE, _settings(root, "dev", Start.ONCE), root)
    configure(root, goVersion="1.26")
    assert _is_wanted(Start.ONCE, _settings(root, "dev", Start.ONCE), root)


def test_pinning_looks_at_the_tags(root: Path) -> None:
    configure(root, runtimeImage=PINNED, source="none")
    assert _settings(root, "dev", Start.UNPINNED).runtime_image == "alpine:3.22"
    configure(root, runtimeImage=PINNED)
    assert _settings(root, "dev", Start.ALWAYS).runtime_image == PINNED


def test_a_source_that_is_not_there_is_told_before_anything_is_built(root: Path) -> None:
    configure(root, source="none")
    with pytest.raises(ConfigError, match="is not a folder"):
        _settings(root, "dev", Start.ALWAYS)


def test_a_dockerfile_of_an_image_s_own_has_its_bases_seen_to_as_well(root: Path) -> None:
    dockerfile = (
        "ARG BASE=alpine:3.22\nFROM golang:1.25 AS build\nFROM $BASE AS runtime\nFROM ${NOBODY}\n"
        "FROM runtime\nCOPY --from=build /a /a\nCOPY --from=busybox:1 /b /b\n"
    )
    (root / "source/Dockerfile").write_text(dockerfile)
    (root / "services.yaml").write_text("images: {kept: {dockerfile: Dockerfile, platforms: [linux/arm64]}}\n")
    configure(root, catalogue="services.yaml")
    bases = _bases(_settings(root, "dev", Start.ALWAYS), root)
    assert bases.builders == ("golang:1.25",)
    assert bases.runtimes == {"alpine:3.22": ("linux/arm64",), "busybox:1": ("linux/arm64",)}


def test_what_cannot_be_read_is_for_the_preview_to_tell(root: Path) -> None:
    (root / "services.yaml").write_text("images: {kept: {dockerfile: Dockerfile}}\n")
    configure(root, catalogue="services.yaml")
    assert _bases(_settings(root, "dev", Start.ALWAYS), root).references == ()
    configure(root, catalogue="services.yaml", source="none")
    assert _bases(_settings(root, "dev", Start.UNPINNED), root).references == ()
