"""Plan: an image of the catalogue and facts about the tree become what the image is built from."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carbide_infra.catalogue.model import Image, KeptDockerfile
from carbide_infra.catalogue.template import TEMPLATE_VERSION, build_arguments, labels_of, render
from carbide_infra.images import record
from carbide_infra.images.tags import Alias, aliases, own_tag
from carbide_infra.names import (
    BASE_DIGEST_LABEL,
    BASE_NAME_LABEL,
    REVISION_LABEL,
    SOURCE_LABEL,
    STAND_IN_LABEL,
    VERSION_LABEL,
)
from carbide_infra.paths import cache_dir
from carbide_infra.settings import Selection, Settings
from carbide_infra.source.facts import Source
from carbide_infra.source.images import Sources
from carbide_infra.source.inputs import Inputs
from carbide_infra.source.kept.context import text_of
from carbide_infra.source.origins import Origin
from carbide_infra.source.staging import Place

Renderer = Callable[..., str]
"""Takes an image and whether modules come by ssh, and gives the text of its Dockerfile."""

_KEY_LENGTH = 12
# The provider compares a context's path, so it names no checkout and no stack: what is the same content has the same.
_CONTEXTS = Path(".local/contexts")


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile: what BuildKit reads.

    Attributes:
        text: its content.
        location: path relative to the project, of a file with just that content; None where there is none.
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
        inputs: the files that it is built from.
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
    inputs: Inputs
    dockerfile: Dockerfile
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    all_labels: Mapping[str, str]
    aliases: tuple[Alias, ...]
    revision: str | None

    @property
    def place(self) -> Place:
        """Where its build context is staged, relative to the project."""
        return Place(_CONTEXTS, self.image.name, self.key)

    @property
    def context(self) -> Path:
        """The folder that is sent to the builder, relative to the project."""
        return self.place.context / self.inputs.folder

    @property
    def record(self) -> dict[str, str]:
        """What the key was made of, as far as nothing else in the state shows it."""
        dockerfile = self.dockerfile
        # Not empty for the others: their records are as they were before there was this one.
        kept = {record.KEPT: self.image.kept.path} if self.image.kept else {}
        return {
            **kept,
            **self._template,
            record.KEY: self.key,
            record.INPUTS: "\n".join(map(str, self.inputs.files)),
            record.MODULES: "\n".join(self.inputs.modules),
            record.MODULE_FILES: "\n".join(map(str, self.inputs.module_files)),
            record.TEXTS: json.dumps(self.inputs.texts, sort_keys=True) if self.inputs.texts else "",
            record.COARSE: self.inputs.fallback or "",
            record.DOCKERFILE: dockerfile.sha256,
            record.LOCATION: dockerfile.location or "",
            record.TEXT: "" if dockerfile.location else dockerfile.text,
        }

    @property
    def _template(self) -> dict[str, str]:
        used = TEMPLATE_VERSION if self.image.template is None else record.OWN_TEMPLATE
        return {} if self.image.kept or used == record.FIRST_TEMPLATE else {record.TEMPLATE: used}

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


@dataclass(frozen=True)
class Stack:
    """What all images of one stack share.

    Attributes:
        project: the folder with Pulumi.yaml.
        server: registry host[:port].
        settings: the stack's configuration.
        stand_ins: base images in whose place this machine's builder has stand-ins, with the digests of those.
        render: gives an image's Dockerfile, as `catalogue.template.render` does.
    """

    project: Path
    server: str
    settings: Settings
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    render: Renderer = render


def dockerfile_of(
    image: Image, project: Path, folder: Path, *, ssh: bool = False, render: Renderer = render
) -> Dockerfile:
    """An image's Dockerfile: the file beside the catalogue, where that says the same as the catalogue.

    Args:
        image: the image; its bases are what the Dockerfile's arguments default to.
        project: the folder with Pulumi.yaml.
        folder: the catalogue's.
        ssh: whether modules come by ssh.
        render: gives its text.
    """
    text = render(image, ssh=ssh)
    location = os.path.relpath(folder / f"Dockerfile.{image.name}", project)
    try:
        # By its bytes: with other line ends it is another text.
        is_there = not location.startswith("..") and (project / location).read_bytes() == text.encode()
    except OSError:
        is_there = False
    return Dockerfile(text, location if is_there else None)


def kept_dockerfile_of(kept: KeptDockerfile, root: Path, project: Path) -> Dockerfile:
    """An image's own Dockerfile, as it is.

    Raises:
        InputError: it cannot be read.
    """
    location = os.path.relpath(root / kept.path, project)
    text = text_of(kept, root, cache_dir())
    return Dockerfile(text, None if location.startswith("..") else location)


def edited_dockerfile(image: Image, folder: Path, render: Renderer = render) -> str | None:
    """A warning where the file beside the catalogue says something else: nobody builds what was written there.

    Args:
        image: as the catalogue has it.
        folder: the catalogue's.
        render: gives the text that it should have.
    """
    file = folder / f"Dockerfile.{image.name}"
    try:
        text = file.read_bytes().replace(b"\r\n", b"\n")
    except OSError:
        return None
    if text == render(image).encode():
        return None
    return (
        f"{file.name} is not what the catalogue says, and images are built as the catalogue says: "
        "write it there, and have make generate write the file"
    )


def plans_of(
    selection: Selection,
    inputs: Mapping[str, Inputs],
    origins: Mapping[str, Origin],
    sources: Sources,
    stack: Stack,
) -> list[ImagePlan]:
    """Decide the images of a stack, on the bases that it has."""
    settings, folder = stack.settings, stack.settings.catalogue_file(stack.project).parent
    own = {image.name: image for image in selection.catalogue.images}
    return [
        plan_image(
            image,
            # The bases that a stack has are build arguments; the file's are those of the catalogue.
            kept_dockerfile_of(image.kept, sources.root, stack.project)
            if image.kept
            else dockerfile_of(
                image.on_bases_of(own[image.name]),
                stack.project,
                folder,
                ssh=settings.ssh_agent,
                render=stack.render,
            ),
            inputs[image.name],
            origins[image.name],
            sources.of(image),
            stack,
        )
        for image in selection.images
    ]


def plan_image(
    image: Image, dockerfile: Dockerfile, inputs: Inputs, origin: Origin, source: Source, stack: Stack
) -> ImagePlan:
    """Decide one image; the same arguments give the same plan on every machine."""
    settings, revision = stack.settings, origin.revision
    build_args = _build_args(image, source, revision)
    built_in = {
        name: text for name, text in _labels(image, source, stack, revision).items() if name not in image.labels
    }
    if image.kept is not None:
        # Its Dockerfile says none of the catalogue's labels; its own ones stay as they are.
        built_in = {name: text for name, text in built_in.items() if name not in image.kept.own_labels}
        built_in |= {name: text.replace("{version}", source.version) for name, text in image.labels.items() if text}
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
            **_kept_ingredients(image),
        ),
        inputs=inputs,
        dockerfile=dockerfile,
        build_args=build_args,
        labels=built_in,
        all_labels=built_in if image.kept else labels_of(image, source.version) | built_in,
        aliases=aliases(settings, source, is_commit=origin.is_commit),
        revision=revision,
    )


def build_key(**ingredients: object) -> str:
    """A name for the content: equal ingredients, equal key; any difference, another key."""
    canonical = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_KEY_LENGTH]


def _kept_ingredients(image: Image) -> dict[str, object]:
    kept = image.kept
    return {"kept": [kept.context, kept.target, kept.secrets]} if kept else {}


def _build_args(image: Image, source: Source, revision: str | None) -> dict[str, str]:
    values = {
        "BUILDER_IMAGE": image.builder,
        "RUNTIME_IMAGE": image.base,
        "VERSION": source.version,
        "REVISION": revision or "",
        "SOURCE_DATE_EPOCH": str(source.epoch),
    }
    # The time of the image itself: BuildKit reads it whether or not the Dockerfile does.
    taken = {"SOURCE_DATE_EPOCH"} | (build_arguments(image) if image.kept is None else set())
    arguments = {name: value for name, value in values.items() if name in taken}
    if image.kept is not None:
        given = {name: text.replace("{version}", source.version) for name, text in image.kept.args.items()}
        arguments |= {**given, **image.kept.bases}
    if len(image.platforms) == 1:
        # An index for one platform, too: annotations and tags belong to it, and all tags have one digest.
        arguments["BUILDKIT_MULTI_PLATFORM"] = "1"
    return arguments


def _labels(image: Image, source: Source, stack: Stack, revision: str | None) -> dict[str, str]:
    """What the Dockerfile cannot know; nothing here may depend on the commit unless the stack says so."""
    settings = stack.settings
    # The base has this label itself; here it makes the return of the real base a change.
    bases = (image.builder, image.base) if image.kept is None else (image.base, *image.kept.bases.values())
    stand_ins = sorted(filter(None, {_stood_in_for(text, stack.stand_ins) for text in bases}))
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


def _stood_in_for(reference: str, stand_ins: Mapping[str, str]) -> str | None:
    """The name of an image that is a stand-in: by its digest, or because the builder takes one for its tag."""
    name, _, digest = reference.partition("@")
    return name if name in stand_ins and digest in {"", stand_ins[name]} else None
