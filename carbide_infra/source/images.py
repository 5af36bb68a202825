"""What images want of the source tree: their files, and the facts about their own line of versions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.catalogue.files import FileError, files_of
from carbide_infra.catalogue.model import FileVersion, Image
from carbide_infra.catalogue.template import build_arguments, linker_name
from carbide_infra.settings import Settings
from carbide_infra.source.facts import DEFAULT_VERSION, Source, VersionRule, read_source
from carbide_infra.source.inputs import InputError, Target, Wanted

_Line = tuple[VersionRule, str, str | None]


@dataclass(frozen=True)
class Sources:
    """The source tree as each image sees it.

    Attributes:
        root: the source root.
        by_image: the facts by the image's name; images with one rule for versions share them.
    """

    root: Path
    by_image: Mapping[str, Source]

    def of(self, image: Image) -> Source:
        """The facts for one image."""
        return self.by_image[image.name]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, each once."""
        return tuple(dict.fromkeys(warning for source in self.by_image.values() for warning in source.warnings))


def read_sources(settings: Settings, images: Sequence[Image], root: Path, *, full_ref: str | None) -> Sources:
    """Read the facts for every image.

    Raises:
        ConfigError: as `read_source` does.
    """
    found: dict[_Line, Source] = {}
    for image in images:
        line = _line(settings, image)
        if line not in found:
            rule, prefix, version = line
            found[line] = read_source(
                root,
                version,
                rule=rule,
                tag_prefix=prefix,
                require_history=settings.require_history,
                full_ref=full_ref,
                is_development=settings.is_development,
                main_branch=settings.main_branch,
            )
    return Sources(root, {image.name: found[_line(settings, image)] for image in images})


def unversioned(settings: Settings, images: Sequence[Image], sources: Sources) -> Iterator[str]:
    """A sentence for each file that should say a version and does not, so that nobody takes `dev` for one."""
    files = {
        image.version.file
        for image in images
        if isinstance(image.version, FileVersion) and sources.of(image).version == DEFAULT_VERSION
        if image.has_own_version or settings.version is None
    }
    for file in sorted(files):
        what = "says no version" if (sources.root / file).is_file() else "is not there"
        yield f"{file} {what} in {sources.root}: the version is {DEFAULT_VERSION}; write one such as 1.4.0 into it"


def _line(settings: Settings, image: Image) -> _Line:
    """What decides an image's version: the stack's own word, but for images that have a version of their own."""
    return image.version, image.tag_prefix, None if image.has_own_version else settings.version


def wanted_by(image: Image, root: Path, release: str | None = None) -> Wanted:
    """The binaries and files that an image is made of.

    Args:
        image: the image.
        root: the source root.
        release: the Go release of its builder, where that is known.

    Raises:
        InputError: a file is not there, or leads out of the tree.
    """
    targets = [
        Target(
            package=binary.package,
            platforms=image.platforms,
            module=binary.module,
            go_version=release or image.go_version,
            tags=binary.tags,
            symbols=tuple((symbol, linker_name(binary, symbol)) for symbol in binary.symbols),
        )
        for binary in image.binaries
    ]
    try:
        files = {name for file in image.source_files for name in files_of(root, file)}
    except FileError as error:
        msg = f"{image.name}: {error}"
        raise InputError(msg) from error
    return Wanted(targets, sorted(files | _version_file(image, root)))


def _version_file(image: Image, root: Path) -> set[str]:
    """A build by hand reads the version in it."""
    rule = image.version
    is_read = isinstance(rule, FileVersion) and rule.match is None and "VERSION" in build_arguments(image)
    return {rule.file} if isinstance(rule, FileVersion) and is_read and (root / rule.file).is_file() else set()
