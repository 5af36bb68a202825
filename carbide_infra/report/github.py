"""GitHub's API, as far as a report needs it: pull requests and their comments."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.transport import Answer, Origin, Transport

DEFAULT_API = "https://api.github.com"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PAGE = 100
_SECONDS = 30.0
_WELL = frozenset({200, 201})
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_MOVED = "the repository has another name by now: set GITHUB_REPOSITORY to it"
# What to do about GitHub's answers; the rest speak for themselves.
_ADVICE = {
    **dict.fromkeys((301, 302, 307, 308), _MOVED),
    401: "the token is not valid: set GITHUB_TOKEN to ${{ github.token }} or to one of your own",
    403: "the token may not do this: the job needs `permissions: pull-requests: write`, which a fork's never has",
    404: "there is no such pull request, or the token may not see the repository",
    422: "GitHub refused the text",
}


class GitHubError(Exception):
    """GitHub did not do as asked; the message has its answer and what helps."""


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request.

    Attributes:
        url: its address in the API.
        page: its address for people.
        body: its text.
    """

    url: str
    page: str
    body: str


@dataclass(frozen=True)
class Repository:
    """One repository, by a token's rights.

    Attributes:
        name: owner and name, as in "my-org/my-repository".
        api: address of the API.
        token: what the caller may do.
    """

    name: str
    api: str = DEFAULT_API
    token: str = field(default="", repr=False)

    def head_of(self, pull_request: int) -> str:
        """The commit that a pull request asks to merge."""
        return str(self._call("GET", self._url(f"pulls/{pull_request}"))["head"]["sha"])

    def own_comment(self, pull_request: int, marker: str) -> Comment | None:
        """The comment that begins with the marker, of those that this token's kind of author wrote.

        Anybody may write the marker into a comment of their own, and somebody else's is not ours to change.
        """
        login = self._login()
        for entry in self._pages(self._url(f"issues/{pull_request}/comments?per_page={_PAGE}")):
            author = entry["user"]
            is_ours = author["type"] == "Bot" if login is None else author["login"] == login
            if is_ours and entry["body"].startswith(marker):
                return _comment(entry)
        return None

    def create(self, pull_request: int, body: str) -> Comment:
        """Write a new comment."""
        return _comment(self._call("POST", self._url(f"issues/{pull_request}/comments"), {"body": body}))

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace a comment's text."""
        return _comment(self._call("PATCH", comment.url, {"body": body}))

    def _login(self) -> str | None:
        """The user whose token this is; None for a workflow's own token, which may not ask that."""
        try:
            return str(self._call("GET", f"{self.api}/user")["login"])
        except GitHubError:
            return None

    @cached_property
    def _transport(self) -> Transport:
        return Transport(os.environ, _SECONDS)

    def _url(self, path: str) -> str:
        return f"{self.api}/repos/{self.name}/{path}"

    def _pages(self, url: str) -> Iterator[dict[str, Any]]:
        following: str | None = url
        while following:
            entries, links = self._request("GET", following)
            yield from entries
            found = _NEXT.search(links)
            following = found[1] if found else None

    def _call(self, method: str, url: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        return dict(self._request(method, url, body)[0])

    def _request(self, method: str, url: str, body: Mapping[str, str] | None = None) -> tuple[Any, str]:
        """The answer, and its links to further pages."""
        if not url.startswith(f"{self.api}/"):
            message = f"{method} {url}: is not an address of {self.api}, so the token does not go there"
            raise GitHubError(message)
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._transport.send(method, url, headers, data)
            is_own = Origin.of(answer.url) == Origin.of(self.api)
        except RegistryError as error:
            message = f"{method} {url}: no answer of GitHub's ({error}); check the network and GITHUB_API_URL"
            raise GitHubError(message) from error
        if not is_own:
            message = (
                f"{method} {url}: leads to {answer.url}, which is not {self.api}: nothing there is GitHub's answer"
            )
            raise GitHubError(message)
        if answer.status not in _WELL:
            advice = _ADVICE.get(answer.status, "try again later")
            message = f"{method} {url}: {answer.status} {_reason(answer)}; {advice}"
            raise GitHubError(message)
        try:
            return json.loads(answer.body), answer.headers.get("Link") or ""
        except ValueError as error:
            message = f"{method} {url}: no answer of GitHub's ({error}); check the network and GITHUB_API_URL"
            raise GitHubError(message) from error


def _comment(entry: Mapping[str, Any]) -> Comment:
    return Comment(entry["url"], entry["html_url"], entry["body"])


def _reason(answer: Answer) -> str:
    standard = {status.value: status.phrase for status in HTTPStatus}
    return answer.words.removeprefix(": ") or standard.get(answer.status, "")
