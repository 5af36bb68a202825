"""Make the Python environment: make_environment.py <venv> <requirements>. It needs nothing but Python.

uv does it from a cache in the user's cache folder, where pip would unpack everything for each checkout anew; pip brings
uv, once for all checkouts, and tells it its own settings of indexes, certificates and proxies.
"""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# pip's settings, and uv's variables of the same meaning.
VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
RUNTIME_ONLY = "CARBIDE_RUNTIME_ONLY"
"""Where it is 1, nothing is installed that only checks or tests."""
# The project's own command, carbide-infra. The modules of both distributions are then there: they are in one folder.
EDITABLE = ("--no-index", "--no-deps", "--no-build-isolation", "--editable", ".")

# What runs from the checkout itself.
OWN_PACKAGES = ("carbide_infra", "devenv")


def lines_of(package: str, requirements: str) -> str:
    """Cut one package and its hashes out of locked requirements."""
    found = re.search(rf"^{re.escape(package)}==.*(?:\n[ \t].*)*", requirements, re.MULTILINE)
    if found is None:
        message = f"{package} is not in the locked requirements"
        raise ValueError(message)
    return found[0] + "\n"


def uv_variables(listing: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Say in uv's variables what `pip config list` says; what the shell itself tells uv goes first."""
    # Hashes are locked, so it does not matter which index has the file.
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for line in listing:
        name, _, value = line.partition("=")
        # Of "global.cert", "install.cert" and ":env:.cert" the later ones win, as with pip.
        if variable := VARIABLES.get(name.rpartition(".")[2]):
            separator = "," if variable == "UV_FIND_LINKS" else " "
            variables[variable] = separator.join(value.strip("'").replace("\\n", " ").split())
    return variables | {name: environment[name] for name in variables if name in environment}


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Give the folder that carbide_infra.paths gives, which cannot be imported yet."""
    if chosen := environment.get("CARBIDE_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    shared = Path(environment.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "carbide-infra"


def environment_of_uv(requirements: Path) -> Path:
    """Give an environment with uv as it is locked, and pip, made where this user has none yet."""
    lines = lines_of("uv", requirements.read_text(encoding="utf-8"))
    # An environment does without its own Python no longer than that is there, and the same.
    key = hashlib.sha256(f"{lines}\0{sys.version}\0{sys.base_prefix}".encode()).hexdigest()[:12]
    folder = cache_dir(os.environ) / f"uv-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            (folder / "uv.txt").write_text(lines, encoding="utf-8")
            run(sys.executable, "-m", "venv", "--clear", folder / "venv")
            run(*pip(folder / "venv"), "install", "--require-hashes", "--no-deps", "-r", folder / "uv.txt")
            (folder / "complete").touch()
    return folder / "venv"


def pip(venv: Path) -> tuple[str | Path, ...]:
    """Give the command that is an environment's pip."""
    return (venv / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check")


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Give what a command prints; raise CalledProcessError, with what it said, where it fails."""
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def install(venv: Path, requirements: Path, packages: Path) -> None:
    """Make the environment anew, with uv as the one lock has it; raise OSError or CalledProcessError."""
    ours = environment_of_uv(requirements)
    environment = {"UV_CACHE_DIR": str(cache_dir(os.environ) / "uv-packages")} | os.environ
    environment |= uv_variables(run(*pip(ours), "config", "list").splitlines(), environment)
    uv = (ours / "bin/uv", "--quiet")
    run(*uv, "venv", "--clear", "--python", sys.executable, venv, environment=environment)
    into = (*uv, "pip", "install", "--python", venv / "bin/python")
    # Python itself compiles what it needs, a tenth of all. Where it may not keep that, each start would do it again.
    keeps = not os.environ.get("PYTHONDONTWRITEBYTECODE")
    compiling = () if keeps else ("--compile-bytecode",)
    run(*into, "--require-hashes", *compiling, "-r", packages, environment=environment)
    run(*into, *EDITABLE, environment=environment)
    if not keeps:
        run(venv / "bin/python", "-m", "compileall", "-q", *OWN_PACKAGES)


def wanted(requirements: Path, environment: Mapping[str, str]) -> Path:
    """Give the lock of what is to be installed: all, or what runs, for a job with credentials."""
    is_less = environment.get(RUNTIME_ONLY) == "1"
    return requirements.with_name(f"{requirements.stem}-runtime.txt") if is_less else requirements


def main(venv: Path, requirements: Path) -> int:
    """Give the exit code."""
    try:
        install(venv, requirements, wanted(requirements, os.environ))
    except (subprocess.CalledProcessError, OSError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
