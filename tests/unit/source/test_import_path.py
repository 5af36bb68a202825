from pathlib import Path

import pytest

from carbide_infra.paths import project_root
from carbide_infra.source.import_path import Imports, imports_of

IMPORTS = Imports({"cmd/a": ["x", "y"], "x": ["z"], "y": ["z"], "z": [], "cmd/b": []})


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
    assert IMPORTS.path(package, file) == path


def test_go_is_asked() -> None:
    sample = project_root() / "examples/carbide-rest-api"
    imports = imports_of(sample, ["./api/cmd/api"], "linux/amd64")
    assert imports.path("./api/cmd/api", "ipam/pkg/prefix/prefix.go") == ["api/cmd/api", "ipam/pkg/prefix"]


def test_without_go_there_is_no_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert imports_of(tmp_path, ["./cmd/a"], "linux/amd64") == Imports()
