"""The environment of a Go command that writes into one folder and nowhere else."""

import os
from pathlib import Path


def contained_go(folder: Path) -> dict[str, str]:
    """Give the shell's environment with every path that Go writes to inside `folder`.

    The user's own Go settings, such as GOPROXY set with `go env -w`, stay in force.
    """
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return os.environ | {
        "GO111MODULE": "on",
        "GOCACHE": str(folder / "build"),
        "GOENV": os.environ.get("GOENV") or str(settings / "go" / "env"),
        # Without -modcacherw nobody could delete the folder with a plain rm -r.
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOMODCACHE": str(folder / "mod"),
        "GOPATH": str(folder),
        "GOWORK": "off",
        # Go counts its own uses in a folder below this one; it does without.
        "XDG_CONFIG_HOME": os.devnull,
    }
