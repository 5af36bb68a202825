"""The files that an image with a Dockerfile of its own is made of."""

import os
from collections.abc import Collection
from pathlib import Path

import pytest

from carbide_infra.catalogue.model import Image
from carbide_infra.source.inputs import Inputs, inputs_of
from carbide_infra.source.kept import context
from carbide_infra.source.kept.context import text_of, wanted_by_kept, with_dockerfile
from carbide_infra.source.tree import InputError, Tree
from carbide_infra.source.whole_tree import whole_tree
from tests.support.git_trees import git
from tests.unit.catalogue.samples import load

FILES = {
    "app/main.py": "main",
    "app/lib/a.py": "a",
    "app/lib/a_test.py": "test",
    "conf/x.conf": "x",
    "conf/y.conf": "y",
    "docs/readme.md": "readme",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a few files in folders."""
    tree = tmp_path / "tree"
    for name, text in FILES.items():
        put(tree, name, text)
    git(tree, "init", "--quiet")
    return tree


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def kept(root: Path, dockerfile: str, more: str = "") -> Image:
    """The one image of a catalogue, with this text in docker/Dockerfile."""
    put(root, "docker/Dockerfile", dockerfile)
    folder = root.parent / "project"
    folder.mkdir(exist_ok=True)
    return load(folder, f"schemaVersion: 1\nimages:\n  a: {{dockerfile: docker/Dockerfile{more}}}\n").images[0]


def inputs(root: Path, dockerfile: str, more: str = "") -> Inputs:
    cache = root.parent / "cache"
    image = kept(root, dockerfile, more)
    return inputs_of(root, wanted_by_kept([image], root, cache), cache)["a"]


def files(root: Path, dockerfile: str, more: str = "") -> list[str]:
    found = inputs(root, dockerfile, more)
    assert found.fallback is None
    return [file.path for file in found.files]


def test_they_are_those_that_the_dockerfile_names(root: Path) -> None:
    found = inputs(root, "FROM scratch\nCOPY app /app\nCOPY conf/x.* /etc/\n")
    assert [file.path for file in found.files] == ["app/lib/a.py", "app/lib/a_test.py", "app/main.py", "conf/x.conf"]
    assert [file.path for file in found.read] == ["docker/Dockerfile"]
    assert not found.warnings


def test_a_name_is_not_the_beginning_of_another(root: Path) -> None:
    put(root, "app.txt", "")
    put(root, "application/x", "")
    assert files(root, "FROM scratch\nCOPY app /app\n") == ["app/lib/a.py", "app/lib/a_test.py", "app/main.py"]


def test_what_dockerignore_leaves_out_does_not_count(root: Path) -> None:
    put(root, ".dockerignore", "**/*_test.py\napp/main.py\n")
    text = "FROM scratch\nCOPY app /app\n"
    assert files(root, text) == ["app/lib/a.py"]
    assert [file.path for file in inputs(root, text).read] == ["docker/Dockerfile", ".dockerignore"]


def test_the_dockerignore_beside_the_dockerfile_comes_first(root: Path) -> None:
    put(root, ".dockerignore", "app\n")
    put(root, "docker/Dockerfile.dockerignore", "app/*\n!app/lib\n")
    assert files(root, "FROM scratch\nCOPY app /app\n") == ["app/lib/a.py", "app/lib/a_test.py"]


def test_paths_are_those_of_its_context(root: Path) -> None:
    put(root, ".dockerignore", "*")
    put(root, "app/.dockerignore", "lib/a_test.py")
    found = inputs(root, "FROM scratch\nCOPY lib main.py ../main.py /\n", ", context: ./app")
    assert [file.path for file in found.files] == ["app/lib/a.py", "app/main.py"]
    assert found.folder == "app"


def test_the_whole_context_counts_with_a_sentence_where_it_is_taken(root: Path) -> None:
    put(root, ".gitignore", "*.o\n")
    put(root, "app/main.o", "")
    put(root, ".dockerignore", "docs\n.*\n")
    found = inputs(root, "FROM scratch\n\nCOPY . .\n")
    assert [file.path for file in found.files] == [*sorted(set(FILES) - {"docs/readme.md"}), "docker/Dockerfile"]
    (warning,) = found.warnings
    assert warning == (
        "a: every file of its context counts, for in docker/Dockerfile line 3 takes all of it; a COPY of just what it "
        "needs, or a .dockerignore, makes less of it"
    )


def test_what_git_ignores_counts_where_it_is_named(root: Path) -> None:
    put(root, ".gitignore", "out/\n*.o\n")
    put(root, "out/bin/tool", "")
    put(root, "app/main.o", "")
    assert "app/main.o" not in files(root, "FROM scratch\nCOPY app /app\n")
    for source in ("out", "out/bin", "out/bin/tool", "out/*/tool", "out/bin/*"):
        assert files(root, f"FROM scratch\nCOPY {source} /\n") == ["out/bin/tool"]


def test_a_change_elsewhere_changes_nothing(root: Path) -> None:
    text = "FROM scratch\nCOPY app/lib /app\n"
    before = inputs(root, text)
    put(root, "app/main.py", "other")
    put(root, "app/new.py", "new")
    assert inputs(root, text) == before
    put(root, "app/lib/a.py", "other")
    assert inputs(root, text) != before


def test_each_platform_s_own_files_count(root: Path) -> None:
    put(root, "bin/x-amd64", "")
    put(root, "bin/x-arm64", "")
    put(root, "bin/x-s390x", "")
    text = "FROM scratch\nARG TARGETARCH\nCOPY bin/x-$TARGETARCH /x\n"
    assert files(root, text) == ["bin/x-amd64", "bin/x-arm64"]
    assert files(root, text, ", platforms: [linux/arm64]") == ["bin/x-arm64"]


def test_arguments_of_the_entry_are_filled_in(root: Path) -> None:
    text = "FROM scratch\nARG D=app\nCOPY $D /x\n"
    assert files(root, text, ", args: {D: conf}") == ["conf/x.conf", "conf/y.conf"]
    assert "docs/readme.md" in files(root, text, ", args: {D: 'x-{version}'}")  # known in the build only


@pytest.mark.parametrize(
    ("source", "what"),
    [("nothing", "is not there"), ("docs", "is empty, or left out"), ("empty", "is empty, or left out")],
)
def test_a_source_that_is_not_there_is_named_with_its_line(root: Path, source: str, what: str) -> None:
    put(root, ".dockerignore", "docs")
    (root / "empty").mkdir()
    with pytest.raises(InputError, match=f"docker/Dockerfile:2: takes {source}, which {what}"):
        inputs(root, f"FROM scratch\nCOPY {source} /x\n")


def test_a_wildcard_that_fits_nothing_is_none_of_our_business(root: Path) -> None:
    assert files(root, "FROM scratch\nCOPY *.nothing conf/x.conf /x/\n") == ["conf/x.conf"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("conf/?.conf", ["conf/x.conf", "conf/y.conf"]),
        ("conf/[x].conf", ["conf/x.conf"]),
        ("conf/[^x].conf", ["conf/y.conf"]),
        ("*/x.conf", ["conf/x.conf"]),
        ("*.conf", []),
        ("**/*.conf", ["conf/x.conf", "conf/y.conf"]),
        ("a*", ["app/lib/a.py", "app/lib/a_test.py", "app/main.py"]),
        ("app/*/a.py", ["app/lib/a.py"]),
    ],
)
def test_wildcards_are_go_s(root: Path, pattern: str, found: list[str]) -> None:
    assert files(root, f"FROM scratch\nCOPY {pattern} /x/\n") == found


# ---- Trees of strangers.


@pytest.mark.parametrize("source", ["app", "app/secret", "app/*", "."])
def test_a_link_out_of_the_tree_is_refused(root: Path, source: str) -> None:
    (root.parent / "secret").write_text("secret")
    (root / "app/secret").symlink_to("../../secret")
    with pytest.raises(InputError, match=r"app/secret is a symbolic link to \.\./\.\./secret, outside the source tree"):
        inputs(root, f"FROM scratch\nCOPY {source} /x\n")


def test_a_linked_folder_out_of_the_tree_is_refused(root: Path) -> None:
    put(root.parent, "outside/secret", "secret")
    (root / "app/linked").symlink_to("../../outside")
    with pytest.raises(InputError, match="outside the source tree"):
        inputs(root, "FROM scratch\nCOPY app/linked/secret /x\n")


def test_a_context_that_is_a_link_out_of_the_tree_is_refused(root: Path) -> None:
    put(root.parent, "outside/secret", "secret")
    (root / "linked").symlink_to("../outside")
    with pytest.raises(InputError, match="outside the source tree"):
        inputs(root, "FROM scratch\nCOPY secret /x\n", ", context: linked")


@pytest.mark.parametrize("name", ["docker/Dockerfile", ".dockerignore", "docker/Dockerfile.dockerignore"])
def test_nothing_outside_the_tree_is_read_as_its_dockerfile(root: Path, name: str) -> None:
    image = kept(root, "FROM scratch\nCOPY app /app\n")
    (root.parent / "secret").write_text("hunter2 is secret")
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to(os.path.relpath(root.parent / "secret", (root / name).parent))
    with pytest.raises(InputError, match="outside the source tree") as caught:
        wanted_by_kept([image], root, root.parent / "cache")
    assert "hunter2" not in str(caught.value)


def test_a_pipe_is_no_dockerfile(root: Path) -> None:
    image = kept(root, "FROM scratch\n")
    (root / "docker/Dockerfile").unlink()
    os.mkfifo(root / "docker/Dockerfile")
    with pytest.raises(InputError, match="neither a file nor a link to one"):
        wanted_by_kept([image], root, root.parent / "cache")


def test_links_in_a_circle_end(root: Path) -> None:
    (root / "app/again").symlink_to("..")
    assert "app/main.py" in files(root, "FROM scratch\nCOPY app /app\n")


def test_other_bytes_than_a_text_are_one_sentence(root: Path) -> None:
    image = kept(root, "FROM scratch\n")
    (root / "docker/Dockerfile").write_bytes(b"FROM scratch\n# \xff\n")
    with pytest.raises(InputError, match="docker/Dockerfile cannot be read as a text in UTF-8"):
        wanted_by_kept([image], root, root.parent / "cache")


# ---- What else it says.


def test_a_base_that_nothing_pins_is_named_with_its_line(root: Path) -> None:
    pinned = f"alpine:3@sha256:{'a' * 64}"
    found = inputs(
        root,
        f"ARG B=debian:12\nFROM {pinned} AS a\nFROM alpine:3 AS b\nFROM $B\nCOPY --from=a /x /\nCOPY --from=b /x /\n",
    )
    (warning,) = found.warnings
    assert warning == (
        "a: docker/Dockerfile:3 builds on alpine:3, without a digest and by no ARG that could get one: a tag that "
        "moves is not seen; write the digest there"
    )
    assert not found.files


def test_the_image_knows_its_bases_user_and_labels(root: Path) -> None:
    image = kept(root, "ARG B=debian:12\nFROM $B\nUSER 7\nLABEL x=y\n")
    found = with_dockerfile(image, root, root.parent / "cache")
    assert found.kept is not None
    assert (found.base, found.kept.bases, found.kept.user) == ("debian:12", {"B": "debian:12"}, "7")
    assert found.kept.own_labels == {"x"}


def test_the_image_runs_as_its_dockerfile_says(root: Path) -> None:
    text = 'FROM alpine\nENV A=1\nEXPOSE 8080 7\nENTRYPOINT ["/a"]\nCMD ["b"]\nHEALTHCHECK CMD ["/a", "health"]\n'
    found = with_dockerfile(kept(root, text), root, root.parent / "cache")
    assert (found.entrypoint, found.command, found.environment) == (("/a",), ("b",), {"A": "1"})
    assert found.ports == {"http": 8080, "port-7": 7}
    assert found.health is not None
    assert found.health.command == ("/a", "health")


def test_ports_of_the_catalogue_come_first_and_a_job_has_none(root: Path) -> None:
    image = kept(root, "FROM alpine\nEXPOSE 8080\n")
    for said, ports in (({"ports": {"web": 8081}}, {"web": 8081}), ({"kind": "job"}, {})):
        found = with_dockerfile(image.model_copy(update=said), root, root.parent / "cache")
        assert found.ports == ports


def test_its_text_is_the_file_s_with_all_its_line_ends(root: Path) -> None:
    image = kept(root, "FROM scratch\n")
    (root / "docker/Dockerfile").write_bytes(b"\xef\xbb\xbfFROM scratch\r\n")
    assert image.kept is not None
    assert text_of(image.kept, root, root.parent / "cache").encode() == b"\xef\xbb\xbfFROM scratch\r\n"


def test_the_tree_is_listed_once_for_all_images(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tree] = []

    def listed(tree: Tree) -> Collection[str]:
        asked.append(tree)
        return whole_tree(tree)

    monkeypatch.setattr(context, "whole_tree", listed)
    image = kept(root, "FROM scratch\nCOPY app /app\n")
    images = [image.model_copy(update={"name": name}) for name in ("a", "b")]
    assert wanted_by_kept(images, root, root.parent / "cache").keys() == {"a", "b"}
    assert len(asked) == 1
