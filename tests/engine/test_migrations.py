"""The migration image against a real PostgreSQL."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.prerequisites import ensure_debian_packages
from tests.engine.containers import Bundle

pytestmark = pytest.mark.apart
BINARIES = "/usr/lib/postgresql/*/bin"


def postgres_binary(name: str) -> str:
    found = sorted(Path("/").glob(f"{BINARIES.removeprefix('/')}/{name}"))
    if not found:
        # The package's own cluster would be a server that nobody asked for; its binaries are enough.
        ensure_debian_packages({"pg_ctlcluster": "postgresql"})
        found = sorted(Path("/").glob(f"{BINARIES.removeprefix('/')}/{name}"))
    return str(found[-1])


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """A PostgreSQL of the test's own; gives the settings to reach it."""
    folder = Path("/tmp") / f"carbide-postgres-{os.getpid()}"  # noqa: S108 - the postgres user must reach it
    owner = pwd.getpwnam("postgres")
    folder.mkdir(mode=0o700)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def as_postgres(*command: str) -> None:
        subprocess.run(command, user="postgres", group="postgres", cwd=folder, check=True, capture_output=True)

    as_postgres(postgres_binary("initdb"), "--pgdata", f"{folder}/data", "--username", "carbide", "--auth", "trust")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    server = (postgres_binary("pg_ctl"), "--pgdata", f"{folder}/data")
    as_postgres(*server, "--wait", "--log", f"{folder}/log", "--options", options, "start")
    try:
        as_postgres(
            postgres_binary("createdb"), "--host", "127.0.0.1", "--port", str(port), "--username", "carbide", "carbide"
        )
        yield {"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_NAME": "carbide", "DB_USER": "carbide"}
    finally:
        as_postgres(*server, "--mode", "immediate", "stop")
        shutil.rmtree(folder)


def _query(database: dict[str, str], sql: str) -> str:
    command = [
        postgres_binary("psql"),
        "-At",
        "-h",
        database["DB_HOST"],
        "-p",
        database["DB_PORT"],
        "-U",
        "carbide",
        "-c",
        sql,
    ]
    return subprocess.run([*command, "carbide"], check=True, capture_output=True, text=True).stdout.strip()


def test_migrations_run_once_and_end(bundles: dict[str, Bundle], database: dict[str, str]) -> None:
    first = bundles["carbide-rest-db"].run(env=database, host_network=True)
    assert first.returncode == 0, first.stdout + first.stderr
    applied = _query(database, "select count(*) from schema_migrations")
    assert int(applied) > 0
    again = bundles["carbide-rest-db"].run(env=database, host_network=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _query(database, "select count(*) from schema_migrations") == applied
    assert bundles["carbide-rest-db"].run("health", env=database, host_network=True).returncode == 0
