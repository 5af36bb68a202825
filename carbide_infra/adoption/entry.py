"""Turns the last stage of a Dockerfile into an entry of the catalogue, and says what no entry can."""

import posixpath
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from carbide_infra.adoption.accounts import Account
from carbide_infra.adoption.bases import default_user
from carbide_infra.adoption.pieces import AccountFile, Built, Empty, FromImage, FromTree, Placed, Provided, Unclear
from carbide_infra.adoption.stage import Context, Stage
from carbide_infra.adoption.told import Said, Unsayable, usual_path
from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.ports import port_names
from carbide_infra.names import CREATED_LABEL, DESCRIPTION_LABEL, REVISION_LABEL, TITLE_LABEL, VERSION_LABEL
from carbide_infra.source.go_list import package_path

_PACKAGES = {
    "ca-certificates": "ca-certificates",
    "ca-certificates-bundle": "ca-certificates",
    "tzdata": "timezones",
}
_BUILD_KEYS = ("tags", "ldflags", "gcflags", "symbols")
_VERSION = re.compile(r"version|(^|_)(tag|ver|release)($|_)", re.IGNORECASE)
# Of tags such as tools/v1.4.0.
_TAG_PREFIX = re.compile(r"(\w+(?:[./-]\w+)*[/-])v[\d.]*\*.*", re.ASCII)
_JOB = re.compile(r"(^|[-_/])(migrat\w*|job|jobs|seed|init-db|bootstrap)($|[-_/])")
_NUMERIC = re.compile(r"\d+(:\d+)?")
_ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_TITLES = {TITLE_LABEL: "title", DESCRIPTION_LABEL: "description"}
# Of these the program itself, or the stack, says what is right.
_BY_THE_STACK = frozenset({CREATED_LABEL, REVISION_LABEL})


class Entry:
    """An entry of the catalogue for the image that ends with a stage.

    Attributes:
        said: what it says, by key, in the order of the documentation.
        unsayable: what it cannot say.
        notes: what a person should look at.
    """

    def __init__(self, name: str, stage: Stage, context: Context) -> None:
        self.said: dict[str, Said] = {}
        self.unsayable: list[Unsayable] = list(stage.unsayable)
        self.notes: list[str] = []
        self._name, self._stage, self._context = name, stage, context
        self._account: Account | None = None
        for line, what in stage.unknown.items():
            self._cannot(line, what, "let a base image have it, or a file of the source tree")
        binaries = list(self._binaries())
        if self.unsayable or not binaries:
            self._require_some(binaries)
            return
        self._say_binaries(binaries)
        self._say_base(binaries)
        self._say_user()
        self._say_process(binaries)
        self._say_files(binaries)
        self._say_labels()

    def _cannot(self, line: int, what: str, do: str) -> None:
        self.unsayable.append(Unsayable(self._context.where(line), what, do))

    def _say(self, key: str, value: Any, where: str) -> None:  # noqa: ANN401 - what YAML has
        self.said[key] = Said(value, where)

    def _require_some(self, binaries: Sequence[Placed]) -> None:
        if not binaries and not self.unsayable:
            where = self._context.where(self._stage.start.start_line)
            self.unsayable.append(Unsayable(where, "has no binary of a `go build`", "keep it as it is"))

    # ---- What is compiled.

    def _binaries(self) -> Iterator[Placed]:
        last = {placed.place: placed for placed in self._stage.placed}
        for placed in last.values():
            match placed.piece:
                case Built():
                    yield placed
                case Unclear(what, do):
                    self._cannot(placed.line, what, do)
                case FromImage(image, path) if "@" not in image:
                    self._cannot(placed.line, f"copies {path} of {image}, a tag that moves", f"write {image}@sha256:…")
                case FromTree(path) if self._context.files.is_folder(path) and path in {".", self._context.folder}:
                    self._cannot(placed.line, "copies the whole context", "copy what the image needs, by name")
                case FromTree(path, exclude) if len(exclude) > 8:  # noqa: PLR2004
                    self._cannot(placed.line, f"copies {path} without {len(exclude)} files", "put them elsewhere")

    def _say_binaries(self, binaries: Sequence[Placed]) -> None:
        builts = [placed.piece for placed in binaries if isinstance(placed.piece, Built)]
        first = builts[0]
        self.notes += dict.fromkeys(note for built in builts for note in built.notes)
        if len(binaries) == 1 and binaries[0].place == usual_path(first.package, self._name):
            self._say("package", package_path(first.package), first.where)
        else:
            items = [
                Said({"package": package_path(built.package), "path": placed.place}, built.where)
                for placed, built in zip(binaries, builts, strict=True)
            ]
            self._say("binaries", items, first.where)
        for key in _BUILD_KEYS:
            self._say_flags(key, builts)
        self._say_version(builts)
        self._say_platforms(builts)

    def _say_platforms(self, builts: Sequence[Built]) -> None:
        """Where a command or a FROM insists on one."""
        told = [built.said["platforms"] for built in builts if "platforms" in built.said]
        for flag in self._stage.start.flags:
            name, _, value = flag.partition("=")
            if name == "--platform" and "$" not in value:
                told.append(Said([value], self._context.where(self._stage.start.start_line)))
        if len({tuple(said.value) for said in told}) > 1:
            self._cannot(self._stage.start.start_line, "is of two platforms", "leave one of them to the build")
        elif told:
            self.said["platforms"] = told[0]

    def _say_flags(self, key: str, builts: Sequence[Built]) -> None:
        """For the image where all its binaries agree, else for each."""
        values = [self._own(key, built) for built in builts]
        told = [value for value in values if value is not None]
        if not told:
            return
        if len({_plain(value) if value else "" for value in values}) == 1:
            self.said[key] = told[0]
            return
        if "binaries" not in self.said:
            return
        items = self.said["binaries"].value
        for at, (item, value) in enumerate(zip(items, values, strict=True)):
            if value is not None:
                items[at] = Said({**item.value, key: value}, item.where)

    def _own(self, key: str, built: Built) -> Said | None:
        said = built.said.get(key)
        if said is None or key != "symbols":
            return said
        return Said({self._symbol(name, built): value for name, value in said.value.items()}, said.where)

    def _symbol(self, name: str, built: Built) -> str:
        """Relative to the module where it is of that."""
        module = self._context.packages.module_of(built.package)
        path = self._context.packages.modules.get(module or "", "")
        return f"./{name.removeprefix(f'{path}/')}" if path and name.startswith(f"{path}/") else name

    def _say_version(self, builts: Sequence[Built]) -> None:
        facts = [
            value.value for built in builts if (said := built.said.get("symbols")) for value in said.value.values()
        ]
        version = next((built.version for built in builts if built.version), None)
        if "version" not in facts:
            return
        beside = posixpath.normpath(f"{self._context.folder}/VERSION")
        if version is not None:
            self.said["version"] = version
            prefix = _TAG_PREFIX.fullmatch(version.value.get("gitTag", ""))
            if prefix:
                self._say("tagPrefix", prefix[1], version.where)
        elif beside != "VERSION" and self._context.files.is_file(beside):
            self._say("version", {"file": beside}, beside)

    # ---- What it stands on, and its user.

    def _say_base(self, binaries: Sequence[Placed]) -> None:
        base = self._stage.base
        assert base is not None  # noqa: S101 - noted as unsayable otherwise
        self.said["base"] = base
        builder = next((p.piece.builder for p in binaries if isinstance(p.piece, Built) and p.piece.builder), None)
        if builder is not None:
            self.said["builder"] = builder

    def _say_user(self) -> None:
        said, base = self._stage.user, self._stage.base
        assert base is not None  # noqa: S101 - as above
        if said is None:
            user, where = default_user(base.value), base.where
            if user is None:
                what = f"names no USER, and that of {base.value} is not known here"
                self.unsayable.append(Unsayable(base.where, what, "add a USER line"))
                return
            self._say("user", {"base": user} if user else "root", f"{where}: no USER")
            return
        name, _, group = said.value.partition(":")
        account = self._made(name, group)
        if account is not None:
            self._account = account
            self._say_account(account, said)
        elif name in {"root", "0"}:
            self._say("user", "root", said.where)
        elif _NUMERIC.fullmatch(said.value):
            self._say("user", {"base": said.value}, said.where)
        elif _ACCOUNT_NAME.fullmatch(name) and base.value != NOTHING:
            if group not in {"", name}:
                self.notes.append(f"{said.where}: {name} gets the base's own group, not {group}")
            self._say("user", {"base": name}, said.where)
        else:
            self.unsayable.append(Unsayable(said.where, f"runs as {said.value}, a user that nobody makes", "add it"))

    def _made(self, name: str, group: str) -> Account | None:
        users = self._stage.accounts.users
        account = users.get(name) or next((user for user in users.values() if str(user.uid) == name), None)
        if len(users) > 1:
            lines = ", ".join(str(user.line) for user in users.values())
            self._cannot(account.line if account else 0, f"makes several users (lines {lines})", "make one")
        return None if account is None or (group.isdecimal() and int(group) != account.gid) else account

    def _say_account(self, account: Account, said: Said) -> None:
        user: dict[str, object] = {"name": account.name, "uid": account.uid}
        if account.gid != account.uid:
            user["gid"] = account.gid
        if account.home != f"/home/{account.name}":
            user["home"] = account.home
        self._say("user", user, self._context.where(account.line) if account.line else said.where)
        if account.is_assumed:
            self.notes.append(
                f"{self._context.where(account.line)}: does not say the numbers of {account.name}; "
                f"{account.uid}:{account.gid} are those that the base gives to the first one: check user"
            )

    # ---- How it runs.

    def _say_process(self, binaries: Sequence[Placed]) -> None:
        stage = self._stage
        first = binaries[0].place
        if stage.workdir is None:
            self._say("workdir", None, f"{self._context.where(stage.start.start_line)}: no WORKDIR")
        else:
            self.said["workdir"] = stage.workdir
        self._say_entrypoint(first)
        self._say_ports(binaries)
        if stage.health is not None and stage.health.value is not None:
            self._say_health(stage.health, first)
        else:
            self._say("health", None, f"{self._context.where(stage.start.start_line)}: no HEALTHCHECK")
        if stage.environment:
            self._say("environment", dict(stage.environment), next(iter(stage.environment.values())).where)
        if stage.stop_signal is not None:
            self._say_stop_signal(stage.stop_signal)

    def _say_entrypoint(self, first: str) -> None:
        stage = self._stage
        if stage.entrypoint is None and stage.command is None:
            where = self._context.where(stage.start.start_line)
            self.unsayable.append(Unsayable(where, "has neither ENTRYPOINT nor CMD", "say what starts"))
        elif stage.entrypoint is None:
            self._say("entrypoint", None, f"{self._context.where(stage.start.start_line)}: no ENTRYPOINT")
        else:
            words = self._absolute(stage.entrypoint)
            if words != [first]:
                self._say("entrypoint", words, stage.entrypoint.where)
        if stage.command is not None and stage.command.value:
            words = stage.command.value if stage.entrypoint else self._absolute(stage.command)
            self._say("command", words, stage.command.where)

    def _absolute(self, said: Said) -> list[str]:
        """A program that is named by its place in the working folder, by its whole path."""
        words: list[str] = list(said.value)
        if words and "/" in words[0] and not words[0].startswith("/"):
            words[0] = posixpath.normpath(posixpath.join(self._stage.folder, words[0]))
            self.notes.append(f"{said.where}: {said.value[0]} is written {words[0]}")
        return words

    def _say_ports(self, binaries: Sequence[Placed]) -> None:
        stage = self._stage
        if stage.ports:
            where = next(iter(stage.ports.values())).where
            self._say("ports", named_ports(stage.ports), where)
            return
        packages = [placed.piece.package for placed in binaries if isinstance(placed.piece, Built)]
        if len(packages) == 1 and (_JOB.search(self._name) or _JOB.search(packages[0])):
            self._say("kind", "job", "by its name, and no EXPOSE")

    def _say_health(self, said: Said, first: str) -> None:
        self.said["health"] = health_of(said, first)

    def _say_stop_signal(self, said: Said) -> None:
        text = str(said.value)
        name = signal.Signals(int(text)).name if text.isdecimal() and int(text) in set(signal.Signals) else text
        self._say("stopSignal", name if name.startswith("SIG") else f"SIG{name}", said.where)

    # ---- What is in it.

    def _say_files(self, binaries: Sequence[Placed]) -> None:
        taken = {placed.place for placed in binaries}
        files, folders = [], []
        last = {placed.place: placed for placed in self._stage.placed}
        for placed in last.values():
            where = self._context.where(placed.line)
            if isinstance(placed.piece, FromTree):
                files.append(Said({"from": placed.piece.path, "to": placed.place, **self._rights(placed)}, where))
                if placed.piece.exclude:
                    files[-1].value["exclude"] = list(placed.piece.exclude)
            elif isinstance(placed.piece, FromImage):
                value = {"image": placed.piece.image, "from": placed.piece.path, "to": placed.place}
                files.append(Said({**value, **self._rights(placed)}, where))
            elif isinstance(placed.piece, Empty) and self._is_alone(placed.place, taken):
                folders.append(Said({"path": placed.place, **self._rights(placed)}, where))
        if files:
            self._say("files", files, files[0].where)
        if folders:
            self._say("folders", folders, folders[0].where)
        self._say_provided(last.values())

    def _is_alone(self, place: str, taken: set[str]) -> bool:
        """Whether a folder would not be there without being named."""
        home = self._account.home if self._account else ""
        others = {*taken, *(each.place for each in self._stage.placed if each.place != place)}
        workdir = self._stage.workdir.value if self._stage.workdir else ""
        has_owner = any(each.owner for each in self._stage.placed if each.place == place)
        is_made = place == home or (place == workdir and not has_owner)
        return not is_made and (has_owner or not any(other.startswith(f"{place}/") for other in others))

    def _rights(self, placed: Placed) -> dict[str, str]:
        rights = {}
        is_folder = isinstance(placed.piece, Empty)
        if placed.mode and not (is_folder and placed.mode == "0755"):
            rights["mode"] = placed.mode
        owner = self._owner(placed)
        if owner:
            rights["owner"] = owner
        return rights

    def _owner(self, placed: Placed) -> str:
        name, _, group = placed.owner.partition(":")
        user = self.said.get("user")
        named = user.value if user and isinstance(user.value, dict) else {}
        if name in {"", "root", "0"} and group in {"", "root", "0"}:
            return ""
        numbers = f"{self._account.uid}:{self._account.gid}" if self._account else ""
        if self._account and (name == self._account.name or placed.owner in {numbers, str(self._account.uid)}):
            return self._account.name
        if _NUMERIC.fullmatch(placed.owner) or name == named.get("base"):
            return name if not _NUMERIC.fullmatch(placed.owner) else placed.owner
        self._cannot(placed.line, f"gives {placed.place} to {placed.owner}", "name a number, or the image's own user")
        return ""

    def _say_provided(self, placed: Any) -> None:  # noqa: ANN401 - a view of a dict
        provided: dict[str, str] = {}
        for package, line in self._stage.installed.items():
            if package in _PACKAGES:
                provided.setdefault(_PACKAGES[package], self._context.where(line))
            else:
                self._cannot(line, f"installs {package}", "let a base image have it")
        for each in placed:
            if isinstance(each.piece, Provided):
                provided.setdefault(each.piece.name, self._context.where(each.line))
            elif isinstance(each.piece, AccountFile) and not self._stage.accounts.users:
                self._cannot(each.line, f"copies {each.place}", "make the user in a line of its own")
        where = next(iter(provided.values()), "") or f"{self._context.where(self._stage.start.start_line)}: none"
        self._say("provides", sorted(provided), where)

    def _say_labels(self) -> None:
        labels: dict[str, Said] = {}
        for name, said in self._stage.labels.items():
            text = str(said.value)
            if name in _BY_THE_STACK or (text.startswith("$") and not _VERSION.search(text)):
                self.notes.append(
                    f"{said.where}: the label {name} is left out, for it would follow each commit or build"
                )
            elif name == VERSION_LABEL and not text.startswith("$"):
                self.notes.append(f"{said.where}: the label {name} is left out, for it is the version's")
            elif name in _TITLES:
                self.said[_TITLES[name]] = said
            elif not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?", name) or re.search(r"\{\w+\}", text):
                self.unsayable.append(Unsayable(said.where, f"has the label {name!r}", "rename it, or leave it out"))
            else:
                labels[name] = Said("{version}", said.where) if text.startswith("$") else said
        if labels:
            self._say("labels", labels, next(iter(labels.values())).where)


def named_ports(ports: Mapping[int, Said]) -> dict[str, Said]:
    """Ports by names."""
    return {name: ports[number] for name, number in port_names(ports).items()}


def health_of(said: Said, first: str) -> Said:
    """A health check as the catalogue has it, without the times that it has by itself.

    Args:
        said: its command, and all of its times.
        first: path of the image's first binary.
    """
    health = dict(said.value)
    command = ["{binary}" if word == first else word for word in health["command"]]
    usual = {"interval": "30s", "timeout": "5s", "startPeriod": "10s", "retries": 3}
    times = {key: value for key, value in health.items() if key != "command" and value != usual[key]}
    return Said({"command": command, **times}, said.where)


def _plain(said: Said) -> str:
    value = said.value
    if isinstance(value, dict):
        return repr({key: _plain(each) if isinstance(each, Said) else each for key, each in value.items()})
    return repr(value)
