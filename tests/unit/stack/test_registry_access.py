"""Which login goes to which registry: the stack's to its own, others' to theirs, Docker's to the rest."""

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.errors import SetupError
from carbide_infra.registry.errors import Denied
from carbide_infra.registry.registries import Registries
from carbide_infra.settings import load_settings
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.stack.registry_access import (
    base_registries,
    images_client,
    registries_for,
    registries_of,
    registries_with,
)
from tests.support.fake_programs import FakeProgram
from tests.support.registry_server import LOGIN, FakeRegistry

REPOSITORY = "team/image"
OWN = {"registryUsername": LOGIN[0], "registryPassword": LOGIN[1]}


@pytest.fixture
def environment(tls: tuple[ssl.SSLContext, Path], tmp_path: Path) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path)}


@pytest.fixture
def private(registry: FakeRegistry) -> FakeRegistry:
    """A registry that wants a login, and has an image."""
    registry.login = LOGIN
    registry.put_image(REPOSITORY, {"linux/amd64": {}}, "1")
    return registry


def values(server: str, **config: str) -> dict[str, str]:
    return {"registryServer": server, "registryRepository": "team", **config}


def lets_in(registries: Registries, registry: FakeRegistry) -> bool:
    try:
        return registries.client(registry.server).digest_of(REPOSITORY, "1") is not None
    except Denied:
        return False


def logins_at(server: str) -> str:
    return json.dumps({server: {"username": LOGIN[0], "password": LOGIN[1]}})


def test_the_stacks_login_is_for_its_own_registry(
    private: FakeRegistry, environment: dict[str, str], tmp_path: Path
) -> None:
    for server, is_let_in in ((private.server, True), ("nvcr.io", False)):
        settings = load_settings(values(server, **OWN), {})
        assert lets_in(registries_of(settings, tmp_path, environment), private) is is_let_in
        assert lets_in(base_registries(settings, tmp_path, environment), private) is is_let_in
        assert lets_in(registries_with(values(server, **OWN), tmp_path, environment), private) is is_let_in


def test_another_registry_has_the_login_that_the_stack_holds_for_it(
    private: FakeRegistry, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = load_settings(values("nvcr.io", registryLogins=logins_at(private.server)), {})
    assert lets_in(registries_of(settings, tmp_path, environment), private)


def test_for_its_own_registry_the_stacks_own_login_comes_first(
    private: FakeRegistry, environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = json.dumps({private.server: {"username": "x", "password": "x"}})
    settings = load_settings(values(private.server, registryLogins=wrong, **OWN), {})
    assert lets_in(registries_of(settings, tmp_path, environment), private)


def test_docker_s_login_serves_where_the_stack_has_none(
    private: FakeRegistry, environment: dict[str, str], tmp_path: Path
) -> None:
    assert not lets_in(registries_with({}, tmp_path, environment), private)
    login = base64.b64encode(":".join(LOGIN).encode()).decode()
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {private.server: {"auth": login}}}))
    assert lets_in(registries_with({}, tmp_path, environment), private)


def test_local_is_the_checkouts_registry(private: FakeRegistry, environment: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings(values("local", **OWN), {})
    with pytest.raises(SetupError, match="no local registry was set up"):
        registries_of(settings, tmp_path, environment)
    # Without a login there is nothing to find out.
    registries_of(load_settings(values("local"), {}), tmp_path, environment)
    write_endpoint(tmp_path, Endpoint(private.server, "builder", "ca.pem"))
    assert lets_in(registries_of(settings, tmp_path, environment), private)


@pytest.fixture
def stack(tmp_path: Path, environment: dict[str, str]) -> tuple[PulumiStack, FakeProgram]:
    pulumi = FakeProgram(tmp_path / "bin", "pulumi")
    return PulumiStack("prod", pulumi.path, tmp_path, environment | {"PATH": "/usr/bin:/bin"}), pulumi


def configure(stack: tuple[PulumiStack, FakeProgram], written: dict[str, Any], **secrets: str) -> None:
    """Keys in the stack's file, and what Pulumi says of all of them."""
    lines = [f"  carbide-infra:{key}: {json.dumps(value)}\n" for key, value in written.items()]
    (stack[0].project / "Pulumi.prod.yaml").write_text("config:\n" + "".join(lines))
    known = {key: value for key, value in written.items() if isinstance(value, str)} | secrets
    stack[1].answer("config", {f"carbide-infra:{key}": {"value": value} for key, value in known.items()})


ENCRYPTED = {"secure": "v1:x"}


def test_secrets_are_asked_for_where_an_image_may_need_them(
    stack: tuple[PulumiStack, FakeProgram], private: FakeRegistry
) -> None:
    base, public = f"{private.server}/{REPOSITORY}:1", "docker.io/library/alpine:3"

    def asked_for(*references: str) -> bool:
        settings = load_settings(values(private.server), {})
        before = len(stack[1].calls)
        registries = registries_for(references, settings, stack[0])
        assert lets_in(registries, private) is (len(stack[1].calls) > before)
        return len(stack[1].calls) > before

    configure(stack, values(private.server))
    assert not asked_for(base, public)
    configure(stack, values(private.server, registryUsername=LOGIN[0]), registryPassword=LOGIN[1])
    assert asked_for(base)
    assert not asked_for(public, "scratch")
    configure(stack, {**values("nvcr.io"), "registryLogins": ENCRYPTED}, registryLogins=logins_at(private.server))
    assert asked_for(public)


def test_the_images_registry_is_that_of_the_outputs(
    stack: tuple[PulumiStack, FakeProgram], private: FakeRegistry
) -> None:
    images = {"a": {"repository": f"{private.server}/{REPOSITORY}"}}
    configure(stack, values(private.server))
    assert images_client(stack[0], images).server == private.server
    assert stack[1].calls == []
    configure(stack, values(private.server, registryUsername=LOGIN[0]), registryPassword=LOGIN[1])
    assert images_client(stack[0], images).digest_of(REPOSITORY, "1")
