"""Origin warnings: what the user should know of images that are not, or not quite, what the commit holds."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from carbide_infra.errors import shown
from carbide_infra.source.origins import Origin

_SHORT = 12


def warnings_of(origins: Mapping[str, Origin]) -> Iterator[str]:
    """What the user should know of images that are not, or not quite, what the commit holds."""
    for first, alike in _by_first_file(origins, lambda origin: origin.differing):
        one = next(iter(alike.values()))
        more = _and_more(path for origin in alike.values() for path in origin.differing)
        yield (
            f"{shown(first)} {one.differing[first]} commit {_short(one)}{more}: neither the git SHA nor latest as a "
            f"tag, and no revision, for {', '.join(alike)}"
        )
    for first, alike in _by_first_file(origins, lambda origin: origin.converted):
        one = next(iter(alike.values()))
        more = _and_more(path for origin in alike.values() for path in origin.converted)
        yield (
            f"{shown(first)} has other line ends than in commit {_short(one)}{more}, as its attributes allow: where "
            f"it is embedded or copied, {', '.join(alike)} will not be what another machine builds of that commit"
        )


def _by_first_file(
    origins: Mapping[str, Origin], files_of: Callable[[Origin], Iterable[str]]
) -> Iterator[tuple[str, dict[str, Origin]]]:
    """The images with files to tell of, together where the first of these is the same."""
    found: dict[str, dict[str, Origin]] = {}
    for name, origin in origins.items():
        if files := sorted(files_of(origin)):
            found.setdefault(files[0], {})[name] = origin
    yield from found.items()


def _and_more(paths: Iterable[str]) -> str:
    others = len(set(paths)) - 1
    return f" (and {others} more)" if others else ""


def _short(origin: Origin) -> str:
    return (origin.commit or "")[:_SHORT]
