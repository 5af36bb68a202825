"""A clock that is an hour wrong."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.site import Site

pytestmark = pytest.mark.slow
HOUR = 3600
CLOCK = """
import datetime as _datetime
import sys as _sys
import time as _time

_real = _time.time


def _wrong():
    # gRPC compares it with what its part in C reads by itself.
    asks = _sys._getframe(1).f_globals.get("__name__", "")
    return _real() + (0 if asks.startswith("grpc.") else OFFSET)


_time.time = _wrong


class datetime(_datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_time.time(), tz)


_datetime.datetime = datetime
"""


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "ahead"])
def test_the_clock_is_wrong(site: Site, tmp_path: Path, hours: int) -> None:
    """Of the program, while it makes certificates and updates; the engine's clock is the machine's, for all on it.

    So what has another time is, to Pulumi, BuildKit and registry, all that the program has made.
    """
    (tmp_path / "sitecustomize.py").write_text(CLOCK.replace("OFFSET", str(hours * HOUR)))
    clock = {"PYTHONPATH": str(tmp_path)}
    shown = site.run(".venv/bin/python", "-c", "import time; print(time.time())", **clock)
    assert float(shown.text) == pytest.approx(time.time() + hours * HOUR, abs=60)
    assert site.make("down").code == 0
    shutil.rmtree(site.local / "tls")
    site.edit()
    wrong = site.make("up", **clock)
    assert wrong.code == 0, wrong.text
    set_times(site, time.time() + hours * HOUR)
    site.edit()
    site.settle()


def set_times(site: Site, then: float) -> None:
    """What was written is as old as the wrong clock says."""
    shared = {entry.name for entry in site.cache.iterdir() if entry.is_symlink()}
    own = [entry for entry in site.cache.iterdir() if entry.name not in shared]
    for file in (file for folder in (site.local, *own) for file in folder.rglob("*")):
        with suppress(FileNotFoundError):
            os.utime(file, (then, then), follow_symlinks=False)
