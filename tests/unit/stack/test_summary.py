import json
from pathlib import Path
from typing import Any

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.transport import Transport
from carbide_infra.stack.summary import (
    build_failures,
    has_changes,
    image_seconds,
    image_sizes,
    markdown_summary,
)
from tests.support.registry_server import FakeRegistry, make_tls

URN = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:Image::carbide-rest-api"


def event(timestamp: int, kind: str, op: str, urn: str = URN) -> dict[str, Any]:
    metadata = {"urn": urn, "op": op, "type": "docker-build:index:Image"}
    return {"timestamp": timestamp, kind: {"metadata": metadata}}


def write(file: Path, *events: dict[str, Any]) -> Path:
    file.write_text("".join(json.dumps(entry) + "\n" for entry in events))
    return file


def test_seconds_are_between_start_and_outputs(tmp_path: Path) -> None:
    log = write(tmp_path / "log", event(10, "resourcePreEvent", "create"), event(52, "resOutputsEvent", "create"))
    assert image_seconds(log) == {"carbide-rest-api": 42}


def test_an_image_left_alone_has_no_seconds(tmp_path: Path) -> None:
    log = write(tmp_path / "log", event(10, "resourcePreEvent", "same"), event(10, "resOutputsEvent", "same"))
    assert image_seconds(log) == {}


def test_only_same_is_no_change(tmp_path: Path) -> None:
    assert not has_changes(write(tmp_path / "a", {"summaryEvent": {"resourceChanges": {"same": 30}}}))
    assert has_changes(write(tmp_path / "b", {"summaryEvent": {"resourceChanges": {"same": 30, "update": 1}}}))


def test_a_missing_log_tells_nothing(tmp_path: Path) -> None:
    assert image_seconds(tmp_path / "none") == {}


def test_a_failed_image_is_shown_with_what_its_step_printed(tmp_path: Path) -> None:
    def told(message: str) -> dict[str, Any]:
        return {"timestamp": 1, "diagnosticEvent": {"urn": URN, "message": message}}

    log = write(
        tmp_path / "log",
        told("#12 0.100 another step"),
        told("#12 DONE 0.2s"),
        told("#13 0.659 # example.com/ipam\n"),
        told("#13 0.659 main.go:87:24: undefined: x"),
        told("#14 0.659 main.go:87:24: undefined: x"),
        {"timestamp": 2, "resOpFailedEvent": {"metadata": {"urn": URN}}},
    )
    assert build_failures(log) == {"carbide-rest-api": ["# example.com/ipam", "main.go:87:24: undefined: x"]}


def test_the_table_for_a_page_has_every_image() -> None:
    images = {name: {"repository": f"vm:1/{name}", "tags": ["1.4.0-0f"], "digest": "sha256:0f"} for name in "abc"}
    assert markdown_summary(images, {"a": 7}, {"b"}).splitlines() == [
        "| Image | Reference | Digest | Seconds |",
        "| --- | --- | --- | --- |",
        "| a | `vm:1/a:1.4.0-0f` | `sha256:0f` | 7 |",
        "| b | `vm:1/b:1.4.0-0f` | `sha256:0f` | failed |",
        "| c | `vm:1/c:1.4.0-0f` | `sha256:0f` | unchanged |",
    ]


def test_sizes_are_read_from_the_registry(tmp_path: Path) -> None:
    context, trusted = make_tls(tmp_path)
    with FakeRegistry().running(context) as registry:
        digest = registry.put_image("team/image", {"linux/amd64": {}, "linux/arm64": {}})
        images = {
            "there": {"repository": f"{registry.server}/team/image", "digest": digest},
            "gone": {"repository": f"{registry.server}/team/image", "digest": "sha256:" + "0" * 64},
        }
        client = RegistryClient(registry.server, None, Transport({"SSL_CERT_FILE": str(trusted)}))
        sizes = image_sizes(images, client)
        index = json.loads(registry.manifests["team/image", digest][1])
        config, layer = (
            entry
            for reference in [index["manifests"][0]["digest"]]
            for manifest in [json.loads(registry.manifests["team/image", reference][1])]
            for entry in (manifest["config"], *manifest["layers"])
        )
    assert sizes["there"]["linux/amd64"] == config["size"] + layer["size"]
    assert set(sizes["there"]) == {"linux/amd64", "linux/arm64"}
    assert sizes["gone"] == {}
