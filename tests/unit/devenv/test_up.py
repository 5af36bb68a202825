"""Tests of what setting up says when the machine is in the way."""

import errno
import threading
from pathlib import Path

import pytest

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.registry.docker_hub import DockerHub, Mirror
from devenv import up
from devenv.certificates import Certificates
from devenv.registry import Registry


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: free some space for"),
        (SetupError("Building failed:\nwrite /x: no space left on device"), "The disk is full: free some space for"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/.local"), "/x/.local: Permission denied"),
    ],
)
def test_what_the_disk_says_is_explained(tmp_path: Path, error: Exception, sentence: str) -> None:
    with pytest.raises(SetupError, match=sentence), up._explained(tmp_path):
        raise error


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    error = MissingPrerequisite("install something")
    with pytest.raises(MissingPrerequisite) as caught, up._explained(tmp_path):
        raise error
    assert caught.value is error


def test_where_docker_hubs_images_come_from(tmp_path: Path) -> None:
    registry, mirror = Registry("vm:5443", Certificates(tmp_path)), Mirror("mirror")
    assert up._mirrors(DockerHub(answers=True), registry) == []
    assert up._mirrors(DockerHub(answers=True, mirror=mirror), registry) == [mirror]
    assert up._mirrors(DockerHub(answers=False), registry) == [Mirror("vm:5443")]


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    waits, done = threading.Event(), threading.Event()

    def second() -> None:
        def report(line: str) -> None:
            told.append(line)
            waits.set()

        with up._sole_run(tmp_path, report):
            done.set()

    with up._sole_run(tmp_path, told.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        assert not done.is_set()
    thread.join(10)
    assert done.is_set()
    assert told == ["Another run is setting up this checkout: waiting for it…"]


def test_down_where_nothing_runs(tmp_path: Path) -> None:
    told: list[str] = []
    up.local_down(tmp_path, told.append)
    assert told == ["Nothing runs"]
