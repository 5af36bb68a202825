"""GitHub's API, against one of our own: what is asked, with which token, and what is said of its answers."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from carbide_infra.registry import transport
from carbide_infra.registry.errors import Unreachable
from carbide_infra.registry.transport import Answer, Transport
from carbide_infra.report.github import REPOSITORY, Comment, GitHubError, Repository
from tests.support.fake_github import BOT, HEAD, PERSON, FakeGitHub

MARKER = "<!-- marker -->"
COMMENTS = "/repos/org/repo/issues/7/comments"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with closing(FakeGitHub()) as fake:
        yield fake


@pytest.fixture
def repository(github: FakeGitHub) -> Repository:
    return Repository("org/repo", github.url, github.token)


def comment(github: FakeGitHub, number: int, body: str) -> Comment:
    page = f"https://github.com/org/repo/pull/7#issuecomment-{number}"
    return Comment(f"{github.url}/repos/org/repo/issues/comments/{number}", page, body)


def test_the_head_of_a_pull_request(github: FakeGitHub, repository: Repository) -> None:
    assert repository.head_of(7) == HEAD
    assert (github.requests, github.sent) == (["GET /repos/org/repo/pulls/7"], [None])


def test_a_comment_is_written_and_renewed(github: FakeGitHub, repository: Repository) -> None:
    assert repository.create(7, "é 1") == comment(github, 1, "é 1")
    assert repository.update(comment(github, 1, "é 1"), "é 2") == comment(github, 1, "é 2")
    assert github.requests == [f"POST {COMMENTS}", "PATCH /repos/org/repo/issues/comments/1"]
    assert github.sent == [{"body": "é 1"}, {"body": "é 2"}]


@pytest.mark.parametrize(("writer", "other"), [(BOT, PERSON), (PERSON, BOT), (PERSON, {**PERSON, "login": "else"})])
def test_an_own_comment_begins_with_the_marker(
    github: FakeGitHub, repository: Repository, writer: dict[str, str], other: dict[str, str]
) -> None:
    github.writer = writer
    github.add(other, f"{MARKER} of somebody else")
    github.add(writer, f"see {MARKER}")
    assert repository.own_comment(7, MARKER) is None
    github.add(writer, f"{MARKER} first")
    github.add(writer, f"{MARKER} second")
    github.requests.clear()
    assert repository.own_comment(7, MARKER) == comment(github, 3, f"{MARKER} first")
    assert github.requests == ["GET /user", f"GET {COMMENTS}?per_page=100", f"GET {COMMENTS}?per_page=100&page=2"]


def test_no_comment_no_page(github: FakeGitHub, repository: Repository) -> None:
    assert repository.own_comment(7, MARKER) is None
    assert len(github.requests) == 2


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "the token is not valid: set GITHUB_TOKEN"),
        (403, "the token may not do this: the job needs `permissions: pull-requests: write`"),
        (404, "there is no such pull request, or the token may not see the repository"),
        (422, "GitHub refused the text"),
        (500, "try again later"),
    ],
)
@pytest.mark.parametrize(
    ("body", "words"),
    [(b'{"message": "In words"}', "In words"), (b"<html>", None), (b"{}", None), (b"[]", None)],
)
def test_a_refusal_says_what_helps(
    github: FakeGitHub,
    repository: Repository,
    status: int,
    advice: str,
    body: bytes,
    words: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_FIRST_PAUSE", 0)
    github.faults["/repos/org/repo/pulls/7"] = (status, body)
    reason = words or {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}.get(
        status
    )
    with pytest.raises(GitHubError) as told:
        repository.head_of(7)
    address = f"GET {github.url}/repos/org/repo/pulls/7: {status} "
    assert str(told.value).startswith(f"{address}{reason or 'Unprocessable'}")
    assert f"; {advice}" in str(told.value)
    assert github.token not in str(told.value)


@pytest.mark.parametrize("body", [b"<html>", b""])
def test_an_answer_that_is_none_of_githubs(github: FakeGitHub, repository: Repository, body: bytes) -> None:
    github.faults["/repos/org/repo/pulls/7"] = (200, body)
    with pytest.raises(GitHubError, match=r"no answer of GitHub's .*; check the network and GITHUB_API_URL"):
        repository.head_of(7)


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.invalid/x", "{api}.elsewhere.invalid/x", "{api}", "{api}x/y"])
def test_the_token_goes_to_the_api_alone(github: FakeGitHub, repository: Repository, elsewhere: str) -> None:
    url = elsewhere.replace("{api}", github.url)
    with pytest.raises(
        GitHubError, match=rf"PATCH {url}: is not an address of {github.url}, so the token does not go there"
    ):
        repository.update(Comment(url, "", ""), "text")
    assert github.requests == []


def test_the_token_is_shown_to_nobody(repository: Repository, github: FakeGitHub) -> None:
    assert github.token not in repr(repository)


def test_githubs_own_address_is_the_default_and_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def send(self: Transport, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        asked.append((method, url, headers["Authorization"], body, self._options["timeout"].read_timeout))
        message = "no network"
        raise Unreachable(message)

    monkeypatch.setattr(Transport, "send", send)
    with pytest.raises(GitHubError, match="no network"):
        Repository("org/repo").head_of(1)
    assert asked == [("GET", "https://api.github.com/repos/org/repo/pulls/1", "Bearer ", None, 30)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_is_not_taken_to_where_github_redirects(
    github: FakeGitHub, repository: Repository, status: int
) -> None:
    github.faults["/repos/org/repo/pulls/7"] = (status, b"")
    with closing(FakeGitHub()) as stranger:
        github.location = f"{stranger.url}/repos/org/repo/pulls/7"
        with pytest.raises(GitHubError, match=rf"leads to {github.location}, which is not {github.url}"):
            repository.head_of(7)
        assert stranger.authorizations == [None]


def test_a_renamed_repository_is_followed_where_that_changes_nothing(
    github: FakeGitHub, repository: Repository
) -> None:
    github.faults["/repos/org/old/pulls/7"] = (301, b"")
    github.location = f"{github.url}/repos/org/repo/pulls/7"
    assert Repository("org/old", github.url, github.token).head_of(7) == HEAD
    github.faults[COMMENTS] = (307, b"")
    with pytest.raises(GitHubError, match="307 Temporary Redirect; the repository has another name by now"):
        repository.create(7, "text")
    assert github.requests[2:] == [f"POST {COMMENTS}"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("my-org/my.repo_1", True), ("org", False), ("a/b/c", False), ("org/", False), ("ö/b", False), ("a b/c", False)],
)
def test_names_of_repositories(name: str, *, is_one: bool) -> None:
    assert bool(REPOSITORY.fullmatch(name)) is is_one
