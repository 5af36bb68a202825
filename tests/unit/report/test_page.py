"""The report as a page: nothing from elsewhere, nothing of a stranger's alive in it, drawings that are true."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbide_infra.report.causes import Cause, causes_of
from carbide_infra.report.changes import Action, ImageChange, Report
from carbide_infra.report.drawing import graph, treemap
from carbide_infra.report.files import FileChange
from carbide_infra.report.page import page
from carbide_infra.report.reasons import Restart
from carbide_infra.report.treemap import Box, squarified
from tests.support.expected_reports import SCENES, reported

VOID = {"meta", "rect", "path"}


class Page(HTMLParser):
    """The elements with their attributes, and the text; complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == tag]


@pytest.mark.parametrize("scene", SCENES)
def test_a_page_needs_nothing_from_elsewhere(scene: str) -> None:
    report = reported(scene)
    text = page(report)
    found = Page(text)
    assert not {"link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in found.elements}
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttp", text)
    assert all("src" not in attributes for _, attributes in found.elements)
    assert {str(link["href"])[:43] for link in found.of("a")} <= {"https://github.com/NVIDIA/carbide-rest/comm"}


def test_a_page_runs_its_own_script_and_no_other() -> None:
    text = page(reported("five_files"))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policies = [meta["content"] for meta in Page(text).of("meta") if meta.get("http-equiv")]
    assert policies == [f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"]


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene != "long_names"])
def test_a_page_has_every_image_and_every_changed_file(scene: str) -> None:
    report, text = reported(scene), "".join(Page(page(reported(scene))).text)
    assert all(image.name in text for image in report.images)
    assert all(file.path in text for image in report.images for file in image.files)


HOSTILE = ("</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a\u202eb\x1b[31m", "--><b>")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_is_text(text: str) -> None:
    record = {"inputs": f"0644 {'1' * 64} 10 {text}", "modules": f"{text}@v1 h1:x"}
    image = ImageChange(text, Action.REBUILT, Restart.EXPECTED, files=(FileChange(text, "changed", 1),), record=record)
    plain = ImageChange("a", Action.REBUILT, Restart.EXPECTED, files=(FileChange("a", "changed", 1),), record=record)
    for report in (Report(text, text, (image, plain)), Report("p", "s", errors=(f"{text}\n{text}",))):
        found = Page(page(report))
        assert not {"img", "b"} & {tag for tag, _ in found.elements}
        assert len(found.of("script")) == 1
        assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
        assert not re.search(r"[\u202e\x1b]", "".join(found.text))


# ---- The graph.

COORDINATE = re.compile(r'd="M([\d.]+) ([\d.]+) C[^"]* ([\d.]+) ([\d.]+)"')


def arrows(drawn: str) -> list[tuple[float, float, float, float]]:
    return [tuple(map(float, found)) for found in COORDINATE.findall(drawn)]  # type: ignore[misc]


def crossings(drawn: str) -> int:
    found = sorted((start, end) for _, start, _, end in arrows(drawn))
    return sum(a[0] < b[0] and a[1] > b[1] for at, a in enumerate(found) for b in found[at + 1 :])


@pytest.mark.parametrize("scene", [scene for scene in SCENES if causes_of(reported(scene))])
@pytest.mark.parametrize("width", [800, 340])
def test_arrows_run_between_the_columns_and_behind_no_box(scene: str, width: int) -> None:
    causes = causes_of(reported(scene))
    drawn = graph(causes, width, short=False)
    assert len(arrows(drawn)) == sum(len(cause.images) for cause in causes)
    boxes = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)
    left = max(float(x) + float(size) for x, size in boxes if float(x) < width / 2)
    right = min(float(x) for x, _ in boxes if float(x) > width / 2)
    assert all(left <= start < end <= right for start, _, end, _ in arrows(drawn))


def test_nodes_are_ordered_so_that_arrows_cross_less() -> None:
    causes = causes_of(reported("five_files"))
    assert crossings(graph(causes, 800, short=False)) <= 14, "as many as the picture had before"
    reversing = [Cause((name,), Restart.EXPECTED, files=(FileChange(name, "changed", 1),)) for name in "dcba"]
    assert crossings(graph(reversing, 800, short=False)) == 0


def test_a_narrow_graph_tells_files_by_their_name_and_images_by_their_end() -> None:
    causes = [Cause(("carbide-rest-cert-manager",), Restart.EXPECTED, files=(FileChange("a/b/c.go", "changed", 1),))]
    texts = re.findall(r"<text[^>]*>(.*?)</text>", graph(causes, 340, short=True))
    assert texts == ["c.go changed", "…st-cert-manager"]
    assert "<title>carbide-rest-cert-manager</title>" in graph(causes, 340, short=True)


# ---- Treemaps.


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60))
def test_areas_are_as_sizes_and_fill_the_whole(sizes: list[int]) -> None:
    ordered = sorted(sizes, reverse=True)
    boxes = squarified(ordered, Box(3, 5, 700, 260))
    scale = 700 * 260 / sum(ordered)
    for box, size in zip(boxes, ordered, strict=True):
        assert abs(box.width * box.height - size * scale) < 1e-3 * max(1, size * scale)
        assert box.x >= 3 - 1e-6
        assert box.y >= 5 - 1e-6
        assert box.x + box.width <= 703 + 1e-3
        assert box.y + box.height <= 265 + 1e-3
    assert abs(sum(box.width * box.height for box in boxes) - 700 * 260) < 1


def test_boxes_are_near_to_squares() -> None:
    boxes = squarified([1] * 36, Box(0, 0, 600, 600))
    assert max(max(box.width / box.height, box.height / box.width) for box in boxes) < 2
    for one, other in pairwise(boxes):
        apart = (
            one.x + one.width <= other.x + 1e-6
            or other.x + other.width <= one.x + 1e-6
            or one.y + one.height <= other.y + 1e-6
            or other.y + other.height <= one.y + 1e-6
        )
        assert apart


def test_a_changed_file_is_told_in_words_too() -> None:
    drawn = treemap({"a/b.go": 2000, "c.go": 0}, frozenset({"a/b.go"}), 300, 200)
    assert "<title>a/b.go, 2.0 kB, changed</title>" in drawn
    assert "<title>c.go, 0 B</title>" in drawn
    assert drawn.count(' changed"') == 1
    assert treemap({}, frozenset(), 300, 200) == ""
