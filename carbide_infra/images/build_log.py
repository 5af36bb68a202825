"""What a failed build step printed, as BuildKit shows it and keeps it for a while."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from carbide_infra.errors import MissingPrerequisite
from carbide_infra.programs import find_buildx

# Of a failed build step; the compiler itself stops after ten errors a package.
LAST_LINES = 40
_SECONDS = 10
# The provider builds on the stack's builder or buildx's current one, and knows nothing of this variable.
_UNHEEDED = "BUILDX_BUILDER"


def failed_steps(log: str) -> list[str]:
    """The last lines of the BuildKit steps that did not end well, as in "#13 0.659 main.go:87:24: undefined: x"."""
    lines = log.splitlines()
    ended = {match[1] for line in lines if (match := re.match(r"#(\d+) (DONE|CACHED)\b", line))}
    output = [match for line in lines if (match := re.match(r"#(\d+) \d+\.\d+ (.*)", line))]
    # Both platforms fail with the same words.
    return list(dict.fromkeys(match[2] for match in output if match[1] not in ended))[-LAST_LINES:]


def kept_failure(context: str, builder: str | None, environment: Mapping[str, str]) -> list[str]:
    """What the last failed build of a context printed; nothing where the builder does not tell."""
    try:
        buildx = find_buildx(environment)
        failed = _asked(
            buildx, builder, environment, "ls", "--filter", "status=error", "--no-trunc", "--format", "json"
        )
        build = _newest(failed.splitlines(), context)
        return failed_steps(_asked(buildx, builder, environment, "logs", build)) if build else []
    except (MissingPrerequisite, OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        # The provider's own words stand there anyhow.
        return []


def _newest(records: Iterable[str], context: str) -> str:
    """The reference of the newest record of a context."""
    builds = [build for build in map(json.loads, records) if context in build["name"]]
    newest = max(builds, key=lambda build: str(build["created_at"]), default={"ref": ""})
    return str(newest["ref"]).rpartition("/")[2]


def _asked(buildx: Path, builder: str | None, environment: Mapping[str, str], *question: str) -> str:
    command = [str(buildx), *(("--builder", builder) if builder else ()), "history", *question]
    plain = {key: value for key, value in environment.items() if key != _UNHEEDED}
    done = subprocess.run(
        command, env=plain, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_SECONDS
    )
    # buildx prints logs to stderr.
    return (done.stdout + done.stderr).decode(errors="replace")
