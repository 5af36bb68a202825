"""PostgreSQL, and the job that migrates it."""

import pulumi
import pulumi_docker as docker

from carbide_deployment.hardened import NO_CAPABILITIES, SCRATCH, SECURITY_OPTIONS, health_check
from carbide_deployment.images import DeployedImages
from carbide_deployment.settings import Settings

HOST, PORT, NAME, USER = "database", 5432, "carbide", "carbide"
# pg_isready over TCP: while the image sets up a new database, its server listens on a socket only.
_IS_READY = ["pg_isready", "--host", "127.0.0.1", "--username", USER, "--dbname", NAME]
_READY_SECONDS = 120
# The image sets the password of a new database only. One that is there gets it by a server that nobody reaches.
START = f"""
if [ -s "$PGDATA/PG_VERSION" ]; then
    quoted=$(printf %s "$POSTGRES_PASSWORD" | sed "s/'/''/g")
    printf '%s\\n' "ALTER USER {USER} PASSWORD '$quoted'" |
        su postgres -s /bin/sh -c "exec '$(command -v postgres)' --single -D '$PGDATA' postgres" >/dev/null || exit
fi
exec docker-entrypoint.sh postgres
"""
_LAST_LINES = 10


class Database(pulumi.ComponentResource):
    """A PostgreSQL server whose data outlive the stack."""

    environment: list[pulumi.Input[str]]
    """What the services need to reach it."""

    def __init__(self, name: str, settings: Settings, network: docker.Network) -> None:
        super().__init__("carbide:deployment:Database", name)
        inside = pulumi.ResourceOptions(parent=self)
        image = docker.RemoteImage("postgres", name=settings.postgres_image, keep_locally=True, opts=inside)
        data = docker.Volume(
            "database",
            # A name of its own: the next stack finds the data again.
            name=f"carbide-database-{pulumi.get_stack()}",
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        password = settings.database_password
        self.server = docker.Container(
            "postgres",
            image=image.image_id,
            entrypoints=["sh", "-c", START],
            envs=[f"POSTGRES_DB={NAME}", f"POSTGRES_USER={USER}", pulumi.Output.concat("POSTGRES_PASSWORD=", password)],
            volumes=[docker.ContainerVolumeArgs(volume_name=data.name, container_path="/var/lib/postgresql/data")],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[HOST])],
            healthcheck=health_check(_IS_READY),
            wait=True,
            wait_timeout=_READY_SECONDS,
            restart="unless-stopped",
            security_opts=SECURITY_OPTIONS,
            # It gets the time to write everything down.
            destroy_grace_seconds=60,
            # Never two servers on the same data.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.environment = [
            f"DB_HOST={HOST}",
            f"DB_PORT={PORT}",
            f"DB_NAME={NAME}",
            f"DB_USER={USER}",
            pulumi.Output.concat("DB_PASSWORD=", password),
            # The network is the host's own.
            "DB_SSLMODE=disable",
        ]
        self.register_outputs({})


class Migration(pulumi.ComponentResource):
    """A job that runs to its end whenever its image changes, before the services that need it."""

    done: pulumi.Output[pulumi.Resource]
    """The job, once it has ended well: services depend on it."""

    succeeded: pulumi.Output[bool]
    """Whether it did; a failed one is an error of the update all the same."""

    ref: pulumi.Output[str]
    """What it ran."""

    def __init__(self, name: str, images: DeployedImages, database: Database, network: docker.Network) -> None:
        super().__init__("carbide:deployment:Migration", name)
        self.ref = images.ref(name)
        job = docker.Container(
            name,
            image=images.pulled(name, self).image_id,
            envs=database.environment,
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name)],
            # Docker keeps the ended container: with rm, the next refresh would miss it, and run the job again.
            must_run=False,
            attach=True,
            logs=True,
            restart="no",
            user=images[name].user,
            read_only=True,
            tmpfs=SCRATCH,
            capabilities=NO_CAPABILITIES,
            security_opts=SECURITY_OPTIONS,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[database.server]),
        )

        def require_success(code: int, logs: str | None) -> pulumi.Resource:
            if code:
                raise pulumi.RunError(_failure(name, code, logs or ""))
            return job

        self.succeeded = job.exit_code.apply(lambda code: code == 0)
        # For the provider, a job that fails is a container like any other.
        self.done = pulumi.Output.all(job.exit_code, job.container_logs).apply(lambda ended: require_success(*ended))
        self.register_outputs({})


def _failure(job: str, code: int, logs: str) -> str:
    last = "\n".join(logs.splitlines()[-_LAST_LINES:])
    return (
        f"{job} ended with exit code {code}, so what needs the database is not updated. Fix what it says, then run it "
        f"again with `pulumi up --replace '**Container::{job}'`:\n{last}"
    )
