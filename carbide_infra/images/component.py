"""Resources: one component for each image, holding its build, its record and its movable tags."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pulumi
import pulumi_docker_build as docker_build
from pulumi.output import Unknown
from pulumi.resource import DependencyResource, create_urn
from pydantic import ValidationError

from carbide_infra.catalogue.model import BaseUser, Image, KeptDockerfile
from carbide_infra.images import record
from carbide_infra.images.failure_hook import told_failure
from carbide_infra.images.plan import ImagePlan
from carbide_infra.images.tags import VERSION, Alias
from carbide_infra.names import COMPONENT_TYPE, IMAGE_TYPE
from carbide_infra.outputs import (
    BinaryOutput,
    HealthOutput,
    ImageDescription,
    ImageOutput,
    OutputsError,
    StackOutputs,
)

# Reaches BuildKit's exporter: `push` alone offers no OCI types, and no annotations.
_EXPORT = "type=registry,oci-mediatypes=true"
# Stands for the digest of an image that failed.
_FAILED = ""
# What the provider was called before it was a resource of the program: the engine made it, and named it after the
# plugin's version.
_DEFAULT_PROVIDER = "default_0_0_22"
_ID = re.compile(r"[0-9]{1,10}")
# A function of the engine itself.
_READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"

_T = TypeVar("_T")
# A build that takes longer waits for somebody who does not answer, such as a registry that takes no more bytes. Tags
# have none: the provider does not heed it there, and `carbide-infra up` watches them itself.
_DEADLINE = pulumi.CustomTimeouts(create="1h", update="1h")


def _nothing_released(_repository: str, _tag: str) -> None:
    """Say so."""


@dataclass(frozen=True)
class BuildTarget:
    """Where all images are built and pushed, with what only the build may know.

    Attributes:
        server: registry host[:port].
        username: registry user, or None for anonymous access.
        password: registry password, or None.
        logins: user and password at other registries.
        builder: buildx builder name; None for the current one.
        secrets: BuildKit secrets by id.
        cache_from: BuildKit cache imports.
        cache_to: BuildKit cache exports.
        ssh: whether the user's ssh agent is forwarded to the step that asks for it.
        released: what was released by now under a version's tag of a repository, if anything; asked by updates only.
    """

    server: str
    username: str | None
    password: str | None
    builder: str | None
    secrets: Mapping[str, str]
    cache_from: Sequence[str]
    cache_to: Sequence[str]
    logins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ssh: bool = False
    released: Callable[[str, str], str | None] = _nothing_released

    @property
    def own_registry(self) -> docker_build.RegistryArgs | None:
        """Credentials at the registry of the images, as the provider takes them; None for an anonymous one."""
        return None if self.username is None else _registry(self.server, self.username, self.password)

    @property
    def registries(self) -> list[docker_build.RegistryArgs]:
        """All credentials, those for base images too."""
        own = [self.own_registry] if self.own_registry else []
        others = [_registry(server, *self.logins[server]) for server in sorted(self.logins) if server != self.server]
        return own + others


def build_provider() -> docker_build.Provider:
    """The provider of all builds, the same on a machine with DOCKER_HOST and without.

    The engine's own would take that variable into the state, and on the next machine replace every image.
    """
    unchanged = pulumi.ResourceOptions(ignore_changes=["host"], aliases=[pulumi.Alias(name=_DEFAULT_PROVIDER)])
    return docker_build.Provider("docker-build", opts=unchanged)


class ServiceImage(pulumi.ComponentResource):
    """A service's image in the registry, its record, and the tags that point at it.

    Nothing that was pushed is ever deleted: another tag, another stack or a running
    container may have the same digest.
    """

    output: pulumi.Output[dict[str, Any] | None]
    """What the stack says of the image, as its resources report it; None where the update failed for it or it is
    not there."""

    def __init__(self, plan: ImagePlan, target: BuildTarget, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(COMPONENT_TYPE, plan.image.name, {}, opts)
        self._plan = plan
        self._target = target
        image = self._image()
        settled = self._urn_of(image)
        stash = pulumi.Stash(
            plan.image.name,
            input={**plan.record, record.IMAGE: description(plan)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=settled),
        )
        # A failed image must not end the program: the others' tags are still to be moved.
        digest = image.digest.recover(lambda _: _FAILED)
        aliases = [self._alias(alias, digest, settled) for alias in plan.aliases]
        self.output = pulumi.Output.all(
            digest=_reported(image.digest),
            tags=_reported(image.tags),
            build_args=_reported(image.build_args),
            platforms=_reported(image.platforms),
            record=_reported(stash.input),
            aliases=pulumi.Output.all(*(_reported(alias.ref) for alias in aliases)),
        ).apply(self._output)
        self.register_outputs({})

    def _image(self) -> docker_build.Image:
        plan, target = self._plan, self._target
        kept = plan.image.kept
        # The steps of a Dockerfile that somebody else wrote get none but what its entry names.
        secrets = {name: text for name, text in target.secrets.items() if kept is None or name in kept.secrets}
        return docker_build.Image(
            plan.image.name,
            tags=[plan.tag],
            context=docker_build.BuildContextArgs(location=plan.context.as_posix()),
            dockerfile=docker_build.DockerfileArgs(location=plan.place.dockerfile.as_posix()),
            build_args=plan.build_args,
            labels=plan.labels,
            platforms=[docker_build.Platform(name) for name in plan.image.platforms],
            exports=[docker_build.ExportArgs(raw=_export(plan.annotations))],
            push=False,
            build_on_preview=False,
            # Never absent: in a preview the provider takes what comes new as no change of the digest.
            builder=docker_build.BuilderConfigArgs(name=target.builder),
            registries=target.registries,
            secrets={name: pulumi.Output.secret(text) for name, text in secrets.items()},
            # A rotated credential or another machine's proxy changes no byte of the image.
            ignore_secrets_in_diff_calculation=sorted(secrets),
            cache_from=[docker_build.CacheFromArgs(raw=entry) for entry in target.cache_from],
            cache_to=[docker_build.CacheToArgs(raw=entry) for entry in target.cache_to],
            ssh=[docker_build.SSHArgs(id="default")] if target.ssh and kept is None else None,
            target=kept.target if kept else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                retain_on_delete=True,
                custom_timeouts=_DEADLINE,
                hooks=told_failure(plan.image.name, plan.context.as_posix(), target.builder),
            ),
        )

    def _alias(
        self, alias: Alias, digest: pulumi.Output[str], settled: pulumi.Output[list[pulumi.Resource]]
    ) -> docker_build.Index:
        plan = self._plan
        source: pulumi.Output[str] = digest.apply(lambda value: self._source(alias, value))
        return docker_build.Index(
            f"{plan.image.name}-{alias.kind}",
            tag=f"{plan.repository}:{alias.tag}",
            sources=[source],
            registry=self._target.own_registry,
            push=True,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=settled),
        )

    async def _source(self, alias: Alias, digest: str) -> str:
        """What a tag is to point at: what was just built, unless its version was released since the program began."""
        plan = self._plan
        if not digest:
            return plan.tag
        standing = None
        if alias.kind == VERSION and not pulumi.runtime.is_dry_run():
            standing = await asyncio.to_thread(self._target.released, plan.repository, alias.tag)
        if standing and standing != digest:
            pulumi.log.warn(
                f"{plan.image.name}: {alias.tag} has been released as {standing}: its tag stays there; "
                "git fetch --tags, and raise VERSION for what comes next"
            )
        return f"{plan.repository}@{standing or digest}"

    def _urn_of(self, image: docker_build.Image) -> pulumi.Output[list[pulumi.Resource]]:
        """The image by its name alone, once it is there or has failed.

        So what depends on it is the engine's to skip where it failed. To depend on the resource itself would end the
        program there and then, and with it the tags of all images that are still being built.
        """

        async def settled() -> list[pulumi.Resource]:
            await image.urn.recover(lambda _: _FAILED).future()
            urn = await create_urn(self._plan.image.name, IMAGE_TYPE, await self.urn.future()).future()
            return [DependencyResource(str(urn))]

        return pulumi.Output.from_input(settled())

    def _output(self, found: Mapping[str, Any]) -> dict[str, Any] | None:
        if not found["digest"] or not found["tags"]:
            return None
        digest, (repository, _, own_tag) = found["digest"], found["tags"][0].rpartition(":")
        aliases = [reference.partition("@") for reference in found["aliases"] if reference]
        return ImageOutput(
            ref=f"{repository}@{digest}",
            digest=digest,
            repository=repository,
            tags=[own_tag, *(name.rpartition(":")[2] for name, _, target in aliases if target == digest)],
            **self._description(found).model_dump(),
        ).exported()

    def _description(self, found: Mapping[str, Any]) -> ImageDescription:
        """What the image is like that is there: the planned one, or in an update that left it out the recorded one."""
        plan, tag = self._plan, found["tags"][0]
        if tag == plan.tag:
            return ImageDescription.model_validate(description(plan))
        recorded = found["record"] or {}
        try:
            described = ImageDescription.model_validate(recorded[record.IMAGE])
        except (KeyError, ValidationError):
            described = ImageDescription.model_validate(description(plan))
        if recorded.get(record.KEY) == record.key_in(tag):
            return described
        # An update was cut off after the image, or left its record out: what the image itself tells comes first.
        arguments = found["build_args"] or {}
        told = {
            "version": arguments.get("VERSION"),
            "builder_image": arguments.get("BUILDER_IMAGE"),
            "runtime_image": arguments.get("RUNTIME_IMAGE"),
            "platforms": found["platforms"],
        }
        return described.model_copy(update={name: value for name, value in told.items() if value})


def _reported(output: pulumi.Output[_T]) -> pulumi.Output[_T | None]:
    """What a resource says of itself; None where it failed, or where an update leaves it out and it is not there."""
    recovered = cast("pulumi.Output[_T | None]", output).recover(lambda _: None)
    if pulumi.runtime.is_dry_run():
        return recovered
    return recovered.apply(lambda value: None if isinstance(value, Unknown) else value, run_with_unknowns=True)


def description(plan: ImagePlan) -> dict[str, Any]:
    """What the outputs say of a planned image, without what only the registry knows; null is left out."""
    described = ImageDescription(
        version=plan.version, revision=plan.revision, labels=dict(plan.all_labels), **_said_of(plan.image)
    )
    return described.model_dump(mode="json", by_alias=True, exclude_none=True)


def _registry(server: str, username: str, password: str | None) -> docker_build.RegistryArgs:
    secret = None if password is None else pulumi.Output.secret(password)
    return docker_build.RegistryArgs(address=server, username=username, password=secret)


def _said_of(image: Image) -> dict[str, Any]:
    """What the outputs say of an image before it is built."""
    if image.kept is not None:
        return _said_of_kept(image, image.kept)
    user = image.user
    uid, gid = (None, None) if isinstance(user, BaseUser) else (user.uid, user.gid)
    return {
        **_how_it_runs(image),
        "go_version": image.go_version,
        "builder_image": image.builder,
        "user": user.instruction,
        "user_name": None if user.name[0].isdigit() else user.name,
        "user_id": uid,
        "group_id": gid,
        "binaries": [BinaryOutput(path=binary.path, package=binary.package) for binary in image.binaries],
    }


def _said_of_kept(image: Image, kept: KeptDockerfile) -> dict[str, Any]:
    """What the catalogue says, and what its own Dockerfile says for certain; the rest is for its base to say."""
    uid, _, gid = kept.user.partition(":")
    return {
        **_how_it_runs(image),
        "go_version": "",
        "builder_image": "",
        "user": kept.user,
        "user_name": uid if uid and not uid[0].isdigit() else None,
        "user_id": int(uid) if _ID.fullmatch(uid) else None,
        "group_id": int(gid) if _ID.fullmatch(gid) else None,
        "binaries": [],
        "dockerfile": kept.path,
    }


def _how_it_runs(image: Image) -> dict[str, Any]:
    health = image.health
    return {
        "platforms": list(image.platforms),
        "runtime_image": image.base,
        "kind": image.kind,
        "ports": dict(image.ports),
        "port": next(iter(image.ports.values()), None),
        "entrypoint": list(image.entrypoint),
        "command": list(image.command),
        "environment": dict(image.environment),
        "health": list(health.command) if health else [],
        "health_check": HealthOutput.model_validate(health.model_dump()) if health else None,
        "size_budget": image.size_budget,
    }


def stack_output(images: Mapping[str, ServiceImage]) -> pulumi.Output[dict[str, dict[str, Any]]]:
    """The stack's output `images`: each as its resources report it, and what failed as it was before."""
    return pulumi.Output.all(**{name: image.output for name, image in images.items()}).apply(_completed)


async def _completed(found: Mapping[str, dict[str, Any] | None]) -> dict[str, dict[str, Any]]:
    before = await _former_outputs() if None in found.values() else {}
    entries = {name: before.get(name) if output is None else output for name, output in found.items()}
    return {name: entry for name, entry in entries.items() if entry}


async def _former_outputs() -> Mapping[str, Any]:
    """The stack's output `images` as the last update left it."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = await pulumi.runtime.invoke_async(_READ_OUTPUTS, {"name": name})
    try:
        return {name: image.exported() for name, image in StackOutputs.of(answer["outputs"] or {}).images.items()}
    except OutputsError:  # there was no update before, or none that this version can read
        return {}


def _export(annotations: Mapping[str, str]) -> str:
    """BuildKit's exporter and its options: a line of CSV."""
    fields = [_quoted(f"annotation-index.{name}={text}") for name, text in sorted(annotations.items())]
    return ",".join([_EXPORT, *fields])


def _quoted(field: str) -> str:
    escaped = field.replace('"', '""')
    return f'"{escaped}"'
