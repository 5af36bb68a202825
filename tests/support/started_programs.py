"""A record of the programs that the code under test starts: whole command lines, environments and folders."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Started:
    """One program: None as environment or folder stands for those of the tests."""

    command: tuple[str, ...]
    environment: Mapping[str, str] | None
    folder: str | None


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    """Give the list that every program from now on is added to; they run as ever."""
    started: list[Started] = []

    class Recording(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: Any, **options: Any) -> None:  # noqa: ANN401 - as Popen takes them
            folder = options.get("cwd")
            words = tuple(str(word) for word in command)
            started.append(Started(words, options.get("env"), None if folder is None else str(folder)))
            super().__init__(command, **options)

    monkeypatch.setattr(subprocess, "Popen", Recording)
    return started
