import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbide_infra.catalogue.loading import Stack
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.config_values import known_hosts
from carbide_infra.paths import project_root
from carbide_infra.settings import ConfigError, Settings, load_settings, selected_images
from tests.support.catalogue import CATALOGUE

KNOWN_HOSTS = "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
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
    assert settings.source == "examples/carbide-rest-api"
    assert settings.source_url == "https://github.com/NVIDIA/carbide-rest"


def test_what_a_stack_does_that_says_nothing() -> None:
    """Each of these changes what is pushed, or what is refused."""
    said = {name for name, value in load() if value is True}
    assert said == {"track_base_images", "tag_version", "tag_revision"}
    left = {name for name, value in load() if value is False}
    assert left == {
        *("tag_latest", "revision_label", "ssh_agent"),
        *("require_history", "require_locked_tools", "allow_coarse_inputs"),
    }


def test_only_a_stack_with_the_local_registry_is_for_development() -> None:
    assert load({"registryServer": "local"}).is_development is True
    assert load({"registryServer": "localhost:5000"}).is_development is False


def test_structured_values_arrive_as_json_text() -> None:
    settings = load({"platforms": '["linux/arm64"]', "tagLatest": "true", "services": '["carbide-rest-db"]'})
    assert settings.platforms == ("linux/arm64",)
    assert settings.tag_latest
    assert settings.services == ("carbide-rest-db",)


@pytest.mark.parametrize(
    ("values", "key", "shown"),
    [
        ({"registryServre": "nvcr.io"}, "registryServre", "unknown key"),
        ({"Version": "1"}, "Version", "did you mean version?"),
        ({"platforms": '["linux/amd65"]'}, "platforms[0]", "'linux/amd65'"),
        ({"platforms": "linux amd64"}, "platforms", "'linux amd64'"),
        ({"services": '["carbide-rest-api","carbide-rest-api"]'}, "services", "twice"),
        ({"registryServer": ""}, "registryServer", "empty"),
        ({"registryServer": "https://nvcr.io"}, "registryServer", "nvcr.io"),
        ({"registryRepository": "  "}, "registryRepository", "empty"),
        ({"registryRepository": "My Org"}, "registryRepository", "my-org/my-team"),
        *(({"registryRepository": name}, "registryRepository", "my-org/my-team") for name in REPOSITORIES),
        *(({"builderImage": name}, f"builderImage = '{name}'", "is not a reference of") for name in REFERENCES),
        *(({"runtimeImage": name}, f"runtimeImage = '{name}'", "is not a reference of") for name in REFERENCES),
        *(({"cacheTo": [entry]}, "cacheTo[0]", "type=registry,ref=nvcr.io/my-org") for entry in CACHES),
        *(({"cacheFrom": ["type=gha", entry]}, "cacheFrom[1]", "type=registry,ref=") for entry in CACHES),
        ({"goVersion": "go1.25"}, "goVersion", "'go1.25'"),
        ({"goVersion": "latest"}, "goVersion", "1.25"),
        ({"version": "1.4 beta"}, "version", "1.4.0"),
        *(({"mainBranch": name}, "mainBranch", "develop") for name in ("a b", "a..b", "-a", "a/", "refs heads")),
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
    ("version", "problem"),
    [
        ("v1.4.0", "begins with a v; write 1.4.0; the git tag is v1.4.0"),
        ("V2", "begins with a v; write 2; the git tag is v2"),
        ("latest", "is the name of another tag, which tagLatest moves"),
        ("a" * 40, "looks like the tag of a git SHA, which tagRevision gives"),
        (f"feature-{'0' * 40}", "looks like the tag of a git SHA, which tagRevision gives"),
        ("1.4.0-d6bde64c8766", "ends as an image's own tag does, <version>-<build key>, which never moves"),
        ("1.4.0+d6bde64c8766", "ends as an image's own tag does, <version>-<build key>, which never moves"),
        ("1.4 beta", "is not a version"),
        ("released-1.4.0", "begins with released-, as the tag does that keeps what was released"),
    ],
)
def test_a_version_whose_tag_could_be_another_one_is_refused(version: str, problem: str) -> None:
    assert error_of({"version": version}) == f"version = {version!r}: {problem}; a good value: 1.4.0"


@pytest.mark.parametrize("version", ["1.4.0", "dev", "vnext", "latest-1", "1.4.0-202411261200", "a" * 41, "abc1234"])
def test_other_versions_are_taken(version: str) -> None:
    assert load({"version": version}).version == version


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("nvcr", "has neither a dot nor a port"),
        ("harbor", "has neither a dot nor a port"),
        ("5000", "has neither a dot nor a port"),
        ("Local", "has neither a dot nor a port"),
        ("https://nvcr.io", "is not a host or host:port"),
        ("nvcr.io/my-org", "is not a host or host:port"),
        ("nvcr..io", "is not a host or host:port"),
        ("harbor.test:99999", "the port 99999 is not one of 1 to 65535"),
        ("harbor:0", "the port 0 is not one of 1 to 65535"),
    ],
)
def test_what_every_program_would_take_for_docker_hub_is_not_a_registry(server: str, problem: str) -> None:
    message = error_of({"registryServer": server})
    assert message.startswith(f"registryServer = {server!r}: {problem}")
    assert message.endswith("; a good value: nvcr.io, or harbor.example.com:8443")


@pytest.mark.parametrize("server", ["nvcr.io", "harbor:8443", "localhost", "local", "10.0.0.1", "[::1]:5000"])
def test_a_registry_has_a_dot_or_a_port_or_is_this_machine(server: str) -> None:
    assert load({"registryServer": server}).registry_server == server


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("registryRepository", "a..b"),
        ("registryRepository", "my-org//team"),
        ("registryRepository", "a.-b"),
        ("registryRepository", "my-org/"),
        ("registryRepository", "a" * 256),
        ("builderImage", "https://x/golang:1.25"),
        ("builderImage", "golang::1.25"),
        ("builderImage", "x.test:99999/golang:1.25"),
        ("runtimeImage", "Alpine"),
        ("runtimeImage", "alpine@sha256:1"),
        ("cacheTo", '["bogus"]'),
        ("cacheTo", '["type=registry,ref=bogus"]'),
        ("cacheTo", '["type=registry,mode=max"]'),
        ("cacheTo", '["type=registry,ref=x.test/a..b"]'),
        ("cacheTo", '["type=local,src=folder"]'),
        ("cacheTo", '["type=registri,ref=x.test/a"]'),
        ("cacheTo", '["type=registry,\\"ref=x.test/a"]'),
        ("cacheFrom", '["x.test/cache"]'),
        ("cacheFrom", '["type=inline"]'),
        ("cacheFrom", '[""]'),
    ],
)
def test_a_reference_follows_the_one_grammar_wherever_it_stands(key: str, value: str) -> None:
    message = error_of({key: value})
    assert message.startswith(key)
    assert "; a good value: " in message
    assert "\n" not in message


@pytest.mark.parametrize("entry", ["type=registry,ref=x.test/a__b:c,mode=max", '"type=local","dest=a,b"', "type=gha"])
def test_a_cache_that_buildkit_knows_is_taken(entry: str) -> None:
    assert load({"cacheTo": json.dumps([entry])}).cache_to == (entry,)


def test_the_overrides_references_follow_it_too() -> None:
    overrides = {"carbide-rest-api": {"files": [{"image": "golang::1", "from": "/a", "to": "/b"}], "base": "a..b"}}
    with pytest.raises(CatalogueError) as caught:
        selected_images(load({"serviceOverrides": overrides}), project_root())
    base, image = str(caught.value).splitlines()
    assert base.startswith("serviceOverrides.carbide-rest-api.base = a..b: is not a reference of an image: ")
    assert image.startswith("serviceOverrides.carbide-rest-api.files[0].image = golang::1: is not a reference")


@pytest.mark.parametrize(
    ("netrc", "problem"),
    [
        ("ghp_hunter2", "is not .netrc, in which each login names its host; a token alone is not enough"),
        ("https://me:hunter2@github.com", "is not .netrc, in which each login names its host"),
        ("me:hunter2", "is not .netrc, in which each login names its host"),
        ("machine github.com login me", "has no password for github.com"),
        ("machine github.com password hunter2", "has no login for github.com"),
        ("machine github.com login me password", "has no password for github.com"),
        ("default login me", "has no password for default"),
        ("machine", "has no login for a machine"),
    ],
)
def test_git_credentials_are_netrc_and_never_shown(netrc: str, problem: str) -> None:
    message = error_of({"gitcreds": netrc})
    assert message.startswith(f"gitcreds: {problem}")
    assert message.endswith("; a good value: machine github.com login <user> password <token>")
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "netrc",
    [
        "# mine\nmachine a.test\n  login me\n  password it's#1\nmachine b.test login x account y password z\n",
        "default login me password secret\nmacdef init\nwhatever\n",
    ],
)
def test_netrc_as_git_reads_it_is_taken(netrc: str) -> None:
    gitcreds = load({"gitcreds": netrc}).gitcreds
    assert gitcreds is not None
    assert gitcreds.get_secret_value() == netrc


@pytest.mark.parametrize(
    ("known_hosts", "problem"),
    [
        ("# nobody", "names no host"),
        ("github.com", "has a line that is not a host in clear, its key's type, and the key: 'github.com'"),
        ("|1|abc=|def= ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB", "has a line that is not a host in clear"),
        ("*.corp.test ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB", "has a line that is not a host in clear"),
        ('a"b.test ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB', "has a line that is not a host in clear"),
        ("@cert-authority a.test ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB", "has a line that is not a host in clear"),
    ],
)
def test_the_hosts_of_an_agent_are_named_in_clear(known_hosts: str, problem: str) -> None:
    assert problem in error_of({"sshAgent": "true", "sshKnownHosts": known_hosts})


def test_a_line_of_known_hosts_may_name_several() -> None:
    key = KNOWN_HOSTS.partition(" ")[2]
    lines = f"# ours\n\ngit.test,10.0.0.1 {key}\n[git.test]:2222,git.test {key} a comment\n"
    assert load({"sshAgent": "true", "sshKnownHosts": lines}).ssh_known_hosts == lines.strip()
    assert known_hosts(lines) == ("git.test", "10.0.0.1", "[git.test]:2222")


def test_an_agent_without_known_hosts_is_refused() -> None:
    message = error_of({"sshAgent": "true"})
    assert message.startswith(
        "sshKnownHosts is empty although sshAgent is true: no host's key is learnt while building"
    )
    assert load(
        {
            "sshAgent": "true",
            "sshKnownHosts": KNOWN_HOSTS,
        }
    ).ssh_agent


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tagLatest": "perhaps"}, "tagLatest = 'perhaps': is text, not true or false; a good value: true"),
        ({"services": "api"}, "services = 'api': is text, not a list; a good value: [\"carbide-rest-api\"]"),
        ({"services": "[1.30]"}, "services[0] = '1.3': is a number, not text; write it in quotes: \"1.3\""),
        ({"source": " "}, "source = ' ': is empty; a good value: /path/to/carbide-rest-api"),
        ({"platforms": "7"}, "platforms = '7': is a number, not a list; a good value: ["),
        ({"registryPassword": 123456}, 'registryPassword: is a number, not text; write it in quotes: "…"'),
    ],
)
def test_no_words_of_pydantic_reach_anybody(values: dict[str, Any], message: str) -> None:
    assert error_of(values | {"registryUsername": "me"}).startswith(message)


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
        ({"registryServre": "x"}, "registryServre: is an unknown key; did you mean registryServer?"),
        (
            {"platforms": '["linux/amd65"]'},
            "platforms[0] = 'linux/amd65': is not one of linux/386, linux/amd64, linux/arm64, linux/",
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
        {"registryUsername": "$oauthtoken", "registryPassword": "", "gitcreds": "machine stack login a password b"},
        {
            "CARBIDE_REGISTRY_PASSWORD": "key",
            "CARBIDE_GITCREDS": "machine environment login a password b",
            "CARBIDE_SOURCE": "/elsewhere",
        },
    )
    assert settings.registry_password is not None
    assert settings.registry_password.get_secret_value() == "key"
    assert settings.gitcreds is not None
    assert settings.gitcreds.get_secret_value() == "machine stack login a password b"
    assert settings.source == "/elsewhere"


def test_git_credentials_may_come_from_the_environment_alone() -> None:
    gitcreds = load({}, {"CARBIDE_GITCREDS": "machine environment login a password b"}).gitcreds
    assert gitcreds is not None
    assert gitcreds.get_secret_value() == "machine environment login a password b"


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


def test_a_stack_s_builder_builds_every_image() -> None:
    assert selected_images(load({"builderImage": "my/go:7"}), project_root()).builders == ("my/go:7",)


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


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("cacheFrom", "mode=max", "has the type ''; known are registry, local, gha, s3, azblob"),
        ("cacheTo", "mode=max", "has the type ''; known are registry, local, gha, s3, azblob, inline"),
        ("cacheFrom", "type=local,dest=a", "has no src="),
        ("cacheTo", "type=local,src=a", "has no dest="),
        ("cacheTo", "type=s3,region=x", "has no bucket="),
        ("cacheTo", "type=azblob", "has no name="),
        ("cacheTo", "type=registry,ref", "is not a list such as type=registry,ref=…"),
        ("cacheTo", "type=registry,ref=x.test/a..b", "its ref 'x.test/a..b' is not a reference of an image: "),
        ("cacheTo", "type=registry,ref=bogus", "its ref 'bogus' names no registry, so it is one of Docker Hub's own"),
    ],
)
def test_what_is_wrong_with_a_cache_is_told(key: str, entry: str, message: str) -> None:
    example = "type=registry,ref=nvcr.io/my-org/cache" + (",mode=max" if key == "cacheTo" else "")
    told = error_of({key: [entry]})
    assert told.startswith(f"{key}[0] = {entry!r}: {message}")
    assert told.endswith(f"; a good value: {example}")


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("cacheFrom", "type=local,src=a"),
        ("cacheTo", "type=inline"),
        ("cacheTo", "type=s3,bucket=a"),
        ("cacheTo", "type=azblob,name=a"),
        ("cacheFrom", "type=registry,ref=my-org/cache"),
        ("cacheFrom", "type=registry,ref=x.test/library/cache"),
    ],
)
def test_every_kind_of_cache_is_taken(key: str, entry: str) -> None:
    assert getattr(load({key: [entry]}), "cache_from" if key == "cacheFrom" else "cache_to") == (entry,)


def test_a_login_before_any_machine_is_not_netrc() -> None:
    assert error_of({"gitcreds": "login me"}).startswith("gitcreds: is not .netrc")


def test_a_repository_s_refusal_ends_with_a_good_one() -> None:
    told = "registryRepository = 'A': is not lower-case names separated by '/'; a good value: my-org/my-team"
    assert error_of({"registryRepository": "A"}) == told
