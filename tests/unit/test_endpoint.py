"""What `registryServer = 'local'` means, and when it cannot be had."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from carbide_infra.endpoint import Endpoint, read_endpoint, registry_server, require_running, write_endpoint
from carbide_infra.errors import SetupError

DIGEST = f"sha256:{'0' * 64}"
ENDPOINT = Endpoint("vm:5443", "carbide-local", "/ca.pem", {"alpine:latest": DIGEST}, ("golang:1.25", "alpine:latest"))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_endpoint(tmp_path) is None
    write_endpoint(tmp_path, ENDPOINT)
    assert read_endpoint(tmp_path) == ENDPOINT


def test_one_whose_stand_ins_have_no_digests_is_set_up_anew(tmp_path: Path) -> None:
    write_endpoint(tmp_path, replace(ENDPOINT, stand_ins=("alpine:latest",)))  # type: ignore[arg-type]
    assert read_endpoint(tmp_path) is None


def test_local_is_the_registry_of_the_checkout(tmp_path: Path) -> None:
    assert registry_server("nvcr.io", tmp_path) == "nvcr.io"
    with pytest.raises(SetupError, match="no local registry was set up in this checkout; run make local-up"):
        registry_server("local", tmp_path)
    write_endpoint(tmp_path, ENDPOINT)
    assert registry_server("local", tmp_path) == "vm:5443"


def test_a_registry_that_is_down_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        require_running(address)
    with pytest.raises(SetupError, match=f"{address}, is down; run make local-up"):
        require_running(address)
