import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbide_infra.paths import project_root
from carbide_infra.services import CATALOGUE
from carbide_infra.settings import ConfigError, Settings, load_settings

REGISTRY = {"registryServer": "nvcr.io", "registryRepository": "my-org/my-team"}


def load(values: dict[str, Any] | None = None, environment: dict[str, str] | None = None) -> Settings:
    return load_settings(REGISTRY | (values or {}), environment or {})


def error_of(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(values)
    return str(caught.value)


def test_defaults() -> None:
    settings = load()
    assert settings.builder_base == "golang:1.25"
    assert settings.runtime_image == "alpine:latest"
    assert settings.platforms == ("linux/amd64", "linux/arm64")
    assert settings.selected_services == tuple(CATALOGUE.values())
    assert not settings.tag_latest


def test_structured_values_arrive_as_json_text() -> None:
    settings = load({"platforms": '["linux/arm64"]', "tagLatest": "true", "services": '["carbide-rest-db"]'})
    assert settings.platforms == ("linux/arm64",)
    assert settings.tag_latest
    assert [service.image for service in settings.selected_services] == ["carbide-rest-db"]


@pytest.mark.parametrize(
    ("values", "key", "shown"),
    [
        ({"registryServre": "nvcr.io"}, "registryServre", "unknown key"),
        ({"platforms": '["linux/amd65"]'}, "platforms.0", "'linux/amd65'"),
        ({"platforms": "linux amd64"}, "platforms", "'linux amd64'"),
        ({"platforms": "[]"}, "platforms", "at least 1"),
        ({"services": '["carbide-rest-apii"]'}, "services", "'carbide-rest-apii'"),
        ({"services": '["carbide-rest-api","carbide-rest-api"]'}, "services", "twice"),
        ({"serviceOverrides": '{"nope":{}}'}, "serviceOverrides", "'nope'"),
        ({"serviceOverrides": '{"carbide-rest-api":{"ports":1}}'}, "serviceOverrides.carbide-rest-api.ports", "known"),
        (
            {"serviceOverrides": '{"carbide-rest-api":{"port":70000}}'},
            "serviceOverrides.carbide-rest-api.port",
            "70000",
        ),
        ({"serviceOverrides": '{"carbide-rest-db":{"port":80}}'}, "serviceOverrides", "carbide-rest-db"),
        ({"serviceOverrides": '{"carbide-rest-api":{"health":[]}}'}, "serviceOverrides.carbide-rest-api.health", "1"),
        ({"serviceOverrides": '{"carbide-rest-api":{"package":"api"}}'}, "carbide-rest-api.package", "./api/cmd/api"),
        ({"registryServer": ""}, "registryServer", "empty"),
        ({"registryServer": "https://nvcr.io"}, "registryServer", "nvcr.io"),
        ({"registryRepository": "  "}, "registryRepository", "empty"),
        ({"registryRepository": "My Org"}, "registryRepository", "my-org/my-team"),
        ({"goVersion": "go1.25"}, "goVersion", "'go1.25'"),
        ({"goVersion": "latest"}, "goVersion", "1.25"),
        ({"version": "1.4 beta"}, "version", "1.4.0"),
        ({"tagLatest": "perhaps"}, "tagLatest", "'perhaps'"),
        ({"registryPassword": "hunter2"}, "registryUsername", "$oauthtoken"),
        ({"builderImage": "golang 1.25"}, "builderImage", "golang:1.25"),
        ({"builderImage": "golang:1.24"}, "builderImage", "goVersion '1.25'"),
        ({"builderImage": "mirror.test/library/golang:1.24-alpine@sha256:" + "a" * 64}, "builderImage", "pin-bases"),
    ],
)
def test_an_error_names_the_key_the_value_and_a_good_one(values: dict[str, Any], key: str, shown: str) -> None:
    message = error_of(values)
    assert key in message
    assert shown in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "image",
    ["golang:1.25", "golang:1.25-alpine", "mirror.test/library/golang:1.25@sha256:" + "a" * 64, "my/go:7", "xgolang:1"],
)
def test_a_builder_of_the_go_version_or_of_none_is_taken(image: str) -> None:
    assert load({"builderImage": image}).builder_base == image


def test_missing_registry_is_named() -> None:
    with pytest.raises(ConfigError, match=r"registryServer.*\n.*registryRepository"):
        load_settings({}, {})


def test_errors_never_show_a_secret() -> None:
    message = error_of({"registryPassword": "hunter2", "goVersion": "?"})
    assert "hunter2" not in message


def test_every_problem_is_told_at_once() -> None:
    assert len(error_of({"goVersion": "?", "platforms": '["x"]'}).splitlines()) == 2


def test_secrets_and_source_come_from_the_environment_too() -> None:
    settings = load(
        {"registryUsername": "$oauthtoken", "registryPassword": "", "gitcreds": "from stack"},
        {"CARBIDE_REGISTRY_PASSWORD": "key", "CARBIDE_GITCREDS": "from environment", "CARBIDE_SOURCE": "/elsewhere"},
    )
    assert settings.registry_password is not None
    assert settings.registry_password.get_secret_value() == "key"
    assert settings.gitcreds is not None
    assert settings.gitcreds.get_secret_value() == "from stack"
    assert settings.source == "/elsewhere"


def test_an_override_changes_one_service() -> None:
    override = {"carbide-rest-api": {"port": 1234, "health": ["nc", "-z", "127.0.0.1", "1234"]}}
    services = {s.image: s for s in load({"serviceOverrides": json.dumps(override)}).selected_services}
    assert services["carbide-rest-api"].port == 1234
    assert services["carbide-rest-api"].health == ("nc", "-z", "127.0.0.1", "1234")
    assert services["carbide-rest-api"].package == "./api/cmd/api"
    assert services["carbide-rest-db"] == CATALOGUE["carbide-rest-db"]


@given(st.permutations(["linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/s390x"]))
def test_platform_order_and_spelling_make_no_difference(platforms: list[str]) -> None:
    assert load({"platforms": json.dumps(platforms)}).platforms == ("linux/amd64", "linux/arm64", "linux/s390x")


@given(st.dictionaries(st.sampled_from([f.alias for f in Settings.model_fields.values()]), st.text()))
def test_any_text_is_accepted_or_explained(values: dict[str, Any]) -> None:
    try:
        load(values)
    except ConfigError as error:
        assert str(error).strip()  # noqa: PT017 - either outcome is good


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_committed_stacks_are_valid(stack: str) -> None:
    config = yaml.safe_load((project_root() / f"Pulumi.{stack}.yaml").read_text())["config"]
    load_settings({key.removeprefix("carbide-infra:"): value for key, value in config.items()}, {})


def test_prod_is_nvcr_with_both_platforms_and_latest() -> None:
    config = yaml.safe_load((project_root() / "Pulumi.prod.yaml").read_text())["config"]
    settings = load_settings({key.removeprefix("carbide-infra:"): value for key, value in config.items()}, {})
    assert (settings.registry_server, settings.registry_username) == ("nvcr.io", "$oauthtoken")
    assert settings.platforms == ("linux/amd64", "linux/arm64")
    assert settings.tag_latest
    assert settings.tag_revision
