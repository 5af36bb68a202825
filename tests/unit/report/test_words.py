"""What each sentence of the report has to say, whatever its words: the texts themselves are in tests/unit/reports."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from carbide_infra.report import changes, data, graph, markdown, reasons, terminal, words
from carbide_infra.report.changes import Action, ImageChange, Report, TagMove, Warned
from carbide_infra.report.files import FileChange
from carbide_infra.report.reasons import Reason, Restart
from tests.support.expected_reports import SCENES, expected_report, reported

NAMED = ("buildArgument", "dockerfile", "label", "configuration", "other")
UNNAMED = ("goVersion", "builderImage", "runtimeImage", "version", "revision", "epoch", "health", "platforms")
PLAIN = (*UNNAMED, "repository", "unfinished", "moved", "missing", "fallback")


def marked(text: str) -> str:
    return f"<{text}>"


def change(kind: str, name: str = "", before: str | None = None, after: str | None = None) -> Reason:
    return Reason(kind, name, before, after, Restart.CERTAIN)


def one(action: Action = Action.REBUILT, restart: Restart = Restart.NO, name: str = "a") -> ImageChange:
    return ImageChange(name, action, restart)


def of(*images: ImageChange) -> Report:
    return Report("p", "s", images)


# ---- Reasons.


@pytest.mark.parametrize("kind", [*NAMED, *PLAIN])
def test_a_reason_says_both_values_in_their_order(kind: str) -> None:
    told = words.reason(change(kind, "N" if kind in NAMED else "", "old", "new"), marked)
    assert told.endswith(" <old> → <new>")
    assert len(told) > len(" <old> → <new>")


@pytest.mark.parametrize("kind", [kind for kind in NAMED if kind != "configuration"])
def test_a_name_that_somebody_else_chose_is_marked(kind: str) -> None:
    assert "<N>" in words.reason(change(kind, "N", "old", "new"), marked)
    assert "N" in words.cause(change(kind, "N"))


def test_no_two_kinds_of_reason_are_told_alike() -> None:
    told = [words.reason(change(kind), marked) for kind in PLAIN]
    told += [words.reason(change(kind, "N"), marked) for kind in NAMED]
    told += [words.reason(change("configuration", key), marked) for key in ("builder", "registries", "secrets", "load")]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("kind", ["builderImage", "runtimeImage"])
def test_a_base_whose_tag_has_another_digest_has_moved(kind: str) -> None:
    told = words.reason(change(kind, "", "alpine:3.22@sha256:a", "alpine:3.22@sha256:b"), marked)
    assert told.endswith(" image <alpine:3.22> moved: <sha256:a> → <sha256:b>")
    for before, after in (("alpine:3.22", "alpine:3.22@b"), ("alpine:3.22@a", "alpine:3.23@b"), ("alpine@a", "alpine")):
        assert words.reason(change(kind, "", before, after), marked).endswith(f" <{before}> → <{after}>")


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
    assert words.reason(change(kind, name, value, "new"), marked).endswith(f" {absent} → <new>")
    assert words.reason(change(kind, name, "old", value), marked).endswith(f" <old> → {absent}")


def test_a_difference_that_pulumi_does_not_name_is_told_as_such() -> None:
    assert "<" not in words.reason(change("other"), marked)
    assert "nothing" in words.reason(change("other"), marked)


@pytest.mark.parametrize(("kind", "shows"), [("goVersion", True), ("version", True), ("runtimeImage", False)])
def test_the_picture_has_the_values_that_people_know(kind: str, shows: bool) -> None:  # noqa: FBT001
    assert ("1.26" in words.cause(change(kind, "", "1.25", "1.26"))) is shows


@pytest.mark.parametrize("kind", PLAIN)
def test_the_picture_has_no_explanations(kind: str) -> None:
    assert "(" not in words.cause(change(kind, "", "a", "b"))


# ---- Answers.


def test_no_two_answers_are_told_alike() -> None:
    told = [words.restart(one(restart=answer)) for answer in Restart]
    assert len(set(told)) == len(told)
    assert [answer.split(",")[0].split()[0] for answer in told] == ["no", "only", "yes", "yes"]


@pytest.mark.parametrize("action", [Action.NEW, Action.REMOVED])
def test_what_comes_or_goes_restarts_nobody_and_says_why(action: Action) -> None:
    assert words.restart(one(action, Restart.CERTAIN)).startswith("no: ")
    assert len(words.coming_or_going(one(action))) == 1


def test_what_stays_has_no_such_reason() -> None:
    others = set(Action) - {Action.NEW, Action.REMOVED}
    assert [words.coming_or_going(one(action)) for action in others] == [[]] * 3


def test_every_action_has_its_own_words() -> None:
    assert set(words.ACTIONS) == set(Action)
    assert len(set(words.ACTIONS.values())) == len(Action)


@pytest.mark.parametrize(
    ("actions", "numbers"),
    [
        ((Action.REBUILT, Action.UNCHANGED), ["1", "2"]),
        ((Action.REBUILT, Action.REBUILT, Action.NEW), ["2", "3", "1"]),
        ((Action.NEW, Action.NEW, Action.REMOVED), ["2", "2", "1"]),
        ((Action.REMOVED, Action.UNCHANGED), ["1"]),
        ((Action.RETAGGED, Action.RETAGGED), ["2"]),
        ((Action.UNCHANGED,), []),
    ],
)
def test_the_verdict_counts(actions: tuple[Action, ...], numbers: list[str]) -> None:
    """Removed images are not among those that the stack has."""
    assert re.findall(r"\d+", words.verdict(of(*map(one, actions)))) == numbers


def test_one_and_several_are_told_in_their_grammar() -> None:
    verdicts = [words.verdict(of(*[one(Action.REBUILT)] * count, one(Action.UNCHANGED))) for count in (1, 2)]
    assert ["changes" in verdict for verdict in verdicts] == [True, False]
    assert words.listing(1).endswith("file")
    assert words.listing(2).endswith("files")
    assert words.kept(1) != words.kept(2).replace("2", "1")


def test_a_failed_preview_promises_nothing() -> None:
    report = Report("p", "s", (one(),), errors=("it broke",))
    assert "failed" in words.verdict(report)
    assert not re.search(r"\d", words.verdict(report))


def test_each_deployment_is_named_in_one_sentence() -> None:
    images = [one(restart=answer, name=f"r{answer.value}") for answer in Restart]
    images += [one(action, name=action.name) for action in (Action.NEW, Action.REMOVED)]
    told = words.restarts(of(*images), marked, 9)
    named = [sentence for sentence in told if "<" in sentence]
    assert sorted(re.findall(r"<(.*?)>", " ".join(named))) == sorted(
        image.name for image in images if image.restart or image.action is not Action.REBUILT
    )
    assert len(named) == 5
    assert [re.findall(r"<(r\d)>", sentence) for sentence in told[:3]] == [["r3"], ["r2"], ["r1"]]
    # One that is built again restarts nobody, so there is a rest.
    assert len(told) == 6


def test_the_rest_is_told_only_where_there_is_one() -> None:
    every = words.restarts(of(one(restart=Restart.CERTAIN)), marked, 9)
    some = words.restarts(of(one(restart=Restart.CERTAIN), one(Action.UNCHANGED)), marked, 9)
    none = words.restarts(of(one(Action.RETAGGED)), marked, 9)
    assert (len(every), len(some), len(none)) == (1, 2, 1)
    assert none[0] != some[1]


def test_both_sides_of_the_comparison_are_named() -> None:
    report = Report("p", "s", (one(),), revision_before="a" * 40, revision_after="b" * 40)
    assert re.findall(r"<(.*?)>", words.compared(report, marked)) == ["a" * 10, "b" * 10]
    texts = {
        words.compared(Report("p", "s", (one(),)), marked),
        words.compared(Report("p", "s", (one(Action.NEW),)), marked),
    }
    assert len(texts) == 2
    assert not any("<" in text for text in texts)


# ---- Tags, files, sizes.


def test_a_tag_says_where_from_and_where_to() -> None:
    sha = "1234567890" * 4
    moves, comes, goes = (TagMove("revision", *sides) for sides in (("b-" + sha, sha), (None, sha), (sha, None)))
    assert words.tag_move(moves, marked).endswith("<b-1234567890> → <1234567890>")
    told = [words.tag_move(move, marked).replace("<1234567890>", "") for move in (comes, goes)]
    assert told[0] != told[1]
    assert "registry" in told[1]
    names = {words.tag_move(TagMove(kind, "a", "b"), marked) for kind in ("revision", "version", "latest")}
    assert len(names) == 3


def test_code_comes_before_lists_of_modules_and_the_rest_is_counted() -> None:
    files = [FileChange(name, "changed", 1) for name in ("go.mod", "a.go", "b.go")]
    assert words.files(files, marked, 2) == "<a.go> changed, <b.go> changed, +1 more"
    assert words.files(files, marked, 0).startswith("3 ")
    assert words.files(files[:1], marked, 0).startswith("1 ")


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (11, "+11 B"),
        (-1500, "-1.5 kB"),
        (2_000_000, "+2.0 MB"),
        (999, "+999 B"),
        (0, "±0 B"),
        (3 * 10**12, "+3000.0 GB"),
    ],
)
def test_a_size_has_sign_and_unit(size: int, told: str) -> None:
    image = ImageChange("a", Action.REBUILT, files=(FileChange("f", "changed", size),), size_change=size)
    assert words.size(image) == f"inputs {told}"


def test_a_size_that_nobody_can_know_is_not_a_number() -> None:
    base = ImageChange("a", Action.REBUILT, files=(FileChange("f", "changed", 1),), size_change=1, base_changes=True)
    assert not re.search(r"\d", words.size(base))
    assert words.size(one()) == words.size(one(Action.UNCHANGED)) == "-"
    assert words.size(ImageChange("a", Action.NEW, size_change=5)).endswith("5 B")


# ---- Warnings.


def test_warnings_name_what_they_are_about_and_what_to_do() -> None:
    told = {kind: words.warning(Warned(kind, ("x", "y", "z")), marked, str, 2) for kind in ("stand-ins", "unpinned")}
    assert all("<x>, <y>, +1 more" in text for text in told.values())
    assert "<make pin-bases>" in told["unpinned"]
    assert "production" in told["stand-ins"]
    assert "Commit" in words.warning(Warned("dirty"), marked, str)


def test_a_warning_of_somebody_else_is_quoted() -> None:
    assert words.warning(Warned("program", text="it `says`"), str, marked) == "<it `says`>"


def test_without_a_limit_all_names_are_told() -> None:
    names = tuple("abcdefgh")
    assert ", ".join(names) in words.warning(Warned("unpinned", names), str, str)


# ---- Whole reports.


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene != "failed"])
def test_a_comment_has_every_fact_in_the_order_of_its_weight(scene: str) -> None:
    report, text = reported(scene), expected_report(scene)
    assert all(markdown.code(image.name) in text for image in report.images)
    values = [value for image in report.images for reason in image.reasons for value in (reason.before, reason.after)]
    assert all(markdown.code(value) in text for value in values if value)
    parts = [words.verdict(report), *words.restarts(report, markdown.code, 99), words.compared(report, markdown.code)]
    parts += [words.warning(warned, markdown.code, markdown.prose, 4) for warned in report.warnings]
    places = [text.index(part) for part in parts]
    assert all(one < other for one, other in pairwise(places))


def test_sentences_are_in_one_module() -> None:
    """Other modules of the report hold facts and layout; a changed word is an edit of `words` alone."""
    for module in (changes, data, graph, markdown, reasons, terminal):
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
        assert set(told) <= {"whole source tree", "history is out of reach"}, module.__name__
