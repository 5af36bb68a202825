"""Dockerfiles: readable, usable alone, and nothing in a catalogue adds an instruction or a command to them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dockerfile
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbide_infra.catalogue.loading import load_catalogue
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.catalogue.template import GENERATED, build_arguments, render
from tests.unit.catalogue.samples import DIGEST, entry, image, load

HERE = Path(__file__).parent
NAMES = ("everything", "bare", "root")
_ANY_TEXT = st.text(max_size=30) | st.text(alphabet="ab \"'$\\`{}#\n\r\t\u2028;&|<>EOF", max_size=12)
_QUICK = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def everything(name: str) -> Image:
    return next(found for found in load_catalogue(HERE / "everything.yaml").images if found.name == name)


def instructions(text: str) -> list[Any]:
    """As BuildKit's own parser reads them."""
    return list(dockerfile.parse_string(text))


def values_of(text: str, command: str) -> list[str]:
    return [value for found in instructions(text) if found.cmd == command for value in found.value]


def pairs(text: str, command: str) -> dict[str, str]:
    values = values_of(text, command)
    return {name: unquoted(value) for name, value in zip(values[::2], values[1::2], strict=True)}


def unquoted(value: str) -> str:
    assert value[0] == value[-1] == '"'
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def skeleton(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.cmd, found.flags) for found in instructions(text)]


def script(text: str, containing: str) -> str:
    """The body of the here-document that holds a text."""
    bodies = re.findall(r"<<'EOF'\n(.*?\n)EOF\n", text, re.DOTALL)
    (found,) = [body for body in bodies if containing in body]
    return str(found)


def run_script(body: str, folder: Path, places: Sequence[str], programs: dict[str, str], **environment: str) -> str:
    """Run a script of a Dockerfile with its absolute paths below a folder; programs are scripts of their own."""
    tools = folder / "tools"
    tools.mkdir()
    for name, text in programs.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    for place in places:
        body = re.sub(rf"(?<![\w.$}}]){place}\b", f"{folder}{place}", body)
    environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", body], cwd=folder / "cwd", env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ScriptFailed(done.stderr, done.returncode)
    return done.stdout


class ScriptFailed(Exception):
    """A script ended with an error."""

    def __init__(self, printed: str, code: int) -> None:
        super().__init__(printed)
        self.code = code


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_gives_exactly_this_dockerfile(name: str) -> None:
    """`CARBIDE_WRITE_GOLDEN=1 pytest` writes them anew; the difference is what is reviewed."""
    golden = HERE / f"Dockerfile.{name}"
    rendered = render(everything(name))
    if os.environ.get("CARBIDE_WRITE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), str(HERE / f"Dockerfile.{name}")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_final_stage_runs_nothing_and_pulls_no_frontend(name: str) -> None:
    text = render(everything(name))
    commands = [found.cmd for found in instructions(text)]
    assert "RUN" not in commands[len(commands) - commands[::-1].index("FROM") :]
    assert "syntax=" not in text
    assert text.startswith(GENERATED)


def test_what_a_container_runtime_is_told() -> None:
    text = render(everything("everything"))
    assert values_of(text, "ENTRYPOINT") == ["/etc/server/start.sh", "--config", "/etc/server"]
    assert values_of(text, "CMD") == ["serve", '--name=a "b" $c']
    assert values_of(text, "EXPOSE") == ["9090", "50051"]
    assert values_of(text, "USER") == ["1000:1000"]
    assert values_of(text, "STOPSIGNAL") == ["SIGINT"]
    assert values_of(text, "HEALTHCHECK") == ["CMD", "/usr/local/bin/server", "health"]
    assert pairs(text, "ENV") == {"GOTRACEBACK": "single", "GREETING": 'say "hi" to $USER'}
    assert pairs(text, "LABEL") == {
        "org.opencontainers.image.title": "Everything",
        "org.opencontainers.image.description": "One of each.",
        "org.opencontainers.image.vendor": "NVIDIA",
        "com.example.channel": "beta ${VERSION}",
        "org.opencontainers.image.base.name": "${RUNTIME_IMAGE}",
    }


def test_what_is_left_out_is_reset_where_the_base_may_have_it() -> None:
    text = render(everything("bare"))
    assert 'ENTRYPOINT []\nCMD ["/app/bare", "run"]\n' in text
    assert "HEALTHCHECK NONE\n" in text
    assert values_of(text, "USER") == ["nvs"]
    for absent in (
        "EXPOSE",
        "STOPSIGNAL",
        "ENV",
        "zones",
        "ca-certificates.crt etc",
        "etc/passwd\n",
        "SOURCE_DATE_EPOCH",
    ):
        assert absent not in text
    assert values_of(text, "WORKDIR") == ["/out/rootfs", "/src"]


def test_root_is_a_number_and_hadolint_is_told() -> None:
    text = render(everything("root"))
    assert "# hadolint ignore=DL3002\nUSER 0:0\n" in text
    assert pairs(text, "LABEL") == {
        "org.opencontainers.image.vendor": "NVIDIA",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.base.name": "somewhere",
    }
    # The label that would show it was replaced.
    assert text.count("RUNTIME_IMAGE") == 2


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("everything", {"VERSION", "SOURCE_DATE_EPOCH", "REVISION"}),
        ("bare", set()),
        ("root", {"VERSION", "SOURCE_DATE_EPOCH"}),
    ],
)
def test_build_arguments_are_those_that_vary(name: str, taken: set[str]) -> None:
    found = everything(name)
    assert build_arguments(found) == taken | {"BUILDER_IMAGE", "RUNTIME_IMAGE"}
    platform = {"TARGETOS", "TARGETARCH", "TARGETVARIANT"}
    declared = {value.partition("=")[0] for value in values_of(render(found), "ARG")}
    assert declared == build_arguments(found) | platform


def test_a_version_in_a_label_alone_is_an_argument_too(tmp_path: Path) -> None:
    found = image(tmp_path, 'labels: {x: "{version}"}')
    assert "VERSION" in build_arguments(found)
    assert values_of(render(found), "ARG")[-1] == "VERSION=dev"


def test_a_version_that_a_build_by_hand_cannot_find_comes_from_the_argument_alone() -> None:
    assert "common/version.go" not in render(everything("root"))


def test_equal_images_give_equal_dockerfiles(tmp_path: Path) -> None:
    assert render(image(tmp_path, "ports: {a: 1, b: 2}")) == render(image(tmp_path, "ports: {b: 2, a: 1}"))


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', width=10**6).strip()


@given(text=_ANY_TEXT)
@_QUICK
@pytest.mark.parametrize(
    ("line", "decoded"),
    [
        ("title: {}", lambda text: pairs(text, "LABEL")["org.opencontainers.image.title"]),
        ("description: {}", lambda text: pairs(text, "LABEL")["org.opencontainers.image.description"]),
        ("labels: {{x: {}}}", lambda text: pairs(text, "LABEL")["x"]),
        ("environment: {{X: {}}}", lambda text: pairs(text, "ENV")["X"]),
        ("entrypoint: [/x, {}]", lambda text: values_of(text, "ENTRYPOINT")[1]),
        ("command: [{}]", lambda text: values_of(text, "CMD")[0]),
        ("health: {{command: [/x, {}]}}", lambda text: values_of(text, "HEALTHCHECK")[2]),
    ],
)
def test_a_text_is_refused_or_arrives_as_it_is(
    line: str, decoded: Callable[[str], str], text: str, tmp_path: Path
) -> None:
    plain = render(image(tmp_path, line.format("plain")))
    try:
        rendered = render(image(tmp_path, line.format(_quoted(text))))
    except CatalogueError:
        assert not text.isprintable() or "{" in text
        return
    assert skeleton(rendered) == skeleton(plain)
    if text or line.startswith(("labels", "environment")):
        assert decoded(rendered) == text.replace("{version}", "${VERSION}")


_FIELDS = (
    "base: {}",
    "builder: {}",
    "workdir: {}",
    "stopSignal: {}",
    "package: {}",
    "module: {}",
    "tags: [{}]",
    "ldflags: [{}]",
    "gcflags: [{}]",
    "symbols: {{{}: version}}",
    "symbols: {{main.x: {{text: {}}}}}",
    "user: {{name: {}}}",
    "user: {{base: {}}}",
    "user: {{home: {}}}",
    "version: {{file: {}}}",
    "files: [{{from: {}, to: /x}}]",
    "files: [{{from: x, to: {}}}]",
    "files: [{{from: x, to: /x, mode: {}}}]",
    "files: [{{from: x, to: /x, owner: {}}}]",
    "files: [{{from: x, to: /x, exclude: [{}]}}]",
    "files: [{{image: {}, from: /x, to: /x}}]",
    "files: [{{image: x, from: {}, to: /x}}]",
    "folders: [{{path: {}}}]",
    "labels: {{{}: x}}",
    "environment: {{{}: x}}",
    "health: {{command: [x], interval: {}}}",
    "binaries: [{{package: x, path: {}}}]",
)
_ATTACKS = (
    "x\nRUN id",
    "x\\\nRUN id",
    "x'; id; '",
    "x`id`",
    "$(id)",
    "${PATH}",
    "x & id",
    'x" id "',
    "x #",
    "EOF\nRUN id",
    "x,target=/etc",
    "-rf",
    "../x",
    "/../x",
    "/x/../../y",
    "x;id",
    "x|id",
    "x>y",
    "x id",
    "*",
    "~root",
    "\u2028",
)


@pytest.mark.parametrize("line", _FIELDS)
def test_no_value_of_a_script_or_instruction_can_hold_another(line: str, tmp_path: Path) -> None:
    flags = line.startswith(("gcflags", "ldflags", "symbols: {{main.x"))
    for attack in _ATTACKS:
        is_harmless = (
            attack == "~root"
            or (attack == "*" and "exclude" in line)
            or (flags and not re.search(r"['\"`$\\\n\u2028]", attack))
        )
        if not is_harmless:
            with pytest.raises(CatalogueError):
                image(tmp_path, line.format(_quoted(attack)))


@given(text=st.text(alphabet="ab/._-@:+~=,%{} 0", min_size=1, max_size=12))
@_QUICK
@pytest.mark.parametrize("line", _FIELDS)
def test_no_value_changes_the_instructions(line: str, text: str, tmp_path: Path) -> None:
    try:
        rendered = render(image(tmp_path, line.format(_quoted(text))))
    except CatalogueError:
        return
    bodies = re.findall(r"<<'EOF'\n(.*?\n)EOF\n", rendered, re.DOTALL)
    subprocess.run(["sh", "-n", "-c", "\n".join(bodies)], check=True)
    assert [found.cmd for found in instructions(rendered)][-1] in {"ENTRYPOINT", "CMD"}


GO = r"""
case "$1 $2" in
    "env GOMOD") folder=$PWD; while [ ! -f "$folder/go.mod" ]; do folder=${folder%/*}; done; echo "$folder/go.mod" ;;
    "list -m") echo "GOWORK=$GOWORK" >&2; cat go.mod ;;
    build*)
        exec >> "$LOG"
        echo "in $PWD"
        printf '<%s>' "$@"
        echo
        echo "$CGO_ENABLED $GOOS $GOARCH $GOARM $GOAMD64"
        ;;
esac
"""


def built(found: Image, tmp_path: Path, **environment: str) -> str:
    """What the build script of an image asks the go command to do."""
    log = tmp_path / "log"
    log.unlink(missing_ok=True)
    source = tmp_path / "run/src"
    for folder in ("cmd/server", "services/tool", "nested/cmd/x"):
        (source / folder).mkdir(parents=True)
    (source / "go.mod").write_text("example.com/root\n")
    (source / "nested/go.mod").write_text("example.com/nested\n")
    (source / "services/tool/go.mod").write_text("example.com/tool\n")
    (source / "VERSION").write_text("# licence\n\n  1.2.3  \n4\n")
    (source / "services/tool/VERSION").write_text("5.6.7\n")
    for folder in ("out", "root/.cache/go-build"):
        (tmp_path / "run" / folder).mkdir(parents=True)
    (tmp_path / "run/cwd").symlink_to(source)
    body = script(render(found), "/run/secrets/goenv")
    places = ("/src", "/out", "/root/.cache/go-build", "/run/secrets")
    given_ = {"TARGETOS": "linux", "TARGETARCH": "arm64", "TARGETVARIANT": "", "VERSION": "", "REVISION": "abc"}
    given_ |= {"SOURCE_DATE_EPOCH": "86400", "LOG": str(log)} | environment
    run_script(body, tmp_path / "run", places, {"go": GO, "flock": "exit 1"}, **given_)
    return log.read_text().replace(str(tmp_path / "run"), "")


def test_a_binary_is_built_in_the_nearest_module(tmp_path: Path) -> None:
    found = image(
        tmp_path,
        "package: ./nested/cmd/x",
        "symbols: {./a.V: version, main.t: buildTime, main.r: revision, main.x: {text: a b}}",
    )
    assert built(found, tmp_path) == (
        "in /src/nested\n"
        "<build><-trimpath><-buildvcs=false><-gcflags=all=-dwarf=false><-ldflags>"
        "<-s -w -buildid= -X 'example.com/nested/a.V=1.2.3' -X 'main.t=1970-01-02T00:00:00Z' -X 'main.r=abc'"
        " -X 'main.x=a b'><-o></out/binary/app/x></src/nested/cmd/x>\n"
        "0 linux arm64  \n"
    )


@pytest.mark.parametrize(
    ("lines", "symbol", "name"),
    [
        (("package: ./cmd/app",), "./cmd/app.version", "main.version"),
        (("package: ./svc/cmd/app",), "./cmd/app.version", "$module/cmd/app.version"),
        (("package: ./svc/cmd/app",), "./svc/cmd/app.version", "main.version"),
        (("package: ./cmd/app", "module: svc"), "./cmd/app.version", "main.version"),
        (("package: ./cmd/app",), "./md/app.version", "$module/md/app.version"),
        (("package: ./cmd/app",), "./app.version", "$module/app.version"),
        (("package: ./cmd/app", "module: svc"), "./app.version", "$module/app.version"),
        (("package: ./cmd/app",), "./cmd/app/inner.version", "$module/cmd/app/inner.version"),
    ],
)
def test_a_variable_of_the_main_package_has_the_linker_s_name(
    lines: tuple[str, ...], symbol: str, name: str, tmp_path: Path
) -> None:
    assert f"-X '{name}=" in render(image(tmp_path, *lines, f"symbols: {{{symbol}: version}}"))


def test_a_binary_is_built_in_the_module_that_is_named(tmp_path: Path) -> None:
    assert built(everything("everything"), tmp_path, VERSION="", TARGETARCH="amd64", TARGETVARIANT="v3") == (
        "in /src\n"
        "<build><-trimpath><-buildvcs=false><-tags><netgo,osusergo><-gcflags=all=-N -l><-ldflags>"
        "<-buildid= -X 'main.version=5.6.7' -X 'example.com/root/info.Commit=abc'"
        " -X 'example.com/root/info.Built=1970-01-02T00:00:00Z' -X 'main.channel=beta 2'>"
        "<-o></out/binary/usr/local/bin/server></src/cmd/server>\n"
        "0 linux amd64  v3\n"
        "in /src/services/tool\n"
        "<build><-trimpath><-buildvcs=false><-gcflags=all=-dwarf=false><-ldflags><-s -w -buildid=>"
        "<-o></out/binary/opt/tool/bin/tool></src/services/tool>\n"
        "0 linux amd64  v3\n"
    )


@pytest.mark.parametrize(
    ("lines", "given_", "version"),
    [
        ((), "9.9", "9.9"),
        ((), "", "1.2.3"),
        (("version: {file: services/tool/VERSION}",), "", "5.6.7"),
        (("version: {file: nowhere}",), "", "dev"),
        (("version: {gitTag: v*}",), "", "dev"),
        (("version: {file: VERSION, match: '(.)'}",), "", "dev"),
        (("version: {gitTag: v*}",), "8.8", "8.8"),
    ],
)
def test_the_version_by_hand(lines: tuple[str, ...], given_: str, version: str, tmp_path: Path) -> None:
    found = image(tmp_path, *lines, "symbols: {main.v: version}")
    assert f"-X 'main.v={version}'>" in built(found, tmp_path, VERSION=given_)


@pytest.mark.parametrize(
    ("arch", "variant", "seen"), [("arm", "v7", "arm 7 "), ("arm64", "v8", "arm64  "), ("amd64", "v2", "amd64  v2")]
)
def test_a_variant_of_a_processor(arch: str, variant: str, seen: str, tmp_path: Path) -> None:
    log = built(image(tmp_path), tmp_path, TARGETARCH=arch, TARGETVARIANT=variant)
    assert log.endswith(f"0 linux {seen}\n")


def test_settings_and_authorities_come_from_secrets(tmp_path: Path) -> None:
    secrets = tmp_path / "run/run/secrets"
    secrets.mkdir(parents=True)
    (secrets / "goenv").write_text("CGO_ENABLED='1'\nGOARM='from secret'\n")
    log = built(image(tmp_path), tmp_path)
    # What decides the bytes is not the secret's to say.
    assert log.endswith("0 linux arm64 from secret \n")


@pytest.mark.parametrize("part", ["/run/secrets/goenv", "/folders"])
def test_a_failed_build_waits_before_it_ends_as_it_did(part: str, tmp_path: Path) -> None:
    """What is printed in the last moment would be lost."""
    body, trap, _ = script(render(image(tmp_path)), part).partition("trap '[ $? = 0 ] || sleep 2' EXIT\n")
    (tmp_path / "cwd").mkdir()
    with pytest.raises(ScriptFailed, match=r"^waited 2 seconds\n$") as caught:
        run_script(f"{body}{trap}exit 7", tmp_path, (), {"sleep": 'echo "waited $1 seconds" >&2'})
    assert caught.value.code == 7


def fill(folder: Path, content: dict[str, str | int]) -> None:
    """Files by text, links by `->target`, folders by mode."""
    for name, what in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, int):
            path.mkdir()
            path.chmod(what)
        elif what.startswith("->"):
            path.symlink_to(what[2:])
        else:
            path.write_text(what)
            path.chmod(0o700 if what.startswith("#!") else 0o600)


def rootfs(
    found: Image, tmp_path: Path, base: dict[str, str | int] | None = None, source: dict[str, str | int] | None = None
) -> tuple[Path, list[str]]:
    """The files that an image adds to a base, and what was made whose."""
    run = tmp_path / "run"
    for folder in ("out/rootfs", "runtime", "source", "etc/ssl/certs", "zoneinfo/Europe"):
        (run / folder).mkdir(parents=True)
    (run / "cwd").symlink_to(run / "out/rootfs")
    (run / "etc/ssl/certs/ca-certificates.crt").write_text("CA")
    (run / "zoneinfo/Europe/Berlin").write_text("TZif")
    fill(run / "runtime", base or {})
    fill(run / "source", source or {})
    body = script(render(found), "/folders")
    places = (
        "/out",
        "/runtime",
        "/source",
        "/etc/ssl/certs/ca-certificates.crt",
        "/zoneinfo",
        "/folders",
        "/all",
        "/wanted",
    )
    programs = {"chown": 'echo "$@" >> "$LOG"', "sleep": ":"}
    run_script(body, run, places, programs, LOG=str(tmp_path / "log"))
    lines = (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []
    return run / "out/rootfs", lines


ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nappuser:x:5:5::/x:/bin/sh\nnvs:x:65532:65533:nvs:/home/nvs:/sbin/nologin"


def test_the_made_user_joins_those_of_the_base(tmp_path: Path) -> None:
    root, owned = rootfs(image(tmp_path), tmp_path, {"etc/passwd": ACCOUNTS, "etc/group": "root:x:0:\n"})
    assert (root / "etc/passwd").read_text() == (
        "root:x:0:0:root:/root:/bin/sh\nnvs:x:65532:65533:nvs:/home/nvs:/sbin/nologin\n"
        "appuser:x:1000:1000:appuser:/home/appuser:/sbin/nologin\n"
    )
    assert (root / "etc/group").read_text() == "root:x:0:\nappuser:x:1000:\n"
    assert "1000:1000 ./home/appuser" in owned


def test_a_base_without_users_gets_one(tmp_path: Path) -> None:
    root, _ = rootfs(image(tmp_path, "base: scratch"), tmp_path)
    assert (root / "etc/passwd").read_text() == "appuser:x:1000:1000:appuser:/home/appuser:/sbin/nologin\n"
    assert (root / "etc/group").read_text() == "appuser:x:1000:\n"


def test_what_the_image_provides(tmp_path: Path) -> None:
    root, _ = rootfs(image(tmp_path), tmp_path)
    assert (root / "etc/ssl/certs/ca-certificates.crt").read_text() == "CA"
    assert (root / "usr/share/zoneinfo/Europe/Berlin").read_text() == "TZif"
    assert (root / "app").is_dir()
    assert {path.lstat().st_mtime for path in (root, *root.rglob("*"))} == {0}


def test_the_bases_own_user_is_left_alone_and_owns_what_is_his(tmp_path: Path) -> None:
    found = image(
        tmp_path,
        "user: {base: nvs}",
        "provides: []",
        "folders: [{path: /data, owner: nvs, mode: '0700'}]",
        "files: [{from: f, to: /etc/f, owner: nvs}]",
    )
    root, owned = rootfs(found, tmp_path, {"etc/passwd": ACCOUNTS}, {"f": "x"})
    assert not (root / "etc/passwd").exists()
    assert "65532:65533 ./data" in owned
    assert "65532:65533 ./etc/f" in owned
    assert (root / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("passwd", [{}, {"etc/passwd": "root:x:0:0:::\nnvs2:x:1:1:::\n"}])
def test_a_user_that_the_base_does_not_have_fails_the_build(passwd: dict[str, str | int], tmp_path: Path) -> None:
    with pytest.raises(ScriptFailed, match="the base image has no user nvs"):
        rootfs(image(tmp_path, "user: {base: nvs}"), tmp_path, passwd)


def test_files_and_folders_of_the_source(tmp_path: Path) -> None:
    found = image(
        tmp_path,
        "files:",
        "  - {from: deploy/start.sh, to: /etc/server/start.sh, owner: appuser}",
        "  - {from: deploy/plain, to: /etc/server/plain, mode: '0640'}",
        "  - {from: schema, to: /etc/server/schema, exclude: ['**/*_test.sql', docs]}",
    )
    source: dict[str, str | int] = {
        "deploy/start.sh": "#!/bin/sh",
        "deploy/plain": "plain",
        "schema/a.sql": "a",
        "schema/a_test.sql": "no",
        "schema/deep/b_test.sql": "no",
        "schema/deep/with space.sql": "b",
        "schema/docs/c.md": "no",
        "schema/run.sh": "#!/bin/sh",
        "schema/linked.sql": "->a.sql",
    }
    root, owned = rootfs(found, tmp_path, {}, source)
    server = root / "etc/server"
    files = {str(path.relative_to(server)): path for path in server.rglob("*") if not path.is_dir()}
    assert files.keys() == {
        "start.sh",
        "plain",
        "schema/a.sql",
        "schema/deep/with space.sql",
        "schema/run.sh",
        "schema/linked.sql",
    }
    assert {name: path.lstat().st_mode & 0o7777 for name, path in files.items()} == {
        "start.sh": 0o755,
        "plain": 0o640,
        "schema/a.sql": 0o644,
        "schema/deep/with space.sql": 0o644,
        "schema/run.sh": 0o755,
        "schema/linked.sql": 0o644,
    }
    assert files["schema/linked.sql"].read_text() == "a"
    assert not files["schema/linked.sql"].is_symlink()
    assert "1000:1000 ./etc/server/start.sh" in owned
    assert "0:0 ./etc/server/schema/a.sql" in owned


def test_a_folder_of_which_everything_is_excluded_fails_the_build(tmp_path: Path) -> None:
    found = image(tmp_path, "files: [{from: s, to: /s, exclude: [a]}]")
    with pytest.raises(ScriptFailed, match="s: there is no file to copy"):
        rootfs(found, tmp_path, {}, {"s/a": "x"})


def test_folders_of_the_base_keep_their_owner_and_mode(tmp_path: Path) -> None:
    found = image(
        tmp_path,
        "binaries: [{package: ./x, path: /home/nvs/bin/x}]",
        "workdir: /tmp",
        "folders: [{path: /tmp/mine}, {path: /srv/mine, mode: '0711'}]",
    )
    base: dict[str, str | int] = {"home": 0o755, "home/nvs": 0o700, "tmp": 0o1777}
    root, owned = rootfs(found, tmp_path, base)
    assert (root / "home/nvs").stat().st_mode & 0o7777 == 0o700
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (root / "tmp/mine").stat().st_mode & 0o7777 == 0o755
    assert (root / "srv/mine").stat().st_mode & 0o7777 == 0o711
    owner = f"{os.getuid()}:{os.getgid()}"
    assert {f"{owner} ./home/nvs", f"{owner} ./tmp"} <= set(owned)
    assert not [line for line in owned if line.endswith(("/mine", "/bin"))]


@pytest.mark.parametrize("link", ["usr/bin", "."])
def test_a_link_in_the_place_of_a_folder_fails_the_build(link: str, tmp_path: Path) -> None:
    found = image(tmp_path, "binaries: [{package: ./x, path: /bin/x}]")
    with pytest.raises(ScriptFailed, match=r"\./bin is a link in the base image: name the folder it leads to"):
        rootfs(found, tmp_path, {"usr/bin": 0o755, "bin": f"->{link}"})


def test_files_of_other_images_come_by_platform(tmp_path: Path) -> None:
    text = render(
        image(
            tmp_path,
            "files:",
            f"  - {{image: cli@{DIGEST}, from: /bin/cli, to: /usr/bin/cli}}",
            f"  - {{image: etc@{DIGEST}, from: /etc, to: /opt/etc, mode: '0600', owner: appuser}}",
            f"  - {{image: cli@{DIGEST}, from: /bin/two, to: /usr/bin/two}}",
        )
    )
    assert f"FROM cli@{DIGEST} AS other-1\n" in text
    assert f"FROM etc@{DIGEST} AS other-2\n" in text
    assert "other-3" not in text
    assert "COPY --from=other-1 /bin/cli ./usr/bin/cli\n" in text
    assert "COPY --from=other-2 /etc ./opt/etc\n" in text
    assert "COPY --from=other-1 /bin/two ./usr/bin/two\n" in text
    assert "find ./opt/etc -type f -exec chmod 0600 {} +\nfind ./opt/etc -exec chown -h 1000:1000 {} +\n" in text
    assert "chmod" not in text.split("find ./opt/etc")[2]


def test_only_the_outermost_sources_are_mounted(tmp_path: Path) -> None:
    text = render(
        image(tmp_path, "files: [{from: a/b, to: /b}, {from: a, to: /a}, {from: ab, to: /ab}, {from: a, to: /c}]")
    )
    mounts = [flag for found in instructions(text) for flag in found.flags if "target=/source/" in flag]
    assert mounts == [
        "--mount=type=bind,source=a,target=/source/a",
        "--mount=type=bind,source=ab,target=/source/ab",
    ]


def test_nothing_is_put_where_nothing_is_asked_for(tmp_path: Path) -> None:
    assert "put" not in script(render(image(tmp_path)), "/folders")


def test_another_catalogue_renders_alike(tmp_path: Path) -> None:
    first, second = (render(load(tmp_path, entry()).images[0]) for _ in range(2))
    assert first == second


# ---- Modules by ssh.

GO_WITH_SSH = """
case "$1" in
env) echo "$PWD/go.mod" ;;
list) echo "$PWD: $* by $GIT_SSH_COMMAND and $GIT_CONFIG_GLOBAL for $GOOS/$GOARCH" >> "$LOG" ;;
esac
"""


def downloaded(found: Image, tmp_path: Path, programs: dict[str, str]) -> str:
    """What the script that downloads modules asks the go command."""
    for folder in ("src/cmd/server", "src/services/tool"):
        (tmp_path / "run" / folder).mkdir(parents=True)
    (tmp_path / "run/cwd").symlink_to(tmp_path / "run/src")
    log = tmp_path / "log"
    body = script(render(found, ssh=True), "GIT_SSH_COMMAND")
    given_ = {"TARGETOS": "linux", "TARGETARCH": "arm64", "TARGETVARIANT": "", "LOG": str(log)}
    run_script(body, tmp_path / "run", ("/src", "/run/secrets"), programs, **given_)
    return log.read_text().replace(str(tmp_path / "run"), "")


def test_modules_are_downloaded_for_each_binary_with_the_given_keys_alone(tmp_path: Path) -> None:
    log = downloaded(everything("everything"), tmp_path, {"go": GO_WITH_SSH, "ssh": ""})
    how = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/run/secrets/known_hosts"
    by = f"by {how} -o GlobalKnownHostsFile=/dev/null and /run/secrets/gitconfig for linux/arm64\n"
    assert log == (
        f"/src/cmd/server: list -deps -tags netgo,osusergo /src/cmd/server {by}"
        f"/src/services/tool: list -deps /src/services/tool {by}"
    )


def test_a_builder_without_ssh_is_told(tmp_path: Path) -> None:
    body = script(render(image(tmp_path), ssh=True), "GIT_SSH_COMMAND").replace("command -v ssh", "command -v no-ssh")
    (tmp_path / "cwd").mkdir()
    with pytest.raises(ScriptFailed, match="the builder image has no ssh, which sshAgent needs"):
        run_script(body, tmp_path, (), {"sleep": ""}, TARGETOS="linux", TARGETARCH="arm64", TARGETVARIANT="")


@pytest.mark.parametrize("name", NAMES)
def test_one_step_alone_has_the_agent_and_its_keys(name: str, tmp_path: Path) -> None:
    with_ssh, without = instructions(render(everything(name), ssh=True)), instructions(render(everything(name)))
    having = [found for found in with_ssh if "--mount=type=ssh" in found.flags]
    assert [found.value for found in having] == [("sh /modules.sh",)]
    for secret_ in ("known_hosts", "gitconfig"):
        mounts = f"--mount=type=secret,id={secret_}"
        assert [found for found in with_ssh if mounts in found.flags] == having
    # Nothing may depend on a cache mount, in which the compiler would look for what was downloaded.
    assert not any("carbide-go-mod" in flag for found in with_ssh for flag in found.flags)
    assert any("carbide-go-mod" in flag for found in without for flag in found.flags)
    (tmp_path / "Dockerfile").write_text(render(everything(name), ssh=True))
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
