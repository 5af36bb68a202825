import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbide_infra.catalogue.loading import Stack
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.paths import project_root
from carbide_infra.settings import ConfigError, Settings, load_settings, selected_images
from tests.support.catalogue import CATALOGUE

# Each was taken, and failed in the builder's words, or in Docker Hub.
REPOSITORIES = ("a..b", "my-org//team", "a.-b", "a_-b", "/a", "a/", "https://a/b", "a:1", "ö")
REFERENCES = ("https://x/golang:1.25", "golang::1.25", "FOO/bar:1", "golang:", "golang@sha256:1", "a..b/c:1", "x:y:z")
CACHES = (
    "bogus",
    "",
    "ref=a/b",
    "type=registry",
    "type=registry,ref=",
    "type=registry,ref=a..b",
    "type=",
    "type=registry,ref=https://a/b",
)
REGISTRY = {"registryServer": "nvcr.io", "registryRepository": "my-org/my-team"}


def load(values: dict[str, Any] | None = None, environment: dict[str, str] | None = None) -> Settings:
    return load_settings(REGISTRY | (values or {}), environment or {})


def error_of(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(values)
    return str(caught.value)


def test_defaults() -> None:
    settings = load()
    assert settings.said_of_images == Stack()
    assert settings.catalogue == "docker/production/services.yaml"
    assert selected_images(settings, project_root()).images == tuple(CATALOGUE.values())
    assert not settings.tag_latest


def test_structured_values_arrive_as_json_text() -> None:
    settings = load({"platforms": '["linux/arm64"]', "tagLatest": "true", "services": '["carbide-rest-db"]'})
    assert settings.platforms == ("linux/arm64",)
    assert settings.tag_latest
    assert settings.services == ("carbide-rest-db",)


@pytest.mark.parametrize(
    ("values", "key", "shown"),
    [
        ({"registryServre": "nvcr.io"}, "registryServre", "unknown key"),
        ({"platforms": '["linux/amd65"]'}, "platforms.0", "'linux/amd65'"),
        ({"platforms": "linux amd64"}, "platforms", "'linux amd64'"),
        ({"services": '["carbide-rest-api","carbide-rest-api"]'}, "services", "twice"),
        ({"registryServer": ""}, "registryServer", "empty"),
        ({"registryServer": "https://nvcr.io"}, "registryServer", "nvcr.io"),
        ({"registryRepository": "  "}, "registryRepository", "empty"),
        ({"registryRepository": "My Org"}, "registryRepository", "my-org/my-team"),
        *(({"registryRepository": name}, "registryRepository", "my-org/my-team") for name in REPOSITORIES),
        *(({"builderImage": name}, f"builderImage = '{name}'", "is not a reference of") for name in REFERENCES),
        *(({"runtimeImage": name}, f"runtimeImage = '{name}'", "is not a reference of") for name in REFERENCES),
        *(({"cacheTo": [entry]}, "cacheTo.0", "type=registry,ref=registry.example") for entry in CACHES),
        *(({"cacheFrom": ["type=inline", entry]}, "cacheFrom.1", "type=registry,ref=") for entry in CACHES),
        ({"goVersion": "go1.25"}, "goVersion", "'go1.25'"),
        ({"goVersion": "latest"}, "goVersion", "1.25"),
        ({"version": "1.4 beta"}, "version", "1.4.0"),
        ({"tagLatest": "perhaps"}, "tagLatest", "'perhaps'"),
        ({"registryPassword": "hunter2"}, "registryUsername", "$oauthtoken"),
        ({"builderImage": "golang 1.25"}, "builderImage", "a good value: "),
        ({"goVersion": "1.25", "builderImage": "golang:1.24"}, "builderImage", "goVersion '1.25'"),
        (
            {"goVersion": "1.25", "builderImage": "mirror.test/library/golang:1.24-alpine@sha256:" + "a" * 64},
            "builderImage",
            "pin-bases",
        ),
        ({"platforms": "{}"}, "platforms", "is a map, not a list"),
        ({"serviceOverrides": "[]"}, "serviceOverrides", "is a list, not a map"),
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
    assert load({"builderImage": image, "goVersion": "1.25"}).builder_image == image


def test_space_around_a_value_is_no_part_of_it() -> None:
    settings = load({"goVersion": " 1.25\n", "runtimeImage": " alpine:3 ", "registryServer": " nvcr.io "})
    assert (settings.go_version, settings.runtime_image, settings.registry_server) == ("1.25", "alpine:3", "nvcr.io")


def test_missing_registry_is_named() -> None:
    with pytest.raises(ConfigError, match=r"registryServer.*\n.*registryRepository"):
        load_settings({}, {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"registryServre": "x"}, "registryServre: is an unknown key; known are source, catalogue, goVersion, builder"),
        (
            {"platforms": '["linux/amd65"]'},
            "platforms.0 = 'linux/amd65': is no platform; known are linux/386, linux/am",
        ),
        ({"goVersion": "latest"}, "goVersion = 'latest': is not a Go version; a good value: "),
        ({"registryPassword": "x"}, "registryUsername is empty although registryPassword is set; NVCR's: $oauthtoken"),
    ],
)
def test_an_error_is_a_sentence(values: dict[str, Any], message: str) -> None:
    assert error_of(values).startswith(message)


def test_a_missing_key_comes_with_the_command_that_sets_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"registryServer": "nvcr.io"}, {})
    assert str(caught.value) == "registryRepository: is not set; pulumi config set registryRepository <value>"


def test_the_source_is_below_the_project_or_anywhere(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    with pytest.raises(ConfigError, match=r"^source = 'tree': is not a folder \(looked at /.*/tree\); a good value: /"):
        load({"source": "tree"}).source_root(tmp_path)
    tree.mkdir()
    assert load({"source": "tree"}).source_root(tmp_path) == tree
    assert load({"source": str(tree)}).source_root(Path("/nowhere")) == tree


def test_the_source_may_be_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load({"source": "~"}).source_root(Path("/nowhere")) == tmp_path


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


def test_the_catalogue_is_named_by_the_stack_or_by_the_environment(tmp_path: Path) -> None:
    assert load({"catalogue": "images.yaml"}).catalogue_file(tmp_path) == tmp_path / "images.yaml"
    assert load({"catalogue": "/elsewhere/images.yaml"}).catalogue_file(tmp_path) == Path("/elsewhere/images.yaml")
    named = load({"catalogue": "images.yaml"}, {"CARBIDE_CATALOGUE": "other.yaml"})
    assert named.catalogue_file(tmp_path) == tmp_path / "other.yaml"
    assert "catalogue" in error_of({"catalogue": ""})


def test_what_a_stack_says_of_images_reaches_them() -> None:
    override = {"carbide-rest-api": {"ports": {"http": 1234}, "health": {"command": ["nc", "-z", "127.0.0.1", "1234"]}}}
    config = {
        "services": ["carbide-rest-db", "carbide-rest-api"],
        "serviceOverrides": json.dumps(override),
        "goVersion": "1.26",
        "runtimeImage": "alpine:3.22",
        "platforms": ["linux/arm64"],
    }
    selection = selected_images(load(config), project_root())
    api, database = selection.images
    assert (api.ports, api.health and api.health.command) == ({"http": 1234}, ("nc", "-z", "127.0.0.1", "1234"))
    assert api.binaries == CATALOGUE["carbide-rest-api"].binaries
    assert (database.base, database.builder, database.platforms) == ("alpine:3.22", "golang:1.26", ("linux/arm64",))
    assert (selection.builders, selection.platforms) == (("golang:1.26",), ("linux/arm64",))
    assert selection.bases == {"alpine:3.22": ("linux/arm64",)}


def test_the_bases_of_a_selection_have_the_platforms_of_their_images() -> None:
    overrides = {
        "carbide-rest-api": {"base": "scratch", "goVersion": "1.26"},
        "carbide-rest-db": {"base": "debian:13", "platforms": ["linux/s390x"]},
        "carbide-rest-ipam": {"platforms": ["linux/arm64", "linux/s390x"]},
    }
    selection = selected_images(load({"serviceOverrides": overrides, "services": list(overrides)}), project_root())
    assert selection.bases == {"debian:13": ("linux/s390x",), "alpine:latest": ("linux/arm64", "linux/s390x")}
    assert selection.builders == ("golang:1.26", "golang:1.25")
    assert selection.platforms == ("linux/amd64", "linux/arm64", "linux/s390x")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"services": '["carbide-rest-apii"]'}, "services = carbide-rest-apii: is not an image of "),
        ({"serviceOverrides": '{"nope":{}}'}, "serviceOverrides = nope: is not an image of docker/production/services"),
        (
            {"serviceOverrides": '{"carbide-rest-api":{"versionSymbol":"a.B"}}'},
            "serviceOverrides.carbide-rest-api.versionSymbol = a.B: is an unknown key; write symbols: ",
        ),
        ({"catalogue": "nowhere.yaml"}, "nowhere.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_what_is_wrong_with_the_images_is_told(values: dict[str, Any], said: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        selected_images(load(values), project_root())
    assert str(caught.value).startswith(said)


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
    settings = load_settings({key.removeprefix("carbide-infra:"): value for key, value in config.items()}, {})
    assert len(selected_images(settings, project_root()).images) == len(CATALOGUE)


def test_prod_is_nvcr_with_both_platforms_and_latest() -> None:
    config = yaml.safe_load((project_root() / "Pulumi.prod.yaml").read_text())["config"]
    settings = load_settings({key.removeprefix("carbide-infra:"): value for key, value in config.items()}, {})
    assert (settings.registry_server, settings.registry_username) == ("nvcr.io", "$oauthtoken")
    assert settings.platforms == ("linux/amd64", "linux/arm64")
    assert settings.tag_latest
    assert settings.tag_revision


@pytest.mark.parametrize(
    "entry",
    [
        "type=registry,ref=ghcr.io/my-org/cache:main,mode=max",
        '"type=registry","ref=localhost:5000/cache"',
        "type=gha",
        "type=local,dest=/a=b",
    ],
)
def test_caches_are_as_buildx_has_them(entry: str) -> None:
    assert load_settings(REGISTRY | {"cacheTo": [entry]}, {}).cache_to == (entry,)


# ---- Logins at other registries.


def test_other_registries_have_logins_of_their_own() -> None:
    logins = {"ghcr.io": {"username": "me", "password": "s3cr3t"}}
    settings = load_settings(REGISTRY | {"registryLogins": json.dumps(logins)}, {})
    assert settings.other_logins == {"ghcr.io": ("me", "s3cr3t")}
    assert settings.own_login is None
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize(
    "value",
    [
        *("s3cr3t", '["s3cr3t"]', '{"ghcr.io": "s3cr3t"}', '{"ghcr.io": {"password": "s3cr3t"}}'),
        *('{"gh cr": {"username": "me", "password": "s3cr3t"}}', '{"ghcr.io": {"username": "", "password": "s3cr3t"}}'),
        '{"ghcr.io": {"username": "me", "password": "s3cr3t", "more": "s3cr3t"}}',
        '{"ghcr.io": {"username": 1, "password": "s3cr3t"}}',
    ],
)
def test_logins_of_another_form_are_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings(REGISTRY | {"registryLogins": value}, {})
    assert str(raised.value) == (
        "registryLogins: is not a map from registries to logins; a good value: "
        '{"ghcr.io": {"username": "me", "password": "…"}}'
    )


def test_a_login_is_whole_or_none() -> None:
    for values in ({"registryUsername": "me"}, {"registryUsername": "me", "registryPassword": ""}):
        assert load_settings(REGISTRY | values, {}).own_login is None
    whole = load_settings(REGISTRY | {"registryUsername": "me"}, {"CARBIDE_REGISTRY_PASSWORD": "s3cr3t"})
    assert whole.own_login == ("me", "s3cr3t")
