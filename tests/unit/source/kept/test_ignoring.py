"""What a .dockerignore leaves out."""

import pytest

from carbide_infra.source.kept.ignoring import Ignored
from carbide_infra.source.tree import InputError

PATHS = (
    *("a", "a/b", "a/x.txt", "b.txt", "doc/a.md", "doc/keep.md", "doc/sub/keep.md"),
    *("web/deps/z.js", "deps/y.js", "axb"),
)

# What moby/patternmatcher v0.6.1 leaves out of these, asked as BuildKit asks it: folder by folder.
ANSWERS = (
    ("a", "a a/b a/x.txt"),
    ("/a", "a a/b a/x.txt"),
    ("a/", "a a/b a/x.txt"),
    ("./a/../b.txt", "b.txt"),
    ("*", "a a/b a/x.txt b.txt doc/a.md doc/keep.md doc/sub/keep.md web/deps/z.js deps/y.js axb"),
    ("*\n!a", "b.txt doc/a.md doc/keep.md doc/sub/keep.md web/deps/z.js deps/y.js axb"),
    ("*\n!a/b", "a a/x.txt b.txt doc/a.md doc/keep.md doc/sub/keep.md web/deps/z.js deps/y.js axb"),
    ("**", "a a/b a/x.txt b.txt doc/a.md doc/keep.md doc/sub/keep.md web/deps/z.js deps/y.js axb"),
    ("**\n!**/*.txt", "a a/b doc/a.md doc/keep.md doc/sub/keep.md web/deps/z.js deps/y.js axb"),
    ("**/*.md\n!doc/keep.md", "doc/a.md doc/sub/keep.md"),
    ("**/*.md\n!doc", "doc/a.md doc/keep.md doc/sub/keep.md"),
    ("doc\n!doc/keep.md", "doc/a.md doc/sub/keep.md"),
    ("!doc/keep.md\ndoc", "doc/a.md doc/keep.md doc/sub/keep.md"),
    ("**/deps", "web/deps/z.js deps/y.js"),
    ("deps", "deps/y.js"),
    ("*.txt", "b.txt"),
    ("**/*.txt", "a/x.txt b.txt"),
    ("a/**", "a/b a/x.txt"),
    ("a/**\n!a/b", "a/x.txt"),
    ("**.txt", "a/x.txt b.txt"),
    ("a*", "a a/b a/x.txt axb"),
    ("# a\nb.txt", "b.txt"),
    ("  a  ", "a a/b a/x.txt"),
    ("! a", ""),
    ("a\n! a", ""),
    ("*\n!**/keep.md", "a a/b a/x.txt b.txt doc/a.md web/deps/z.js deps/y.js axb"),
    ("?", "a a/b a/x.txt"),
    ("[ab]", "a a/b a/x.txt"),
    ("[^a]", ""),
    ("a.b", ""),
    ("../a", ""),
    ("a\n!../../doc", "a a/b a/x.txt doc/a.md doc/keep.md doc/sub/keep.md"),
    ("\ufeffa", "a a/b a/x.txt"),
    ("a\r\nb.txt\r", "a a/b a/x.txt b.txt"),
    ("doc/**/keep.md", "doc/keep.md doc/sub/keep.md"),
    ("*/keep.md", "doc/keep.md"),
    ("**/a", "a a/b a/x.txt"),
)


@pytest.mark.parametrize(("text", "left_out"), ANSWERS)
def test_it_is_what_buildkit_leaves_out(text: str, left_out: str) -> None:
    ignored = Ignored(text, ".dockerignore")
    assert [path for path in PATHS if path in ignored] == left_out.split()


@pytest.mark.parametrize(("text", "line"), [("a\n!", 2), ("[a", 1), ("\n\n!  ", 3)])
def test_what_is_no_pattern_is_named_by_its_line(text: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"docker/\.dockerignore:{line}: "):
        Ignored(text, "docker/.dockerignore")
