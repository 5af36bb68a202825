"""The scripts of the action that every job begins with: hostile inputs are refused, and checkouts are looked at."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from carbide_infra.cli.comment import _MARKER
from carbide_infra.paths import project_root

ACTION = project_root() / ".github/actions/setup"
GIVEN = {"PROJECT": "images", "STACK": "prod", "SOURCE": ".", "PROJECT_REPOSITORY": "", "SOURCE_REPOSITORY": ""}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"setup_{name}", ACTION / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


inputs, folders, packages = (script(name) for name in ("inputs", "folders", "packages"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}


def text(files: dict[str, str], name: str) -> str:
    return Path(files[name]).read_text() if Path(files[name]).exists() else ""


def test_a_project_in_the_code_s_repository(files: dict[str, str]) -> None:
    assert inputs.main(GIVEN | files) == 0
    assert text(files, "GITHUB_OUTPUT").splitlines() == [
        "own=.",
        "project=images",
        "source=images",
        "baseline=baseline-images-prod",
    ]
    assert text(files, "GITHUB_ENV") == "", "the stack's own source holds"


@pytest.mark.parametrize(
    ("given", "places", "source"),
    [
        (
            {"PROJECT_REPOSITORY": "org/images", "PROJECT": "."},
            {"own": "source", "other": "project", "project": "project/.", "source": "source/."},
            "../source",
        ),
        (
            {
                "SOURCE_REPOSITORY": "org/code",
                "SOURCE": "services/api",
                "PROJECT": "a/b",
                "STACK": "my-org/images/prod",
            },
            {"own": "project", "other": "source", "project": "project/a/b", "source": "source/services/api"},
            "../../../source/services/api",
        ),
    ],
)
def test_a_project_in_a_repository_of_its_own(
    files: dict[str, str], given: dict[str, str], places: dict[str, str], source: str
) -> None:
    assert inputs.main(GIVEN | given | files) == 0
    found = dict(line.split("=", 1) for line in text(files, "GITHUB_OUTPUT").splitlines())
    assert {name: found[name] for name in places} == places
    assert found["repository"] in given.values()
    assert text(files, "GITHUB_ENV") == f"CARBIDE_SOURCE={source}\n", "the same on every machine"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"PROJECT": value}, "project: ")
        for value in ("", "/etc", "..", "a/../b", "a//b", "a b", "-x", "$(id)", "a\nb=c", "a;b", "~", "a/", "ä")
    ]
    + [
        ({"STACK": value}, "stack: ")
        for value in ("-x", "a b", "$(id)", "a/b/c/d", "../prod", "a\nb", "a" * 101, "a..b", "a/", ";")
    ]
    + [({"SOURCE": value}, "source: ") for value in ("/etc", "..", "a/../..", "")]
    + [
        ({"PROJECT_REPOSITORY": value}, "project-repository: ")
        for value in ("org", "a/b/c", "a/..", "https://x/y", "-o/x", "a/b c", "a/$(id)", "a/b\n")
    ]
    + [
        ({"SOURCE_REPOSITORY": "org"}, "source-repository: "),
        ({"PROJECT_REPOSITORY": "a/b", "SOURCE_REPOSITORY": "a/c"}, "name the one"),
    ],
)
def test_a_hostile_input_is_one_sentence_and_nothing_goes_on(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], given: dict[str, str], named: str
) -> None:
    assert inputs.main(GIVEN | given | files) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("::error::")
    assert named in line
    assert text(files, "GITHUB_OUTPUT") == text(files, "GITHUB_ENV") == ""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A workspace with a project."""
    workspace = tmp_path / "workspace"
    (workspace / "images").mkdir(parents=True)
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml"):
        (workspace / "images" / name).write_text("")
    return workspace


def looked_at(workspace: Path, **given: str) -> int:
    found = {"PROJECT": "images", "STACK": "prod", "REPOSITORY": "", "CHECKOUT": "skipped"} | given
    return int(folders.main(found | {"GITHUB_WORKSPACE": str(workspace)}))


def test_a_project_that_is_there_is_gone_on_with(checkout: Path) -> None:
    assert looked_at(checkout) == 0
    assert looked_at(checkout, STACK="my-org/images/prod") == 0
    assert looked_at(checkout, STACK="") == 0
    assert looked_at(checkout, REPOSITORY="org/images", CHECKOUT="success") == 0
    assert (checkout / "images/.local").is_dir(), "reports go there"


def test_what_no_later_step_could_use_is_said(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert looked_at(checkout, STACK="none") == 1
    assert "images has no Pulumi.none.yaml" in capsys.readouterr().out
    assert looked_at(checkout, PROJECT="nowhere") == 1
    assert "nowhere has no Pulumi.yaml" in capsys.readouterr().out
    (checkout / "link").symlink_to("/")
    assert looked_at(checkout, PROJECT="link/tmp") == 1
    assert "leads out of the checkout" in capsys.readouterr().out


def test_a_private_repository_that_cannot_be_read_is_the_comment(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"PROJECT": "project/.", "REPOSITORY": "org/images", "CHECKOUT": "failure"}
    assert looked_at(checkout, **given) == 1
    sentence = capsys.readouterr().out
    assert "org/images" in sentence
    assert "A pull request from a fork never gets one" in sentence
    marker, *rest = (checkout / "project/.local/report.md").read_text().splitlines()
    assert _MARKER.fullmatch(marker), "the command that writes the comment takes it"
    assert rest[-1] == sentence.strip().removeprefix("::error::")


def test_packages_are_those_that_the_project_has_locked(
    tmp_path: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert packages.main(files) == 1
    assert "has no requirements.txt" in capsys.readouterr().out
    make, install = packages.commands(has_kit=False)
    assert make[1:3] == ["-m", "venv"]
    assert {"--require-hashes", "--only-binary"} < set(install)
    assert packages.commands(has_kit=True) == [["make", "--silent", "venv"]]
    (tmp_path / "requirements.txt").write_text("nothing==1 --hash=sha256:0")
    monkeypatch.setattr(packages, "commands", lambda *, has_kit: [["false" if has_kit else "true"]])
    assert packages.main(files) == 0
    assert text(files, "GITHUB_PATH") == f"{tmp_path}/.venv/bin\n"
    assert text(files, "GITHUB_OUTPUT") == ""
    (tmp_path / "devenv").mkdir()
    (tmp_path / "devenv/__main__.py").write_text("")
    assert packages.main(files) == 1
    monkeypatch.setattr(packages, "commands", lambda *, has_kit: [["true" if has_kit else "false"]])
    assert packages.main(files) == 0
    assert text(files, "GITHUB_OUTPUT") == "kit=true\n"
