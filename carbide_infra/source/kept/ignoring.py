"""What a .dockerignore leaves out, by the rules of moby/patternmatcher as BuildKit applies them, folder by folder."""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from carbide_infra.source.tree import InputError

_ESCAPED = frozenset(".+()|{}$")


@dataclass(frozen=True)
class _Pattern:
    matches: Callable[[str], bool]
    is_exception: bool


class Ignored:
    """The files that a .dockerignore leaves out of a context.

    Args:
        text: that of the file.
        name: how messages name it.
    """

    def __init__(self, text: str, name: str) -> None:
        self._patterns = list(_read(text, name))
        self._folders: dict[str, tuple[bool, ...]] = {}

    def __contains__(self, path: str) -> bool:
        """Whether a file, relative to the context, is left out."""
        return self._looked_at(path)[0]

    def _looked_at(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        """Whether a path is left out, and which patterns match it or a folder above it.

        A pattern that could change nothing is not looked at, and then does not count for what is below, either.
        """
        folder = posixpath.dirname(path)
        above = self._folder(folder) if folder else (False,) * len(self._patterns)
        is_out, matched = False, []
        for pattern, is_above in zip(self._patterns, above, strict=True):
            is_match = is_above or (pattern.is_exception == is_out and pattern.matches(path))
            matched.append(is_match)
            if is_match:
                is_out = not pattern.is_exception
        return is_out, tuple(matched)

    def _folder(self, folder: str) -> tuple[bool, ...]:
        if folder not in self._folders:
            self._folders[folder] = self._looked_at(folder)[1]
        return self._folders[folder]


def _read(text: str, name: str) -> Iterator[_Pattern]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        written = line.strip()
        if line.startswith("#") or not written:
            continue
        is_exception = written.startswith("!")
        written = written.removeprefix("!").strip()
        if not written:
            msg = f"{name}:{number}: '!' names no file; write what is not to be left out behind it"
            raise InputError(msg)
        # POSIX keeps two leading slashes.
        cleaned = re.sub("^//?(?=.)", "", posixpath.normpath(written))
        # Twice, as there: `!../../x` then is no exception any more.
        cleaned = posixpath.normpath(f"!{cleaned}" if is_exception else cleaned)
        try:
            yield _Pattern(_matcher(cleaned.removeprefix("!")), cleaned.startswith("!"))
        except re.error:
            msg = f"{name}:{number}: {written!r} is not a pattern of paths; see that its brackets are closed"
            raise InputError(msg) from None


def _matcher(pattern: str) -> Callable[[str], bool]:
    """As patternmatcher compiles it: some patterns are beginnings and ends of paths, the others regular expressions."""
    if not set(pattern) & set("*?[]\\"):
        return lambda path: path == pattern
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?[]\\"):
        end = pattern[2:]
        return lambda path: path.endswith(end) or (end.startswith("/") and path == end[1:])
    if pattern.endswith("**") and not set(pattern[:-2]) & set("*?[]\\"):
        beginning = pattern[:-2]
        return lambda path: path.startswith(beginning)
    expression = re.compile("".join(_parts(pattern)))
    return lambda path: expression.fullmatch(path) is not None


def _parts(pattern: str) -> Iterator[str]:
    rest = pattern
    while rest:
        letter, rest = rest[0], rest[1:]
        if letter == "*" and rest.startswith("*"):
            rest = rest[1:].removeprefix("/")
            yield "(.*/)?" if rest else ".*"
        elif letter in "*?":
            yield "[^/]*" if letter == "*" else "[^/]"
        elif letter in _ESCAPED:
            yield f"\\{letter}"
        elif letter == "\\" and rest:
            yield f"\\{rest[0]}"
            rest = rest[1:]
        else:
            yield letter
