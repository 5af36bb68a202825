"""How two images' contents are compared: the ruler of the adoption tests."""

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

from tests.adopt.contents import Content, differences, explained

if TYPE_CHECKING:
    from tests.engine.registry import Platform


def layer(*entries: tuple[str, int, int, bytes]) -> bytes:
    """A tar of entries: path, mode, owner, type."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, mode, owner, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.uid, entry.gid, entry.type, entry.linkname = mode, owner, owner, kind, "there"
            archive.addfile(entry)
    return stream.getvalue()


class Image:
    """As much of one as is read."""

    def __init__(self, config: dict[str, Any], *layers: bytes) -> None:
        self.config = {"config": config}
        self.layers = lambda: iter(layers)


def content(config: dict[str, Any], *layers: bytes) -> Content:
    return Content.of(cast("Platform", Image(config, *layers)))


FOLDER, FILE, LINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE


def test_the_later_layer_counts_and_a_link_s_mode_does_not() -> None:
    first = layer(("./app/", 0o755, 0, FOLDER), ("app/api", 0o700, 0, FILE), ("app/link", 0o777, 0, LINK))
    found = content({}, first, layer(("app/api", 0o755, 1000, FILE)))
    assert found.files == {"app": "0755 0:0 folder", "app/api": "0755 1000:1000 file", "app/link": "0:0 link to there"}


def test_a_mode_an_owner_and_what_one_has_alone_differ() -> None:
    old = content(
        {"User": "shop", "Cmd": None, "Labels": {"a": "b"}}, layer(("a", 0o644, 0, FILE), ("b", 0o644, 0, FILE))
    )
    new = content(
        {"User": "7:7", "Cmd": []}, layer(("a", 0o600, 0, FILE), ("b", 0o644, 7, FILE), ("c", 0o1777, 0, FOLDER))
    )
    assert differences(old, new) == [
        "User: shop → 7:7",
        "/a: 0644 0:0 file → 0600 0:0 file",
        "/b: 0644 0:0 file → 0644 7:7 file",
        "/c: nothing → 1777 0:0 folder",
    ]
    assert differences(old, old) == []


def test_what_nobody_tells_of_is_kept_apart() -> None:
    lines = ["User: shop → 7:7", "/a: nothing → 0644 0:0 file", "/b: nothing → 0644 0:0 file"]
    assert explained(lines, {"User: *": "by number", "/a*": "known", "/z*": "gone"}) == {
        "": ["/b: nothing → 0644 0:0 file"],
        "User: *": ["User: shop → 7:7"],
        "/a*": ["/a: nothing → 0644 0:0 file"],
        "/z*": [],
    }
