"""Rebuilds, with a stand-in for buildx that notes its arguments and leaves an image behind."""

import fcntl
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root
from carbide_infra.registry.client import RegistryClient
from carbide_infra.verification.build_record import BuildRecord
from carbide_infra.verification.layers import ABSENT
from carbide_infra.verification.rebuild import RebuildEnvironment, _output, rebuild
from tests.support.registry_server import INDEX, MANIFEST, FakeRegistry, digest_of, encoded
from tests.unit.verification.test_checks import IMAGE, PLATFORMS, dockerfile_now, git, output, pushed, record, sha256

SECRET = "s3cr3t-of-the-test"  # noqa: S105
BUILDX = f"""#!{sys.executable}
import hashlib, json, os, pathlib, sys
here = pathlib.Path(__file__).parent
if (here / "failure").exists():
    sys.exit((here / "failure").read_text())
words = sys.argv[1:]
context, dockerfile = pathlib.Path(words[-1]), pathlib.Path(words[words.index("--file") + 1])
call = {{
    "words": words,
    "environment": dict(os.environ),
    "folder": str(dockerfile.parents[3]),
    "dockerfile": dockerfile.read_text(),
    "files": {{str(file.relative_to(context)): file.read_text() for file in context.rglob("*") if file.is_file()}},
}}
(here / "call.json").write_text(json.dumps(call))
index, media_type = (here / "index.json").read_bytes(), (here / "media-type").read_text()
digest = hashlib.sha256(index).hexdigest()
(destination,) = (part.partition("dest=")[2] for part in sys.argv if "dest=" in part)
blobs = pathlib.Path(destination) / "blobs/sha256"
blobs.mkdir(parents=True)
(blobs / digest).write_bytes(index)
entry = {{"digest": "sha256:" + digest, "mediaType": media_type}}
(pathlib.Path(destination) / "index.json").write_text(json.dumps({{"manifests": [entry]}}))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree = tmp_path / "source"
    (tree / "cmd").mkdir(parents=True)
    (tree / "cmd/a file.go").write_text("package main\n")
    (tree / "cmd/other.go").write_text("package other\n")
    return tree


def environment(
    folder: Path, source: Path, index: bytes, media_type: str = INDEX, *, cold: bool = False
) -> RebuildEnvironment:
    (folder / "index.json").write_bytes(index)
    (folder / "media-type").write_text(media_type)
    program = folder / "buildx"
    program.write_text(BUILDX)
    program.chmod(0o755)
    project = folder / "project"
    project.mkdir()
    (project / "docker").symlink_to(project_root() / "docker")
    return RebuildEnvironment(
        project, source, program, {"OWN": "a b"}, {"gitcreds": SECRET, "ca": "pem"}, run="carbide-verify-1", cold=cold
    )


def call(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "call.json").read_text()))


@pytest.mark.parametrize("cold", [False, True])
def test_the_same_digest_agrees(
    cold: bool,  # noqa: FBT001
    registry: FakeRegistry,
    client: RegistryClient,
    source: Path,
    tmp_path: Path,
) -> None:
    digest = pushed(registry)
    made = record(source, None, sha256(dockerfile_now()), secrets=["gitcreds"])
    again = environment(tmp_path, source, registry.manifests[f"team/{IMAGE}", digest][1], cold=cold)
    (check,) = rebuild(made, output(registry, digest), again, client)
    assert (check.image, check.what, check.expected, check.found) == (IMAGE, "built again: index", digest, digest)
    words = call(tmp_path)["words"]
    assert "--no-cache" not in words, "it would empty the cache mounts of the stack's own builds"
    assert ("BUILDKIT_CACHE_MOUNT_NS=carbide-verify-1" in words) is cold
    assert registry.requests == [], "what agrees needs no registry"


def test_stage_and_folder_of_a_dockerfile_of_its_own_are_built(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    digest = pushed(registry)
    made = replace(record(source, None, sha256(dockerfile_now())), target="final", folder="cmd")
    again = environment(tmp_path, source, registry.manifests[f"team/{IMAGE}", digest][1])
    rebuild(made, output(registry, digest), again, client)
    words = call(tmp_path)["words"]
    assert words[words.index("--target") + 1] == "final"
    assert words[-1].endswith("/again/cmd")


@pytest.mark.parametrize("cold", [False, True])
def test_buildx_is_called_as_the_stack_s_builds_are(
    cold: bool,  # noqa: FBT001
    registry: FakeRegistry,
    client: RegistryClient,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OF_THE_TESTS_OWN", "1")
    text = "FROM scratch\n# é\n"
    made = replace(
        record(source, None, sha256(text), secrets=["gitcreds", "ca", "netrc"]),
        inline=text, builder="b", build_args={"A": "1", "B": "x y"}, labels={"l": "v=w"},
    )  # fmt: skip
    again = environment(tmp_path, source, registry.manifests[f"team/{IMAGE}", pushed(registry)][1], cold=cold)
    rebuild(made, output(registry, digest_of(b"x")), again, client)
    called = call(tmp_path)
    folder = called["folder"]
    place = f"{folder}/contexts/{IMAGE}/again"
    fresh = "--build-arg BUILDKIT_CACHE_MOUNT_NS=carbide-verify-1 " if cold else ""
    assert " ".join(called["words"]) == (
        f"build --add-host carbide-verify-1.invalid:127.0.0.1 {fresh}--provenance=false --progress=plain --builder b "
        "--platform linux/amd64,linux/arm64 --build-arg A=1 --build-arg B=x y --label l=v=w "
        "--secret id=gitcreds,env=CARBIDE_SECRET_GITCREDS --secret id=ca,env=CARBIDE_SECRET_CA "
        f"--secret id=netrc,env=CARBIDE_SECRET_NETRC --file {place}.dockerfile/Dockerfile.{IMAGE} "
        f"--output type=oci,tar=false,oci-mediatypes=true,dest={folder}/layout {place}"
    )
    secrets = {"CARBIDE_SECRET_GITCREDS": SECRET, "CARBIDE_SECRET_CA": "pem", "CARBIDE_SECRET_NETRC": ""}
    assert {name: value for name, value in called["environment"].items() if name != "LC_CTYPE"} == {
        "OWN": "a b",
        **secrets,
    }
    assert (called["dockerfile"], called["files"]) == (text, {"cmd/a file.go": "package main\n"})
    assert Path(folder).parent == again.project / ".local/rebuild"
    assert Path(folder).parent.stat().st_mode & 0o777 == 0o700
    assert not Path(folder).exists()


def test_an_image_whose_modules_come_by_ssh_is_built_with_the_agent(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    made = replace(record(source, None, sha256(dockerfile_now())), ssh=True)
    again = environment(tmp_path, source, registry.manifests[f"team/{IMAGE}", pushed(registry)][1])
    rebuild(made, output(registry, digest_of(b"x")), again, client)
    words = call(tmp_path)["words"]
    assert words[words.index("--ssh") + 1] == "default"


def test_without_a_builder_the_current_one_is_taken(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    made = record(source, None, sha256(dockerfile_now()))
    again = environment(tmp_path, source, registry.manifests[f"team/{IMAGE}", pushed(registry)][1])
    rebuild(made, output(registry, digest_of(b"x")), again, client)
    assert not {"--builder", "--secret", "--label", "--ssh"} & set(call(tmp_path)["words"])
    assert call(tmp_path)["dockerfile"] == dockerfile_now()


def test_a_changed_tree_is_built_from_its_commit_of_then(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "one")):
        git(source, *arguments)
    made = record(source, git(source, "rev-parse", "HEAD"), sha256(dockerfile_now()))
    (source / "cmd/a file.go").write_text("package changed\n")
    again = environment(tmp_path, source, b"{}", MANIFEST)
    rebuild(made, output(registry, digest_of(b"x")), again, client)
    assert call(tmp_path)["files"] == {"cmd/a file.go": "package main\n"}


def test_a_build_that_fails_is_told_in_the_builder_s_words(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    again = environment(tmp_path, source, b"{}")
    (tmp_path / "failure").write_text("ERROR: cannot compile")
    with pytest.raises(
        SetupError, match=rf"^Building {IMAGE} again failed:\n[^\n]* build [^\n]*\nERROR: cannot"
    ) as told:
        rebuild(
            record(source, None, sha256(dockerfile_now()), ["gitcreds"]),
            output(registry, digest_of(b"x")),
            again,
            client,
        )
    assert SECRET not in str(told.value)
    assert "OWN" not in os.environ
    assert SECRET not in repr(again)
    assert "a b" not in repr(again), "the environment may hold a secret, too"


def differing(registry: FakeRegistry, source: Path, folder: Path, client: RegistryClient, made: Any) -> dict[str, Any]:  # noqa: ANN401
    """Expected and found of each check, where the index that is built is `made` and another is promised."""
    content, media_type = made
    again = environment(folder, source, content, media_type)
    promised = output(registry, pushed(registry))
    checks = rebuild(record(source, None, sha256(dockerfile_now())), promised, again, client)
    assert {check.image for check in checks} == {IMAGE}
    assert checks[0].what == "built again: index"
    assert (checks[0].expected, checks[0].found) == (promised.digest, digest_of(content))
    return {check.what.removeprefix("built again: "): (check.expected, check.found) for check in checks[1:]}


def manifests(registry: FakeRegistry, digest: str) -> list[Any]:
    return list(json.loads(registry.manifests[f"team/{IMAGE}", digest][1])["manifests"])


def test_another_digest_is_told_by_platform(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    (amd64, arm64), (_, other) = manifests(registry, pushed(registry)), manifests(registry, pushed(registry, User="0"))
    found = differing(registry, source, tmp_path, client, (encoded({"manifests": [amd64, other]}), INDEX))
    assert found == {
        "linux/amd64": (amd64["digest"], amd64["digest"]),
        "linux/arm64": (arm64["digest"], other["digest"]),
    }
    assert arm64["digest"] != other["digest"]


def test_a_platform_that_is_on_one_side_only(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    amd64, arm64 = manifests(registry, pushed(registry))
    found = differing(registry, source, tmp_path, client, (encoded({"manifests": [amd64]}), INDEX))
    assert found == {"linux/amd64": (amd64["digest"],) * 2, "linux/arm64": (arm64["digest"], ABSENT)}


def test_what_is_built_without_an_index_has_no_platforms(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    found = differing(registry, source, tmp_path, client, (b'{"manifests": [{"digest": "x"}]}', MANIFEST))
    assert {platform: was for platform, (_, was) in found.items()} == dict.fromkeys(PLATFORMS, ABSENT)


@pytest.mark.parametrize("body", [None, b"{}", b"<html>"])
def test_without_the_promised_index_nothing_is_told_by_platform(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path, body: bytes | None
) -> None:
    digest = digest_of(body or b"gone")
    if body:
        registry.manifests[f"team/{IMAGE}", digest] = (INDEX, body)
    again = environment(tmp_path, source, encoded({"manifests": []}))
    (check,) = rebuild(record(source, None, sha256(dockerfile_now())), output(registry, digest), again, client)
    assert not check.agrees


def test_a_platform_that_the_registry_lacks(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    amd64, _ = manifests(registry, pushed(registry))
    digest = registry.put_manifest(f"team/{IMAGE}", INDEX, {"manifests": [amd64]})
    again = environment(tmp_path, source, encoded({"manifests": []}))
    checks = rebuild(record(source, None, sha256(dockerfile_now())), output(registry, digest), again, client)
    assert [(check.expected, check.found) for check in checks[1:]] == [(amd64["digest"], ABSENT), (ABSENT, ABSENT)]


def test_a_rebuild_takes_what_is_downloaded_unless_it_is_told_not_to() -> None:
    assert not RebuildEnvironment(Path(), Path(), Path(), {}, {}, run="r").cold


def test_a_rebuild_has_a_folder_to_itself(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, seen = tmp_path / "project/.local/rebuild", list[str]()

    def build(command: list[str | Path], *_: object) -> None:
        assert Path(command[-1]).is_dir(), "also where no file is in it"
        with (scratch / ".lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.extend(path.name.partition("-")[0] for path in scratch.iterdir())
        message = "stopped"
        raise SetupError(message)

    monkeypatch.setattr("carbide_infra.verification.rebuild.run", build)
    made = replace(record(source, None, sha256("FROM x\n")), inline="FROM x\n", folder="cmd/empty")
    again = environment(tmp_path, source, b"{}")
    for _ in range(2):
        with pytest.raises(SetupError, match="stopped"):
            rebuild(made, output(registry, digest_of(b"x")), again, client)
        assert sorted(seen) == [".lock", "build"]
        assert [path.name for path in scratch.iterdir()] == [".lock"]
        seen.clear()
        (scratch / "build-of-a-killed-run/tree").mkdir(parents=True)
    (scratch / "build-file").touch()
    with pytest.raises(SetupError, match="stopped"):
        rebuild(made, output(registry, digest_of(b"x")), again, client)


RECORD = {"inputs": "", "dockerfile": "d" * 64}


def test_what_was_said_of_the_index_is_said_again(tmp_path: Path) -> None:
    pushed_as = 'type=registry,oci-mediatypes=true,"annotation-index.a=b, type=registry,c"'
    kept = 'type=oci,tar=false,oci-mediatypes=true,"annotation-index.a=b, type=registry,c"'
    made = replace(BuildRecord.of(IMAGE, RECORD, {"platforms": ["linux/amd64"]}, None), export=pushed_as)
    assert _output(made, tmp_path) == f"{kept},dest={tmp_path}"


def test_a_state_without_an_exporter_has_the_program_s_own(tmp_path: Path) -> None:
    made = BuildRecord.of(IMAGE, RECORD, {"platforms": ["linux/amd64"], "exports": []}, None)
    assert _output(made, tmp_path) == f"type=oci,tar=false,oci-mediatypes=true,dest={tmp_path}"
    told = BuildRecord.of(
        IMAGE, RECORD, {"platforms": ["linux/amd64"], "exports": [{"raw": "type=registry,x=1"}]}, None
    )
    assert _output(told, tmp_path) == f"type=oci,tar=false,x=1,dest={tmp_path}"
