"""Settings: all stack configuration, validated before the first resource exists."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.loading import Catalogue, Stack, load_catalogue
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import NOT_SET, UNKNOWN_KEY, explained, path
from carbide_infra.catalogue.values import GoVersion, Platform, Reference, go_version_of
from carbide_infra.config_values import (
    LOCAL,
    NETRC,
    BranchText,
    ExportedCache,
    ImportedCache,
    KnownHosts,
    RepositoryText,
    ServerText,
    Text,
    VersionText,
)
from carbide_infra.errors import UserError
from carbide_infra.registry.reference import is_server
from carbide_infra.remedies import typed

LOCAL_REGISTRY = LOCAL
"""Value of `registryServer` that stands for the registry that `make local-up` runs."""


class ConfigError(UserError):
    """Stack configuration that cannot work; the message names key, value and a good one."""


def _decoded(value: object) -> object:
    """Pulumi hands over arrays, objects and booleans as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _normal_platform(value: object) -> object:
    """`linux/arm64/v8` is what some tools call `linux/arm64`."""
    return "linux/arm64" if value == "linux/arm64/v8" else value


Structured = BeforeValidator(_decoded)
_stripped = BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)


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
        examples=["/path/to/carbide-rest-api"],
    )
    catalogue: Annotated[Text, Field(min_length=1)] = Field(
        default="docker/production/services.yaml",
        description="Path of the catalogue of images, absolute or relative to the project",
        examples=["docker/production/services.yaml"],
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
        examples=[True],
    )
    platforms: Annotated[
        tuple[Annotated[Platform, BeforeValidator(_normal_platform)], ...],
        Structured,
    ] = Field(
        default=(),
        description="Target platforms of the images; the catalogue's when empty",
        examples=[["linux/amd64", "linux/arm64"]],
    )
    registry_server: ServerText = Field(
        description="Registry host[:port]; 'local' is the registry that make local-up runs",
    )
    registry_repository: RepositoryText = Field(
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
    version: VersionText | None = Field(
        default=None,
        description="Version to build; the one that the catalogue's rule finds when unset",
    )
    main_branch: BranchText | None = Field(
        default=None,
        description="Branch that releases are cut from; main or master when unset",
    )
    tag_version: Annotated[bool, Structured] = Field(
        default=True,
        description="Tag each image with the plain version",
        examples=[True],
    )
    tag_revision: Annotated[bool, Structured] = Field(
        default=True,
        description="Tag each image that is made of exactly what the commit holds with the git SHA",
        examples=[True],
    )
    tag_latest: Annotated[bool, Structured] = Field(
        default=False,
        description="Tag each image with latest",
        examples=[True],
    )
    revision_label: Annotated[bool, Structured] = Field(
        default=False,
        description="Label each image with the commit that last touched its inputs; costs digests, see docs",
        examples=[True],
    )
    require_history: Annotated[bool, Structured] = Field(
        default=False,
        description="Refuse a source tree without its full git history and its tags",
        examples=[True],
    )
    require_locked_tools: Annotated[bool, Structured] = Field(
        default=False,
        description="Refuse an update by a Pulumi CLI, a provider or Python packages other than the locked ones",
        examples=[True],
    )
    allow_coarse_inputs: Annotated[bool, Structured] = Field(
        default=False,
        description="Let an update push images whose inputs are not known exactly, without Go or their modules",
        examples=[True],
    )
    services: Annotated[tuple[str, ...], Structured] = Field(
        default=(),
        description="Images to build, of those in the catalogue; all when empty",
        examples=[["carbide-rest-api"]],
    )
    service_overrides: Annotated[dict[str, Any], Structured] = Field(
        default_factory=dict,
        description="By image, what this stack changes about it: the same keys as in the catalogue",
        examples=[{"carbide-rest-api": {"ports": {"http": 8388}}}],
    )
    builder: Text | None = Field(
        default=None,
        description="Name of the buildx builder; the current one when unset",
        examples=["fleet"],
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
    ssh_agent: Annotated[bool, Structured] = Field(
        default=False,
        description="Forward this machine's ssh agent to the step of a build that downloads modules; sshKnownHosts too",
        examples=[True],
    )
    ssh_known_hosts: KnownHosts | None = Field(
        default=None,
        description="Lines of known_hosts for sshAgent: the git servers whose modules come by ssh, and no others",
    )
    cache_from: Annotated[tuple[ImportedCache, ...], Structured] = Field(
        default=(),
        description="BuildKit cache imports, such as type=registry,ref=…",
        examples=[["type=registry,ref=nvcr.io/my-org/cache"]],
    )
    cache_to: Annotated[tuple[ExportedCache, ...], Structured] = Field(
        default=(),
        description="BuildKit cache exports, such as type=registry,ref=…,mode=max",
        examples=[["type=registry,ref=nvcr.io/my-org/cache,mode=max"]],
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

    @field_validator("gitcreds")
    @classmethod
    def _netrc(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            NETRC(value.get_secret_value())
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
    def _agent_knows_its_hosts(self) -> Self:
        if self.ssh_agent and self.ssh_known_hosts is None:
            msg = (
                "sshKnownHosts is empty although sshAgent is true: no host's key is learnt while building; "
                "a good value: the lines that the host's owner publishes"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _pinned_builder_has_the_go_version(self) -> Self:
        version = go_version_of(self.builder_image or "")
        if version and self.go_version and version != self.go_version:
            msg = (
                f"builderImage = {self.builder_image!r}: is not the goVersion {self.go_version!r} of this stack; "
                f"{typed('pin-bases')} brings the two together"
            )
            raise ValueError(msg)
        return self

    @property
    def is_development(self) -> bool:
        """Whether its images serve development only: they go to this machine's own registry."""
        return self.registry_server == LOCAL_REGISTRY

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
        return tuple(dict.fromkeys(image.builder for image in self.images if image.kept is None))

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
        raise ConfigError("\n".join(_explained(error))) from None


_REPLACED_BY_ENVIRONMENT = {"source": "CARBIDE_SOURCE", "catalogue": "CARBIDE_CATALOGUE"}
_SECRETS_FROM_ENVIRONMENT = {
    "registryPassword": "CARBIDE_REGISTRY_PASSWORD",
    "gitcreds": "CARBIDE_GITCREDS",
}

# Pulumi has no optional keys: one that is declared needs a default, and the empty text is ours.
_OPTIONAL_KEYS = frozenset(str(field.alias) for field in Settings.model_fields.values() if field.default is None)

TEXT_KEYS = frozenset(
    str(field.alias)
    for field in Settings.model_fields.values()
    if Structured not in field.metadata and field.alias != "registryLogins"
)
"""Config keys whose values are texts."""

SECRET_KEYS = frozenset({*_SECRETS_FROM_ENVIRONMENT, "registryLogins"})
"""Config keys whose values belong encrypted."""


def _explained(error: ValidationError) -> Iterator[str]:
    """A sentence of the stack's own terms for each problem; a secret is never shown."""
    for place, value, text in explained(error, Settings):
        key = path(place)
        if not key:
            yield text
        elif text == NOT_SET:
            yield f"{key}: {text}; pulumi config set {key} <value>"
        elif place[0] in SECRET_KEYS:
            hidden = text.replace(f'"{value}"', '"…"')
            yield f"{key}: {hidden}"
        else:
            yield _sentence(key, None if text.startswith(UNKNOWN_KEY) else value, text)
