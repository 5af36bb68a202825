from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.settings import LOCAL_REGISTRY, ConfigError, load_settings
from carbide_infra.stack.stack_file import (
    ANY_REGISTRY,
    is_development,
    keys_in_stack_file,
    project_name,
    read_stack_file,
    require_quoted,
)


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
        "serviceOverrides": {"carbide-rest-api": {"port": 1}},
    }


def test_encrypted_keys_are_among_the_keys(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(
        "config:\n  carbide-infra:goVersion: 1.30\n  carbide-infra:gitcreds:\n    secure: v1:abc\n  other:key: value\n"
    )
    assert keys_in_stack_file(tmp_path, "prod") == {"goVersion", "gitcreds"}
    assert keys_in_stack_file(tmp_path, "none") == frozenset()


def test_a_map_with_more_than_a_secret_is_no_encrypted_value(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  carbide-infra:a: {secure: x, port: 1}\n")
    assert read_stack_file(tmp_path, "prod") == {"a": {"secure": "x", "port": 1}}


def test_a_project_of_another_name_has_its_own_keys(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: theirs\nruntime: python\n")
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text("config:\n  theirs:source: ..\n  carbide-infra:source: elsewhere\n")
    assert read_stack_file(tmp_path, "prod") == {"source": ".."}
    file.write_text("config:\n  carbide-infra:version: 1.40\n")
    require_quoted(tmp_path, "prod")
    file.write_text("config:\n  theirs:version: 1.40\n")
    with pytest.raises(ConfigError, match=r"version = 1\.40: is a number to YAML"):
        require_quoted(tmp_path, "prod")


@pytest.mark.parametrize("text", ["", "[]", "name", "runtime: python\n", ": : :"])
def test_a_project_without_a_name_is_taken_for_this_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    assert project_name(tmp_path) == "carbide-infra"


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


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1.40", "a number"),
        ("5000", "a number"),
        ("007", "a number"),
        ("1e3", "a number"),
        ("0x1F", "a number"),
        (".5", "a number"),
        ("1:30", "a number"),
        (".inf", "a number"),
        ("true", "true or false"),
        ("2026-11-26", "a date"),
    ],
)
@pytest.mark.parametrize("key", ["version", "goVersion", "registryServer", "builder"])
def test_what_pulumi_would_read_as_a_number_is_to_be_quoted(key: str, value: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.new.yaml").write_text(f"config:\n  carbide-infra:{key}: {value}\n")
    with pytest.raises(ConfigError) as caught:
        require_quoted(tmp_path, "new")
    assert str(caught.value) == f'{key} = {value}: is {kind} to YAML, not text; write it in quotes: "{value}"'


def test_each_value_without_quotes_has_a_line(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.new.yaml").write_text("config:\n  carbide-infra:version: 1.4\n  carbide-infra:builder: 7\n")
    with pytest.raises(ConfigError, match=r"^version = 1\.4: .*\nbuilder = 7: [^\n]*$"):
        require_quoted(tmp_path, "new")


@pytest.mark.parametrize("content", ["more:\n  carbide-infra:version: 1.40\n", "config:\n  version: 1.40\n"])
def test_what_is_no_config_of_ours_may_be_a_number(content: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.new.yaml").write_text(content)
    require_quoted(tmp_path, "new")


@pytest.mark.parametrize(
    "entry",
    [
        'version: "1.40"',
        "version: '1.40'",
        "version: 1.4.0",
        "version: 1.4.0-rc1",
        "version:",
        "goVersion: {secure: v1:a}",
        "tagLatest: true",
        "services: [a]",
    ],
)
def test_texts_and_what_is_to_be_none_are_left_alone(entry: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.new.yaml").write_text(f"config:\n  carbide-infra:{entry}\n  other:version: 1.40\n")
    require_quoted(tmp_path, "new")


@pytest.mark.parametrize("content", [None, "config: [", "- a\n", "config: text\n"])
def test_of_a_file_that_cannot_be_read_others_tell(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "Pulumi.new.yaml").write_text(content)
    require_quoted(tmp_path, "new")


@pytest.mark.parametrize(
    ("stack", "is_one"),
    [("dev", True), ("organization/carbide-infra/dev", True), ("prod", False), ("dev/x/prod", False)],
)
def test_the_development_stack_is_known_by_its_name(stack: str, *, is_one: bool) -> None:
    assert is_development(stack) is is_one


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b"config:\n  a:b: c\nencryptionsalt: v1: x\n",
            ":3 cannot be read as YAML: mapping values are not allowed here",
        ),
        (b"config:\n  a:b:\tc\n  a:d: [\n", ":2 cannot be read as YAML: found character '\\t' that cannot start any"),
        (b"- a\n", " is a list, not a map; a good beginning: config:"),
        (b"text\n", " is text, not a map; a good beginning: config:"),
        (b"config: [a]\n", ": config is a list, not a map; a good value below it: carbide-infra:source: .."),
        (b"config:\n  a:b: \xfc\n", " is not a text in UTF-8 (byte 15)"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_sentence(text: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_bytes(text)
    with pytest.raises(SetupError) as raised:
        read_stack_file(tmp_path, "prod")
    assert str(raised.value).startswith(f"{file}{said}")
    assert "\n" not in str(raised.value)
