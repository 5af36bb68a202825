"""Base images that the stack tracks, with Pulumi's mocks in the place of the pulumi-docker plugin."""

from typing import Any

import pulumi
import pytest

from carbide_infra.program import resolved_bases
from carbide_infra.settings import Settings, load_settings
from tests.unit.test_image import target

NEW = "sha256:" + "e" * 64
PINNED = "alpine:3.22@sha256:" + "a" * 64


class Registry(pulumi.runtime.Mocks):
    def __init__(self, problem: str | None = None) -> None:
        self.problem = problem
        self.asked: list[tuple[str, str]] = []
        self.providers: list[dict[str, Any]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        assert args.typ == "pulumi:providers:docker"
        self.providers.append(args.inputs)
        return f"{args.name}_id", args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        self.asked.append((args.args["name"], args.provider))
        failures = [("name", self.problem)] if self.problem else []
        return {"name": args.args["name"], "sha256Digest": NEW, "id": "x"}, failures


def tracked(registry: Registry, **config: Any) -> Settings:  # noqa: ANN401 - config values
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "trackBaseImages": True} | config
    settings = load_settings(values, {})
    pulumi.runtime.set_mocks(registry, project="carbide-infra", stack="test", preview=False)
    found: list[Settings] = []
    pulumi.runtime.test(lambda: found.append(resolved_bases(settings, target())))()  # type: ignore[no-untyped-call]
    return found[0]


def test_untracked_bases_are_left_alone_and_nobody_is_asked() -> None:
    registry = Registry()
    settings = tracked(registry, trackBaseImages=False)
    assert (settings.builder_base, settings.runtime_image) == ("golang:1.25", "alpine:latest")
    assert not registry.asked
    assert not registry.providers


def test_tracked_bases_get_their_current_digests() -> None:
    settings = tracked(Registry())
    assert settings.builder_base == f"golang:1.25@{NEW}"
    assert settings.runtime_image == f"alpine:latest@{NEW}"


def test_look_ups_use_a_provider_with_the_stacks_credentials() -> None:
    registry = Registry()
    tracked(registry)
    (provider,) = registry.providers
    assert "$oauthtoken" in str(provider["registryAuth"])
    assert {name for name, _ in registry.asked} == {"golang:1.25", "alpine:latest"}
    assert all("base-images" in asked_through for _, asked_through in registry.asked)


def test_a_pinned_base_stays_pinned() -> None:
    registry = Registry()
    settings = tracked(registry, runtimeImage=PINNED)
    assert settings.runtime_image == PINNED
    assert {name for name, _ in registry.asked} == {"golang:1.25"}


def test_without_a_docker_daemon_the_user_is_told_what_to_do() -> None:
    with pytest.raises(pulumi.RunError, match=r"trackBaseImages = true: golang:1\.25 .*Docker daemon.*make pin-bases"):
        tracked(Registry(problem="cannot connect to the Docker daemon"))
