"""What `make up` made: every image on both platforms, as the registry has it and as it runs."""

import datetime as dt
import io
import json
import re
import struct
import tarfile
from pathlib import Path

import pytest

from carbide_infra.catalogue.model import Image
from tests.engine.clones import apart
from tests.engine.conftest import MARKER, PROXY_MARKER, Deployed
from tests.engine.containers import Bundle
from tests.engine.previews import IMAGE
from tests.engine.registry import Platform
from tests.support.catalogue import CATALOGUE, port_of

pytestmark = pytest.mark.apart
PLATFORMS = ("linux/amd64", "linux/arm64")
VERSION = "1.4.0"
GRACE = 10
# Compressed megabytes, at most: the table in the README of docker/production.
BUDGETS = {"carbide-rest-db": 35, "carbide-site-agent": 45}
DEFAULT_BUDGET = 30
AARCH64 = 183
PT_DYNAMIC, PT_INTERP = 2, 3

SERVICES = pytest.mark.parametrize("service", CATALOGUE.values(), ids=lambda service: service.name)
SERVERS = pytest.mark.parametrize(
    "service", [s for s in CATALOGUE.values() if s.ports], ids=lambda service: service.name
)


def test_up_ends_with_a_table_of_all_images(deployed: Deployed) -> None:
    rows = {line.split()[0]: line for line in deployed.output.splitlines() if line.startswith("carbide-")}
    assert set(rows) >= set(CATALOGUE)
    for name, image in deployed.images.items():
        assert image["digest"] in rows[name]
        assert f"{image['repository']}:{image['tags'][0]}" in rows[name]
        assert re.search(r" \d+\.\d \d+\.\d +digest new +\d+ *$", rows[name])
    assert "7 images rebuilt, 7 new digests: deployments of 7 images restart when they are updated." in deployed.output


def test_outputs_are_the_contract(deployed: Deployed) -> None:
    assert set(deployed.images) == set(CATALOGUE)
    for name, image in deployed.images.items():
        assert image["ref"] == f"{image['repository']}@{image['digest']}"
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"])
        assert re.fullmatch(rf"{VERSION}-[0-9a-f]{{12}}", image["tags"][0])
        assert image["tags"][1:] == [VERSION, deployed.revision]
        assert image["platforms"] == list(PLATFORMS)
        assert (image["version"], image["goVersion"], image["user"]) == (VERSION, "1.25", "1000:1000")
        assert image["port"] == port_of(CATALOGUE[name])


@SERVICES
@pytest.mark.parametrize("platform", PLATFORMS)
def test_config_keeps_the_promises(service: Image, platform: str, deployed: Deployed) -> None:
    platforms = deployed.platforms(service.name)
    assert set(platforms) == set(PLATFORMS)
    content = platforms[platform].config
    assert f"{content['os']}/{content['architecture']}" == platform
    config = content["config"]
    assert config["User"] == "1000:1000"
    assert config["Entrypoint"] == [service.binaries[0].path]
    assert "Cmd" not in config or not config["Cmd"]
    assert config["WorkingDir"] == "/app"
    assert config.get("ExposedPorts", {}) == ({} if not service.ports else {f"{port_of(service)}/tcp": {}})
    assert config.get("StopSignal") == (None if not service.ports else "SIGTERM")
    health = config["Healthcheck"]
    assert health["Test"] == ["CMD", service.binaries[0].path, "health"]
    assert health["Interval"] == 30 * 10**9
    assert min(health["Timeout"], health["StartPeriod"]) > 0
    assert health["Retries"] == 3
    assert [entry.split("=")[0] for entry in config.get("Env", [])] == ["PATH"]


@SERVICES
@pytest.mark.parametrize("platform", PLATFORMS)
def test_labels_say_what_the_image_is(service: Image, platform: str, deployed: Deployed) -> None:
    labels = deployed.platforms(service.name)[platform].config["config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == service.name
    assert labels[f"{prefix}version"] == VERSION
    assert labels[f"{prefix}base.name"] == "alpine:latest"
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert labels[f"{prefix}source"].startswith("https://")
    assert labels[f"{prefix}description"]
    stand_ins = json.loads((deployed.checkout.root / ".local/endpoint.json").read_text())["stand_ins"]
    assert ("com.nvidia.carbide.stand-in-base" in labels) == bool(stand_ins)


@SERVICES
@pytest.mark.parametrize("platform", PLATFORMS)
def test_image_is_within_its_budget(service: Image, platform: str, deployed: Deployed) -> None:
    size = deployed.platforms(service.name)[platform].compressed_size
    assert size <= BUDGETS.get(service.name, DEFAULT_BUDGET) * 10**6


@SERVICES
@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_clock_reaches_a_layer(service: Image, platform: str, deployed: Deployed) -> None:
    *_, files, binary = deployed.platforms(service.name)[platform].layers()
    times: dict[str, float] = {}
    for layer in (files, binary):
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            times |= {entry.name: entry.mtime for entry in archive}
    assert {"etc/passwd", "app", service.binaries[0].path[1:]} <= times.keys()
    assert set(times.values()) == {0}


@SERVICES
@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_secret_is_in_the_image(service: Image, platform: str, deployed: Deployed, private_ca: str) -> None:
    image = deployed.platforms(service.name)[platform]
    needles = [MARKER, PROXY_MARKER, *private_ca.splitlines()[1:-1]]
    haystack = [json.dumps(image.manifest).encode(), json.dumps(image.config).encode(), *image.layers()]
    for needle in needles:
        assert not any(needle.encode() in straw for straw in haystack), needle


def test_nothing_secret_is_in_the_build_arguments(deployed: Deployed, private_ca: str, tmp_path: Path) -> None:
    state = apart(deployed, tmp_path).resources()
    images = [resource for resource in state if resource["type"] == IMAGE]
    assert len(images) == len(CATALOGUE)
    for image in images:
        inputs = image["inputs"]
        public = json.dumps({k: v for k, v in inputs.items() if k != "secrets"})
        assert MARKER not in json.dumps(state)
        assert PROXY_MARKER not in public
        assert not {key for key in inputs["buildArgs"] if "PROXY" in key}
        assert "ciphertext" in inputs["secrets"]
        assert private_ca.splitlines()[1] not in json.dumps(state)


@SERVICES
def test_version_is_that_of_the_source(service: Image, bundles: dict[str, Bundle]) -> None:
    done = bundles[service.name].run("--version")
    assert (done.returncode, done.stdout) == (0, f"{service.name} {VERSION}\n"), done.stderr


@SERVERS
def test_server_becomes_healthy_and_stops_on_its_signal(service: Image, bundles: dict[str, Bundle]) -> None:
    with bundles[service.name].started() as container:
        container.wait_until_healthy()
        assert container.stop(GRACE) == 0, container.log.read_text()


def test_build_time_is_when_version_last_changed(deployed: Deployed, bundles: dict[str, Bundle]) -> None:
    version = "examples/carbide-rest-api/VERSION"
    epoch = int(deployed.checkout.git("log", "-1", "--format=%ct", deployed.revision, "--", version))
    built = dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with bundles["carbide-rest-ipam"].started() as container:
        container.wait_until_healthy()
        assert json.loads(container.log.read_text().splitlines()[0])["built"] == built
    assert deployed.platforms("carbide-rest-ipam")["linux/amd64"].config["created"] == built


@SERVERS
def test_health_is_unhealthy_while_nothing_listens(service: Image, bundles: dict[str, Bundle]) -> None:
    assert bundles[service.name].run("health").returncode == 1


@SERVICES
def test_root_file_system_has_what_the_image_promises(service: Image, bundles: dict[str, Bundle]) -> None:
    root = bundles[service.name].folder / "rootfs"
    assert "appuser:x:1000:1000:" in (root / "etc/passwd").read_text()
    assert "appuser:x:1000:" in (root / "etc/group").read_text()
    assert "root:" in (root / "etc/passwd").read_text()
    assert (root / "etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE") > 100
    assert (root / "usr/share/zoneinfo/Europe/Berlin").read_bytes().startswith(b"TZif")
    certificates = (root / "var/secrets/temporal/certs").stat()
    assert (certificates.st_uid, certificates.st_gid) == (1000, 1000)
    assert not list((root / "root").glob(".netrc"))
    assert not (root / "usr/local/go").exists()


@SERVICES
@pytest.mark.parametrize("platform", PLATFORMS)
def test_binary_is_static_and_for_its_platform(service: Image, platform: str, deployed: Deployed) -> None:
    binary = _file(deployed.platforms(service.name)[platform], service.binaries[0].path[1:])
    machine, headers = _elf(binary)
    assert (machine == AARCH64) == (platform == "linux/arm64")
    assert not headers & {PT_DYNAMIC, PT_INTERP}
    assert b".debug_info" not in binary
    assert b"/src/" + service.binaries[0].package.removeprefix("./").encode() not in binary


def test_reading_the_migrations_database_settings(bundles: dict[str, Bundle]) -> None:
    env = {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_NAME": "nowhere", "DB_WAIT": "1s"}
    done = bundles["carbide-rest-db"].run(env=env)
    assert done.returncode == 1
    assert "127.0.0.1" in done.stdout + done.stderr
    assert "nowhere" in done.stdout + done.stderr


def _file(image: Platform, path: str) -> bytes:
    for layer in image.layers():
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            for member in archive.getmembers():
                if member.name.removeprefix("./") == path:
                    content = archive.extractfile(member)
                    assert content is not None
                    assert member.mode & 0o111
                    return content.read()
    pytest.fail(f"{path} is in no layer")


def _elf(binary: bytes) -> tuple[int, set[int]]:
    """The machine and the types of the program headers of a 64-bit little-endian ELF file."""
    assert binary[:6] == b"\x7fELF\x02\x01"
    (machine,) = struct.unpack_from("<H", binary, 18)
    (offset,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    return machine, {struct.unpack_from("<I", binary, offset + index * size)[0] for index in range(count)}
