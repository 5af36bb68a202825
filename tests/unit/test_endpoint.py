"""What `registryServer = 'local'` means, and when it cannot be had."""

import socket
from pathlib import Path

import pytest

from carbide_infra.endpoint import Endpoint, read_endpoint, registry_server, require_running, write_endpoint
from carbide_infra.errors import SetupError

ENDPOINT = Endpoint("vm:5443", "carbide-local", "/ca.pem", ("alpine:latest",), ("golang:1.25", "alpine:latest"))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_endpoint(tmp_path) is None
    write_endpoint(tmp_path, ENDPOINT)
    assert read_endpoint(tmp_path) == ENDPOINT


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
