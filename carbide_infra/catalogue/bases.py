"""What well-known base images have: enough to tell, before a build, that a program or user is not among it."""

import re
from dataclasses import dataclass

NOTHING = "scratch"
"""The base that is no image."""

_SYSTEM_FOLDERS = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
# What health checks and scripts are commonly written with. Of other programs nothing is said.
_JUDGED = frozenset({"ash", "bash", "curl", "grpc_health_probe", "nc", "perl", "python3", "sh", "wget"})
_DEBIAN_USERS = "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody ubuntu"
_ALPINE_USERS = "root bin daemon lp sync shutdown halt mail news uucp cron ftp sshd games ntp guest nobody"


@dataclass(frozen=True)
class Base:
    """A well-known base.

    Attributes:
        pattern: of its references.
        programs: which of the judged programs it has.
        users: names in its /etc/passwd.
        is_empty: whether it has no programs at all.
    """

    pattern: re.Pattern[str]
    programs: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    is_empty: bool = False

    def has_program(self, program: str) -> bool | None:
        """Whether it has a program, given by name or path; None where that is not known."""
        folder, _, name = program.rpartition("/")
        if self.is_empty or (folder and folder not in _SYSTEM_FOLDERS):
            return False
        return name in self.programs if name in _JUDGED else None


def _official(names: str, programs: str, users: str) -> Base:
    """An official image of Docker Hub, or of a mirror that keeps the name `library`."""
    pattern = re.compile(rf"(?:([^/]+/)*library/)?({names})(:[^@]*)?(@.*)?")
    return Base(pattern, frozenset(programs.split()), frozenset(users.split()))


_BASES = (
    Base(re.compile(NOTHING), is_empty=True),
    _official("alpine", "ash nc sh wget", _ALPINE_USERS),
    _official("debian|ubuntu", "bash perl sh", _DEBIAN_USERS),
    # Their debug tags have a shell: of those nothing is said.
    Base(
        re.compile(r"gcr\.io/distroless/(static|base|cc)[^:@]*(:(?!debug)[^@]*)?(@.*)?"),
        users=frozenset({"root", "nobody", "nonroot"}),
    ),
)


def known_base(reference: str) -> Base | None:
    """The base that a reference names, where it is a well-known one."""
    return next((base for base in _BASES if base.pattern.fullmatch(reference)), None)
