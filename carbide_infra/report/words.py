"""Words: every sentence of the report, in all its forms; the form marks up the values."""

from collections.abc import Callable, Sequence

from carbide_infra.report.changes import Action, ImageChange, Report, TagMove, Warned
from carbide_infra.report.files import FileChange
from carbide_infra.report.reasons import Reason, Restart

Mark = Callable[[str], str]
"""Makes a value of somebody else's a part of a sentence."""

COLUMNS = ("Image", "What happens", "Does its deployment restart?", "Why", "Size")
COLUMNS_OF_A_TERMINAL = ("Image", "What happens", "Restarts?", "Why", "Size")
ERRORS = "Pulumi says:"
WARNING = "warning"
PICTURE = "What changed, and the images it reaches:"
NOTHING_HAPPENS = "nothing happens"
MEANINGS_TITLE = "What the words mean"
MEANINGS = """\
- **Restart**: a deployment that takes `ref` from this stack's outputs runs an image by digest. It restarts when the
  digest changes, and at no other time: not for a new tag, not for a new commit.
- **Unless the bytes stay the same**: the preview compares files and does not build. When the compiler makes the same
  binary of them, as it may after a comment, the digest stays.
- **Uses what changed in go.mod**: `go.mod` and `go.sum` belong to all images, so all are built again. The digest moves
  for those that link a changed module; for all, if the `go` line changed.
- **Size**: of the input files, before they are compiled and compressed. The image's own size is known after the
  build."""

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
_COMING_OR_GOING = {
    Action.NEW: "not in the stack before",
    Action.REMOVED: "no longer among the stack's services",
}
_SUBJECTS = {
    "goVersion": "Go version",
    "builderImage": "builder image",
    "runtimeImage": "base image",
    "version": "version",
    "revision": "commit",
    "buildArgument": "build argument {name}",
    "epoch": "build time (when VERSION last changed)",
    "health": "health command",
    "dockerfile": "{name} changed",
    "platforms": "platforms",
    "label": "label {name}",
    "annotations": "annotations of the index",
    "repository": "repository",
    "unfinished": "built by an update that did not finish",
    "moved": "built from another folder, the same bytes",
    "missing": "not in the state: the last update did not finish",
    "fallback": "the whole tree counts: see the warning",
    "other": "Pulumi updates it and names {name} as the difference",
}
_CONFIGURATION = {"registries": "registry login", "secrets": "build secrets"}
_IMAGES = frozenset({"builderImage", "runtimeImage"})
_ABSENT = {"epoch": "unknown", "health": "the Dockerfile's own", "builder": "the current one"}
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


def title(report: Report, mark: Mark) -> str:
    """What this is a report of."""
    return f"Container images of stack {mark(report.stack)}"


def deployments(mark: Mark) -> str:
    """The heading of `restarts`."""
    return f"What it means for the deployments, once this is merged and {mark('pulumi up')} has run:"


def listing(count: int) -> str:
    """The heading of all changed files."""
    return f"{count} changed input {_verb(count, 'file', 'files')}"


def kept(count: int) -> str:
    """The heading of the images that stay as they are."""
    return f"{count} {_verb(count, 'image keeps its', 'images keep their')} bytes and digest"


def warning(warned: Warned, mark: Mark, quote: Mark, most: int | None = None) -> str:
    """One warning; `quote` is for what the program or the engine says itself."""
    names = some([mark(name) for name in warned.names], most)
    match warned.kind:
        case "dirty":
            return (
                "The source tree has uncommitted changes. This report is about those files, not about a commit: the "
                f"images get no git SHA tag and no {mark('latest')}. Commit, and make the report again."
            )
        case "stand-ins":
            return (
                f"Stand-ins take the place of the base images {names} on this machine. Digests are not those of "
                "production; what changes and why is the same."
            )
        case "unpinned":
            return (
                f"Base images without a digest: {names}. Such a tag moves, and this report cannot see that: an image "
                f"that is built gets the base of that day. {mark('make pin-bases')} pins them."
            )
        case _:
            return quote(warned.text)


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
    what = subject(item, mark)
    if item.before is None and item.after is None:
        return what
    name, _, old = (item.before or "").partition("@")
    if item.kind in _IMAGES and old and (item.after or "").startswith(f"{name}@"):
        return f"{what} {mark(name)} moved: {mark(old)} → {mark(str(item.after).partition('@')[2])}"
    absent = _ABSENT.get(item.name if item.kind == "configuration" else item.kind, "none")
    before, after = (mark(value) if value else absent for value in (item.before, item.after))
    return f"{what} {before} → {after}"


def subject(item: Reason, mark: Mark) -> str:
    """What a reason is about, without its values."""
    if item.kind == "configuration":
        return _CONFIGURATION.get(item.name, item.name)
    return _SUBJECTS[item.kind].replace("{name}", mark(item.name) if item.name else "nothing")


def cause(item: Reason) -> str:
    """A reason in the picture: short, and with its new value where people ask for that first."""
    if item.kind == "dockerfile":
        return item.name
    short = subject(item, str).partition(" (")[0]
    return f"{short} {item.after}" if item.kind in {"goVersion", "version"} else short


def coming_or_going(image: ImageChange) -> list[str]:
    """Why an image is new or removed; nothing for another."""
    return [_COMING_OR_GOING[image.action]] if image.action in _COMING_OR_GOING else []


def files(changes: Sequence[FileChange], mark: Mark, most: int) -> str:
    """The changed files of one image, a few by name; code before lists of modules."""
    ordered = sorted(changes, key=lambda one: one.lists_modules)
    if most == 0:
        return f"{len(changes)} {_verb(len(changes), 'file', 'files')}"
    return some([file(one, mark) for one in ordered], most)


def file(change: FileChange, mark: Mark) -> str:
    """One changed file, and what happened to it."""
    return f"{mark(change.path)} {change.kind}"


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


def some(items: Sequence[str], most: int | None) -> str:
    """A few of them, and how many more there are."""
    shown = list(items[:most])
    rest = len(items) - len(shown)
    return ", ".join([*shown, more(rest)] if rest else shown)


def more(count: int) -> str:
    """How many are not shown."""
    return f"+{count} more"
