"""Image references of a catalogue file, replaced in place."""

from carbide_infra.catalogue.pins import references, replaced
from tests.unit.catalogue.samples import DIGEST

TEXT = """\
# The catalogue.
schemaVersion: 1
defaults:
  base: alpine:3.22   # the base
  builder: "golang:1.25"
images:
  a:
    package: ./a
    title: alpine:3.22
    labels: {base: alpine:3.22}
    files:
      - {image: example.com/cli:1, from: /x, to: /x}
      - {from: builder, to: /builder}
  b: {package: ./b, base: 'alpine:3.22', builder: golang:1.25@sha256:old}
"""


def test_every_reference_is_found_with_its_line() -> None:
    assert [(found.text, found.line) for found in references(TEXT)] == [
        ("alpine:3.22", 4),
        ("golang:1.25", 5),
        ("example.com/cli:1", 12),
        ("alpine:3.22", 14),
        ("golang:1.25@sha256:old", 14),
    ]


def test_references_are_replaced_and_nothing_else() -> None:
    new = {
        "alpine:3.22": f"alpine:3.22@{DIGEST}",
        "golang:1.25": f"golang:1.25@{DIGEST}",
        "golang:1.25@sha256:old": f"golang:1.25@{DIGEST}",
        "example.com/cli:1": f"example.com/cli:1@{DIGEST}",
    }
    assert (
        replaced(TEXT, new)
        == f"""\
# The catalogue.
schemaVersion: 1
defaults:
  base: alpine:3.22@{DIGEST}   # the base
  builder: "golang:1.25@{DIGEST}"
images:
  a:
    package: ./a
    title: alpine:3.22
    labels: {{base: alpine:3.22}}
    files:
      - {{image: example.com/cli:1@{DIGEST}, from: /x, to: /x}}
      - {{from: builder, to: /builder}}
  b: {{package: ./b, base: 'alpine:3.22@{DIGEST}', builder: golang:1.25@{DIGEST}}}
"""
    )


def test_what_has_no_new_reference_stays() -> None:
    assert replaced(TEXT, {"debian": "x"}) == TEXT
