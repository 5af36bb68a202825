"""Resources: one component for each image, holding its build and its movable tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker_build as docker_build

from carbide_infra.images.plan import ImagePlan
from carbide_infra.images.tags import Alias
from carbide_infra.names import COMPONENT_TYPE
from carbide_infra.outputs import ImageOutput
from carbide_infra.services import APP_USER

# Reaches BuildKit's exporter: `push` alone offers no OCI types.
_EXPORT = "type=registry,oci-mediatypes=true"
# Stands for the digest or reference of what failed.
_FAILED = ""


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
        go_version: the stack's Go version, for the outputs.
    """

    server: str
    username: str | None
    password: str | None
    builder: str | None
    secrets: Mapping[str, str]
    cache_from: Sequence[str]
    cache_to: Sequence[str]
    go_version: str

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
    """What the stack says of the image once all its tags are there; None where it failed."""

    def __init__(self, plan: ImagePlan, target: BuildTarget, opts: pulumi.ResourceOptions | None = None) -> None:
        # In the state, so that a preview can say which files differ, without the commit they came from.
        super().__init__(COMPONENT_TYPE, plan.service.image, dict(plan.record), opts)
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
            plan.service.image,
            tags=[plan.tag],
            context=docker_build.BuildContextArgs(location=plan.context),
            dockerfile=_dockerfile(plan),
            build_args=plan.build_args,
            labels=plan.labels,
            platforms=[docker_build.Platform(name) for name in plan.platforms],
            exports=[docker_build.ExportArgs(raw=_EXPORT)],
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
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )

    def _alias(self, alias: Alias, digest: pulumi.Output[str], image: docker_build.Image) -> pulumi.Output[str]:
        plan, registries = self._plan, self._target.registries
        index = docker_build.Index(
            f"{plan.service.image}-{alias.kind}",
            tag=f"{plan.repository}:{alias.tag}",
            sources=[digest.apply(lambda value: f"{plan.repository}@{value}" if value else plan.tag)],
            registry=registries[0] if registries else None,
            push=True,
            # Named, because a recovered digest is one of no resource: the engine skips the tags of a failed image.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=[image]),
        )
        return index.ref.recover(_failed)

    def _output(self, found: Sequence[str]) -> dict[str, Any] | None:
        if _FAILED in found:
            return None
        digest = found[0]
        plan = self._plan
        return ImageOutput(
            ref=f"{plan.repository}@{digest}",
            digest=digest,
            repository=plan.repository,
            tags=list(plan.tags),
            platforms=list(plan.platforms),
            version=plan.version,
            revision=plan.revision,
            go_version=self._target.go_version,
            builder_image=plan.build_args["BUILDER_IMAGE"],
            runtime_image=plan.build_args["RUNTIME_IMAGE"],
            port=plan.service.port,
            user=APP_USER,
            entrypoint=[f"/app/{plan.service.binary}"],
            health=list(plan.service.health),
            size_budget=plan.service.size_budget,
        ).exported()


def stack_output(images: Mapping[str, ServiceImage]) -> pulumi.Output[dict[str, dict[str, Any]]]:
    """The stack's output `images`: all of them, or none, so that consumers never see half an update."""
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


def _dockerfile(plan: ImagePlan) -> docker_build.DockerfileArgs:
    if plan.inline is not None:
        return docker_build.DockerfileArgs(inline=plan.inline)
    return docker_build.DockerfileArgs(location=plan.service.dockerfile)
