"""The catalogue: the seven services of Carbide REST and what is fixed about their images."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

APP_USER = "1000:1000"
"""The uid:gid that every image runs as (`appuser` in its /etc/passwd)."""


class Service(BaseModel):
    """One service: how its binary is built, and what its image tells a container runtime."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = Field(description="Image name, and the suffix of its Dockerfile")
    package: str = Field(description="Go main package, relative to the source root")
    binary: str = Field(description="Name of the executable in /app")
    port: int | None = Field(description="Port it listens on; None for a job that ends")
    health: tuple[str, ...] = Field(description="Health command, exec form")
    size_budget: int = Field(description="Compressed bytes of one platform, at most")
    version_symbol: str = Field(
        default="./common/pkg/version.Version",
        description="Go string variable that the linker sets; ./ stands for the module path",
    )
    build_time_symbol: str = Field(
        default="./common/pkg/version.BuildTime",
        description="Go string variable for the time when VERSION last changed, in RFC 3339",
    )

    @property
    def dockerfile(self) -> str:
        """Path of the Dockerfile, relative to the project."""
        return f"docker/production/Dockerfile.{self.image}"


def _service(image: str, package: str, port: int | None, megabytes: int = 30) -> Service:
    binary = package.rsplit("/", 1)[-1]
    return Service(
        image=image,
        package=package,
        binary=binary,
        port=port,
        health=(f"/app/{binary}", "health"),
        size_budget=megabytes * 10**6,
    )


CATALOGUE: Mapping[str, Service] = {
    service.image: service
    for service in (
        _service("carbide-rest-api", "./api/cmd/api", 8388),
        _service("carbide-rest-db", "./db/cmd/migrations", None, megabytes=35),
        _service("carbide-rest-ipam", "./ipam/cmd/server", 9090),
        _service("carbide-rest-site-manager", "./site-manager/cmd/sitemgr", 8100),
        _service("carbide-rest-workflow", "./workflow/cmd/workflow", 8899),
        _service("carbide-rest-cert-manager", "./cert-manager/cmd/credsmgr", 8080),
        _service("carbide-site-agent", "./site-agent/cmd/elektra", 8080, megabytes=45),
    )
}
