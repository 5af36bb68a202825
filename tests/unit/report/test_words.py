"""What each sentence of the report has to say, whatever its words: the texts themselves are in tests/unit/reports."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from carbide_infra.report import causes, changes, data, failure, markdown, reasons, stranger, terminal, words
from carbide_infra.report.causes import Cause
from carbide_infra.report.changes import Action, ImageChange, Report, TagMove, Warned
from carbide_infra.report.files import FileChange
from carbide_infra.report.reasons import Reason, Restart
from carbide_infra.report.words import PLAIN, Marks
from tests.support.expected_reports import SCENES, expected_report, reported

NAMED = ("buildArgument", "dockerfile", "label", "configuration", "module", "other")
UNNAMED = (
    "goVersion",
    "builderImage",
    "runtimeImage",
    "version",
    "revision",
    "epoch",
    "health",
    "platforms",
    "template",
)
PLAIN_KINDS = (*UNNAMED, "repository", "unfinished", "moved", "missing", "fallback")
FAILED = ("failed", "go_mod_with_an_error")


def marked(text: str) -> str:
    return f"<{text}>"


MARKS = Marks(marked, marked, marked, lambda text, address: f"{text}({address})")


def change(kind: str, name: str = "", before: str | None = None, after: str | None = None) -> Reason:
    return Reason(kind, name, before, after, Restart.CERTAIN)


def one(action: Action = Action.REBUILT, restart: Restart = Restart.NO, name: str = "a") -> ImageChange:
    return ImageChange(name, action, restart)


def of(*images: ImageChange) -> Report:
    return Report("p", "s", images)


def many(restart: Restart, count: int, *, beside: int = 0) -> Report:
    """So many images with one answer, and others that stay."""
    stay = [one(Action.UNCHANGED, name=f"stay{number}") for number in range(beside)]
    return of(*[one(restart=restart, name=f"r{number}") for number in range(count)], *stay)


# ---- Reasons.


@pytest.mark.parametrize("kind", [*NAMED, *PLAIN_KINDS])
def test_a_reason_says_both_values_in_their_order(kind: str) -> None:
    told = words.reason(change(kind, "N" if kind in NAMED else "", "old", "new"), MARKS)
    assert told.endswith(" <old> → <new>")
    assert len(told) > len(" <old> → <new>")


def test_another_template_is_told_with_the_versions_that_brought_it() -> None:
    assert words.reason(change("template", "", "0.2.0", "0.3.0"), PLAIN) == "template of carbide-infra 0.2.0 → 0.3.0"


@pytest.mark.parametrize("kind", [kind for kind in NAMED if kind != "configuration"])
def test_a_name_that_somebody_else_chose_is_marked(kind: str) -> None:
    assert "<N>" in words.reason(change(kind, "N", "old", "new"), MARKS)


def test_no_two_kinds_of_reason_are_told_alike() -> None:
    told = [words.reason(change(kind), MARKS) for kind in PLAIN_KINDS]
    told += [words.reason(change(kind, "N"), MARKS) for kind in NAMED]
    told += [words.reason(change("configuration", key), MARKS) for key in ("builder", "registries", "secrets", "load")]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    ("kind", "name", "absent"),
    [
        ("label", "team", "none"),
        ("repository", "", "none"),
        ("configuration", "registries", "none"),
        ("configuration", "builder", "the current one"),
        ("epoch", "", "unknown"),
        ("health", "", "the Dockerfile's own"),
    ],
)
def test_what_is_not_there_is_told_in_words_that_are_no_value(
    kind: str, name: str, absent: str, value: str | None
) -> None:
    assert words.reason(change(kind, name, value, "new"), MARKS).endswith(f" {absent} → <new>")
    assert words.reason(change(kind, name, "old", value), MARKS).endswith(f" <old> → {absent}")


def test_a_difference_that_pulumi_does_not_name_is_told_as_such() -> None:
    assert "<" not in words.reason(change("other"), MARKS)
    assert "nothing" in words.reason(change("other"), MARKS)


@pytest.mark.parametrize("kind", ["runtimeImage", "builderImage"])
def test_a_base_is_told_by_what_became_of_it(kind: str) -> None:
    told = {
        words.reason(change(kind, "", *sides), MARKS).split(" ", 2)[2]
        for sides in (("a:1@x", "a:1@y"), ("a:1", "a:1@y"), ("a:1@x", "b:1@y"), ("a:1@x", None))
    }
    assert told == {
        "<a:1> moved: <x> → <y>",
        "<a:1> pinned to <y>",
        "<a:1@x> → <b:1@y>",
        "<a:1@x> → known only to the update",
    }


# ---- The first two lines.


@pytest.mark.parametrize("answer", [answer for answer in Restart if answer])
@pytest.mark.parametrize(("count", "beside"), [(1, 0), (1, 3), (2, 2), (7, 0), (7, 1), (4, 9)])
def test_two_lines_say_who_restarts(answer: Restart, count: int, beside: int) -> None:
    report = many(answer, count, beside=beside)
    lines = words.verdict(report, MARKS) + "\n" + words.explanation(report, MARKS)
    assert str(count) in lines.partition("\n")[0]
    named = set(re.findall(r"<(.*?)>", lines)) - {"go.mod"}
    names = {image.name for image in report.images if image.restart}
    assert named in (names, {image.name for image in report.images} - names)
    if named != names:
        assert "all but" in lines.lower() or f"all {count} images" in lines.lower()


def test_no_two_answers_are_told_alike() -> None:
    for count in (1, 5):
        told = [words.verdict(many(answer, count), MARKS) for answer in Restart]
        told += [words.explanation(many(answer, count), MARKS) for answer in Restart if answer]
        assert len(set(told)) == len(told)


def test_several_answers_are_told_apart() -> None:
    report = of(one(restart=Restart.CERTAIN, name="c"), one(restart=Restart.EXPECTED, name="e"),
                one(restart=Restart.IF_LINKED, name="l"), one(restart=Restart.UNKNOWN, name="u"))  # fmt: skip
    assert words.verdict(report, MARKS) == "1 deployment restarts, 3 more may."
    assert re.findall(r"<(.)>", words.explanation(report, MARKS)) == ["c", "e", "u", "l"]
    unsure = of(one(restart=Restart.EXPECTED), one(restart=Restart.IF_LINKED))
    assert words.verdict(unsure, MARKS) == "2 deployments may restart."


def caused(count: int, *found: Reason) -> Report:
    names = [f"r{number}" for number in range(count)]
    return of(*[ImageChange(name, Action.REBUILT, Restart.CERTAIN, found) for name in names])


def test_what_makes_everything_restart_is_in_the_verdict() -> None:
    go, version = change("goVersion", "", "1.25", "1.26"), change("version", "", "1", "2")
    assert words.verdict(caused(7, go, version), PLAIN) == "7 deployments restart: Go 1.25 → 1.26, version 1 → 2."
    assert words.verdict(caused(7, go, version, change("label", "a", "1", "2")), PLAIN) == "7 deployments restart."
    assert words.verdict(caused(2, go), PLAIN) == "2 deployments restart: r0, r1."


@pytest.mark.parametrize(
    ("actions", "numbers"),
    [
        ((Action.REBUILT, Action.UNCHANGED), ["1", "1"]),
        ((Action.NEW, Action.NEW, Action.REMOVED), ["2", "1"]),
        ((Action.REMOVED, Action.UNCHANGED), ["1", "1"]),
        ((Action.RETAGGED, Action.RETAGGED), ["2"]),
    ],
)
def test_without_a_restart_the_rest_is_counted(actions: tuple[Action, ...], numbers: list[str]) -> None:
    report = of(*map(one, actions))
    lines = words.verdict(report, PLAIN) + words.explanation(report, PLAIN)
    assert lines.startswith("Nothing restarts")
    assert re.findall(r"\d+", lines) == numbers


def test_a_renamed_image_is_not_told_as_one_that_comes_and_one_that_goes() -> None:
    new = ImageChange("b", Action.NEW, renamed_from="a")
    for report in (of(new, one(Action.REMOVED)), of(new, one(Action.REMOVED), one(restart=Restart.EXPECTED, name="c"))):
        lines = words.verdict(report, MARKS) + words.explanation(report, MARKS)
        assert lines.count("<a> is now <b>") == 1
        assert lines.count("<a>") == lines.count("<b>") == 1


def test_a_failed_preview_promises_nothing() -> None:
    report = Report("p", "s", (one(),), errors=("it broke",))
    assert "failed" in words.verdict(report, PLAIN)
    assert words.explanation(report, PLAIN) == "it broke."
    assert not re.search(r"\d", words.verdict(report, PLAIN))


@pytest.mark.parametrize(
    ("error", "place", "cause", "step"),
    [
        ("go: errors:\n/t/go.mod:7: unknown: x\nmore", "</t/go.mod>, line 7", "<unknown: x>", "mend </t/go.mod>"),
        (
            "version = 'x': is no version; write 1.4.0",
            "key <version>",
            "<version = 'x': is no version>",
            "<write 1.4.0>",
        ),
        ("a = 'b': is bad; a good value: c", "key <a>", "is bad>", "A good value: <c>"),
        ("services[0].package: is not there", "key <services[0].package>", "is not there>", "make doctor"),
        ("no idea", "nobody can say", "<no idea>", "make doctor"),
        ("a.go:1:2: undefined: x; define it", "<a.go>, line 1", "<undefined: x>", "<define it>"),
    ],
)
def test_a_failure_is_told_by_place_cause_and_next_step(error: str, place: str, cause: str, step: str) -> None:
    report = Report("p", "s", errors=(error, "and another"))
    assert place in words.verdict(report, MARKS)
    assert cause in words.explanation(report, MARKS)
    assert step in words.next_step(report, MARKS)


# ---- Causes.


def test_a_cause_reaches_what_is_shortest_to_read() -> None:
    names = [f"r{number}" for number in range(9)]
    report = of(*[one(name=name) for name in names])
    assert words.reach(names, report, MARKS) == "all 9 images"
    assert words.reach(names[1:], report, MARKS) == "all but <r0>"
    assert words.reach(names[:2], report, MARKS) == "<r0>, <r1>"
    assert words.reach(names[:7], report, MARKS) == "all but <r7>, <r8>"
    assert words.reach(names[:6], report, MARKS) == "<r0>, <r1>, <r2>, <r3>, <r4>, <r5>"
    assert words.reach(names[:1], of(one(name="r0")), MARKS) == "<r0>"
    assert words.reach(names[:8], of(*[one(name=f"r{number}") for number in range(20)]), MARKS).endswith(", +1 more")


def test_a_module_is_linked_and_a_file_is_in_an_image() -> None:
    module = Cause(("a",), Restart.CERTAIN, (change("module", "m", "v1", "v2"),))
    assert words.reached(module, of(one()), MARKS) == "<m> <v1> → <v2>, linked by <a>"
    label = Cause(("a",), Restart.CERTAIN, (change("label", "team", "x", "y"),))
    assert words.reached(label, of(one()), MARKS) == "label <team> <x> → <y>, for <a>"
    found = Cause(("a",), Restart.EXPECTED, files=(FileChange("f", "added", 1),))
    assert words.reached(found, of(one()), MARKS) == "<f> added, in <a>"


def test_dockerfiles_that_change_together_are_counted() -> None:
    both = tuple(change("dockerfile", name) for name in "ab")
    assert words.cause(Cause(("a", "b"), Restart.EXPECTED, both), MARKS) == "2 Dockerfiles changed"
    assert words.cause(Cause(("a",), Restart.EXPECTED, both[:1]), MARKS) == "<a> changed"


def test_files_are_told_by_what_happened_to_them_and_the_rest_is_counted() -> None:
    files = [FileChange("a", "changed", 1), FileChange("b", "added", 1), FileChange("c", "changed", 1)]
    assert words.files(files, MARKS, 9) == "<a>, <c> changed, <b> added"
    assert words.files(files, MARKS, 2) == "<a> changed, <b>, +1 more added"
    assert words.files(files[:1], MARKS, 1) == "<a> changed"


def test_an_image_has_its_causes_and_the_growth_of_its_inputs_in_a_line() -> None:
    image = ImageChange("a", Action.REBUILT, size_change=26)
    found = [Cause(("a",), Restart.EXPECTED, files=(FileChange("f", "changed", 26),)), Cause(("b",), Restart.NO)]
    assert words.causes_of_image(image, found, MARKS) == "<f> changed; inputs +26 B"


# ---- Commits, tags, sizes.


def test_both_sides_of_the_comparison_are_named() -> None:
    report = Report("p", "s", (one(),), revision_before="a" * 40, revision_after="b" * 40)
    assert re.findall(r"<(.*?)>", words.compared(report, MARKS)) == ["s", "a" * 10, "b" * 10]
    linked = Report("p", "s", (one(),), revision_before="a" * 40, source_url="https://x/y")
    assert f"<{'a' * 10}>(https://x/y/commit/{'a' * 40})" in words.compared(linked, MARKS)
    texts = {
        words.compared(Report("p", "s", (one(),)), MARKS),
        words.compared(Report("p", "s", (one(Action.NEW),)), MARKS),
    }
    assert len(texts) == 2


def test_a_tag_says_where_from_and_where_to() -> None:
    sha = "1234567890" * 4
    moves, comes, goes = (TagMove("revision", *sides) for sides in (("b-" + sha, sha), (None, sha), (sha, None)))
    assert words.tag_move(moves, MARKS).endswith("<b-1234567890> → <1234567890>")
    told = [words.tag_move(move, MARKS).replace("<1234567890>", "") for move in (comes, goes)]
    assert told[0] != told[1]
    assert "registry" in told[1]
    names = {words.tag_move(TagMove(kind, "a", "b"), MARKS) for kind in ("revision", "version", "latest")}
    assert len(names) == 3


def test_the_same_move_of_a_tag_is_said_once() -> None:
    moves = (TagMove("latest", "a", "b"),)
    images = [ImageChange(name, Action.RETAGGED, tags=moves) for name in "ab"]
    assert words.tags(of(*images), MARKS) == ["tag <a> → <b>: 2 images"]


def test_the_tag_of_a_merge_that_nobody_has_made_is_not_told() -> None:
    image = ImageChange("a", Action.RETAGGED, tags=(TagMove("revision", "a" * 40, "b" * 40),))
    assert words.tags(Report("p", "s", (image,), merge="b" * 40), MARKS) == [
        f"git SHA tag <{'a' * 10}> → that of the merge: 1 image"
    ]
    assert words.tags(of(image), MARKS) == [f"git SHA tag <{'a' * 10}> → <{'b' * 10}>: 1 image"]


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (11, "+11 B"),
        (-1500, "-1.5 kB"),
        (2_000_000, "+2.0 MB"),
        (999, "+999 B"),
        (3 * 10**12, "+3000.0 GB"),
    ],
)
def test_a_size_has_sign_and_unit(size: int, told: str) -> None:
    image = ImageChange("a", Action.REBUILT, files=(FileChange("f", "changed", size),), size_change=size)
    assert words.size(image) == f"inputs {told}"


def test_a_size_that_tells_nothing_is_not_there() -> None:
    assert words.size(ImageChange("a", Action.REBUILT, size_change=1, base_changes=True)) == ""
    assert words.size(ImageChange("a", Action.REBUILT, size_change=0)) == ""
    assert words.size(one()) == words.size(one(Action.UNCHANGED)) == ""
    assert words.size(ImageChange("a", Action.NEW, size_change=5)).endswith("5 B")


# ---- Warnings.


def test_warnings_name_what_they_are_about_and_what_to_do() -> None:
    kinds = ("stand-ins", "unpinned", "coarse", "kept")
    told = {kind: words.warning(Warned(kind, ("x", "y", "z")), MARKS, 2) for kind in kinds}
    assert all("<x>, <y>, +1 more" in text for text in told.values())
    assert "<make pin-bases>" in told["unpinned"]
    assert "production" in told["stand-ins"]
    assert "<go.mod> counts for all of it" in told["coarse"]
    assert "Commit" in words.warning(Warned("dirty"), MARKS)


def test_a_warning_of_somebody_else_is_quoted() -> None:
    assert words.warning(Warned("program", text="it `says`"), MARKS) == "<it `says`>"


def test_without_a_limit_all_names_are_told() -> None:
    names = tuple("abcdefgh")
    assert ", ".join(names) in words.warning(Warned("unpinned", names), PLAIN)


# ---- Whole reports.


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene not in FAILED])
def test_a_comment_has_what_changes_before_what_stands(scene: str) -> None:
    report, text, marks = reported(scene), expected_report(scene), markdown.MARKS
    changing = [warned for warned in report.warnings if not warned.stands]
    parts = [words.verdict(report, marks), words.explanation(report, marks)]
    parts += [words.warning(warned, marks, 4) for warned in changing]
    parts += [words.compared(report, marks), "<details>"]
    parts += [words.warning(warned, marks, 4) for warned in report.warnings if warned.stands]
    places = [text.index(part) for part in parts]
    assert all(one < other for one, other in pairwise(places))


@pytest.mark.parametrize("scene", SCENES)
def test_a_fact_is_said_once(scene: str) -> None:
    above = expected_report(scene).partition("<details>")[0]
    sentences = [part for part in re.split(r"[.;\n]\s", above) if len(part) > 20]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("scene", SCENES)
def test_before_anything_folded_there_are_few_lines_and_no_table_or_picture(scene: str) -> None:
    text = expected_report(scene)
    above = [line for line in text.partition("<details>")[0].splitlines()[1:] if line]
    assert len(above) <= 12
    assert above[0].startswith("### ")
    assert not re.search(r"^\||mermaid", text, re.MULTILINE)


def test_sentences_are_in_one_module() -> None:
    """Other modules of the report hold facts and layout; a changed word is an edit of `words` alone."""
    for module in (causes, changes, data, failure, markdown, reasons, stranger, terminal):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        documented = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
        ]
        # Two words in a row, but neither markup nor what is looked for in somebody else's text.
        told = [text for text in texts if re.search(r"[a-z]{2,} [a-z]{2,}", text) and "<" not in text]
        assert set(told) <= {"bold red"}, module.__name__
