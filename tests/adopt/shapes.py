"""What is known of each shape: what can be built of it here, what that says, and what differs on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.adoptable import SUBFOLDER

NO_PACKAGES = "installs packages, which nobody has here"
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
ROOT_BY_NUMBER = {"User: 0 → 0:0": "root's group is said, too"}
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
        arguments: build arguments that the old one is built with.
        context: what the old one copies from, relative to the source.
    """

    dockerfile: str
    says: str
    purposes: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    context: str = "."


@dataclass(frozen=True)
class Shape:
    """A repository's shape.

    Attributes:
        built: what can be built of it here, by image.
        edited: a file of the source in which a pull request writes something else.
        reached: the images that this reaches.
        not_built: the rest, and why not.
        folder: of the source, in the repository.
        distroless: bases of which the registry has stand-ins, as people mirror bases into a registry of their own.
        only_on_github: what can be built where a stand-in for alpine has a package manager.
        has_version: whether it has a VERSION file, which a person adds otherwise.
        ignores_project: whether a person keeps the project out of the context, as docs/adopting.md says of `COPY . .`.
    """

    built: Mapping[str, Built]
    edited: str
    reached: frozenset[str]
    not_built: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."
    distroless: tuple[str, ...] = ()
    only_on_github: frozenset[str] = frozenset()
    has_version: bool = False
    ignores_project: bool = False

    @property
    def built_on_github(self) -> frozenset[str]:
        """What the workflows can build."""
        return frozenset(self.built) | self.only_on_github


_NINE = "docker/production/Dockerfile.carbide-rest-"
_NINES = made_user("appuser", 1000) | PACKAGES
_STATIC = "gcr.io/distroless/static"
_BY_NAME = {"User: nonroot:nonroot → nonroot": "the base's own group"}
KNOWN: Mapping[str, Shape] = {
    "kept": Shape(
        {"all": Built("docker/all.Dockerfile", "hello dev\n", WHOLE_CONTEXT)},
        "cmd/shell/main.go",
        # Each copies the whole tree.
        frozenset({"all", "shell"}),
        {"fetch": NO_PROBE, "shell": NO_PACKAGES, "web": NO_NODE},
        only_on_github=frozenset({"shell"}),
        ignores_project=True,
    ),
    "nine images": Shape(
        {
            "carbide-rest-api": Built(f"{_NINE}api", "api 1.4.0 []\n", _NINES | DEFAULTS_WRITTEN),
            "carbide-rest-db": Built(f"{_NINE}db", "db 1.4.0 [db init_migrate]\n", _NINES | NONE_OF_THE_BASE),
            "carbide-rest-psm": Built(f"{_NINE}psm", "psm 1.4.0 []\n", _BY_NAME | NONE_OF_THE_BASE),
        },
        "api/cmd/api/main.go",
        frozenset({"carbide-rest-api"}),
        folder=SUBFOLDER,
        distroless=(f"{_STATIC}-debian12:nonroot",),
        has_version=True,
    ),
    "module per service": Shape(
        {
            name: Built(
                f"services/{name}/Dockerfile",
                "hello dev\n",
                ROOT_BY_NUMBER | NONE_OF_THE_BASE,
                context=f"services/{name}",
            )
            for name in ("cart", "mail")
        },
        "services/cart/main.go",
        frozenset({"cart"}),
        distroless=(_STATIC,),
    ),
    "several binaries": Shape(
        {
            "mono": Built(
                "Dockerfile",
                "hello dev\n",
                made_user("svc", 1001) | NONE_OF_THE_BASE,
                ("usr/local/bin/worker", "usr/local/bin/cron"),
            ),
            "admin": Built("Dockerfile.admin", "hello dev\n", NONE_OF_THE_BASE, ("bin/reset",)),
        },
        "cmd/worker/main.go",
        frozenset({"mono"}),
    ),
    "ko": Shape(
        {"hello": Built("", "hello dev\n")},
        "cmd/hello/main.go",
        frozenset({"hello"}),
        distroless=(f"{_STATIC}:nonroot",),
    ),
    "workspace": Shape(
        {name: Built(f"{name}/Dockerfile", "hello\n", NONE_OF_THE_BASE) for name in ("left", "right")},
        "left/main.go",
        frozenset({"left"}),
    ),
    "bake": Shape(
        {
            name: Built("build/Dockerfile", "hello dev\n", NONE_OF_THE_BASE, arguments={"SERVICE": name})
            for name in ("blue", "red")
        },
        "cmd/blue/main.go",
        frozenset({"blue"}),
        distroless=(f"{_STATIC}:nonroot",),
    ),
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
        "cmd/api/main.go",
        # The latter copies the whole tree.
        frozenset({"shop-api", "shop-backup"}),
        {"shop-backup": NO_PACKAGES},
        only_on_github=frozenset({"shop-backup"}),
        has_version=True,
        ignores_project=True,
    ),
}
