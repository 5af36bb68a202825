"""The environment: variables that make plain `pulumi` work in a checkout."""

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.settings import LOCAL_REGISTRY
from carbide_infra.stack.stack_file import DEV_STACK, read_stack_file
from carbide_infra.state_files import make_private, read_json
from devenv.certificates import ensure_bundle
from devenv.toolchain import Tools

# Of the development stack: its registry has no password.
DEV_PASSPHRASE = "carbide-dev"  # noqa: S105
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
    "BUILDX_CONFIG",
    "SSL_CERT_FILE",
    *NO_PROXIES,
    OWNER,
)
_INSIDE_THE_STATE = frozenset({"PULUMI_HOME", "PULUMI_BACKEND_URL", "BUILDX_CONFIG", "SSL_CERT_FILE"})
_FOR_DAEMONS = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_DIR", "SSL_CERT_FILE", *PROXIES, *NO_PROXIES)


def child_environment(root: Path, tools: Tools | None, stack: str) -> dict[str, str]:
    """Give the whole environment that commands run in: the shell's own, and what this checkout adds.

    Args:
        root: the project.
        tools: None where they are not built yet.
        stack: the one that commands run on.
    """
    environment = _without_other_checkout(os.environ, root)
    state = make_private(state_dir(root))
    backend = make_private(state / "state")
    if not os.environ.get("CARBIDE_CACHE_DIR"):
        # A folder that the user names may serve others, too.
        make_private(cache_dir())
    environment.setdefault("PULUMI_HOME", str(_pulumi_home(state)))
    environment.setdefault("PULUMI_BACKEND_URL", f"file://{backend}")
    environment.setdefault(
        "BUILDX_CONFIG", str(_docker_config() / "buildx" if brings_builder(root, stack) else state / "buildx")
    )
    # Without it the first image that fails stops the others, and all outputs are shown as going.
    environment.setdefault("PULUMI_CONTINUE_ON_ERROR", "true")
    # pulumi-docker is for examples/deployment alone; looking for its plugin takes longer than a whole preview.
    environment.setdefault("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    if stack == DEV_STACK and not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & environment.keys():
        environment["PULUMI_CONFIG_PASSPHRASE"] = DEV_PASSPHRASE
    return (
        environment
        | _no_proxy(environment, read_json(state / "registry.json").get("host"))
        | {
            "PATH": _path(
                environment.get("PATH", os.defpath), root / ".venv" / "bin", *([tools.bin_dir] if tools else [])
            ),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "SSL_CERT_FILE": str(ensure_bundle(root)),
            OWNER: str(root),
        }
    )


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


def brings_builder(root: Path, stack: str) -> bool:
    """Tell whether BUILDX_BUILDER names the builder to use, so that none of ours is needed.

    The local registry is behind a certificate that only our own builder knows.
    """
    is_local = read_stack_file(root, stack).get("registryServer", LOCAL_REGISTRY) == LOCAL_REGISTRY
    return bool(os.environ.get("BUILDX_BUILDER")) and not is_local


def _docker_config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()


def buildx_config(root: Path) -> Path:
    """Name the folder where buildx keeps its builders: the user's choice, else the checkout's."""
    chosen = _without_other_checkout(os.environ, root).get("BUILDX_CONFIG")
    return Path(chosen) if chosen else state_dir(root) / "buildx"


def daemon_environment(environment: Mapping[str, str], host: str | None = None) -> dict[str, str]:
    """Pick what a daemon needs: it outlives the shell, so it gets none of the secrets there."""
    picked = {name: environment[name] for name in _FOR_DAEMONS if name in environment}
    return picked | _no_proxy(picked, host)


def export_lines(environment: Mapping[str, str]) -> str:
    """Write what this checkout adds as lines for a shell; secrets of the user's own stay unprinted."""
    added = {name: environment[name] for name in _EXPORTED if name in environment}
    if environment.get("PULUMI_CONFIG_PASSPHRASE") == DEV_PASSPHRASE:
        added["PULUMI_CONFIG_PASSPHRASE"] = DEV_PASSPHRASE
    return "".join(f"export {name}={_quoted(value)}\n" for name, value in added.items())


def _quoted(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _path(old: str, *first: Path) -> str:
    names = [str(folder) for folder in first]
    return os.pathsep.join([*names, *(name for name in old.split(os.pathsep) if name not in names)])


def _no_proxy(environment: Mapping[str, str], host: str | None) -> dict[str, str]:
    """Keep a proxy for the internet away from the registry on this machine."""
    if not host or not any(environment.get(name) for name in PROXIES):
        return {}
    hosts = next((environment[name] for name in NO_PROXIES if environment.get(name)), "")
    with_ours = ",".join(dict.fromkeys([*filter(None, hosts.split(",")), host]))
    return dict.fromkeys(NO_PROXIES, with_ours)


def _without_other_checkout(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    owner = environment.get(OWNER, "")
    if not owner or Path(owner) == root:
        return dict(environment)
    theirs = str(state_dir(Path(owner)))
    return {name: value for name, value in environment.items() if name not in _INSIDE_THE_STATE or theirs not in value}
