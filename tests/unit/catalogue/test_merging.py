"""Layers of one image: an entry's own value wins, maps are merged, null removes."""

from pathlib import Path
from typing import Any

import pytest

from carbide_infra.catalogue.loading import Stack
from carbide_infra.catalogue.model import KeptDockerfile, Text
from carbide_infra.catalogue.problems import CatalogueError
from tests.unit.catalogue.samples import DIGEST, image, load, problem, problems

DEFAULTS = """{
    labels: {a: "1", b: "2"}, environment: {A: x, B: y}, ports: {http: 80, grpc: 90},
    symbols: {./v.Version: version, ./v.Time: buildTime},
    health: {command: ["{binary}", health], interval: 10s, timeout: 1s, startPeriod: 2s, retries: 9},
    user: {name: svc, uid: 7, gid: 8, home: /h}, version: {file: V, match: '"(.*)"'}, workdir: /w,
    ldflags: [-s], gcflags: [-l], tags: [netgo], provides: [timezones], stopSignal: SIGINT, sizeBudget: 1MB,
    folders: [{path: /f}], files: [{from: x, to: /x}] }""".replace("\n", " ")


def test_what_defaults_say_holds_for_an_image(tmp_path: Path) -> None:
    found = image(tmp_path, defaults=DEFAULTS)
    assert found.labels == {"a": "1", "b": "2"}
    assert found.environment == {"A": "x", "B": "y"}
    assert found.ports == {"http": 80, "grpc": 90}
    assert found.binaries[0].symbols == {"./v.Version": "version", "./v.Time": "buildTime"}
    assert (found.binaries[0].ldflags, found.binaries[0].gcflags, found.binaries[0].tags) == (
        ("-s",),
        ("-l",),
        ("netgo",),
    )
    assert found.health is not None
    assert found.health.model_dump() == {
        "command": ("/app/server", "health"),
        "interval": "10s",
        "timeout": "1s",
        "start_period": "2s",
        "retries": 9,
    }
    assert found.user.instruction == "7:8"
    assert found.version.model_dump() == {"file": "V", "match": '"(.*)"'}
    assert (found.workdir, found.stop_signal, found.size_budget) == ("/w", "SIGINT", 1_000_000)
    assert found.provides == {"timezones"}
    assert [folder.path for folder in found.folders] == ["/f"]
    assert [file.to for file in found.files] == ["/x"]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('labels: {b: "3", c: "4"}', "labels", {"a": "1", "b": "3", "c": "4"}),
        ("labels: {a: null}", "labels", {"a": None, "b": "2"}),
        ("labels: null", "labels", {}),
        ("environment: {B: null, C: z}", "environment", {"A": "x", "C": "z"}),
        ("ports: {grpc: null}", "ports", {"http": 80}),
        ("ports: null", "ports", {}),
        ("health: null", "health", None),
        ("workdir: null", "workdir", None),
        ("stopSignal: null", "stop_signal", None),
        ("sizeBudget: null", "size_budget", None),
        ("provides: []", "provides", frozenset()),
        ("provides: null", "provides", frozenset()),
        ("folders: null", "folders", ()),
        ("files: null", "files", ()),
        ("platforms: [linux/arm64, linux/amd64, linux/arm64]", "platforms", ("linux/amd64", "linux/arm64")),
        ("kind: job", "kind", "job"),
    ],
)
def test_an_entrys_own_value_wins(line: str, field: str, value: object, tmp_path: Path) -> None:
    extra = ("ports: null",) if line == "kind: job" else ()
    assert getattr(image(tmp_path, line, *extra, defaults=DEFAULTS), field) == value


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("symbols: {./v.Time: null, main.x: revision}", "symbols", {"./v.Version": "version", "main.x": "revision"}),
        ("symbols: {main.x: {text: a b}}", "symbols", None),
        ("symbols: null", "symbols", {}),
        ("ldflags: []", "ldflags", ()),
        ("ldflags: null", "ldflags", ()),
        ("gcflags: null", "gcflags", ()),
        ("tags: [a, b]", "tags", ("a", "b")),
    ],
)
def test_how_a_binary_is_built(line: str, field: str, value: Any, tmp_path: Path) -> None:  # noqa: ANN401
    (binary,) = image(tmp_path, line, defaults=DEFAULTS).binaries
    expected = (
        value
        if value is not None
        else {
            "./v.Version": "version",
            "./v.Time": "buildTime",
            "main.x": Text(text="a b"),
        }
    )
    assert getattr(binary, field) == expected


def test_a_health_check_is_merged_key_by_key(tmp_path: Path) -> None:
    health = image(tmp_path, "health: {command: [nc, -z, 127.0.0.1, '80'], retries: 1}", defaults=DEFAULTS).health
    assert health is not None
    assert (health.command, health.interval, health.retries) == (("nc", "-z", "127.0.0.1", "80"), "10s", 1)


def test_a_health_check_has_sensible_times_of_its_own(tmp_path: Path) -> None:
    health = image(tmp_path, "health: {command: [x]}").health
    assert health is not None
    assert (health.interval, health.timeout, health.start_period, health.retries) == ("30s", "5s", "10s", 3)


def test_a_health_check_without_command_is_a_mistake(tmp_path: Path) -> None:
    said = 'a: health: has no command; a good value: {command: ["{binary}", health]}, or null for none'
    assert problem(tmp_path, "health: {interval: 1s}") == f"services.yaml:5: {said}"


@pytest.mark.parametrize(
    ("lines", "user"),
    [
        ((), {"kind": "made", "name": "svc", "uid": 7, "gid": 8, "home": "/h"}),
        (("user: {uid: 9}",), {"kind": "made", "name": "svc", "uid": 9, "gid": 8, "home": "/h"}),
        (("user: {name: x}",), {"kind": "made", "name": "x", "uid": 7, "gid": 8, "home": "/home/x"}),
        (("user: {name: x, home: /y}",), {"kind": "made", "name": "x", "uid": 7, "gid": 8, "home": "/y"}),
        (("user: {name: svc}",), {"kind": "made", "name": "svc", "uid": 7, "gid": 8, "home": "/h"}),
        (("user: {gid: null, home: null}",), {"kind": "made", "name": "svc", "uid": 7, "gid": 7, "home": "/home/svc"}),
        (("user: {base: nvs}", "folders: null"), {"kind": "base", "name": "nvs"}),
        (("user: {base: '65532'}",), {"kind": "base", "name": "65532"}),
        (("user: root",), {"kind": "root", "name": "root", "uid": 0, "gid": 0}),
        (("user: {base: root}",), {"kind": "root", "name": "root", "uid": 0, "gid": 0}),
        (("user: {base: '0'}",), {"kind": "root", "name": "root", "uid": 0, "gid": 0}),
        (("user: {base: '0:0'}",), {"kind": "root", "name": "root", "uid": 0, "gid": 0}),
    ],
)
def test_the_user(lines: tuple[str, ...], user: dict[str, object], tmp_path: Path) -> None:
    assert image(tmp_path, *lines, defaults=DEFAULTS).user.model_dump() == user


def test_a_made_user_replaces_the_bases_of_defaults(tmp_path: Path) -> None:
    assert image(tmp_path, "user: {name: x}", defaults="{user: {base: nvs}}").user.instruction == "1000:1000"
    assert image(tmp_path, defaults="{user: {base: nvs}}").user.instruction == "nvs"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("user: {base: nvs, name: x}", "user: has both a name and a base; a name is for a user that the image makes"),
        ("user: {name: root}", "user.name = root: cannot be made by the image; a good value: user: root"),
        ("user: {name: null}", "user: has no name; a good value: {name: appuser}, {base: nonroot}, or root"),
    ],
)
def test_a_user_that_cannot_be(line: str, said: str, tmp_path: Path) -> None:
    assert problem(tmp_path, line) == f"services.yaml:5: a: {said}"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("version: {file: W}", {"file": "W", "match": None}),
        ("version: {file: ./W, match: 'x(.*)'}", {"file": "W", "match": "x(.*)"}),
        ("version: {gitTag: v*}", {"git_tag": "v*"}),
    ],
)
def test_where_the_version_comes_from(line: str, version: dict[str, object], tmp_path: Path) -> None:
    assert image(tmp_path, line, defaults=DEFAULTS).version.model_dump() == version


def test_a_file_replaces_the_git_tag_of_defaults(tmp_path: Path) -> None:
    found = image(tmp_path, "version: {file: W}", defaults="{version: {gitTag: v*}}")
    assert found.version.model_dump() == {"file": "W", "match": None}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("version: {file: V, gitTag: v*}", "version: has both a file and a gitTag; keep one of them"),
        ("version: {file: null}", "version: has neither file nor gitTag; a good value: {file: VERSION}"),
    ],
)
def test_a_version_that_cannot_be_found(line: str, said: str, tmp_path: Path) -> None:
    assert problem(tmp_path, line) == f"services.yaml:5: a: {said}"


def test_a_prefix_of_git_tags_needs_a_version_of_its_own(tmp_path: Path) -> None:
    assert image(tmp_path, "tagPrefix: a/", "version: {file: a/VERSION}").tag_prefix == "a/"
    assert problem(tmp_path, "tagPrefix: a/", defaults="{version: {file: V}}").startswith(
        "services.yaml:5: a: tagPrefix = a/: needs a version of its own"
    )


@pytest.mark.parametrize(
    ("lines", "folder", "module", "path"),
    [
        (("package: ./api/cmd/api",), "api/cmd/api", None, "/app/api"),
        (("package: api",), "api", None, "/app/api"),
        (("package: .",), ".", None, "/app/a"),
        (("package: .", "module: services/tool"), "services/tool", "services/tool", "/app/tool"),
        (("package: ./cmd/x", "module: ./services/tool"), "services/tool/cmd/x", "services/tool", "/app/x"),
        (("package: ./cmd/x", "module: ."), "cmd/x", ".", "/app/x"),
        (("package: .", "module: ."), ".", ".", "/app/a"),
    ],
)
def test_where_a_package_is(lines: tuple[str, ...], folder: str, module: str | None, path: str, tmp_path: Path) -> None:
    (binary,) = image(tmp_path, *lines).binaries
    assert (binary.folder, binary.module, binary.path, binary.index) == (folder, module, path, None)
    assert binary.package == ("." if folder == "." else f"./{folder}")


def test_several_binaries(tmp_path: Path) -> None:
    found = image(
        tmp_path,
        "symbols: {main.shared: version}",
        "health: {command: ['{binary}', '--x={binary}']}",
        "binaries:",
        "  - {package: ./a, path: /x/a, symbols: {main.own: revision}, ldflags: [], tags: [t]}",
        "  - {package: ., module: m, path: /x/b}",
        defaults="{symbols: {./v.V: version}, ldflags: [-w]}",
    )
    first, second = found.binaries
    assert first.symbols == {"main.shared": "version", "main.own": "revision"}
    assert (first.ldflags, first.tags, first.index) == ((), ("t",), 0)
    # What defaults set may be no variable of another module.
    assert second.symbols == {"main.shared": "version"}
    assert (second.ldflags, second.folder, second.module, second.index) == (("-w",), "m", "m", 1)
    assert found.entrypoint == ("/x/a",)
    assert found.health is not None
    assert found.health.command == ("/x/a", "--x=/x/a")


def test_an_override_may_replace_a_package_by_binaries_and_back(tmp_path: Path) -> None:
    stack = Stack(overrides={"a": {"binaries": [{"package": "./x", "path": "/x"}]}})
    assert image(tmp_path, "package: ./a", "module: m", stack=stack).binaries[0].folder == "x"
    stack = Stack(overrides={"a": {"package": "./y"}})
    (binary,) = image(tmp_path, "binaries: [{package: ./x, path: /x}]", stack=stack).binaries
    assert (binary.folder, binary.path) == ("y", "/app/y")


@pytest.mark.parametrize("other", ["package: ./a", "module: m"])
def test_a_package_beside_binaries_is_a_mistake(other: str, tmp_path: Path) -> None:
    found = problem(tmp_path, "binaries: [{package: ./x, path: /x}]", other)
    assert (
        found == "services.yaml:5: a: binaries: stands beside package or module; list that package among the binaries"
    )


def test_an_image_without_package_is_a_mistake(tmp_path: Path) -> None:
    found = problem(tmp_path, "package: null")
    assert found == "services.yaml:4: a: names no package; a good value: package: ./api/cmd/api"


@pytest.mark.parametrize(
    ("lines", "entrypoint", "command"),
    [
        ((), ("/app/server",), ()),
        (("command: [serve]",), ("/app/server",), ("serve",)),
        (("entrypoint: [/x, y]",), ("/x", "y"), ()),
        (("entrypoint: null", "command: [/app/server]"), (), ("/app/server",)),
        (("entrypoint: []", "command: [/app/server]"), (), ("/app/server",)),
    ],
)
def test_what_is_started(
    lines: tuple[str, ...], entrypoint: tuple[str, ...], command: tuple[str, ...], tmp_path: Path
) -> None:
    found = image(tmp_path, *lines)
    assert (found.entrypoint, found.command) == (entrypoint, command)


def test_an_image_that_starts_nothing_is_a_mistake(tmp_path: Path) -> None:
    assert problem(tmp_path, "entrypoint: null") == (
        "services.yaml:5: a: entrypoint: is empty, and so is command: nothing would start; name one of the two"
    )


def test_a_job_has_no_ports(tmp_path: Path) -> None:
    assert problem(tmp_path, "kind: job", "ports: {http: 80}") == (
        'services.yaml:6: a: ports = {"http": 80}: does not fit a job, which ends and listens on none; '
        "write ports: null"
    )
    assert problem(tmp_path, "kind: job", defaults="{ports: {http: 80}}").startswith("services.yaml:2: defaults.ports")


@pytest.mark.parametrize(
    ("owner", "user", "expected"),
    [
        ("", "", "0:0"),
        (", owner: root", "", "0:0"),
        (", owner: appuser", "", "1000:1000"),
        (", owner: '5'", "", "5:5"),
        (", owner: '5:6'", "", "5:6"),
        (", owner: svc", "user: {name: svc, uid: 3}", "3:3"),
        (", owner: nvs", "user: {base: nvs}", "nvs"),
        (", owner: root", "user: root", "0:0"),
    ],
)
def test_who_owns_a_file_or_folder(owner: str, user: str, expected: str, tmp_path: Path) -> None:
    lines = [f"files: [{{from: x, to: /x{owner}}}]", f"folders: [{{path: /y{owner}}}]", user]
    found = image(tmp_path, *filter(None, lines))
    assert (found.files[0].owner, found.folders[0].owner) == (expected, expected)


@pytest.mark.parametrize("user", ["user: {name: appuser}", "user: {base: nonroot}", "user: root"])
def test_an_owner_that_nobody_knows(user: str, tmp_path: Path) -> None:
    found = problem(tmp_path, "files: [{from: x, to: /x}, {from: y, to: /y, owner: nobody}]", user)
    assert found.startswith(
        "services.yaml:5: a: files[1].owner = nobody: is neither made by the image nor named as its base's; known are "
    )


def test_files_of_the_source_and_of_other_images(tmp_path: Path) -> None:
    found = image(
        tmp_path,
        "files:",
        "  - {from: ./s, to: /s, mode: '0640', exclude: [a, b/**]}",
        f"  - {{image: cli@{DIGEST}, from: /bin/cli, to: /bin/cli}}",
        "  - {from: t, to: /t}",
    )
    assert [file.to for file in found.source_files] == ["/s", "/t"]
    assert found.source_files[0].model_dump() == {
        "kind": "source",
        "source": "s",
        "to": "/s",
        "mode": "0640",
        "owner": "0:0",
        "exclude": ("a", "b/**"),
    }
    (foreign,) = found.foreign_files
    assert (foreign.image, foreign.source, foreign.mode) == (f"cli@{DIGEST}", "/bin/cli", None)


def test_a_file_of_another_image_excludes_nothing(tmp_path: Path) -> None:
    found = problem(tmp_path, "files: [{image: x, from: /x, to: /x, exclude: [y]}]")
    assert found == (
        'services.yaml:5: a: files[0].exclude = ["y"]: is not possible for a file of another image; '
        "name its files one by one"
    )


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (("files: [{from: x, to: /x}, {from: y, to: /x}]",), "files"),
        (("files: [{from: x, to: /app/server}]",), "files"),
        (("binaries: [{package: ./a, path: /x}, {package: ./b, path: /x}]",), "binaries"),
    ],
)
def test_two_things_for_one_path_are_a_mistake(lines: tuple[str, ...], key: str, tmp_path: Path) -> None:
    found = problem(tmp_path, *lines)
    assert f": a: {key}: has two things for /" in found


@pytest.mark.parametrize("key", ["context: .", "target: final", "args: {A: '1'}", "secrets: [gitcreds]"])
def test_what_is_about_a_dockerfile_of_its_own_needs_one(key: str, tmp_path: Path) -> None:
    name = key.partition(":")[0]
    assert problem(tmp_path, key) == (
        f"services.yaml:5: a: {name}: stands beside no dockerfile, and means nothing else; name the dockerfile, too"
    )


KEPT = "schemaVersion: 1\ndefaults: {%s}\nimages:\n  a:\n    dockerfile: ./docker/Dockerfile\n"


def test_an_image_may_keep_a_dockerfile_of_its_own(tmp_path: Path) -> None:
    said = "    context: ./docker\n    target: final\n    args: {A: '1'}\n    secrets: [goenv, gitcreds]\n"
    (image,) = load(tmp_path, KEPT % "" + said).images
    assert image.kept == KeptDockerfile(
        path="docker/Dockerfile", context="docker", target="final", args={"A": "1"}, secrets=("gitcreds", "goenv")
    )
    (image,) = load(tmp_path, KEPT % "").images
    assert image.kept == KeptDockerfile(path="docker/Dockerfile", context=".", target=None, args={}, secrets=())


def test_what_defaults_say_of_images_is_not_about_one_with_a_dockerfile_of_its_own(tmp_path: Path) -> None:
    said = "health: {command: [x]}, labels: {x.y: z}, environment: {A: b}, ports: {http: 80}, sizeBudget: 1MB"
    (image,) = load(tmp_path, KEPT % said).images
    assert (image.health, image.labels, image.environment, image.ports) == (None, {}, {}, {})
    assert (image.binaries, image.entrypoint, image.folders, image.files) == ((), (), (), ())
    assert image.size_budget == 1_000_000


def test_what_may_be_said_of_it_is_said(tmp_path: Path) -> None:
    said = "    ports: {http: 80}\n    labels: {x.y: z}\n    platforms: [linux/arm64]\n    title: T\n"
    (image,) = load(tmp_path, KEPT % "" + said).images
    assert (image.ports, image.labels, image.platforms, image.title) == (
        {"http": 80},
        {"x.y": "z"},
        ("linux/arm64",),
        "T",
    )


@pytest.mark.parametrize(
    "key", ["package: ./a", "base: alpine:3", "entrypoint: [/x]", "user: root", "environment: {A: b}", "tags: [a]"]
)
def test_what_its_dockerfile_says_nobody_else_says(key: str, tmp_path: Path) -> None:
    name = key.partition(":")[0]
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, KEPT % "" + f"    {key}\n")
    assert str(caught.value) == (
        f"services.yaml:6: a: {name}: is for its own Dockerfile to say; leave it out, or leave out dockerfile"
    )


@pytest.mark.parametrize(
    "key",
    [
        "dockerfile: ../Dockerfile",
        "dockerfile: /etc/passwd",
        "dockerfile: x\n    context: ../x",
        "dockerfile: x\n    target: 'a b'",
        "dockerfile: x\n    args: {A: '{commit}'}",
        "dockerfile: x\n    args: {A-B: x}",
        "dockerfile: x\n    secrets: [aws]",
    ],
)
def test_values_about_it_are_checked(key: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="a good value: "):
        load(tmp_path, f"schemaVersion: 1\nimages:\n  a:\n    {key}\n")


@pytest.mark.parametrize(
    ("defaults", "lines", "stack", "toolchain"),
    [
        ("{}", (), Stack(), ("1.25", "golang:1.25")),
        ("{goVersion: '1.26'}", (), Stack(), ("1.26", "golang:1.26")),
        ("{builder: golang:1.26-alpine}", (), Stack(), ("1.26", "golang:1.26-alpine")),
        ("{builder: example.com/b}", (), Stack(), ("1.25", "example.com/b")),
        ("{builder: example.com/b, goVersion: '1.24'}", (), Stack(), ("1.24", "example.com/b")),
        ("{builder: example.com/b, goVersion: '1.24'}", ("goVersion: '1.24'",), Stack(), ("1.24", "example.com/b")),
        ("{builder: example.com/b}", ("goVersion: '1.26'",), Stack(), ("1.26", "golang:1.26")),
        ("{builder: golang:1.24}", (), Stack(go_version="1.26"), ("1.26", "golang:1.26")),
        ("{}", ("builder: golang:1.24",), Stack(go_version="1.26"), ("1.24", "golang:1.24")),
        ("{}", ("goVersion: '1.24'",), Stack(builder="golang:1.26"), ("1.24", "golang:1.24")),
        ("{builder: golang:1.25@" + DIGEST + "}", ("goVersion: '1.25'",), Stack(), ("1.25", f"golang:1.25@{DIGEST}")),
    ],
)
def test_go_version_and_builder_agree(
    defaults: str, lines: tuple[str, ...], stack: Stack, toolchain: tuple[str, str], tmp_path: Path
) -> None:
    found = image(tmp_path, *lines, defaults=defaults, stack=stack)
    assert (found.go_version, found.builder) == toolchain


def test_a_builder_of_another_go_version_beside_it_is_a_mistake(tmp_path: Path) -> None:
    assert problem(tmp_path, "goVersion: '1.26'", "builder: golang:1.25") == (
        "services.yaml:6: a: builder = golang:1.25: is not of the goVersion 1.26 beside it; make the two agree"
    )


def test_title_and_description_stand_in_for_each_other(tmp_path: Path) -> None:
    found = image(tmp_path, "title: T")
    assert (found.title, found.description) == ("T", "T")
    found = image(tmp_path, "description: D")
    assert (found.title, found.description) == ("a", "D")
    found = image(tmp_path, "title: T", "description: D")
    assert (found.title, found.description) == ("T", "D")


def test_what_an_image_sets(tmp_path: Path) -> None:
    found = image(tmp_path, "symbols: {main.v: version, main.t: {text: revision}}")
    assert found.sets("version")
    assert not found.sets("revision")
    assert not found.sets("buildTime")


def test_all_that_does_not_fit_is_said(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "schemaVersion: 1\nimages:\n  a: {entrypoint: null, health: {}, user: {name: root}, tagPrefix: x/}\n"
    )
    assert len(found) == 4
