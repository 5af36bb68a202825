"""Findings: one line of a diagnosis each."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What was found of one subject.

    Attributes:
        level: "fail" where an update could not succeed.
        subject: such as "builder".
        told: what is so.
        fix: what to do about it; empty where all is well.
    """

    level: Level
    subject: str
    told: str
    fix: str = ""


def ok(subject: str, told: str) -> Finding:
    """All is well."""
    return Finding("ok", subject, told)


def warn(subject: str, told: str, fix: str) -> Finding:
    """An update works, and somebody should know."""
    return Finding("warn", subject, told, fix)


def fail(subject: str, told: str, fix: str) -> Finding:
    """An update cannot succeed."""
    return Finding("fail", subject, told, fix)
