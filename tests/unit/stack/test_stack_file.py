from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.settings import LOCAL_REGISTRY, load_settings
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file


def test_plain_values_are_read_and_encrypted_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(
        "config:\n"
        "  carbide-infra:goVersion: 1.30\n"
        "  carbide-infra:platforms: [linux/amd64]\n"
        "  carbide-infra:registryPassword:\n"
        "    secure: v1:abc\n"
        "  carbide-infra:serviceOverrides: {carbide-rest-api: {port: 1}}\n"
        "  other:key: value\n"
    )
    assert read_stack_file(tmp_path, "prod") == {
        "goVersion": "1.30",
        "platforms": ["linux/amd64"],
        "serviceOverrides": {"carbide-rest-api": {"port": "1"}},
    }


def test_a_stack_that_names_no_registry_yet_is_a_development_stack() -> None:
    assert load_settings(ANY_REGISTRY, {}).registry_server == LOCAL_REGISTRY


@pytest.mark.parametrize("content", [None, "", "encryptionsalt: x\n"])
def test_a_stack_without_configuration_has_none(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "Pulumi.new.yaml").write_text(content)
    assert read_stack_file(tmp_path, "new") == {}


@pytest.mark.parametrize("content", ["config: [", "- a\n", "config: text\n"])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.bad.yaml").write_text(content)
    with pytest.raises(SetupError, match=r"Pulumi\.bad\.yaml"):
        read_stack_file(tmp_path, "bad")
