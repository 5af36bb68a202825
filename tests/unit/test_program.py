"""The program's own start."""

import pulumi
import pytest

from carbide_infra.program import leave_out_debug_messages


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The debug messages that reach the SDK."""
    messages: list[str] = []
    monkeypatch.setattr(pulumi.log, "debug", messages.append)
    return messages


def test_debug_messages_are_left_out(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARBIDE_SDK_DEBUG", raising=False)
    leave_out_debug_messages()
    pulumi.log.debug("registering")
    assert not told


def test_who_asks_for_debug_messages_gets_them(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_SDK_DEBUG", "1")
    leave_out_debug_messages()
    pulumi.log.debug("registering")
    assert told == ["registering"]
