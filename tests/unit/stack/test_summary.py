import json
from pathlib import Path

import pytest

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.transport import Transport
from carbide_infra.stack.summary import Outcome, image_sizes, markdown_summary
from tests.support.registry_server import FakeRegistry, make_tls


def test_the_table_for_a_page_has_every_image() -> None:
    images = {name: {"repository": f"vm:1/{name}", "tags": ["1.4.0-0f"], "digest": "sha256:0f"} for name in "abcd"}
    outcome = Outcome({"a": 7, "d": 3}, {"a": True, "d": False}, {"b"})
    assert markdown_summary(images, outcome).splitlines() == [
        "2 images rebuilt, 1 new digest: deployments of a restart when they are updated.",
        "",
        "| Image | Digest is | Seconds | Reference | Digest |",
        "| --- | --- | --- | --- | --- |",
        "| a | digest new | 7 | `vm:1/a:1.4.0-0f` | `sha256:0f` |",
        "| b | failed |  | `vm:1/b:1.4.0-0f` | `sha256:0f` |",
        "| c | unchanged |  | `vm:1/c:1.4.0-0f` | `sha256:0f` |",
        "| d | as before | 3 | `vm:1/d:1.4.0-0f` | `sha256:0f` |",
    ]


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ({}, "No image was built: nothing restarts."),
        ({"a": False}, "1 image rebuilt, 0 new digests: nothing restarts."),
        ({"b": True, "a": True, "c": False},
         "3 images rebuilt, 2 new digests: deployments of a, b restart when they are updated."),
        (dict.fromkeys("abcd", True),
         "4 images rebuilt, 4 new digests: deployments of 4 images restart when they are updated."),
    ],
)  # fmt: skip
def test_a_sentence_ends_the_run(new: dict[str, bool], told: str) -> None:
    assert Outcome({}, new).sentence == told


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
