"""What is known of each shape: what can be built of it here, what that says, and what differs on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.adoptable import SUBFOLDER

NO_PACKAGES = "installs packages, which nobody has here"
NO_DISTROLESS = "stands on distroless, which nobody has here"
NO_NODE = "stands on node, which nobody has here"
NO_PROBE = "fetches a tool, which nobody has here"

# The table in docs/adopting.md has those that are the product's; the others are the stand-ins'.
_BY_NUMBER = "the same user by number, which Kubernetes can tell from root"
_HOME = "a home folder without the group's bit that BusyBox sets"
PACKAGES = {
    "/usr/share/zoneinfo*: nothing → *": "what a real image has of the package tzdata",
    "/etc/ssl/certs/ca-certificates.crt: nothing → *": "the same of ca-certificates",
}
DEFAULTS_WRITTEN = {"Healthcheck: * → *": "Docker's own defaults, written out"}
NONE_OF_THE_BASE = {"Healthcheck: null → *": "nothing that a later base would bring"}


WHOLE_CONTEXT = {
    "/w/.git: * → nothing": "a context never has it",
    "/w/.git/*: * → nothing": "a context never has it",
    "/go/pkg*: * → nothing": "what Go keeps of the tags that it looks for in .git",
    "/root/.cache/go-build/*: * → *": "what Go compiled, by names that follow from the same",
    "/w/images*: nothing → *": "the project itself, where a Dockerfile copies the whole tree",
    "/w/.github*: nothing → *": "the same of its workflow",
}


def made_user(name: str, number: int) -> dict[str, str]:
    """How an image of the catalogue names the user that it makes."""
    return {f"User: {name} → {number}:{number}": _BY_NUMBER, f"/home/{name}: 2755 * → 0755 *": _HOME}


@dataclass(frozen=True)
class Built:
    """An image that can be built here.

    Attributes:
        dockerfile: the old one, relative to the source.
        says: what is printed by its entry point.
        purposes: how it differs from the old image, by pattern, and why.
        beside: other binaries that it has.
    """

    dockerfile: str
    says: str
    purposes: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """A repository's shape.

    Attributes:
        built: what can be built of it here, by image.
        not_built: the rest, and why not.
        folder: of the source, in the repository.
        edited: a file of the source in which a pull request writes something else, and of which image.
    """

    built: Mapping[str, Built]
    not_built: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."
    edited: tuple[str, str] | None = None


_NINE = "docker/production/Dockerfile.carbide-rest-"
_NINES = made_user("appuser", 1000) | PACKAGES
KNOWN: Mapping[str, Shape] = {
    "kept": Shape(
        {"all": Built("docker/all.Dockerfile", "hello dev\n", WHOLE_CONTEXT)},
        {"fetch": NO_PROBE, "shell": NO_PACKAGES, "web": NO_NODE},
    ),
    "nine images": Shape(
        {
            "carbide-rest-api": Built(f"{_NINE}api", "api 1.4.0 []\n", _NINES | DEFAULTS_WRITTEN),
            "carbide-rest-db": Built(f"{_NINE}db", "db 1.4.0 [db init_migrate]\n", _NINES | NONE_OF_THE_BASE),
        },
        {"carbide-rest-psm": NO_DISTROLESS},
        SUBFOLDER,
        ("api/cmd/api/main.go", "carbide-rest-api"),
    ),
    "module per service": Shape({}, {"cart": NO_DISTROLESS, "mail": NO_DISTROLESS}),
    "several binaries": Shape(
        {
            "mono": Built(
                "Dockerfile",
                "hello dev\n",
                made_user("svc", 1001) | NONE_OF_THE_BASE,
                ("usr/local/bin/worker", "usr/local/bin/cron"),
            ),
            "admin": Built("Dockerfile.admin", "hello dev\n", NONE_OF_THE_BASE, ("bin/reset",)),
        }
    ),
    "ko": Shape({}, {"hello": NO_DISTROLESS}),
    "workspace": Shape({name: Built(f"{name}/Dockerfile", "hello\n", NONE_OF_THE_BASE) for name in ("left", "right")}),
    "bake": Shape({}, {"blue": NO_DISTROLESS, "red": NO_DISTROLESS}),
    "shop": Shape(
        {
            "shop-api": Built(
                "docker/Dockerfile.shop-api", "api 1.4.0\n", made_user("shop", 10001) | PACKAGES | DEFAULTS_WRITTEN
            ),
            "shop-migrations": Built(
                "docker/Dockerfile.shop-migrations",
                "migrate 1.4.0\n",
                made_user("shop", 10001) | PACKAGES | NONE_OF_THE_BASE,
            ),
        },
        {"shop-backup": NO_PACKAGES},
    ),
}
