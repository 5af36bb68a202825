"""Baselines: a state and a stack's file, with nothing left of any secret."""

import json
import re
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from carbide_infra.cli.app import app
from carbide_infra.stack.baseline import without_encryption, without_secrets

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


def test_a_state_without_secrets_stays_as_it_is() -> None:
    state = {
        "version": 3,
        "deployment": {
            "manifest": {"time": "now", "magic": None},
            "resources": [{"urn": "a", "outputs": {"n": 1, "yes": True, "list": [[{"x": 1.5}]]}}],
            "metadata": {},
        },
    }
    assert without_secrets({**state, "more": "that is not part of a state"}) == state


def test_what_a_secret_holds_is_emptied_at_any_depth() -> None:
    value: dict[str, object] = {"list": ["s3cr3t", {"n": 3, "yes": True}, []], "none": None, "map": {}}
    stripped = without_secrets({"version": 3, "deployment": {"outputs": [[secret(value)], secret("s3cr3t")]}})
    emptied = {"list": ["", {"n": "", "yes": ""}, []], "none": "", "map": {}}
    assert stripped["deployment"] == {"outputs": [[emptied], ""]}


def test_another_special_value_of_the_engine_is_no_secret() -> None:
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "hash": "f", "plaintext": '"a"'}
    state = {"version": 3, "deployment": {"asset": asset}}
    assert without_secrets(state) == state


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


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ({"secure": "v1:a"}, False),
        ([{"secure": "v1:a"}], False),
        (["plain", {"secure": "v1:a"}], False),
        ({"plain": "a", "below": {"secure": "v1:a"}}, False),
        ({"below": [[{"secure": "v1:a"}]]}, False),
        ({"secure": "yes", "more": "than a ciphertext"}, True),
        (["secure"], True),
        ("secure", True),
        ([], True),
        ({}, True),
    ],
)
def test_a_value_goes_if_anything_in_it_is_encrypted(value: object, stays: bool) -> None:  # noqa: FBT001
    kept = yaml.safe_load(without_encryption(yaml.safe_dump({"config": {"a:key": value, "a:other": "größe"}})))
    assert kept == {"config": {**({"a:key": value} if stays else {}), "a:other": "größe"}}


def test_a_stack_s_file_keeps_what_is_not_config() -> None:
    assert yaml.safe_load(without_encryption("environment: [a/b]\nconfig:\n")) == {
        "environment": ["a/b"],
        "config": {},
    }
    assert "größe" in without_encryption("config: {a:b: größe}")


def test_the_command_is_listed_by_its_name() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert re.search(r"\bbaseline +Preview without credentials", shown)
    below = CliRunner().invoke(app, ["baseline", "--help"]).stdout
    assert all(re.search(rf"\b{verb}\b", below) for verb in ("save", "load"))
