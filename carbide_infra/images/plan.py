"""Plan: an image of the catalogue and facts about the tree become what the image is built from."""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.template import build_arguments, labels_of, render
from carbide_infra.images.tags import Alias, aliases, own_tag
from carbide_infra.names import (
    BASE_DIGEST_LABEL,
    BASE_NAME_LABEL,
    REVISION_LABEL,
    SOURCE_LABEL,
    STAND_IN_LABEL,
    VERSION_LABEL,
)
from carbide_infra.settings import Settings
from carbide_infra.source.facts import Source
from carbide_infra.source.inputs import Inputs

_KEY_LENGTH = 12


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile: what BuildKit reads.

    Attributes:
        text: its content.
        location: path relative to the project, of a file with that content; None where there is none.
    """

    text: str
    location: str | None

    @property
    def sha256(self) -> str:
        """Of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class ImagePlan:
    """One image, decided: everything that the engine is told about it.

    Attributes:
        image: the image, with the stack's overrides.
        repository: registry and repository, without tag.
        version: what the binaries report.
        key: build key, 12 hexadecimal digits over everything that the image is made of.
        context: folder of the staged build context, relative to the project.
        record: what the key was made of, as far as no build argument shows it: one line for each
            input file, and the Dockerfile's SHA-256.
        dockerfile: what it is built by.
        build_args: BuildKit build arguments.
        labels: image labels beside those of the Dockerfile.
        all_labels: those of the Dockerfile, too.
        aliases: movable tags.
        revision: the commit that last touched the inputs; None where git does not tell.
    """

    image: Image
    repository: str
    version: str
    key: str
    context: str
    record: Mapping[str, str]
    dockerfile: Dockerfile
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    all_labels: Mapping[str, str]
    aliases: tuple[Alias, ...]
    revision: str | None

    @property
    def tag(self) -> str:
        """The image's own, immutable reference by tag."""
        return f"{self.repository}:{own_tag(self.version, self.key)}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag the image is known by, its own first."""
        return (own_tag(self.version, self.key), *(alias.tag for alias in self.aliases))

    @property
    def annotations(self) -> dict[str, str]:
        """What registries show of the index: the labels, but for the commit, which moves no digest."""
        return {name: text for name, text in self.all_labels.items() if name != REVISION_LABEL}


def context_path(stack: str, image: str) -> str:
    """Where a context is staged: the provider compares this string, so it names no checkout."""
    return f".local/contexts/{stack}/{image}"


@dataclass(frozen=True)
class Stack:
    """What all images of one stack share.

    Attributes:
        name: the stack's name.
        project: the folder with Pulumi.yaml.
        server: registry host[:port].
        settings: the stack's configuration.
        stand_ins: base images in whose place this machine's builder has stand-ins.
    """

    name: str
    project: Path
    server: str
    settings: Settings
    stand_ins: Collection[str] = ()


def dockerfile_of(image: Image, project: Path, folder: Path, *, ssh: bool = False) -> Dockerfile:
    """An image's Dockerfile: the file beside the catalogue, where that says the same as the catalogue.

    Args:
        image: the image; its bases are what the Dockerfile's arguments default to.
        project: the folder with Pulumi.yaml.
        folder: the catalogue's.
        ssh: whether modules come by ssh.
    """
    text = render(image, ssh=ssh)
    location = os.path.relpath(folder / f"Dockerfile.{image.name}", project)
    try:
        is_there = not location.startswith("..") and (project / location).read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        is_there = False
    return Dockerfile(text, location if is_there else None)


def plan_image(
    image: Image, dockerfile: Dockerfile, inputs: Inputs, revision: str | None, source: Source, stack: Stack
) -> ImagePlan:
    """Decide one image; the same arguments give the same plan on every machine."""
    settings = stack.settings
    build_args = _build_args(image, source, revision)
    built_in = {
        name: text for name, text in _labels(image, source, stack, revision).items() if name not in image.labels
    }
    return ImagePlan(
        image=image,
        repository=f"{stack.server}/{settings.registry_repository}/{image.name}",
        version=source.version,
        key=build_key(
            inputs=[[file.path, file.executable, file.sha256] for file in inputs.files],
            dockerfile=dockerfile.text,
            build_args=build_args,
            labels=built_in,
            platforms=image.platforms,
        ),
        context=context_path(stack.name, image.name),
        record={"inputs": "\n".join(map(str, inputs.files)), "dockerfile": dockerfile.sha256},
        dockerfile=dockerfile,
        build_args=build_args,
        labels=built_in,
        all_labels=labels_of(image, source.version) | built_in,
        aliases=aliases(settings, source),
        revision=revision,
    )


def build_key(**ingredients: object) -> str:
    """A name for the content: equal ingredients, equal key; any difference, another key."""
    canonical = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_KEY_LENGTH]


def _build_args(image: Image, source: Source, revision: str | None) -> dict[str, str]:
    values = {
        "BUILDER_IMAGE": image.builder,
        "RUNTIME_IMAGE": image.base,
        "VERSION": source.version,
        "REVISION": revision or "",
        "SOURCE_DATE_EPOCH": str(source.epoch),
    }
    # The time of the image itself: BuildKit reads it whether or not the Dockerfile does.
    taken = build_arguments(image) | {"SOURCE_DATE_EPOCH"}
    arguments = {name: value for name, value in values.items() if name in taken}
    if len(image.platforms) == 1:
        # An index for one platform, too: annotations and tags belong to it, and all tags have one digest.
        arguments["BUILDKIT_MULTI_PLATFORM"] = "1"
    return arguments


def _labels(image: Image, source: Source, stack: Stack, revision: str | None) -> dict[str, str]:
    """What the Dockerfile cannot know; nothing here may depend on the commit unless the stack says so."""
    settings = stack.settings
    # The base has this label itself; here it makes the return of the real base a change.
    stand_ins = sorted({image.builder, image.base} & set(stack.stand_ins))
    name, _, digest = image.base.partition("@")
    labels = {
        SOURCE_LABEL: settings.source_url,
        VERSION_LABEL: source.version,
        BASE_NAME_LABEL: name,
        BASE_DIGEST_LABEL: digest,
        REVISION_LABEL: (settings.revision_label and revision) or "",
        STAND_IN_LABEL: ", ".join(stand_ins),
    }
    return {name: value for name, value in labels.items() if value}
