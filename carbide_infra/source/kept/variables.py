"""Variables of a Dockerfile, as far as their values are certain before a build."""

import re
import shlex
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<how>:?[-+])(?P<word>[^${}]*))?\})")


class UnknownError(Exception):
    """A text holds a variable whose value only the build knows."""


def expanded(text: str, known: Mapping[str, str | None]) -> str:
    """A text with its variables filled in.

    Raises:
        UnknownError: one is not known, or is written in a way that is not read here.
    """

    def value(found: re.Match[str]) -> str:
        value = known.get(found["plain"] or found["name"])
        # What is unset here may be set by the base image.
        if value is None:
            raise UnknownError
        how, word = found["how"] or "", found["word"] or ""
        if how.endswith("+"):
            return word if value or how == "+" else ""
        return value or (word if how == ":-" else "")

    if "$" in _VARIABLE.sub("", text):
        raise UnknownError
    return _VARIABLE.sub(value, text)


def value_of(text: str, known: Mapping[str, str | None]) -> str | None:
    """A value as BuildKit takes it; None where a variable is not known, or the quoting is not read here."""
    if "$" in text and ("'" in text or "\\" in text):
        return None
    if "'" in text or '"' in text or "\\" in text:
        try:
            text = "".join(shlex.split(text.replace(" ", "\x01").replace("\t", "\x02")))
        except ValueError:
            return None
        text = text.replace("\x01", " ").replace("\x02", "\t")
    try:
        filled = expanded(text, known)
    except UnknownError:
        return None
    return filled if filled.isprintable() else None


def platform_arguments(platform: str) -> dict[str, str]:
    """The arguments that BuildKit itself gives to a build for a platform."""
    system, architecture, *variant = platform.split("/")
    return {
        "TARGETPLATFORM": platform,
        "TARGETOS": system,
        "TARGETARCH": architecture,
        "TARGETVARIANT": "".join(variant),
    }
