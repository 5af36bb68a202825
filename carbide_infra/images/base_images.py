"""Base images: each with the digest that its tag gives now, so that a build key names bytes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.model import ForeignFile, Image, KeptDockerfile
from carbide_infra.registry.errors import Denied, NotFound
from carbide_infra.registry.told import Told, why_unknown
from carbide_infra.remedies import typed
from carbide_infra.settings import ConfigError, Selection, Settings


@dataclass(frozen=True)
class Resolved:
    """The images of a stack on bases with digests.

    Attributes:
        selection: the images; a base that nobody knows keeps its tag.
        warnings: what nobody could tell, and what is done about it.
    """

    selection: Selection
    warnings: tuple[str, ...] = ()


def is_pinned(text: str) -> bool:
    """Whether a reference has a digest."""
    return "@" in text


def references_of(images: Iterable[Image]) -> list[str]:
    """The images that these are built from, each once: builders, bases, and those that files are taken from."""
    found: dict[str, None] = {}
    for image in images:
        if image.kept is not None:
            found |= dict.fromkeys(image.kept.bases.values())
            continue
        found |= dict.fromkeys((image.builder, image.base, *(file.image for file in image.foreign_files)))
    return [text for text in found if text != NOTHING]


def resolved(
    settings: Settings,
    selection: Selection,
    stand_ins: Mapping[str, str],
    look_up: Callable[[list[str]], Mapping[str, Told]],
    *,
    is_update: bool,
) -> Resolved:
    """Give every base, builder and foreign file's image its digest; one that is pinned stays as it is.

    Args:
        settings: of the stack.
        selection: its images.
        stand_ins: digests of images that are stood in for on this machine.
        look_up: asks the registries for all others at once.
        is_update: whether images are about to be built; a preview builds none.

    Raises:
        ConfigError: an image is not there; or, before an update, it may not be read, or nobody knows what a tag gives
            and the stack is not a development one.
    """
    wanted = [text for text in references_of(selection.images) if not is_pinned(text)]
    others = [text for text in wanted if text not in stand_ins]
    told = look_up(others) if others and settings.track_base_images else {text: Told(None) for text in others}
    digests = {text: stand_ins[text] for text in wanted if text in stand_ins}
    digests |= {text: answer.digest for text, answer in told.items() if answer.digest}
    return Resolved(
        replace(selection, images=tuple(_on_digests(image, digests) for image in selection.images)),
        tuple(_warnings(settings, selection, told, is_update=is_update)),
    )


def key_of(text: str, settings: Settings, images: Iterable[Image]) -> str:
    """What names an image: a key of the stack, else of the catalogue, with the name of the first entry that has it."""
    if text == settings.runtime_image:
        return "runtimeImage"
    if text == settings.builder_image:
        return "builderImage"
    keys: dict[str, str] = {}
    for image in images:
        named = (
            {reference: f"args.{name}" for name, reference in image.kept.bases.items()}
            if image.kept
            else {image.base: "base", image.builder: "builder"} | {file.image: "files" for file in image.foreign_files}
        )
        keys = {reference: f"{image.name}: {key}" for reference, key in named.items()} | keys
    return keys[text]


def _on_digests(image: Image, digests: Mapping[str, str]) -> Image:
    def pinned(text: str) -> str:
        return f"{text}@{digests[text]}" if text in digests else text

    if image.kept is not None:
        return _kept_on_digests(image, image.kept, {name: pinned(text) for name, text in image.kept.bases.items()})
    files = tuple(
        file.model_copy(update={"image": pinned(file.image)}) if isinstance(file, ForeignFile) else file
        for file in image.files
    )
    return image.model_copy(update={"builder": pinned(image.builder), "base": pinned(image.base), "files": files})


def _kept_on_digests(image: Image, kept: KeptDockerfile, bases: Mapping[str, str]) -> Image:
    """Only what its Dockerfile takes as an argument can be said to it."""
    base = next((bases[name] for name, text in kept.bases.items() if text == image.base), image.base)
    return image.model_copy(update={"base": base, "kept": kept.model_copy(update={"bases": bases})})


def _warnings(settings: Settings, selection: Selection, told: Mapping[str, Told], *, is_update: bool) -> Iterable[str]:
    is_strict = is_update and not settings.is_development
    for text, answer in told.items():
        key = key_of(text, settings, selection.images)
        if answer.problem is None and answer.digest is None and is_strict:
            message = f"{key} = {text}: has no digest, and trackBaseImages is false; {_outside_development()}"
            raise ConfigError(message)
        if answer.problem is None:
            continue
        problem = why_unknown(key, text, answer.problem)
        if isinstance(answer.problem, NotFound) or (is_update and isinstance(answer.problem, Denied)):
            raise ConfigError(problem)
        if is_strict:
            message = f"{problem}; {_outside_development()}"
            raise ConfigError(message)
        yield f"{problem}. {_instead(answer)}"


def _instead(told: Told) -> str:
    if told.digest:
        return f"It is taken as it was seen last, on {told.day}: {told.digest}"
    return "Its tag stands for whatever it gives when an image is built; an update outside development stops here"


def _outside_development() -> str:
    return (
        "an update of a stack whose registryServer is not local builds on no tag that may have moved; repeat it, or "
        f"write the digest into the stack: {typed('pin-bases')}"
    )
