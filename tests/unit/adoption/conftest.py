"""Clones of other people's repositories, and what is found in them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from carbide_infra.adoption.dockerfiles import Clone, Recipe, adopted
from carbide_infra.adoption.go_list import Packages
from carbide_infra.adoption.survey import Question, Survey, survey
from carbide_infra.adoption.told import Adopted
from carbide_infra.adoption.tree_files import TreeFiles
from tests.support.adoptable import cloned, write

Look = Callable[..., Survey]


@pytest.fixture
def look(tmp_path: Path, cache: Path) -> Look:
    """Looks through a clone with these files."""

    def looked(
        files: Mapping[str, str], folder: str = ".", *, skipped: tuple[str, ...] = (), as_is: bool = False
    ) -> Survey:
        root = cloned(tmp_path / "clone", files)
        return survey(Question(root / folder, cache, "shop", skipped, as_is))

    return looked


FILES = {
    "go.mod": "module example.com/shop\n\ngo 1.25.0\n",
    "cmd/api/main.go": "package main\n\nvar version, commit string\n\nfunc main() { println(version, commit) }\n",
    "cmd/VERSION.txt": "1.0\n",
    "conf/a.yaml": "a\n",
    "conf/b.yaml": "b\n",
    "web/web.go": 'package web\n\nimport "embed"\n\n//go:embed all:dist\nvar Files embed.FS\n',
    "web/dist/.gitkeep": "",
    "tool/go.mod": "module example.com/kit/v2\n\ngo 1.25.0\n",
    "tool/main.go": "package main\n\nfunc main() {}\n",
}


@pytest.fixture
def one(tmp_path: Path, cache: Path) -> Callable[[str], Adopted]:
    """The one image of a Dockerfile beside a small module; neither git nor Go is asked."""

    def image(dockerfile: str) -> Adopted:
        write(tmp_path, {**FILES, "Dockerfile": dockerfile})
        clone = Clone(
            TreeFiles.of(tmp_path, cache),
            Packages({".": "example.com/shop", "tool": "example.com/kit/v2"}, ("cmd/api", "tool")),
        )
        return adopted(Recipe("shop", "Dockerfile"), clone)

    return image
