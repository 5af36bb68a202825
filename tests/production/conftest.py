"""The engine tests' session, with what a production stack has around it; see site.py."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.registry import machine_host
from tests.engine.conftest import (
    Checkout,
    authority,
    checkout,
    private_ca,
)
from tests.engine.conftest import pytest_itemcollected as in_the_workers_of_the_engine
from tests.production.git_server import GitServer
from tests.production.registries import RealRegistry, basic_registry, token_registry
from tests.production.site import BASES_USER, GIT_HOST, GIT_USER, PROXY_USER, SECRETS, USER, Site, environment_of
from tests.production.tokens import Account, TokenService
from tests.support.authority import Authority
from tests.support.proxy_server import FakeProxy

__all__ = ["authority", "checkout", "private_ca"]

_READER = {"": frozenset({"pull"})}
_OTHER_TEAM = {"elsewhere/": frozenset({"pull", "push"})}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave the most to a command of its own."""
    in_the_workers_of_the_engine(item)
    if not item.get_closest_marker("short"):
        item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def site(checkout: Checkout, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All servers, and the checkout with its builder."""
    folder, host = tmp_path_factory.mktemp("production"), machine_host()
    files = authority.server(folder / "tls", host.name, host.address, GIT_HOST)
    accounts = {
        USER: Account(SECRETS["NGC key"]),
        "reader": Account("reader", _READER),
        "stranger": Account("stranger", _OTHER_TEAM),
    }
    git = GitServer(GIT_HOST, folder / "git", (GIT_USER, SECRETS["netrc password"]))
    login = (BASES_USER, SECRETS["password of another registry"])
    with (
        git.running(files),
        FakeProxy(None, _basic(PROXY_USER, SECRETS["proxy password"]), {GIT_HOST: git.address}).running() as proxy,
        token_registry(folder / "nvcr", host, files, TokenService(accounts)) as nvcr,
        basic_registry(folder / "bases", host, files, login) as bases,
    ):
        checkout = replace(checkout, environment=environment_of(checkout, folder))
        _log_in(folder / "docker", bases.address, *login)
        checkout.make("local-up", "STACK=dev")
        _fill(bases, checkout)
        yield Site(checkout, folder / "stacks", nvcr, bases, git, proxy)


@pytest.fixture(autouse=True)
def _as_at_first(site: Site) -> Iterator[None]:
    with site.ruled():
        yield
    site.nvcr.forget()


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _log_in(folder: Path, server: str, user: str, password: str) -> None:
    """As docker login does."""
    folder.mkdir(mode=0o700)
    auth = _basic(user, password).removeprefix("Basic ")
    (folder / "config.json").write_text(json.dumps({"auths": {server: {"auth": auth}}}))


def _fill(bases: RealRegistry, checkout: Checkout) -> None:
    """Put the base images there, from where the builder has them."""
    endpoint = json.loads((checkout.root / ".local/endpoint.json").read_text())
    whence = "" if endpoint["has_hub"] else f"{endpoint['registry']}/library/"
    for name in ("golang:1.25", "alpine:latest"):
        checkout.new_shell(f"buildx imagetools create --tag {bases.address}/library/{name} {whence}{name}")
