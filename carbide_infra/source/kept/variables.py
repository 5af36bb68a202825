"""Variables of a Dockerfile, as far as their values are certain before a build."""

import re
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


def platform_arguments(platform: str) -> dict[str, str]:
    """The arguments that BuildKit itself gives to a build for a platform."""
    system, architecture, *variant = platform.split("/")
    return {
        "TARGETPLATFORM": platform,
        "TARGETOS": system,
        "TARGETARCH": architecture,
        "TARGETVARIANT": "".join(variant),
    }
