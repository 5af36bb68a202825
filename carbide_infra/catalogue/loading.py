"""Loads a catalogue file, and resolves its images with what a stack says of them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from carbide_infra.catalogue.document import Document, UnreadableError, parse
from carbide_infra.catalogue.language import SCHEMA_VERSION, Entry, SharedKeys
from carbide_infra.catalogue.language import Catalogue as Language
from carbide_infra.catalogue.merging import PROGRAM, Layer, Merger, problem_at, said
from carbide_infra.catalogue.migration import too_new
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import CatalogueError, Key, Problem, explained, nearest, path

OVERRIDES = "serviceOverrides"
"""The stack's config key for what it changes about images."""


@dataclass(frozen=True)
class Stack:
    """What a stack says of images: for all, and for each.

    Attributes:
        base: replaces the defaults' runtime base.
        builder: replaces the defaults' builder.
        go_version: replaces the defaults' Go version.
        platforms: replace the defaults' platforms.
        services: the images to build; None for all.
        overrides: by image, the same keys as an entry of the catalogue.
    """

    base: str | None = None
    builder: str | None = None
    go_version: str | None = None
    platforms: Collection[str] | None = None
    services: Collection[str] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, Any]:
        """What replaces the defaults, in the language's keys."""
        values = {
            "base": self.base,
            "builder": self.builder,
            "goVersion": self.go_version,
            "platforms": tuple(self.platforms) if self.platforms is not None else None,
        }
        return {key: value for key, value in values.items() if value is not None}


TEMPLATE_NAME = "Dockerfile.template"
_LARGEST_TEMPLATE = 1 << 18
_NO_STACK = Stack()
_STACK_KEYS = {"base": "runtimeImage", "builder": "builderImage"}


@dataclass(frozen=True)
class Catalogue:
    """The images of one catalogue file.

    Attributes:
        file: the file, as messages name it.
    """

    file: str
    _document: Document
    _defaults: SharedKeys
    _entries: Mapping[str, Entry]
    _template: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The images' names, in the file's order."""
        return tuple(self._entries)

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """The images as the catalogue has them, without a stack."""
        return self.resolved(_NO_STACK)

    def shared_bases(self, stack: Stack) -> tuple[str, str]:
        """The builder and the base of images that name none of their own."""
        layers = [Layer(said(PROGRAM)), Layer(said(self._defaults)), Layer(stack.said)]
        _, builder = Merger("", layers).toolchain()
        base: str = next(layer.said["base"] for layer in reversed(layers) if "base" in layer.said)
        return builder, base

    def resolved(self, stack: Stack) -> tuple[Image, ...]:
        """The images that a stack selects, as it wants them, in the file's order.

        Raises:
            CatalogueError: all that does not fit together.
        """
        problems = list(self._unknown_names(stack))
        overrides = dict(self._overrides(stack, problems))
        if problems:
            raise CatalogueError(problems)
        selected = self.names if stack.services is None else [name for name in self.names if name in stack.services]
        mergers = [Merger(name, self._layers(name, stack, overrides.get(name))) for name in selected]
        images = [merger.image() for merger in mergers]
        problems = [problem for merger in mergers for problem in merger.problems]
        if problems:
            raise CatalogueError(problems)
        return tuple(self._with_template(image) for image in images if image is not None)

    def _with_template(self, image: Image) -> Image:
        return image if self._template is None or image.kept else image.model_copy(update={"template": self._template})

    def problem(self, image: str, key: Key, text: str, value: object = None, stack: Stack = _NO_STACK) -> Problem:
        """Something wrong with a key of an image, where it is written: in the stack, the entry or the defaults."""
        return problem_at(self._layers(image, stack, stack.overrides.get(image)), key, text, value)

    def _layers(self, image: str, stack: Stack, override: Mapping[str, Any] | None) -> list[Layer]:
        entry = self._entries[image]
        layers = [
            Layer(said(PROGRAM)),
            Layer(said(self._defaults), partial(_named, "defaults."), self._where("defaults")),
            Layer(stack.said, lambda key: _STACK_KEYS.get(str(key[0]), path(key))),
            Layer(said(entry), partial(_named, f"{image}: "), self._where("images", image), is_own=True),
        ]
        if override is not None:
            layers.append(Layer(override, partial(_named, f"{OVERRIDES}.{image}."), is_own=True))
        return layers

    def _where(self, *parent: str) -> "_Where":
        return _Where(self.file, self._document, parent)

    def _unknown_names(self, stack: Stack) -> Iterator[Problem]:
        for key, names in (("services", stack.services or ()), (OVERRIDES, stack.overrides)):
            for name in names:
                if name not in self._entries:
                    yield Problem("", key, name, f"is not an image of {self.file}; {nearest(name, self._entries)}")

    def _overrides(self, stack: Stack, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, keys in stack.overrides.items():
            if name not in self._entries:
                continue
            try:
                yield name, said(Entry.model_validate(keys))
            except ValidationError as error:
                for key, value, text in explained(error, Entry):
                    problems.append(Problem("", path((OVERRIDES, name, *key)), value, text))


@dataclass(frozen=True)
class _Where:
    file: str
    document: Document
    parent: Key

    def __call__(self, key: Key) -> str:
        return f"{self.file}:{self.document.line((*self.parent, *key))}"


def load_catalogue(file: Path, name: str | None = None) -> Catalogue:
    """Read and check a catalogue file.

    Args:
        file: the file.
        name: how messages name it; as `file` when unset.

    Raises:
        CatalogueError: every problem of the file, each with its line.
    """
    shown_as = name or str(file)
    document = _parsed(file, shown_as)
    problems = list(_duplicates(document, shown_as))
    data = document.data
    if not isinstance(data, dict):
        text = "is not a map; a good beginning: schemaVersion: 1"
        raise CatalogueError([*problems, Problem(shown_as, "", None, text)])
    _require_known_version(data, document, shown_as)
    defaults, entries = _validated(data, document, shown_as, problems)
    template = _own_template(data.get("template"), file, problems, f"{shown_as}:{document.line(('template',))}")
    catalogue = Catalogue(shown_as, document, defaults, entries, template)
    try:
        _ = catalogue.images
    except CatalogueError as error:
        problems += error.problems
    if problems:
        raise CatalogueError(sorted(dict.fromkeys(problems), key=_by_line))
    return catalogue


def _parsed(file: Path, name: str) -> Document:
    try:
        return parse(file.read_text(encoding="utf-8-sig"))
    except UnreadableError as error:
        raise CatalogueError([Problem(f"{name}:{error.line}", "", None, f"cannot be read as YAML: {error}")]) from None
    except UnicodeDecodeError as error:
        raise CatalogueError([Problem(name, "", None, f"is not a text in UTF-8 (byte {error.start})")]) from None
    except OSError as error:
        text = f"cannot be read ({error.strerror}); a good value for catalogue: docker/production/services.yaml"
        raise CatalogueError([Problem(name, "", None, text)]) from None


def _require_known_version(data: Mapping[str, Any], document: Document, name: str) -> None:
    """A file for a newer program has keys that this one cannot judge, so nothing else is said of it."""
    version = data.get("schemaVersion", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        where = f"{name}:{document.line(('schemaVersion',))}"
        raise too_new(where, version)


def _own_template(said: object, file: Path, problems: list[Problem], where: str) -> str | None:
    """The text of the template that a catalogue names, beside or below it."""
    if not isinstance(said, str) or any(problem.key == "template" for problem in problems):
        return None
    path = file.parent / said
    text = f"is no file of at most {_LARGEST_TEMPLATE:,} bytes in the catalogue's folder; a good value: {TEMPLATE_NAME}"
    try:
        if path.resolve().is_relative_to(file.parent.resolve()) and path.is_file():
            with path.open("rb") as stream:
                content = stream.read(_LARGEST_TEMPLATE + 1)
            if len(content) <= _LARGEST_TEMPLATE:
                return content.decode()
    except (OSError, ValueError) as error:
        text = f"cannot be read ({error})"
    problems.append(Problem(where, "template", said, text))
    return None


def _duplicates(document: Document, name: str) -> Iterator[Problem]:
    for key in document.duplicates:
        is_image = len(key) == 2 and key[0] == "images"  # noqa: PLR2004
        text = "is the name of two images; rename one" if is_image else "stands there twice; remove one"
        yield Problem(f"{name}:{document.line(key)}", _title(key), None, text)


def _validated(
    data: dict[str, Any], document: Document, name: str, problems: list[Problem]
) -> tuple[SharedKeys, dict[str, Entry]]:
    """Defaults and entries, as far as they are in the language; what is wrong with one hides no problem of another."""
    try:
        whole = Language.model_validate(data)
    except ValidationError as error:
        for key, value, text in explained(error, Language, document.written):
            problems.append(Problem(f"{name}:{document.line(key)}", _title(key), value, text))
    else:
        return whole.defaults, dict(whole.images)
    defaults = _valid(SharedKeys, data.get("defaults", {}))
    images = data.get("images") if defaults else {}
    entries = {name: _valid(Entry, said) for name, said in images.items()} if isinstance(images, dict) else {}
    return defaults or SharedKeys(), {name: entry for name, entry in entries.items() if entry is not None}


_Keys = TypeVar("_Keys", bound=BaseModel)


def _valid(model: type[_Keys], data: object) -> _Keys | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _title(key: Key) -> str:
    """A path in the file as messages have it: `carbide-rest-api: ports.http`."""
    if len(key) > 1 and key[0] == "images":
        return f"{key[1]}: {path(key[2:])}" if key[2:] else str(key[1])
    return path(key)


def _named(prefix: str, key: Key) -> str:
    return f"{prefix}{path(key)}" if key else prefix.rstrip(": .")


def _by_line(problem: Problem) -> tuple[int, str, str]:
    return int(problem.where.rpartition(":")[2] or 0), problem.key, problem.text
