"""Reads docker-bake and compose files, as buildx itself evaluates them: without environment, network or other files."""

import json
import os
import posixpath
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from carbide_infra.adoption.discovery import as_name
from carbide_infra.adoption.dockerfiles import Recipe
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.errors import CommandError, MissingPrerequisite, shown
from carbide_infra.processes import last_lines
from carbide_infra.programs import find_buildx

_BAKE = ("docker-bake.json", "docker-bake.override.json", "docker-bake.hcl", "docker-bake.override.hcl")
_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_SECONDS = 30
_REMOTE = re.compile(r"[a-z+]+://|git@|[a-z-]+:(?!/)")
# Other files, which buildx would read for itself.
_OTHERS = ("include", "extends", "env_file")
# docker/metadata-action writes the tags of other targets into it.
_OF_ACTION = "docker-metadata-action"
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class BuildFiles:
    """What the build files of a clone say.

    Attributes:
        recipes: how images are built.
        notes: what a person should know of them.
    """

    recipes: tuple[Recipe, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    recipes: list[Recipe] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def build_files(files: TreeFiles, is_skipped: Callable[[str], bool]) -> BuildFiles:
    """What the build files at the root of a clone say.

    Args:
        files: of the clone.
        is_skipped: whether a build file is left out.

    Raises:
        CommandError: one does not evaluate.
    """
    found = _Found()
    bake = [name for name in _BAKE if files.is_file(name) and not is_skipped(name)]
    compose = [name for name in _COMPOSE if files.is_file(name) and not is_skipped(name)][:1]
    for names in (bake, compose):
        if names:
            _read(names, files, found)
    return BuildFiles(tuple(found.recipes), tuple(found.notes))


def _read(names: Sequence[str], files: TreeFiles, found: _Found) -> None:
    texts = {name: files.text(name) for name in names}
    if names[0] in _COMPOSE:
        other = _other_file(texts[names[0]])
        if other:
            found.notes.append(f"{names[0]}: is not read, for it has {other}: name its images in the catalogue by hand")
            return
    try:
        plan = _evaluated(texts)
    except MissingPrerequisite:
        found.notes.append(
            f"{names[0]}: is not read, for buildx is not there; install it, or take the Dockerfiles' own names"
        )
        return
    # What a bake file says of a Dockerfile is for the images that are published.
    known = {recipe.file for recipe in found.recipes}
    found.recipes += [recipe for recipe in recipes_of(plan, names[-1], files) if recipe.file not in known]


def _other_file(text: str) -> str:
    """What would have a compose file read another one."""
    try:
        data = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - builds no objects
    except (yaml.YAMLError, RecursionError):
        # Whoever reads it otherwise may find more in it.
        return "what is not read here as YAML"
    found = set(_keys(data, set()))
    return next((key for key in _OTHERS if key in found), "")


def _keys(data: Any, seen: set[int]) -> Iterator[str]:  # noqa: ANN401 - what YAML has
    """All keys at any depth; what aliases repeat is looked at once."""
    if id(data) in seen or not isinstance(data, Mapping | list):
        return
    seen.add(id(data))
    if isinstance(data, Mapping):
        yield from map(str, data)
    for value in data.values() if isinstance(data, Mapping) else data:
        yield from _keys(value, seen)


def _evaluated(texts: Mapping[str, str]) -> Mapping[str, Any]:
    """The plan, made from these texts alone in a folder of their own.

    Raises:
        MissingPrerequisite: there is no buildx.
        CommandError: they do not evaluate.
    """
    buildx = find_buildx()
    with tempfile.TemporaryDirectory(prefix="carbide-bake-") as folder:
        for name, text in texts.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        named = [word for name in texts for word in ("--file", name)]
        command = [str(buildx), "bake", *named, "--progress", "quiet", "--print", "*"]
        environment = {"HOME": folder, "DOCKER_CONFIG": folder, "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandError(_problem(texts, str(error))) from error
    if done.returncode:
        words = [line for line in last_lines(done.stderr).splitlines() if line.startswith("ERROR: ")]
        raise CommandError(_problem(texts, words[-1].removeprefix("ERROR: ") if words else "buildx says nothing"))
    try:
        plan = json.loads(done.stdout)
    except ValueError:
        plan = None
    if not isinstance(plan, dict):
        raise CommandError(_problem(texts, "buildx prints no plan"))
    return plan


def _problem(texts: Mapping[str, str], why: str) -> str:
    name = next(iter(texts))
    return f"{name} does not evaluate ({shown(why)}); put that right, or leave it out with --skip {name}"


def recipes_of(plan: Mapping[str, Any], where: str, files: TreeFiles) -> Iterator[Recipe]:
    """The images of a plan as `buildx bake --print` has it, whose Dockerfiles are files of the clone."""
    targets = plan.get("target") or {}
    for name, target in targets.items():
        if _is_inherited(name, targets):
            continue
        context = str(target.get("context") or ".")
        if _REMOTE.match(context) or "dockerfile-inline" in target:
            continue
        folder = posixpath.normpath(context)
        file = posixpath.normpath(posixpath.join(folder, str(target.get("dockerfile") or "Dockerfile")))
        if not files.is_file(file) or not files.is_folder(folder):
            continue
        server, image = _tagged(target.get("tags") or ())
        yield Recipe(
            name=as_name(image or name),
            file=file,
            context=folder,
            target=target.get("target"),
            arguments=dict(_arguments(target.get("args") or {})),
            where=where,
            registry=server,
            platforms=tuple(target.get("platforms") or ()),
        )


def _is_inherited(name: str, targets: Mapping[str, Any]) -> bool:
    """Whether a target is what others are made from, and no image: `bake --print` does not say it.

    By its name; or because it has no tags, and another one of the same stage has.
    """
    others = [other for each, other in targets.items() if each != name and _place(other) == _place(targets[name])]
    if name == _OF_ACTION:
        return len(targets) > 1
    if name.startswith("_"):
        return bool(others)
    return not targets[name].get("tags") and any(other.get("tags") for other in others)


def _place(target: Mapping[str, Any]) -> tuple[str, str, str]:
    keys = ("context", "dockerfile", "target")
    context, file, stage = (str(target.get(key) or "") for key in keys)
    return posixpath.normpath(context or "."), file or "Dockerfile", stage


def _arguments(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if _ARGUMENT.fullmatch(name) and isinstance(value, str):
            yield name, value


def _tagged(tags: Sequence[str]) -> tuple[str, str]:
    """Registry with repository, and name, of the first tag."""
    if not tags:
        return "", ""
    head, _, last = str(tags[0]).partition("@")[0].rpartition("/")
    has_registry = "." in head.partition("/")[0] or ":" in head.partition("/")[0]
    return head if has_registry else "", last.partition(":")[0]
