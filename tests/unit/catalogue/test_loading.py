"""Catalogue files: what is wrong is said in their own terms, all of it, with its line."""

from pathlib import Path

import pytest

from carbide_infra.catalogue.loading import Stack, load_catalogue
from carbide_infra.catalogue.problems import CatalogueError
from tests.unit.catalogue.samples import DIGEST, entry, image, load, problem, problems

TWO = """\
schemaVersion: 1
images:
  a: {package: ./a}
  b: {package: ./b, platforms: [linux/arm64], base: debian:13, builder: golang:1.24}
"""


def test_an_image_in_three_lines(tmp_path: Path) -> None:
    (found,) = load(tmp_path, "schemaVersion: 1\nimages:\n  a: {package: ./api/cmd/api}\n").images
    assert found.name == found.title == "a"
    assert found.description is None
    assert (found.binaries[0].path, found.entrypoint, found.command) == ("/app/api", ("/app/api",), ())
    assert found.binaries[0].ldflags == ("-s", "-w")
    assert (found.kind, found.workdir, found.stop_signal, found.health) == ("service", "/app", None, None)
    assert (found.base, found.builder, found.go_version) == ("alpine:latest", "golang:1.25", "1.25")
    assert found.platforms == ("linux/amd64", "linux/arm64")
    assert found.user.model_dump() == {
        "kind": "made",
        "name": "appuser",
        "uid": 1000,
        "gid": 1000,
        "home": "/home/appuser",
    }
    assert found.provides == {"ca-certificates", "timezones"}
    assert found.version.model_dump() == {"file": "VERSION", "match": None}
    assert [found.labels, found.ports, found.files, found.folders, found.environment] == [{}, {}, (), (), {}]
    assert (found.tag_prefix, found.size_budget) == ("", None)


def test_images_keep_the_files_order(tmp_path: Path) -> None:
    catalogue = load(tmp_path, "schemaVersion: 1\nimages:\n  z: {package: ./z}\n  a: {package: ./a}\n")
    assert catalogue.names == ("z", "a")
    assert [found.name for found in catalogue.images] == ["z", "a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "services.yaml: is not a map; a good beginning: schemaVersion: 1"),
        ("- a\n", "services.yaml: is not a map; a good beginning: schemaVersion: 1"),
        ("a: [\n", "services.yaml:2: cannot be read as YAML: expected the node content, but found '<stream end>'"),
        ("schemaVersion: 1\n", "services.yaml:1: images: is not set; a good value: "),
        ("schemaVersion: 1\nimages: {}\n", "services.yaml:2: images = {}: is empty; a good value: "),
        ("schemaVersion: 1\nimages: []\n", "services.yaml:2: images = []: is a list, not a map; a good value: "),
        ("schemaVersion: one\nimages:\n  a: {package: ./a}\n", "services.yaml:1: schemaVersion = one: is not one of 1"),
        (
            "schemaVersion: 2\nimages:\n  a: {package: ./a}\n",
            "services.yaml:1: schemaVersion = 2: is for a newer carbide-infra, this one reads 1 at most; install ",
        ),
        (
            "schemaVersion: 1\nservices: {}\nimages:\n  a: {package: ./a}\n",
            "services.yaml:2: services = {}: is an unknown key; known are schemaVersion, template, defaults, images",
        ),
        (
            "schemaVersion: 1\nimages:\n  A: {package: ./a}\n",
            "services.yaml:3: A: is not a name of an image; a good value: carbide-rest-api",
        ),
        ("schemaVersion: 1\nimages:\n  a:\n", "services.yaml:3: a = null: is empty, not a map; a good value: "),
        (
            "schemaVersion: 1\nimages:\n  a: {package: ./a}\n  a: {package: ./b}\n",
            "services.yaml:4: a: is the name of two images; rename one",
        ),
        (
            "schemaVersion: 1\nimages:\n  a:\n    package: ./a\n    kind: job\n    kind: job\n",
            "services.yaml:6: a: kind: stands there twice; remove one",
        ),
        (
            "schemaVersion: 1\ndefaults: {package: ./a}\nimages:\n  a: {package: ./a}\n",
            "services.yaml:2: defaults.package = ./a: is an unknown key of defaults; each image says its own",
        ),
    ],
)
def test_what_is_wrong_with_a_file(text: str, said: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("goVersion: 1.40", 'goVersion = 1.40: is a number, not text; write it in quotes: "1.40"'),
        ("title: 2024-01-02", 'title = 2024-01-02: is a date, not text; write it in quotes: "2024-01-02"'),
        ("environment: {DEBUG: yes}", 'environment.DEBUG = yes: is true or false, not text; write it in quotes: "yes"'),
        ("title: [a]", 'title = ["a"]: is a list, not text; a good value: REST API server'),
        ("title: {a: 1}", 'title = {"a": 1}: is a map, not text; a good value: REST API server'),
        ("ports: {http: '80'}", 'ports.http = 80: is text, not a whole number; a good value: {"http": 8080}'),
        ("ports: {http: 70000}", 'ports.http = 70000: is out of range: at most 65535; a good value: {"http": 8080}'),
        ("ports: {http: 0}", 'ports.http = 0: is out of range: at least 1; a good value: {"http": 8080}'),
        ("ports: [80]", 'ports = [80]: is a list, not a map; a good value: {"http": 8080}'),
        ("ldflags: -s", 'ldflags = -s: is text, not a list; a good value: ["-s", "-w"]'),
        ("kind: jobb", "kind = jobb: is not one of service, job; a good value: job"),
        ("platforms: [linux/arm]", "platforms[0] = linux/arm: is not one of linux/386, linux/amd64, linux/arm64, "),
        ("platforms: []", 'platforms = []: is empty; a good value: ["linux/amd64"]'),
        ("provides: [tz]", "provides[0] = tz: is not one of ca-certificates, timezones; a good value: "),
        ("health: none", 'health = none: is text, not a map; a good value: {"command": ["{binary}", "health"]}'),
        ("health: {command: []}", 'health.command = []: is empty; a good value: ["{binary}", "health"]'),
        ("helth: {}", "helth = {}: is an unknown key; did you mean health?"),
        ("health: {interva: 1s}", "health.interva = 1s: is an unknown key; did you mean interval?"),
        ("port: 80", "port = 80: is an unknown key; ports are named: write ports: {http: 8080}"),
        ("run: ls", "run = ls: is an unknown key; a command in the final stage would need an emulator for other "),
        ("cgo: true", "cgo = true: is an unknown key; binaries are built without cgo; "),
        ("versionSymbol: a.B", "versionSymbol = a.B: is an unknown key; write symbols: "),
        ("user: nvs", "user = nvs: is neither root nor a map; a good value: {base: nvs} where the base has that user"),
        ("symbols: {main.v: versio}", "symbols.main.v = versio: is not version, buildTime, revision or a text; "),
        ("symbols: {main.v: {text: 1}}", 'symbols.main.v = {"text": 1}: is not version, buildTime, revision or a text'),
        ('symbols: {main.v: {text: "a\'"}}', 'symbols.main.v = {"text": "a\'"}: holds a quote, $, '),
        ("symbols: {v: version}", "symbols.v: is not a Go variable; a good value: ./common/pkg/version.Version"),
        ("files: [{from: a}]", "files[0].to: is not set; a good value: /etc/server/start.sh"),
        ("files: [{from: /a, to: /b}]", "files[0].from = /a: is not a path below the source root; a good value: "),
        (
            "files: [{image: x, from: a, to: /b}]",
            "files[0].from = a: is not an absolute path in the image; a good value: ",
        ),
        (
            "files: [{from: a, to: /b, mode: 0755}]",
            'files[0].mode = 0755: is a number to YAML; write it in quotes: "07',
        ),
        (
            "files: [{from: a, to: /b, mode: 755}]",
            'files[0].mode = 755: is a number to YAML; write it in quotes: "0755"',
        ),
        ("ports: {http: 22:22}", 'ports.http = 22:22: is text, not a whole number; a good value: {"http": 8080}'),
        ("ports: {http: 010}", 'ports.http = 010: is text, not a whole number; a good value: {"http": 8080}'),
        ("health: {command: [a], interval: 30}", "health.interval = 30: is a number, not text; a good value: 30s"),
        ("sizeBudget: 30", "sizeBudget = 30: is a number, not text; a good value: 30MB"),
        ("goVersion: 1.30", 'goVersion = 1.30: is a number, not text; write it in quotes: "1.30"'),
        ("ti\u200btle: x", "ti\\u200btle = x: is an unknown key; did you mean title?"),
        ("base: null", "base = null: is empty, not text; a good value: alpine:3.22"),
        ("base: a b", "base = a b: is not a reference of an image: the repository 'a b' is not lower-case names"),
        ("tags: [a, 1]", 'tags[1] = 1: is a number, not text; write it in quotes: "1"'),
        ("binaries: [{package: ./a}]", "binaries[0].path: is not set; a good value: /usr/local/bin/server"),
        ('title: "a\\nb"', 'title = "a\\nb": holds a line end or another control character; a good value: text in '),
    ],
)
def test_what_is_wrong_with_a_key(line: str, said: str, tmp_path: Path) -> None:
    found = problem(tmp_path, line)
    assert found.startswith(f"services.yaml:5: a: {said}")


def test_everything_wrong_is_said_at_once_in_the_files_order(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        schemaVersion: 1
        images:
          a: {package: ./a, kind: job, ports: {http: 80}}
          b: {package: ./b, helth: {}}
          c: {}
          c: {package: ./c}
          d: {package: ./d, user: {base: nvs, name: nvs}, folders: [{path: /x, owner: nobody}]}
          e: {}
        """,
    )
    assert [line.split(":")[1] for line in found] == ["3", "4", "6", "7", "8"]


def test_no_word_of_pydantic_reaches_the_user(tmp_path: Path) -> None:
    lines = (
        "title: [1]",
        "ports: {http: x}",
        "ldflags: 1",
        "user: 1",
        "health: 1",
        "labels: 1",
        "binaries: []",
        "platforms: []",
        "symbols: {a.B: 1}",
        "version: x",
        "files: {a: b}",
        "folders: [x]",
        "sizeBudget: 30",
        "environment: {A: {}}",
        "provides: x",
        "version: {file: [], gitTag: 1}",
    )
    for line in lines:
        for found in problems(tmp_path, entry(line)):
            for word in ("Input should", "valid ", "tuple", "dict", "validation", "Value error", "instance", "model"):
                assert word not in found, found


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"^x.yaml: cannot be read \(No such file or directory\); a good value"):
        load_catalogue(tmp_path / "x.yaml", "x.yaml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(CatalogueError, match=r"x.yaml: is not a text in UTF-8 \(byte 8\)"):
        load_catalogue(tmp_path / "x.yaml")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfschemaVersion: 1\nimages:\n  a: {package: ./a}\n")
    assert load_catalogue(tmp_path / "x.yaml").names == ("a",)


def test_messages_name_the_file_by_its_path_unless_told_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("schemaVersion: 1\n")
    with pytest.raises(CatalogueError, match=f"^{file}:1: images"):
        load_catalogue(file)


def test_a_stack_replaces_the_defaults_and_an_entrys_own_values_win(tmp_path: Path) -> None:
    catalogue = load(tmp_path, TWO.replace("images:", "defaults: {base: alpine:3.22, goVersion: '1.23'}\nimages:"))
    stack = Stack(base="alpine:edge", go_version="1.26", platforms=["linux/amd64"])
    first, second = catalogue.resolved(stack)
    assert (first.base, first.builder, first.go_version, first.platforms) == (
        "alpine:edge",
        "golang:1.26",
        "1.26",
        ("linux/amd64",),
    )
    assert (second.base, second.builder, second.go_version, second.platforms) == (
        "debian:13",
        "golang:1.24",
        "1.24",
        ("linux/arm64",),
    )
    first, second = catalogue.images
    assert (first.base, first.builder, first.go_version) == ("alpine:3.22", "golang:1.23", "1.23")


def test_a_stack_selects_images_in_the_files_order(tmp_path: Path) -> None:
    catalogue = load(tmp_path, TWO)
    assert [found.name for found in catalogue.resolved(Stack(services=("b",)))] == ["b"]
    assert [found.name for found in catalogue.resolved(Stack(services=("b", "a")))] == ["a", "b"]


def test_a_stack_overrides_an_image_with_the_keys_of_an_entry(tmp_path: Path) -> None:
    stack = Stack(overrides={"b": {"package": "./c/d", "ports": {"http": 1}, "platforms": ["linux/s390x"]}})
    first, second = load(tmp_path, TWO).resolved(stack)
    assert first.ports == {}
    assert (second.entrypoint, second.ports, second.platforms) == (("/app/d",), {"http": 1}, ("linux/s390x",))


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        (Stack(services=("aa",)), "services = aa: is not an image of services.yaml; did you mean a?"),
        (
            Stack(overrides={"xyz": {}}),
            "serviceOverrides = xyz: is not an image of services.yaml; known are a, b",
        ),
        (
            Stack(overrides={"a": {"port": 1}}),
            "serviceOverrides.a.port = 1: is an unknown key; ports are named: write ports: {http: 8080}",
        ),
        (
            Stack(overrides={"a": {"goVersion": 1.4}}),
            'serviceOverrides.a.goVersion = 1.4: is a number, not text; write it in quotes: "1.4"',
        ),
        (
            Stack(overrides={"a": {"kind": "job", "ports": {"http": 1}}}),
            (
                'serviceOverrides.a.ports = {"http": 1}: does not fit a job, which ends and listens on none; '
                "write ports: null"
            ),
        ),
        (
            Stack(overrides={"a": ["x"]}),
            'serviceOverrides.a = ["x"]: is a list, not a map',
        ),
        (
            Stack(go_version="1.26", builder="golang:1.25"),
            "builderImage = golang:1.25: is not of the goVersion 1.26 beside it; make the two agree",
        ),
    ],
)
def test_what_is_wrong_with_a_stack(stack: Stack, said: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, TWO).resolved(stack)
    assert str(caught.value).splitlines()[0] == said


def test_an_override_of_an_image_that_is_not_selected_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"serviceOverrides\.b\.nope"):
        load(tmp_path, TWO).resolved(Stack(services=("a",), overrides={"b": {"nope": 1}}))


def test_a_problem_is_located_where_the_key_is_written(tmp_path: Path) -> None:
    catalogue = load(
        tmp_path,
        """\
        schemaVersion: 1
        defaults:
          folders: [{path: /x}]
          user: {name: appuser}
        images:
          a:
            package: ./a
            files:
              - {from: x, to: /x}
              - {from: y, to: /y}
        """,
    )
    assert (
        str(catalogue.problem("a", ("files", 1, "from"), "bad", "y")) == "services.yaml:10: a: files[1].from = y: bad"
    )
    assert str(catalogue.problem("a", ("folders", 0), "bad")) == "services.yaml:3: defaults.folders[0]: bad"
    assert str(catalogue.problem("a", ("health",), "bad")) == "services.yaml:6: a: health: bad"
    assert str(catalogue.problem("a", ("files", 2, "from"), "bad")) == "services.yaml:8: a: files[2].from: bad"
    assert (
        str(catalogue.problem("a", ("folders", 0, "owner"), "bad")) == "services.yaml:3: defaults.folders[0].owner: bad"
    )
    stack = Stack(overrides={"a": {"user": {"base": "x"}}})
    assert str(catalogue.problem("a", ("user", "base"), "bad", "x", stack)) == "serviceOverrides.a.user.base = x: bad"
    assert str(catalogue.problem("a", ("files", 1, "from"), "bad", "y", stack)).startswith("services.yaml:10: ")


def test_pinned_bases_are_references_by_digest(tmp_path: Path) -> None:
    found = image(tmp_path, f"base: alpine:3.22@{DIGEST}", f"builder: golang:1.26@{DIGEST}")
    assert found.base == f"alpine:3.22@{DIGEST}"
    assert (found.builder, found.go_version) == (f"golang:1.26@{DIGEST}", "1.26")


@pytest.mark.parametrize(
    ("defaults", "stack", "bases"),
    [
        ("{}", Stack(), ("golang:1.25", "alpine:latest")),
        ("{base: debian:13, goVersion: '1.26'}", Stack(), ("golang:1.26", "debian:13")),
        ("{base: debian:13}", Stack(base="alpine:3", builder="x/go:1"), ("x/go:1", "alpine:3")),
    ],
)
def test_the_bases_that_images_share(defaults: str, stack: Stack, bases: tuple[str, str], tmp_path: Path) -> None:
    catalogue = load(tmp_path, entry("base: scratch", "builder: own/go:1", defaults=defaults))
    assert catalogue.shared_bases(stack) == bases


def test_a_file_without_a_version_is_of_the_first(tmp_path: Path) -> None:
    assert load(tmp_path, "images:\n  a: {package: ./a}\n").names == ("a",)


def test_of_a_newer_program_s_file_one_sentence_is_said(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "schemaVersion: 7\nnovel: {}\nimages:\n  a: {new: 1}\n")
    assert said.startswith("services.yaml:1: schemaVersion = 7: is for a newer carbide-infra")


def test_a_key_of_images_is_none_of_defaults(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        defaults: {title: x, helth: {}}
        images:
          a: {package: ./a}
        """,
    )
    assert found == [
        "services.yaml:1: defaults.helth = {}: is an unknown key; did you mean health?",
        "services.yaml:1: defaults.title = x: is an unknown key of defaults; each image says its own",
    ]
