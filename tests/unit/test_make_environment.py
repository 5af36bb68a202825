"""The Python environment: what is locked, from where pip is told to take it."""

import re
import subprocess
from pathlib import Path

import pytest

from carbide_infra import paths
from tools import make_environment
from tools.make_environment import cache_dir, lines_of, main, uv_variables, wanted

LOCKED = """\
typer==0.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via carbide-infra
uv==1.2 \\
    --hash=sha256:cc
    # via carbide-infra
uvloop==3
"""
BEST = {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_one_package_is_cut_out_with_its_hashes() -> None:
    assert lines_of("uv", LOCKED) == "uv==1.2 \\\n    --hash=sha256:cc\n    # via carbide-infra\n"
    assert lines_of("uvloop", LOCKED) == "uvloop==3\n"


def test_the_lock_has_uv_and_the_pip_that_pulumi_asks() -> None:
    locked = (paths.project_root() / "requirements.txt").read_text()
    assert "--hash=sha256:" in lines_of("uv", locked)
    assert "--hash=sha256:" in lines_of("pip", locked)


def test_a_package_that_is_not_locked_is_an_error() -> None:
    with pytest.raises(ValueError, match="ruff is not in the locked requirements"):
        lines_of("ruff", LOCKED)


@pytest.mark.parametrize(
    ("listing", "variables"),
    [
        ("", {}),
        ("global.index-url='https://mirror.example/simple'", {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}),
        ("global.cert='/one.pem'\n:env:.cert='/two.pem'", {"SSL_CERT_FILE": "/two.pem"}),
        ("install.find-links='\\n/one\\n/two'", {"UV_FIND_LINKS": "/one,/two"}),
        (
            "global.extra-index-url='https://a.example https://b.example?x=1'",
            {"UV_INDEX": "https://a.example https://b.example?x=1"},
        ),
        (
            ":env:.trusted-host='a.example'\n:env:.proxy='http://p'",
            {"UV_INSECURE_HOST": "a.example", "ALL_PROXY": "http://p"},
        ),
        (":env:.timeout='180'\nfreeze.user='true'", {}),
    ],
)
def test_uv_is_told_what_pip_is_told(listing: str, variables: dict[str, str]) -> None:
    assert uv_variables(listing.splitlines(), {}) == BEST | variables


def test_what_the_shell_tells_uv_goes_first() -> None:
    told = {"UV_DEFAULT_INDEX": "https://own.example", "HOME": "/home"}
    assert uv_variables(["global.index-url='https://mirror.example'"], told) == BEST | {
        "UV_DEFAULT_INDEX": "https://own.example"
    }


@pytest.mark.parametrize(
    "variables", [{}, {"XDG_CACHE_HOME": "/xdg"}, {"XDG_CACHE_HOME": "xdg"}, {"CARBIDE_CACHE_DIR": "~/own"}]
)
def test_it_shares_the_cache_folder_of_all_else(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARBIDE_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir(variables) == paths.cache_dir()


def test_what_uv_says_of_a_failure_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def uv(*_: Path) -> None:
        raise subprocess.CalledProcessError(1, "uv", stderr="no such login\n")

    monkeypatch.setattr(make_environment, "install", uv)
    assert main(tmp_path / "venv", tmp_path / "requirements.txt") == 1
    assert capsys.readouterr().err == "no such login\n"


def test_a_job_with_credentials_installs_the_locked_runtime_set_only() -> None:
    """Row 14: what checks and tests never runs beside a key."""
    lock = Path("/x/requirements.txt")
    assert wanted(lock, {}) == wanted(lock, {"CARBIDE_RUNTIME_ONLY": "0"}) == lock
    assert wanted(lock, {"CARBIDE_RUNTIME_ONLY": "1"}) == Path("/x/requirements-runtime.txt")


def test_the_runtime_set_is_a_part_of_the_lock() -> None:
    root = paths.project_root()
    everything = (root / "requirements.txt").read_text(encoding="utf-8")
    runtime = (root / "requirements-runtime.txt").read_text(encoding="utf-8")
    names = re.findall(r"^([\w.-]+)==", runtime, re.MULTILINE)
    # Where a package is wanted may differ; its version and its files may not.
    version_and_hashes = re.compile(r"^\S+==\S+|sha256:\w+", re.MULTILINE)
    for name in names:
        one, other = (version_and_hashes.findall(lines_of(name, text)) for text in (runtime, everything))
        assert one == other, name
    assert {"pulumi", "pulumi-docker-build", "typer", "pip", "hatchling"} <= set(names)
    assert not {"pytest", "ruff", "mypy", "hypothesis", "zizmor", "coverage", "uv"} & set(names)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What would be run."""
    commands: list[tuple[str, ...]] = []

    def recorded(*command: str | Path, **_: object) -> str:
        commands.append(tuple(map(str, command)))
        return ""

    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(make_environment, "run", recorded)
    (tmp_path / "requirements.txt").write_text("uv==1.0\n")
    return commands


def test_all_is_compiled_where_python_may_keep_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[tuple[str, ...]]
) -> None:
    """Each preview would compile it again."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    make_environment.install(tmp_path / "venv", tmp_path / "requirements.txt", tmp_path / "requirements.txt")
    assert any("--compile-bytecode" in command for command in commands)
    assert commands[-1] == (f"{tmp_path}/venv/bin/python", "-m", "compileall", "-q", "carbide_infra", "devenv")
    assert all((paths.project_root() / package).is_dir() for package in commands[-1][-2:])


def test_elsewhere_python_compiles_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[tuple[str, ...]]
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    make_environment.install(tmp_path / "venv", tmp_path / "requirements.txt", tmp_path / "requirements.txt")
    assert any("--require-hashes" in command for command in commands)
    assert not any({"--compile-bytecode", "compileall"} & set(command) for command in commands)
