"""Whole repositories: what is written for them, and that it makes the images that they had."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dockerfile
import pytest

from carbide_infra.adoption.catalogue_text import catalogue_text, data, entry_data
from carbide_infra.adoption.survey import Question, Survey, resolved, survey
from carbide_infra.adoption.told import Adopted
from carbide_infra.catalogue.files import files_of
from carbide_infra.catalogue.model import FileVersion, Image, MadeUser, SourceFile
from carbide_infra.catalogue.template import render
from tests.support.adoptable import (
    NINE,
    SUBFOLDER,
    cloned,
    kept,
    module_per_service,
    nine_images,
    several_binaries,
    workspace,
)
from tests.unit.adoption.conftest import Look


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Survey:
    root = cloned(tmp_path_factory.mktemp("nine"), nine_images())
    return survey(Question(root / SUBFOLDER, cache, "shop"))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Survey:
    root = cloned(tmp_path_factory.mktemp("kept"), kept())
    return survey(Question(root, cache, "shop"))


LISTS = {"ENTRYPOINT": "Entrypoint", "CMD": "Cmd"}
TEXTS = {"USER": "User", "WORKDIR": "WorkingDir", "STOPSIGNAL": "StopSignal"}


def config_of(image: Image) -> dict[str, Any]:
    """What the last stage of an image's rendered Dockerfile sets, as `docker inspect` would show it."""
    commands = list(dockerfile.parse_string(render(image)))
    last = max(at for at, command in enumerate(commands) if command.cmd.upper() == "FROM")
    found: dict[str, Any] = {"Env": {}, "ExposedPorts": []}
    for command in commands[last:]:
        kind, words = command.cmd.upper(), command.value
        if kind == "ENV":
            found["Env"] |= {name: json.loads(text) for name, text in zip(words[::2], words[1::2], strict=True)}
        elif kind == "EXPOSE":
            found["ExposedPorts"] += [int(port) for port in words]
        elif kind == "HEALTHCHECK":
            found["Healthcheck"] = None if words[0] == "NONE" else [*command.flags, *words[1:]]
        elif kind in LISTS:
            found[LISTS[kind]] = list(words)
        elif kind in TEXTS:
            found[TEXTS[kind]] = words[0]
    return found


def files_in(image: Image, root: Path) -> dict[str, str]:
    """Paths with mode and owner, of what it has beside its base."""
    found = {binary.path: "0755 0:0" for binary in image.binaries}
    for file in image.files:
        assert isinstance(file, SourceFile)
        for name in files_of(root, file):
            mode = file.mode or ("0755" if (root / name).stat().st_mode & 0o100 else "0644")
            found[f"{file.to}{name.removeprefix(file.source)}"] = f"{mode} {file.owner}"
    return found | {f"{folder.path}/": f"{folder.mode} {folder.owner}" for folder in image.folders}


def read(images: tuple[Adopted, ...]) -> Mapping[str, Image]:
    return {image.name: image for image in resolved(images)}


def test_nine_images_of_a_sub_folder(nine: Survey) -> None:
    found = nine
    assert [image.name for image in found.images] == sorted(f"carbide-rest-{name}" for name, *_ in NINE)
    assert not any(image.is_kept for image in found.images)
    assert not found.loose
    images = read(found.images)
    for name, package, port in NINE:
        if name in {"psm", "db"}:
            continue
        binary = package.rpartition("/")[2]
        assert config_of(images[f"carbide-rest-{name}"]) == {
            "Env": {},
            "ExposedPorts": [port],
            "Entrypoint": [f"/app/{binary}"],
            # Not by name: Kubernetes cannot tell whether that is root.
            "User": "1000:1000",
            "WorkingDir": "/app",
            "Healthcheck": [
                "--interval=30s", "--timeout=30s", "--start-period=0s", "--retries=3", f"/app/{binary}", "health",
            ],
        }  # fmt: skip
        assert files_in(images[f"carbide-rest-{name}"], Path()) == {f"/app/{binary}": "0755 0:0"}
    assert config_of(images["carbide-rest-db"])["Cmd"] == ["db", "init_migrate"]
    assert images["carbide-rest-db"].kind == "job"
    psm = config_of(images["carbide-rest-psm"])
    assert (psm["User"], psm["Entrypoint"]) == ("nonroot", ["/usr/local/bin/psm"])
    assert "WorkingDir" not in psm
    assert images["carbide-rest-psm"].provides == frozenset()


def test_every_symbol_of_every_binary_is_set(nine: Survey) -> None:
    for image in read(nine.images).values():
        for binary in image.binaries:
            assert binary.symbols == {"./common/version.Version": "version", "./common/version.Commit": "revision"}
            assert binary.ldflags == ("-s", "-w")


def test_each_value_says_where_it_is_from(nine: Survey) -> None:
    text = catalogue_text(nine.images)
    lines = text.splitlines()
    values = [line for line in lines if ": " in line and not line.startswith("schemaVersion")]
    assert all("  # " in line for line in values)
    assert "    command: [db, init_migrate]  # docker/production/Dockerfile.carbide-rest-db:24" in lines
    source = nine_images()[f"{SUBFOLDER}/docker/production/Dockerfile.carbide-rest-db"].splitlines()
    assert source[24 - 1] == 'CMD ["db", "init_migrate"]'
    assert len(lines) < 80


def test_a_module_for_each_service(look: Look, tmp_path: Path) -> None:
    found = look(module_per_service())
    for name, image in read(found.images).items():
        assert image.binaries[0].folder == f"services/{name}"
        assert image.binaries[0].tags == ("netgo", "osusergo")
        assert image.go_version == "1.24"
        assert config_of(image) == {
            "Env": {"GOTRACEBACK": "single", "DISABLE": "1, 2"},
            "ExposedPorts": [8080, 9100],
            "Entrypoint": ["/srv/service"],
            "User": "0:0",
            "WorkingDir": "/srv",
            "Healthcheck": None,
        }
        # What the .dockerignore leaves out is not in it, though nothing else would keep it out.
        assert files_in(image, tmp_path / "clone") == {
            "/srv/service": "0755 0:0",
            "/srv/templates/page.html": "0644 0:0",
            "/srv/static/site.css": "0644 0:0",
        }


def test_several_binaries_and_a_script(look: Look, tmp_path: Path) -> None:
    found = look(several_binaries())
    images = read(found.images)
    assert not found.loose
    assert config_of(images["shop"]) == {
        "Env": {},
        "ExposedPorts": [8080],
        "Entrypoint": ["start.sh"],
        "Cmd": ["api", "--verbose"],
        "User": "1001:1001",
        "Healthcheck": None,
        "StopSignal": "SIGINT",
    }
    assert files_in(images["shop"], tmp_path / "clone") == {
        **{f"/usr/local/bin/{name}": "0755 0:0" for name in ("api", "worker", "cron")},
        "/usr/local/bin/start.sh": "0755 1001:1001",
        "/var/lib/svc/": "0755 1001:1001",
    }
    assert isinstance(images["shop"].user, MadeUser)
    assert all(binary.symbols == {"main.version": "version"} for binary in images["shop"].binaries)
    assert [binary.path for binary in images["admin"].binaries] == ["/bin/admin", "/bin/reset"]
    assert images["admin"].base == "scratch"
    assert images["admin"].provides == {"ca-certificates"}
    assert config_of(images["admin"])["User"] == "65532:65532"


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("shell", "docker/shell.Dockerfile:7", "installs openssh-client"),
        ("web", "docker/web.Dockerfile:10", "copies /web/dist, which line 4 makes (npm run build)"),
        ("fetch", "docker/fetch.Dockerfile:7", "copies /out/probe, which line 5 makes (curl"),
        ("all", "docker/all.Dockerfile:3", "copies the whole context"),
    ],
)
def test_what_no_entry_can_say_is_named_and_kept(several: Survey, name: str, line: str, words: str) -> None:
    found = {image.name: image for image in several.images}[name]
    assert found.entry["dockerfile"].value == f"docker/{name}.Dockerfile"
    assert any(each.where == line and words in each.what and each.do for each in found.unsayable)


def test_a_kept_image_has_its_version_and_ports(several: Survey) -> None:
    found = {image.name: image for image in several.images}["shell"]
    assert entry_data(found) == {
        "dockerfile": "docker/shell.Dockerfile",
        "args": {"VERSION": "{version}"},
        "ports": {"http": 8080},
    }


def test_as_is_takes_every_image_and_needs_no_go(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    found = look(several_binaries(), as_is=True)
    assert {image.name: data(image.entry["dockerfile"]) for image in found.images} == {
        "shop": "Dockerfile",
        "admin": "Dockerfile.admin",
    }
    assert not any(image.unsayable for image in found.images)


def test_a_main_package_without_an_image_is_named(several: Survey) -> None:
    assert "cmd/spare" in several.loose


def test_modules_that_replace_each_other_are_built_from_the_root(look: Look) -> None:
    found = look(workspace())
    assert {name: image.binaries[0].folder for name, image in read(found.images).items()} == {
        "left": "left",
        "right": "right",
    }
    assert all("shared/words.go" in [file.path for file in inputs.files] for inputs in found.inputs.values())


def test_from_the_top_of_the_repository_the_sub_folder_is_found(look: Look) -> None:
    found = look(nine_images())
    image = read(found.images)["carbide-rest-api"]
    assert image.binaries[0].folder == f"{SUBFOLDER}/api/cmd/api"
    assert image.version == FileVersion(file=f"{SUBFOLDER}/VERSION")
    assert not any(image.is_kept for image in found.images)
