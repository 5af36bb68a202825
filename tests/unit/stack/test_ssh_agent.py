"""What a preview has in the place of the user's ssh agent."""

import socket
import stat
from pathlib import Path

import pytest

from carbide_infra.stack.ssh_agent import without_agent


@pytest.mark.parametrize("given", [{}, {"SSH_AUTH_SOCK": "/home/me/agent"}])
def test_a_preview_has_a_socket_that_nobody_listens_at(given: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "state"
    for _ in range(2):
        changed = without_agent({"A": "1", **given}, folder)
        assert changed == {"A": "1", "SSH_AUTH_SOCK": str(folder / "no-agent")}
    assert stat.S_ISSOCK((folder / "no-agent").stat().st_mode)
    with socket.socket(socket.AF_UNIX) as agent, pytest.raises(OSError, match=r"refused|too long"):
        agent.connect(changed["SSH_AUTH_SOCK"])


def test_where_no_socket_can_be_made_the_user_s_own_stays_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert without_agent({"SSH_AUTH_SOCK": "/home/me/agent"}, tmp_path / "file") == {}
