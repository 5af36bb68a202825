"""Base images: those of Docker Hub where it answers, else stand-ins in the local registry."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.errors import SetupError
from carbide_infra.names import STAND_IN_LABEL
from carbide_infra.paths import state_dir
from carbide_infra.registry.reference import Reference
from carbide_infra.state_files import read_json, write_json
from devenv.stand_ins import StandInMaker, content_key, is_go_tag, make_alpine, make_golang, own_platform


@dataclass(frozen=True)
class BaseImages:
    """The base images of one stack, as its Dockerfiles name them.

    Attributes:
        builders: build steps run in these.
        runtimes: the images' own bases, with the platforms that each is wanted for.
    """

    builders: tuple[str, ...]
    runtimes: Mapping[str, tuple[str, ...]]

    @property
    def references(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.builders, *self.runtimes)))


def ensure_bases(bases: BaseImages, maker: StandInMaker) -> dict[str, str]:
    """See that every base image that Docker Hub should give is stood in for: by reference, the stand-ins' digests.

    Raises:
        SetupError: the Go version does not exist, a platform has no stand-in, or this machine cannot make any.
    """
    wanted = {text: (image, names) for text, image, names in _stand_ins(bases, maker)}
    kept = read_json(_record(maker.root))
    missing: dict[Reference, set[str]] = {}
    for image, names in wanted.values():
        if not _is_made(image, names, kept, maker):
            missing.setdefault(image, set()).update(names)
    with ThreadPoolExecutor() as pool:
        made = {
            # Another stack may use the same tag for more platforms.
            image: pool.submit(_make, image, sorted({*names, *_entry(kept, image).get("platforms", [])}), maker)
            for image, names in missing.items()
        }
    for image, future in made.items():
        kept[image.short_name] = future.result()
        write_json(_record(maker.root), kept)
    if wanted:
        maker.report(
            f"WARNING: Docker Hub does not answer: stand-ins take the place of {' and '.join(wanted)}. "
            f"Images built on them say so in the label {STAND_IN_LABEL}, and are not for production."
        )
    return {text: str(_entry(kept, image)["digest"]) for text, (image, _) in wanted.items()}


def _stand_ins(bases: BaseImages, maker: StandInMaker) -> Iterator[tuple[str, Reference, tuple[str, ...]]]:
    """Which images need one, and for which platforms."""
    own = (own_platform(),)
    # Build steps run on the builder's own platform, in images for any.
    for reference, names in {**dict.fromkeys(bases.builders, own), **bases.runtimes}.items():
        image = Reference.of(reference)
        if not image.is_on_docker_hub or _has_digest(image, maker):
            continue
        if can_be_stood_in_for(image):
            yield reference, image, own if image.is_golang else names
        else:
            maker.report(f"WARNING: Docker Hub does not answer, and nothing can stand in for {reference}")


def can_be_stood_in_for(image: Reference) -> bool:
    """Whether there is something that does instead; no stand-in has the digest of the real image."""
    has_stand_in = (image.is_golang and is_go_tag(image.manifest)) or image.repository == "library/alpine"
    return has_stand_in and image.digest is None


def _has_digest(image: Reference, maker: StandInMaker) -> bool:
    digest = image.digest
    return digest is not None and maker.registry.digest(image.repository, digest) is not None


def _is_made(image: Reference, platforms: Sequence[str], kept: Mapping[str, Any], maker: StandInMaker) -> bool:
    entry = _entry(kept, image)
    content = content_key(image.repository)
    digest = maker.registry.digest(image.repository, image.manifest)
    current = bool(digest) and entry.get("digest") == digest and entry.get("recipe") == content
    return current and set(platforms) <= set(entry.get("platforms", []))


def _entry(kept: Mapping[str, Any], image: Reference) -> dict[str, Any]:
    entry = kept.get(image.short_name)
    return entry if isinstance(entry, dict) else {}


def _make(image: Reference, platforms: Sequence[str], maker: StandInMaker) -> dict[str, Any]:
    start = time.monotonic()
    maker.report(f"Docker Hub does not answer: making a stand-in for {image.short_name}…")
    if image.is_golang:
        make_golang(maker, image.manifest)
    else:
        make_alpine(maker, image.manifest, platforms)
    digest = maker.registry.digest(image.repository, image.manifest)
    if digest is None:
        message = (
            f"The stand-in for {image.short_name} was built, but {maker.registry.server} does not have it: see the "
            "registry's log in .local/log, and run the same command again."
        )
        raise SetupError(message)
    maker.report(f"Stand-in for {image.short_name}: done in {time.monotonic() - start:.0f} s")
    return {"recipe": content_key(image.repository), "digest": digest, "platforms": list(platforms)}


def _record(root: Path) -> Path:
    return state_dir(root) / "bases.json"
