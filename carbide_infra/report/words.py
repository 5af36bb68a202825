"""Words: every sentence of the report, in all its forms; the form marks up the values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carbide_infra.remedies import typed
from carbide_infra.report.causes import Cause, causes_of
from carbide_infra.report.changes import Action, ImageChange, Report, TagMove, Warned
from carbide_infra.report.failure import failure_of
from carbide_infra.report.files import FileChange
from carbide_infra.report.reasons import Reason, Restart

Mark = Callable[[str], str]
"""Makes a value of somebody else's a part of a sentence."""


@dataclass(frozen=True)
class Marks:
    """How a form shows what is not our own words.

    Attributes:
        value: a file, a version, a tag.
        name: an image.
        quote: a sentence of the program or the engine.
        link: a commit, and the address of its page.
    """

    value: Mark = str
    name: Mark = str
    quote: Mark = str
    link: Callable[[str, str], str] = lambda text, _: text


PLAIN = Marks()

ALL_SAID = "All that Pulumi says"
BY_IMAGE = "By image"
STANDING = "What holds whatever changes"
WARNING = "warning"
NOTE = "note"
TAGS = "Tags"
STRANGER = "Made by the pull request's own code; nobody has checked it."
PAGE = "The same as a page, with the inputs of each image"
GRAPH = "Causes and images"
GRAPH_HINT = "Point at a cause or an image, or go there by tab, to follow its arrows; a click or Enter holds it."
INPUTS = "What each image is made of, by size"
INPUTS_HINT = "A file's area is its size, its shade its folder; a dashed edge is a file that changed."
FILES = "All of them"
TREEMAP = "Files by size"
MOVED = "What moved since the last update"
CHANGED_FILE = ", changed"
STAYS = "Stays as it is"
MEANINGS_TITLE = "What the words mean"
MEANINGS = {
    "Restarts": "a deployment that takes `ref` from this stack's outputs runs an image by digest. It restarts when the "
    "digest changes, and at no other time: not for a new tag, not for a new commit.",
    "May restart": "the preview compares files and does not build. Where the compiler makes the same binary of them, "
    "as after a changed code comment, the digest stays.",
    "Inputs": "the files that go into the build, before they are compiled and compressed. The image's own size is "
    "known after the build.",
}

_NAMES_IN_A_VERDICT, _NAMES_IN_A_LINE, _NAMES_LEFT_OUT = 2, 7, 2
_CAUSES_IN_A_VERDICT = 2
FILES_IN_A_CAUSE = 3
_WHO_RESTARTS = {
    Restart.CERTAIN: ("restarts", "restart"),
    Restart.EXPECTED: ("may restart", "may restart"),
    Restart.UNKNOWN: ("restarts", "restart"),
    Restart.IF_LINKED: ("restarts", "restart"),
}
_HOW_SURE = {
    Restart.CERTAIN: "for certain",
    Restart.EXPECTED: "probably; not if only code comments changed",
    Restart.UNKNOWN: "only the update looks the base image up",
    Restart.IF_LINKED: "nobody knows before the build; an image that uses nothing of what changed keeps its digest",
}
_ONE_OF_SEVERAL = {
    Restart.CERTAIN: "For certain",
    Restart.EXPECTED: "Probably, but not if only code comments changed",
    Restart.UNKNOWN: "Nobody knows before the update",
    Restart.IF_LINKED: "Only if it uses what changed in go.mod",
}
_SUBJECTS = {
    "goVersion": "Go",
    "builderImage": "builder image",
    "runtimeImage": "base image",
    "version": "version",
    "revision": "commit",
    "module": "{name}",
    "buildArgument": "build argument {name}",
    "epoch": "build time (when VERSION last changed)",
    "health": "health command",
    "dockerfile": "{name} changed",
    "template": "template of carbide-infra",
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
_ABSENT = {"epoch": "unknown", "health": "the Dockerfile's own", "builder": "the current one"}
_BASES = frozenset({"runtimeImage", "builderImage"})
_TAGS = {"revision": "git SHA tag", "version": "version tag", "latest": "tag"}
_GOOD_VALUE = "a good value: "
_UNITS = ("B", "kB", "MB", "GB")
_THOUSAND = 1000


# ---- The first two lines.


def verdict(report: Report, marks: Marks) -> str:
    """The answer in one sentence: what restarts, or that nobody knows, or what failed."""
    if report.errors:
        return f"The preview failed: {_place(report, marks)}."
    match _answers(report):
        case []:
            return _without_restart(report, marks)
        case [answer]:
            return _of_one_answer(report, answer, marks)
        case [Restart.CERTAIN, *others]:
            sure, perhaps = len(report.restarting(Restart.CERTAIN)), len(report.restarting(*others))
            return f"{_deployments(sure)} {_number(sure, *_WHO_RESTARTS[Restart.CERTAIN])}, {perhaps} more may."
        case _:
            return f"{_deployments(len(report.restarting()))} may restart."


def _of_one_answer(report: Report, answer: Restart, marks: Marks) -> str:
    names = report.restarting(answer)
    tail = _told_in_verdict(report, names, marks)
    said = f"{_deployments(len(names))} {_number(len(names), *_WHO_RESTARTS[answer])}"
    if answer is Restart.UNKNOWN:
        return f"Nobody knows yet whether {said}{tail}."
    if answer is Restart.IF_LINKED:
        uses = _number(len(names), "it uses", "they use")
        return f"{said} only if {uses} what changed in {marks.value('go.mod')}{tail}."
    return f"{said}{tail}."


def explanation(report: Report, marks: Marks) -> str:
    """What the verdict leaves open: who, how sure, and what becomes of the rest; empty where it says all."""
    if report.errors:
        return _cause_of_failure(report, marks)
    answers = _answers(report)
    sentences = [_who(report, answers[0], marks)] if len(answers) == 1 else []
    if len(answers) > 1:
        for answer in answers:
            names = _listed(report.restarting(answer), marks)
            sentences.append(f"{_ONE_OF_SEVERAL[answer]}: {names}.")
    sentences += _coming_and_going(report, marks) if answers else []
    return " ".join([*sentences, *_staying(report, restarts=bool(answers))])


def in_verdict(report: Report) -> list[Cause]:
    """The causes that the verdict names: the sure ones that reach all that restarts, where they are few."""
    if _answers(report) != [Restart.CERTAIN]:
        return []
    names = report.restarting()
    found = [cause for cause in causes_of(report) if cause.restart is Restart.CERTAIN]
    many = len(names) > _NAMES_IN_A_VERDICT and len(found) <= _CAUSES_IN_A_VERDICT
    return found if many and all(cause.reasons and list(cause.images) == names for cause in found) else []


def _answers(report: Report) -> list[Restart]:
    """The answers that some image has, the surest first."""
    return sorted({image.restart for image in report.images} - {Restart.NO}, reverse=True)


def _told_in_verdict(report: Report, names: Sequence[str], marks: Marks) -> str:
    """Few images by name, else why."""
    causes = [cause(found, marks) for found in in_verdict(report)]
    told = _listed(names, marks) if len(names) <= _NAMES_IN_A_VERDICT else ", ".join(causes)
    return told and f": {told}"


def _who(report: Report, answer: Restart, marks: Marks) -> str:
    names = report.restarting(answer)
    how = _HOW_SURE[answer]
    if len(names) <= _NAMES_IN_A_VERDICT:
        return f"{how[0].upper()}{how[1:]}."
    who = reach(names, report, marks)
    return f"{who[0].upper()}{who[1:]}: {how}." if who[0].isalpha() else f"{who}: {how}."


def _without_restart(report: Report, marks: Marks) -> str:
    new, removed = report.having(Action.NEW), report.having(Action.REMOVED)
    renamed = [image for image in new if image.renamed_from]
    parts = [f"{marks.name(str(image.renamed_from))} is now {marks.name(image.name)}" for image in renamed]
    gone = [image for image in removed if image.name not in {one.renamed_from for one in renamed}]
    if count := len(new) - len(renamed):
        parts.append(f"{_images(count)} {_number(count, 'is', 'are')} new")
    if gone:
        named = f": {_listed([image.name for image in gone], marks)}" if len(gone) <= _NAMES_IN_A_VERDICT else ""
        parts.append(f"{_images(len(gone))} {_number(len(gone), 'leaves', 'leave')} the stack{named}")
    return f"Nothing restarts{''.join(f'; {part}' for part in parts)}."


def _coming_and_going(report: Report, marks: Marks) -> list[str]:
    new_names = [image for image in report.having(Action.NEW) if image.renamed_from]
    told = [f"{marks.name(str(image.renamed_from))} is now {marks.name(image.name)}." for image in new_names]
    renamed = {image.renamed_from for image in report.images}
    if new := [image.name for image in report.having(Action.NEW) if not image.renamed_from]:
        told.append(f"{_number(len(new), 'New', 'New')}: {_listed(new, marks)}.")
    if removed := [image.name for image in report.having(Action.REMOVED) if image.name not in renamed]:
        told.append(f"{_number(len(removed), 'Leaves', 'Leave')} the stack: {_listed(removed, marks)}.")
    return told


def _staying(report: Report, *, restarts: bool) -> list[str]:
    told = []
    if report.having(Action.NEW) and not restarts:
        told.append("What is new runs nowhere yet.")
    if report.having(Action.REMOVED):
        told.append("What leaves the stack keeps running where it runs, and gets no more updates.")
    same = len([image for image in report.having(Action.REBUILT) if image.restart is Restart.NO])
    if same:
        told.append(f"{_images(same)} {_number(same, 'is', 'are')} updated and {_number(same, 'keeps', 'keep')} "
                    f"{_number(same, 'its digest', 'their digests')}.")  # fmt: skip
    if kept := len(report.having(Action.RETAGGED, Action.UNCHANGED)):
        everything = kept == len(report.images)
        which = "All" if everything else "The other" if restarts else "The"
        told.append(f"{which} {_images(kept)} {_number(kept, 'stays as it is', 'stay as they are')}.")
    return told


# ---- Causes.


def cause(found: Cause, marks: Marks) -> str:
    """What changed: a fact with its values, or a few files by name."""
    if not found.reasons:
        return files(found.files, marks, FILES_IN_A_CAUSE)
    if len(found.reasons) > 1:
        return f"{len(found.reasons)} Dockerfiles changed"
    return reason(found.reasons[0], marks)


def reached(found: Cause, report: Report, marks: Marks) -> str:
    """A cause with the images that it reaches."""
    how = "linked by" if found.reasons and found.reasons[0].kind == "module" else "for" if found.reasons else "in"
    return f"{cause(found, marks)}, {how} {reach(found.images, report, marks)}"


def reach(names: Sequence[str], report: Report, marks: Marks) -> str:
    """The images that a cause reaches, by what is shortest to read."""
    every = [image.name for image in report.images if image.action is not Action.REMOVED]
    rest = sorted(set(every) - set(names))
    if not rest and len(every) > 1:
        return f"all {len(every)} images"
    if rest and len(names) > len(rest) and len(rest) <= _NAMES_LEFT_OUT:
        return f"all but {_listed(rest, marks)}"
    return _listed(names, marks)


def reason(item: Reason, marks: Marks) -> str:
    """One cause: what, from what, to what."""
    if item.kind in _BASES and item.before and item.after is None:
        return f"{subject(item, marks)} {marks.value(item.before)} → known only to the update"
    if item.kind in _BASES and item.before and item.after:
        name, _, old = item.before.partition("@")
        other, _, new = item.after.partition("@")
        if name == other and new:
            became = f"moved: {marks.value(old)} → {marks.value(new)}" if old else f"pinned to {marks.value(new)}"
            return f"{subject(item, marks)} {marks.value(name)} {became}"
    what = subject(item, marks)
    if item.before is None and item.after is None:
        return what
    absent = _ABSENT.get(item.name if item.kind == "configuration" else item.kind, "none")
    before, after = (marks.value(value) if value else absent for value in (item.before, item.after))
    return f"{what} {before} → {after}"


def subject(item: Reason, marks: Marks) -> str:
    """What a reason is about, without its values."""
    if item.kind == "configuration":
        return _CONFIGURATION.get(item.name, item.name)
    return _SUBJECTS[item.kind].replace("{name}", marks.value(item.name) if item.name else "nothing")


def files(changes: Sequence[FileChange], marks: Marks, most: int | None) -> str:
    """Changed files, a few by name, those of one kind together."""
    shown = list(changes[:most])
    rest = [more(len(changes) - len(shown))] if len(changes) > len(shown) else []
    kinds = list(dict.fromkeys(change.kind for change in shown))
    of_kind = [[marks.value(one.path) for one in shown if one.kind == kind] for kind in kinds]
    of_kind[-1] += rest
    return ", ".join(f"{', '.join(paths)} {kind}" for paths, kind in zip(of_kind, kinds, strict=True))


def file(change: FileChange, marks: Marks) -> str:
    """One changed file, and what happened to it."""
    return f"{marks.value(change.path)} {change.kind}"


def file_with_size(change: FileChange, marks: Marks) -> str:
    """The same, with what it grew or shrank by."""
    grown = f", {_signed(change.size_change)}" if change.size_change else ""
    return f"{file(change, marks)}{grown}"


def inputs_of(files: int, size: int, modules: int) -> str:
    """How much an image is made of."""
    linked = f", {modules} {_number(modules, 'module', 'modules')}" if modules else ""
    return f"{files} {_number(files, 'file', 'files')}, {bytes_of(size)}{linked}"


def causes_of_image(image: ImageChange, found: Sequence[Cause], marks: Marks) -> str:
    """Why one image changes, in a line, and by how much its inputs do."""
    told = [cause(one, marks) for one in found if image.name in one.images]
    grown = size(image)
    return "; ".join([*told, grown] if grown else told)


# ---- Notes.


def warning(warned: Warned, marks: Marks, most: int | None = None) -> str:
    """One warning, in one line."""
    names = some([marks.value(name) for name in warned.names], most)
    match warned.kind:
        case "dirty":
            return (
                "The source tree has uncommitted changes, so this is about files and not about a commit: the images "
                f"get no git SHA tag and no {marks.value('latest')}. Commit, and make the report again."
            )
        case "stand-ins":
            return (
                f"Stand-ins take the place of the base images {names} on this machine: the digests are not those of "
                "production; what changes, and why, is the same."
            )
        case "unpinned":
            return (
                f"Base images without a digest: {names}. Their tags may move at any time, and this report cannot see "
                f"it: an image that is built gets the base of the day. {marks.value(typed('pin-bases'))} pins them."
            )
        case "coarse":
            return f"{marks.value('go.mod')} counts for all of it, not just the modules it links: {names}."
        case "kept":
            return f"Built from a Dockerfile of its own, about which less is known and promised: {names}."
        case _:
            return marks.quote(warned.text)


def compared(report: Report, marks: Marks) -> str:
    """Which commits the two sides are, as far as the state and the tree tell."""
    before = _commit(report.revision_before, report, marks) if report.revision_before else "no known commit"
    if not report.having(Action.REBUILT, Action.REMOVED, Action.RETAGGED, Action.UNCHANGED):
        before = "nothing yet"
    after = _commit(report.revision_after, report, marks) if report.revision_after else "the working tree"
    return f"Stack {marks.value(report.stack)} has {before}; this is {after}."


def _commit(revision: str, report: Report, marks: Marks) -> str:
    shown = marks.value(abbreviated(revision))
    return marks.link(shown, f"{report.source_url}/commit/{revision}") if report.source_url else shown


def listing(count: int) -> str:
    """The heading of all changed files."""
    return f"{count} changed input {_number(count, 'file', 'files')}"


def causes_left(count: int) -> str:
    """How many causes are not shown, and where they are."""
    return f"{more(count, 'cause')}, below"


def kept(count: int) -> str:
    """The heading of the images that stay as they are."""
    return f"{_images(count)} {_number(count, 'stays as it is', 'stay as they are')}"


def tag_move(move: TagMove, marks: Marks, merge: str | None = None) -> str:
    """What becomes of one movable tag; that of a merge that nobody has made yet has no name for people."""
    name = _TAGS.get(move.kind, move.kind)
    before, after = (marks.value(_short_tag(tag)) if tag else "" for tag in (move.before, move.after))
    if move.after and merge and move.after.endswith(merge):
        after = "that of the merge"
    if not after:
        return f"{name} {before} is not renewed; the registry keeps it"
    return f"{name} {before} → {after}" if before else f"{name} {after} is added"


def tags(report: Report, marks: Marks) -> list[str]:
    """What becomes of all tags: the same move is said once."""
    moved: dict[TagMove, list[str]] = {}
    for image in report.images:
        for move in image.tags:
            moved.setdefault(move, []).append(image.name)
    return [f"{tag_move(move, marks, report.merge)}: {_images(len(names))}" for move, names in moved.items()]


def abbreviated(commit: str) -> str:
    """A commit as long as people quote it."""
    is_commit = len(commit) in {40, 64} and not set(commit) - set("0123456789abcdef")
    return commit[:10] if is_commit else commit


def size(image: ImageChange) -> str:
    """How much the inputs grow, where that is known and anything to tell."""
    if image.action is Action.NEW and image.size_change is not None:
        return f"inputs {bytes_of(image.size_change)}"
    if image.base_changes or image.action is not Action.REBUILT or not image.size_change:
        return ""
    return f"inputs {_signed(image.size_change)}"


def _signed(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{bytes_of(abs(size))}"


def bytes_of(count: int) -> str:
    """A number of bytes for people."""
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


def more(count: int, noun: str = "") -> str:
    """How many are not shown."""
    return f"+{count} more{noun and ' '}{_number(count, noun, f'{noun}s') if noun else ''}"


def _short_tag(tag: str) -> str:
    """A tag whose commit is as long as git shows it."""
    head, dash, last = tag.rpartition("-")
    return f"{head}{dash}{abbreviated(last)}"


def _listed(names: Sequence[str], marks: Marks) -> str:
    return some([marks.name(name) for name in names], _NAMES_IN_A_LINE)


def _number(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _deployments(count: int) -> str:
    return f"{count} {_number(count, 'deployment', 'deployments')}"


def _images(count: int) -> str:
    return f"{count} {_number(count, 'image', 'images')}"


# ---- A failed preview.


def next_step(report: Report, marks: Marks) -> str:
    """What to do about a failed preview."""
    failure = failure_of(report.errors)
    if failure.remedy.startswith(_GOOD_VALUE):
        return f"A good value: {marks.value(failure.remedy.removeprefix(_GOOD_VALUE))}."
    if failure.remedy:
        return f"What to do: {marks.quote(failure.remedy)}."
    preview, doctor = marks.value(typed("preview")), marks.value(typed("doctor"))
    if failure.path:
        return f"What to do: mend {marks.value(failure.path)} and push again; {preview} shows the same."
    return f"What to do: {preview} shows the same on your machine, {doctor} looks for the reason."


def _place(report: Report, marks: Marks) -> str:
    failure = failure_of(report.errors)
    if failure.path:
        path = failure.path.removeprefix("./")
        return f"{marks.value(path)}, line {failure.line}"
    if failure.key:
        return f"configuration key {marks.value(failure.key)}"
    return "nobody can say what would change"


def _cause_of_failure(report: Report, marks: Marks) -> str:
    return f"{marks.quote(failure_of(report.errors).cause)}."
