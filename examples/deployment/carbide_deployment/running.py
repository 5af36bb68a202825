"""One service in its container."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_docker as docker

from carbide_deployment.database import Database, Migration
from carbide_deployment.hardened import NO_CAPABILITIES, SCRATCH, SECURITY_OPTIONS, health_check
from carbide_deployment.images import DeployedImages
from carbide_deployment.services import Service
from carbide_deployment.settings import Settings
from carbide_infra.outputs import ImageReference

CERTIFICATES_FOLDER = "/var/secrets/temporal/certs"
_HEALTHY_SECONDS = 90


@dataclass(frozen=True)
class Surroundings:
    """What the services share."""

    images: DeployedImages
    network: docker.Network
    certificates: docker.Volume
    database_environment: list[pulumi.Input[str]]
    migration: Migration
    before: pulumi.Output[Mapping[str, str]]
    listen_address: str

    @classmethod
    def of(
        cls,
        settings: Settings,
        images: DeployedImages,
        network: docker.Network,
        database: Database,
        migration: Migration,
    ) -> Self:
        """Gather it, and see to the volume with the certificates, whoever fills it."""
        certificates = docker.Volume(
            "certificates",
            name=settings.certificates_volume,
            opts=pulumi.ResourceOptions(retain_on_delete=True),
        )
        own = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        before = pulumi.StackReference(own).get_output("runs").apply(lambda runs: runs or {})
        return cls(images, network, certificates, database.environment, migration, before, settings.listen_address)

    def running(self, service: Service) -> pulumi.Output[str | None]:
        """What runs once this update has ended: what needs the database stays as it was when the migration fails."""
        wanted, name = self.images.ref(service.image), service.image
        if not service.uses_database:
            return wanted.apply(lambda ref: ref)
        told = pulumi.Output.all(self.migration.succeeded, wanted, self.before)
        return told.apply(lambda found: found[1] if found[0] else found[2].get(name))


class RunningService(pulumi.ComponentResource):
    """A service that an update waits for until it is healthy."""

    ref: pulumi.Output[str | None]
    """What it runs; None where it never ran."""

    url: pulumi.Output[str] | None = None
    """Where the host listens for it; None where it does not."""

    def __init__(self, service: Service, around: Surroundings) -> None:
        super().__init__("carbide:deployment:RunningService", service.image)
        image = around.images[service.image]
        self.ref = around.running(service)
        if service.is_published:
            self.url = pulumi.Output.format("http://{0}:{1}", around.listen_address, image.port)
        docker.Container(
            service.image,
            image=around.images.pulled(service.image, self).image_id,
            envs=_environment(service, around),
            volumes=_volumes(service, around),
            # The container's own name is Pulumi's to choose, so the new one can be healthy before the old one goes.
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=around.network.name, aliases=[service.image])],
            ports=_ports(service, image, around),
            healthcheck=health_check(image.health),
            wait=True,
            wait_timeout=_HEALTHY_SECONDS,
            restart="unless-stopped",
            user=image.user,
            read_only=True,
            tmpfs=SCRATCH,
            capabilities=NO_CAPABILITIES,
            security_opts=SECURITY_OPTIONS,
            # The services finish what is in flight within 10 seconds.
            destroy_grace_seconds=15,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[around.migration.done] if service.uses_database else [],
                # A port of the host can have one listener only.
                delete_before_replace=service.is_published,
            ),
        )
        self.register_outputs({})


def _environment(service: Service, around: Surroundings) -> list[pulumi.Input[str]]:
    calls = [
        pulumi.Output.format("{0}=http://{1}:{2}", variable, name, around.images[name].port)
        for variable, name in service.calls.items()
    ]
    return [*calls, *(around.database_environment if service.uses_database else ())]


def _volumes(service: Service, around: Surroundings) -> list[docker.ContainerVolumeArgs]:
    if not service.reads_certificates:
        return []
    return [
        docker.ContainerVolumeArgs(
            volume_name=around.certificates.name, container_path=CERTIFICATES_FOLDER, read_only=True
        )
    ]


def _ports(service: Service, image: ImageReference, around: Surroundings) -> list[docker.ContainerPortArgs]:
    if not service.is_published:
        return []
    return [docker.ContainerPortArgs(internal=image.port, external=image.port, ip=around.listen_address)]
