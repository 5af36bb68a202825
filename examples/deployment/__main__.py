"""The services of Carbide REST on one Docker host, from the images of another stack."""

import pulumi
import pulumi_docker as docker
from carbide_deployment.database import Database, Migration
from carbide_deployment.images import DeployedImages
from carbide_deployment.running import RunningService, Surroundings
from carbide_deployment.services import MIGRATION, SERVICES
from carbide_deployment.settings import load_settings

from carbide_infra.outputs import ImageSet

settings = load_settings(pulumi.Config())
images = DeployedImages(ImageSet.from_stack(settings.images_stack), settings.pins)
network = docker.Network("carbide")
database = Database("database", settings, network)
migration = Migration(MIGRATION, images, database, network)
around = Surroundings.of(settings, images, network, database, migration)
running = {service.image: RunningService(service, around) for service in SERVICES}

pulumi.export("runs", {MIGRATION: migration.ref, **{name: service.ref for name, service in running.items()}})
pulumi.export("urls", {name: service.url for name, service in running.items() if service.url is not None})
