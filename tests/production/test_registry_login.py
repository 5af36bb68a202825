"""A registry's ways to let us in, as real servers have them: what each refusal says, and that it leaves nothing."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.production.site import BASES_USER, SECRETS, USER, Site, Stack
from tests.support.registry_server import Fault

CHECK = "check registryRepository, registryUsername and registryPassword: carbide-infra doctor"
KEY = SECRETS["NGC key"]
WRONG = "wrong"
HELPER = """\
#!/bin/sh
# As Docker's: the server on stdin, the login on stdout.
[ "$1" = list ] || read -r server
echo "$1 $server" >> {folder}/asked
case "$1 $server" in
{logins}
list*) echo '{known}' ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


def pushed_by(stack: Stack) -> None:
    """All went well: the image is there, nothing is left to do, and every tag is what its bytes are."""
    stack.up().well()
    assert len(stack.tags) == 2
    assert "No changes" in stack.up().well().said
    assert "all agree" in stack.make("verify").well().said


@pytest.mark.short
def test_the_right_key_pushes_by_a_token_for_this_repository_alone(site: Site) -> None:
    stack = site.stack("right")
    pushed_by(stack)
    assert {scope.split(":")[1] for scope in site.nvcr.tokens.asked if "push" in scope} == {stack.repository}


@dataclass(frozen=True)
class Refused:
    """A login that is refused, and what is said of it behind the registry's name and the repository's."""

    name: str
    told: str
    user: str = USER
    password: str = KEY
    strict: bool = False


REFUSALS = [
    Refused(
        "wrong-key", "/{0}: refuses the login (unauthorized: Invalid username or password); " + CHECK, password=WRONG
    ),
    Refused(
        "no-push-scope",
        " does not take {0}: push access denied: insufficient_scope: authorization failed; " + CHECK,
        *("reader", "reader"),
    ),
    Refused(
        "wrong-repository",
        "/{0}: refuses the login (denied: Access Denied); " + CHECK,
        *("stranger", "stranger"),
        strict=True,
    ),
]


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda it: it.name)
def test_a_refused_login_is_one_sentence_and_leaves_nothing(refused: Refused, site: Site) -> None:
    stack = site.stack(refused.name, registryUsername=refused.user)
    site.nvcr.tokens.refuses_strangers = refused.strict
    ended = stack.given(CARBIDE_REGISTRY_PASSWORD=refused.password).up()
    told = ended.sentence(site.nvcr.server, stack.repository)
    assert told == site.nvcr.server + refused.told.format(stack.repository)
    assert stack.has_nothing()
    stack.rewrite(registryUsername=USER)
    stack.up().well()
    assert len(stack.tags) == 2


def test_a_token_that_is_taken_no_more_is_said_to_be(site: Site) -> None:
    stack = site.stack("expired")
    site.nvcr.uses = 0
    told = stack.up().sentence(site.nvcr.server, stack.repository)
    assert told.startswith(f"{site.nvcr.server} answers 401 Unauthorized to ")
    assert told.endswith(f"; the login's token is not taken, or not any more; try again, then {CHECK}")
    assert stack.has_nothing()
    site.nvcr.forget()
    stack.up().well()


def test_a_token_that_expires_in_the_middle_is_replaced_by_another(site: Site) -> None:
    stack = site.stack("short-lived")
    site.nvcr.uses = 2
    stack.up().well()
    assert len(stack.tags) == 2
    assert "all agree" in stack.make("verify").well().said
    assert len([scope for scope in site.nvcr.tokens.asked if "push" in scope]) > 2


@dataclass(frozen=True)
class Passing:
    """An answer that passes, and what is said before the update is repeated."""

    name: str
    asked: str
    status: int
    headers: Mapping[str, str]
    told: str


WAIT = {"Retry-After": "2"}
PASSING = [
    Passing("token-503", r" /token", 503, {}, "That may pass: repeating the update, once, in 5 s."),
    Passing("token-503-wait", r" /token", 503, WAIT, "The registry asks us to wait for 2 s: repeating the update"),
    Passing("token-429", r" /token", 429, WAIT, "The registry asks us to wait for 2 s: repeating the update"),
    Passing("push-429", r"PUT .*/manifests/", 429, WAIT, "The registry asks us to wait for 2 s: repeating the update"),
    Passing("push-503", r"PUT .*/manifests/", 503, WAIT, "The registry asks us to wait for 2 s: repeating the update"),
    Passing("tag-503", r"PUT .*/manifests/tests-", 503, {}, "That may pass: repeating the update, once, in 5 s."),
]


@pytest.mark.parametrize("passing", PASSING, ids=lambda it: it.name)
def test_row_22_what_passes_is_repeated_once_after_as_long_as_was_asked_for(passing: Passing, site: Site) -> None:
    stack = site.stack(passing.name)
    site.nvcr.faults = {passing.asked: Fault(passing.status, 1000, dict(passing.headers))}
    stack.up_with(passing.told, site.nvcr.forget).well()
    assert len(stack.tags) == 2


def test_row_22_what_does_not_pass_ends_in_one_sentence(site: Site) -> None:
    stack = site.stack("token-down")
    site.nvcr.faults = {" /token": Fault(503, 1000)}
    ended = stack.up()
    place = f"{site.nvcr.server}/{stack.repository}: {site.nvcr.server}"
    assert ended.sentence(place, "later") == f"{place} answers 503 Service Unavailable to POST /token; try again later"
    assert stack.has_nothing()


def test_basic_authentication_over_tls_of_a_private_ca(site: Site) -> None:
    stack = site.stack("basic", registryServer=site.bases.address, registryUsername=BASES_USER)
    ended = stack.given(CARBIDE_REGISTRY_PASSWORD=WRONG).up()
    told = ended.sentence(site.bases.address, stack.repository)
    assert told.endswith(CHECK)
    assert not site.bases.digests(stack.repository)
    stack = stack.given(CARBIDE_REGISTRY_PASSWORD=SECRETS["password of another registry"])
    stack.up().well()
    assert len(site.bases.tags(stack.repository)) == 2
    assert "all agree" in stack.make("verify").well().said


def test_bases_come_from_one_registry_with_one_login_and_images_go_to_another(site: Site) -> None:
    base = site.private_base("alpine", "latest")
    stack = site.stack("two-logins", runtimeImage=base).given(DOCKER_CONFIG=str(site.folder / "no-login"))
    told = stack.up().sentence("cannot be read", site.bases.address)
    assert f"the base {base} cannot be read: {site.bases.address} answers 401 Unauthorized" in told
    assert told.endswith(f"; check its name, or docker login {site.bases.address}")
    assert stack.has_nothing()
    login = {"username": BASES_USER, "password": SECRETS["password of another registry"]}
    stack.configure("registryLogins", json.dumps({site.bases.address: login}))
    pushed_by(stack)


@pytest.mark.parametrize("kind", ["credHelpers", "credsStore"])
def test_dockers_credential_helpers_give_the_logins(kind: str, site: Site, tmp_path: Path) -> None:
    logins = {site.nvcr.server: (USER, KEY), site.bases.address: (BASES_USER, SECRETS["password of another registry"])}
    program = tmp_path / "docker-credential-tests"
    cases = [
        f"'get {server}') echo '{json.dumps({'Username': user, 'Secret': secret})}' ;;"
        for server, (user, secret) in logins.items()
    ]
    known = json.dumps({server: user for server, (user, _) in logins.items()})
    program.write_text(HELPER.format(folder=tmp_path, logins="\n".join(cases), known=known))
    program.chmod(0o755)
    helpers = dict.fromkeys(logins, "tests")
    (tmp_path / "config.json").write_text(json.dumps({kind: helpers if kind == "credHelpers" else "tests"}))
    stack = site.stack(kind.lower(), registryUsername=None)
    stack = stack.given(
        CARBIDE_REGISTRY_PASSWORD=None, DOCKER_CONFIG=str(tmp_path), PATH=f"{tmp_path}:{os.environ['PATH']}"
    )
    pushed_by(stack)
    asked = (tmp_path / "asked").read_text()
    assert all(f"get {server}\n" in asked for server in logins)
