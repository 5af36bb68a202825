"""Base images that the stack tracks, with a recording engine in the place of the pulumi-docker plugin."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from carbide_infra.images.base_images import with_tracked_bases
from carbide_infra.paths import project_root
from carbide_infra.program import resolved_bases
from carbide_infra.settings import ConfigError, Selection, load_settings, selected_images
from tests.support.recording_engine import RecordingEngine, secret
from tests.unit.images.test_component import target

LOOK_UP = "docker:index/getRegistryImage:getRegistryImage"
PROVIDER = "pulumi:providers:docker"
NEW = "sha256:" + "e" * 64
PINNED = "alpine:3.22@sha256:" + "a" * 64


def registry(problem: str | None = None) -> RecordingEngine:
    def look_up(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if problem:
            raise RuntimeError(problem)
        return {"name": asked["name"], "sha256Digest": NEW, "id": "x"}

    return RecordingEngine(answers={LOOK_UP: look_up})


def tracked(engine: RecordingEngine, *, login: Mapping[str, Any] | None = None, **config: Any) -> Selection:  # noqa: ANN401 - config values
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "trackBaseImages": True} | config
    settings = load_settings(values, {})
    selection = selected_images(settings, project_root())
    found: list[Selection] = []
    engine.run(lambda: found.append(resolved_bases(settings, selection, target=target(**login or {}))))
    return found[0]


def bases(selection: Selection) -> set[tuple[str, str]]:
    return {(image.builder, image.base) for image in selection.images}


def test_untracked_bases_are_left_alone_and_nobody_is_asked() -> None:
    engine = registry()
    settings = tracked(engine, trackBaseImages=False)
    assert bases(settings) == {("golang:1.25", "alpine:latest")}
    assert not engine.asked
    assert not engine.registered


def test_tracked_bases_get_their_current_digests() -> None:
    assert bases(tracked(registry())) == {(f"golang:1.25@{NEW}", f"alpine:latest@{NEW}")}


def test_look_ups_use_a_provider_with_the_stacks_credentials_which_the_state_hides() -> None:
    engine = registry()
    tracked(engine)
    (provider,) = engine.of(PROVIDER).values()
    assert provider.name == "base-images"
    login = [{"address": "nvcr.io", "username": "$oauthtoken", "password": "key"}]
    assert provider.inputs["registryAuth"] == secret(json.dumps(login, sort_keys=True))
    assert [(token, asked) for token, asked, _ in engine.asked] == [
        (LOOK_UP, {"name": "golang:1.25"}),
        (LOOK_UP, {"name": "alpine:latest"}),
    ]
    assert all(through.endswith("::base-images::id-of-base-images") for _, _, through in engine.asked)


@pytest.mark.parametrize("login", [{"username": None, "password": None}, {"password": None}])
def test_without_a_whole_login_the_look_ups_are_anonymous(login: dict[str, Any]) -> None:
    engine = registry()
    tracked(engine, login=login)
    (provider,) = engine.of(PROVIDER).values()
    assert provider.inputs["registryAuth"] == "[]"


def test_a_failed_look_up_is_the_configuration_s_business() -> None:
    settings = load_settings({"registryServer": "nvcr.io", "registryRepository": "org/team"}, {})
    selected = selected_images(settings, project_root())
    with pytest.raises(ConfigError, match=r"\(.*no daemon.*\)$"):
        registry("no daemon").run(lambda: with_tracked_bases(selected.images, target()))


def test_images_may_come_one_after_the_other() -> None:
    settings = load_settings({"registryServer": "nvcr.io", "registryRepository": "org/team"}, {})
    images = selected_images(settings, project_root()).images
    found: list[str] = []
    registry().run(lambda: found.extend(image.base for image in with_tracked_bases(iter(images), target())))
    assert found == [f"alpine:latest@{NEW}"] * len(images)


def test_a_pinned_base_stays_pinned() -> None:
    engine = registry()
    settings = tracked(engine, runtimeImage=PINNED)
    assert bases(settings) == {(f"golang:1.25@{NEW}", PINNED)}
    assert [asked["name"] for _, asked, _ in engine.asked] == ["golang:1.25"]


def test_without_a_docker_daemon_the_user_is_told_what_to_do() -> None:
    problem = "cannot connect to the Docker daemon"
    with pytest.raises(pulumi.RunError, match=rf"trackBaseImages = true: golang:1\.25 .*make pin-bases\. .*{problem}"):
        tracked(registry(problem))


def test_a_base_that_is_no_image_has_no_digest() -> None:
    engine = registry()
    overrides = {"carbide-rest-api": {"base": "scratch"}}
    settings = tracked(engine, services=["carbide-rest-api"], serviceOverrides=overrides)
    assert bases(settings) == {(f"golang:1.25@{NEW}", "scratch")}
