"""The checkout that is maltreated: at which moment of an update a fault strikes."""

from pathlib import Path

import pytest

from tests.faults.site import Site

WORDS = "sh /build.sh"


def test_the_log_of_the_update_before_is_no_moment_of_this_one(tmp_path: Path) -> None:
    """It may have ended in this very second."""
    site = Site(tmp_path / "checkout", {"PATH": "/usr/bin:/bin"})
    logs = site.local / "events"
    logs.mkdir(parents=True)
    (logs / "before.json").write_text(WORDS)
    before = site.event_logs()
    with pytest.raises(AssertionError, match="ended too early"):
        site.until_it_says(WORDS, site.start("sleep", "0.1"), before)
    running = site.start("sh", "-c", f"sleep 0.1; echo '{WORDS}' > {logs}/now.json; exec sleep 60")
    site.until_it_says(WORDS, running, before)
    assert (logs / "now.json").exists()
    running.kill_all()
    running.process.wait()
