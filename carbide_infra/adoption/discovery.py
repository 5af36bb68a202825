"""Finds the Dockerfiles of a clone, and the names of the images that they make."""

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from carbide_infra.adoption.dockerfiles import PLACES, Recipe
from carbide_infra.adoption.go_list import NOT_THEIRS
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.errors import CommandError
from carbide_infra.registry.reference import COMPONENT

_DOCKERFILE = re.compile(
    r"(Dockerfile|Containerfile)([._-](?P<suffix>[\w.-]+))?|(?P<prefix>[\w.-]+)\.(Dockerfile|dockerfile|Containerfile)"
)
_TEMPLATE = re.compile(r".*\.(tmpl|tpl|j2|jinja2?|in|template|erb|m4|gotmpl)")
_OF_TOOLS = frozenset({".devcontainer", ".github"})
# What tells a variant of an image, and not an image.
_VARIANTS = frozenset(
    {
        *("dev", "debug", "local", "test", "tests", "ci", "e2e", "prod", "production", "release", "alpine"),
        *("distroless", "debian"),
    }
)


def dockerfiles(files: TreeFiles, skipped: Sequence[str]) -> list[str]:
    """The Dockerfiles of a clone, without what is not its own or is to be skipped."""
    found = [name for name in files.names if _is_dockerfile(name)]
    return [name for name in found if not any(matches(name, pattern) for pattern in skipped)]


def matches(name: str, pattern: str) -> bool:
    """Whether a path is what `--skip` names: itself, a folder above it, or a pattern."""
    pattern = posixpath.normpath(pattern)
    return name == pattern or name.startswith(f"{pattern}/") or fnmatch.fnmatchcase(name, pattern)


def is_template(name: str) -> bool:
    """Whether its name says that it is a template of a Dockerfile."""
    return _TEMPLATE.fullmatch(posixpath.basename(name)) is not None


def _is_dockerfile(name: str) -> bool:
    folder, base = posixpath.split(name)
    is_one = _DOCKERFILE.fullmatch(base) is not None and not base.endswith(".dockerignore")
    return is_one and not (NOT_THEIRS | _OF_TOOLS) & set(folder.split("/"))


def recipes(names: Sequence[str], others: Sequence[str], repository: str) -> list[Recipe]:
    """The images of Dockerfiles that no build file names, by their places among the others."""
    return [Recipe(image_name(name, others, repository), name) for name in names]


def image_name(file: str, others: Iterable[str], repository: str) -> str:
    """The name of an image by the place of its Dockerfile."""
    folder, base = posixpath.split(file)
    found = _DOCKERFILE.fullmatch(base)
    suffix = ((found["suffix"] or found["prefix"]) if found else "") or ""
    by_folder = _of_folder(folder, repository)
    if not suffix:
        return as_name(by_folder)
    beside = {posixpath.basename(each) for each in others if posixpath.dirname(each) == folder}
    is_variant = suffix.lower() in _VARIANTS or (bool({"Dockerfile", "Containerfile"} & beside) and folder != "")
    return as_name(f"{by_folder}-{suffix}" if is_variant else suffix)


def _of_folder(folder: str, repository: str) -> str:
    names = [name for name in folder.split("/") if name and name.lower() not in PLACES]
    return names[-1] if names else repository


def as_name(text: str) -> str:
    """A text as a name of an image."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:128]
    return name if re.fullmatch(COMPONENT, name) else "image"


def require_distinct(found: Sequence[Recipe]) -> None:
    """Refuse two Dockerfiles of one image.

    Raises:
        CommandError: there are.
    """
    for name, recipe, other in _doubles(found):
        msg = f"{name}: {other.file} and {recipe.file} both make it; leave one of them out with --skip {recipe.file}"
        raise CommandError(msg)


def _doubles(found: Sequence[Recipe]) -> Iterator[tuple[str, Recipe, Recipe]]:
    seen: dict[str, Recipe] = {}
    for recipe in found:
        other = seen.setdefault(recipe.name, recipe)
        if other is not recipe:
            yield recipe.name, recipe, other
