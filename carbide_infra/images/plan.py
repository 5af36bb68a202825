"""Plan: settings and facts about the tree become what each image is built from."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.dockerfile import inline_dockerfile
from carbide_infra.images.tags import Alias, aliases, own_tag
from carbide_infra.names import (
    BASE_DIGEST_LABEL,
    BASE_NAME_LABEL,
    REVISION_LABEL,
    SOURCE_LABEL,
    STAND_IN_LABEL,
    VERSION_LABEL,
)
from carbide_infra.services import Service
from carbide_infra.settings import Settings
from carbide_infra.source.facts import Source
from carbide_infra.source.inputs import Inputs

_KEY_LENGTH = 12


@dataclass(frozen=True)
class ImagePlan:
    """One image, decided: everything that the engine is told about it.

    Attributes:
        service: the service, with the stack's overrides.
        repository: registry and repository, without tag.
        version: what the binary reports.
        key: build key, 12 hexadecimal digits over everything that the image is made of.
        context: folder of the staged build context, relative to the project.
        record: what the key was made of, as far as no build argument shows it: one line for each
            input file, and the Dockerfile's SHA-256.
        inline: Dockerfile text where the stack overrides the health command, else None.
        platforms: target platforms, sorted.
        build_args: BuildKit build arguments.
        labels: image labels beside those of the Dockerfile.
        aliases: movable tags.
        revision: the commit that last touched the inputs; None where git does not tell.
    """

    service: Service
    repository: str
    version: str
    key: str
    context: str
    record: Mapping[str, str]
    inline: str | None
    platforms: tuple[str, ...]
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
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


def context_path(stack: str, service: Service) -> str:
    """Where a context is staged: the provider compares this string, so it names no checkout."""
    return f".local/contexts/{stack}/{service.image}"


@dataclass(frozen=True)
class Stack:
    """What all images of one stack share.

    Attributes:
        name: the stack's name.
        project: the folder with Pulumi.yaml.
        server: registry host[:port].
        settings: the stack's configuration.
        source: the tree that is built.
        stand_ins: base images in whose place this machine's builder has stand-ins.
    """

    name: str
    project: Path
    server: str
    settings: Settings
    source: Source
    stand_ins: Collection[str] = ()


def plan_image(service: Service, inputs: Inputs, revision: str | None, stack: Stack) -> ImagePlan:
    """Decide one image; the same arguments give the same plan on every machine."""
    settings, source = stack.settings, stack.source
    inline = inline_dockerfile(stack.project, service)
    dockerfile = inline or (stack.project / service.dockerfile).read_text(encoding="utf-8")
    build_args = _build_args(service, settings, source)
    labels = _labels(stack, revision)
    return ImagePlan(
        service=service,
        repository=f"{stack.server}/{settings.registry_repository}/{service.image}",
        version=source.version,
        key=build_key(
            inputs=[[file.path, file.executable, file.sha256] for file in inputs.files],
            dockerfile=dockerfile,
            build_args=build_args,
            labels=labels,
            platforms=settings.platforms,
        ),
        context=context_path(stack.name, service),
        record={
            "inputs": "\n".join(map(str, inputs.files)),
            "dockerfile": hashlib.sha256(dockerfile.encode()).hexdigest(),
        },
        inline=inline,
        platforms=settings.platforms,
        build_args=build_args,
        labels=labels,
        aliases=aliases(settings, source),
        revision=revision,
    )


def build_key(**ingredients: object) -> str:
    """A name for the content: equal ingredients, equal key; any difference, another key."""
    canonical = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_KEY_LENGTH]


def _build_args(service: Service, settings: Settings, source: Source) -> dict[str, str]:
    port = {} if service.port is None else {"PORT": str(service.port)}
    return {
        "BUILDER_IMAGE": settings.builder_base,
        "RUNTIME_IMAGE": settings.runtime_image,
        "PACKAGE": service.package,
        "VERSION": source.version,
        "VERSION_SYMBOL": service.version_symbol,
        "BUILD_TIME_SYMBOL": service.build_time_symbol,
        "SOURCE_DATE_EPOCH": str(source.epoch),
        **port,
    }


def _labels(stack: Stack, revision: str | None) -> dict[str, str]:
    """What the Dockerfile cannot know; nothing here may depend on the commit unless the stack says so."""
    settings, source = stack.settings, stack.source
    # The base has this label itself; here it makes the return of the real base a change.
    stand_ins = sorted({settings.builder_base, settings.runtime_image} & set(stack.stand_ins))
    name, _, digest = settings.runtime_image.partition("@")
    labels = {
        SOURCE_LABEL: settings.source_url,
        VERSION_LABEL: source.version,
        BASE_NAME_LABEL: name,
        BASE_DIGEST_LABEL: digest,
        REVISION_LABEL: (settings.revision_label and revision) or "",
        STAND_IN_LABEL: ", ".join(stand_ins),
    }
    return {name: value for name, value in labels.items() if value}
