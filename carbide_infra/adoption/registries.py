"""Finds where a repository's images go today: in its workflows, and by what its user says."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from carbide_infra.adoption.project import Registry
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.adoption.words import place
from carbide_infra.errors import CommandError
from carbide_infra.registry.reference import COMPONENT
from carbide_infra.source.tree import InputError

_HOST = r"(?P<server>[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+(:\d+)?)"
_REFERENCE = re.compile(rf"(?<![\w/@.-]){_HOST}/(?P<path>[a-z0-9._/-]*[a-z0-9])(?=[:@\s'\"]|$)")
_SERVER = re.compile(_HOST)
_KEYS = re.compile(r"(^|_)(registry|image|images|tags|repository)(_|$)|image_name", re.IGNORECASE)
# Where actions and bases are from, and not where images go.
_NOT_A_REGISTRY = frozenset({"github.com", "api.github.com", "token.actions.githubusercontent.com"})
# By its port alone a name without a dot is a server's.
_SERVER_OR_LOCAL = re.compile(rf"local|localhost|[a-z0-9][a-z0-9-]*:\d+|{_HOST}")


def of_user(text: str) -> Registry:
    """What `--registry` says: `registry.example.com/team`, or `local` for the local registry of the kit.

    Raises:
        CommandError: it is neither.
    """
    server, _, repository = text.rstrip("/").partition("/")
    components = repository.split("/") if repository else []
    if not _SERVER_OR_LOCAL.fullmatch(server) or not all(re.fullmatch(COMPONENT, each) for each in components):
        msg = f"--registry {text}: is no registry with a repository; a good value: registry.example.com/team"
        raise CommandError(msg)
    if not repository and server != "local":
        msg = f"--registry {text}: names no repository below it; a good value: {server}/team"
        raise CommandError(msg)
    return Registry(server, repository, "--registry")


def of_workflows(files: TreeFiles, names: set[str], pulled: Registry | None = None) -> Registry | None:
    """What the repository's workflows push to, where one of them says it plainly.

    Args:
        files: of the repository.
        names: those of its images, which are no part of the prefix.
        pulled: where charts take its images from, which counts for more than a workflow that names none of them.
    """
    found = list(_found(files))
    plain = [(server, path, where) for server, path, where in found if path]
    for server, path, where in plain:
        head, _, last = path.rpartition("/")
        if last in names and head:
            return Registry(server, head, where)
    if pulled:
        return pulled
    if plain:
        server, path, where = plain[0]
        return Registry(server, path, where)
    return Registry(found[0][0], "", found[0][2]) if found else None


def _found(files: TreeFiles) -> Iterator[tuple[str, str, str]]:
    for name in files.names:
        if not re.fullmatch(r"\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml", name):
            continue
        try:
            text = files.text(name)
            data = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - builds no objects
        except (InputError, yaml.YAMLError, RecursionError):
            continue
        for value in _values(data, set(), is_wanted=False):
            for match in _REFERENCE.finditer(value):
                yield from _one(match["server"], match["path"], name, text)
            if _SERVER.fullmatch(value):
                yield from _one(value, "", name, text)


def _one(server: str, path: str, name: str, text: str) -> Iterator[tuple[str, str, str]]:
    if server not in _NOT_A_REGISTRY:
        yield server, path, place(name, text, text.find(server))


def _values(data: Any, seen: set[tuple[int, bool]], *, is_wanted: bool) -> Iterator[str]:  # noqa: ANN401 - what YAML has
    """Texts below keys that are about images; what aliases repeat is looked at once."""
    if isinstance(data, str):
        if is_wanted:
            yield data
    elif (id(data), is_wanted) not in seen:
        seen.add((id(data), is_wanted))
        if isinstance(data, Mapping):
            for key, value in data.items():
                is_about = bool(_KEYS.search(str(key))) or (is_wanted and key == "value")
                yield from _values(value, seen, is_wanted=is_about)
        elif isinstance(data, list):
            for value in data:
                yield from _values(value, seen, is_wanted=is_wanted)
