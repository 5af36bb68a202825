"""What is fixed about one image: the catalogue's defaults, its entry and the stack's overrides, put together."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from carbide_infra.catalogue.language import Fact, Kind, Provided
from carbide_infra.catalogue.values import Platform


class Model(BaseModel):
    """Data that nobody changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Model):
    """A text that a Go variable gets as it is."""

    text: str


class Binary(Model):
    """One binary of an image."""

    folder: str = Field(description="Folder of its main package, relative to the source root; '.' for the root")
    module: str | None = Field(description="Folder of its go.mod; None for the nearest above the package")
    path: str = Field(description="Absolute path in the image")
    tags: tuple[str, ...] = Field(description="Go build tags")
    ldflags: tuple[str, ...] = Field(description="Linker flags, beside those that set symbols")
    gcflags: tuple[str, ...] = Field(description="Compiler flags")
    symbols: Mapping[str, Fact | Text] = Field(description="Go variable to what the linker sets it to")

    index: int | None = Field(default=None, description="Place among `binaries`; None for the image's `package`")

    @property
    def package(self) -> str:
        """As the go command and people write it: `./api/cmd/api`."""
        return "." if self.folder == "." else f"./{self.folder}"


class Health(Model):
    """How a container runtime asks the service whether it is well."""

    command: tuple[str, ...] = Field(description="Exec form, with the binary's path filled in")
    interval: str = "30s"
    timeout: str = "5s"
    start_period: str = "10s"
    retries: int = 3


class MadeUser(Model):
    """A user that the image makes."""

    kind: Literal["made"] = "made"
    name: str
    uid: int
    gid: int
    home: str

    @property
    def instruction(self) -> str:
        """By number, because Kubernetes cannot tell whether a name is root."""
        return f"{self.uid}:{self.gid}"


class BaseUser(Model):
    """A user that the base has: a name, or `uid` or `uid:gid`."""

    kind: Literal["base"] = "base"
    name: str

    @property
    def instruction(self) -> str:
        """As the base's own /etc/passwd resolves it."""
        return self.name


class RootUser(Model):
    """The user that may do everything."""

    kind: Literal["root"] = "root"
    name: str = "root"
    uid: int = 0
    gid: int = 0

    @property
    def instruction(self) -> str:
        """By number, which a base without /etc/passwd knows, too."""
        return "0:0"


class SourceFile(Model):
    """A file or folder of the source tree that stands beside the binaries."""

    kind: Literal["source"] = "source"
    source: str = Field(description="Relative to the source root")
    to: str = Field(description="Absolute path in the image")
    mode: str | None = Field(description="Of each file; None keeps whether it may be run")
    owner: str = Field(description="`uid:gid`, or the name of the base's user")
    exclude: tuple[str, ...] = Field(description="Patterns of files that stay out")


class ForeignFile(Model):
    """A file or folder of another image."""

    kind: Literal["image"] = "image"
    image: str = Field(description="Reference, by digest outside a development stack")
    source: str = Field(description="Absolute path in that image")
    to: str = Field(description="Absolute path in this image")
    mode: str | None = Field(description="Of each file; None keeps the other image's")
    owner: str = Field(description="`uid:gid`, or the name of the base's user")


class Folder(Model):
    """An empty folder."""

    path: str
    owner: str = Field(description="`uid:gid`, or the name of the base's user")
    mode: str = "0755"


class FileVersion(Model):
    """The version is in a file: its first line that is no comment, or what a pattern finds."""

    file: str
    match: str | None = None


class TagVersion(Model):
    """The version is in the name of the newest git tag that matches."""

    git_tag: str


class KeptDockerfile(Model):
    """A Dockerfile of the source tree's own, by which an image is built unchanged."""

    path: str = Field(description="Relative to the source root")
    context: str = Field(description="Folder that its COPY and ADD take from, relative to the source root; '.' for it")
    target: str | None = Field(description="The stage to build; None for the last")
    args: Mapping[str, str] = Field(description="Build arguments; {version} stands for the version")
    secrets: tuple[str, ...] = Field(description="Ids of the build secrets that it gets")
    bases: Mapping[str, str] = Field(
        default={}, description="Build arguments that name images it builds on, once it has been read"
    )
    user: str = Field(default="", description="User of its processes, once it has been read; empty where not known")
    own_labels: frozenset[str] = Field(default=frozenset(), description="Names of labels that it sets, once read")


class Image(Model):
    """One image, with everything fixed that does not vary by commit."""

    name: str
    title: str
    description: str | None
    labels: Mapping[str, str | None] = Field(description="Added to, or, with None, removed from the built-in ones")
    binaries: tuple[Binary, ...] = Field(description="The first is what {binary} stands for")
    entrypoint: tuple[str, ...] = Field(description="Exec form; empty for none")
    command: tuple[str, ...] = Field(description="Exec form; empty for none")
    ports: Mapping[str, int]
    health: Health | None
    kind: Kind
    user: MadeUser | BaseUser | RootUser
    workdir: str | None
    files: tuple[SourceFile | ForeignFile, ...] = Field(description="In the catalogue's order")
    folders: tuple[Folder, ...]
    environment: Mapping[str, str]
    stop_signal: str | None
    provides: frozenset[Provided]
    version: FileVersion | TagVersion
    has_own_version: bool = Field(description="Whether the image itself says where its version comes from")
    tag_prefix: str
    base: str
    builder: str
    go_version: str
    platforms: tuple[Platform, ...] = Field(description="Sorted")
    size_budget: int | None = Field(description="Compressed bytes of one platform, at most")
    kept: KeptDockerfile | None = Field(default=None, description="Where it keeps a Dockerfile of its own")
    template: str | None = Field(default=None, description="Text of the catalogue's own template; None for ours")

    @property
    def source_files(self) -> tuple[SourceFile, ...]:
        """The files that are inputs of the image, as its Go files are."""
        return tuple(file for file in self.files if isinstance(file, SourceFile))

    @property
    def foreign_files(self) -> tuple[ForeignFile, ...]:
        """The files of other images."""
        return tuple(file for file in self.files if isinstance(file, ForeignFile))

    def on_bases_of(self, other: "Image") -> "Image":
        """The same image, with the base and builder of another."""
        return self.model_copy(update={"base": other.base, "builder": other.builder})

    def sets(self, fact: Fact) -> bool:
        """Whether a binary holds the fact."""
        return any(fact in binary.symbols.values() for binary in self.binaries)
