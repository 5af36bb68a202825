"""Baselines: a state and a stack's file, with nothing left of any secret."""

import json
import re
from typing import Any

import yaml
from typer.testing import CliRunner

from carbide_infra.baseline import without_encryption, without_secrets
from carbide_infra.commands.app import app

SIGNATURE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def secret(value: object) -> dict[str, Any]:
    return {**SIGNATURE, "plaintext": json.dumps(value)}


def test_a_secret_keeps_its_shape_and_loses_its_content() -> None:
    state = {
        "version": 3,
        "deployment": {
            "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:to-try-passphrases-on"}},
            "resources": [
                {
                    "urn": "urn:image",
                    "inputs": {
                        "tags": ["a"],
                        "push": False,
                        "secrets": secret({"gitcreds": "s3cr3t", "goenv": ""}),
                        "registries": [{"address": "nvcr.io", "password": secret("s3cr3t")}],
                    },
                }
            ],
        },
    }
    stripped = without_secrets(state)
    assert "s3cr3t" not in json.dumps(stripped)
    assert "to-try-passphrases-on" not in json.dumps(stripped)
    (resource,) = stripped["deployment"]["resources"]
    assert resource["inputs"] == {
        "tags": ["a"],
        "push": False,
        "secrets": {"gitcreds": "", "goenv": ""},
        "registries": [{"address": "nvcr.io", "password": ""}],
    }


def test_a_stack_s_file_loses_what_is_encrypted_and_nothing_else() -> None:
    text = """\
secretsprovider: awskms://alias/example
encryptedkey: AQID
encryptionsalt: v1:abc
config:
  carbide-infra:goVersion: 1.30
  carbide-infra:platforms: [linux/amd64]
  carbide-infra:registryPassword:
    secure: v1:def
  other:nested:
    list: [{secure: v1:ghi}]
"""
    assert yaml.safe_load(without_encryption(text)) == {
        "config": {"carbide-infra:goVersion": "1.30", "carbide-infra:platforms": ["linux/amd64"]}
    }
    assert yaml.safe_load(without_encryption("")) == {"config": {}}


def test_the_command_is_listed_by_its_name() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert re.search(r"\bbaseline +Preview without credentials", shown)
    below = CliRunner().invoke(app, ["baseline", "--help"]).stdout
    assert all(re.search(rf"\b{verb}\b", below) for verb in ("save", "load"))
