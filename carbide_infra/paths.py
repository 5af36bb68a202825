"""Where the project, its local state, the machine-wide cache and the machine's certificates live."""

import os
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.errors import SetupError

SYSTEM_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)
"""Where distributions keep the certificates that a machine trusts."""


def project_root() -> Path:
    """Give the project that a command is run in: the current folder, or the nearest one above, with Pulumi.yaml.

    Raises:
        SetupError: there is none.
    """
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / "Pulumi.yaml").is_file()), None)
    if root is None:
        message = f"No Pulumi.yaml in {here}, nor in a folder above: run this command from a checkout of the project."
        raise SetupError(message)
    return root


def state_dir(root: Path) -> Path:
    """Give the folder for what one checkout keeps between runs; git ignores it."""
    return root / ".local"


def cache_dir() -> Path:
    """Give the folder for what all checkouts of one user share, and can make again."""
    if chosen := os.environ.get("CARBIDE_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    # The XDG specification says to ignore a relative path.
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "carbide-infra"


def trusted_bundle(environment: Mapping[str, str]) -> Path | None:
    """Give the file of the certificates that are trusted here: the one that is named, else the machine's."""
    named = environment.get("SSL_CERT_FILE")
    return next((file for file in (*([Path(named)] if named else ()), *SYSTEM_BUNDLES) if file.is_file()), None)
