"""The deployment example's start of PostgreSQL, against a real one."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from carbide_deployment.database import START

from tests.engine.test_migrations import postgres_binary

pytestmark = pytest.mark.apart
OLD, NEW = "old", r"it's a new\one $HOME"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that the postgres user reaches."""
    found = Path("/tmp") / f"carbide-password-{os.getpid()}"  # noqa: S108
    found.mkdir()
    shutil.chown(found, "postgres", "postgres")
    yield found
    shutil.rmtree(found)


def as_postgres(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        user="postgres",
        group="postgres",
        extra_groups=[],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def start(folder: Path, password: str) -> None:
    """What the container runs, with an image's own entry point that only makes the database."""
    bin_dir = folder / "bin"
    bin_dir.mkdir(exist_ok=True)
    (bin_dir / "postgres").unlink(missing_ok=True)
    (bin_dir / "postgres").symlink_to(postgres_binary("postgres"))
    entry = bin_dir / "docker-entrypoint.sh"
    entry.write_text('#!/bin/sh\necho "$1" >"$PGDATA.started"\n')
    entry.chmod(0o755)
    path = f"{bin_dir}:{os.environ['PATH']}"
    env = {"PATH": path, "PGDATA": str(folder / "data"), "POSTGRES_PASSWORD": password}
    done = subprocess.run(["sh", "-c", START], cwd="/", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "data.started").read_text() == "postgres\n"


def test_a_changed_password_is_the_databases_at_its_next_start(folder: Path) -> None:
    start(folder, OLD)
    (folder / "password").write_text(OLD)
    initdb = [postgres_binary("initdb"), "--pgdata", f"{folder}/data", "--username", "carbide"]
    as_postgres(folder, *initdb, "--auth", "scram-sha-256", "--pwfile", f"{folder}/password").check_returncode()
    start(folder, NEW)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = (postgres_binary("pg_ctl"), "--pgdata", f"{folder}/data", "--wait")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    as_postgres(folder, *server, "--log", f"{folder}/log", "--options", options, "start").check_returncode()
    query = (postgres_binary("psql"), "-h", "127.0.0.1", "-p", port, "-U", "carbide", "-Atc", "select 1", "postgres")
    try:
        assert as_postgres(folder, *query, PGPASSWORD=NEW).stdout.strip() == "1"
        assert "password authentication failed" in as_postgres(folder, *query, PGPASSWORD=OLD).stderr
    finally:
        as_postgres(folder, *server, "--mode", "immediate", "stop")
