"""Adopts the image of one Dockerfile: as an entry where one can say it, else as it is."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carbide_infra.adoption.entry import Entry, named_ports
from carbide_infra.adoption.go_list import Packages
from carbide_infra.adoption.run_lines import run
from carbide_infra.adoption.stage import Context, Stage
from carbide_infra.adoption.stages import Stages
from carbide_infra.adoption.told import Adopted, Said, Unsayable
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.errors import CommandError
from carbide_infra.source.kept.ignoring import Ignored
from carbide_infra.source.kept.reading import parsed, tricks
from carbide_infra.source.tree import InputError

if TYPE_CHECKING:
    import dockerfile

_VERSION = re.compile(r"(APP_|IMAGE_|BUILD_|SERVICE_)?(VERSION|TAG)")
_SECRETS = frozenset({"gitcreds", "goenv", "extra_ca"})
# Folders that say where Dockerfiles are, and not what they make.
PLACES = frozenset(
    {
        *("docker", "dockerfiles", "dockerfile", "build", "builds", "package", "packages", "packaging", "deploy"),
        *("deployment", "deployments", "container", "containers", "images", "image", "production", "prod", "release"),
        *("ci", "hack", "src", "."),
    }
)
_TEMPLATE = re.compile(r"\s*(\{\{|\{%|<%)|\s*FROM\b.*(\{\{|\{%|<%|@\w+@)", re.IGNORECASE)


@dataclass(frozen=True)
class Recipe:
    """How an image is built today.

    Attributes:
        name: of the image.
        file: the Dockerfile, relative to the source root.
        context: its context; None where nobody says it.
        target: its stage; None for the last.
        arguments: build arguments that a build file gives.
        where: what says so; empty for the Dockerfile's own place.
        registry: server and repository that the image goes to; empty where nobody says it.
        platforms: that a build file names.
    """

    name: str
    file: str
    context: str | None = None
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    registry: str = ""
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clone:
    """What is asked about a clone, once for all of its images."""

    files: TreeFiles
    packages: Packages


def adopted(recipe: Recipe, clone: Clone, *, as_is: bool = False, because: Sequence[Unsayable] = ()) -> Adopted:
    """The image of a Dockerfile.

    Args:
        recipe: how it is built.
        clone: where.
        as_is: whether it keeps its Dockerfile whatever that says.
        because: what else keeps it from being an entry.

    Raises:
        CommandError: it is no Dockerfile, or has no such stage.
    """
    try:
        text = clone.files.text(recipe.file)
        commands = _commands(text, recipe.file)
    except InputError as error:
        msg = f"{error}; or leave it out with --skip {recipe.file}"
        raise CommandError(msg) from error
    folder, stages, stage, entry = _read(recipe, commands, clone)
    unsayable = tuple(dict.fromkeys((*_of_frontend(text, recipe.file), *entry.unsayable, *because)))
    if as_is or unsayable:
        kept, notes = _kept(recipe, folder, stages, stage)
        return Adopted(recipe.name, recipe.file, kept, () if as_is else unsayable, notes, stages.packages)
    said = {**entry.said, **_platforms(recipe)}
    return Adopted(recipe.name, recipe.file, said, notes=(*entry.notes, *_of_private_modules(recipe.file, stages)))


def _read(recipe: Recipe, commands: Sequence["dockerfile.Command"], clone: Clone) -> tuple[str, Stages, Stage, Entry]:
    """With the context that is said, else with the first of those in which most of its `go build`s have a package."""
    folders = [recipe.context] if recipe.context else _contexts_of(recipe.file, commands, clone.files)
    readings = []
    for folder in folders:
        stages = Stages(commands, _context(recipe, folder, clone), run)
        stage = stages.image(recipe.target)
        if stage is None:
            msg = f"{recipe.where or recipe.file}: names the stage {recipe.target}, which {recipe.file} has not"
            raise CommandError(msg)
        readings.append((folder, stages, stage, Entry(recipe.name, stage, stages.context)))
    return max(readings, key=lambda reading: sum(stage.builds for stage in reading[1].stages))


def _commands(text: str, name: str) -> Sequence["dockerfile.Command"]:
    found = next((at for at, line in enumerate(text.splitlines(), start=1) if _TEMPLATE.match(line)), 0)
    if found:
        msg = f"{name}:{found}: is a template of a Dockerfile; leave it out with --skip {name}, and adopt what it makes"
        raise CommandError(msg)
    commands = parsed(text, name)
    if not any(command.cmd.upper() == "FROM" and command.value for command in commands):
        msg = f"{name} has no FROM, so it is no Dockerfile; leave it out with --skip {name}"
        raise CommandError(msg)
    return commands


def _context(recipe: Recipe, folder: str, clone: Clone) -> Context:
    names = (f"{recipe.file}.dockerignore", posixpath.normpath(f"{folder}/.dockerignore"))
    ignore = next((name for name in names if clone.files.is_file(name)), None)
    ignored = Ignored(clone.files.text(ignore), ignore) if ignore else Ignored("", "")
    return Context(clone.files, clone.packages, recipe.file, folder, ignored, recipe.arguments)


def _of_frontend(text: str, file: str) -> Iterator[Unsayable]:
    for what in tricks(text):
        line = re.match(r"line (\d+) (.*)", what)
        assert line is not None  # noqa: S101 - they begin so
        yield Unsayable(f"{file}:{line[1]}", line[2], "take that line out")


def _contexts_of(file: str, commands: Sequence["dockerfile.Command"], files: TreeFiles) -> list[str]:
    """The folders that a Dockerfile may copy from: of those at or above it, where most is there that it names."""
    named = list(_named(commands))
    above = [posixpath.dirname(file) or "."]
    while above[-1] != ".":
        above.append(posixpath.dirname(above[-1]) or ".")
    scores = [sum(_is_there(folder, name, files) for name in named) for folder in above]
    best = [folder for folder, score in zip(above, scores, strict=True) if score == max(scores)]
    # A folder for Dockerfiles is no place to copy from.
    return best[::-1] if posixpath.basename(above[0]) in PLACES else best


def _named(commands: Sequence["dockerfile.Command"]) -> Iterator[str]:
    for command in commands:
        is_copy = command.cmd.upper() in {"COPY", "ADD"} and not any(f.startswith("--from") for f in command.flags)
        for word in command.value[:-1] if is_copy else ():
            path = posixpath.normpath(f"/{word}").lstrip("/")
            if path and "$" not in path and "://" not in word and not word.startswith("<<"):
                yield path


def _is_there(folder: str, name: str, files: TreeFiles) -> bool:
    path = posixpath.normpath(f"{folder}/{name}")
    if re.search(r"[*?\[]", path):
        return bool(files.matching(path))
    return files.is_file(path) or files.is_folder(path)


def _kept(recipe: Recipe, folder: str, stages: Stages, stage: Stage) -> tuple[dict[str, Said], tuple[str, ...]]:
    where = recipe.where
    entry = {"dockerfile": Said(recipe.file, where)}
    if folder != ".":
        entry["context"] = Said(folder, where)
    if recipe.target:
        entry["target"] = Said(recipe.target, where)
    arguments = {name: Said(value, where) for name, value in recipe.arguments.items()}
    for name, line in stages.arguments.items():
        if _VERSION.fullmatch(name):
            arguments[name] = Said("{version}", f"{recipe.file}:{line}")
    if arguments:
        entry["args"] = Said(arguments, next(iter(arguments.values())).where)
    if stage.ports:
        entry["ports"] = Said(named_ports(stage.ports), next(iter(stage.ports.values())).where)
    secrets = _secrets(stages)
    own = {name: line for name, line in secrets.items() if name in _SECRETS}
    if own:
        entry["secrets"] = Said(sorted(own), f"{recipe.file}:{next(iter(own.values()))}")
    notes = [
        f"{recipe.file}:{line}: wants the secret {name}, but an entry names gitcreds, goenv, extra_ca only; rename it"
        for name, line in secrets.items()
        if name not in _SECRETS
    ]
    if stage.runs and not recipe.platforms:
        notes.append(
            f"{recipe.file}:{next(iter(stage.runs))}: RUN in the image itself needs an emulator for other platforms "
            "than the builder's; platforms: [linux/amd64] does without"
        )
    return {**entry, **_platforms(recipe)}, tuple(notes)


def _of_private_modules(file: str, stages: Stages) -> Iterator[str]:
    """What a build gets by its own secrets comes from the stack for an entry."""
    for name, line in _secrets(stages).items():
        yield f"{file}:{line}: mounts the secret {name}; for private modules the stack has gitcreds and sshAgent"


def _secrets(stages: Stages) -> dict[str, int]:
    found: dict[str, int] = {}
    for stage in stages.stages:
        found |= stage.secrets
    return found


def _platforms(recipe: Recipe) -> dict[str, Said]:
    if not recipe.platforms or set(recipe.platforms) == {"linux/amd64", "linux/arm64"}:
        return {}
    return {"platforms": Said(sorted(recipe.platforms), recipe.where)}
