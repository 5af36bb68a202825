from pathlib import Path
from typing import Any

import certifi
import pytest

from carbide_infra import build_secrets as build_secrets_module
from carbide_infra.build_secrets import SECRET_IDS, build_secrets
from carbide_infra.settings import ConfigError, load_settings

PRIVATE = "-----BEGIN CERTIFICATE-----\nUFJJVkFURQ==\n-----END CERTIFICATE-----"


def secrets(environment: dict[str, str] | None = None, **config: Any) -> dict[str, str]:  # noqa: ANN401 - config values
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team"} | config
    return build_secrets(load_settings(values, {}), environment or {"SSL_CERT_FILE": certifi.where()})


def test_every_secret_is_always_there() -> None:
    assert secrets() == dict.fromkeys(SECRET_IDS, "")


def test_a_private_ca_of_the_machine_is_handed_over_alone(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text() + PRIVATE)
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == PRIVATE + "\n"


def test_a_public_ca_that_the_distribution_still_has_is_not_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = PRIVATE.replace("UFJJVkFURQ", "RFJPUFBFRA")
    distributed = tmp_path / "ca-certificates/mozilla/Dropped.crt"
    distributed.parent.mkdir(parents=True)
    distributed.write_text(dropped)
    monkeypatch.setattr(build_secrets_module, "_DISTRIBUTED", (str(tmp_path / "ca-certificates"), "/nonexistent"))
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"{dropped}\n{PRIVATE}\n")
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == PRIVATE + "\n"


def test_the_stack_names_its_own_ca(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(f"a comment\n{PRIVATE}\n")
    assert secrets(extraCaFile=str(file))["extra_ca"] == PRIVATE + "\n"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unusable_ca_file_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"extraCaFile = .*ca\.pem"):
        secrets(extraCaFile=str(file))


def test_go_settings_come_from_the_machine_and_the_stack_wins() -> None:
    environment = {
        "SSL_CERT_FILE": certifi.where(),
        "GOPROXY": "https://machine.invalid",
        "GOPRIVATE": "example.com",
        "HTTPS_PROXY": "http://it's",
        "PATH": "/bin",
    }
    assert secrets(environment, goProxy="https://stack.invalid,direct")["goenv"] == (
        "GOPROXY=https://stack.invalid,direct\nGOPRIVATE=example.com\nHTTPS_PROXY='http://it'\"'\"'s'\n"
    )


def test_gitcreds_are_handed_over_as_they_are() -> None:
    assert secrets(gitcreds="machine x\nlogin y\n")["gitcreds"] == "machine x\nlogin y\n"
