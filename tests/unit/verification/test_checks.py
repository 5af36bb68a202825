"""Checks of images in a registry of the tests, build records in a repository of the tests."""

import hashlib
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.outputs import ImageOutput
from carbide_infra.outputs.contract import HealthOutput
from carbide_infra.paths import project_root
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Denied
from carbide_infra.registry.images import compressed_sizes, platforms_of
from carbide_infra.registry.transport import Transport
from carbide_infra.verification.build_record import BuildRecord, InputsMissing
from carbide_infra.verification.checks import Promise, health_interval, verify_image
from carbide_infra.verification.layers import ABSENT
from tests.support.registry_server import INDEX, FakeRegistry, Fault, digest_of, encoded

IMAGE = "carbide-rest-api"
REPOSITORY = f"team/{IMAGE}"
OCI = "org.opencontainers.image."
LABELS = {
    f"{OCI}title": IMAGE,
    f"{OCI}version": "1.4.0",
    f"{OCI}licenses": "Apache-2.0",
    f"{OCI}vendor": "NVIDIA",
    f"{OCI}source": "https://example.com",
    f"{OCI}base.name": "alpine:3",
}
CONFIG: dict[str, Any] = {
    "User": "1000:1000",
    "Entrypoint": ["/app/api"],
    "ExposedPorts": {"8388/tcp": {}},
    "Healthcheck": {"Test": ["CMD", "/app/api", "health"], "Interval": 30 * 10**9},
    "Labels": LABELS,
}
PLATFORMS = ["linux/amd64", "linux/arm64"]
HEALTH = {
    "command": ["/app/api", "health"],
    "interval": "30s",
    "timeout": "5s",
    "start_period": "10s",
    "retries": 3,
}


@pytest.fixture
def client(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> RegistryClient:
    return RegistryClient(registry.server, None, Transport({"SSL_CERT_FILE": str(tls[1])}))


def output(registry: FakeRegistry, digest: str, **changes: object) -> ImageOutput:
    values: dict[str, object] = {
        "ref": f"{registry.server}/{REPOSITORY}@{digest}",
        "digest": digest,
        "repository": f"{registry.server}/{REPOSITORY}",
        "tags": ["1.4.0-key", "1.4.0"],
        "platforms": PLATFORMS,
        "version": "1.4.0",
        "revision": None,
        "go_version": "1.25",
        "builder_image": "golang:1.25",
        "runtime_image": "alpine:3",
        "kind": "service",
        "ports": {"http": 8388},
        "port": 8388,
        "user": "1000:1000",
        "entrypoint": ["/app/api"],
        "command": [],
        "environment": {},
        "binaries": [],
        "health": ["/app/api", "health"],
        "health_check": HEALTH,
        "labels": {},
        "size_budget": 10**6,
    }
    return ImageOutput.model_validate(values | changes)


def pushed(registry: FakeRegistry, **config: object) -> str:
    content = {"config": {**CONFIG, **config}}
    return registry.put_image(REPOSITORY, dict.fromkeys(PLATFORMS, content), "1.4.0-key", "1.4.0")


def differences(promised: ImageOutput, client: RegistryClient, labels: dict[str, str] | None = None) -> dict[str, str]:
    checks = verify_image(Promise(IMAGE, promised, labels or {f"{OCI}source": "https://example.com"}), client)
    return {check.what: check.found for check in checks if not check.agrees}


def test_all_that_is_looked_at(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = pushed(registry)
    promised = output(registry, digest)
    checks = verify_image(Promise(IMAGE, promised, {f"{OCI}source": "https://example.com"}), client)
    assert {check.image for check in checks} == {IMAGE}
    assert all(check.agrees and check.found == check.expected for check in checks)
    manifests = platforms_of(client.manifest(REPOSITORY, digest))
    expected = {
        "digest": digest,
        "tag 1.4.0-key": digest,
        "tag 1.4.0": digest,
        "platforms": "linux/amd64, linux/arm64",
        **{
            f"{platform} {what}": value
            for platform in PLATFORMS
            for what, value in {
                "manifest and config": manifests[platform],
                "layer 1 of 1": digest_of(f"l{platform}".encode()),
                "platform of the config": platform,
                "user": "1000:1000",
                "entry point": "/app/api",
                "command": "none",
                "health check": "CMD /app/api health",
                "health interval": "30 s",
                "exposed port": "8388/tcp",
                **{f"label {name}": value for name, value in sorted(LABELS.items())},
                "compressed size": "at most 1.0 MB",
            }.items()
        },
    }
    assert [(check.what, check.expected) for check in checks] == list(expected.items())


@pytest.mark.parametrize(
    ("config", "what", "found"),
    [
        ({"User": "0"}, "user", "0"),
        ({"User": ""}, "user", "none"),
        ({"Entrypoint": ["/bin/sh"]}, "entry point", "/bin/sh"),
        ({"Cmd": ["serve"]}, "command", "serve"),
        ({"ExposedPorts": {"1/tcp": {}}}, "exposed port", "1/tcp"),
        ({"ExposedPorts": None}, "exposed port", "none"),
        ({"Labels": LABELS | {f"{OCI}version": "1"}}, f"label {OCI}version", "1"),
        ({"Labels": None}, f"label {OCI}title", "none"),
        ({"Healthcheck": {"Test": ["CMD", "true"], "Interval": 30 * 10**9}}, "health check", "CMD true"),
        ({"Healthcheck": CONFIG["Healthcheck"] | {"Interval": 10**9}}, "health interval", "1 s"),
        ({"Healthcheck": CONFIG["Healthcheck"] | {"Interval": 1500 * 10**6}}, "health interval", "1.5 s"),
        ({"Healthcheck": {"Test": CONFIG["Healthcheck"]["Test"]}}, "health interval", "0 s"),
        ({"Healthcheck": None}, "health check", "none"),
        ({"ExposedPorts": {"9/tcp": {}, "8388/tcp": {}}}, "exposed port", "8388/tcp, 9/tcp"),
    ],
)
def test_each_promise_of_the_config_is_looked_at(
    config: dict[str, object], what: str, found: str, registry: FakeRegistry, client: RegistryClient
) -> None:
    told = differences(output(registry, pushed(registry, **config)), client)
    assert {told[f"{platform} {what}"] for platform in PLATFORMS} == {found}


def test_an_image_without_a_health_check_says_so(registry: FakeRegistry, client: RegistryClient) -> None:
    promised = output(registry, pushed(registry, Healthcheck={"Test": ["NONE"]}), health=[], health_check=None)
    assert differences(promised, client) == {}


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1h1m1.5s", 3661.5)],
)
def test_an_interval_is_read_as_docker_writes_it(interval: str, seconds: float) -> None:
    promised = ImageOutput.model_construct(health_check=HealthOutput.model_validate(HEALTH | {"interval": interval}))
    assert health_interval(promised) == seconds


def test_without_a_limit_any_size_will_do(registry: FakeRegistry, client: RegistryClient) -> None:
    promised = output(registry, pushed(registry), size_budget=None)
    checks = verify_image(Promise(IMAGE, promised, {}), client)
    sizes = [(check.expected, check.found) for check in checks if check.what.endswith("compressed size")]
    assert sizes == [("any", "any")] * 2


def test_each_promised_variable_is_looked_at_and_no_other(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = pushed(registry, Env=["PATH=/bin", "SAME=a=b", "OTHER=found"])
    promised = output(registry, digest, environment={"SAME": "a=b", "OTHER": "promised", "GONE": "x"})
    found = {"environment OTHER": "found", "environment GONE": "none"}
    assert differences(promised, client) == {
        f"{platform} {what}": value for platform in PLATFORMS for what, value in found.items()
    }
    bare = output(registry, pushed(registry), environment={"GONE": "x"})
    assert differences(bare, client) == {f"{platform} environment GONE": "none" for platform in PLATFORMS}


def test_an_image_without_a_config_keeps_no_promise(registry: FakeRegistry, client: RegistryClient) -> None:
    nothing: dict[str, Any] = {"config": None}
    digest = registry.put_image(REPOSITORY, dict.fromkeys(PLATFORMS, nothing), "1.4.0-key", "1.4.0")
    told = differences(output(registry, digest), client)
    assert {told[f"linux/arm64 {what}"] for what in ("user", "entry point", "health check", "exposed port")} == {"none"}
    assert told["linux/arm64 health interval"] == "0 s"
    assert told[f"linux/arm64 label {OCI}title"] == "none"


def test_of_a_dockerfile_of_its_own_only_what_the_stack_knows_is_looked_at(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    unknown = {"user": "", "entrypoint": [], "command": [], "health": [], "labels": {}, "ports": {}}
    promised = output(registry, pushed(registry), dockerfile="docker/Dockerfile", **unknown)
    assert differences(promised, client, {}) == {}
    assert differences(promised, client, {"x": "y"}) == {}
    told = differences(promised.model_copy(update={"labels": {"x": "y"}}), client)
    assert told == {f"{platform} label x": "none" for platform in PLATFORMS}


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"user": "7"}, "user"),
        ({"entrypoint": ["/other"]}, "entry point"),
        ({"command": ["other"]}, "command"),
        ({"environment": {"OTHER": "x"}}, "environment OTHER"),
    ],
)
def test_what_such_a_dockerfile_says_for_certain_is_looked_at(
    said: dict[str, object], what: str, registry: FakeRegistry, client: RegistryClient
) -> None:
    unknown = {"user": "", "entrypoint": [], "command": [], "health": [], "labels": {}, "ports": {}}
    promised = output(registry, pushed(registry), dockerfile="docker/Dockerfile", **(unknown | said))
    assert differences(promised, client, {}).keys() == {f"{platform} {what}" for platform in PLATFORMS}


def test_an_image_over_its_budget(registry: FakeRegistry, client: RegistryClient) -> None:
    filler = "x" * 200_000
    digest = pushed(registry, Filler=filler)
    sizes = compressed_sizes(client, REPOSITORY, digest)
    (size,) = set(sizes.values())
    assert differences(output(registry, digest, size_budget=size), client) == {}
    told = differences(output(registry, digest, size_budget=size - 1), client)
    assert told == {f"{platform} compressed size": "0.2 MB" for platform in PLATFORMS}


def test_an_image_without_a_port_exposes_none(registry: FakeRegistry, client: RegistryClient) -> None:
    promised = output(registry, pushed(registry, ExposedPorts={}), ports={})
    assert differences(promised, client) == {}


def test_labels_that_nobody_can_know_are_not_looked_at(registry: FakeRegistry) -> None:
    base = f"alpine:3@{digest_of(b'base')}"
    promise = Promise(IMAGE, output(registry, digest_of(b"x"), runtime_image=base), {"empty": "", f"{OCI}title": "own"})
    assert promise.all_labels == {
        f"{OCI}licenses": "Apache-2.0",
        f"{OCI}vendor": "NVIDIA",
        f"{OCI}title": "own",
        f"{OCI}version": "1.4.0",
        f"{OCI}base.name": "alpine:3",
        f"{OCI}base.digest": digest_of(b"base"),
    }


def test_labels_of_the_state_count(registry: FakeRegistry, client: RegistryClient) -> None:
    told = differences(output(registry, pushed(registry)), client, {f"{OCI}revision": "f" * 40})
    assert told == {f"{platform} label {OCI}revision": "none" for platform in PLATFORMS}


def test_a_missing_platform_and_a_moved_tag(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = pushed(registry)
    other = registry.put_image(REPOSITORY, {"linux/s390x": {"config": {}}}, "1.4.0")
    told = differences(output(registry, digest, platforms=[*PLATFORMS, "linux/s390x"]), client)
    assert told == {"tag 1.4.0": other, "platforms": ", ".join(PLATFORMS)}


def test_nothing_at_all(registry: FakeRegistry, client: RegistryClient) -> None:
    told = differences(output(registry, digest_of(b"gone")), client)
    assert told == {"digest": ABSENT, "tag 1.4.0-key": ABSENT, "tag 1.4.0": ABSENT}


def test_lost_and_damaged_parts(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = pushed(registry)
    del registry.blobs[digest_of(b"llinux/arm64")]
    assert differences(output(registry, digest), client) == {"linux/arm64 layer 1 of 1": ABSENT}
    config = digest_of(encoded({"os": "linux", "architecture": "amd64", "config": CONFIG}))
    registry.blobs[config] = b"{}"
    told = differences(output(registry, digest), client)
    assert "bytes were changed" in told.pop("linux/amd64 manifest and config")
    assert told == {"linux/arm64 layer 1 of 1": ABSENT}
    arm64 = platforms_of(client.manifest(REPOSITORY, digest))["linux/arm64"]
    del registry.manifests[REPOSITORY, arm64]
    assert differences(output(registry, digest), client)["linux/arm64 manifest and config"] == ABSENT


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "is not a JSON object"),
        (b"[]", "is not a JSON object"),
        (b"{}", "is not an image index"),
        (b'{"manifests": [{}]}', "is not an image index"),
        (b'{"manifests": ["linux/amd64"]}', "is not an image index"),
    ],
)
def test_a_corrupt_index_is_a_difference(
    registry: FakeRegistry, client: RegistryClient, body: bytes, told: str
) -> None:
    digest = digest_of(body)
    for reference in (digest, "1.4.0"):
        registry.manifests[REPOSITORY, reference] = (INDEX, body)
    found = differences(output(registry, digest), client)
    assert f"{digest}: {told}" in found.pop("digest")
    assert found == {"tag 1.4.0-key": ABSENT}


def test_a_changed_index_is_a_difference(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = pushed(registry)
    kind, body = registry.manifests[REPOSITORY, digest]
    registry.manifests[REPOSITORY, digest] = (kind, body + b" ")
    (told,) = differences(output(registry, digest), client).values()
    assert f"has the digest {digest_of(body + b' ')}" in told


def test_a_registry_may_keep_digests_to_itself(registry: FakeRegistry, client: RegistryClient) -> None:
    promised = output(registry, pushed(registry))
    registry.digest_header = False
    assert differences(promised, client) == {}
    other = registry.put_image(REPOSITORY, {"linux/s390x": {}}, "1.4.0")
    assert differences(promised, client) == {"tag 1.4.0": other}


def test_a_tag_is_what_its_bytes_are_and_not_what_a_header_claims(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    """Row 8: a registry may say the promised digest, and give whoever pulls the tag something else."""
    digest = pushed(registry)
    other = registry.put_image(REPOSITORY, {"linux/s390x": {}}, "1.4.0")
    registry.claimed[REPOSITORY, "1.4.0"] = digest
    (told,) = differences(output(registry, digest), client).values()
    assert f"has the digest {other}" in told


@pytest.mark.parametrize("page", [0, 1])
def test_released_versions_are_looked_at_too(registry: FakeRegistry, client: RegistryClient, page: int) -> None:
    """Row 11: also those that the stack's outputs no longer have."""
    old = registry.put_image(REPOSITORY, {"linux/s390x": {}}, "1.3.0", "released-1.3.0")
    digest = pushed(registry)
    registry.put_image(REPOSITORY, {"linux/s390x": {"config": {}}}, "1.2.0", "released-1.2.0")
    registry.page = page
    assert differences(output(registry, digest), client) == {}
    for tag in ("1.3.0", "1.2.0"):
        registry.manifests[REPOSITORY, tag] = registry.manifests[REPOSITORY, digest]
    assert differences(output(registry, digest), client) == {"released 1.3.0": digest, "released 1.2.0": digest}
    del registry.manifests[REPOSITORY, "1.3.0"]
    registry.put_image(REPOSITORY, {"linux/s390x": {"config": {}}}, "1.2.0")
    assert differences(output(registry, digest), client) == {"released 1.3.0": ABSENT}
    assert old


def test_a_registry_that_lists_no_tags_is_asked_for_those_of_the_stack(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    digest = pushed(registry)
    other = registry.put_image(REPOSITORY, {"linux/s390x": {}}, "released-1.4.0")
    registry.faults[f"/v2/{REPOSITORY}/tags/list"] = Fault(405, 9)
    checks = verify_image(Promise(IMAGE, output(registry, digest), {}), client)
    assert [(c.what, c.expected, c.found) for c in checks if c.what.startswith("released")] == [
        ("released 1.4.0", other, digest)
    ]


def test_a_registry_that_refuses_gives_no_answer(registry: FakeRegistry, client: RegistryClient) -> None:
    promised = output(registry, pushed(registry))
    registry.login = ("me", "mine")
    with pytest.raises(Denied):
        verify_image(Promise(IMAGE, promised, {}), client)


def test_an_image_for_one_platform_needs_no_index(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.put_image(REPOSITORY, {"linux/amd64": {"config": CONFIG}})
    ((_, reference),) = [key for key, (kind, _) in registry.manifests.items() if "manifest" in kind]
    for tag in ("1.4.0-key", "1.4.0"):
        registry.manifests[REPOSITORY, tag] = registry.manifests[REPOSITORY, reference]
    assert differences(output(registry, reference, platforms=["linux/amd64"]), client) == {}


# ---- Build records.


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A source tree below the root of its repository."""
    tree = tmp_path / "repository" / "source"
    (tree / "cmd").mkdir(parents=True)
    (tree / "cmd/a file.go").write_text("package main\n")
    git(tree.parent, "init", "--quiet")
    git(tree.parent, "add", "--all")
    git(tree.parent, "commit", "--quiet", "--message", "one")
    return tree


def record(tree: Path, revision: str | None, dockerfile: str = "", secrets: Sequence[str] = ()) -> BuildRecord:
    content = (tree / "cmd/a file.go").read_bytes()
    record = {
        "inputs": f"0644 {hashlib.sha256(content).hexdigest()} {len(content)} cmd/a file.go",
        "dockerfile": dockerfile,
    }
    inputs = {
        "platforms": PLATFORMS,
        "labels": {},
        "buildArgs": {},
        "ignoreSecretsInDiffCalculation": list(secrets),
        "dockerfile": {"location": f"docker/production/Dockerfile.{IMAGE}"},
    }
    return BuildRecord.of(IMAGE, record, inputs, revision)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_tree_as_recorded_serves(repository: Path, scratch: Path) -> None:
    assert record(repository, None).source(repository, scratch) == repository


def test_a_changed_tree_is_left_for_its_commit_of_then(repository: Path, scratch: Path) -> None:
    made = record(repository, git(repository, "rev-parse", "HEAD"))
    (repository / "cmd/a file.go").write_text("package other\n")
    assert made.source(repository, scratch) == scratch
    assert (scratch / "cmd/a file.go").read_text() == "package main\n"


@pytest.mark.parametrize(("revision", "advice"), [(None, "uncommitted files"), ("f" * 40, f"check out {'f' * 40}")])
def test_inputs_that_are_nowhere(revision: str | None, advice: str, repository: Path, scratch: Path) -> None:
    made = record(repository, revision)
    (repository / "cmd/a file.go").unlink()
    with pytest.raises(InputsMissing, match=rf"not at hand: cmd/a file\.go differs in .*{advice}"):
        made.source(repository, scratch)


def dockerfile_now() -> str:
    return (project_root() / "docker/production" / f"Dockerfile.{IMAGE}").read_text()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_dockerfile_of_now_or_of_then(repository: Path) -> None:
    project = repository.parent
    path = project / "docker/production" / f"Dockerfile.{IMAGE}"
    path.parent.mkdir(parents=True)
    for text in ("FROM one\n", "FROM two\n"):
        path.write_text(text)
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", text)
    assert record(repository, None, sha256("FROM two\n")).dockerfile_text(project) == "FROM two\n"
    assert record(repository, None, sha256("FROM one\n")).dockerfile_text(project) == "FROM one\n"
    with pytest.raises(InputsMissing, match="not in this checkout's history"):
        record(repository, None, sha256("FROM three\n")).dockerfile_text(project)
