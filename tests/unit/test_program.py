"""The program from end to end: a stack's configuration and a small Go source tree in, registrations out."""

import gc
import json
import os
import runpy
import shutil
import ssl
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker_build as docker_build
import pytest
import yaml

from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.images.own_tags import own_tags
from carbide_infra.program import steps
from carbide_infra.registry.registries import Registries
from carbide_infra.settings import ConfigError, load_settings, selected_images
from carbide_infra.source.images import read_sources
from carbide_infra.source.inputs import Inputs, ModuleAccess
from carbide_infra.source.kept_answers import save
from tests.support import registry_server
from tests.support.outputs import digest_of
from tests.support.recording_engine import (
    COMPONENT,
    IMAGE,
    INDEX,
    PROVIDER,
    RECORD,
    RecordingEngine,
    Registration,
    secret,
)
from tests.support.registry_server import FakeRegistry, Fault
from tests.unit.images.test_tags import Repository

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go tells what an image is made of")

API, IPAM = "carbide-rest-api", "carbide-rest-ipam"
PROJECT = Path(__file__).parents[2]
DIGEST = f"sha256:{'b' * 64}"
MAIN = 'package main\n\nimport _ "example.com/m/common/pkg/version"\n\nfunc main() {}\n'
TREE = {
    "go.mod": "module example.com/m\n\ngo 1.24\n",
    "api/cmd/api/main.go": MAIN,
    "ipam/cmd/server/main.go": MAIN,
    "common/pkg/version/version.go": "package version\n\nvar Version, BuildTime string\n",
}
# Base images that somebody is asked for: the catalogue's.
TRACKED: dict[str, Any] = {"builderImage": "", "runtimeImage": ""}
CONFIG = {
    "builderImage": f"golang:1.25@{DIGEST}",
    "runtimeImage": f"alpine:latest@{DIGEST}",
    "source": "source",
    "registryServer": "nvcr.io",
    "registryRepository": "org/team",
    "services": json.dumps([IPAM, API]),
}
LOGIN: dict[str, Any] = {"registryUsername": "$oauthtoken", "registryPassword": "hunter2"}
# What the machine or its user may have set, and no test means.
VARIABLES = (
    *(
        "CARBIDE_SOURCE",
        "CARBIDE_CATALOGUE",
        "CARBIDE_REF",
        "CARBIDE_REGISTRY_PASSWORD",
        "CARBIDE_GITCREDS",
        "CARBIDE_SDK_DEBUG",
    ),
    *("GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE", "GOVCS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)

RELEASES = steps._releases


class Project:
    """A project's folder, with the Dockerfiles of the real one, and a source tree of two services.

    Args:
        folder: the folder.
        repository: the tree, in it.
    """

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self.repository = repository
        self.source = repository.root
        (folder / "docker").symlink_to(PROJECT / "docker")

    def up(
        self,
        engine: RecordingEngine | None = None,
        *,
        preview: bool = False,
        secret_keys: Collection[str] = ("registryPassword", "registryLogins", "gitcreds"),
        foreign: Mapping[str, str] | None = None,
        **config: Any,  # noqa: ANN401 - mypy takes no others beside the arguments above
    ) -> RecordingEngine:
        """Run `__main__` as the language host does."""
        engine = engine or RecordingEngine()
        program = str(PROJECT / "__main__.py")
        engine.run(
            lambda: runpy.run_path(program, run_name="__main__"),
            preview=preview,
            config=CONFIG | config,
            secret_keys=secret_keys,
            foreign=foreign,
        )
        return engine

    def refusal(self, *, preview: bool = True, **config: Any) -> str:  # noqa: ANN401 - as for `up`
        """What the user is told; nothing is registered before."""
        engine = RecordingEngine()
        with pytest.raises(pulumi.RunError) as caught:
            self.up(engine, preview=preview, **config)
        assert not engine.registered
        return str(caught.value)

    @property
    def contexts(self) -> Path:
        return self.folder / ".local/contexts"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Two services, committed."""
    repository = Repository(tmp_path_factory.mktemp("tree"))
    for name, text in TREE.items():
        path = repository.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    repository.commit("README", "A tree of two services.\n")
    return repository


@pytest.fixture
def project(tree: Repository, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOENV", "off")  # What this machine's user has set by `go env -w`.
    # This machine may trust a CA of its own, which is not about the program.
    (tmp_path / "no-authorities.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "no-authorities.pem"))
    monkeypatch.setattr("carbide_infra.images.build_secrets._DISTRIBUTED", ())  # 150 files to read, for nothing
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(cache))
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)  # which the program replaces
    monkeypatch.setattr("carbide_infra.program.steps._releases", lambda _settings: lambda _repository, _tag: None)
    monkeypatch.chdir(tmp_path)
    yield Project(tmp_path, tree.copy(tmp_path / "source"))
    gc.unfreeze()


def tags_of(engine: RecordingEngine, image: str = API) -> dict[str, str]:
    """The tags that move, by what they stand for."""
    indexes = {name.removeprefix(f"{image}-"): index for name, index in engine.of(INDEX).items() if image in name}
    return {kind: index.inputs["tag"].rpartition(":")[2] for kind, index in indexes.items()}


def image_of(engine: RecordingEngine, image: str = API) -> Registration:
    return engine.of(IMAGE)[image]


def images_of(engine: RecordingEngine) -> Mapping[str, Any]:
    """The stack's output."""
    assert engine.exported is not None
    images: Mapping[str, Any] = engine.exported["images"]
    return images


# ---- The whole flow.


def test_each_service_is_built_tagged_and_exported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    watching: list[object] = []
    monkeypatch.setattr("pulumi.runtime.register_stack_transformation", watching.append)
    engine = project.up(**LOGIN)
    assert watching == [steps._retained]
    assert gc.get_freeze_count(), "the collector leaves alone what was there before"
    assert sorted((resource.kind, resource.name) for resource in engine.registered) == [
        *((COMPONENT, API), (COMPONENT, IPAM)),
        *((IMAGE, API), (IMAGE, IPAM)),
        *((INDEX, f"{API}-revision"), (INDEX, f"{API}-version")),
        *((INDEX, f"{IPAM}-revision"), (INDEX, f"{IPAM}-version")),
        *((RECORD, API), (RECORD, IPAM)),
        (PROVIDER, "docker-build"),
    ]
    assert engine.exported is not None
    assert engine.exported.keys() == {"schemaVersion", "images"}
    assert engine.exported["schemaVersion"] == 2
    assert {name: image["digest"] for name, image in images_of(engine).items()} == {
        name: digest_of(name) for name in (API, IPAM)
    }


def inputs_in(engine: RecordingEngine, image: str = API) -> str:
    """The lines of an image's record."""
    inputs: str = engine.of(RECORD)[image].inputs["input"]["inputs"]
    return inputs


def context_of(engine: RecordingEngine, image: str = API) -> str:
    location: str = image_of(engine, image).inputs["context"]["location"]
    return location


def test_each_context_holds_the_image_s_own_files(project: Project) -> None:
    engine = project.up()
    for image, main in (API, "api/cmd/api/main.go"), (IPAM, "ipam/cmd/server/main.go"):
        context = project.folder / context_of(engine, image)
        assert context.parent == project.contexts / image
        staged = {str(file.relative_to(context)) for file in context.rglob("*") if file.is_file()}
        assert staged == {"VERSION", "go.mod", "common/pkg/version/version.go", main}
        assert {line.split(" ")[3] for line in inputs_in(engine, image).splitlines()} == staged


def test_a_context_s_path_ends_in_the_build_key(project: Project) -> None:
    engine = project.up()
    key = image_of(engine).inputs["tags"][0].rpartition("-")[2]
    assert context_of(engine) == f".local/contexts/{API}/{key}"
    dockerfile = image_of(engine).inputs["dockerfile"]["location"]
    assert dockerfile == f".local/contexts/{API}/{key}.dockerfile/Dockerfile.{API}"
    assert (project.folder / dockerfile).read_bytes() == (PROJECT / f"docker/production/Dockerfile.{API}").read_bytes()


def test_a_context_stays_as_it_is_whatever_is_previewed_beside_it(project: Project) -> None:
    main = project.source / "api/cmd/api/main.go"
    building = project.folder / context_of(project.up())
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (building, *building.rglob("*"))}
    for number in range(3):
        main.write_text(MAIN + f"\n// {number}\n")
        assert project.folder / context_of(project.up(preview=True)) != building
    main.write_text(MAIN)
    assert project.folder / context_of(project.up(preview=True)) == building
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (building, *building.rglob("*"))} == before


def test_contexts_that_no_run_has_staged_for_a_week_go(project: Project) -> None:
    old = project.folder / context_of(project.up())
    manifest = old.with_name(f"{old.name}.manifest.json")
    os.utime(manifest, (0, 0))
    (project.source / "api/cmd/api/main.go").write_text(MAIN + "\n// new\n")
    new = project.folder / context_of(project.up())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_dockerfile_that_somebody_edited_is_warned_of(project: Project) -> None:
    (project.folder / "docker").unlink()
    folder = project.folder / "docker/production"
    shutil.copytree(PROJECT / "docker/production", folder)
    before = project.up()
    assert not before.said("WARNING")
    with (folder / f"Dockerfile.{API}").open("a", encoding="utf-8") as dockerfile:
        dockerfile.write("RUN true\n")
    engine = project.up()
    (warning,) = engine.said("WARNING")
    assert f"Dockerfile.{API} is not what the catalogue says" in warning
    assert image_of(engine).inputs == image_of(before).inputs


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_dockerfile_with_other_line_ends_is_another_text_that_is_not_built(project: Project, ends: str) -> None:
    (project.folder / "docker").unlink()
    folder = project.folder / "docker/production"
    shutil.copytree(PROJECT / "docker/production", folder)
    text = (folder / f"Dockerfile.{API}").read_text(encoding="utf-8")
    (folder / f"Dockerfile.{API}").write_text(text, encoding="utf-8", newline=ends)
    (folder / f"Dockerfile.{API}.dockerignore").write_text("*\n")
    engine = project.up()
    staged = project.folder / image_of(engine).inputs["dockerfile"]["location"]
    assert staged.read_bytes() == text.encode()
    assert not [
        line for line in staged.with_name(f"{staged.name}.dockerignore").read_text().splitlines() if line[0] != "#"
    ]
    location = f"docker/production/Dockerfile.{API}" if ends == "\n" else ""
    assert engine.of(RECORD)[API].inputs["input"]["dockerfileLocation"] == location


def test_a_preview_asks_for_the_same_and_exports_nothing_yet(project: Project) -> None:
    planned, made = project.up(preview=True), project.up()
    assert image_of(planned).inputs == image_of(made).inputs
    assert planned.of(INDEX).keys() == made.of(INDEX).keys()
    assert planned.exported == {"schemaVersion": 2, "images": pulumi.runtime.rpc.UNKNOWN}


def test_one_failed_image_stops_no_other(project: Project) -> None:
    engine = RecordingEngine([API], {"pulumi:pulumi:readStackOutputs": lambda _: {"outputs": {}}})
    project.up(engine)
    assert engine.of(INDEX).keys() == {f"{IPAM}-version", f"{IPAM}-revision"}
    assert images_of(engine).keys() == {IPAM}


# ---- Settings.


def test_the_stack_s_version_is_the_one_that_is_built(project: Project) -> None:
    assert tags_of(project.up())["version"] == "1.4.0"
    engine = project.up(version="2.0.0-rc.1")
    assert tags_of(engine)["version"] == "2.0.0-rc.1"
    assert image_of(engine).inputs["buildArgs"]["VERSION"] == "2.0.0-rc.1"
    assert images_of(engine)[API]["version"] == "2.0.0-rc.1"


@pytest.mark.parametrize("off", ["version", "revision", "latest"])
def test_a_tag_that_the_stack_switched_off_does_not_move(project: Project, off: str) -> None:
    switches: dict[str, Any] = {
        f"tag{kind.title()}": json.dumps(kind != off) for kind in ("version", "revision", "latest")
    }
    tags = {"version": "1.4.0", "revision": project.repository.sha, "latest": "latest"}
    del tags[off]
    engine = project.up(**switches)
    assert tags_of(engine) == tags
    assert images_of(engine)[API]["tags"][1:] == list(tags.values())


def test_builder_caches_and_go_version_are_the_stack_s(project: Project) -> None:
    caches: dict[str, Any] = {"cacheFrom": '["type=registry,ref=x.test/from"]', "cacheTo": '["type=inline"]'}
    engine = project.up(builder="fleet", goVersion="1.26", builderImage=f"golang:1.26@{DIGEST}", **caches)
    inputs = image_of(engine).inputs
    assert inputs["builder"] == {"name": "fleet"}
    assert inputs["cacheFrom"] == [{"raw": "type=registry,ref=x.test/from"}]
    assert inputs["cacheTo"] == [{"raw": "type=inline"}]
    assert inputs["buildArgs"]["BUILDER_IMAGE"] == f"golang:1.26@{DIGEST}"
    assert images_of(engine)[API]["goVersion"] == "1.26"


def test_every_platform_of_the_stack_counts(project: Project) -> None:
    (project.source / "api/cmd/api/main_s390x.go").write_text("package main\n")
    platforms = '["linux/amd64", "linux/s390x"]'
    engine = project.up(platforms=platforms)
    assert image_of(engine).inputs["platforms"] == json.loads(platforms)
    assert "main_s390x.go" in inputs_in(engine)
    assert "main_s390x.go" not in inputs_in(project.up())


def test_config_of_other_projects_is_none_of_this_one(project: Project) -> None:
    engine = project.up(foreign={"docker:host": "ssh://elsewhere", "carbide-infra-two:version": "9"})
    assert tags_of(engine)["version"] == "1.4.0"


def test_a_mistake_is_told_in_the_stack_s_terms(project: Project) -> None:
    assert project.refusal(goVersion="go1") == "goVersion = 'go1': is not a Go version; a good value: \"1.25\""
    assert "source = 'nowhere': is not a folder" in project.refusal(source="nowhere")
    older = "goVersion = 1.23: is older than go.mod asks for; set 1.24 or newer"
    assert older in project.refusal(goVersion="1.23", builderImage="")
    overrides = json.dumps({API: {"package": "./api/cmd/other"}})
    assert f"serviceOverrides.{API}.package = ./api/cmd/other: there is no folder " in project.refusal(
        serviceOverrides=overrides
    )
    assert "extraCaFile = 'nowhere.pem': cannot be read" in project.refusal(extraCaFile="nowhere.pem")


def test_a_number_without_quotes_is_refused_before_pulumi_s_reading_of_it_is_built(project: Project) -> None:
    file = project.folder / "Pulumi.test.yaml"
    file.write_text("config:\n  carbide-infra:version: 1.40\n  carbide-infra:goVersion: 1.30\n")
    assert project.refusal(version="1.4", goVersion="1.3").splitlines() == [
        'version = 1.40: is a number to YAML, not text; write it in quotes: "1.40"',
        'goVersion = 1.30: is a number to YAML, not text; write it in quotes: "1.30"',
    ]


def test_an_image_that_is_not_built_needs_no_package(project: Project) -> None:
    shutil.rmtree(project.source / "ipam")
    assert f"{IPAM}: package = ./ipam/cmd/server: there is no folder " in project.refusal()
    assert project.up(services=json.dumps([API])).of(IMAGE).keys() == {API}


def test_inputs_that_cannot_be_are_a_message(project: Project) -> None:
    (project.source / "api/cmd/api/main.go").rename(project.source / "api/cmd/api/main_test.go")
    assert f"{API}: package = ./api/cmd/api: has no Go files (looked in " in project.refusal()


def test_a_context_that_cannot_be_staged_is_a_message(project: Project) -> None:
    project.contexts.mkdir(parents=True)
    (project.contexts / API).write_text("a file where the folder belongs")
    assert f"build context {project.contexts / API}/" in (refusal := project.refusal())
    assert " cannot be staged: " in refusal


def test_only_previews_take_a_dockerfile_from_the_cache_folder(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could write there would otherwise write what is built."""
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "own-cache"))
    true = context_of(project.up(preview=True))
    kept = list((tmp_path / "own-cache").glob("dockerfile-*.json"))
    assert len(kept) == 2
    for file in kept:
        save(file, {"text": "FROM scratch\n"})
    assert context_of(project.up(preview=True)) != true
    assert context_of(project.up()) == true


# ---- Secrets.


def test_secrets_of_the_stack_reach_the_engine_as_they_are_and_marked(project: Project) -> None:
    engine = project.up(**LOGIN, gitcreds="machine example.com\nlogin me\npassword it\n", goProxy="https://proxy.test")
    inputs = image_of(engine).inputs
    login = {"address": "nvcr.io", "username": "$oauthtoken", "password": secret("hunter2")}
    assert inputs["registries"] == [login]
    assert [index.inputs["registry"] for index in engine.of(INDEX).values()] == [login] * 4
    gitcreds = "machine example.com\nlogin me\npassword it\n"
    assert inputs["secrets"] == secret({"extra_ca": "", "gitcreds": gitcreds, "goenv": "GOPROXY=https://proxy.test\n"})


def test_secrets_and_go_settings_may_come_from_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARBIDE_REGISTRY_PASSWORD", "hunter3")
    monkeypatch.setenv("CARBIDE_GITCREDS", "machine x login y password z")
    monkeypatch.setenv("GONOSUMDB", "example.com")
    inputs = image_of(project.up(registryUsername="me")).inputs
    assert inputs["registries"][0]["password"] == secret("hunter3")
    assert inputs["secrets"] == secret(
        {"extra_ca": "", "gitcreds": "machine x login y password z", "goenv": "GONOSUMDB=example.com\n"}
    )


@pytest.mark.parametrize("key", ["registryPassword", "registryLogins", "gitcreds"])
def test_a_secret_in_plain_text_is_refused(project: Project, key: str) -> None:
    message = f"{key}: is stored in plain text; replace it with pulumi config set --secret {key}"
    values = LOGIN | {"gitcreds": "machine x login y password z", "registryLogins": "{}"}
    others = {"registryPassword", "registryLogins", "gitcreds"} - {key}
    assert project.refusal(**values, secret_keys=others) == message


def test_a_secret_that_is_not_set_need_not_be_encrypted(project: Project) -> None:
    project.up(registryPassword="", gitcreds="", secret_keys=())


def test_an_update_without_a_password_does_not_start(project: Project) -> None:
    message = (
        "registryPassword: is not set, and nvcr.io wants a login as me; pulumi config set --secret registryPassword"
    )
    assert project.refusal(registryUsername="me", preview=False) == message


def test_a_preview_does_without_a_password(project: Project) -> None:
    engine = project.up(registryUsername="me", preview=True)
    assert image_of(engine).inputs["registries"] == [{"address": "nvcr.io", "username": "me"}]


KNOWN_HOSTS = "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_an_agent_reaches_one_step_of_a_dockerfile_of_the_stack_s_own(project: Project) -> None:
    engine = project.up(preview=True, sshAgent="true", sshKnownHosts=KNOWN_HOSTS)
    assert image_of(engine).inputs["ssh"] == [{"id": "default"}]
    text = engine.of(RECORD)[API].inputs["input"]["dockerfileText"]
    steps = [step for step in text.split("\nRUN ") if "--mount=type=ssh" in step]
    assert len(steps) == 1
    assert steps[0].partition("\n\n")[0].endswith("sh /modules.sh")
    assert "type=ssh" not in json.dumps(image_of(project.up()).inputs)


def test_an_update_without_an_agent_does_not_start(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    refusal = project.refusal(preview=False, sshAgent="true", sshKnownHosts=KNOWN_HOSTS)
    assert refusal.startswith("sshAgent = true: no ssh agent answers at SSH_AUTH_SOCK = ''")


def test_an_anonymous_registry_wants_no_login(project: Project) -> None:
    assert image_of(project.up()).inputs["registries"] == []


# ---- The source tree.


def test_an_image_has_the_commit_that_last_touched_its_inputs(project: Project) -> None:
    first = project.repository.sha
    second = project.repository.commit("ipam/cmd/server/main.go", MAIN + "\n// more\n")
    engine = project.up(revisionLabel="true")
    assert {name: image["revision"] for name, image in images_of(engine).items()} == {API: first, IPAM: second}
    label = "org.opencontainers.image.revision"
    assert image_of(engine, API).inputs["labels"][label] == first
    assert image_of(engine, IPAM).inputs["labels"][label] == second
    assert tags_of(engine)["revision"] == second


def test_what_is_not_committed_costs_only_the_image_that_is_made_of_it(project: Project) -> None:
    (project.source / "ipam/cmd/server/main.go").write_text(MAIN + "\n// not committed\n")
    (project.source / "README").write_text("no input\n")
    engine = project.up(tagLatest="true")
    sha = project.repository.sha
    (warning,) = engine.said("WARNING")
    assert warning == (
        f"ipam/cmd/server/main.go differs from commit {sha[:12]}: neither the git SHA nor latest as a tag, and no "
        f"revision, for {IPAM}"
    )
    images = images_of(engine)
    assert images[API]["revision"]
    assert images[IPAM].get("revision") is None
    assert images[API]["tags"][1:] == ["1.4.0", sha, "latest"]
    assert images[IPAM]["tags"][1:] == ["1.4.0"]


def test_the_ci_says_what_is_built(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_REF", "refs/heads/feature/x")
    assert tags_of(project.up()) == {"revision": f"feature-x-{project.repository.sha}"}
    monkeypatch.setenv("CARBIDE_REF", "main")
    assert "CARBIDE_REF = 'main': is no full name of a ref" in project.refusal()


def test_the_development_stacks_passphrase_is_refused_elsewhere(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "carbide-dev")
    told = "PULUMI_CONFIG_PASSPHRASE: is a passphrase that everybody knows; give the stack "
    assert project.refusal().startswith(told)


def test_without_history_the_user_is_warned_or_refused(project: Project) -> None:
    shutil.rmtree(project.source / ".git")
    engine = project.up()
    (warning,) = engine.said("WARNING")
    assert warning.startswith("the source's git history is out of reach")
    assert images_of(engine)[API].get("revision") is None
    refusal = project.refusal(requireHistory="true")
    assert refusal.startswith("requireHistory = true: the source's git history is out of reach")


@pytest.fixture
def without_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(programs))


@pytest.mark.usefixtures("without_go")
def test_without_go_the_whole_tree_is_the_input_and_the_user_is_told_once(project: Project) -> None:
    engine = project.up(preview=True)
    (warning,) = engine.said("WARNING")
    assert "the go command is not on PATH" in warning
    assert "ipam/cmd/server/main.go" in inputs_in(engine)


@pytest.mark.usefixtures("without_go")
def test_an_update_without_go_is_refused_unless_the_stack_allows_it(project: Project) -> None:
    assert project.refusal(preview=False) == (
        "allowCoarseInputs = false: what carbide-rest-api, carbide-rest-ipam is made of is not known exactly here; "
        "put that right (see the warning), or set allowCoarseInputs to push all the same"
    )
    assert project.up(allowCoarseInputs="true").of(IMAGE).keys() == {API, IPAM}


@pytest.mark.parametrize(
    ("content", "what"), [("", "says no version"), ("# licence\n\n", "says no version"), (None, "is not there")]
)
def test_a_tree_without_a_version_is_told(project: Project, content: str | None, what: str) -> None:
    file = project.source / "VERSION"
    file.unlink() if content is None else file.write_text(content)
    assert any(warning.startswith(f"VERSION {what} in ") for warning in project.up(preview=True).said("WARNING"))
    assert not any(
        "the version is dev" in warning for warning in project.up(preview=True, version="dev").said("WARNING")
    )


def test_a_whole_checkout_gives_no_warning(project: Project) -> None:
    assert not project.up().said("WARNING")


def test_the_environment_may_name_another_tree(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.source.rename(project.folder / "elsewhere")
    monkeypatch.setenv("CARBIDE_SOURCE", str(project.folder / "elsewhere"))
    assert tags_of(project.up())["version"] == "1.4.0"


# ---- The local registry.


def test_the_local_registry_is_the_one_of_this_checkout(project: Project) -> None:
    write_endpoint(
        project.folder,
        Endpoint("machine.test:5443", "carbide", "/ca.pem", {"alpine:latest": DIGEST, "golang:1.25": DIGEST}),
    )
    # Its name leads nowhere: a preview does not ask it.
    login: dict[str, Any] = {"registryUsername": "me", "registryPassword": "hunter2"}
    engine = project.up(preview=True, registryServer="local", **login, **TRACKED)
    inputs = image_of(engine).inputs
    assert inputs["tags"][0].startswith(f"machine.test:5443/org/team/{API}:1.4.0-")
    assert inputs["registries"][0]["address"] == "machine.test:5443"
    assert inputs["labels"]["com.nvidia.carbide.stand-in-base"] == "alpine:latest, golang:1.25"
    assert inputs["labels"]["org.opencontainers.image.base.digest"] == DIGEST
    assert inputs["buildArgs"]["BUILDER_IMAGE"] == f"golang:1.25@{DIGEST}"


def test_an_update_to_a_local_registry_that_is_down_does_not_start(project: Project) -> None:
    write_endpoint(project.folder, Endpoint("127.0.0.1:1", "carbide", "/ca.pem"))
    message = "registryServer = 'local': the registry of this checkout, 127.0.0.1:1, is down; run make local-up"
    assert project.refusal(registryServer="local", preview=False) == message


def test_without_a_local_registry_the_user_is_told_how_to_get_one(project: Project) -> None:
    message = "registryServer = 'local': no local registry was set up in this checkout; run make local-up"
    assert project.refusal(registryServer="local") == message


def test_stand_ins_are_not_for_images_that_leave_this_machine(
    project: Project, tls: tuple[object, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    stand_ins = {"alpine:latest": DIGEST, "golang:1.25": DIGEST}
    write_endpoint(project.folder, Endpoint("machine.test:5443", "carbide", "/ca.pem", stand_ins))
    inputs = image_of(project.up(preview=True, **TRACKED)).inputs
    assert inputs["buildArgs"]["RUNTIME_IMAGE"] == "alpine:latest"
    assert "com.nvidia.carbide.stand-in-base" not in inputs["labels"]
    refusal = project.refusal(preview=False, **TRACKED)
    assert "golang:1.25: docker.io gives no answer" in refusal
    assert "builds on no tag that may have moved; repeat it, or write the digest" in refusal


# ---- Base images.


@pytest.fixture
def bases(
    hub: FakeRegistry, tls: tuple[object, Path], project: Project, monkeypatch: pytest.MonkeyPatch
) -> FakeRegistry:
    """Docker Hub, with the base images of the catalogue."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    monkeypatch.setenv("DOCKER_CONFIG", str(project.folder))
    hub.put_image("library/golang", {"linux/amd64": {}}, "1.25")
    hub.put_image("library/alpine", {"linux/amd64": {}}, "latest")
    return hub


def pinned(hub: FakeRegistry, name: str) -> str:
    repository, _, tag = name.partition(":")
    return f"{name}@{registry_server.digest_of(hub.manifests[f'library/{repository}', tag][1])}"


def test_images_are_built_on_digests(project: Project, bases: FakeRegistry) -> None:
    engine = project.up(**TRACKED)
    golang, alpine = pinned(bases, "golang:1.25"), pinned(bases, "alpine:latest")
    arguments = image_of(engine).inputs["buildArgs"]
    assert (arguments["BUILDER_IMAGE"], arguments["RUNTIME_IMAGE"]) == (golang, alpine)
    assert image_of(engine).inputs["labels"]["org.opencontainers.image.base.digest"] == alpine.partition("@")[2]
    image = images_of(engine)[API]
    assert (image["builderImage"], image["runtimeImage"]) == (golang, alpine)


def test_a_base_that_moved_is_another_tag(project: Project, bases: FakeRegistry) -> None:
    before = image_of(project.up(**TRACKED)).inputs["tags"]
    assert image_of(project.up(**TRACKED)).inputs["tags"] == before
    bases.put_image("library/alpine", {"linux/amd64": {}}, "latest", layer=b"moved")
    assert image_of(project.up(**TRACKED)).inputs["tags"] != before


def test_offline_a_preview_is_the_one_of_the_last_answer(project: Project, bases: FakeRegistry) -> None:
    online = project.up(preview=True, **TRACKED)
    for repository, tag in ("golang", "1.25"), ("alpine", "latest"):
        bases.faults[f"/v2/library/{repository}/manifests/{tag}"] = Fault(0, 99)
    offline = project.up(preview=True, **TRACKED)
    assert image_of(offline).inputs == image_of(online).inputs
    assert len(offline.said("WARNING")) == 2
    assert "golang:1.25: docker.io gives no answer" in project.refusal(preview=False, **TRACKED)


@pytest.mark.usefixtures("bases")
def test_a_base_that_is_not_there_is_a_message(project: Project) -> None:
    message = "runtimeImage = alpine:3.99: docker.io has no such image; check repository and tag"
    assert project.refusal(runtimeImage="alpine:3.99") == message


def test_pinned_bases_need_nobody_but_once_for_the_builder_s_go(project: Project, bases: FakeRegistry) -> None:
    project.up()
    assert {request.path.partition("/manifests/")[0] for request in bases.requests} <= {"/v2/library/golang"}
    bases.requests.clear()
    project.up()
    assert bases.requests == []


def test_bases_of_a_private_registry_have_a_login_of_their_own(project: Project, bases: FakeRegistry) -> None:
    bases.login = ("me", "hunter3")
    logins = json.dumps({"docker.io": {"username": "me", "password": "hunter3"}})
    refusal = project.refusal(preview=False, **TRACKED)
    assert "golang:1.25: docker.io refuses to show it to us" in refusal
    assert "hunter" not in refusal
    engine = project.up(registryLogins=logins, **TRACKED)
    assert image_of(engine).inputs["registries"] == [
        {"address": "docker.io", "username": "me", "password": secret("hunter3")}
    ]


# ---- Debug messages.


def test_debug_messages_are_left_out(project: Project) -> None:
    assert not [text for text in project.up().said("DEBUG") if "register resource" in text]


def test_who_asks_for_debug_messages_gets_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_SDK_DEBUG", "1")
    assert [text for text in project.up().said("DEBUG") if "register resource" in text]


# ---- The catalogue's checks.


def test_a_foreign_file_without_a_digest_is_for_development_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    file = {"image": "127.0.0.1:1/probe:1", "from": "/probe", "to": "/app/probe"}
    overrides = json.dumps({API: {"files": [file]}})
    assert "127.0.0.1:1/probe:1: is without a digest" in project.refusal(serviceOverrides=overrides)
    write_endpoint(project.folder, Endpoint("machine.test:5443", "carbide", "/ca.pem"))
    engine = project.up(preview=True, registryServer="local", serviceOverrides=overrides)
    assert any("127.0.0.1:1/probe:1: is without a digest" in warning for warning in engine.said("WARNING"))


# ---- The images' own tags, as a release asks for them.


def own_tags_of(project: Project, deployed: Mapping[str, Mapping[str, Any]], **config: Any) -> dict[str, str]:  # noqa: ANN401
    settings = load_settings(CONFIG | config, os.environ)
    selection = selected_images(settings, project.folder)
    sources = read_sources(settings, selection.images, project.source, full_ref=None)
    registries = Registries({})
    return own_tags(settings, selection, sources, project.folder, deployed, lambda: registries)


def tags_and_inputs(engine: RecordingEngine) -> tuple[dict[str, str], dict[str, Mapping[str, Any]]]:
    images = engine.of(IMAGE)
    tags = {name: image.inputs["tags"][0].rpartition(":")[2] for name, image in images.items()}
    return tags, {name: image.inputs for name, image in images.items()}


def test_a_release_knows_the_tags_that_an_update_gives(project: Project) -> None:
    """Row 13: pinned bases make them a matter of the tree alone."""
    tags, _ = tags_and_inputs(project.up(revisionLabel="true"))
    assert own_tags_of(project, {}, revisionLabel="true") == tags


@pytest.mark.usefixtures("bases")
def test_a_base_that_is_not_pinned_is_the_one_in_the_state(project: Project) -> None:
    tags, deployed = tags_and_inputs(project.up(**TRACKED))
    assert own_tags_of(project, deployed, **TRACKED) == tags
    assert own_tags_of(project, {}, **TRACKED) != tags


@pytest.mark.usefixtures("without_go")
def test_a_tag_that_is_not_known_exactly_is_none(project: Project) -> None:
    assert own_tags_of(project, {}) == {}


# ---- Tools.

LOCKED_TOOLS: dict[str, Any] = {"requireLockedTools": "true"}


def engine_other_than(*ranges: str) -> RecordingEngine:
    engine = RecordingEngine()
    engine.pulumi_refuses = lambda asked: asked in ranges
    return engine


def test_a_cli_that_was_never_tried_is_refused(project: Project) -> None:
    engine = engine_other_than(">=3.200.0 <4.0.0")
    with pytest.raises(pulumi.RunError, match=r"^pulumi: .* 9\.9\.9 .*; install one that is >=3\.200\.0 and <4\.0\.0$"):
        project.up(engine, preview=True)


def test_production_takes_the_locked_tools_only(project: Project) -> None:
    """Row 14: any CLI of the range would do elsewhere."""
    locked = f"={version('pulumi')}"
    with pytest.raises(pulumi.RunError, match=r"^requireLockedTools = true: pulumi is not 3\..*; run make venv"):
        project.up(engine_other_than(locked), **LOCKED_TOOLS)
    (warning,) = project.up(engine_other_than(locked), preview=True, **LOCKED_TOOLS).said("WARNING")
    assert warning.startswith("requireLockedTools = true: pulumi is not 3.")
    assert project.up(engine_other_than(locked)).said("WARNING") == []
    assert project.up(**LOCKED_TOOLS).said("WARNING") == []


def test_a_provider_on_path_may_be_any_version(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "programs/pulumi-resource-docker-build"
    plugin.parent.mkdir()
    plugin.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{plugin.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    assert f"the provider is taken from {plugin}" in project.refusal(preview=False, **LOCKED_TOOLS)
    installed = tmp_path / f"home/plugins/resource-docker-build-v{version('pulumi-docker-build')}" / plugin.name
    installed.parent.mkdir(parents=True)
    installed.hardlink_to(plugin)
    assert project.up(**LOCKED_TOOLS).said("WARNING") == []


def test_packages_are_exactly_those_of_the_lock(project: Project) -> None:
    lock = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    (project.folder / "requirements.txt").write_text(lock)
    assert project.up(**LOCKED_TOOLS).said("WARNING") == []
    other = lock.replace(f"\nrich=={version('rich')} ", "\nrich==0.1 ").replace("\nurllib3==", "\nurllib4==")
    (project.folder / "requirements.txt").write_text(other)
    refusal = project.refusal(preview=False, **LOCKED_TOOLS)
    assert f"rich is {version('rich')}, locked is 0.1, urllib3 is not locked; run make venv" in refusal


def test_production_asks_for_the_locked_tools() -> None:
    stack = yaml.safe_load((PROJECT / "Pulumi.prod.yaml").read_text())
    assert stack["config"]["carbide-infra:requireLockedTools"] == "true"


# ---- Releases.


@pytest.fixture
def production(
    project: Project, registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The configuration of a registry of the tests, which is asked for releases."""
    assert project
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    monkeypatch.setenv("DOCKER_CONFIG", str(project.folder))
    monkeypatch.setattr("carbide_infra.program.steps._releases", RELEASES)
    return {"registryServer": registry.server}


def test_the_stack_s_registry_is_asked_for_releases(
    project: Project, registry: FakeRegistry, production: dict[str, Any]
) -> None:
    released = registry.put_image(f"org/team/{API}", {"linux/amd64": {}}, "released-1.4.0")
    engine = project.up(**production)
    (source,) = engine.of(INDEX)[f"{API}-version"].inputs["sources"]
    assert source == f"{registry.server}/org/team/{API}@{released}"
    assert {request.path for request in registry.requests} == {
        f"/v2/org/team/{name}/manifests/released-1.4.0" for name in images_of(engine)
    }


def test_no_version_s_tag_moves_where_the_registry_does_not_tell(
    project: Project, registry: FakeRegistry, production: dict[str, Any]
) -> None:
    """Unknown is not "no"."""
    registry.login = ("somebody", "else")
    engine = RecordingEngine()
    with pytest.raises(pulumi.RunError, match="wants a login, and there is none"):
        project.up(engine, **production)
    assert not any(name.endswith("-version") for name in engine.of(INDEX))


# ---- An image that keeps a Dockerfile of its own.

KEPT = "sidecar"
OWN = (
    f"ARG BASE=alpine:3@{DIGEST}\nFROM ${{BASE}} AS final\nARG VERSION\nLABEL org.opencontainers.image.version=own\n"
    "RUN apk add curl\nCOPY conf /etc/sidecar\nUSER 65532\n"
    'ENV A=1\nEXPOSE 8080\nENTRYPOINT ["/sidecar"]\nCMD ["serve"]\nHEALTHCHECK CMD ["/sidecar", "health"]\n'
    "FROM final AS debug\nCOPY debug /\n"
)
SAID = "target: final, args: {VERSION: '{version}'}"


@pytest.fixture
def keeping(project: Project) -> Project:
    """A project with one image, whose Dockerfile is the tree's own."""
    for name, text in {
        "images/sidecar/Dockerfile": OWN,
        "conf/a.conf": "a\n",
        "debug/x": "",
        "VERSION": "1.4.0",
    }.items():
        path = project.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    project.repository.commit("README", "With an image of its own.\n")
    describe(project, SAID)
    return project


def describe(project: Project, said: str, dockerfile: str = "images/sidecar/Dockerfile") -> None:
    text = f"schemaVersion: 1\nimages:\n  {KEPT}: {{dockerfile: {dockerfile}, {said}}}\n"
    (project.folder / "services.yaml").write_text(text)


def up_keeping(project: Project, engine: RecordingEngine | None = None, **config: Any) -> RecordingEngine:  # noqa: ANN401
    return project.up(engine, services=json.dumps([KEPT]), catalogue="services.yaml", **config)


def test_an_image_may_be_built_by_a_dockerfile_of_the_tree(keeping: Project) -> None:
    engine = up_keeping(keeping)
    inputs = image_of(engine, KEPT).inputs
    context = keeping.folder / inputs["context"]["location"]
    assert {str(file.relative_to(context)) for file in context.rglob("*") if file.is_file()} == {"conf/a.conf"}
    assert (keeping.folder / inputs["dockerfile"]["location"]).read_text() == OWN
    assert inputs["target"] == "final"
    assert inputs["buildArgs"].keys() == {"VERSION", "SOURCE_DATE_EPOCH"}
    assert inputs["buildArgs"]["VERSION"] == "1.4.0"
    record = engine.of(RECORD)[KEPT].inputs["input"]
    assert record["kept"] == "images/sidecar/Dockerfile"
    assert record["coarse"] == ""


def test_such_an_image_says_of_itself_what_is_known(keeping: Project) -> None:
    image = images_of(up_keeping(keeping))[KEPT]
    assert (image["user"], image["version"], image["dockerfile"]) == ("65532", "1.4.0", "images/sidecar/Dockerfile")
    assert (image["runtimeImage"], image["builderImage"], image["binaries"]) == (f"alpine:3@{DIGEST}", "", [])
    assert (image["entrypoint"], image["command"], image["environment"]) == (["/sidecar"], ["serve"], {"A": "1"})
    assert (image["ports"], image["port"], image["health"]) == ({"http": 8080}, 8080, ["/sidecar", "health"])
    assert (image["userId"], image.get("userName"), image.get("groupId")) == (65532, None, None)
    # Its own label stays as it is.
    assert "org.opencontainers.image.version" not in image["labels"]
    assert "org.opencontainers.image.version" not in image_of(up_keeping(keeping), KEPT).inputs["labels"]


def test_only_what_it_copies_changes_it(keeping: Project) -> None:
    def tag() -> str:
        (tag,) = image_of(up_keeping(keeping, preview=True), KEPT).inputs["tags"]
        return str(tag)

    before = tag()
    for name in ("debug/x", "api/cmd/api/main.go", "README"):
        (keeping.source / name).write_text("changed\n")
    assert tag() == before
    (keeping.source / "conf/a.conf").write_text("changed\n")
    changed = tag()
    assert changed != before
    (keeping.source / "images/sidecar/Dockerfile").write_text(f"{OWN}# changed\n")
    assert tag() not in {before, changed}
    describe(keeping, "target: debug, args: {VERSION: '1'}")
    assert "debug/x" in inputs_in(up_keeping(keeping, preview=True), KEPT)


@pytest.mark.parametrize("other", ["target: b", "target: a, context: conf", "target: a, secrets: [goenv]"])
def test_how_it_is_built_is_a_part_of_its_key(keeping: Project, other: str) -> None:
    (keeping.source / "images/sidecar/Dockerfile").write_text(f"FROM alpine@{DIGEST} AS a\nFROM a AS b\nUSER 1\n")
    keys = []
    for said in ("target: a", other):
        describe(keeping, said)
        keys.append(image_of(up_keeping(keeping, preview=True), KEPT).inputs["tags"])
    assert keys[0] != keys[1]


def test_a_dockerfile_that_is_not_the_commit_s_makes_its_image_none_of_the_commit(keeping: Project) -> None:
    assert "revision" in tags_of(up_keeping(keeping), KEPT)
    (keeping.source / "images/sidecar/Dockerfile").write_text(f"{OWN}# changed\n")
    assert "revision" not in tags_of(up_keeping(keeping), KEPT)


def test_no_secret_reaches_a_dockerfile_of_somebody_else_s_unless_its_entry_names_it(keeping: Project) -> None:
    agent: dict[str, Any] = {"gitcreds": "machine github.com login a password b"}
    inputs = image_of(up_keeping(keeping, **agent), KEPT).inputs
    assert inputs["secrets"] == secret({})
    assert not inputs.get("ssh")
    assert not inputs.get("ignoreSecretsInDiffCalculation")
    describe(keeping, f"{SAID}, secrets: [gitcreds]")
    assert image_of(up_keeping(keeping, **agent), KEPT).inputs["secrets"] == secret(agent)


def test_an_ssh_agent_is_not_for_a_dockerfile_of_somebody_else_s(keeping: Project) -> None:
    engine = up_keeping(keeping, preview=True, sshAgent="true", sshKnownHosts=KNOWN_HOSTS)
    assert not image_of(engine, KEPT).inputs.get("ssh")


def test_a_folder_may_be_its_context(keeping: Project) -> None:
    (keeping.source / "conf/Dockerfile").write_text(f"FROM alpine:3@{DIGEST}\nCOPY a.conf /\n")
    describe(keeping, "context: conf", "conf/Dockerfile")
    location = image_of(up_keeping(keeping), KEPT).inputs["context"]["location"]
    assert location.endswith("/conf")
    assert [path.name for path in (keeping.folder / location).iterdir()] == ["a.conf"]


def test_a_base_by_argument_gets_the_digest_of_the_day(
    keeping: Project, hub: FakeRegistry, tls: tuple[object, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    digest = hub.put_image("library/alpine", {"linux/amd64": {}, "linux/arm64": {}}, "3.22")
    text = "ARG BASE=alpine:3.22\nFROM $BASE\nCOPY conf /\n"
    (keeping.source / "images/sidecar/Dockerfile").write_text(text)
    describe(keeping, "title: Own")
    engine = up_keeping(keeping)
    assert image_of(engine, KEPT).inputs["buildArgs"]["BASE"] == f"alpine:3.22@{digest}"
    assert images_of(engine)[KEPT]["runtimeImage"] == f"alpine:3.22@{digest}"


def test_a_base_that_nothing_pins_and_a_whole_context_are_said(keeping: Project) -> None:
    (keeping.source / "images/sidecar/Dockerfile").write_text("FROM alpine:3\nCOPY . /\n")
    describe(keeping, "title: Own")
    told = up_keeping(keeping).said("WARNING")
    assert any("sidecar: images/sidecar/Dockerfile:1 builds on alpine:3, without a digest" in text for text in told)
    assert any("sidecar: every file of its context counts" in text for text in told)


@pytest.mark.parametrize(
    ("said", "dockerfile", "sentence"),
    [
        ("title: x", "nowhere/Dockerfile", "sidecar: dockerfile = nowhere/Dockerfile: there is no file"),
        ("context: nowhere", "images/sidecar/Dockerfile", "sidecar: context = nowhere: there is no folder"),
        ("target: nowhere", "images/sidecar/Dockerfile", "images/sidecar/Dockerfile has no stage 'nowhere'"),
        ("title: x", "go.mod", "go.mod:1: 'module' is no instruction of a Dockerfile"),
    ],
)
def test_what_is_wrong_with_such_an_image_is_said_before_anything_is_built(
    keeping: Project, said: str, dockerfile: str, sentence: str
) -> None:
    describe(keeping, said, dockerfile)
    assert sentence in keeping.refusal(services=json.dumps([KEPT]), catalogue="services.yaml")


# ---- What steps refuse, without a program around them.


@pytest.mark.parametrize(
    "kind", [partial(docker_build.Image, push=False), partial(docker_build.Index, sources=["r/a@b"], tag="r/a:c")]
)
def test_what_the_registry_would_lose_with_its_resource_is_refused(kind: Any) -> None:  # noqa: ANN401 - a resource
    def program(*, retain: bool) -> None:
        steps.require_retained()
        kind("name", opts=pulumi.ResourceOptions(retain_on_delete=retain))

    engine = RecordingEngine()
    with pytest.raises(pulumi.RunError, match=r"^name: its manifest would be deleted .* set retain_on_delete=True$"):
        engine.run(lambda: program(retain=False))
    assert engine.registered == []
    engine.run(lambda: program(retain=True))
    assert [resource.name for resource in engine.registered] == ["name"]


def test_an_update_that_lacks_a_login_for_modules_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def cause_of(reasons: list[str], netrc: str, *, ssh: bool, ask: object) -> str | None:
        return f"{netrc}, {ssh}, {ask}" if reasons == ["b"] else None

    monkeypatch.setattr(steps, "cause_of", cause_of)
    monkeypatch.setattr(steps, "git_says", lambda access, _: access.known_hosts)
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
    monkeypatch.setattr("pulumi.log.warn", lambda _: None)
    settings = load_settings({"registryServer": "nvcr.io", "registryRepository": "a/b"}, {})
    inputs = {name: Inputs((), reason) for name, reason in (("x", "a"), ("y", "b"), ("z", None))}
    with pytest.raises(ConfigError) as caught:
        steps._require_exact(settings, inputs, ModuleAccess(netrc="login", known_hosts="hosts"))
    assert str(caught.value) == "what x, y is made of is not known exactly here: login, True, hosts"
