"""The report's comment, against a GitHub of our own that answers as the real one does."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.cli.app import app
from carbide_infra.report import words
from carbide_infra.report.markdown import LIMIT
from tests.support.fake_github import BOT, HEAD, PERSON, FakeGitHub

MARKER = "<!-- carbide-infra: report of carbide-infra/prod -->"
REPORT = f"{MARKER}\n### 2 deployments restart.\n"
SHOWN = f"{MARKER}\n### 2 deployments restart.\n\n<sub>{words.STRANGER}</sub>\n\n"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    fake = FakeGitHub()
    monkeypatch.setenv("GITHUB_TOKEN", fake.token)
    monkeypatch.setenv("GITHUB_API_URL", fake.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", "org/repo")
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.md"
    file.write_text(REPORT)
    return file


def comment(file: Path, *arguments: str, number: str = "7") -> Result:
    return CliRunner().invoke(app, ["comment", "--file", str(file), "--pull-request", number, *arguments])


def test_the_first_report_is_a_new_comment(github: FakeGitHub, report: Path) -> None:
    done = comment(report)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Wrote https://github.com/org/repo/pull/7#issuecomment-1" in done.stderr
    assert github.bodies == [SHOWN]


def test_the_next_report_takes_its_place(github: FakeGitHub, report: Path) -> None:
    for number in range(4):
        github.add(PERSON, f"talk {number}")
    comment(report)
    report.write_text(REPORT.replace("2 dep", "3 dep"))
    done = comment(report)
    assert "Renewed https://github.com/org/repo/pull/7#issuecomment-5" in done.stderr
    assert github.bodies[4:] == [SHOWN.replace("2 dep", "3 dep")], "found on the third page"


def test_another_stack_has_a_comment_of_its_own(github: FakeGitHub, report: Path) -> None:
    comment(report)
    report.write_text(REPORT.replace("/prod", "/staging"))
    comment(report)
    assert len(github.bodies) == 2


@pytest.mark.parametrize(("writer", "stranger"), [(BOT, PERSON), (PERSON, BOT)])
def test_somebody_else_s_comment_with_the_marker_stays(
    github: FakeGitHub, report: Path, writer: dict[str, str], stranger: dict[str, str]
) -> None:
    github.writer = writer
    github.add(stranger, f"{MARKER}\nmine")
    comment(report)
    assert github.bodies == [f"{MARKER}\nmine", SHOWN]


def test_a_stale_report_is_not_written(github: FakeGitHub, report: Path) -> None:
    done = comment(report, "--commit", "b" * 40)
    assert done.exit_code == 0
    assert f"is at {HEAD} by now" in done.stderr
    assert comment(report, "--commit", HEAD).exit_code == 0
    assert github.bodies == [SHOWN]


def test_the_number_may_come_from_a_file(github: FakeGitHub, report: Path, tmp_path: Path) -> None:
    (tmp_path / "number").write_text("7\n")
    assert comment(report, number=f"@{tmp_path / 'number'}").exit_code == 0
    assert github.bodies == [SHOWN]


@pytest.mark.parametrize("number", ["0", "7/../8", "-1", "seven", "", "12345678901"])
def test_what_is_no_number_reaches_nobody(github: FakeGitHub, report: Path, tmp_path: Path, number: str) -> None:
    (tmp_path / "number").write_text(number)
    for given in (number, f"@{tmp_path / 'number'}"):
        done = comment(report, f"--pull-request={given}")
        assert done.exit_code == 2
        assert "is not the number of a pull request" in done.stderr
    assert github.requests == []


def too_long(file: Path) -> None:
    file.write_text(REPORT + "é" * 65_536)


def unmarked(file: Path) -> None:
    file.write_text("Dear maintainer,")


def marked_further_down(file: Path) -> None:
    file.write_text(f"\n{REPORT}")


def linked(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def missing(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("spoil", [too_long, unmarked, marked_further_down, linked, missing])
def test_what_is_no_report_is_not_written(github: FakeGitHub, report: Path, spoil: Callable[[Path], None]) -> None:
    spoil(report)
    done = comment(report)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {report}: ")
    assert github.requests == []


def test_a_stranger_s_report_mentions_nobody_and_hides_nothing(github: FakeGitHub, report: Path) -> None:
    report.write_text(f"{REPORT}@org/admins, golang:1.25@sha256:0f `@decorator` (@someone) \x1b[31m\u202eevil\n")
    comment(report)
    (body,) = github.bodies
    assert "@&#8203;org/admins, golang:1.25@&#8203;sha256:0f `@decorator` (@&#8203;someone) &#91;31mevil\n" in body


def test_what_grows_when_it_is_made_harmless_still_fits(github: FakeGitHub, report: Path) -> None:
    report.write_text(REPORT + "@a #1 `b`\n" * 6000)
    assert comment(report).exit_code == 0
    (body,) = github.bodies
    assert 20_000 < len(body) <= LIMIT + 1
    assert body.endswith("`b`")


def test_the_page_of_the_run_is_linked(github: FakeGitHub, report: Path) -> None:
    comment(report, "--run", "123")
    assert github.bodies == [f"{SHOWN}\n[{words.PAGE}](https://github.com/org/repo/actions/runs/123#artifacts)\n"]
    assert "is not the number of a workflow run" in comment(report, "--run", "1/../2").stderr


def test_a_refused_token_is_named(github: FakeGitHub, report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "another")
    done = comment(report)
    assert done.exit_code == 2
    assert "401 Bad credentials; the token is not valid" in done.stderr
    assert "another" not in done.stderr
    monkeypatch.delenv("GITHUB_TOKEN")
    assert "GITHUB_TOKEN: is not set" in comment(report).stderr
    assert github.bodies == []


def test_a_missing_pull_request_is_named(github: FakeGitHub, report: Path) -> None:
    done = comment(report, number="8")
    assert done.exit_code == 2
    assert "404 Not Found; there is no such pull request" in done.stderr
    assert github.bodies == []


def test_the_token_goes_to_the_api_alone(github: FakeGitHub, report: Path) -> None:
    for number in range(3):
        github.add(PERSON, f"talk {number}")
    github.further_pages = "https://elsewhere.invalid"
    done = comment(report)
    assert done.exit_code == 2
    assert "the token does not go there" in done.stderr


def test_a_github_that_does_not_answer_is_named(
    report: Path, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carbide_infra.registry.transport._FIRST_PAUSE", 0)
    github.server.shutdown()
    github.server.server_close()
    done = comment(report)
    assert done.exit_code == 2
    assert "check the network and GITHUB_API_URL" in done.stderr
