"""A stranger's report in our name: rendered by GitHub's own grammar, it is text and nothing else."""

import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from carbide_infra.report import words
from carbide_infra.report.stranger import harmless
from tests.support.expected_reports import SCENES, expected_report
from tests.unit.report.test_safe_text import HOSTILE, LINKED

PAGES = "https://github.com/NVIDIA/carbide-rest"
MARKER = "<!-- carbide-infra: report of carbide-infra/prod -->"
OURS = {"h1", "h2", "h3", "p", "sub", "ul", "ol", "li", "details", "summary", "kbd", "strong", "em", "code", "pre"}
OURS |= {"blockquote", "br", "hr", "div", "h4", "h5", "h6"}


class Rendered(HTMLParser):
    """Elements, addresses of links, and text nodes outside code."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.addresses: list[str] = []
        self.nodes: list[str] = []
        self.inside = 0
        self.feed(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.inside += tag in {"code", "pre"}

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag in {"code", "pre"}

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.nodes.append(data)


def rendered(report: str) -> Rendered:
    found = Rendered(harmless(f"{MARKER}\n{report}", PAGES))
    assert found.elements <= OURS | {"a"}, found.elements
    for address in found.addresses:
        assert re.fullmatch(rf"{PAGES}/(commit/[0-9a-f]{{40}}|actions/runs/\d+)", address)
    assert not LINKED.search("\n".join(found.nodes)), found.nodes
    return found


FRAMES = (
    "{}",
    "### {}",
    "- {}",
    "> {}",
    "    {}",
    "\t{}",
    "<details><summary>{}</summary>\nx",
    "<details><summary>x</summary>\n{}\n</details>",
    "<div>\n{}\n</div>",
    "<kbd>\n`{}`",
    "<kbd>{}</kbd>",
    "```text\nx\n   ````\n{}",
    "```text\nx\n```\n{}",
    "```mermaid\n{}\n```",
    "> ```\n> {}",
    "- ```\n{}\n  ```",
    "~~~\n{}\n~~~\n{}",
    "`{}",
    "\\`{}`",
    "``{}`",
    "| a |\n|---|\n| {} |",
    "[x]: https://evil.example\n[x] {}",
    "[`x`](https://evil.example) {}",
    "[`x`](" + PAGES + "/../../evil) {}",
    "<!-- {} -->",
    "[^1]\n\n[^1]: {}",
    "&#64;{}",
    "\\{}",
    "x{}",
)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("text", [text for text in HOSTILE if len(text) < 100])
def test_nothing_of_a_stranger_s_has_an_effect(frame: str, text: str) -> None:
    rendered(frame.format(text, text))


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([*HOSTILE[:12], *"@#`\\<>&[]()!*_~-:/.|\n\t #", "```", "```text", "~~~", "> ", "- ", "\n\n"])
        | st.sampled_from(["<details>", "<details><summary>", "</summary>", "<kbd>", "</kbd>", "a", "1", "    "]),
        max_size=25,
    )
)
def test_no_mixture_has_an_effect(parts: list[str]) -> None:
    rendered("".join(parts))


@pytest.mark.parametrize("scene", SCENES)
def test_a_report_of_ours_looks_as_it_did_and_says_whose_it_is(scene: str) -> None:
    report = expected_report(scene)
    before, after = Rendered(report), Rendered(harmless(report, PAGES))
    assert after.addresses == before.addresses
    assert after.elements == before.elements | {"sub"}
    text, shown = (re.sub(r"\s+|\u200b", "", "".join(found.nodes)) for found in (before, after))
    assert shown.replace(re.sub(r"\s", "", words.STRANGER), "") == text


def test_of_a_link_elsewhere_the_text_stays() -> None:
    other = expected_report("one_file").replace("NVIDIA/carbide-rest", "somebody/else")
    found = rendered(other.partition("\n")[2])
    assert found.addresses == []
    assert "Stack  has ; this is ." in "".join(found.nodes)


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_made_harmless_is_still_short_enough(scene: str) -> None:
    assert len(harmless(expected_report(scene), PAGES)) <= 65_536


def test_the_banner_stands_below_the_answer() -> None:
    lines = harmless(f"{MARKER}\n### Nothing restarts.\n\nx\n", PAGES).splitlines()
    assert lines[1:4] == ["### Nothing restarts.", "", f"<sub>{words.STRANGER}</sub>"]


@pytest.mark.parametrize("start", ["text", "### " + "x" * 2000, ""])
def test_without_an_answer_in_its_place_the_banner_comes_first(start: str) -> None:
    assert harmless(f"{MARKER}\n{start}\n", PAGES).splitlines()[2] == f"<sub>{words.STRANGER}</sub>"
