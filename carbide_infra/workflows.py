"""The workflows that other repositories call: of which repository and commit, and how a file names them."""

import re
from dataclasses import dataclass
from importlib import metadata

from carbide_infra.errors import CommandError

NAMES = ("preview", "comment", "up", "release", "drift")
"""Each is a file that can be called."""

DISTRIBUTION = "carbide-infra-build"
_NAMED = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)@(?P<commit>[0-9a-f]{40})", re.ASCII)
# As tools/origin.py writes it when the distribution is built.
_URL = re.compile(r"Workflows, https://github\.com/(?P<repository>[\w.-]+/[\w.-]+)/tree/(?P<commit>[0-9a-f]{40})")


@dataclass(frozen=True)
class Workflows:
    """Where they are.

    Attributes:
        repository: owner and name.
        commit: the full SHA, so that nobody else decides what runs.
    """

    repository: str
    commit: str

    def uses(self, name: str) -> str:
        """What a job's `uses:` says to call one of them."""
        return f"{self.repository}/.github/workflows/{name}.yml@{self.commit}"


UNKNOWN = (
    "this carbide-infra does not say which repository and commit it was built from (only wheels of a commit that is on "
    "GitHub do); name the workflows to call: --workflows OWNER/REPOSITORY@SHA"
)
"""What to say where there are none."""


def named_workflows(given: str = "") -> Workflows | None:
    """Those that the option `--workflows` names, else those of the commit that this package was built from, if known.

    Raises:
        CommandError: the option is malformed.
    """
    if not given:
        return _own()
    named = _NAMED.fullmatch(given)
    if named is None:
        message = f"--workflows {given!r}: is not OWNER/REPOSITORY@SHA, with the commit's 40 digits: a branch moves"
        raise CommandError(message)
    return Workflows(**named.groupdict())


def _own() -> Workflows | None:
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    if '"editable": true' in (distribution.read_text("direct_url.json") or ""):
        # It was built from the commit of another day.
        return None
    urls = (_URL.fullmatch(url) for url in distribution.metadata.get_all("Project-URL") or ())
    return next((Workflows(**url.groupdict()) for url in urls if url), None)
