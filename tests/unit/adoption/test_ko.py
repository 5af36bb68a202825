"""Images that ko makes of Go main packages."""

import pytest

from carbide_infra.adoption.catalogue_text import entry_data
from carbide_infra.adoption.survey import resolved
from carbide_infra.errors import CommandError
from tests.unit.adoption.conftest import FILES, Look

KO = """
defaultBaseImage: gcr.io/distroless/static:nonroot
builds:
  - id: the-api
    main: ./cmd/api
    env: [CGO_ENABLED=0, GOEXPERIMENT=jsonv2]
    flags: ["-tags=netgo"]
    ldflags:
      - -s -w
      - -X main.version={{ .Env.VERSION }} -X main.commit={{.Git.FullCommit}}
      - -X main.other={{ .Env.OTHER }}
  - main: ./cmd/nothing
"""


def test_a_build_is_an_image(look: Look) -> None:
    found = look({**FILES, ".ko.yaml": KO, "cmd/api/kodata/page.html": "x\n"})
    (image,) = found.images
    (read,) = resolved(found.images)
    assert image.name == "the-api"
    assert entry_data(image) == {
        "binaries": [{"package": "./cmd/api", "path": "/ko-app/api"}],
        "ldflags": ["-s", "-w"],
        "symbols": {"main.version": "version", "main.commit": "revision"},
        "tags": ["netgo"],
        "base": "gcr.io/distroless/static:nonroot",
        "builder": "golang:1.25",
        "user": {"base": "65532"},
        "workdir": None,
        "provides": [],
        "files": [{"from": "cmd/api/kodata", "to": "/var/run/ko"}],
        "environment": {"KO_DATA_PATH": "/var/run/ko"},
    }
    assert read.entrypoint == ("/ko-app/api",)
    assert any("env GOEXPERIMENT=jsonv2 is not taken over" in note for note in found.notes)
    assert any("main.other={{.Env.OTHER}} is left out" in note for note in found.notes)


def test_flags_and_platforms_are_taken_or_told(look: Look) -> None:
    text = KO.replace(
        'flags: ["-tags=netgo"]', 'flags: [-trimpath, -tags, "netgo,osusergo", -gcflags=all=-N -l, -race, -v]'
    )
    found = look({**FILES, ".ko.yaml": f"defaultPlatforms: [linux/amd64, linux/arm/v7]\n{text}"})
    entry = entry_data(found.images[0])
    assert (entry["tags"], entry["gcflags"]) == (["netgo", "osusergo"], ["all=-N", "-l"])
    assert entry["platforms"] == ["linux/amd64"]
    assert any("flag -race is not taken over" in note for note in found.notes)
    assert any("linux/arm/v7 is left out" in note for note in found.notes)
    assert not any("-trimpath" in note or "flag -v" in note for note in found.notes)


@pytest.mark.parametrize("platforms", ["[linux/amd64, linux/arm64]", "[all]", "linux/amd64,linux/arm64"])
def test_the_usual_platforms_are_not_repeated(look: Look, platforms: str) -> None:
    found = look({**FILES, ".ko.yaml": f"defaultPlatforms: {platforms}\n{KO}"})
    assert "platforms" not in entry_data(found.images[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KO.replace("./cmd/nothing", "./cmd/api/..."), ".ko.yaml:12: builds ./cmd/api/..."),
        ("builds:\n- id: a\n  dir: cmd\n  main: nothing\n", ".ko.yaml:2: builds ./cmd/nothing"),
    ],
)
def test_a_build_that_finds_no_main_package_is_told(look: Look, text: str, said: str) -> None:
    found = look({**FILES, ".ko.yaml": text})
    assert f"{said}, which is no main package of the clone; add it by hand" in found.notes


def test_a_value_that_no_catalogue_takes_is_for_a_person(look: Look) -> None:
    found = look({**FILES, ".ko.yaml": KO.replace("nonroot", '"nonroot\\nRUN evil"')})
    assert found.images == ()
    assert any(note.startswith(".ko.yaml: ") and "add it to the catalogue by hand" in note for note in found.notes)


@pytest.mark.parametrize("text", ["a: [", "a: &x 1\nb: *x\n"])
def test_a_broken_file_is_one_sentence(look: Look, text: str) -> None:
    with pytest.raises(CommandError, match=r"^\.ko\.yaml:\d+: cannot be read as YAML .* --skip \.ko\.yaml$"):
        look({**FILES, ".ko.yaml": text})


@pytest.mark.parametrize("text", ["- 1\n", "builds: 5\n", "builds: [1, {main: 7}]\n", "builds: [{main: ../x}]\n"])
def test_what_is_no_build_makes_no_image(look: Look, text: str) -> None:
    assert look({**FILES, ".ko.yaml": text}).images == ()
