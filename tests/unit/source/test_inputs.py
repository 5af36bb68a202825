"""The inputs of a service are what the compiler reads, no more and no less."""

import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbide_infra.source import answers, go_command, go_list
from carbide_infra.source import tree as module
from carbide_infra.source.inputs import InputError, InputFile, Inputs, Target, Wanted, inputs_of
from carbide_infra.source.staging import Place, stage
from tests.support.started_programs import recorded

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="the oracle is the go command")

LINUX = ("linux/amd64", "linux/arm64")
MAIN = "package main\n\nfunc main() {}\n"
BASE = {"go.mod": "module example.com/m\n\ngo 1.21\n", "VERSION": "1.0\n", "cmd/a/main.go": MAIN}
GO = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GO") or name == "GOCACHE"},
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
    "GOENV": "off",
    "CGO_ENABLED": "0",
    "GOMODCACHE": "/nonexistent",
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A cache of the test's own, without answers."""
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def racy(monkeypatch: pytest.MonkeyPatch, nanoseconds: int) -> None:
    """How old a file must be so that its content is remembered."""
    for each in (module, answers):
        monkeypatch.setattr(each, "_RACY_NANOSECONDS", nanoseconds)


def importing(*paths: str, package: str = "main") -> str:
    lines = "".join(f'import _ "{path}"\n' for path in paths)
    return f"package {package}\n\n{lines}\n" + ("func main() {}\n" if package == "main" else "")


def plant(root: Path, files: Mapping[str, str], *, base: Mapping[str, str] = BASE) -> Path:
    for name, text in {**base, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return root


def by_package(
    root: Path,
    packages: Sequence[str],
    platforms: Sequence[str],
    cache: Path,
    *,
    go_version: str | None = None,
    tags: tuple[str, ...] = (),
    module: str | None = None,
) -> dict[str, Inputs]:
    """The inputs of images of one binary each, with VERSION, where there is one."""
    files = ["VERSION"] if os.path.lexists(root / "VERSION") else []
    wanted = {
        package: Wanted([Target(package, tuple(platforms), module, go_version, tags)], files) for package in packages
    }
    return inputs_of(root, wanted, cache)


def exact(root: Path, cache: Path, *platforms: str, package: str = "./cmd/a", go: str | None = None) -> Inputs:
    found = by_package(root, [package], platforms or LINUX, cache, go_version=go)[package]
    assert found.fallback is None
    return found


def names(root: Path, cache: Path, *platforms: str, package: str = "./cmd/a", go: str | None = None) -> set[str]:
    return {file.path for file in exact(root, cache, *platforms, package=package, go=go).files}


def beyond_base(root: Path, cache: Path, *platforms: str, package: str = "./cmd/a", go: str | None = None) -> set[str]:
    return names(root, cache, *platforms, package=package, go=go) - set(BASE)


def go(root: Path, *arguments: str, **extra: str) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=root, env={**GO, **extra}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def oracle(root: Path, package: str, platform: str) -> set[str]:
    """The files of a package in the go command's own words."""
    system, arch = platform.split("/")[:2]
    listed = go(root, "list", "-deps", "-json", package, GOOS=system, GOARCH=arch, GOFLAGS="-buildvcs=false")
    decoder, position, files = json.JSONDecoder(), 0, set()
    while position < len(listed.rstrip()):
        found, position = decoder.raw_decode(listed, position)
        position += 1
        if not found.get("Standard"):
            groups = (found.get(group, []) for group in ("GoFiles", "EmbedFiles", "SFiles", "SysoFiles"))
            folder = os.path.relpath(found["Dir"], root)
            files |= {os.path.normpath(f"{folder}/{name}") for group in groups for name in group}
    return files


# ---- Which files.


def test_base_tree_gives_package_go_mod_and_version(tmp_path: Path, cache: Path) -> None:
    found = exact(
        plant(tmp_path, {"README.md": "", "cmd/b/main.go": MAIN, "cmd/a/main_test.go": "package main"}), cache
    )
    assert [file.path for file in found.files] == ["VERSION", "cmd/a/main.go", "go.mod"]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"go.sum": ""}, set()),
        ({"cmd/a/default.pgo": "", "cmd/a/other.pgo": ""}, {"cmd/a/default.pgo"}),
        ({"cmd/a/gen.go": "//go:build ignore\n\npackage main\n"}, set()),
        ({"cmd/a/x_windows.go": MAIN, "cmd/a/y.go": "//go:build !unix\n\npackage main\n"}, set()),
        ({"cmd/a/c.go": 'package main\n\nimport "C"\n', "cmd/a/nocgo.go": "//go:build !cgo\n\npackage main\n"},
         {"cmd/a/nocgo.go"}),
        ({"cmd/a/_x.go": "package main\n", "cmd/a/.y.go": "package main\n", "cmd/a/testdata/z.go": MAIN}, set()),
        ({"cmd/a/broken.go": "package main\n\nfunc f( {\n"}, {"cmd/a/broken.go"}),
    ],
)  # fmt: skip
def test_files_of_one_package(tmp_path: Path, cache: Path, files: dict[str, str], wanted: set[str]) -> None:
    assert beyond_base(plant(tmp_path, files), cache) == wanted


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"cmd/a/worse.go": "not even Go"}, "cmd/a/worse.go:1:1: expected 'package', found not"),
        ({"cmd/a/empty.go": ""}, "cmd/a/empty.go:1:1: expected 'package', found 'EOF'"),
        ({"cmd/a/other.go": "package other\n"}, r"found packages main \(main.go\) and other \(other.go\) in cmd/a"),
        ({"cmd/a/main.go": importing("example.com/m/gone")},
         "main.go:3:8: no required module provides package example.com/m/gone.*; it has no Go files here: generate"),
        ({"cmd/a/main.go": importing("example.com/m/lib"), "lib/l.go": importing("example.org/none", package="lib")},
         "lib/l.go:3:8: no required module provides package example.org/none.*, imported by example.com/m/lib"),
        ({"cmd/a/main.go": importing("example.com/m/win"), "win/w_windows.go": "package win\n"},
         "build constraints exclude all Go files in win, imported by example.com/m/cmd/a"),
        ({"cmd/a/main.go": importing("example.com/m/x"), "x/x.go": importing("example.com/m/x", package="x")},
         "import cycle not allowed"),
        ({"cmd/a/main.go": importing("example.com/m/cmd/b"), "cmd/b/main.go": MAIN},
         "import .example.com/m/cmd/b. is a program, not an importable package"),
        ({"cmd/a/main.go": importing("slices/none")}, "package slices/none is not in std"),
        ({"cmd/a/main.go": "package lib\n"}, ""),
        ({"cmd/a/link.go": "->gone.go"}, "open cmd/a/link.go: no such file or directory"),
    ],
)  # fmt: skip
def test_what_go_would_stop_at_is_said(tmp_path: Path, cache: Path, files: dict[str, str], complaint: str) -> None:
    plant(tmp_path, {name: text for name, text in files.items() if not text.startswith("->")})
    for name, text in files.items():
        if text.startswith("->"):
            (tmp_path / name).symlink_to(text.removeprefix("->"))
    with pytest.raises(InputError, match=complaint or "^package './cmd/a' is package lib, and not main") as error:
        names(tmp_path, cache)
    assert str(tmp_path) not in str(error.value)


def test_imports_are_followed_and_tests_are_not(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {
        "cmd/a/main.go": importing("example.com/m/lib", "fmt"),
        "cmd/a/main_test.go": importing("example.com/m/onlytest"),
        "lib/lib.go": importing("example.com/m/lib/internal/deep", package="lib"),
        "lib/x_test.go": importing("example.com/m/onlytest", package="lib_test"),
        "lib/internal/deep/deep.go": "package deep\n",
        "onlytest/t.go": "package onlytest\n",
        "other/o.go": "package other\n",
    })  # fmt: skip
    assert beyond_base(tmp_path, cache) == {"lib/lib.go", "lib/internal/deep/deep.go"}


def test_platforms_are_united_but_not_mixed(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {
        "cmd/a/main.go": importing("example.com/m/x"),
        "x/x_amd64.go": "package x\n",
        "x/x_arm64.go": importing("example.com/m/y", package="x"),
        "y/y_amd64.go": importing("example.com/m/z", package="y"),  # y is not reached on amd64, nor z on arm64
        "y/y_arm64.go": "package y\n",
        "z/z.go": "package z\n",
    })  # fmt: skip
    assert beyond_base(tmp_path, cache, "linux/amd64") == {"x/x_amd64.go"}
    assert beyond_base(tmp_path, cache) == {"x/x_amd64.go", "x/x_arm64.go", "y/y_arm64.go"}


def test_arm_variants_have_their_feature_tags(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {f"cmd/a/v{n}.go": f"//go:build arm.{n}\n\npackage main\n" for n in (5, 6, 7)})
    assert beyond_base(tmp_path, cache, "linux/arm/v6") == {"cmd/a/v5.go", "cmd/a/v6.go"}
    assert beyond_base(tmp_path, cache, "linux/arm/v7") == {"cmd/a/v5.go", "cmd/a/v6.go", "cmd/a/v7.go"}


def test_assembly_brings_the_headers_it_includes(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {
        "cmd/a/x_amd64.s": '#include "textflag.h"\n# include "own.h"\n#include"../../inc/shared.h"\n'
                           '/* why */ #include "../../inc/odd\\x2eh"\n#include "../../inc/none.h"\n',
        "cmd/a/x_windows.s": '#include "../../inc/never.h"\n',
        "inc/never.h": "",
        "inc/odd.h": "",
        "cmd/a/y.S": "for cgo only",
        "cmd/a/own.h": '#include "deeper.h"\n',
        "cmd/a/deeper.h": '#include "own.h"\n',
        "cmd/a/of_the_package.h": "",
        "inc/shared.h": "",
        "cmd/a/blob_linux_amd64.syso": "binary",
        "cmd/a/blob_windows.syso": "binary",
    })  # fmt: skip
    wanted = {"x_amd64.s", "own.h", "deeper.h", "of_the_package.h", "blob_linux_amd64.syso"}
    assert beyond_base(tmp_path, cache) == {f"cmd/a/{name}" for name in wanted} | {"inc/shared.h", "inc/odd.h"}


def embedding(*patterns: str) -> str:
    lines = "".join(f"//go:embed {pattern}\nvar f{n} embed.FS\n\n" for n, pattern in enumerate(patterns))
    return f'package main\n\nimport "embed"\n\n{lines}func main() {{ _ = f0 }}\n'


ASSETS = {
    "cmd/a/web/index.html": "",
    "cmd/a/web/.hidden": "",
    "cmd/a/web/_draft/x": "",
    "cmd/a/web/deep/ein süßer Name.txt": "",
    "cmd/a/web/nested/go.mod": "module example.com/nested\n",
    "cmd/a/web/nested/n.txt": "",
    "cmd/a/one.sql": "",
    "cmd/a/two.sql": "",
    "cmd/a/not.txt": "",
}


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("web", {"web/index.html", "web/deep/ein süßer Name.txt"}),
        ("all:web", {"web/index.html", "web/deep/ein süßer Name.txt", "web/.hidden", "web/_draft/x"}),
        ("*.sql", {"one.sql", "two.sql"}),
        ("web/.hidden one.sql", {"web/.hidden", "one.sql"}),
        ("web/*/*.txt", None),
        ('"web/deep/ein süßer Name.txt"', {"web/deep/ein süßer Name.txt"}),
        ("web/[d]eep", {"web/deep/ein süßer Name.txt"}),
    ],
)
def test_embedded_files(tmp_path: Path, cache: Path, pattern: str, wanted: set[str] | None) -> None:
    plant(tmp_path, {**ASSETS, "cmd/a/main.go": embedding(pattern)})
    if wanted is None:
        with pytest.raises(InputError, match=r"cannot embed file web/nested/n.txt: in different module"):
            names(tmp_path, cache)
        return
    assert beyond_base(tmp_path, cache) == {f"cmd/a/{name}" for name in wanted}
    assert names(tmp_path, cache, "linux/amd64") - {"VERSION", "go.mod"} == oracle(tmp_path, "./cmd/a", "linux/amd64")


def test_an_embedded_symbolic_link_is_refused_as_go_refuses_it(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {"cmd/a/main.go": embedding("link.txt"), "real.txt": ""})
    (tmp_path / "cmd/a/link.txt").symlink_to("../../real.txt")
    with pytest.raises(InputError, match=r"cmd/a/main.go:5:12: pattern link.txt: cannot embed irregular file"):
        names(tmp_path, cache)


def test_windows_line_ends_are_read_alike(tmp_path: Path, cache: Path) -> None:
    files = {**BASE, "cmd/a/main.go": importing("example.com/m/lib"), "lib/l.go": "package lib\n"}
    plant(tmp_path, {name: text.replace("\n", "\r\n") for name, text in files.items()})
    assert beyond_base(tmp_path, cache) == {"lib/l.go"}


# ---- Modules.


def test_a_nested_module_is_not_part_of_the_root_module(tmp_path: Path, cache: Path) -> None:
    nested = {
        "cmd/a/main.go": importing("example.com/m/nested/lib"),
        "nested/go.mod": "module example.com/m/nested\n\ngo 1.21\n",
        "nested/lib/l.go": "package lib\n",
        "nested/cmd/n/main.go": MAIN,
    }
    with pytest.raises(InputError, match=r"no required module provides package example.com/m/nested/lib"):
        names(plant(tmp_path, nested), cache)
    own = {"VERSION", "nested/go.mod", "nested/cmd/n/main.go"}
    assert names(tmp_path, cache, package="./nested/cmd/n") == own
    line = "\nrequire example.com/m/nested v0.0.0\n\nreplace example.com/m/nested => ./nested\n"
    plant(tmp_path, {"go.mod": BASE["go.mod"] + line}, base={})
    assert beyond_base(tmp_path, cache) == {"nested/go.mod", "nested/lib/l.go"}
    assert names(tmp_path, cache, package="./nested/cmd/n") == own


@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_replacement_outside_the_tree(tmp_path: Path, cache: Path, *, is_absolute: bool) -> None:
    target = str(tmp_path / "lib") if is_absolute else "../lib"
    replace = f"\nreplace example.com/lib => {target}\n"
    root = plant(tmp_path / "root", {"go.mod": BASE["go.mod"] + replace})
    assert beyond_base(root, cache) == set()  # nothing requires it
    plant(root, {"go.mod": BASE["go.mod"] + "\nrequire example.com/lib v1.0.0\n" + replace}, base={})
    assert beyond_base(root, cache) == set()  # nothing imports it
    plant(tmp_path, {"lib/go.mod": "module example.com/lib\n", "lib/x/x.go": "package x\n"}, base={})
    plant(root, {"cmd/a/main.go": importing("example.com/lib/x")}, base={})
    with pytest.raises(
        InputError, match=f"module example.com/lib is at {target}, outside the source tree {root}, so a"
    ):
        names(root, cache)


def test_a_workspace_joins_its_modules(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {
        "go.work": "go 1.21\n\nuse ./api\nuse ./lib\n",
        "go.work.sum": "",
        "api/go.mod": "module example.com/api\n\ngo 1.21\n",
        "api/go.sum": "",
        "api/cmd/api/main.go": importing("example.com/lib/x"),
        "lib/go.mod": "module example.com/lib\n\ngo 1.21\n",
        "lib/x/x.go": "package x\n",
        "lib/y/y.go": "package y\n",
    }, base={})  # fmt: skip
    assert names(tmp_path, cache, package="./api/cmd/api") == {
        "go.work", "api/go.mod", "api/cmd/api/main.go", "lib/go.mod", "lib/x/x.go",
    }  # fmt: skip


def test_a_workspace_s_module_outside_the_tree_matters_only_where_it_is_linked(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {"lib/go.mod": "module example.com/lib\n\ngo 1.21\n", "lib/l.go": "package lib\n"}, base={})
    root = plant(tmp_path / "root", {"go.work": "go 1.21\n\nuse (\n\t.\n\t../lib\n)\n"})
    (found,) = (file for file in exact(root, cache).files if file.path == "go.work")
    assert found.content == b"go 1.21\n\nuse (\n\t.\n)\n"
    plant(root, {"cmd/a/main.go": importing("example.com/lib")}, base={})
    with pytest.raises(
        InputError, match=f"module example.com/lib is at {tmp_path}/lib, outside the source tree {root}"
    ):
        names(root, cache)


def vendored(root: Path) -> Path:
    plant(root, {
        "go.mod": BASE["go.mod"] + "\nrequire example.com/dep v0.0.0\n\nreplace example.com/dep => ./dep\n",
        "cmd/a/main.go": importing("example.com/dep/used", "example.com/m/lib"),
        "cmd/b/main.go": importing("example.com/dep/unused"),
        "lib/l.go": "package lib\n",
        "dep/go.mod": "module example.com/dep\n\ngo 1.21\n",
        "dep/used/u.go": importing("example.com/dep/deeper", package="used"),
        "dep/deeper/d.go": "package deeper\n",
        "dep/unused/n.go": "package unused\n",
    })  # fmt: skip
    go(root, "mod", "vendor")
    return root


def test_vendor_folder_is_used_as_go_uses_it(tmp_path: Path, cache: Path) -> None:
    root = vendored(tmp_path)
    wanted = {"vendor/modules.txt", "vendor/example.com/dep/used/u.go", "vendor/example.com/dep/deeper/d.go"}
    assert beyond_base(root, cache) == {*wanted, "lib/l.go"}
    text = (root / "go.mod").read_text(encoding="utf-8")
    (root / "go.mod").write_text(text.replace("go 1.21", "go 1.13"), encoding="utf-8")
    with pytest.raises(InputError, match=r"updates to go.mod needed, disabled by -mod=readonly .* go mod tidy$"):
        names(root, cache)


def test_a_broken_go_mod_is_named(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {"go.mod": "module example.com/m\n\nrequire (\n"})
    with pytest.raises(
        InputError, match=r"^./cmd/a cannot be built: go: errors parsing go.mod: go.mod:4: syntax error"
    ):
        names(tmp_path, cache)


def test_a_tree_without_go_mod(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"cmd/a/main.go": MAIN}, base={})
    with pytest.raises(InputError, match=rf"'./cmd/a' is of no Go module: .* in {root}/cmd/a, nor above it in {root}$"):
        names(root, cache)


# ---- Modules: the source root need not be one.

SERVICES = {
    "one/go.mod": (
        "module example.com/one\n\ngo 1.21\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n"
    ),
    "one/main.go": importing("example.com/lib/x"),
    "two/go.mod": "module example.com/two\n\ngo 1.21\n",
    "two/cmd/two/main.go": MAIN,
    "lib/go.mod": "module example.com/lib\n\ngo 1.21\n",
    "lib/x/x.go": "package x\n",
    "lib/y/y.go": "package y\n",
}


def test_each_service_may_be_a_module_with_its_siblings_in_the_tree(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, SERVICES, base={})
    found = inputs_of(root, {"a": Wanted([Target("one", LINUX)]), "b": Wanted([Target("./two/cmd/two", LINUX)])}, cache)
    assert {name: [file.path for file in inputs.files] for name, inputs in found.items()} == {
        "a": ["lib/go.mod", "lib/x/x.go", "one/go.mod", "one/main.go"],
        "b": ["two/cmd/two/main.go", "two/go.mod"],
    }
    assert {"one/main.go", "lib/x/x.go"} == {
        f"one/{name}".replace("one/../", "") for name in oracle(root / "one", ".", LINUX[0])
    }


def test_an_image_of_several_binaries_is_made_of_the_files_of_all(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, SERVICES | {"deploy/start.sh": "#!/bin/sh\n"}, base={})
    targets = [Target("one", LINUX), Target("two/cmd/two", LINUX)]
    (inputs,) = inputs_of(root, {"a": Wanted(targets, ["deploy/start.sh", "lib/x/x.go"])}, cache).values()
    assert [file.path for file in inputs.files] == [
        "deploy/start.sh", "lib/go.mod", "lib/x/x.go", "one/go.mod", "one/main.go", "two/cmd/two/main.go", "two/go.mod",
    ]  # fmt: skip
    assert inputs.fallback is None


def test_a_workspace_holds_for_the_modules_below_it(tmp_path: Path, cache: Path) -> None:
    work = {f"work/{name}": text.replace("replace example.com/lib => ../lib\n", "") for name, text in SERVICES.items()}
    root = plant(tmp_path, {**work, "work/go.work": "go 1.21\n\nuse (\n./one\n./lib\n)\n"}, base={})
    assert names(root, cache, package="./work/one") == {
        "work/go.work", "work/lib/go.mod", "work/lib/x/x.go", "work/one/go.mod", "work/one/main.go",
    }  # fmt: skip
    with pytest.raises(
        InputError, match=r"cmd/two is contained in a module that is not one of the workspace modules listed in go.work"
    ):
        names(root, cache, package="./work/two/cmd/two")


def test_a_vendor_folder_is_that_of_the_module(tmp_path: Path, cache: Path) -> None:
    vendored = {
        "one/go.mod": "module example.com/one\n\ngo 1.21\n\nrequire example.com/lib v1.0.0\n",
        "one/vendor/modules.txt": "# example.com/lib v1.0.0\n## explicit\nexample.com/lib/x\n",
        "one/vendor/example.com/lib/x/x.go": "package x\n",
    }
    root = plant(tmp_path, SERVICES | vendored, base={})
    assert names(root, cache, package="./one") == {
        "one/go.mod", "one/main.go", "one/vendor/modules.txt", "one/vendor/example.com/lib/x/x.go",
    }  # fmt: skip


def test_a_module_may_be_named(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, SERVICES, base={})
    found = by_package(root, ["./one"], LINUX, cache, module="./one")
    assert "one/go.mod" in {file.path for file in found["./one"].files}
    with pytest.raises(
        InputError, match=rf"'./one' is of no Go module: there is no go.mod in {root}/two/cmd, nor above"
    ):
        by_package(root, ["./one"], LINUX, cache, module="two/cmd")


def test_the_root_package_is_a_package(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"go.mod": BASE["go.mod"], "main.go": MAIN, "cmd/a/main.go": MAIN}, base={})
    assert names(root, cache, package=".") == {"go.mod", "main.go"}


def test_build_tags_choose_files(tmp_path: Path, cache: Path) -> None:
    root = plant(
        tmp_path,
        {"cmd/a/x.go": "//go:build extra\n\npackage main\n", "cmd/a/y.go": "//go:build !extra\n\npackage main\n"},
    )
    assert beyond_base(root, cache) == {"cmd/a/y.go"}
    (found,) = by_package(root, ["./cmd/a"], LINUX, cache, tags=("more", "extra")).values()
    assert {file.path for file in found.files} - set(BASE) == {"cmd/a/x.go"}


def test_images_may_differ_in_platforms(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"cmd/a/x_arm64.go": "package main\n"})
    amd, arm = Target("cmd/a", ("linux/amd64",)), Target("cmd/a", ("linux/arm64",))
    found = inputs_of(root, {"old": Wanted([amd]), "new": Wanted([arm])}, cache)
    assert {file.path for file in found["old"].files} == {"go.mod", "cmd/a/main.go"}
    assert {file.path for file in found["new"].files} == {"go.mod", "cmd/a/main.go", "cmd/a/x_arm64.go"}


# ---- What cannot be built.


@pytest.mark.parametrize(
    ("package", "complaint"),
    [
        ("./cmd/none", r"package './cmd/none': there is no folder .*/cmd/none; name a main package"),
        ("./docs", r"package './docs': no Go files in .*/docs"),
        ("./tests", r"package './tests': no Go files in .*/tests"),
        ("../outside", r"'../outside' is not below the source root"),
        ("/etc", r"'/etc' is not below the source root"),
        ("./win", r"./win cannot be built for linux/amd64: build constraints exclude all Go files in win"),
    ],
)
def test_a_package_that_is_not_there(tmp_path: Path, cache: Path, package: str, complaint: str) -> None:
    plant(tmp_path, {"docs/x.md": "", "tests/x_test.go": "package tests\n", "win/x_windows.go": "package main\n"})
    with pytest.raises(InputError, match=complaint):
        names(tmp_path, cache, package=package)


@pytest.mark.parametrize("platform", ["linux", "linux/", "Linux/AMD64", "linux/arm/7"])
def test_a_platform_that_is_none(tmp_path: Path, cache: Path, platform: str) -> None:
    with pytest.raises(InputError, match=f"platform '{platform}' is not understood; write it like"):
        names(plant(tmp_path, {}), cache, platform)


def test_a_platform_is_needed(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"^no target platform is given; name at least one, like linux/amd64$"):
        inputs_of(plant(tmp_path, {}), {"a": Wanted([Target("./cmd/a", ())])}, cache)


# ---- Links, modes, names, odd files.


def test_links_inside_the_tree_count_as_what_they_lead_to(tmp_path: Path, cache: Path) -> None:
    plant(tmp_path, {"shared/s.go": "package main\n", "real/r.go": "package real\n"})
    plant(tmp_path, {"cmd/a/main.go": importing("example.com/m/alias")}, base={})
    (tmp_path / "cmd/a/s.go").symlink_to("../../shared/s.go")
    (tmp_path / "alias").symlink_to("real")
    assert beyond_base(tmp_path, cache) == {"cmd/a/s.go", "alias/r.go"}


@pytest.mark.parametrize("link", ["file", "folder"])
def test_links_out_of_the_tree_are_named(tmp_path: Path, cache: Path, link: str) -> None:
    root = plant(tmp_path / "root", {"cmd/a/main.go": importing("example.com/m/alias")})
    plant(tmp_path / "outside", {"x.go": f"package {'alias' if link == 'folder' else 'main'}\n"}, base={})
    if link == "folder":
        (root / "alias").symlink_to("../outside")
        wanted = "alias is a symbolic link to ../outside, outside the source tree"
    else:
        (root / "cmd/a/main.go").write_text(MAIN)
        (root / "cmd/a/x.go").symlink_to("../../../outside/x.go")
        wanted = "cmd/a/x.go is a symbolic link to ../../../outside/x.go, outside the source tree"
    with pytest.raises(InputError, match=f"{wanted}.*put a copy in its place"):
        names(root, cache)


def test_the_root_itself_may_be_a_link(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path / "root", {"shared/s.go": "package main\n"})
    (root / "cmd/a/s.go").symlink_to("../../shared/s.go")
    (tmp_path / "link").symlink_to(root)
    assert exact(tmp_path / "link", cache) == exact(root, cache)


def test_only_the_owners_execute_bit_counts(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {})
    seen = []
    for mode in (0o644, 0o600, 0o666, 0o655, 0o700, 0o775):
        (root / "VERSION").chmod(mode)
        seen.append(next(file.executable for file in exact(root, cache).files if file.path == "VERSION"))
    assert seen == [False, False, False, False, True, True]


def test_names_with_spaces_and_letters_of_any_language(tmp_path: Path, cache: Path) -> None:
    root = plant(
        tmp_path / "ein Ordner für Größen", {"cmd/a/größe 2.go": "package main\n", "cmd/a/文件.go": "package main\n"}
    )
    assert beyond_base(root, cache) == {"cmd/a/größe 2.go", "cmd/a/文件.go"}


def test_a_pipe_does_not_block(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go itself reads it, and waits for ever."""
    monkeypatch.setattr(go_command, "_LOCAL_SECONDS", 1)
    os.mkfifo(plant(tmp_path, {}) / "cmd/a/pipe.go")
    found = by_package(tmp_path, ["./cmd/a"], LINUX, cache)["./cmd/a"]
    assert found.fallback is not None
    assert "`go list` did not end within 1 s" in found.fallback
    assert {file.path for file in found.files} == set(BASE)


@pytest.fixture
def unprivileged(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Path]:
    """A tree, as a user for whom modes count."""
    exact(plant(tmp_path_factory.mktemp("warm"), {}), cache)  # compile while we may
    if os.geteuid() != 0:
        yield plant(tmp_path_factory.mktemp("mine"), {})
        return
    root = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    plant(root, {})
    for path in (root, *root.rglob("*")):
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield root
    finally:
        os.seteuid(0)
        shutil.rmtree(root)


def test_an_unreadable_file_is_named_with_the_way_out(unprivileged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (unprivileged / "VERSION").chmod(0)
    (unprivileged / "cache").mkdir()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InputError, match=r"^VERSION cannot be read: Permission denied; run chmod u\+r"):
        by_package(unprivileged, ["./cmd/a"], LINUX, unprivileged / "cache")


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cache folder .* cannot be made: .*; give one that you may write to"):
        by_package(plant(tmp_path, {}), ["./cmd/a"], LINUX, tmp_path / "file" / "cache")


# ---- The user's environment.


def test_nothing_in_the_environment_matters(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, {"cmd/a/t.go": "//go:build extra\n\npackage main\n", "work/go.work": "go 1.21\n"})
    plain = exact(tmp_path, cache)
    for name, value in {
        "GOFLAGS": "-tags=extra -mod=vendor", "GOWORK": str(tmp_path / "work/go.work"), "GOENV": "/nonexistent",
        "GOOS": "windows", "GOARCH": "386", "CGO_ENABLED": "1", "GO111MODULE": "off", "GOEXPERIMENT": "nonsense",
        "GOPATH": "relative", "GOROOT": "/nonexistent", "GOTOOLCHAIN": "go1.99", "HOME": "/nonexistent",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for kept in cache.glob("answer-*"):
        kept.unlink()
    assert exact(tmp_path, cache) == plain


def test_a_workspace_above_the_tree_is_not_seen(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "go.work").write_text("go 1.21\n\nuse ./elsewhere\n")
    assert beyond_base(plant(tmp_path / "root", {}), cache) == set()


# ---- The cache.


def test_file_times_change_the_cost_but_not_the_answer(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"cmd/a/main.go": importing("example.com/m/lib"), "lib/l.go": "package lib\n"})
    before = exact(root, cache)
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
    assert exact(root, cache) == before


def later(monkeypatch: pytest.MonkeyPatch, seconds: float = 2.1) -> None:
    """Let time pass until nothing is racy, so that hashes are remembered."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + int(seconds * 1e9))


@pytest.mark.parametrize("old", [False, True])
def test_an_edit_of_the_same_size_and_time_is_seen(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, *, old: bool
) -> None:
    root = plant(tmp_path, {"libb/l.go": "package libb\n", "libs/l.go": "package libs\n"})
    main = root / "cmd/a/main.go"
    main.write_text(importing("example.com/m/libb"))
    if old:
        # Older than the two seconds from which Go would trust an index of its own.
        os.utime(main, (1_000_000_000, 1_000_000_000))
        later(monkeypatch)
    times = main.stat()
    assert beyond_base(root, cache) == {"libb/l.go"}
    main.write_text(importing("example.com/m/libs"))
    os.utime(main, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (main.stat().st_size, main.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    assert beyond_base(root, cache) == {"libs/l.go"}


def test_a_hash_is_remembered_only_when_no_edit_can_hide(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {})
    reads: list[str] = []
    sha256 = module._sha256

    def counting(path: str) -> tuple[str, os.stat_result, os.stat_result]:
        reads.append(path)
        return sha256(path)

    monkeypatch.setattr(module, "_sha256", counting)
    with monkeypatch.context() as patch:
        # However slow this machine is, these files are young.
        racy(patch, 3_600_000_000_000)
        exact(root, own)
        exact(root, own)
    assert len(reads) == 2 * len(BASE)
    later(monkeypatch)
    exact(root, own)
    assert len(reads) == 3 * len(BASE)
    exact(root, own)
    assert len(reads) == 3 * len(BASE)
    (root / "VERSION").write_text("2.0\n")
    exact(root, own)
    assert len(reads) == 3 * len(BASE) + 1


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"cmd/a/more.go": "package main\n"}, {"cmd/a/more.go"}),
        ({"lib/more.go": "package lib\n"}, {"lib/more.go"}),
        ({"lib/text/b/c.txt": ""}, {"lib/text/b/c.txt"}),
        ({"lib/text/b/_c.txt": "", "lib/b.txt": ""}, set()),
        ({"cmd/a/default.pgo": ""}, {"cmd/a/default.pgo"}),
        ({"go.sum": ""}, set()),
        ({"cmd/a/README.md": "", "lib/l_test.go": "package lib\n"}, {"lib/l.go"}),
    ],
)
def test_a_warm_answer_notices_what_a_cold_one_would(
    tmp_path: Path, cache: Path, change: dict[str, str], wanted: set[str]
) -> None:
    root = plant(tmp_path, {
        "cmd/a/main.go": importing("example.com/m/lib"),
        "lib/l.go": 'package lib\n\nimport "embed"\n\n//go:embed text\nvar text embed.FS\n',
        "lib/text/a.txt": "",
    })  # fmt: skip
    (root / "lib/text/b").mkdir()
    always = {"lib/l.go", "lib/text/a.txt"}
    assert beyond_base(root, cache) == always
    plant(root, change, base={})
    assert beyond_base(root, cache) == wanted | always
    for name in change:
        (root / name).unlink()
    assert beyond_base(root, cache) == always


def test_a_warm_answer_notices_a_new_module(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"cmd/a/main.go": importing("example.com/m/lib/x"), "lib/x/l.go": "package x\n"})
    assert beyond_base(root, cache) == {"lib/x/l.go"}
    (root / "lib/go.mod").write_text("module example.com/m/lib\n")
    with pytest.raises(InputError, match=r"no required module provides package example.com/m/lib/x"):
        names(root, cache)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00", b"checksum\n{}", None], ids=str)
def test_a_damaged_cache_is_computed_again(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    racy(monkeypatch, 0)
    root = plant(tmp_path / "root", {})
    time.sleep(0.02)
    before = exact(root, own)
    kept = list(own.glob("*.json"))
    assert len(kept) == 2
    for path in kept:
        path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    assert exact(root, own) == before
    assert all(path.read_bytes()[64:65] == b"\n" for path in kept)


def _digests(arguments: tuple[Path, Path]) -> Inputs:
    return exact(*arguments)


def test_processes_may_share_an_empty_cache(tmp_path: Path) -> None:
    root, own = plant(tmp_path / "root", {}), tmp_path / "cache"
    with ProcessPoolExecutor(3) as pool:
        answers = list(pool.map(_digests, [(root, own)] * 6))
    assert len({answer.files for answer in answers}) == 1
    assert not [path.name for path in own.iterdir() if path.name.startswith(("tmp", "compile"))]


def test_a_tree_that_changes_while_it_is_read(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path, {"lib/l.go": "package lib\n"})
    listed = go_list.list_packages
    edits = [importing("example.com/m/lib")]

    def edited_meanwhile(*arguments: object, **options: object) -> object:
        found = listed(*arguments, **options)  # type: ignore[arg-type]
        if edits:
            (root / "cmd/a/main.go").write_text(edits.pop())
        return found

    monkeypatch.setattr(answers, "list_packages", edited_meanwhile)
    assert beyond_base(root, cache) == {"lib/l.go"}
    edits.extend(f"{MAIN}// {n}\n" for n in range(9))
    for kept in cache.glob("answer-*"):
        kept.unlink()
    with pytest.raises(InputError, match="keeps changing while it is read; let the other program finish"):
        names(root, cache)


# ---- Without Go.


def without_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    git = shutil.which("git")
    if git:
        (programs / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(programs))


TREE = {
    "README.md": "",
    "EndsWithX": "",
    "cmd/b/main.go": MAIN,
    "cmd/a/x_test.go": "package main\n",
    ".gitignore": "*.log\n",
    "x.log": "",
}


def fallback(root: Path, cache: Path) -> Inputs:
    found = by_package(root, ["./cmd/a"], LINUX, cache)["./cmd/a"]
    assert found.fallback == (
        "Go's import graph is not known because the go command is not on PATH, so every image depends on the whole "
        "source tree: install Go 1.21 or newer to track each image's own files."
    )
    return found


def test_without_go_and_git_the_whole_tree_counts(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path / "root", {**TREE, ".git/config": "", "node_modules/x.js": "", "web/node_modules/y.js": ""})
    (root / "web/up").symlink_to("..")
    (root / "web/lost").symlink_to("nowhere")
    without_go(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")
    own = root / "cache"
    wanted = {*BASE, *TREE}
    assert {file.path for file in fallback(root, own).files} == wanted
    assert fallback(root, own) == fallback(root, cache)
    with pytest.raises(InputError, match="there is no folder"):
        by_package(root, ["./none"], LINUX, cache)


def test_without_go_neither_the_cache_nor_what_tools_keep_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = (".git", ".hg", ".svn", ".local", ".pulumi", ".terraform", ".venv", "__pycache__", "node_modules", "venv")
    kept = {f"{folder}{tool}/x": "" for tool in tools for folder in ("", "cmd/")}
    root = plant(tmp_path / "root", {**kept, "deep/cache/x": "", "deep/cached": "", "deep/cache2/x": "", "cache/x": ""})
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.chdir(tmp_path)
    wanted = {*BASE, "deep/cached", "deep/cache2/x", "cache/x"}
    assert {file.path for file in fallback(root, root / "deep/cache").files} == wanted
    assert {file.path for file in fallback(root, tmp_path / "new/cache").files} == wanted | {"deep/cache/x"}


def test_without_go_git_says_what_belongs_to_the_tree(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {**TREE, "gone.txt": "", "mit ö.txt": ""})
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    (root / "gone.txt").unlink()
    plant(root, {"new.txt": ""}, base={})
    (tmp_path / "home").mkdir()
    (tmp_path / "home/ignored").write_text("*.txt\n")
    (tmp_path / "home/.gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/home/ignored\n")
    without_go(monkeypatch, tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert {file.path for file in fallback(root, cache).files} == ({*BASE, *TREE, "new.txt", "mit ö.txt"} - {"x.log"})


def test_git_is_asked_with_nothing_of_the_user_s(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path / "root", TREE)
    without_go(monkeypatch, tmp_path)
    monkeypatch.setenv("GIT_DIR", "of the user")
    started = recorded(monkeypatch)
    fallback(root, cache)
    (asked,) = started
    assert asked.command[-4:] == ("ls-files", "-z", "-co", "--exclude-per-directory=.gitignore")
    assert "GIT_DIR" not in (asked.environment or {}), "see test_git"


def test_without_go_all_of_a_folder_counts_that_git_lists_as_one(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another repository, or a link to a folder, is one name in git's list."""
    root = plant(tmp_path / "root", {"shared/deep/s.txt": "", "module/m.go": "", "module/node_modules/x.js": ""})
    for folder in (root, root / "module"):
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@x", "commit", "-q", "--allow-empty", "-m", "x"],
                   cwd=root / "module", check=True)  # fmt: skip
    (root / "cmd/link").symlink_to("../shared")
    (root / "shared/up").symlink_to("..")
    (root / "shared/sibling").symlink_to("../shared/deep")
    without_go(monkeypatch, tmp_path)
    assert {file.path for file in fallback(root, cache).files} == {
        *BASE, "module/m.go", "shared/deep/s.txt", "shared/sibling/s.txt", "cmd/link/deep/s.txt",
        "cmd/link/sibling/s.txt",
    }  # fmt: skip


def test_without_go_a_link_out_of_the_tree_is_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {})
    (tmp_path / "root-like").mkdir()
    (root / "link").symlink_to("../root-like")
    without_go(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"^link is a symbolic link to \.\./root-like, outside the source tree"):
        by_package(root, ["./cmd/a"], LINUX, cache)


def test_a_go_command_that_fails_is_quoted(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_go(monkeypatch, tmp_path)
    broken = tmp_path / "programs/go"
    broken.write_text("#!/bin/sh\necho 'cannot find GOROOT' >&2\nexit 2\n")
    broken.chmod(0o755)
    found = by_package(plant(tmp_path / "root", {}), ["./cmd/a"], LINUX, cache)["./cmd/a"]
    assert found.fallback is not None
    assert "Go cannot be had here (cannot find GOROOT)" in found.fallback


# ---- What is remembered.


def test_a_file_is_a_line_of_the_record() -> None:
    assert str(InputFile("a file", True, "f" * 64, 7)) == f"0755 {'f' * 64} 7 a file"  # noqa: FBT003
    assert str(InputFile("VERSION", False, "0" * 64, 0)) == f"0644 {'0' * 64} 0 VERSION"  # noqa: FBT003


def test_a_file_has_size_and_hash_of_its_content(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"real": "größe\n"})
    (root / "VERSION").unlink()
    (root / "VERSION").symlink_to("real")
    (found,) = (file for file in exact(root, cache).files if file.path == "VERSION")
    digest = hashlib.sha256("größe\n".encode()).hexdigest()
    assert found == InputFile("VERSION", False, digest, 8)  # noqa: FBT003


def test_names_that_are_no_text_do_not_matter(tmp_path: Path, cache: Path) -> None:
    root = plant(tmp_path, {"cmd/a/größe.go": "package main\n"})
    (root / "cmd/a" / os.fsdecode(b"no text \xff.txt")).touch()
    assert beyond_base(root, cache) == {"cmd/a/größe.go"}


def test_a_large_file_is_read_in_pieces(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path, {"VERSION": "12345"})
    monkeypatch.setattr(module, "_CHUNK", 2)
    sizes = {file.path: (file.size, file.sha256) for file in exact(root, cache).files}
    assert sizes["VERSION"] == (5, hashlib.sha256(b"12345").hexdigest())


def test_a_file_that_keeps_changing_is_named(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant(tmp_path, {})
    sha256, tries = module._sha256, []

    def edited_meanwhile(path: str) -> tuple[str, os.stat_result, os.stat_result]:
        digest, before, after = sha256(path)
        if path.endswith("VERSION"):
            tries.append(path)
            (root / "VERSION").write_text("more" * len(tries))
            after = (root / "VERSION").stat()
        return digest, before, after

    monkeypatch.setattr(module, "_sha256", edited_meanwhile)
    with pytest.raises(InputError, match=r"^VERSION keeps changing while it is read; let the other program finish"):
        exact(root, cache)
    assert len(tries) == 3


def test_without_news_nothing_is_written(tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    racy(monkeypatch, 0)
    root = plant(tmp_path / "root", {})
    time.sleep(0.02)
    exact(root, own)
    before = {path.name: path.stat().st_ino for path in own.glob("*.json")}
    exact(root, own)
    assert {path.name: path.stat().st_ino for path in own.glob("*.json")} == before
    assert sorted(name.partition("-")[0] for name in before) == ["answer", "hashes"]


def test_a_hash_that_may_be_of_an_earlier_content_is_forgotten(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {})
    racy(monkeypatch, -(10**12))
    exact(root, own)
    assert remembered(own) == set(BASE)
    (root / "VERSION").write_text("2.0\n")
    racy(monkeypatch, 10**12)
    exact(root, own)
    assert remembered(own) == {*BASE} - {"VERSION"}


@pytest.mark.parametrize(("nanoseconds", "is_remembered"), [(2_000_000_000, False), (2_000_000_001, True)])
def test_a_hash_is_remembered_two_seconds_after_the_last_change(
    nanoseconds: int, tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch, *, is_remembered: bool
) -> None:
    root = plant(tmp_path / "root", {})
    os.utime(root / "VERSION", (1, 1))
    changed = (root / "VERSION").stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed + nanoseconds)
    exact(root, own)
    assert ("VERSION" in remembered(own)) == is_remembered


@pytest.mark.parametrize("seconds", [-10, 10])
def test_a_time_of_the_future_is_no_reason_to_remember(
    seconds: int, tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {})
    os.utime(root / "VERSION", (time.time() + seconds, time.time() + seconds))
    later(monkeypatch, 5)
    exact(root, own)
    assert ("VERSION" in remembered(own)) == (seconds < 0)


def remembered(cache: Path) -> set[str]:
    (kept,) = cache.glob("hashes-*.json")
    return set(json.loads(kept.read_bytes().partition(b"\n")[2]))


def test_two_trees_may_share_a_cache(tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    racy(monkeypatch, -(10**12))
    for name in ("one", "two"):
        exact(plant(tmp_path / name, {"VERSION": name}), own)
    assert len(list(own.glob("hashes-*.json"))) == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, cache: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {})
    racy(monkeypatch, -(10**12))
    expected = exact(root, cache)

    def refused(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refused)
    assert exact(root, own) == expected
    assert [path.name.partition("-")[0] for path in own.iterdir()] == []


def test_a_cache_that_is_closed_costs_time_alone(
    tmp_path: Path, cache: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "root", {})
    later(monkeypatch)
    expected = exact(root, cache)

    def refused(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refused)
    assert exact(root, own) == expected


def test_an_answer_is_whole_when_it_appears_in_the_cache(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written beside its place: a rename cannot cross from one file system to another."""
    root, replace, sizes = plant(tmp_path / "root", {}), Path.replace, dict[str, int]()
    later(monkeypatch)

    def looking(self: Path, target: Path) -> Path:
        assert self.parent == target.parent
        sizes[target.name] = self.stat().st_size
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", looking)
    exact(root, own)
    assert {path.name: path.stat().st_size for path in own.glob("*.json")} == sizes
    assert len(sizes) == 2


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), "VERSION is missing, or a symbolic link that leads nowhere"),
        (PermissionError(errno.EACCES, "Not allowed"), "VERSION cannot be read: Not allowed; run chmod u+r on it"),
        (OSError(errno.EIO, "Input/output error"), "VERSION cannot be read: Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    error: OSError, complaint: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path, {})
    sha256 = module._sha256

    def failing(path: str) -> tuple[str, os.stat_result, os.stat_result]:
        if path.endswith("VERSION"):
            raise error
        return sha256(path)

    monkeypatch.setattr(module, "_sha256", failing)
    with pytest.raises(InputError) as caught:
        exact(root, cache)
    assert str(caught.value).startswith(complaint)


# ---- Oracles.


def random_tree(root: Path, seed: int) -> None:
    """A tree whose packages import each other at random, under random constraints."""
    chance = random.Random(seed)  # noqa: S311
    marks = ("", "", "_linux", "_arm64", "_amd64", "_windows", "_linux_arm64", "_test")
    tags = (
        "",
        "",
        "//go:build linux && !arm64\n\n",
        "//go:build unix\n\n",
        "//go:build ignore\n\n",
        "//go:build cgo\n\n",
    )
    files = {}
    for number in range(10):
        folder = f"p{number}"
        files[f"{folder}/always.go"] = f"package {folder}\n"
        files[f"{folder}/asset.txt"] = str(seed)
        for each in range(3):
            targets = chance.sample(range(number), k=min(number, chance.randint(0, 2)))
            text = importing(*(f"example.com/m/p{target}" for target in targets), package=folder)
            if chance.random() < 0.3:
                text = text.replace("\n\n", '\n\nimport _ "embed"\n', 1) + "\n//go:embed *.txt\nvar a string\n"
            files[f"{folder}/f{each}{chance.choice(marks)}.go"] = chance.choice(tags) + text.replace(
                "var a", f"var a{each}"
            )
    files["cmd/a/main.go"] = importing(*(f"example.com/m/p{n}" for n in chance.sample(range(10), k=3)))
    plant(root, files)


@pytest.mark.parametrize("seed", range(8))
def test_random_trees_agree_with_go_list(tmp_path: Path, cache: Path, seed: int) -> None:
    random_tree(tmp_path, seed)
    for platform in (*LINUX, "windows/amd64"):
        assert names(tmp_path, cache, platform) - {"go.mod", "VERSION"} == oracle(tmp_path, "./cmd/a", platform)


EVERYTHING = {
    "go.mod": BASE["go.mod"] + "\nrequire example.com/dep v0.0.0\n\nreplace example.com/dep => ./dep\n",
    "dep/go.mod": "module example.com/dep\n\ngo 1.21\n",
    "dep/d.go": 'package dep\n\nfunc D() string { return "dep" }\n',
    "dep/unused/u.go": "package unused\n",
    "lib/l.go": "package lib\n\nfunc Add(a, b int64) int64\n",
    "lib/l_amd64.s": '#include "textflag.h"\n#include "inc/names.h"\nTEXT NAME(SB), NOSPLIT, $0\n\tMOVQ a+0(FP), AX\n'
                     "\tADDQ b+8(FP), AX\n\tMOVQ AX, ret+16(FP)\n\tRET\n",
    "lib/l_arm64.s": '#include "textflag.h"\n#include "inc/names.h"\nTEXT NAME(SB), NOSPLIT, $0\n\tMOVD a+0(FP), R0\n'
                     "\tMOVD b+8(FP), R1\n\tADD R1, R0\n\tMOVD R0, ret+16(FP)\n\tRET\n",
    "lib/inc/names.h": "#define NAME \u00b7Add\n",
    "lib/l_test.go": "package lib\n",
    "cmd/a/main.go": 'package main\n\nimport (\n\t"embed"\n\n\t"example.com/dep"\n\t"example.com/m/lib"\n)\n\n'
                     "//go:embed all:web *.sql\nvar files embed.FS\n\nfunc main() {\n"
                     '\tdata, _ := files.ReadFile("web/.hidden file")\n'
                     "\tprintln(dep.D(), lib.Add(1, 2), string(data), system)\n}\n",
    "cmd/a/s_linux.go": 'package main\n\nconst system = "linux"\n',
    "cmd/a/s_windows.go": 'package main\n\nconst system = "windows"\n',
    "cmd/a/web/.hidden file": "seen",
    "cmd/a/web/größe.txt": "",
    "cmd/a/one.sql": "select 1",
    "cmd/a/notes.txt": "",
    "docs/d.md": "",
}  # fmt: skip


def build(root: Path, package: str, arch: str, flags: str) -> bytes:
    go(root, "build", "-trimpath", "-buildvcs=false", "-o", "binary", package, GOOS="linux", GOARCH=arch, GOFLAGS=flags)
    binary = (root / "binary").read_bytes()
    (root / "binary").unlink()
    return binary


@pytest.mark.parametrize("layout", ["module", "vendor", "workspace"])
def test_the_staged_files_alone_build_the_same_binary(tmp_path: Path, cache: Path, layout: str) -> None:
    root, flags = plant(tmp_path / "full", EVERYTHING), "-mod=mod"
    if layout == "vendor":
        go(root, "mod", "vendor")
        flags = ""
    if layout == "workspace":
        plant(root, {"go.work": "go 1.21\n\nuse .\nuse ./dep\n", "go.mod": BASE["go.mod"]}, base={})
        flags = ""
    place = Place(tmp_path / "contexts", "image", "staged")
    stage(root, exact(root, cache), "FROM scratch\n", place)
    staged = place.context
    assert not list(staged.rglob("notes.txt")) + list(staged.rglob("*_test.go")) + list(staged.rglob("docs"))
    for arch in ("amd64", "arm64"):
        assert build(staged, "./cmd/a", arch, flags) == build(root, "./cmd/a", arch, flags)


SAMPLE = Path(__file__).parents[3] / "examples/carbide-rest-api"


@pytest.mark.skipif(not (SAMPLE / "go.mod").exists(), reason="the sample tree is not in this checkout")
def test_services_of_the_sample_tree_do_not_contain_each_other(cache: Path) -> None:
    packages = [f"./{path.relative_to(SAMPLE).parent}" for path in sorted(SAMPLE.glob("*/cmd/*/main.go"))]
    found = by_package(SAMPLE, packages, LINUX, cache)
    for package, inputs in found.items():
        paths = [file.path for file in inputs.files]
        assert paths == sorted(paths)
        assert {"go.mod", "VERSION", f"{package[2:]}/main.go"} <= set(paths)
        assert not [path for path in paths if path.endswith(("_test.go", ".md"))]
        assert {path for path in paths if path.endswith("/main.go")} == {f"{package[2:]}/main.go"}


@pytest.fixture
def planted(tmp_path: Path, cache: Path) -> tuple[Path, Inputs]:
    """A tree, and what it was first."""
    root = plant(tmp_path, {})
    return root, exact(root, cache, "linux/amd64")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(max_size=40), mode=st.sampled_from([0o600, 0o644, 0o755]))
def test_an_input_file_tells_content_and_mode_apart(
    planted: tuple[Path, Inputs], cache: Path, content: str, mode: int
) -> None:
    root, before = planted
    (root / "VERSION").write_text(content, newline="")
    (root / "VERSION").chmod(mode)
    same = content == BASE["VERSION"] and not mode & 0o100
    assert (exact(root, cache, "linux/amd64") == before) == same
