"""Module files of a context: with what an image links, from a proxy that the test makes."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from carbide_infra.source.inputs import InputError, Inputs, ModuleAccess, Target, Wanted, inputs_of
from tests.support.module_proxy import publish, sums

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go is asked")

MODULES = {
    "ex.com/a": {"go.mod": "module ex.com/a\n\ngo 1.21\n", "a.go": "package a\n"},
    "ex.com/b": {"go.mod": "module ex.com/b\n\ngo 1.21\n", "b.go": "package b\n"},
    "ex.com/new": {"go.mod": "module ex.com/new\n\ngo 1.22.5\n", "n.go": "package n\n"},
    "ex.com/cgo": {
        "go.mod": "module ex.com/cgo\n\ngo 1.21\n",
        "c.go": 'package cgo\n\nimport "C"\n',
        "stub.go": "//go:build !cgo\n\npackage cgo\n",
    },
    "ex.com/sdk": {
        "go.mod": "module ex.com/sdk\n\ngo 1.21\n\nrequire ex.com/api v1.0.0\n",
        "s.go": 'package sdk\n\nimport _ "ex.com/api/deep"\n',
    },
    "ex.com/api": {"go.mod": "module ex.com/api\n\ngo 1.21\n", "deep/d.go": "package deep\n"},
}
SUMS = "".join(sums(name, "v1.0.0", files) for name, files in MODULES.items())
LINUX = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proxy")
    for name, files in MODULES.items():
        publish(folder, name, "v1.0.0", files)
    return folder


@pytest.fixture(autouse=True)
def module_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module cache that is empty."""
    folder = tmp_path / "module-cache"
    monkeypatch.setenv("GOMODCACHE", str(folder))
    return folder


def importing(*paths: str, package: str = "main") -> str:
    lines = "".join(f'import _ "{path}"\n' for path in paths)
    return f"package {package}\n\n{lines}\n" + ("func main() {}\n" if package == "main" else "")


def plant(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def made(root: Path, cache: Path, proxy: Path | str, *, go: str | None = None) -> Inputs:
    url = f"file://{proxy}" if isinstance(proxy, Path) else proxy
    access = ModuleAccess({"GOPROXY": url, "GONOSUMDB": "*", "GOSUMDB": "off"})
    return inputs_of(root, {"a": Wanted([Target("./cmd/a", LINUX, go_version=go)])}, cache, access)["a"]


def text_of(inputs: Inputs, name: str) -> str:
    (content,) = (file.content for file in inputs.files if file.path == name)
    assert content is not None
    return content.decode()


def tree(root: Path, *imports: str, more: str = "", sums: str = SUMS) -> Path:
    required = "".join(f"\t{name} v1.0.0\n" for name in MODULES)
    mod = f"// A remark.\nmodule ex.com/m\n\ngo 1.21\n\nrequire (\n{required})\n{more}"
    return plant(root, {"go.mod": mod, "go.sum": sums, "cmd/a/main.go": importing(*imports)})


def test_a_context_requires_what_it_links(tmp_path: Path, cache: Path, proxy: Path) -> None:
    found = made(tree(tmp_path / "tree", "ex.com/a"), cache, proxy)
    assert text_of(found, "go.mod") == "module ex.com/m\n\ngo 1.21\n\nrequire (\n\tex.com/a v1.0.0\n)\n"
    lines = sums("ex.com/a", "v1.0.0", MODULES["ex.com/a"]).splitlines(keepends=True)
    assert text_of(found, "go.sum") == "".join(sorted(lines))
    (line,) = found.modules
    assert line.startswith("ex.com/a@v1.0.0 h1:")
    assert found.fallback is None


@pytest.mark.parametrize(
    "more",
    [
        "\n// Another remark.\n",
        "\nexclude ex.com/b v1.5.0\n",
        "\nretract v0.1.0\n",
        "\ntool ex.com/b\n",
        "\nreplace ex.com/b => ex.com/b v1.0.0\n",
        "\nreplace ex.com/a v0.9.0 => ex.com/b v1.0.0\n",
        "\nignore ./web\n",
    ],
)
def test_what_changes_no_binary_changes_no_context(more: str, tmp_path: Path, cache: Path, proxy: Path) -> None:
    root = tree(tmp_path / "tree", "ex.com/a")
    before = made(root, cache, proxy)
    tree(root, "ex.com/a", more=more, sums=f"{SUMS}ex.com/x v1.0.0/go.mod h1:AAAA\n")
    assert made(root, cache, proxy).files == before.files


@pytest.mark.parametrize("more", ["\ngodebug default=go1.20\n", "\ntoolchain go1.21.1\n"])
def test_what_changes_binaries_is_kept(more: str, tmp_path: Path, cache: Path, proxy: Path) -> None:
    found = made(tree(tmp_path / "tree", "ex.com/a", more=more), cache, proxy)
    assert more.split()[1] in text_of(found, "go.mod")


@pytest.mark.parametrize("block", [False, True])
def test_a_workspace_keeps_what_changes_binaries(tmp_path: Path, cache: Path, *, block: bool) -> None:
    debug = "godebug (\n\t// Why.\n\tdefault=go1.20\n\tpanicnil=1 // Why.\n)" if block else "godebug default=go1.20"
    work = f"go 1.21\n\n// A remark.\ntoolchain go1.21.1\n\n{debug}\n\nuse .\n\nuse ./other\n"
    files = {"go.mod": "module ex.com/m\n\ngo 1.21\n", "cmd/a/main.go": importing(), "go.work": work}
    root = plant(tmp_path / "tree", {**files, "other/go.mod": "module ex.com/other\n\ngo 1.21\n"})
    settings = "\tdefault=go1.20\n\tpanicnil=1\n" if block else "\tdefault=go1.20\n"
    assert text_of(made(root, cache, "off"), "go.work") == (
        f"go 1.21\ntoolchain go1.21.1\ngodebug (\n{settings})\n\nuse (\n\t.\n)\n"
    )


def test_a_package_that_only_a_module_imports_is_staged(tmp_path: Path, cache: Path, proxy: Path) -> None:
    root = tree(tmp_path / "tree", "ex.com/sdk", more="\nreplace ex.com/api => ./api\n")
    plant(root, {f"api/{name}": text for name, text in MODULES["ex.com/api"].items()})
    found = made(root, cache, proxy)
    assert {"api/go.mod", "api/deep/d.go"} < {file.path for file in found.files}
    assert "replace (\n\tex.com/api => ./api\n)" in text_of(found, "go.mod")


def test_code_for_cgo_is_named(tmp_path: Path, cache: Path, proxy: Path) -> None:
    found = made(tree(tmp_path / "tree", "ex.com/cgo"), cache, proxy)
    (warning,) = found.warnings
    assert warning == (
        "ex.com/cgo of module ex.com/cgo has code for cgo, which CGO_ENABLED=0 leaves out: the rest may be a stub that "
        "fails when it is called"
    )


def test_code_for_cgo_is_named_after_an_edit_that_kept_size_and_time(tmp_path: Path, cache: Path, proxy: Path) -> None:
    root = tree(tmp_path / "tree", "ex.com/a")
    main = root / "cmd/a/main.go"
    found = []
    for name in ("ex.com/a", "ex.com/cgo"):
        main.write_text(importing(name).ljust(200))
        os.utime(main, (1_000_000_000, 1_000_000_000))
        found.append(made(root, cache, proxy).warnings)
    assert found[0] == ()
    assert found[1][0].startswith("ex.com/cgo of module ex.com/cgo has code for cgo")


def test_a_builder_older_than_a_module_asks_for_is_named(tmp_path: Path, cache: Path, proxy: Path) -> None:
    release = os.popen("go env GOVERSION").read().strip().removeprefix("go")  # noqa: S605
    line, _, patch = release.rpartition(".")
    root = tree(tmp_path / "tree", "ex.com/a")
    text = (root / "go.mod").read_text().replace("go 1.21", f"go {line}.{patch}")
    (root / "go.mod").write_text(text)
    assert made(root, cache, proxy, go=release).fallback is None
    with pytest.raises(
        InputError, match=f"module ex.com/m asks for Go {release}, and the builder has Go {line}.0; pin"
    ):
        made(root, cache, proxy, go=f"{line}.0")


def test_a_missing_hash_is_named(tmp_path: Path, cache: Path, proxy: Path) -> None:
    with pytest.raises(
        InputError, match=r"^./cmd/a cannot be built for linux/amd64: cmd/a/main.go:3:8: missing go.sum"
    ):
        made(tree(tmp_path / "tree", "ex.com/a", sums=""), cache, proxy)


# ---- Where modules cannot be had.


@pytest.mark.parametrize("where", ["off", "https://127.0.0.1:1", "file:///nonexistent"])
def test_without_its_modules_go_mod_counts_whole_for_what_links_them(where: str, tmp_path: Path, cache: Path) -> None:
    found = made(tree(tmp_path / "tree", "ex.com/a"), cache, where)
    assert found.fallback is not None
    assert found.fallback.startswith("Go's modules are not all at hand (ex.com/a: ")
    assert {file.path: file.content for file in found.files} == {"cmd/a/main.go": None, "go.mod": None, "go.sum": None}
    other = made(tree(tmp_path / "other"), cache, where)
    assert other.fallback is None
    assert {file.path for file in other.files} == {"cmd/a/main.go", "go.mod"}


def test_a_module_below_the_tree_s_own_may_be_missing_like_any_other(tmp_path: Path, cache: Path) -> None:
    mod = "module ex.com/m\n\ngo 1.21\n\nrequire ex.com/m/sub v1.0.0\n"
    sum_ = sums("ex.com/m/sub", "v1.0.0", {"go.mod": "module ex.com/m/sub\n"})
    root = plant(tmp_path, {"go.mod": mod, "go.sum": sum_, "cmd/a/main.go": importing("ex.com/m/sub/x")})
    found = made(root, cache, "off")
    assert found.fallback is not None
    assert "ex.com/m/sub/x: " in found.fallback


def test_a_context_with_its_modules_names_the_whole_files_too(tmp_path: Path, cache: Path, proxy: Path) -> None:
    root = tree(tmp_path / "tree", "ex.com/a")
    exact, coarse = made(root, cache, proxy), made(tree(tmp_path / "tree2", "ex.com/b"), cache, "off")
    assert [file.path for file in exact.module_files] == ["go.mod", "go.sum"]
    assert exact.module_files == coarse.module_files


def test_without_its_modules_all_of_a_folder_counts_that_stands_for_one(tmp_path: Path, cache: Path) -> None:
    root = tree(tmp_path / "tree", "ex.com/sdk", more="\nreplace ex.com/api => ./api\n")
    plant(root, {f"api/{name}": text for name, text in MODULES["ex.com/api"].items()})
    assert {"api/go.mod", "api/deep/d.go"} < {file.path for file in made(root, cache, "off").files}


def test_a_go_mod_that_is_embedded_stays_whole(tmp_path: Path, cache: Path, proxy: Path) -> None:
    root = tree(tmp_path / "tree", "ex.com/a", "ex.com/m")
    plant(root, {"m.go": 'package m\n\nimport _ "embed"\n\n//go:embed go.mod\nvar text string\n'})
    found = made(root, cache, proxy)
    assert {file.path: file.content for file in found.files}["go.mod"] is None


def test_a_go_mod_before_pruning_stays_whole_with_a_reason(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path / "tree", {"go.mod": "module ex.com/m\n\ngo 1.16\n", "cmd/a/main.go": importing()})
    found = made(root, cache, "off")
    (warning,) = found.warnings
    assert warning == (
        "go.mod says go 1.16: before 1.17 it does not name all linked modules, so all of go.mod and go.sum count for "
        "all images of that module; write go 1.17 or newer"
    )
    assert all(file.content is None for file in found.files)
