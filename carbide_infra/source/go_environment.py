"""Where this machine's Go gets modules from, as the go command itself says."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

# What decides where modules come from and who vouches for them. GOFLAGS and the like would change what is built.
NAMES = ("GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE", "GOVCS")
# Follow GOPRIVATE where nobody sets them: a stack's goPrivate must be able to move them.
_FOLLOWING = frozenset({"GONOPROXY", "GONOSUMDB"})
# Nothing that a source tree says counts here, and no other Go is fetched to answer.
_ANYWHERE = "/"
_ALONE = {"GOTOOLCHAIN": "local", "GOWORK": "off"}
_SECONDS = 20


def module_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that are not Go's own: of the environment, and of `go env -w` where there is a go command."""
    given = {name: environment[name] for name in NAMES if environment.get(name)}
    go = shutil.which("go", path=environment.get("PATH", os.defpath))
    answered = _answered(go, environment) if go else {}
    own = _own(go) if go else {}
    private = answered.get("GOPRIVATE", "")
    kept = {
        name: value
        for name, value in answered.items()
        if value and value != own.get(name) and not (name in _FOLLOWING and value == private)
    }
    return {name: value for name in NAMES if (value := given.get(name) or kept.get(name))}


def _own(go: str) -> dict[str, str]:
    """What this Go does unasked, from the go.env that comes with it; nothing where that is elsewhere."""
    try:
        lines = (Path(go).resolve().parents[1] / "go.env").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines) if name in NAMES}


def _answered(go: str, environment: Mapping[str, str]) -> dict[str, str]:
    try:
        done = subprocess.run(
            [go, "env", "-json", *NAMES],
            cwd=_ANYWHERE,
            env={**environment, **_ALONE},
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
        return {name: str(value) for name, value in json.loads(done.stdout).items() if name in NAMES}
    except (OSError, subprocess.SubprocessError, ValueError, AttributeError):
        return {}
