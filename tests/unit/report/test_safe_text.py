"""Somebody else's text, rendered by GitHub's own grammar: no effect, and nothing for GitHub to link."""

import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from carbide_infra.report.safe_text import code, name, prose

HOSTILE = (
    "@octocat",
    "@org/admins please approve",
    "see #1 and org/repo#12",
    "GH-1, gh-22",
    "deadbeef and 0123456789abcdef0123456789abcdef01234567",
    "https://evil.example/x?y=1",
    "www.evil.example",
    "mail me@evil.example",
    "mailto:me@evil.example",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<img src=https://evil.example/x.png>",
    "<a href=//evil.example>x</a>",
    "</details><h1>x</h1>",
    "`a` ``b",
    "&#64;octocat",
    "\\@octocat \\#1 GH\\-1 dead\\beef1",
    "**No image changes.**",
    "a|b\n| c |",
    "\x1b[31mred \u202egnp",
    "deadbeef1",
    "gh-1",
    "a-deadbee-f",
    "x" * 400,
)


class Shown(HTMLParser):
    """The elements of a rendered text, and its words outside code, by text node, as GitHub goes through them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.nodes: list[str] = []
        self.in_code = 0
        self.feed(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.in_code += tag in {"code", "pre"}
        assert tag not in {"a", "img"}, attrs

    def handle_endtag(self, tag: str) -> None:
        self.in_code -= tag in {"code", "pre"}

    def handle_data(self, data: str) -> None:
        if not self.in_code:
            self.nodes.append(data)


LINKED = re.compile(
    r"@[\w-]|#\d|\bgh-\d|(?<![0-9a-z])[0-9a-f]{7,40}(?![0-9a-z])|(?:https?|ftp)://|(?:mailto|www)[:.]\w", re.IGNORECASE
)


@pytest.mark.parametrize("form", [code, name, prose])
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_linked_shown_or_formatted(form: object, text: str) -> None:
    assert callable(form)
    shown = Shown(f"- before {form(text)} after")
    assert set(shown.elements) <= {"ul", "li", "code", "kbd"}
    assert not LINKED.search("\n".join(shown.nodes)), shown.nodes


@given(st.text(alphabet="@#`\\<>&[]()!*_-:/.| \nghGHaf01w", max_size=40))
def test_no_text_has_an_effect(text: str) -> None:
    for form in (code, name, prose):
        shown = Shown(f"- before {form(text)} after")
        assert set(shown.elements) <= {"ul", "li", "code", "kbd"}
        assert not LINKED.search("\n".join(shown.nodes)), shown.nodes


@pytest.mark.parametrize("text", ["`", "``", "`a`", "a``b`c", " ", "", "\n", "\\"])
def test_code_cannot_be_left(text: str) -> None:
    shown = code(text)
    fence = re.match(r"`+", shown)
    assert fence
    inside = shown[len(fence[0]) : -len(fence[0])]
    assert shown.endswith(fence[0])
    assert fence[0] not in re.findall(r"`+", inside)
    assert inside


def test_an_images_name_stays_in_one_piece() -> None:
    assert name("carbide-rest-cert-manager") == "<kbd>carbide-rest-cert-manager</kbd>"
    shown = name("carbide-rest-manager-of-the-eastern-seaboard-of-the-us-west-2a")
    assert re.fullmatch(r"<kbd>carbide-rest-manager-o….*-west-2a</kbd>", shown)
    assert len(shown) == len("<kbd></kbd>") + 44


@pytest.mark.parametrize("text", ["a.b", "A", "deadbeef", "x-gh-1", "a--b", "-a", "a_b", ""])
def test_another_name_is_code(text: str) -> None:
    assert name(text) == code(text)


def test_a_sentence_reads_as_it_was() -> None:
    assert prose("see @octocat, #12 and\n<b>*this*</b>") == (r"see @&#8203;octocat, #&#8203;12 and \<b\>\*this\*\</b\>")
