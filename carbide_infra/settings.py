"""Settings: all stack configuration, validated before the first resource exists."""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.loading import Catalogue, Stack, load_catalogue
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import plain_problem
from carbide_infra.catalogue.values import GoVersion, Platform, Reference, go_version_of
from carbide_infra.errors import UserError
from carbide_infra.registry.reference import Reference as ImageReference
from carbide_infra.registry.reference import is_repository, is_server

LOCAL_REGISTRY = "local"
"""Value of `registryServer` that stands for the registry that `make local-up` runs."""

_SERVER = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:\d{1,5})?")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,99}")
"""What may be a version: it goes into tags, labels and a linker flag."""


class ConfigError(UserError):
    """Stack configuration that cannot work; the message names key, value and a good one."""


def _matching(pattern: re.Pattern[str], example: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            msg = f"is malformed; a good value: {example}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def _decoded(value: object) -> object:
    """Pulumi hands over arrays, objects and booleans as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _normal_platform(value: object) -> object:
    """`linux/arm64/v8` is what some tools call `linux/arm64`."""
    return "linux/arm64" if value == "linux/arm64/v8" else value


def _repository(value: str) -> str:
    if not is_repository(value):
        msg = "is not lower-case names separated by '/'; a good value: my-org/my-team"
        raise ValueError(msg)
    return value


def _cache_entry(value: str) -> str:
    """As buildx reads it, but for the short form, which names Docker Hub where no registry is named."""
    fields = dict(field.partition("=")[::2] for field in next(csv.reader([value]), []))
    problem = "" if fields.get("type") else "does not say type=…"
    if fields.get("type") == "registry":
        try:
            ImageReference.of(fields.get("ref", ""))
        except ValueError as error:
            problem = f"names no image to keep the cache in: {error}"
    if problem:
        msg = f"{problem}; a good value: type=registry,ref=registry.example/my-org/cache:main"
        raise ValueError(msg)
    return value


CacheEntry = Annotated[str, AfterValidator(_cache_entry)]
Structured = BeforeValidator(_decoded)
_stripped = BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)
Text = Annotated[str, StringConstraints(strip_whitespace=True)]


class RegistryLogin(BaseModel):
    """A login at a registry that the images are not pushed to."""

    model_config = ConfigDict(frozen=True)

    username: str
    password: SecretStr


def _logins(value: object) -> object:
    """Nothing of what is wrong is repeated: it may be a password."""
    logins = _decoded(value)
    if not isinstance(logins, dict) or not all(is_server(name) and _is_login(login) for name, login in logins.items()):
        msg = 'is not a map from registries to logins; a good value: {"ghcr.io": {"username": "me", "password": "…"}}'
        raise ValueError(msg)
    return logins


def _is_login(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"username", "password"}
        and all(isinstance(text, str) and text for text in value.values())
    )


# Text to the Pulumi CLI: of a map, it would encrypt single values only.
RegistryLogins = Annotated[dict[str, RegistryLogin], BeforeValidator(_logins), WithJsonSchema({"type": "string"})]


class Settings(BaseModel):
    """One stack's configuration; the field aliases are the keys in Pulumi.<stack>.yaml.

    `Pulumi.yaml` repeats names, types, defaults and descriptions for the Pulumi CLI;
    a test holds the two together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    source: Annotated[Text, Field(min_length=1)] = Field(
        default="examples/carbide-rest-api",
        description="Path of the Go source tree, absolute or relative to the project",
    )
    catalogue: Annotated[Text, Field(min_length=1)] = Field(
        default="docker/production/services.yaml",
        description="Path of the catalogue of images, absolute or relative to the project",
    )
    go_version: Annotated[GoVersion, _stripped] | None = Field(
        default=None,
        description="Go version of the builder image golang:<goVersion>; the catalogue's when unset",
    )
    builder_image: Annotated[Reference, _stripped] | None = Field(
        default=None,
        description="Builder image; golang:<goVersion>, or the catalogue's, when unset. Pin it with @sha256:…",
    )
    runtime_image: Annotated[Reference, _stripped] | None = Field(
        default=None,
        description="Base image of the final stage; the catalogue's when unset. Pin it with @sha256:…",
    )
    track_base_images: Annotated[bool, Structured] = Field(
        default=True,
        description="Ask the registries of unpinned base images for their digests at each preview and update",
    )
    platforms: Annotated[
        tuple[Annotated[Platform, BeforeValidator(_normal_platform)], ...],
        Structured,
    ] = Field(
        default=(),
        description="Target platforms of the images; the catalogue's when empty",
    )
    registry_server: Annotated[Text, _matching(_SERVER, "nvcr.io")] = Field(
        description="Registry host[:port]; 'local' is the registry that make local-up runs",
    )
    registry_repository: Annotated[Text, AfterValidator(_repository)] = Field(
        description="Repository prefix below the server, such as my-org/my-team",
    )
    registry_username: Text | None = Field(
        default=None,
        description="Registry user; $oauthtoken for NVCR",
    )
    registry_password: SecretStr | None = Field(
        default=None,
        description="Registry password or NGC API key (secret); else CARBIDE_REGISTRY_PASSWORD",
    )
    registry_logins: RegistryLogins | None = Field(
        default=None,
        description="Logins at other registries, such as those of base images (secret): JSON, by server",
    )
    version: Annotated[Text, _matching(VERSION, "1.4.0")] | None = Field(
        default=None,
        description="Version to build; the one that the catalogue's rule finds when unset",
    )
    tag_version: Annotated[bool, Structured] = Field(
        default=True,
        description="Tag each image with the plain version",
    )
    tag_revision: Annotated[bool, Structured] = Field(
        default=True,
        description="Tag each image that is made of exactly what the commit holds with the git SHA",
    )
    tag_latest: Annotated[bool, Structured] = Field(
        default=False,
        description="Tag each image with latest",
    )
    revision_label: Annotated[bool, Structured] = Field(
        default=False,
        description="Label each image with the commit that last touched its inputs; costs digests, see docs",
    )
    require_history: Annotated[bool, Structured] = Field(
        default=False,
        description="Refuse a source tree without its full git history and its tags",
    )
    allow_coarse_inputs: Annotated[bool, Structured] = Field(
        default=False,
        description="Let an update push images whose inputs are not known exactly, without Go or their modules",
    )
    services: Annotated[tuple[str, ...], Structured] = Field(
        default=(),
        description="Images to build, of those in the catalogue; all when empty",
    )
    service_overrides: Annotated[dict[str, Any], Structured] = Field(
        default_factory=dict,
        description="By image, what this stack changes about it: the same keys as in the catalogue",
    )
    builder: Text | None = Field(
        default=None,
        description="Name of the buildx builder; the current one when unset",
    )
    go_proxy: Text | None = Field(
        default=None,
        description="GOPROXY for the builds; the machine's own when unset",
    )
    go_private: Text | None = Field(
        default=None,
        description="GOPRIVATE patterns for the builds; the machine's own when unset",
    )
    extra_ca_file: Text | None = Field(
        default=None,
        description="PEM file of CAs that build steps trust too; the machine's own when unset",
    )
    gitcreds: SecretStr | None = Field(
        default=None,
        description=".netrc content for private modules (secret); else CARBIDE_GITCREDS",
    )
    cache_from: Annotated[tuple[CacheEntry, ...], Structured] = Field(
        default=(),
        description="BuildKit cache imports, such as type=registry,ref=…",
    )
    cache_to: Annotated[tuple[CacheEntry, ...], Structured] = Field(
        default=(),
        description="BuildKit cache exports, such as type=registry,ref=…,mode=max",
    )
    source_url: Text = Field(
        default="https://github.com/NVIDIA/carbide-rest",
        description="Home of the source, for the OCI source label",
    )

    @field_validator("registry_server", "registry_repository", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value is None or not str(value).strip():
            msg = "is empty; a good value: nvcr.io as server, my-org/my-team as repository"
            raise ValueError(msg)
        return value

    @field_validator("services")
    @classmethod
    def _distinct_services(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            msg = "names a service twice"
            raise ValueError(msg)
        return value

    @field_validator("platforms")
    @classmethod
    def _distinct_platforms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # The provider compares the list as it stands: one order, or the order is a diff.
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        if self.registry_password is not None and not self.registry_username:
            msg = "registryUsername is empty although registryPassword is set; NVCR's: $oauthtoken"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _pinned_builder_has_the_go_version(self) -> Self:
        version = go_version_of(self.builder_image or "")
        if version and self.go_version and version != self.go_version:
            msg = (
                f"builderImage = {self.builder_image!r}: is not the goVersion {self.go_version!r} of this stack; "
                "make pin-bases brings the two together"
            )
            raise ValueError(msg)
        return self

    @property
    def said_of_images(self) -> Stack:
        """What this stack says of the catalogue's images."""
        return Stack(
            base=self.runtime_image,
            builder=self.builder_image,
            go_version=self.go_version,
            platforms=self.platforms or None,
            services=self.services or None,
            overrides=self.service_overrides,
        )

    @property
    def own_login(self) -> tuple[str, str] | None:
        """User and password at the registry that the images are pushed to; None where they are not whole."""
        user, password = self.registry_username, self.registry_password
        return (user, password.get_secret_value()) if user and password else None

    @property
    def other_logins(self) -> dict[str, tuple[str, str]]:
        """User and password at other registries."""
        logins = self.registry_logins or {}
        return {name: (login.username, login.password.get_secret_value()) for name, login in logins.items()}

    def catalogue_file(self, project: Path) -> Path:
        """The catalogue's file on this machine."""
        return project / Path(self.catalogue).expanduser()

    def source_root(self, project: Path) -> Path:
        """The source tree as a folder on this machine.

        Raises:
            ConfigError: there is no such folder.
        """
        root = (project / Path(self.source).expanduser()).resolve()
        if not root.is_dir():
            raise ConfigError(
                _sentence(
                    "source",
                    self.source,
                    f"is not a folder (looked at {root}); a good value: /path/to/carbide-rest-api",
                )
            )
        return root


@dataclass(frozen=True)
class Selection:
    """The images that a stack builds.

    Attributes:
        catalogue: where they come from.
        images: as the stack wants them, in the catalogue's order.
    """

    catalogue: Catalogue
    images: tuple[Image, ...]

    @property
    def builders(self) -> tuple[str, ...]:
        """The builder images, each once."""
        return tuple(dict.fromkeys(image.builder for image in self.images))

    @property
    def platforms(self) -> tuple[str, ...]:
        """Every platform that an image is built for."""
        return tuple(sorted({platform for image in self.images for platform in image.platforms}))

    @property
    def bases(self) -> dict[str, tuple[str, ...]]:
        """The bases of final stages, with the platforms that each is wanted for."""
        found: dict[str, set[str]] = {}
        for image in self.images:
            found.setdefault(image.base, set()).update(image.platforms)
        return {base: tuple(sorted(platforms)) for base, platforms in found.items() if base != NOTHING}


def selected_images(settings: Settings, project: Path) -> Selection:
    """The images that a stack selects from its catalogue, with all that it says of them.

    Raises:
        CatalogueError: what is wrong with the catalogue, or with what the stack says of it.
    """
    catalogue = load_catalogue(settings.catalogue_file(project), settings.catalogue)
    return Selection(catalogue, catalogue.resolved(settings.said_of_images))


def _sentence(key: str, value: object, problem: str) -> str:
    shown = "" if value is None else f" = {value!r}"
    return f"{key}{shown}: {problem}"


def load_settings(values: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Validate one stack's configuration.

    Args:
        values: the project's config keys, without the namespace, as Pulumi gives them.
        environment: CARBIDE_SOURCE replaces `source`, CARBIDE_CATALOGUE `catalogue`; CARBIDE_REGISTRY_PASSWORD
            and CARBIDE_GITCREDS stand in for secrets that the stack does not hold.

    Raises:
        ConfigError: one line for each problem, with key, value and a good value.
    """
    merged = {key: value for key, value in values.items() if value != "" or key not in _OPTIONAL_KEYS}
    for key, variable in _REPLACED_BY_ENVIRONMENT.items():
        if environment.get(variable):
            merged[key] = environment[variable]
    for key, variable in _SECRETS_FROM_ENVIRONMENT.items():
        if environment.get(variable):
            merged.setdefault(key, environment[variable])
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item) for item in error.errors())) from None


_REPLACED_BY_ENVIRONMENT = {"source": "CARBIDE_SOURCE", "catalogue": "CARBIDE_CATALOGUE"}
_SECRETS_FROM_ENVIRONMENT = {
    "registryPassword": "CARBIDE_REGISTRY_PASSWORD",
    "gitcreds": "CARBIDE_GITCREDS",
}

# Pulumi has no optional keys: one that is declared needs a default, and the empty text is ours.
_OPTIONAL_KEYS = frozenset(str(field.alias) for field in Settings.model_fields.values() if field.default is None)

SECRET_KEYS = frozenset({*_SECRETS_FROM_ENVIRONMENT, "registryLogins"})
"""Config keys whose values belong encrypted."""


def _explain(item: Mapping[str, Any]) -> str:
    """Turn one pydantic error into a sentence of the stack's own terms."""
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    value = None if path and path[0] in SECRET_KEYS else item["input"]
    match item["type"]:
        case "extra_forbidden":
            names = ", ".join(field.alias or name for name, field in Settings.model_fields.items())
            return _sentence(key, None, f"is an unknown key; known are {names}")
        case "missing":
            return _sentence(key, None, f"is not set; pulumi config set {key} <value>")
        case "literal_error":
            return _sentence(key, value, f"is no platform; known are {', '.join(get_args(Platform))}")
        case "value_error":
            problem = str(item["ctx"]["error"])
            return _sentence(key, value, problem) if key else problem
        case _:
            return _sentence(key, value, plain_problem(item))
