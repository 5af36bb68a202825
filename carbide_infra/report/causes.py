"""Causes: what changed, with the images that it reaches; the same fact is one cause however many images have it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from carbide_infra.report.changes import ImageChange, Report
from carbide_infra.report.files import FileChange
from carbide_infra.report.reasons import Reason, Restart

_WITHOUT_VALUES = frozenset({"unfinished", "missing", "fallback"})


@dataclass(frozen=True)
class Cause:
    """One cause: a reason, or files that changed and reach the same images.

    Attributes:
        images: names of the images that it reaches.
        restart: what it does to their deployments.
        reasons: of one kind; several where each image has one of its own, such as its Dockerfile.
        files: by path, code before lists of modules; empty beside reasons.
    """

    images: tuple[str, ...]
    restart: Restart
    reasons: tuple[Reason, ...] = ()
    files: tuple[FileChange, ...] = ()


def causes_of(report: Report) -> list[Cause]:
    """All causes, the surest and farthest-reaching first."""
    found = [*_from_reasons(report.images), *_from_files(report.images)]
    return sorted(found, key=lambda cause: (-cause.restart, -len(cause.images), bool(cause.files)))


def _from_reasons(images: Iterable[ImageChange]) -> Iterator[Cause]:
    groups: dict[Reason, dict[str, Reason]] = {}
    for image in images:
        for reason in image.reasons:
            groups.setdefault(_common(reason, image.name), {})[image.name] = reason
    for common, reached in groups.items():
        reasons = tuple(sorted(set(reached.values()), key=lambda reason: reason.name))
        own = reasons if common.kind == "dockerfile" else (common,)
        yield Cause(tuple(sorted(reached)), common.restart, own)


def _common(reason: Reason, image: str) -> Reason:
    """The reason without what is each image's own."""
    if reason.kind in _WITHOUT_VALUES:
        return replace(reason, before=None, after=None)
    if reason.kind == "dockerfile":
        return replace(reason, name="")
    if reason.kind == "repository" and reason.before and reason.after:
        ends = f"/{image}"
        if reason.before.endswith(ends) and reason.after.endswith(ends):
            return replace(reason, before=reason.before.removesuffix(ends), after=reason.after.removesuffix(ends))
    return reason


def _from_files(images: Iterable[ImageChange]) -> Iterator[Cause]:
    reached: dict[FileChange, dict[str, None]] = {}
    for image in images:
        for file in _telling(image):
            reached.setdefault(file, {})[image.name] = None
    groups: dict[tuple[tuple[str, ...], bool], list[FileChange]] = {}
    for file, names in reached.items():
        groups.setdefault((tuple(sorted(names)), file.may_concern_others), []).append(file)
    for (same, may_concern_others), files in groups.items():
        restart = Restart.IF_LINKED if may_concern_others else Restart.EXPECTED
        yield Cause(same, restart, files=tuple(sorted(files, key=lambda file: file.path)))


def _telling(image: ImageChange) -> Iterator[FileChange]:
    """Its files, without those whose change a reason says in better words."""
    kinds = {reason.kind for reason in image.reasons}
    for file in image.files:
        if not (file.holds_version and "version" in kinds) and not (file.lists_modules and "module" in kinds):
            yield file
