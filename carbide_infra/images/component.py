"""Resources: one component for each image, holding its build and its movable tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker_build as docker_build

from carbide_infra.catalogue.model import BaseUser, Image
from carbide_infra.images.plan import ImagePlan
from carbide_infra.images.tags import Alias
from carbide_infra.names import COMPONENT_TYPE
from carbide_infra.outputs import BinaryOutput, HealthOutput, ImageOutput

# Reaches BuildKit's exporter: `push` alone offers no OCI types, and no annotations.
_EXPORT = "type=registry,oci-mediatypes=true"
# Stands for the digest or reference of what failed.
_FAILED = ""
# A build that takes longer waits for somebody who does not answer, such as a registry that takes no more bytes. Tags
# have none: the provider does not heed it there, and `carbide-infra up` watches them itself.
_DEADLINE = pulumi.CustomTimeouts(create="1h", update="1h")


@dataclass(frozen=True)
class BuildTarget:
    """Where all images are built and pushed, with what only the build may know.

    Attributes:
        server: registry host[:port].
        username: registry user, or None for anonymous access.
        password: registry password, or None.
        builder: buildx builder name; None for the current one.
        secrets: BuildKit secrets by id.
        cache_from: BuildKit cache imports.
        cache_to: BuildKit cache exports.
        ssh: whether the user's ssh agent is forwarded to the step that asks for it.
    """

    server: str
    username: str | None
    password: str | None
    builder: str | None
    secrets: Mapping[str, str]
    cache_from: Sequence[str]
    cache_to: Sequence[str]
    ssh: bool = False

    @property
    def registries(self) -> list[docker_build.RegistryArgs]:
        """Credentials as the provider takes them; none for an anonymous registry."""
        if self.username is None:
            return []
        password = None if self.password is None else pulumi.Output.secret(self.password)
        return [docker_build.RegistryArgs(address=self.server, username=self.username, password=password)]


class ServiceImage(pulumi.ComponentResource):
    """A service's image in the registry, and the tags that point at it.

    Nothing that was pushed is ever deleted: another tag, another stack or a running
    container may have the same digest.
    """

    output: pulumi.Output[dict[str, Any] | None]
    """What the stack says of the image once it is there, with the tags that are; None where it failed."""

    def __init__(self, plan: ImagePlan, target: BuildTarget, opts: pulumi.ResourceOptions | None = None) -> None:
        # In the state, so that a preview can say which files differ, without the commit they came from.
        super().__init__(COMPONENT_TYPE, plan.image.name, dict(plan.record), opts)
        self._plan = plan
        self._target = target
        image = self._image()
        # A failed image must not end the program: the others' tags are still to be moved.
        digest = image.digest.recover(_failed)
        references = [self._alias(alias, digest, image) for alias in plan.aliases]
        self.output = pulumi.Output.all(digest, *references).apply(self._output)
        self.register_outputs({"image": self.output})

    def _image(self) -> docker_build.Image:
        plan, target = self._plan, self._target
        return docker_build.Image(
            plan.image.name,
            tags=[plan.tag],
            context=docker_build.BuildContextArgs(location=plan.context),
            dockerfile=_dockerfile(plan),
            build_args=plan.build_args,
            labels=plan.labels,
            platforms=[docker_build.Platform(name) for name in plan.image.platforms],
            exports=[docker_build.ExportArgs(raw=_export(plan.annotations))],
            push=False,
            build_on_preview=False,
            # Never absent: in a preview the provider takes what comes new as no change of the digest.
            builder=docker_build.BuilderConfigArgs(name=target.builder),
            registries=target.registries,
            secrets={name: pulumi.Output.secret(text) for name, text in target.secrets.items()},
            # A rotated credential or another machine's proxy changes no byte of the image.
            ignore_secrets_in_diff_calculation=sorted(target.secrets),
            cache_from=[docker_build.CacheFromArgs(raw=entry) for entry in target.cache_from],
            cache_to=[docker_build.CacheToArgs(raw=entry) for entry in target.cache_to],
            ssh=[docker_build.SSHArgs(id="default")] if target.ssh else None,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, custom_timeouts=_DEADLINE),
        )

    def _alias(self, alias: Alias, digest: pulumi.Output[str], image: docker_build.Image) -> pulumi.Output[str]:
        plan, registries = self._plan, self._target.registries
        index = docker_build.Index(
            f"{plan.image.name}-{alias.kind}",
            tag=f"{plan.repository}:{alias.tag}",
            sources=[digest.apply(lambda value: f"{plan.repository}@{value}" if value else plan.tag)],
            registry=registries[0] if registries else None,
            push=True,
            # Named, because a recovered digest is one of no resource: the engine skips the tags of a failed image.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=[image]),
        )
        return index.ref.recover(_failed)

    def _output(self, found: Sequence[str]) -> dict[str, Any] | None:
        digest, *references = found
        if digest == _FAILED:
            return None
        plan = self._plan
        own, *others = plan.tags
        # A tag that the registry refused leaves the image as it is: it has been pushed, and runs by its digest.
        tags = [own, *(tag for tag, reference in zip(others, references, strict=True) if reference != _FAILED)]
        return ImageOutput(
            ref=f"{plan.repository}@{digest}",
            digest=digest,
            repository=plan.repository,
            tags=tags,
            version=plan.version,
            revision=plan.revision,
            labels=dict(plan.all_labels),
            **_said_of(plan.image),
        ).exported()


def _said_of(image: Image) -> dict[str, Any]:
    """What the outputs say of an image before it is built."""
    user, health = image.user, image.health
    uid, gid = (None, None) if isinstance(user, BaseUser) else (user.uid, user.gid)
    return {
        "platforms": list(image.platforms),
        "go_version": image.go_version,
        "builder_image": image.builder,
        "runtime_image": image.base,
        "kind": image.kind,
        "ports": dict(image.ports),
        "port": next(iter(image.ports.values()), None),
        "user": user.instruction,
        "user_name": None if user.name[0].isdigit() else user.name,
        "user_id": uid,
        "group_id": gid,
        "entrypoint": list(image.entrypoint),
        "command": list(image.command),
        "environment": dict(image.environment),
        "binaries": [BinaryOutput(path=binary.path, package=binary.package) for binary in image.binaries],
        "health": list(health.command) if health else [],
        "health_check": HealthOutput.model_validate(health.model_dump()) if health else None,
        "size_budget": image.size_budget,
    }


def stack_output(images: Mapping[str, ServiceImage]) -> pulumi.Output[dict[str, dict[str, Any]]]:
    """The stack's output `images`: all of them, or none, so that consumers never see half an update.

    A tag that could not be moved fails the update, and is left out; the images are there, and run by their digests.
    """
    return pulumi.Output.all(**{name: image.output for name, image in images.items()}).apply(_complete)


def _complete(found: Mapping[str, dict[str, Any] | None]) -> dict[str, dict[str, Any]]:
    complete = {name: output for name, output in found.items() if output is not None}
    failed = sorted(found.keys() - complete.keys())
    if failed:
        msg = f"{', '.join(failed)} failed; what is finished stays, and the stack's outputs are as before"
        raise pulumi.RunError(msg)
    return complete


def _failed(_: Exception) -> str:
    return _FAILED


def _export(annotations: Mapping[str, str]) -> str:
    """BuildKit's exporter and its options: a line of CSV."""
    fields = [_quoted(f"annotation-index.{name}={text}") for name, text in sorted(annotations.items())]
    return ",".join([_EXPORT, *fields])


def _quoted(field: str) -> str:
    escaped = field.replace('"', '""')
    return f'"{escaped}"'


def _dockerfile(plan: ImagePlan) -> docker_build.DockerfileArgs:
    dockerfile = plan.dockerfile
    if dockerfile.location is None:
        return docker_build.DockerfileArgs(inline=dockerfile.text)
    return docker_build.DockerfileArgs(location=dockerfile.location)
