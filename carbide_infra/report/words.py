"""Words: the sentences that every form of the report has, with values marked up by the caller."""

from collections.abc import Callable, Sequence

from carbide_infra.report.changes import Action, ImageChange, Report, TagMove
from carbide_infra.report.files import FileChange
from carbide_infra.report.reasons import Reason, Restart

Mark = Callable[[str], str]

ACTIONS = {
    Action.NEW: "new: built for the first time",
    Action.REBUILT: "rebuilt",
    Action.REMOVED: "removed from the stack; stays in the registry",
    Action.RETAGGED: "same image, tags move",
    Action.UNCHANGED: "nothing",
}
_RESTARTS = {
    Restart.CERTAIN: "yes",
    Restart.EXPECTED: "yes, unless the bytes stay the same",
    Restart.IF_LINKED: "only if it uses what changed in go.mod",
    Restart.NO: "no",
}
_HEADINGS = {
    Restart.CERTAIN: "Restarts",
    Restart.EXPECTED: "Restarts, unless the bytes stay the same (as they may after a comment)",
    Restart.IF_LINKED: "Restarts only if it uses what changed in go.mod",
}
_TAGS = {"revision": "git SHA tag", "version": "version tag", "latest": "tag"}
_UNITS = ("B", "kB", "MB", "GB")
_THOUSAND = 1000


def verdict(report: Report) -> str:
    """The first sentence: how many images change."""
    if report.errors:
        return "The preview failed: nobody can say what would change"
    total = len(report.images) - len(report.having(Action.REMOVED))
    parts = []
    if rebuilt := len(report.having(Action.REBUILT)):
        parts.append(f"{rebuilt} of {total} images {_verb(rebuilt, 'changes', 'change')}")
    if new := len(report.having(Action.NEW)):
        parts.append(
            f"{new} {_verb(new, 'is', 'are')} new"
            if rebuilt
            else f"{new} of {total} images {_verb(new, 'is', 'are')} new"
        )
    if removed := len(report.having(Action.REMOVED)):
        parts.append(
            f"{removed} {_verb(removed, 'is', 'are')} removed"
            if parts
            else f"{removed} {_verb(removed, 'image is', 'images are')} removed"
        )
    if not parts:
        parts.append("No image changes")
    if retagged := len(report.having(Action.RETAGGED)):
        parts.append(f"{retagged} re-tagged")
    return "; ".join(parts)


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def restarts(report: Report, mark: Mark, most: int) -> list[str]:
    """Which deployments restart: one sentence for each answer, then what happens to the rest."""
    sentences = []
    for answer, heading in _HEADINGS.items():
        names = [image.name for image in report.images if image.restart is answer]
        if names:
            sentences.append(f"{heading}: {some([mark(name) for name in names], most)}.")
    if new := [mark(image.name) for image in report.having(Action.NEW)]:
        sentences.append(f"Nothing runs yet of: {some(new, most)}.")
    if removed := [mark(image.name) for image in report.having(Action.REMOVED)]:
        sentences.append(
            f"Keeps running, but gets no more updates, and its entry leaves the stack's outputs: {some(removed, most)}."
        )
    if report.having(Action.RETAGGED, Action.UNCHANGED) or any(
        image.restart is Restart.NO and image.action is Action.REBUILT for image in report.images
    ):
        sentences.append("Every other deployment keeps running as it is." if sentences else "No deployment restarts.")
    return sentences


def compared(report: Report, mark: Mark) -> str:
    """Which commits the two sides are, as far as the state and the tree tell."""
    before = mark(revision(report.revision_before)) if report.revision_before else "no known commit"
    if not report.having(Action.REBUILT, Action.REMOVED, Action.RETAGGED, Action.UNCHANGED):
        before = "nothing yet"
    after = mark(revision(report.revision_after)) if report.revision_after else "the working tree"
    return f"Deployed: {before}. Compared with it: {after}."


def restart(image: ImageChange) -> str:
    """The answer for one image."""
    match image.action:
        case Action.NEW:
            return "no: nothing runs it yet"
        case Action.REMOVED:
            return "no: it keeps what it runs"
    return _RESTARTS[image.restart]


def reason(item: Reason, mark: Mark) -> str:
    """One cause: what, from what, to what."""
    if item.kind == "dockerfile":
        return f"{mark(item.subject)} changed"
    if item.before is None and item.after is None:
        return f"{item.subject}"
    subject = f"label {mark(item.subject.removeprefix('label '))}" if item.kind == "label" else item.subject
    return f"{subject} {_value(item.before, mark)} → {_value(item.after, mark)}"


def _value(value: str | None, mark: Mark) -> str:
    return mark(value) if value else "none"


def files(changes: Sequence[FileChange], mark: Mark, most: int) -> str:
    """The changed files of one image, a few by name; code before lists of modules."""
    ordered = sorted(changes, key=lambda file: file.lists_modules)
    if most == 0:
        return f"{len(changes)} {_verb(len(changes), 'file', 'files')}"
    return some([f"{mark(file.path)} {file.kind}" for file in ordered], most)


def tag_move(move: TagMove, mark: Mark) -> str:
    """What becomes of one movable tag."""
    name = _TAGS.get(move.kind, move.kind)
    if move.after is None:
        return f"{name} {mark(_abbreviated(move.before))} is no longer kept (the registry still has it)"
    if move.before is None:
        return f"{name} {mark(_abbreviated(move.after))} is added"
    return f"{name} {mark(_abbreviated(move.before))} → {mark(_abbreviated(move.after))}"


def _abbreviated(tag: str | None) -> str:
    """A tag whose commit is as long as git shows it."""
    head, dash, last = (tag or "").rpartition("-")
    return f"{head}{dash}{revision(last)}"


def revision(commit: str) -> str:
    """A commit as long as people quote it."""
    is_commit = len(commit) in {40, 64} and not set(commit) - set("0123456789abcdef")
    return commit[:10] if is_commit else commit


def size(image: ImageChange) -> str:
    """How much bigger the image gets, as far as anybody can know before the build."""
    if image.action is Action.NEW and image.size_change is not None:
        return f"inputs {_bytes(image.size_change)}"
    if image.base_changes:
        return "unknown before the build"
    if image.action is not Action.REBUILT or image.size_change is None or not image.files:
        return "-"
    sign = "-" if image.size_change < 0 else "+" if image.size_change else "±"
    return f"inputs {sign}{_bytes(abs(image.size_change))}"


def _bytes(count: int) -> str:
    number, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if number < _THOUSAND:
            break
        number, unit = number / _THOUSAND, larger
    return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"


def some(items: Sequence[str], most: int) -> str:
    """A few of them, and how many more there are."""
    shown = list(items[:most])
    rest = len(items) - len(shown)
    return ", ".join([*shown, f"+{rest} more"] if rest else shown)
