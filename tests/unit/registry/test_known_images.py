"""What is kept of images between runs: for ever, in files that earlier and later versions find again."""

import datetime as dt
import hashlib
import json
import time
from pathlib import Path

import pytest

from carbide_infra.registry.known_images import KnownImages, LastSeen
from carbide_infra.registry.reference import Reference

# As it is outside the tests.
OF_USER = KnownImages.of_user
OTHER = f"sha256:{'0b' * 32}"
ALPINE, GOLANG = Reference.of("alpine:3.22"), Reference.of("golang:1.25")


@pytest.fixture
def known(tmp_path: Path) -> KnownImages:
    return KnownImages(tmp_path / "known")


def test_all_checkouts_of_a_user_know_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path))
    assert OF_USER() == KnownImages(tmp_path / "images")


def test_what_is_kept_is_found_again_by_other_versions(known: KnownImages) -> None:
    known.keep_digest(ALPINE, OTHER)
    known.keep_golang_version(OTHER, "1.25.4")
    name = hashlib.sha256(b"docker.io/library/alpine:3.22").hexdigest()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    assert json.loads((known.folder / f"tags/{name}.json").read_text()) == {
        "reference": "docker.io/library/alpine:3.22",
        "digest": OTHER,
        "day": today,
    }
    assert json.loads((known.folder / f"digests/{'0b' * 32}.json").read_text()) == {"golangVersion": "1.25.4"}
    known.keep_unanswered(OTHER)
    assert json.loads((known.folder / f"digests/{'0b' * 32}.json").read_text()) == {"unanswered": today}


def test_each_image_is_kept_by_itself(known: KnownImages) -> None:
    ones = f"sha256:{'1' * 64}"
    known.keep_digest(ALPINE, OTHER)
    known.keep_digest(GOLANG, ones)
    seen = known.last_seen(ALPINE), known.last_seen(GOLANG)
    assert [one and one.digest for one in seen] == [OTHER, ones]
    known.keep_golang_version(OTHER, None)
    known.keep_golang_version(ones, "1.25.4")
    assert known.golang_version(OTHER) == (None,)
    assert known.golang_version(ones) == ("1.25.4",)
    assert known.golang_version(f"sha256:{'2' * 64}") is None


def test_a_digest_that_is_seen_again_has_the_day_of_then(known: KnownImages) -> None:
    known.keep_digest(ALPINE, OTHER)
    (file,) = (known.folder / "tags").iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"day": "2020-01-01"}))
    assert known.last_seen(ALPINE) == LastSeen(OTHER, "2020-01-01")
    known.keep_digest(ALPINE, OTHER)
    assert known.last_seen(ALPINE) != LastSeen(OTHER, "2020-01-01")


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14"])
def test_a_day_is_the_same_everywhere(known: KnownImages, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        known.keep_digest(ALPINE, OTHER)
    time.tzset()
    assert known.last_seen(ALPINE) == LastSeen(OTHER, dt.datetime.now(dt.UTC).date().isoformat())


def test_who_else_uses_this_machine_reads_nothing(known: KnownImages) -> None:
    known.keep_digest(Reference.of("alpine:3.22"), OTHER)
    known.keep_golang_version(OTHER, "1.25.4")
    for path in known.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            '{"digest": 1}',
            '{"reference": "docker.io/library/alpine:3.22", "digest": "sha256:1", "day": "x"}',
        ),
        f'{{"reference": "docker.io/library/other:1", "digest": "{OTHER}", "day": "x"}}',
    ],
)
def test_a_damaged_file_says_nothing(known: KnownImages, text: str) -> None:
    reference = Reference.of("alpine:3.22")
    known.keep_digest(reference, OTHER)
    (file,) = (known.folder / "tags").iterdir()
    file.write_text(text)
    assert known.last_seen(reference) is None


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    known = KnownImages(tmp_path / "file/known")
    known.keep_digest(Reference.of("alpine:3.22"), OTHER)
    known.keep_golang_version(OTHER, "1.25.4")
    assert known.last_seen(Reference.of("alpine:3.22")) is None
    assert known.golang_version(OTHER) is None
