"""Where this package is from: the repository and commit that its own metadata name."""

import re
from importlib import metadata

from carbide_infra.errors import CommandError

DISTRIBUTION = "carbide-infra-build"
_URL = re.compile(r"https://github\.com/(?P<name>[\w.-]+/[\w.-]+?)(\.git)?/(tree|commit)/(?P<commit>[0-9a-f]{40})/?")
_GIVEN = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})")


def workflows_origin(given: str) -> str:
    """`OWNER/REPOSITORY@SHA` of the reusable workflows: as given, else the package's own; empty where nobody says it.

    Raises:
        CommandError: what is given is no such place.
    """
    if given:
        if not _GIVEN.fullmatch(given):
            msg = f"--workflows {given}: is not OWNER/REPOSITORY@SHA; a tag or branch may move, so name the whole SHA"
            raise CommandError(msg)
        return given
    found = (_URL.search(url) for url in _urls())
    return next((f"{match['name']}@{match['commit']}" for match in found if match), "")


def _urls() -> list[str]:
    try:
        return metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return []


def package_version() -> str:
    """The version of this package.

    Raises:
        CommandError: it is not installed.
    """
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        msg = f"requirements.txt is not written, for {DISTRIBUTION} is not installed here; install it with pip"
        raise CommandError(msg) from error
