from pathlib import Path

import pytest

from carbide_infra.paths import project_root
from carbide_infra.source.import_path import import_path
from carbide_infra.source.inputs import Target, Wanted, inputs_of

IMPORTS = {"cmd/a": ["x", "y"], "x": ["z"], "y": ["z"], "z": [], "cmd/b": []}


@pytest.mark.parametrize(
    ("package", "file", "path"),
    [
        ("./cmd/a", "cmd/a/main.go", ["cmd/a"]),
        ("./cmd/a", "z/z.go", ["cmd/a", "x", "z"]),
        ("./cmd/a", "z/sql/deep/1.sql", ["cmd/a", "x", "z"]),
        ("./cmd/b", "z/z.go", []),
        ("./cmd/a", "go.mod", []),
    ],
)
def test_the_shortest_way(package: str, file: str, path: list[str]) -> None:
    assert import_path(IMPORTS, package, file) == path


def test_go_says_who_imports_whom(cache: Path) -> None:
    sample = project_root() / "examples/carbide-rest-api"
    wanted = {"api": Wanted([Target("./api/cmd/api", ("linux/amd64",))])}
    imports = inputs_of(sample, wanted, cache)["api"].imports
    assert import_path(imports, "./api/cmd/api", "ipam/pkg/prefix/prefix.go") == ["api/cmd/api", "ipam/pkg/prefix"]
