"""A GitHub of our own, which answers about one pull request as the real one does, and asks for the same headers."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

HEAD = "a" * 40
BOT, PERSON = {"login": "github-actions[bot]", "type": "Bot"}, {"login": "someone", "type": "User"}


class FakeGitHub:
    """One pull request, number 7, and its comments; a page holds two of them."""

    def __init__(self, repository: str = "org/repo", head: str = HEAD) -> None:
        self.path = f"/repos/{repository}"
        self.head = head
        self.comments: list[dict[str, Any]] = []
        self.writer: dict[str, str] = BOT
        self.token = "t0ken"  # noqa: S105
        self.requests: list[str] = []
        self.sent: list[Any] = []
        self.faults: dict[str, tuple[int, bytes]] = {}
        self.location = ""
        """Where a fault leads to."""
        self.authorizations: list[str | None] = []
        # Of other repositories, by name: the newest release, and the commit of each tag.
        self.newest: dict[str, str] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.further_pages = ""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.further_pages = self.url
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, author: dict[str, str], body: str) -> None:
        number = len(self.comments) + 1
        url = f"{self.url}{self.path}/issues/comments/{number}"
        page = f"https://github.com/org/repo/pull/7#issuecomment-{number}"
        self.comments.append({"url": url, "html_url": page, "user": author, "body": body})

    @property
    def bodies(self) -> list[str]:
        return [entry["body"] for entry in self.comments]

    def answer(self, method: str, path: str, body: dict[str, str]) -> tuple[int, object, str]:
        """Status, content, and the Link header."""
        if method == "GET" and path == "/user":
            return (200, PERSON, "") if self.writer == PERSON else (403, {"message": "Resource not accessible"}, "")
        if method == "GET" and path == f"{self.path}/pulls/7":
            return 200, {"head": {"sha": self.head}}, ""
        if method == "GET" and (listed := re.fullmatch(rf"{self.path}/issues/7/comments\?per_page=\d+(.*)", path)):
            page = int(listed[1].removeprefix("&page=") or 1)
            base = f"{self.further_pages}{path.partition('&')[0]}"
            following = (
                f'<{base}&page=1>; rel="first", <{base}&page={page + 1}>; rel="next", <{base}&page=9>; rel="last"'
            )
            shown = self.comments[2 * page - 2 : 2 * page]
            return 200, shown, following if len(self.comments) > 2 * page else ""
        if method == "POST" and path == f"{self.path}/issues/7/comments":
            self.add(self.writer, body["body"])
            return 201, self.comments[-1], ""
        if method == "PATCH" and (changed := re.fullmatch(rf"{self.path}/issues/comments/(\d+)", path)):
            self.comments[int(changed[1]) - 1]["body"] = body["body"]
            return 200, self.comments[int(changed[1]) - 1], ""
        return self.released(path) if method == "GET" else (404, {"message": "Not Found"}, "")

    def released(self, path: str) -> tuple[int, object, str]:
        """The newest release of a repository, and the commits of tags."""
        if asked := re.fullmatch(r"/repos/([^/]+/[^/]+)/releases/latest", path):
            tag = self.newest.get(asked[1])
            return (200, {"tag_name": tag}, "") if tag else (404, {"message": "Not Found"}, "")
        if asked := re.fullmatch(r"/repos/([^/]+/[^/]+)/commits/(.+)", path):
            commit = self.tags.get(asked[1], {}).get(asked[2])
            return (200, {"sha": commit}, "") if commit else (422, {"message": "No commit found"}, "")
        return 404, {"message": "Not Found"}, ""


def _handler(github: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            github.requests.append(f"{self.command} {self.path}")
            github.authorizations.append(self.headers["Authorization"])
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            github.sent.append(json.loads(content) if content else None)
            status, answer, link = self._answer(content)
            body = json.dumps(answer).encode()
            if fault := github.faults.get(self.path):
                status, body = fault
            self.send_response(status)
            if link:
                self.send_header("Link", link)
            if fault and github.location:
                self.send_header("Location", github.location)
            self.end_headers()
            self.wfile.write(body)

        def _answer(self, content: bytes) -> tuple[int, object, str]:
            if self.headers["Authorization"] != f"Bearer {github.token}":
                return 401, {"message": "Bad credentials"}, ""
            if self.headers["Accept"] != "application/vnd.github+json":
                return 415, {"message": "Must accept 'application/vnd.github+json'"}, ""
            if self.headers["X-GitHub-Api-Version"] != "2022-11-28":
                return 400, {"message": "Not a supported version"}, ""
            return github.answer(self.command, self.path, json.loads(content or "{}"))

        do_POST = do_PATCH = do_GET  # noqa: N815 - the server looks for these names

        def log_message(self, *_: object) -> None: ...

    return Handler
