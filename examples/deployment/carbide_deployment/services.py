"""The services that run, and what each of them needs; ports, users and health commands come with the images."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MIGRATION = "carbide-rest-db"
"""The job that brings the database to the newest schema."""


@dataclass(frozen=True)
class Service:
    """One long-running service.

    Attributes:
        image: the image's name, which is also its host name in the network.
        calls: environment variables that get another service's URL, by that service's image.
        uses_database: it gets the DB_… variables, and starts after the migration.
        reads_certificates: it gets the volume with the certificates.
        is_published: it listens on an address of the host, too.
    """

    image: str
    calls: Mapping[str, str] = field(default_factory=dict)
    uses_database: bool = False
    reads_certificates: bool = False
    is_published: bool = False


SERVICES = (
    Service("carbide-rest-api", uses_database=True, is_published=True),
    Service("carbide-rest-ipam"),
    Service("carbide-rest-site-manager"),
    Service("carbide-rest-workflow", calls={"WORKFLOW_API_URL": "carbide-rest-api"}, reads_certificates=True),
    Service("carbide-rest-cert-manager", reads_certificates=True),
    Service("carbide-site-agent", reads_certificates=True),
)
