"""Follows files into the stages of a Dockerfile: by COPY, ADD and bind mounts, from the context and other stages."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from carbide_infra.adoption.pieces import (
    AccountFile,
    Empty,
    FromImage,
    FromTree,
    Piece,
    Placed,
    Provided,
    Unclear,
)
from carbide_infra.adoption.stage import Context, Stage
from carbide_infra.adoption.words import short
from carbide_infra.errors import shown
from carbide_infra.source.kept.stages import mounts
from carbide_infra.source.kept.variables import value_of

if TYPE_CHECKING:
    import dockerfile

_REMOTE = re.compile(r"(https?|git|ssh)://|git@|github\.com/")
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2?|txz|tar\.\w+)$")
_WILDCARD = re.compile(r"[*?\[]")
_CERTIFICATES = frozenset({"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs", "/etc/ssl"})
_ZONES = frozenset({"/usr/share/zoneinfo"})
_ACCOUNT_FILES = frozenset({"/etc/passwd", "/etc/group"})


class Copies:
    """What is copied into the stages of one Dockerfile.

    Args:
        context: what the Dockerfile is read with.
        earlier: a stage that stands before another one, by its name or number, read; None where there is none.
        outer: the variables that are set before the first stage.
    """

    def __init__(
        self,
        context: Context,
        earlier: Callable[[str, Stage], Stage | None],
        outer: Mapping[str, str | None],
    ) -> None:
        self.context, self._earlier, self._global = context, earlier, outer

    def copy(self, command: "dockerfile.Command", stage: Stage) -> None:
        """What COPY and ADD put into a stage."""
        line = command.start_line
        flags = [flag.removeprefix("--").partition("=")[::2] for flag in command.flags]
        one = dict(flags)
        texts = [value_of(word, stage.known) for word in command.value]
        if command.heredocs or None in texts or "parents" in one or len(texts) < 2:  # noqa: PLR2004 - from and to
            what = f"has {shown(command.original.splitlines()[0])}", "copy files of the source tree by their names"
            stage.note(self.context.where(line), *what)
            if texts and texts[-1] and "parents" not in one:
                stage.placed.append(Placed(stage.place(texts[-1]), Unclear(*what), line))
            return
        *sources, target = [text or "" for text in texts]
        exclude = tuple(value for name, value in flags if name == "exclude")
        found = [each for source in sources for each in self._sources(source, command, stage, one.get("from"), exclude)]
        place = stage.place(target)
        is_inside = target.endswith(("/", "/.")) or target == "." or len(sources) > 1 or stage.is_folder(place)
        mode, owner = _mode(one.get("chmod", "")), value_of(one.get("chown", ""), stage.known) or ""
        for name, piece, own_mode in found:
            is_whole = name == "" or not is_inside
            stage.placed.append(
                Placed(place if is_whole else f"{place.rstrip('/')}/{name}", piece, line, mode or own_mode, owner)
            )
            if isinstance(piece, AccountFile):
                self._take_accounts(stage, one.get("from"))

    def _take_accounts(self, stage: Stage, name: str | None) -> None:
        source = self._earlier(name or "", stage)
        if source is not None:
            stage.accounts.users |= source.accounts.users
            stage.accounts.groups |= source.accounts.groups

    def _sources(
        self, text: str, command: "dockerfile.Command", stage: Stage, origin: str | None, exclude: tuple[str, ...]
    ) -> Iterator[tuple[str, Piece, str]]:
        """Name below the target, empty for the target itself; piece; and mode."""
        if origin is None:
            yield from self._from_context(text, command, exclude)
            return
        origin = value_of(origin, {**self._global, **stage.known}) or origin
        source = self._earlier(origin, stage)
        if source is None:
            yield posixpath.basename(text), FromImage(origin, posixpath.join("/", text)), ""
            return
        yield from self._from_stage(text, source, exclude)

    def _from_context(
        self, text: str, command: "dockerfile.Command", exclude: tuple[str, ...]
    ) -> Iterator[tuple[str, Piece, str]]:
        if command.cmd.upper() == "ADD" and (_REMOTE.match(text) or _ARCHIVE.search(text)):
            what = f"adds {shown(text)}"
            yield posixpath.basename(text), Unclear(what, "put its content into the source tree"), ""
            return
        files, path = self.context.files, self.context.in_tree(text)
        matching = files.matching(path) if _WILDCARD.search(path) else [path]
        for each in matching or [path]:
            relative = posixpath.relpath(each, self.context.folder)
            if files.is_file(each) and relative not in self.context.ignored:
                yield posixpath.basename(each), FromTree(each), ""
            elif files.is_folder(each):
                yield "", FromTree(each, (*exclude, *self._left_out(each))), ""
            else:
                yield (
                    posixpath.basename(each),
                    Unclear(
                        f"copies {shown(text)}, which is no file of the clone",
                        f"commit it, or leave this out with --skip {self.context.file}",
                    ),
                    "",
                )

    def _left_out(self, folder: str) -> list[str]:
        """What the .dockerignore leaves out of a folder."""
        if folder == self.context.folder:
            return []
        inner = [posixpath.relpath(name, self.context.folder) for name in self.context.files.below(folder)]
        base = posixpath.relpath(folder, self.context.folder)
        return [posixpath.relpath(name, base) for name in inner if name in self.context.ignored]

    def _from_stage(self, text: str, source: Stage, exclude: tuple[str, ...]) -> Iterator[tuple[str, Piece, str]]:
        place = posixpath.join("/", posixpath.normpath(f"/{text}").lstrip("/"))
        if _WILDCARD.search(place):
            pattern = re.compile(re.escape(place).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
            found = [each for each in source.placed if pattern.fullmatch(each.place)]
        else:
            found = source.found(place, self.context.files)
        for each in found:
            is_file = each.place == place and not self._is_folder(each)
            name = (
                posixpath.basename(each.place)
                if is_file or _WILDCARD.search(place)
                else posixpath.relpath(each.place, place)
            )
            yield "" if name == "." else name, self._through(each, source, exclude), each.mode
        if not found:
            yield posixpath.basename(place), _known_piece(place) or self._unclear(place, source), ""

    def _is_folder(self, placed: Placed) -> bool:
        piece = placed.piece
        return isinstance(piece, Empty) or (isinstance(piece, FromTree) and self.context.files.is_folder(piece.path))

    def _through(self, placed: Placed, source: Stage, exclude: tuple[str, ...]) -> Piece:
        """A file of the source tree that a command may have changed on its way is another one."""
        piece = placed.piece
        if not isinstance(piece, FromTree):
            return piece
        if source.unknown:
            line, what = next(iter(source.unknown.items()))
            return Unclear(
                f"copies {placed.place} after {what} (line {line}), which may change it", "copy it from the context"
            )
        left_out = self._left_out(piece.path) if self.context.files.is_folder(piece.path) else []
        return FromTree(piece.path, tuple(dict.fromkeys((*piece.exclude, *left_out, *exclude))))

    def _unclear(self, place: str, source: Stage) -> Unclear:
        base = posixpath.basename(place)
        runs = list(source.runs.items())
        line, text = next(((line, text) for line, text in runs if base in text), runs[-1] if runs else (0, ""))
        if not line:
            return Unclear(
                f"copies {place} of {source.base.value if source.base else 'an image'}", "name its image by digest"
            )
        return Unclear(
            f"copies {place}, which line {line} makes ({short(text)})",
            "only Go binaries and files of the source tree are made anew",
        )

    def mounted(self, command: "dockerfile.Command", stage: Stage) -> list[Placed]:
        """What a RUN sees beside the stage's own files."""
        found: list[Placed] = []
        for keys in mounts(command):
            if keys.get("type") == "secret":
                stage.secrets.setdefault(
                    keys.get("id") or posixpath.basename(keys.get("target", "")), command.start_line
                )
            elif keys.get("type") == "ssh":
                stage.secrets.setdefault("ssh", command.start_line)
            elif keys and keys.get("type", "bind") == "bind":
                found += self._bound(keys, command, stage)
        return found

    def _bound(self, keys: Mapping[str, str], command: "dockerfile.Command", stage: Stage) -> Iterator[Placed]:
        target = stage.place(keys.get("target") or keys.get("dst") or keys.get("destination") or "/")
        source = keys.get("source") or keys.get("src") or "."
        if "from" not in keys:
            yield Placed(target, FromTree(self.context.in_tree(source)), command.start_line)
            return
        found = list(self._sources(source, command, stage, keys["from"], ()))
        for name, piece, mode in found:
            is_whole = not name or (len(found) == 1 and name == posixpath.basename(source))
            yield Placed(target if is_whole else f"{target.rstrip('/')}/{name}", piece, command.start_line, mode)


def _mode(text: str) -> str:
    return f"0{text.lstrip('0'):0>3}" if re.fullmatch(r"0*[0-7]{3}", text) else ("0755" if "x" in text else "")


def _known_piece(place: str) -> Piece | None:
    if place in _CERTIFICATES:
        return Provided("ca-certificates")
    if place in _ZONES:
        return Provided("timezones")
    return AccountFile() if place in _ACCOUNT_FILES else None
