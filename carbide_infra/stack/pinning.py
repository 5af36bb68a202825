"""Pinned base images: their current digests, written into a stack's configuration."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.pins import references, replaced
from carbide_infra.endpoint import Endpoint
from carbide_infra.errors import SetupError
from carbide_infra.registry.docker_hub import MIRROR_VARIABLE, DockerHub, configured_mirror
from carbide_infra.registry.hub_images import hub_image
from carbide_infra.settings import load_settings, selected_images
from carbide_infra.stack.stack_file import ANY_REGISTRY

_GOLANG_TAG = re.compile(r"((?:^|/)golang:)\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?")
BUILDER, RUNTIME = "builderImage", "runtimeImage"
NOWHERE = Endpoint(registry="", builder="", ca_bundle="", stand_ins=())
"""In the place of an endpoint where nothing stands in for a base image."""

_INSPECT = ("imagetools", "inspect", "--format", "{{.Manifest.Digest}}")


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
    bases: Mapping[str, str], config: Mapping[str, str], endpoint: Endpoint, buildx: str, environment: Mapping[str, str]
) -> list[Pin]:
    """Look up what each base image's tag points at now.

    Raises:
        SetupError: a registry does not tell; its words are in the message.
    """
    return [
        Pin(key, config.get(key, ""), f"{name}@{_digest(_location(name, endpoint, environment), buildx, environment)}")
        for key, name in bases.items()
    ]


def current_pins(
    config: Mapping[str, str],
    default: Mapping[str, str],
    hub: DockerHub,
    buildx: str,
    environment: Mapping[str, str],
) -> list[Pin]:
    """Compare a stack's base images with what their tags give now; stand-ins do not count as an answer.

    Raises:
        SetupError: Docker Hub or another registry does not tell.
    """
    bases = unpinned_bases(config, default)
    hubs = [name for name in bases.values() if hub_image(name)]
    if hubs and not hub.answers:
        message = (
            f"Docker Hub does not answer, so nobody here knows what {' and '.join(hubs)} give today: "
            f"run this where it does, or name a mirror with {MIRROR_VARIABLE}"
        )
        raise SetupError(message)
    return find_pins(bases, config, NOWHERE, buildx, environment)


def catalogue_pins(file: Path, name: str, endpoint: Endpoint, buildx: str, environment: Mapping[str, str]) -> list[Pin]:
    """Look up what the tag of each image points at now that a catalogue names; a stand-in is no answer.

    Args:
        file: the catalogue.
        name: how messages name it.
        endpoint: with the images that have stand-ins here.
        buildx: the program that asks registries.
        environment: its variables.

    Raises:
        SetupError: a registry does not tell.
    """
    found = references(file.read_text(encoding="utf-8-sig"))
    pins = []
    for reference in {each.text: each for each in found}.values():
        tag, _, digest = reference.text.partition("@")
        if tag == NOTHING or tag in endpoint.stand_ins or (digest and not _has_tag(tag)):
            continue
        now = _digest(_location(tag, endpoint, environment), buildx, environment)
        pins.append(Pin(f"{name}:{reference.line}", reference.text, f"{tag}@{now}"))
    return pins


def write_catalogue_pins(file: Path, pins: Iterable[Pin]) -> bool:
    """Write the digests into a catalogue; comments and layout stay. False where it has them."""
    text = file.read_text(encoding="utf-8")
    changed = replaced(text, {pin.old: pin.new for pin in pins})
    if changed == text:
        return False
    file.write_text(changed, encoding="utf-8")
    return True


def _has_tag(reference: str) -> bool:
    """Whether there is a tag to look up: a digest alone stays what it is."""
    return ":" in reference.rpartition("/")[2]


def _location(reference: str, endpoint: Endpoint, environment: Mapping[str, str]) -> str:
    """Where BuildKit would get the image from: a stand-in, the configured mirror, or its own registry."""
    image = hub_image(reference)
    if image is None:
        return reference
    if reference in endpoint.stand_ins:
        return f"{endpoint.registry}/{image.repository}:{image.tag}"
    mirror = configured_mirror(environment)
    return f"{mirror.name}/{image.repository}:{image.tag}" if mirror else reference


def _digest(location: str, buildx: str, environment: Mapping[str, str]) -> str:
    command = [buildx, *_INSPECT, location]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    digest = done.stdout.strip()
    if done.returncode or not digest.startswith("sha256:"):
        message = f"The digest of {location} could not be looked up: {done.stderr.strip() or digest}"
        raise SetupError(message)
    return digest
