"""Pinned base images: their current digests, written into a stack's configuration."""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.pins import references, replaced
from carbide_infra.catalogue.problems import Key
from carbide_infra.errors import SetupError
from carbide_infra.registry.image_facts import current_digests
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.registry.registries import Registries
from carbide_infra.registry.told import why_unknown
from carbide_infra.settings import load_settings, selected_images
from carbide_infra.stack.stack_file import ANY_REGISTRY

_GOLANG_TAG = re.compile(r"((?:^|/)golang:)\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?")
BUILDER, RUNTIME = "builderImage", "runtimeImage"
# Nobody pins in a hurry.
_SECONDS = 60.0


@dataclass(frozen=True)
class Pin:
    """One config key and the reference it gets."""

    key: str
    old: str
    new: str

    @property
    def is_pinned(self) -> bool:
        """Whether the stack names a digest."""
        return "@" in self.old

    @property
    def has_moved(self) -> bool:
        """Whether the tag gives another digest than the stack's."""
        return self.is_pinned and self.old.partition("@")[2] != self.new.partition("@")[2]

    def __str__(self) -> str:
        """As a preview would say it: one line, old and new digest."""
        name, _, new = self.new.partition("@")
        old = self.old.partition("@")[2] or "not pinned"
        return f"{self.key} {name}: {old}" + ("" if self.old == self.new else f" → {new}")


def catalogue_bases(config: Mapping[str, str], project: Path) -> dict[str, str]:
    """The builder and base of the catalogue's defaults, by the config keys that replace them.

    Raises:
        UserError: the catalogue or the configuration cannot be used.
    """
    values = {key: value for key, value in config.items() if key not in {BUILDER, RUNTIME}}
    settings = load_settings(ANY_REGISTRY | values, os.environ)
    catalogue = selected_images(settings, project).catalogue
    return dict(zip((BUILDER, RUNTIME), catalogue.shared_bases(settings.said_of_images), strict=True))


def unpinned_bases(config: Mapping[str, str], default: Mapping[str, str]) -> dict[str, str]:
    """A stack's base images without digests, the builder's tag at its `goVersion`, by config key.

    Args:
        config: the stack's values.
        default: what the catalogue has.
    """
    bases = {key: (config.get(key) or default[key]).partition("@")[0] for key in (BUILDER, RUNTIME)}
    version = config.get("goVersion")
    if version:
        bases[BUILDER] = _GOLANG_TAG.sub(lambda match: match[1] + str(version), bases[BUILDER])
    return bases


def find_pins(
    bases: Mapping[str, str], config: Mapping[str, str], stand_ins: Mapping[str, str], registries: Registries
) -> list[Pin]:
    """Look up what each base image's tag gives now.

    Args:
        bases: without digests, by config key.
        config: the stack's values.
        stand_ins: the digests of images that are stood in for.
        registries: who is asked for the others.

    Raises:
        SetupError: a registry does not tell.
    """
    digests = _digests({name: key for key, name in bases.items()}, stand_ins, registries)
    return [Pin(key, config.get(key, ""), f"{name}@{digests[name]}") for key, name in bases.items()]


def catalogue_references(file: Path, arguments: Collection[Key] = ()) -> list[str]:
    """The images that a catalogue names."""
    return [found.text for found in references(_text(file), arguments)]


def catalogue_pins(
    file: Path,
    name: str,
    stand_ins: Mapping[str, str],
    registries: Registries,
    arguments: Collection[Key] = (),
) -> list[Pin]:
    """Look up what the tag of each image that a catalogue names gives now; a stand-in is no answer.

    Args:
        file: the catalogue.
        name: how messages name it.
        stand_ins: the images that are stood in for.
        registries: who is asked.
        arguments: keys of build arguments that name images.

    Raises:
        SetupError: a registry does not tell.
    """
    found = {each.text: f"{name}:{each.line}" for each in references(_text(file), arguments)}
    return pins_at([(place, text) for text, place in found.items()], stand_ins, registries)


def pins_at(places: Sequence[tuple[str, str]], stand_ins: Mapping[str, str], registries: Registries) -> list[Pin]:
    """Look up what the tags of images at some places give now; what has no tag, or a stand-in, is left out.

    Raises:
        SetupError: a registry does not tell.
    """
    tags = {text: text.partition("@")[0] for _, text in places if _has_tag(text)}
    tags = {text: tag for text, tag in tags.items() if tag not in stand_ins}
    keys = {tags[text]: place for place, text in places if text in tags}
    digests = _digests(keys, {}, registries)
    return [Pin(place, text, f"{tags[text]}@{digests[tags[text]]}") for place, text in places if text in tags]


def write_catalogue_pins(file: Path, pins: Iterable[Pin], arguments: Collection[Key] = ()) -> bool:
    """Write the digests into a catalogue; comments and layout stay. False where it has them."""
    text = file.read_text(encoding="utf-8")
    changed = replaced(text, {pin.old: pin.new for pin in pins}, arguments)
    if changed == text:
        return False
    file.write_text(changed, encoding="utf-8")
    return True


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig")


def _has_tag(reference: str) -> bool:
    """Whether there is a tag to look up: a digest alone stays what it is, and nothing has none."""
    name, pinned, _ = reference.partition("@")
    return name != NOTHING and (not pinned or ":" in name.rpartition("/")[2])


def _digests(keys: Mapping[str, str], stand_ins: Mapping[str, str], registries: Registries) -> dict[str, str]:
    """The digest of each tag now; `keys` says for each of them who names it."""
    asked = [name for name in keys if name not in stand_ins]
    digests = {name: stand_ins[name] for name in keys if name in stand_ins}
    for name, told in current_digests(asked, registries, KnownImages.of_user(), _SECONDS).items():
        if told.problem:
            raise SetupError(why_unknown(keys[name], name, told.problem))
        digests[name] = str(told.digest)
    return digests
