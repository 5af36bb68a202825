"""The catalogue's language, as its file and a stack's overrides are written in it."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from carbide_infra.catalogue import values

SCHEMA_VERSION: Literal[1] = 1
ROOT = "root"

Kind = Literal["service", "job"]
Fact = Literal["version", "buildTime", "revision"]
Provided = Literal["ca-certificates", "timezones"]

_AsTuple = Strict(strict=False)  # YAML has lists only
Flags = Annotated[tuple[values.Flag, ...], _AsTuple]
Command = Annotated[tuple[values.Line, ...], _AsTuple]


class Keys(BaseModel):
    """A map of the language: which keys it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class FixedText(Keys):
    """A text that a Go variable gets as it is."""

    text: str = Field(description="The text", examples=["stable"])


def _fact_or_text(value: object) -> object:
    if value in ("version", "buildTime", "revision") or value is None:
        return value
    if isinstance(value, dict) and value.keys() == {"text"} and isinstance(value["text"], str):
        return FixedText(text=values.SYMBOL_TEXT(value["text"]))
    msg = "is not version, buildTime, revision or a text; a good value: version, or {text: stable}"
    raise ValueError(msg)


SymbolValue = Annotated[Fact | FixedText, BeforeValidator(_fact_or_text)]
Symbols = dict[values.Symbol, SymbolValue | None]


class HealthKeys(Keys):
    """How a container runtime asks the service whether it is well."""

    command: Annotated[Command, Field(min_length=1)] = Field(
        default=(),
        description="Command in exec form; {binary} stands for the path of the image's first binary",
        examples=[["{binary}", "health"]],
    )
    interval: values.Duration = Field(default="30s", description="Time between two checks", examples=["30s"])
    timeout: values.Duration = Field(default="5s", description="Time that one check may take", examples=["5s"])
    start_period: values.Duration = Field(
        default="10s", description="Time after the start in which a failure does not count", examples=["10s"]
    )
    retries: values.Retries = Field(default=3, description="Failures in a row that mean unhealthy", examples=[3])


class UserKeys(Keys):
    """The user of the image's processes: one that the image makes, or one that its base has."""

    base: values.BaseAccount | None = Field(
        default=None,
        description="Name of a user that the base has; its /etc/passwd is then left alone",
        examples=["nonroot"],
    )
    name: values.AccountName | None = Field(
        default=None, description="Name of the user that the image makes", examples=["appuser"]
    )
    uid: values.AccountId | None = Field(default=None, description="Its user id; 1000 when unset", examples=[1000])
    gid: values.AccountId | None = Field(default=None, description="Its group id; the uid when unset", examples=[1000])
    home: values.ImagePath | None = Field(
        default=None, description="Its home; /home/<name> when unset", examples=["/home/appuser"]
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """In a file, `root` is a user, too."""
        return {"anyOf": [{"const": ROOT}, handler.resolve_ref_schema(handler(core))]}


def _named_root(value: object) -> object:
    if value == ROOT:
        return {"base": ROOT}
    if isinstance(value, str):
        msg = f"is neither {ROOT} nor a map; a good value: {{base: {value}}} where the base has that user"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports a ValueError
    return value


class VersionKeys(Keys):
    """Where the version of an image comes from: a file, a file and a pattern, or a git tag."""

    file: values.SourcePath | None = Field(
        default=None, description="File whose first line that is no comment is the version", examples=["VERSION"]
    )
    match: values.VersionPattern | None = Field(
        default=None,
        description="Regular expression whose one group is the version in that file",
        examples=['Version = "(.*)"'],
    )
    git_tag: values.TagPattern | None = Field(
        default=None, description="Pattern of the git tags that name versions", examples=["v*"]
    )


class BuildKeys(Keys):
    """How binaries are built."""

    tags: Annotated[tuple[values.BuildTag, ...], _AsTuple] | None = Field(
        default=None, description="Go build tags", examples=[["netgo"]]
    )
    ldflags: Flags | None = Field(
        default=None, description="Flags of the Go linker; -s and -w when unset", examples=[["-s", "-w"]]
    )
    gcflags: Flags | None = Field(default=None, description="Flags of the Go compiler", examples=[["all=-N -l"]])
    symbols: Symbols | None = Field(
        default=None,
        description="Go variables that the linker sets; ./ stands for the module's path. Revision costs digests",
        examples=[{"./common/pkg/version.Version": "version"}],
    )


class BinaryKeys(BuildKeys):
    """One of several binaries of an image."""

    package: values.PackagePath = Field(
        description="Go main package, relative to the source root, or to the module where one is given",
        examples=["./cmd/server"],
    )
    path: values.ImagePath = Field(description="Path of the binary in the image", examples=["/usr/local/bin/server"])
    module: values.PackagePath | None = Field(
        default=None,
        description="Folder of its go.mod; the nearest above the package when unset",
        examples=["services/tool"],
    )


class FileKeys(Keys):
    """A file or folder that stands beside the binaries: from the source root, or from another image."""

    image: values.Reference | None = Field(
        default=None,
        description="Image that it is taken from, by digest; the source root when unset",
        examples=["example.com/cli@sha256:<64 hexadecimal digits>"],
    )
    from_: str = Field(
        alias="from",
        description="File or folder, relative to the source root, or absolute in the other image",
        examples=["deploy/start.sh"],
    )
    to: values.ImagePath = Field(description="Its path in the image", examples=["/etc/server/start.sh"])
    mode: values.Mode | None = Field(
        default=None,
        description="Mode of each file; 0755 for what its owner may run and 0644 for the rest when unset",
        examples=["0755"],
    )
    owner: values.Owner | None = Field(
        default=None, description="Owner: the image's user by name, uid:gid, or root, the default", examples=["appuser"]
    )
    exclude: Annotated[tuple[values.Exclusion, ...], _AsTuple] = Field(
        default=(), description="Patterns of files below `from` that stay out", examples=[["**/*_test.sql"]]
    )

    @field_validator("from_")
    @classmethod
    def _is_a_path_of_its_own_kind(cls, value: str, info: ValidationInfo) -> str:
        if "image" not in info.data:  # It is wrong itself, and so nobody knows which kind is meant.
            return value
        return values.IMAGE_PATH(value) if info.data.get("image") else values.SOURCE_PATH(value)


class FolderKeys(Keys):
    """An empty folder, such as a place to mount something."""

    path: values.ImagePath = Field(description="Its path in the image", examples=["/var/secrets/certs"])
    owner: values.Owner | None = Field(
        default=None, description="Owner: the image's user by name, uid:gid, or root, the default", examples=["appuser"]
    )
    mode: values.Mode | None = Field(default=None, description="Its mode; 0755 when unset", examples=["0755"])


class SharedKeys(BuildKeys):
    """What `defaults` may say for all images, and each image for itself."""

    base: values.Reference = Field(default="", description="Base of the final stage", examples=["alpine:3.22"])
    builder: values.Reference = Field(
        default="", description="Image with the Go toolchain; golang:<goVersion> when unset", examples=["golang:1.25"]
    )
    go_version: values.GoVersion = Field(
        default="", description="Go version; that of the builder's tag when unset", examples=["1.25"]
    )
    platforms: Annotated[tuple[values.Platform, ...], _AsTuple, Field(min_length=1)] = Field(
        default=(), description="Target platforms; the stack's when unset", examples=[["linux/amd64"]]
    )
    kind: Kind = Field(
        default="service", description="A service runs until it is stopped, a job ends by itself", examples=["job"]
    )
    user: Annotated[UserKeys, BeforeValidator(_named_root)] = Field(
        default=UserKeys(),
        description="User of the image's processes: made by the image, the base's own, or root",
        examples=[{"name": "appuser"}],
    )
    workdir: values.WorkingFolder | None = Field(default=None, description="Working folder", examples=["/app"])
    provides: Annotated[tuple[Provided, ...], _AsTuple] | None = Field(
        default=None, description="What the image adds to its base", examples=[["ca-certificates", "timezones"]]
    )
    version: VersionKeys = Field(
        default=VersionKeys(), description="Where the version comes from", examples=[{"file": "VERSION"}]
    )
    health: HealthKeys | None = Field(
        default=None, description="Health check; null for none", examples=[{"command": ["{binary}", "health"]}]
    )
    labels: dict[values.LabelName, values.LabelText | None] | None = Field(
        default=None,
        description="Labels, also annotations of the index; {version} stands for the version, null removes one",
        examples=[{"org.opencontainers.image.vendor": "NVIDIA"}],
    )
    environment: dict[values.VariableName, values.Line | None] | None = Field(
        default=None, description="Environment of the image's processes", examples=[{"GOTRACEBACK": "single"}]
    )
    ports: dict[values.PortName, values.Port | None] | None = Field(
        default=None, description="Ports that it listens on, by name", examples=[{"http": 8080}]
    )
    files: Annotated[tuple[FileKeys, ...], _AsTuple] | None = Field(
        default=None,
        description="Files and folders beside the binaries",
        examples=[[{"from": "deploy/start.sh", "to": "/etc/server/start.sh"}]],
    )
    folders: Annotated[tuple[FolderKeys, ...], _AsTuple] | None = Field(
        default=None, description="Empty folders", examples=[[{"path": "/var/secrets/certs", "owner": "appuser"}]]
    )
    stop_signal: values.StopSignal | None = Field(
        default=None, description="Signal that stops it; the runtime's own when unset", examples=["SIGTERM"]
    )
    size_budget: values.Size | None = Field(
        default=None, description="Compressed size of one platform, at most", examples=["30MB"]
    )


class Entry(SharedKeys):
    """What the catalogue says of one image, or a stack to change it."""

    title: values.Line | None = Field(
        default=None, description="Title of the image; its name when unset", examples=["REST API server"]
    )
    description: values.Line | None = Field(
        default=None, description="What it is for, in one line; the title when unset", examples=["REST API server"]
    )
    package: values.PackagePath | None = Field(
        default=None,
        description="Go main package of an image with one binary, /app/<last element of the package>",
        examples=["./api/cmd/api"],
    )
    module: values.PackagePath | None = Field(
        default=None,
        description="Folder of its go.mod; the nearest above the package when unset",
        examples=["services/tool"],
    )
    binaries: Annotated[tuple[BinaryKeys, ...], _AsTuple, Field(min_length=1)] | None = Field(
        default=None,
        description="Binaries of an image with several",
        examples=[[{"package": "./cmd/server", "path": "/usr/local/bin/server"}]],
    )
    entrypoint: Command | None = Field(
        default=None,
        description="Entry point in exec form; the first binary when unset, none when null",
        examples=[["/app/api"]],
    )
    command: Command | None = Field(
        default=None, description="Command, or arguments of the entry point, in exec form", examples=[["serve"]]
    )
    tag_prefix: values.TagPrefix | None = Field(
        default=None,
        description="Released by the git tag <prefix>v<version>; only with a version of its own",
        examples=["tools/"],
    )
    dockerfile: values.SourcePath | None = Field(
        default=None,
        description="Dockerfile of the source tree that the image is built by, unchanged",
        examples=["docker/nsm/Dockerfile"],
    )
    context: values.PackagePath | None = Field(
        default=None,
        description="Folder that this Dockerfile copies from; the source root when unset",
        examples=["services/nsm"],
    )
    target: values.StageName | None = Field(
        default=None, description="Stage of this Dockerfile; the last when unset", examples=["final"]
    )
    args: dict[values.VariableName, values.ArgumentText] | None = Field(
        default=None,
        description="Build arguments of this Dockerfile; {version} stands for the version",
        examples=[{"EXTRA": "1"}],
    )
    secrets: Annotated[tuple[values.SecretId, ...], _AsTuple] | None = Field(
        default=None,
        description="Build secrets that this Dockerfile may mount: gitcreds, goenv, extra_ca; none when unset",
        examples=[["gitcreds"]],
    )


KEPT = ("dockerfile", "context", "target", "args", "secrets")
"""Keys of an image that keeps a Dockerfile of its own."""

BESIDE_KEPT = frozenset(
    {"title", "description", "labels", "kind", "ports", "platforms", "version", "tagPrefix", "sizeBudget", *KEPT}
)
"""What may be said of such an image; all else is for its Dockerfile to say."""


class Catalogue(Keys):
    """A whole catalogue file."""

    schema_version: Literal[1] = Field(
        default=SCHEMA_VERSION, description="Version of this language; 1 when unset", examples=[SCHEMA_VERSION]
    )
    template: values.SourcePath | None = Field(
        default=None,
        description="Dockerfile template of one's own, relative to this file; that of carbide-infra when unset",
        examples=["Dockerfile.template"],
    )
    defaults: SharedKeys = Field(default=SharedKeys(), description="For every image; its own value wins", examples=[{}])
    images: dict[values.ImageName, Entry] = Field(
        min_length=1, description="The images by name", examples=[{"carbide-rest-api": {"package": "./api/cmd/api"}}]
    )
