"""A git server of the tests: git's own http-backend behind TLS and a login, and the pages by which Go finds modules."""

import base64
import os
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.support.authority import ServerFiles
from tests.support.git_trees import git
from tests.support.servers import QuietHandler, QuietServer, serving


@dataclass
class GitServer:
    """Repositories over https.

    Attributes:
        name: the host's, as in a module's path.
        root: the folder of bare repositories.
        login: user and password that it wants for everything.
        address: where it listens.
        asked: paths that it was asked for, with and without a login.
    """

    name: str
    root: Path
    login: tuple[str, str] = field(repr=False)
    address: str = ""
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def running(self, files: ServerFiles) -> Iterator["GitServer"]:
        server = QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_of_git": self}), files.context)
        self.address = f"127.0.0.1:{server.server_address[1]}"
        with serving(server):
            yield self


def publish(root: Path, host: str, path: str, files: Mapping[str, str], tag: str = "v1.0.0") -> str:
    """Make a bare repository with a module in it; gives the module's path."""
    module = f"{host}/{path}"
    work, bare = root / "work" / path, root / f"{path.removesuffix('.git')}.git"
    work.mkdir(parents=True)
    for name, text in {"go.mod": f"module {module}\n\ngo 1.25\n", **files}.items():
        (work / name).write_text(text)
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", "All")
    git(work, "tag", tag)
    subprocess.run(["git", "clone", "--quiet", "--bare", work, bare], check=True, capture_output=True)
    return module


class _Handler(QuietHandler):
    server_of_git: ClassVar[GitServer]

    def handle_any(self) -> None:
        server, where = self.server_of_git, urllib.parse.urlsplit(self.path)
        server.asked.append(self.path)
        wanted = f"Basic {base64.b64encode(':'.join(server.login).encode()).decode()}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != wanted:
            return self._answer(401, {"WWW-Authenticate": 'Basic realm="git of the tests"'}, b"who are you?")
        if where.query == "go-get=1":
            return self._page(where.path.strip("/"))
        return self._backend(where, body)

    do_GET = do_POST = do_HEAD = handle_any  # noqa: N815 - names of the base class

    def _page(self, path: str) -> None:
        """Where a module's repository is, as GitLab and its kin tell Go."""
        module = f"{self.server_of_git.name}/{path}"
        page = f'<html><head><meta name="go-import" content="{module} git https://{module}.git"></head></html>'
        self._answer(200, {"Content-Type": "text/html"}, page.encode())

    def _backend(self, where: urllib.parse.SplitResult, body: bytes) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server_of_git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": where.path,
            "QUERY_STRING": where.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": self.server_of_git.login[0],
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        self._answer(status, headers, content)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
