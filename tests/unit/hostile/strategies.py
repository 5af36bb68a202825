"""What a stranger may write: bytes of any encoding, texts that mean something elsewhere, mutilated files."""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.figures import EXAMPLES_VARIABLE

EXAMPLES = int(os.environ.get(EXAMPLES_VARIABLE, "25"))
few = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The settings of every hostile test; CARBIDE_HOSTILE_EXAMPLES asks for more of it."""

fewer = settings(few, max_examples=max(4, EXAMPLES // 5))
"""Of those that start programs or servers."""

WORDS = (
    *(
        "$(touch /tmp/pwned)",
        "`id`",
        "; rm -rf /",
        "| sh",
        "&& id",
        "\nRUN id",
        "\r\nRUN id",
        "\\\nRUN id",
        "${PATH}",
        "%s%n",
    ),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "-rf",
        "--output=/x",
        "~",
        "C:\\x",
        "a" * 300,
        "\u202eevil",
        "\u200b",
    ),
    *(
        "\x1b[31m",
        "\x00",
        "\u2028",
        "'",
        '"',
        "'; DROP",
        "<script>",
        "@everyone",
        "| a | b |",
        "<!-- x -->",
        "NULL",
        "null",
    ),
    *(
        "!!python/object:os.system",
        "&a [*a]",
        "{{ 7 }}",
        "{% raw %}",
        "{version}",
        "# escape=`",
        "sha256:" + "0" * 64,
        "",
    ),
)
texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("".join),
    st.tuples(st.text(max_size=8), st.sampled_from(WORDS), st.text(max_size=8)).map("".join),
)
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
# Deeper than Python's recursion goes.
DEEP = ("[" * 1200, "{a: " * 1200, "- " * 1200, '{"a":' * 1200, "&a [" * 1200, "(" * 1200)
SHAPES: tuple[Callable[[str], bytes], ...] = (
    lambda text: text.encode("utf-8", "surrogatepass"),
    lambda text: text.encode("utf-16", "surrogatepass"),
    lambda text: text.encode("latin-1", "replace"),
    lambda text: b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass"),
    lambda text: text.encode("utf-8", "surrogatepass") * 99,
    lambda text: text.replace("\n", "\r\n").encode("utf-8", "surrogatepass"),
)
contents = st.one_of(
    st.binary(max_size=200),
    st.tuples(st.sampled_from(SHAPES), st.one_of(texts, st.sampled_from(DEEP))).map(lambda it: it[0](it[1])),
)


def mutilated(text: str) -> st.SearchStrategy[bytes]:
    """A good file, of which a piece was replaced by something else, or which is in another encoding."""
    pieces = st.tuples(st.integers(0, len(text)), st.integers(0, 40), st.one_of(texts, st.sampled_from(DEEP)))
    changed = st.lists(pieces, min_size=1, max_size=3).map(lambda edits: _edited(text, edits))
    return st.tuples(st.sampled_from(SHAPES[:4]), changed).map(lambda it: it[0](it[1]))


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for at, length, put in edits:
        text = text[:at] + put + text[at + length :]
    return text
