"""What is said of a catalogue and a source tree before anything is built."""

from functools import partial
from pathlib import Path

import pytest

from carbide_infra.catalogue.checks import Findings, check, check_images
from carbide_infra.catalogue.loading import Stack
from tests.unit.catalogue.samples import DIGEST, entry, load

SHELL = "health: {command: [sh, -c, 'exit 0']}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A module at the root, one below it, and what is not Go."""
    tree = tmp_path / "tree"
    files = {
        "go.mod": "module example.com/root",
        "cmd/server/main.go": "package main",
        "cmd/tests/main_test.go": "package main",
        "services/tool/go.mod": "module example.com/tool",
        "services/tool/main.go": "package main",
        "services/tool/cmd/x/main.go": "package main",
        "deploy/start.sh": "#!/bin/sh\n",
        "deploy/bash.sh": "#!/usr/bin/env bash\n",
        "deploy/direct.sh": "#! /bin/bash -e\n",
        "deploy/plain": "text\n",
        "docs/README": "text\n",
    }
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


def findings(root: Path, *lines: str, defaults: str = "{}", is_development: bool = False) -> Findings:
    catalogue = load(root.parent, entry(*lines, defaults=defaults))
    (image,) = catalogue.images
    return check(image, root, partial(catalogue.problem, "a"), is_development=is_development)


def errors(root: Path, *lines: str, defaults: str = "{}") -> list[str]:
    found = findings(root, *lines, defaults=defaults)
    assert not found.warnings
    return [str(problem) for problem in found.errors]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("{from: deploy/plain, to: /app}", "files[0].to = /app: is a file, and /app/server would lie in it"),
        ("{from: deploy/plain, to: /srv}", "files[0].to = /srv: is a file, and /srv/x would lie in it"),
        (f"{{image: x@{DIGEST}, from: /srv, to: /srv}}", None),
        ("{from: docs, to: /app/server/docs}", "package: /app/server is a file, and /app/server/docs"),
        ("{from: deploy, to: /app}", None),
    ],
)
def test_nothing_lies_in_a_file(file: str, said: str | None, root: Path) -> None:
    found = errors(root, "package: ./cmd/server", "folders: [{path: /srv/x}]", f"files: [{file}]")
    assert len(found) == (said is not None)
    assert all(f"a: {said}" in text and text.endswith("; give one of them another path") for text in found)


def test_a_good_entry_gives_no_finding(root: Path) -> None:
    found = findings(
        root,
        "binaries:",
        "  - {package: ./cmd/server, path: /usr/local/bin/server}",
        "  - {package: ., module: services/tool, path: /usr/local/bin/tool}",
        "  - {package: ./services/tool/cmd/x, path: /usr/local/bin/x}",
        "entrypoint: [/etc/server/start.sh]",
        f"files: [{{from: deploy, to: /etc/server}}, {{image: x@{DIGEST}, from: /bin/curl, to: /usr/bin/curl}}]",
        "health: {command: [curl, localhost]}",
    )
    assert found == Findings((), ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("package: ./cmd/nope", "a: package = ./cmd/nope: there is no folder {root}/cmd/nope; name a main package"),
        ("package: ./docs", "a: package = ./docs: has no Go files (looked in {root}/docs); name a main package"),
        ("package: ./cmd/tests", "a: package = ./cmd/tests: has no Go files (looked in {root}/cmd/tests); name a main"),
        (
            "binaries: [{package: ./cmd/server, path: /x}, {package: ./nope, path: /y}]",
            "a: binaries[1].package = ./nope: there is no folder {root}/nope; name a main package",
        ),
        (
            "binaries: [{package: ./services/tool/cmd/x, module: services/tool, path: /y}]",
            (
                "a: binaries[0].package = ./services/tool/services/tool/cmd/x: there is no folder "
                "{root}/services/tool/services/tool/cmd/x, for a package is named from its module: ./cmd/x; name a main"
            ),
        ),
        (
            "binaries: [{package: ./server, module: cmd, path: /y}]",
            "a: binaries[0].module = cmd: has no go.mod (looked in {root}/cmd)",
        ),
    ],
)
def test_a_package_that_is_not_there(line: str, said: str, root: Path) -> None:
    (found,) = errors(root, line)
    assert found.startswith(f"services.yaml:5: {said.format(root=root)}")


def test_a_package_of_no_module(root: Path) -> None:
    (root / "go.mod").unlink()
    (found,) = errors(root)
    assert found == (
        f"services.yaml:5: a: package = ./cmd/server: has no go.mod at or above it in {root}; "
        "name a package of a Go module"
    )
    assert not errors(root, "package: ./services/tool/cmd/x")


def test_a_go_mod_above_the_source_root_does_not_count(root: Path) -> None:
    (root / "go.mod").rename(root.parent / "go.mod")
    assert "has no go.mod at or above it" in errors(root)[0]


def test_a_package_that_is_a_link_out_of_the_tree(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/main.go").write_text("package main")
    (root / "cmd/out").symlink_to(tmp_path / "outside")
    (found,) = errors(root, "package: ./cmd/out")
    assert found == (
        f"services.yaml:5: a: package = ./cmd/out: leads out of the source root {root}; put a copy in its place"
    )


def test_files_that_match_nothing(root: Path) -> None:
    found = errors(
        root,
        "files:",
        "  - {from: deploy/start.sh, to: /x}",
        "  - {from: nope, to: /y}",
        "  - {from: deploy, to: /z, exclude: ['*']}",
    )
    assert found == [
        f"services.yaml:7: a: files[1].from = nope: is not there (looked at {root}/nope)",
        "services.yaml:8: a: files[2].from = deploy: has no file that is not excluded",
    ]


def test_a_version_file_that_leads_out_of_the_tree(root: Path) -> None:
    (root / "VERSION").symlink_to("/etc/hostname")
    (found,) = errors(root, "version: {file: VERSION}")
    assert found.startswith("services.yaml:5: a: version.file = VERSION: leads out of the source root")
    assert not errors(root, "version: {gitTag: v*}")
    assert not errors(root, "version: {file: nowhere}")


@pytest.mark.parametrize(
    "lines",
    [
        ("health: {command: [sh, -c, x]}",),
        ("health: {command: [/bin/nc, -z]}",),
        ("health: {command: [something]}",),
        ('health: {command: ["{binary}"]}',),
        ("health: {command: [/app/server, health]}",),
        ("health: {command: [curl]}", "base: example.com/with-curl"),
        ("health: {command: [/app/other]}", "base: example.com/base"),
        ("health: {command: [/srv/docs/README]}", "files: [{from: docs, to: /srv/docs}]"),
        ("health: {command: [/x/y/z]}", f"files: [{{image: x@{DIGEST}, from: /y, to: /x}}]"),
        ("health: {command: [bash]}", f"files: [{{image: x@{DIGEST}, from: /bin/bash, to: /bin/bash}}]"),
        ("entrypoint: [/x/start.sh]", "files: [{from: deploy/start.sh, to: /x/start.sh}]"),
        ("entrypoint: [/x/bash.sh]", "base: debian:13", "files: [{from: deploy, to: /x}]"),
        ("entrypoint: [/x/plain]", "files: [{from: deploy, to: /x}]"),
        ("entrypoint: null", "command: [/app/server]"),
    ],
)
def test_a_program_that_the_image_has_or_may_have(lines: tuple[str, ...], root: Path) -> None:
    assert errors(root, *lines) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ("health: {command: [curl, localhost]}",),
            (
                'services.yaml:5: a: health.command = ["curl", "localhost"]: curl is neither in alpine:latest nor '
                "among this image's binaries and files; it has /app/server"
            ),
        ),
        (("health: {command: [/app/serve, health]}",), "services.yaml:5: a: health.command = "),
        ((SHELL, "base: scratch"), "services.yaml:5: a: health.command = "),
        ((SHELL, "base: gcr.io/distroless/static"), "services.yaml:5: a: health.command = "),
        (("entrypoint: [/x/nope.sh]", "files: [{from: deploy, to: /x}]"), "services.yaml:5: a: entrypoint = "),
        (("entrypoint: null", "command: [/app/migrate]"), "services.yaml:6: a: command = "),
        (
            ("entrypoint: [/x/bash.sh]", "files: [{from: deploy, to: /x}]"),
            (
                'services.yaml:5: a: entrypoint = ["/x/bash.sh"]: deploy/bash.sh wants bash, which is neither in '
                "alpine:latest nor among this image's files"
            ),
        ),
        (
            ("entrypoint: [/x/run]", "files: [{from: deploy/direct.sh, to: /x/run}]"),
            'services.yaml:5: a: entrypoint = ["/x/run"]: deploy/direct.sh wants /bin/bash, which is neither in ',
        ),
        (
            ("entrypoint: [/x/start.sh]", "base: scratch", "files: [{from: deploy, to: /x}]"),
            'services.yaml:5: a: entrypoint = ["/x/start.sh"]: deploy/start.sh wants /bin/sh, which is neither in ',
        ),
    ],
)
def test_a_program_that_the_image_does_not_have(lines: tuple[str, ...], said: str, root: Path) -> None:
    (found,) = errors(root, *lines)
    assert found.startswith(said)


def test_a_default_health_command_is_located_in_the_defaults(root: Path) -> None:
    (found,) = errors(root, defaults="{health: {command: [curl]}}")
    assert found.startswith('services.yaml:2: defaults.health.command = ["curl"]: ')


@pytest.mark.parametrize("lines", [("user: {base: nobody}",), ("user: {base: '5'}",), ("user: {base: x}", "base: a/b")])
def test_a_user_that_the_base_has_or_may_have(lines: tuple[str, ...], root: Path) -> None:
    assert errors(root, *lines) == []


def test_a_user_that_the_base_does_not_have(root: Path) -> None:
    assert errors(root, "user: {base: nonroot}") == [
        (
            "services.yaml:5: a: user.base = nonroot: is not a user of alpine:latest; "
            "a good value: {name: nonroot}, a user that the image makes"
        )
    ]


def test_root_is_warned_of(root: Path) -> None:
    found = findings(root, "user: root")
    assert not found.errors
    assert [str(warning) for warning in found.warnings] == [
        "services.yaml:5: a: user = root: every process of this image may do everything; a good value: {name: appuser}"
    ]


def test_another_image_without_digest_is_for_development_only(root: Path) -> None:
    lines = ("user: root", "files: [{image: cli:1, from: /x, to: /x}]")
    said = (
        "services.yaml:6: a: files[0].image = cli:1: is without a digest, so its content may change unseen; "
        "a good value: cli:1@sha256:…"
    )
    found = findings(root, *lines)
    assert [str(problem) for problem in found.errors] == [said]
    assert len(found.warnings) == 1
    found = findings(root, *lines, is_development=True)
    assert found.errors == ()
    assert [str(problem) for problem in found.warnings][1:] == [said]
    assert len(found.warnings) == 2


@pytest.mark.parametrize(
    ("directive", "given", "is_too_old"),
    [
        ("go 1.24", "1.25", False),
        ("go 1.25", "1.25", False),
        ("go 1.25.4", "1.25", False),
        ("go 1.25.4 // and newer", "1.25.3", True),
        ("go 1.25.4", "1.25.4", False),
        ("go 1.25", "1.25.0", False),
        ("go 1.26", "1.25.9", True),
        ("go 1.26rc1", "1.25", True),
        ("", "1.1", False),
        ("toolchain go1.99", "1.25", False),
    ],
)
def test_a_go_version_that_is_too_old(directive: str, given: str, is_too_old: bool, root: Path) -> None:  # noqa: FBT001
    (root / "go.mod").write_text(f"module example.com/root\n\n{directive}\n")
    assert bool(errors(root, f"goVersion: '{given}'")) == is_too_old


def test_a_go_version_that_is_too_old_is_told_with_what_to_set(root: Path) -> None:
    (root / "services/tool/go.mod").write_text("module example.com/tool\n\ngo 1.25.4\n")
    lines = ("goVersion: '1.25.3'", "package: .", "module: services/tool")
    assert errors(root, *lines) == [
        "services.yaml:5: a: goVersion = 1.25.3: is older than services/tool/go.mod asks for; set 1.25.4 or newer"
    ]
    assert errors(root, "goVersion: '1.25.3'") == []


def test_the_images_of_a_stack_are_checked_together_and_located(root: Path) -> None:
    text = """\
        schemaVersion: 1
        images:
          a: {package: ./nope, user: root}
          b: {package: ./cmd/server, user: root, goVersion: '1.2'}
    """
    catalogue = load(root.parent, text)
    (root / "go.mod").write_text("module example.com/root\n\ngo 1.25\n")
    stack = Stack(overrides={"b": {"files": [{"from": "nowhere", "to": "/x"}]}})
    found = check_images(catalogue, stack, catalogue.resolved(stack), root, is_development=False)
    assert [str(problem) for problem in found.errors] == [
        f"services.yaml:3: a: package = ./nope: there is no folder {root}/nope; name a main package",
        "services.yaml:4: b: goVersion = 1.2: is older than go.mod asks for; set 1.25 or newer",
        f"serviceOverrides.b.files[0].from = nowhere: is not there (looked at {root}/nowhere)",
    ]
    assert [str(problem).partition(" = ")[0] for problem in found.warnings] == [
        "services.yaml:3: a: user",
        "services.yaml:4: b: user",
    ]


def test_a_go_version_that_is_too_old_is_told_once(root: Path) -> None:
    for module in (root, root / "services/tool"):
        (module / "go.mod").write_text("module example.com/x\n\ngo 1.25\n")
    binaries = "[{package: ./cmd/server, path: /x}, {package: ./services/tool, path: /y}]"
    assert len(errors(root, f"binaries: {binaries}", "goVersion: '1.24'")) == 1


def test_a_script_that_is_no_text_has_no_interpreter(root: Path) -> None:
    (root / "deploy/plain").write_bytes(b"\x7fELF\xff\xfe")
    assert errors(root, "entrypoint: [/x/plain]", "files: [{from: deploy, to: /x}]") == []
