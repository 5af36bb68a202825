"""The report: what a preview means for each image and for the deployments that run it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from carbide_infra.images.record import COARSE, INPUTS, KEPT, MODULE_FILES, MODULES
from carbide_infra.names import NO_HISTORY, STAND_IN_LABEL, WHOLE_TREE
from carbide_infra.report.files import FileChange, changed_files, paths, total_size
from carbide_infra.report.preview import Preview, Records, Step
from carbide_infra.report.reasons import Reason, Restart, is_unknown, reasons_of

_REVISION = re.compile(r"(?:^|-)([0-9a-f]{40}|[0-9a-f]{64})$")
_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_WEB = re.compile(r"https://[\w.-]+(?::\d+)?(?:/[\w.-]+)+", re.ASCII)
# Where context and Dockerfile lie; where alone that differs, what they hold does not.
_PLACES = frozenset({"context", "context.location", "dockerfile", "dockerfile.location"})


class Action(StrEnum):
    """What happens to an image."""

    NEW = "new"
    REBUILT = "rebuilt"
    REMOVED = "removed"
    RETAGGED = "re-tagged"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class TagMove:
    """One movable tag that gets another name, comes or goes."""

    kind: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ImageChange:
    """One image of the stack.

    Attributes:
        name: the image's name.
        action: what happens to it.
        restart: what that does to a deployment that takes it by digest.
        reasons: why, beside the files.
        files: changed input files; empty for a new image, all of whose files are new.
        tags: movable tags with another name.
        size_change: of the input files, in bytes; None where there is nothing to compare.
        base_changes: whether the image gets another base or Go, whose size the preview cannot know.
        renamed_from: of a new image, the one that goes and was made of the same files.
        record: what is recorded of its inputs once the update has run; empty where the preview does not say.
    """

    name: str
    action: Action
    restart: Restart = Restart.NO
    reasons: tuple[Reason, ...] = ()
    files: tuple[FileChange, ...] = ()
    tags: tuple[TagMove, ...] = ()
    size_change: int | None = None
    base_changes: bool = False
    renamed_from: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Warned:
    """Something that a reader should know before trusting or merging.

    Attributes:
        kind: which warning; "program" is one in the program's or the engine's own words.
        names: what it is about.
        text: those own words.
    """

    kind: str
    names: tuple[str, ...] = ()
    text: str = ""

    @property
    def stands(self) -> bool:
        """Whether it holds whatever this change does."""
        return self.kind in _STANDING


_STANDING = frozenset({"stand-ins", "unpinned", "coarse", "kept"})


@dataclass(frozen=True)
class Report:
    """All that the report says, before it is text.

    Attributes:
        project: the project's name.
        stack: the stack's name.
        images: every image that is, was or will be in the stack, the most affected first.
        revision_before: commit of the last update; None where the state does not tell.
        revision_after: commit that is previewed; None where the tree is not a commit.
        merge: commit that was previewed in the place of `revision_after`; None where that is it.
        source_url: address of the repository's pages; empty where nobody says it, or it is none.
        warnings: in the order of their weight.
        errors: why the preview failed; then nothing else here is complete.
    """

    project: str
    stack: str
    images: tuple[ImageChange, ...] = ()
    revision_before: str | None = None
    revision_after: str | None = None
    warnings: tuple[Warned, ...] = field(default_factory=tuple)
    errors: tuple[str, ...] = ()
    merge: str | None = None
    source_url: str = ""

    @property
    def images_change(self) -> bool:
        """Whether an image is built, comes or goes."""
        return any(image.action in CHANGES for image in self.images)

    @property
    def restart(self) -> Restart:
        """The strongest answer for any deployment."""
        return max((image.restart for image in self.images), default=Restart.NO)

    def restarting(self, *answers: Restart) -> list[str]:
        """The images with one of these answers, all that may restart where none is given, by name."""
        return sorted(image.name for image in self.images if image.restart in (answers or _RESTARTING))

    def having(self, *actions: Action) -> list[ImageChange]:
        """The images to which one of these happens."""
        return [image for image in self.images if image.action in actions]


CHANGES = frozenset({Action.NEW, Action.REBUILT, Action.REMOVED})
_RESTARTING = frozenset(Restart) - {Restart.NO}
_ORDER = list(Action)


def report_of(preview: Preview, head: str = "") -> Report:
    """Work out what a preview means.

    Args:
        preview: the preview.
        head: full SHA of the commit that people know, where a merge of it was previewed.
    """
    url = preview.config.get("sourceUrl", "").removesuffix("/").removesuffix(".git")
    url = url if _WEB.fullmatch(url) else ""
    if preview.errors:
        return Report(preview.project, preview.stack, errors=preview.errors, source_url=url)
    images = _with_renames([_image(name, preview) for name in _names(preview)], preview)
    after = _revision_after(preview)
    is_merge = bool(after and _FULL_SHA.fullmatch(head) and head != after)
    return Report(
        project=preview.project,
        stack=preview.stack,
        images=tuple(sorted(images, key=lambda image: _ORDER.index(image.action))),
        revision_before=_revision_before(preview),
        revision_after=head if is_merge else after,
        warnings=tuple(_warnings(preview, images, after)),
        merge=after if is_merge else None,
        source_url=url,
    )


def _with_renames(images: list[ImageChange], preview: Preview) -> list[ImageChange]:
    """A new image and one that goes, made of the same files, are one with another name."""
    gone = {
        frozenset(paths(_inputs(preview.records.get(image.name, Records()).before))): image.name
        for image in images
        if image.action is Action.REMOVED
    }
    gone.pop(frozenset(), None)
    return [
        replace(image, renamed_from=gone.get(frozenset(paths(_inputs(image.record)))))
        if image.action is Action.NEW
        else image
        for image in images
    ]


def _names(preview: Preview) -> list[str]:
    """All images: a preview leaves out what stays, the outputs of the last update know it."""
    return list(dict.fromkeys([*preview.deployed, *_services(preview), *preview.records, *preview.images]))


def _services(preview: Preview) -> list[str]:
    try:
        names = json.loads(preview.config.get("services") or "[]")
    except (ValueError, RecursionError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _image(name: str, preview: Preview) -> ImageChange:
    records = preview.records.get(name, Records())
    return replace(_change(name, records, preview), record=records.after or {})


def _change(name: str, records: Records, preview: Preview) -> ImageChange:
    image = preview.images.get(name)
    tags = tuple(_tag_moves(preview.tags.get(name, {})))
    if image is None or not image.changes:
        return _kept(name, image, tags, preview)
    if image.after is None:
        return ImageChange(name, Action.REMOVED)
    record = _inputs(records.after)
    if image.before is None and name not in preview.deployed:
        return ImageChange(name, Action.NEW, size_change=total_size(record) if record else None)
    return _rebuilt(name, records, image, tags, preview)


def _kept(name: str, image: Step | None, tags: tuple[TagMove, ...], preview: Preview) -> ImageChange:
    deployed = preview.deployed.get(name, {}).get("digest")
    built = image.outputs.get("digest") if image else None
    if built and built != deployed:
        # An update that failed for another image has left the outputs as they were.
        reason = Reason("unfinished", "", deployed, str(built), Restart.CERTAIN)
        return ImageChange(name, Action.REBUILT, Restart.CERTAIN, (reason,), tags=tags)
    # Its digest stays; that a tag is written again shows only in the state.
    return ImageChange(name, Action.RETAGGED if any(move.after for move in tags) else Action.UNCHANGED, tags=tags)


def _rebuilt(name: str, records: Records, image: Step, tags: tuple[TagMove, ...], preview: Preview) -> ImageChange:
    before, after = _inputs(records.before), _inputs(records.after)
    files = changed_files(before, after) if before and after else ()
    reasons = reasons_of(records, image, preview.deployed.get(name, {})) if image.before else ()
    if all(side.get(MODULES) is not None and not side.get(COARSE) for side in _sides(records)):
        files = tuple(replace(file, is_pruned=file.lists_modules) for file in files)
    if image.before and _has_the_same_modules(records):
        # Which of them it links is not known here, and need not be: none has moved.
        files = tuple(file for file in files if not file.lists_modules)
        reasons = tuple(reason for reason in reasons if reason.kind != "module")
        if not files and not reasons:
            return ImageChange(name, Action.UNCHANGED)
    if any(WHOLE_TREE in text for text in preview.warnings):
        # All files of the tree come new as inputs: nobody made that change.
        files = tuple(file for file in files if file.kind != "added")
        reasons = (*reasons, Reason("fallback", "", None, None, Restart.EXPECTED))
    if image.before is None:
        reasons = (Reason("missing", "", None, None, Restart.EXPECTED),)
    elif not reasons and not files and before and image.keys <= _PLACES:
        reasons = (Reason("moved", "", None, None, Restart.NO),)
    elif not reasons and not files:
        reasons = (Reason("other", ", ".join(sorted(image.keys)), None, None, Restart.EXPECTED),)
    return ImageChange(
        name,
        Action.REBUILT,
        max([*(reason.restart for reason in reasons), *(_of_file(file) for file in files)]),
        reasons,
        files,
        tags,
        sum(file.size_change for file in files),
        any(reason.kind in {"goVersion", "builderImage", "runtimeImage"} for reason in reasons),
    )


def _sides(records: Records) -> tuple[Mapping[str, object], Mapping[str, object]]:
    return records.before or {}, records.after or {}


def _has_the_same_modules(records: Records) -> bool:
    """Whether a side is coarse, and all of the tree's module files are the same in both."""
    sides = _sides(records)
    listed = {str(side.get(MODULE_FILES) or "") for side in sides}
    is_coarse = any(side.get(COARSE) for side in sides) and not any(
        WHOLE_TREE in str(side.get(COARSE)) for side in sides
    )
    return is_coarse and len(listed) == 1 and "" not in listed


def _of_file(file: FileChange) -> Restart:
    return Restart.IF_LINKED if file.may_concern_others else Restart.EXPECTED


def _leaves(image: Step | None) -> bool:
    return image is not None and image.after is None


def _inputs(record: Mapping[str, object] | None) -> str:
    return str((record or {}).get(INPUTS) or "")


def _tag_moves(steps: Mapping[str, Step]) -> Iterator[TagMove]:
    for kind in sorted(steps):
        before, after = (_tag(inputs) for inputs in (steps[kind].before, steps[kind].after))
        if before != after:
            yield TagMove(kind, before, after)


def _tag(inputs: Mapping[str, object] | None) -> str | None:
    return str(inputs["tag"]).rpartition(":")[2] if inputs and "tag" in inputs else None


def _revision(tag: object) -> str | None:
    match = _REVISION.search(str(tag))
    return match and match[1]


def _revision_before(preview: Preview) -> str | None:
    tags = [tag for image in preview.deployed.values() for tag in image.get("tags") or ()]
    return next(filter(None, map(_revision, tags)), None)


def _revision_after(preview: Preview) -> str | None:
    # A service that leaves the stack takes its tags along; that says nothing about the tree.
    stay = [found for name, found in preview.tags.items() if not _leaves(preview.images.get(name))]
    steps = [found["revision"] for found in stay if "revision" in found]
    if not steps:
        return _revision_before(preview)
    tags = (_tag(step.after) for step in steps)
    return next(filter(None, map(_revision, tags)), None)


def _warnings(preview: Preview, images: list[ImageChange], revision: str | None) -> Iterator[Warned]:
    no_history = any(NO_HISTORY in text for text in preview.warnings)
    if revision is None and not no_history and preview.config.get("tagRevision", "true") == "true" and _names(preview):
        yield Warned("dirty")
    yield from (Warned("program", text=text) for text in preview.warnings)
    inputs = [step.after for step in preview.images.values() if step.after]
    labels = [str((one.get("labels") or {}).get(STAND_IN_LABEL) or "") for one in inputs]
    if stand_ins := sorted({name for text in labels for name in text.split(", ") if name}):
        yield Warned("stand-ins", tuple(stand_ins))
    if unpinned := sorted(base for base in _bases(preview) if "@sha256:" not in base and not is_unknown(base)):
        yield Warned("unpinned", tuple(unpinned))
    # Why is said by the program itself.
    if coarse := tuple(sorted(image.name for image in images if _counts_modules(image))):
        yield Warned("coarse", coarse)
    if kept := tuple(sorted(image.name for image in images if image.record.get(KEPT))):
        yield Warned("kept", kept)


def _counts_modules(image: ImageChange) -> bool:
    """Whether all of go.mod counts for it, and not the whole tree anyway."""
    reason = str(image.record.get(COARSE) or "")
    return bool(reason) and WHOLE_TREE not in reason


def _bases(preview: Preview) -> set[str]:
    arguments = [step.after.get("buildArgs") or {} for step in preview.images.values() if step.after]
    seen = {base for one in arguments for key in ("BUILDER_IMAGE", "RUNTIME_IMAGE") if (base := one.get(key))}
    config = preview.config
    if seen or config.get("trackBaseImages") == "true" or "goVersion" not in config:
        return seen
    # Nothing is built, so no resource shows them.
    return {config.get("builderImage") or f"golang:{config['goVersion']}", config.get("runtimeImage") or ""} - {""}
