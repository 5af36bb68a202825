"""A catalogue's file in a newer version of the language."""

import pytest

from carbide_infra.catalogue.migration import migrated
from carbide_infra.catalogue.problems import CatalogueError

PLAIN = "# Ours.\n\n# All of them.\nimages:\n  a: {package: ./a} # the first\n"


def test_a_file_of_this_version_stays_as_it_is() -> None:
    text = f"# Before.\nschemaVersion: 1 # said\n{PLAIN}"
    assert migrated(text, "f") == text


def test_a_file_that_names_no_version_gets_the_line_and_keeps_the_rest() -> None:
    assert migrated(PLAIN, "f") == PLAIN.replace("images:", "schemaVersion: 1\nimages:")
    assert migrated("a: 1\r\n", "f") == "schemaVersion: 1\na: 1\r\n"


def test_an_older_file_goes_through_every_step() -> None:
    steps = {1: lambda text: text.replace("package", "main"), 2: lambda text: f"{text}# seen\n"}
    text = migrated(f"schemaVersion: 1\n{PLAIN}", "f", steps, 3)
    assert text == f"schemaVersion: 3\n{PLAIN.replace('package', 'main')}# seen\n"
    assert migrated(text, "f", steps, 3) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("schemaVersion: 2\nnovel: {}\n", "f: schemaVersion = 2: is for a newer carbide-infra"),
        ("schemaVersion: soon\n", "schemaVersion = soon: is not the version"),
        ("schemaVersion: true\n", "is not the version"),
        ("schemaVersion: 0\n", "is not the version"),
        ("- a\n", "is not the version"),
        ("a: [\n", "f:2: cannot be read as YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        migrated(text, "f")
