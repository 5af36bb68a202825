#!/usr/bin/env python3
"""runc for a machine that is itself a container: asks for no capability that this machine does not have.

Docker gives a privileged container all that the kernel knows, and runc refuses it where one of them is missing.
"""

import json
import os
import re
import sys
from pathlib import Path

# In the order of their numbers, from linux/capability.h.
NAMES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]


def available() -> set[str]:
    """The capabilities that a process of this machine can have at all."""
    found = re.search(r"^CapBnd:\s*(\w+)", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    bits = int(found[1], 16) if found else 0
    return {f"CAP_{name}" for number, name in enumerate(NAMES) if bits >> number & 1}


def reduce(file: Path) -> None:
    """Take what is not available out of a container's specification, or that of a process in it."""
    specification = json.loads(file.read_text(encoding="utf-8"))
    granted = specification.get("process", specification).get("capabilities") or {}
    for kind, names in granted.items():
        granted[kind] = sorted(available() & set(names))
    file.write_text(json.dumps(specification), encoding="utf-8")


if __name__ == "__main__":
    for option, value in zip(sys.argv, sys.argv[1:], strict=False):
        if option == "--bundle" and "create" in sys.argv:
            reduce(Path(value, "config.json"))
        elif option == "--process":
            reduce(Path(value))
    os.execvp("runc", ["runc", *sys.argv[1:]])  # noqa: S606
