"""The environment: variables that make plain `pulumi` work in a checkout."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.settings import LOCAL_REGISTRY
from carbide_infra.stack.builder import VARIABLE, chosen_builder
from carbide_infra.stack.passphrase import FILE, PUBLISHED, VALUE, passphrase_file, require_own_passphrase
from carbide_infra.stack.stack_file import is_development, read_stack_file
from carbide_infra.state_files import make_private, read_json
from devenv.certificates import ensure_bundle
from devenv.chosen_builder import users_buildx, with_choice_of_its_own
from devenv.passphrase import ensure_passphrase
from devenv.registry_login import with_login, without_login
from devenv.salt import ensure_salt
from devenv.toolchain import Tools

# Names the checkout whose variables a shell has, so that another checkout does not take them for the user's.
OWNER = "CARBIDE_ENVIRONMENT_OF"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NO_PROXIES = ("NO_PROXY", "no_proxy")
_EXPORTED = (
    "PATH",
    "PULUMI_HOME",
    "PULUMI_BACKEND_URL",
    "PULUMI_SKIP_UPDATE_CHECK",
    "PULUMI_CONTINUE_ON_ERROR",
    "PULUMI_OPTION_NO_DEPENDENCIES",
    "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
    FILE,
    "BUILDX_CONFIG",
    "SSL_CERT_FILE",
    "DOCKER_CONFIG",
    *NO_PROXIES,
    OWNER,
)
_INSIDE_THE_STATE = frozenset(
    {"PULUMI_HOME", "PULUMI_BACKEND_URL", "BUILDX_CONFIG", "DOCKER_CONFIG", "SSL_CERT_FILE", FILE}
)
_FOR_DAEMONS = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_DIR", "SSL_CERT_FILE", *PROXIES, *NO_PROXIES)


def child_environment(root: Path, tools: Tools | None, stack: str) -> dict[str, str]:
    """Give the whole environment that commands run in: the shell's own, and what this checkout adds.

    Args:
        root: the project.
        tools: None where they are not built yet.
        stack: the one that commands run on.
    """
    environment = without_login(without_other_checkout(os.environ, root), root)
    state = make_private(state_dir(root))
    backend = make_private(state / "state")
    if not os.environ.get("CARBIDE_CACHE_DIR"):
        # A folder that the user names may serve others, too.
        make_private(cache_dir())
    environment.setdefault("PULUMI_HOME", str(_pulumi_home(state)))
    environment.setdefault("PULUMI_BACKEND_URL", f"file://{backend}")
    environment = _with_builders(environment, root, stack)
    # Without it the first image that fails stops the others, and all outputs are shown as going.
    environment.setdefault("PULUMI_CONTINUE_ON_ERROR", "true")
    # pulumi-docker is for examples/deployment alone; looking for its plugin takes longer than a whole preview.
    # What another project lacks is still got by `pulumi install`.
    environment.setdefault("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    # A checkout that git has put back has no salt in its stack's file, and the one in the state is the right one.
    environment.setdefault("PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER", "true")
    environment = _with_passphrase(environment, root, stack)
    server = read_json(state / "registry.json")
    if is_local(root, stack) and server:
        environment = with_login(environment, root, f"{server.get('host')}:{server.get('port')}")
    return (
        environment
        | _no_proxy(environment, read_json(state / "registry.json").get("host"))
        | {
            "PATH": _path(
                environment.get("PATH", os.defpath),
                root / ".venv" / "bin",
                *([tools.bin_dir] if tools else []),
                *_own_packages(root),
            ),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # `pulumi install` would make a virtual environment of the example's own folder: our language host
            # knows nothing of the one that Pulumi.yaml names, and this shell has the packages.
            "PULUMI_OPTION_NO_DEPENDENCIES": "true",
            "SSL_CERT_FILE": str(ensure_bundle(root)),
            OWNER: str(root),
        }
    )


def _with_passphrase(environment: Mapping[str, str], root: Path, stack: str) -> dict[str, str]:
    """Give the development stack this checkout's passphrase, and no other stack that one.

    Raises:
        SetupError: another stack would be opened with a passphrase that everybody knows.
    """
    # Not the user's choice, but left in this shell by `make env`.
    ours = (FILE, str(passphrase_file(root))), *(((VALUE, PUBLISHED),) if is_development(stack) else ())
    found = {name: value for name, value in environment.items() if (name, value) not in ours}
    require_own_passphrase(stack, found, root)
    if is_development(stack) and not {VALUE, FILE} & found.keys():
        passphrase = ensure_passphrase(root)
        ensure_salt(root, passphrase)
        found[FILE] = str(passphrase)
    return found


def _pulumi_home(state: Path) -> Path:
    """Keep the CLI's automatic debug log out of a home of our own.

    It has no switch, takes a seventh of a preview, and fills up to 500 MB. The CLI works without
    it where its folder cannot be made; `pulumi -v=9 --logtostderr` still tells everything.
    """
    home = state / "pulumi-home"
    make_private(home)
    logs = home / "logs"
    if logs.is_dir():
        shutil.rmtree(logs)
    logs.touch()
    return home


def brought_builder(root: Path, stack: str) -> str | None:
    """Name the builder of the machine's that a stack builds on; None where one of ours is needed."""
    values = read_stack_file(root, stack)
    server = str(values.get("registryServer", LOCAL_REGISTRY))
    # The local registry is behind a certificate that only our own builder knows.
    return None if server == LOCAL_REGISTRY else chosen_builder(values.get("builder"), server, os.environ)


def _with_builders(environment: Mapping[str, str], root: Path, stack: str) -> dict[str, str]:
    """Let buildx find the builder that a stack builds on, and no other be its current one."""
    found = dict(environment)
    if brought_builder(root, stack) is None:
        found.pop(VARIABLE, None)
        found["BUILDX_CONFIG"] = str(buildx_config(root))
        return found
    return with_choice_of_its_own(found, root)


def is_local(root: Path, stack: str) -> bool:
    """Tell whether a stack's images go to the registry of this checkout."""
    return bool(read_stack_file(root, stack).get("registryServer", LOCAL_REGISTRY) == LOCAL_REGISTRY)


def buildx_config(root: Path) -> Path:
    """Name the folder where buildx keeps its builders: the user's choice, else the checkout's."""
    chosen = users_buildx(without_other_checkout(os.environ, root), root)
    return Path(chosen) if chosen else state_dir(root) / "buildx"


def daemon_environment(environment: Mapping[str, str], host: str | None = None) -> dict[str, str]:
    """Pick what a daemon needs: it outlives the shell, so it gets none of the secrets there."""
    picked = {name: environment[name] for name in _FOR_DAEMONS if name in environment}
    return picked | _no_proxy(picked, host)


def export_lines(environment: Mapping[str, str]) -> str:
    """Write what this checkout adds as lines for a shell; secrets are in none of them."""
    added = {name: environment[name] for name in _EXPORTED if name in environment}
    gone = [name for name in (VALUE, FILE, "DOCKER_CONFIG") if name in os.environ and name not in environment]
    lines = [f"unset {name}\n" for name in gone]
    return "".join([*lines, *(f"export {name}={_quoted(value)}\n" for name, value in added.items())])


def github_lines(environment: Mapping[str, str]) -> str:
    """Write the same for the file by which a workflow's step sets variables for the next ones."""
    added = {name: environment[name] for name in _EXPORTED if name in environment}
    return "".join(f"{name}={value}\n" for name, value in added.items() if "\n" not in value)


def _quoted(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _path(old: str, *first: Path) -> str:
    names = [str(folder) for folder in first]
    return os.pathsep.join([*names, *(name for name in old.split(os.pathsep) if name not in names)])


def _own_packages(root: Path) -> list[Path]:
    """The commands of this kit's own packages, for a project elsewhere that has installed none."""
    return [] if (root / ".venv").is_dir() else [Path(sys.prefix) / "bin"]


def _no_proxy(environment: Mapping[str, str], host: str | None) -> dict[str, str]:
    """Keep a proxy for the internet away from the registry on this machine."""
    if not host or not any(environment.get(name) for name in PROXIES):
        return {}
    hosts = next((environment[name] for name in NO_PROXIES if environment.get(name)), "")
    with_ours = ",".join(dict.fromkeys([*filter(None, hosts.split(",")), host]))
    return dict.fromkeys(NO_PROXIES, with_ours)


def without_other_checkout(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Give the variables that are the user's, and not those of another checkout's shell."""
    owner = environment.get(OWNER, "")
    if not owner or Path(owner) == root:
        return dict(environment)
    theirs = str(state_dir(Path(owner)))
    return {name: value for name, value in environment.items() if name not in _INSIDE_THE_STATE or theirs not in value}
