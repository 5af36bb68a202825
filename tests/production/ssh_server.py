"""A git server that speaks ssh only, an agent with a key for it, and a builder image that has ssh as golang's has."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devenv.prerequisites import find_system_program
from tests.production.site import Site
from tests.support.debian_packages import CannotRunError, libraries_of, unpacked
from tests.support.servers import await_port

# Go wants a dot in a host's name, and a build step knows no name of this machine.
HOST = "127.0.0.1"
_CONFIG = """\
ListenAddress {host}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/me.pub
AuthenticationMethods publickey
UsePAM no
StrictModes no
PidFile none
ForceCommand sh {folder}/serve
"""
# sshd drops its rights to this user; all else about it is in a mount namespace of its own.
_PEOPLE = """\
root:x:0:0:root:/root:/bin/sh
sshd:*:65530:65530::/nowhere:/usr/sbin/nologin
git:*:0:0::/:/bin/sh
"""
# Addresses begin in the folder of the repositories.
_SERVE = """\
path=${{SSH_ORIGINAL_COMMAND#"git-upload-pack '"}}
exec git-upload-pack "{root}${{path%"'"}}"
"""
_START = """\
mount --bind "$1/passwd" /etc/passwd
mount -t tmpfs none /run
mkdir -m 0755 /run/sshd
exec "$2" -D -e -f "$1/sshd_config"
"""
_SSH = """\
FROM {base}
COPY libraries /opt/ssh
RUN printf '#!/bin/sh\\nexec /opt/ssh/{loader} --library-path /opt/ssh /opt/ssh/ssh "$@"\\n' > /usr/bin/ssh \\
    && chmod 755 /usr/bin/ssh
"""


@dataclass(frozen=True)
class SshServer:
    """What a stack has to know.

    Attributes:
        agent: socket of an agent that has a key for it.
        known_hosts: its line.
        stranger: the same line with another key.
        root: the folder of bare repositories, which its addresses begin in.
    """

    agent: str
    known_hosts: str
    stranger: str
    root: Path


@contextmanager
def ssh_server(root: Path) -> Iterator[SshServer]:
    """Start it.

    Raises:
        CannotRunError: there is no sshd, and Debian's cannot be had.
    """
    if os.geteuid() != 0:
        message = "a git server that speaks ssh needs root"
        raise CannotRunError(message)
    program, environment = _sshd()
    with tempfile.TemporaryDirectory(prefix="carbide-ssh-") as name, socket.create_server((HOST, 0)) as probe:
        folder, port = Path(name), probe.getsockname()[1]
        probe.close()
        for key in ("host", "me", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "sshd_config").write_text(_CONFIG.format(host=HOST, port=port, folder=folder))
        (folder / "passwd").write_text(_PEOPLE)
        (folder / "serve").write_text(_SERVE.format(root=root))
        with (folder / "log").open("w") as log:
            sshd = subprocess.Popen(
                ["unshare", "--mount", "sh", "-ec", _START, "sh", folder, program], env=environment, stderr=log
            )
            agent = subprocess.Popen(["ssh-agent", "-D", "-a", folder / "agent"], stdout=subprocess.DEVNULL)
            try:
                await_port(f"{HOST}:{port}", sshd, folder / "log")
                added = {**os.environ, "SSH_AUTH_SOCK": str(folder / "agent")}
                subprocess.run(["ssh-add", "-q", folder / "me"], env=added, check=True)
                lines = [f"[{HOST}]:{port} {' '.join(_public(folder / key))}" for key in ("host", "stranger")]
                yield SshServer(str(folder / "agent"), lines[0], lines[1], root)
            finally:
                for process in (sshd, agent):
                    process.send_signal(signal.SIGTERM)
                    process.wait()


def builder_with_ssh(site: Site, folder: Path) -> str:
    """The builder image with this machine's ssh in it: the stand-in has none."""
    ssh = shutil.which("ssh")
    if ssh is None:
        message = "there is no ssh"
        raise CannotRunError(message)
    libraries = folder / "libraries"
    libraries.mkdir(parents=True)
    said = subprocess.run(["ldd", ssh], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"(/\S+) \(0x", said)
    for file in (ssh, *found):
        shutil.copy(file, libraries)
    loader = next(Path(file).name for file in found if "/ld-" in file)
    reference = f"{site.bases.address}/library/golang:ssh"
    (folder / "Dockerfile").write_text(_SSH.format(base=site.base("golang", "1.25"), loader=loader))
    site.checkout.new_shell(f"buildx build --quiet --push --provenance=false --tag {reference} {folder}")
    return site.base("golang", "ssh")


def _sshd() -> tuple[str, dict[str, str]]:
    if found := find_system_program("sshd"):
        return str(found), dict(os.environ)
    root = unpacked("openssh-server")
    return f"{root}/usr/sbin/sshd", {**os.environ, "LD_LIBRARY_PATH": libraries_of(root)}


def _public(key: Path) -> list[str]:
    return key.with_suffix(".pub").read_text().split()[:2]
