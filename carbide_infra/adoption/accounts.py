"""The users and groups that the commands of a Dockerfile make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

# What Alpine and Debian give to the first that is made, if nobody says a number.
_FIRST, _FIRST_SYSTEM_USER, _FIRST_SYSTEM_GROUP = 1000, 100, 101
_NO_GROUP = 65533
_VALUES = {
    "adduser": "h:home g: gecos: s: shell: G:group ingroup: u:uid uid:uid home:home k: gid:gid",
    "addgroup": "g:gid gid:gid",
    "useradd": (
        "u:uid uid:uid g:group gid:group G: groups: d:home home:home home-dir:home s: shell: c: comment: k: e: f: K: b:"
    ),
    "groupadd": "g:gid gid:gid K: key:",
}


class AccountError(ValueError):
    """A command is not understood; the message is a clause."""


@dataclass(frozen=True)
class Account:
    """A user.

    Attributes:
        name: of the user.
        uid: its number.
        gid: that of its group.
        home: its home.
        line: of the Dockerfile.
        is_assumed: whether its numbers are not in the Dockerfile.
    """

    name: str
    uid: int
    gid: int
    home: str
    line: int
    is_assumed: bool = False


@dataclass
class Accounts:
    """The accounts of one stage."""

    users: dict[str, Account] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)

    def copied(self) -> "Accounts":
        """The same, to be changed without changing these."""
        return Accounts(dict(self.users), dict(self.groups))

    def call(self, program: str, arguments: Sequence[str], line: int) -> None:
        """What a command adds.

        Raises:
            AccountError: it is not understood.
        """
        options, names = _parsed(program, arguments)
        if program in {"addgroup", "groupadd"}:
            self._group(options, names)
        elif program == "adduser" and len(names) == 2:  # noqa: PLR2004
            self._join(*names)
        elif len(names) == 1:
            self._user(program, names[0], options, line)
        else:
            msg = f"names {len(names)} users"
            raise AccountError(msg)

    def _group(self, options: dict[str, str], names: Sequence[str]) -> None:
        if len(names) == 2:  # noqa: PLR2004
            self._join(*names)
        elif len(names) != 1:
            msg = f"names {len(names)} groups"
            raise AccountError(msg)
        else:
            first = _FIRST_SYSTEM_GROUP if "system" in options else _FIRST
            self.groups[names[0]] = _number(options["gid"]) if "gid" in options else first

    def _join(self, user: str, group: str) -> None:
        msg = f"puts {user} into the further group {group}"
        raise AccountError(msg)

    def _user(self, program: str, name: str, options: dict[str, str], line: int) -> None:
        is_system, is_alpine = "system" in options, program == "adduser"
        first = _FIRST_SYSTEM_USER if is_system else _FIRST
        uid = _number(options["uid"]) if "uid" in options else first
        home = options.get("home") or f"/home/{name}"
        gid, is_assumed = self._gid(name, uid, options, is_system=is_system and is_alpine)
        is_assumed = is_assumed or "uid" not in options
        self.users[name] = Account(name, uid, gid, home, line, is_assumed)

    def _gid(self, name: str, uid: int, options: dict[str, str], *, is_system: bool) -> tuple[int, bool]:
        group = options.get("group") or options.get("gid")
        if group is None:
            return (self.groups[name], False) if name in self.groups else (_NO_GROUP if is_system else uid, is_system)
        if group.isdecimal():
            return int(group), False
        if group not in self.groups:
            msg = f"names the group {group}, which no line before it makes"
            raise AccountError(msg)
        return self.groups[group], False


def _number(text: str) -> int:
    if not text.isdecimal():
        msg = f"has the number {text}"
        raise AccountError(msg)
    return int(text)


_ALIASES = {"S": "system", "r": "system", "system": "system"}


def _parsed(program: str, arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    with_value = dict(word.partition(":")[::2] for word in _VALUES[program].split())
    options: dict[str, str] = {}
    names: list[str] = []
    words = iter(_separate(arguments, with_value))
    for word in words:
        if not word.startswith("-"):
            names.append(word)
            continue
        option = word.lstrip("-")
        if option in with_value:
            value = next(words, "")
            if with_value[option]:
                options[with_value[option]] = value
        elif option in _ALIASES:
            options[_ALIASES[option]] = ""
    return options, names


def _separate(arguments: Sequence[str], with_value: dict[str, str]) -> Iterator[str]:
    """`-u1000`, `-rm`, `--uid=1000` in words of their own."""
    is_value = False
    for word in arguments:
        if is_value or not word.startswith("-"):
            yield word
            is_value = False
            continue
        name, equals, value = word.partition("=")
        if word.startswith("--"):
            yield from (name, value) if equals else (name,)
            is_value = not equals and name.lstrip("-") in with_value
            continue
        for index, letter in enumerate(word[1:], start=1):
            yield f"-{letter}"
            if letter in with_value:
                rest = word[index + 1 :]
                yield from (rest,) if rest else ()
                is_value = not rest
                break
