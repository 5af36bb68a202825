"""Grammars of single values in a catalogue: what may stand in a Dockerfile, a shell script, a label or a flag.

They keep quotes, `$`, backslashes and line ends out of everything that a script or an instruction is written from,
so that no value of a catalogue can add a command or an instruction.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from carbide_infra.names import CREATED_LABEL
from carbide_infra.registry.reference import COMPONENT
from carbide_infra.registry.reference import PATTERN as REFERENCE_PATTERN
from carbide_infra.registry.reference import Reference as ImageReference

Platform = Literal[
    "linux/386",
    "linux/amd64",
    "linux/arm64",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
]

_GOLANG = re.compile(r"(^|/)golang:(?P<version>\d+\.\d+[A-Za-z0-9.]*)")
# A name may not begin with a dash: a program would read it as an option.
_FILE_NAME = r"[A-Za-z0-9_.+@~][A-Za-z0-9_.+@~-]*"
_RELATIVE = rf"(\./)?{_FILE_NAME}(/{_FILE_NAME})*"
_EXCLUDED_NAME = r"[A-Za-z0-9_.+@~*?][A-Za-z0-9_.+@~*?-]*"
_SYMBOL_PART = r"[A-Za-z0-9_%~+.-]+"
_FLAG = r"[A-Za-z0-9_./:=,@%+~-]+"
_ACCOUNT = r"[a-z_][a-z0-9_-]{0,31}"
_NUMERIC_ACCOUNT = r"\d{1,10}(:\d{1,10})?"
# Those that BuildKit knows: it refuses any other name, in the build.
_SIGNAL = (
    r"SIG(ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM"
    r"|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)"
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")
_SIZE = re.compile(r"(?P<number>[1-9]\d*(\.\d+)?) ?(?P<unit>[kKMG]i?B)")
_UNITS = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}
_NOT_IN_A_FLAG = frozenset("'\"$`\\")

LAST_PORT = 65535

_ANY = ".*"

Check = Callable[[str], str | None]
"""Names what is wrong with a text, or gives None."""


def _no_problem(_: str) -> None:
    return None


@dataclass(frozen=True)
class Grammar:
    """What a text must look like; Pydantic takes it as a validator, and the JSON Schema has its pattern.

    Attributes:
        example: a good value.
        problem: what is said of a text that the pattern does not match.
        pattern: of the whole text.
        check: finds what a pattern cannot.
    """

    example: str
    problem: str = ""
    pattern: str = _ANY
    check: Check = _no_problem

    def __call__(self, text: str) -> str:
        """Give the text back; raise ValueError with the problem and a good value."""
        problem = self.check(text) if re.fullmatch(self.pattern, text, re.ASCII | re.DOTALL) else self.problem
        if problem is not None:
            msg = f"{problem}; a good value: {self.example}"
            raise ValueError(msg)
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Validate after what the annotated type itself says."""
        return core_schema.no_info_after_validator_function(self, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What an editor can check."""
        return {**handler(core), **({} if self.pattern == _ANY else {"pattern": f"^({self.pattern})$"})}


def port_problem(server: str) -> str | None:
    """What is wrong with the port of a registry's host[:port]."""
    port = server.rpartition(":")[2] if ":" in server.rpartition("]")[2] else ""
    return f"the port {port} is not one of 1 to {LAST_PORT}" if port and not 1 <= int(port) <= LAST_PORT else None


def reference_problem(text: str) -> str | None:
    """What is wrong with a reference of an image."""
    scheme, separator, _ = text.partition("://")
    if separator:
        return f"is not a reference of an image: those have no scheme; leave out {scheme}://"
    try:
        problem = port_problem(ImageReference.of(text).server)
    except ValueError as error:
        problem = str(error)
    return f"is not a reference of an image: {problem}" if problem else None


def _no_climbing(path: str) -> str | None:
    if {".", "..", "..."} & set(path.removeprefix("./").split("/")):
        return "may not hold a '.', '..' or '...' between slashes"
    return None


def _inside_the_source(path: str) -> str | None:
    if path == ".":
        return "is the whole source tree; name a file or folder in it"
    return _no_climbing(path)


def _inside_or_all(path: str) -> str | None:
    return None if path == "." else _no_climbing(path)


def _one_line(text: str) -> str | None:
    return None if text.isprintable() else "holds a line end or another control character"


def _label(text: str) -> str | None:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name != "version"]
    if unknown:
        return f"holds {{{unknown[0]}}}, but only {{version}} is filled in: a label may follow neither time nor commit"
    return _one_line(text)


def _argument(text: str) -> str | None:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name != "version"]
    return f"holds {{{unknown[0]}}}, but only {{version}} is filled in" if unknown else _one_line(text)


def _not_a_time(key: str) -> str | None:
    if key != CREATED_LABEL:
        return None
    return "would make each build another image; the time of an image is in its config, from SOURCE_DATE_EPOCH"


def _unquoted(text: str) -> str | None:
    if text.isprintable() and not set(text) & _NOT_IN_A_FLAG:
        return None
    return "holds a quote, $, backslash or control character, which a linker flag cannot carry"


def _one_group(pattern: str) -> str | None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        return f"is not a regular expression ({error})"
    return None if groups == 1 else f"has {groups} groups, but exactly one must say where the version is"


def _quoted_mode(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        # No mode is as large as 755 is without its zero.
        digits = f"{value:04}" if value > 0o777 else f"{value:04o}"  # noqa: PLR2004 - all bits
        msg = f'is a number to YAML; write it in quotes: "{digits}"'
        raise ValueError(msg)  # noqa: TRY004 - Pydantic reports a ValueError only
    return value


IMAGE_PATH = Grammar("/usr/local/bin/tool", "is not an absolute path in the image", rf"(/{_FILE_NAME})+", _no_climbing)
SOURCE_PATH = Grammar("deploy/start.sh", "is not a path below the source root", _RELATIVE, _inside_the_source)
SYMBOL_TEXT = Grammar("stable", check=_unquoted)

ImageName = Annotated[str, Grammar("carbide-rest-api", "is not a name of an image", rf"(?=.{{1,128}}$){COMPONENT}")]
Reference = Annotated[
    str,
    Grammar("alpine:3.22@sha256:<digest>", check=reference_problem),
    WithJsonSchema({"type": "string", "pattern": f"^{REFERENCE_PATTERN}$"}),
]
GoVersion = Annotated[str, Grammar('"1.25"', "is not a Go version", r"\d+\.\d+(\.\d+)?((rc|beta)\d+)?")]
ImagePath = Annotated[str, IMAGE_PATH]
WorkingFolder = Annotated[
    str, Grammar("/app", "is not an absolute path in the image", rf"/|(/{_FILE_NAME})+", _no_climbing)
]
SourcePath = Annotated[str, SOURCE_PATH]
PackagePath = Annotated[
    str, Grammar("./api/cmd/api", "is not a folder below the source root", rf"\.|{_RELATIVE}", _inside_or_all)
]
Exclusion = Annotated[
    str,
    Grammar(
        '"**/*_test.sql"',
        "is not a pattern of paths below the folder",
        rf"{_EXCLUDED_NAME}(/{_EXCLUDED_NAME})*",
        _no_climbing,
    ),
]
Symbol = Annotated[
    str,
    Grammar(
        "./common/pkg/version.Version",
        "is not a Go variable",
        rf"(\./)?{_SYMBOL_PART}(/{_SYMBOL_PART})*\.[A-Za-z_][A-Za-z0-9_]*",
        _no_climbing,
    ),
]
BuildTag = Annotated[str, Grammar("netgo", "is not a build tag", r"[A-Za-z_][A-Za-z0-9_.]*")]
Flag = Annotated[str, Grammar('"-s"', "is not a flag that can be passed on", rf"{_FLAG}( {_FLAG})*")]
PORT_NAME = Grammar("http", "is not a name of a port", r"(?=.{1,15}$)[a-z0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*")
PortName = Annotated[str, PORT_NAME]
Port = Annotated[int, Field(ge=1, le=LAST_PORT)]
DURATION = Grammar("30s", "is not a duration", r"(\d+(\.\d+)?(ms|s|m|h))+")
Duration = Annotated[str, DURATION]
Retries = Annotated[int, Field(ge=1, le=1000)]
AccountName = Annotated[str, Grammar("appuser", "is not a name of a user", _ACCOUNT)]
BaseAccount = Annotated[
    str, Grammar("nonroot", "is neither a name nor an id of a user", rf"{_ACCOUNT}|{_NUMERIC_ACCOUNT}")
]
Owner = Annotated[str, Grammar("appuser", "is neither a name nor an id of a user", rf"{_ACCOUNT}|{_NUMERIC_ACCOUNT}")]
AccountId = Annotated[int, Field(ge=1, le=2**31 - 1)]
Mode = Annotated[
    str, Grammar('"0755"', "is not a file mode of four octal digits", r"0[0-7]{3}"), BeforeValidator(_quoted_mode)
]
VariableName = Annotated[str, Grammar("GOTRACEBACK", "is not a name of a variable", r"[A-Za-z_][A-Za-z0-9_]*")]
Line = Annotated[str, Grammar("text in one line", check=_one_line)]
LabelName = Annotated[
    str,
    Grammar(
        "org.opencontainers.image.vendor",
        "is not a name of a label",
        r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?",
        _not_a_time,
    ),
]
ArgumentText = Annotated[str, Grammar("a text, perhaps with {version}", check=_argument)]
StageName = Annotated[str, Grammar("final", "is not a name of a stage", r"[a-z][a-z0-9._-]*|\d+")]
SecretId = Annotated[str, Grammar("gitcreds", "is not a build secret", r"gitcreds|goenv|extra_ca")]
LabelText = Annotated[str, Grammar("a text, perhaps with {version}", check=_label)]
StopSignal = Annotated[str, Grammar("SIGTERM", "is not a signal of Linux", _SIGNAL)]
VersionPattern = Annotated[str, Grammar("'Version = \"(.*)\"'", check=_one_group)]
TagPattern = Annotated[
    str, Grammar('"v*"', "is not a pattern of git tags", r"[A-Za-z0-9_][A-Za-z0-9_./+-]*\*[A-Za-z0-9_./+*-]*")
]
TagPrefix = Annotated[str, Grammar("tools/", "is not a prefix of git tags", r"[A-Za-z0-9_]+([./-][A-Za-z0-9_]+)*[/-]")]
Size = Annotated[str, Grammar("30MB", "is not a size", _SIZE.pattern)]


def in_bytes(size: str) -> int:
    """Bytes of a size such as 30MB or 1.5GiB."""
    found = _SIZE.fullmatch(size)
    assert found is not None  # noqa: S101 - a Size matches
    return round(float(found["number"]) * _UNITS[found["unit"]])


def go_version_of(builder: str) -> str | None:
    """The Go version that the tag of a golang image names; None for any other image or tag."""
    found = _GOLANG.search(builder)
    return found["version"] if found else None


def exclusion_pattern(exclusion: str) -> str:
    """A regular expression, for Python and for `grep -E`, of the relative paths that an exclusion matches.

    `*` and `?` stand for characters of one name, `**` for any number of folders. A folder stands for all below it.
    """
    names = exclusion.split("/")
    folders = "".join("(.*/)?" if name == "**" else f"{_name_pattern(name)}/" for name in names[:-1])
    return f"{folders}.*" if names[-1] == "**" else f"{folders}{_name_pattern(names[-1])}(/.*)?"


def _name_pattern(name: str) -> str:
    return re.sub(r"[*?]|[^A-Za-z0-9_]", lambda found: _WILDCARDS.get(found[0], f"[{found[0]}]"), name)
