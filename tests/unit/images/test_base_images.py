"""Base images by digest: what a key is made of, what the user is told, and what stops an update."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from carbide_infra.catalogue.model import KeptDockerfile
from carbide_infra.images.base_images import Resolved, key_of, references_of, resolved
from carbide_infra.paths import project_root
from carbide_infra.registry.errors import Corrupt, Denied, NotFound, RegistryError, Unreachable
from carbide_infra.registry.told import Told, why_unknown
from carbide_infra.settings import ConfigError, load_settings, selected_images

NEW, OLD = (f"sha256:{digit * 64}" for digit in "ea")
PINNED = f"alpine:3.22@{OLD}"
GONE = NotFound("docker.io: library/alpine/manifests/3.99 is not there: unknown")
REFUSED = Denied("ghcr.io: does not let us at my/base/manifests/1 (401): no; check registryUsername")
SILENT = Unreachable("registry-1.docker.io: does not answer in time; check the network")
TOOLS = {"image": "tools.test/probe:1", "from": "/probe", "to": "/app/probe"}


def asked(answers: Mapping[str, Told]) -> tuple[list[str], Callable[[list[str]], Mapping[str, Told]]]:
    """What is asked for, and who answers: as given, else with the new digest."""
    names: list[str] = []

    def look_up(references: list[str]) -> Mapping[str, Told]:
        names.extend(references)
        return {text: answers.get(text, Told(NEW)) for text in references}

    return names, look_up


def found(
    answers: Mapping[str, Told] | None = None,
    *,
    is_update: bool = False,
    stand_ins: Mapping[str, str] | None = None,
    **config: Any,  # noqa: ANN401 - config values
) -> tuple[Resolved, list[str]]:
    settings = load_settings({"registryServer": "nvcr.io", "registryRepository": "org/team"} | config, {})
    names, look_up = asked(answers or {})
    selection = selected_images(settings, project_root())
    return resolved(settings, selection, stand_ins or {}, look_up, is_update=is_update), names


def bases(of: Resolved) -> set[tuple[str, str]]:
    return {(image.builder, image.base) for image in of.selection.images}


@pytest.mark.parametrize("is_update", [True, False])
def test_a_tag_becomes_the_digest_that_it_has(is_update: bool) -> None:  # noqa: FBT001
    images, names = found(is_update=is_update)
    assert bases(images) == {(f"golang:1.25@{NEW}", f"alpine:latest@{NEW}")}
    assert names == ["golang:1.25", "alpine:latest"]
    assert not images.warnings


def test_nobody_is_asked_for_what_is_pinned() -> None:
    images, names = found(runtimeImage=PINNED, builderImage=f"golang:1.25@{OLD}", is_update=True)
    assert bases(images) == {(f"golang:1.25@{OLD}", PINNED)}
    assert names == []


def test_the_image_that_a_file_comes_from_gets_its_digest() -> None:
    overrides = {"carbide-rest-api": {"base": "scratch", "files": [TOOLS], "folders": None, "provides": []}}
    images, names = found(registryServer="local", services=["carbide-rest-api"], serviceOverrides=overrides)
    (image,) = images.selection.images
    assert [file.image for file in image.foreign_files] == [f"tools.test/probe:1@{NEW}"]
    assert (image.base, names) == ("scratch", ["golang:1.25", "tools.test/probe:1"])


def test_the_digest_of_a_stand_in_is_known() -> None:
    images, names = found(registryServer="local", stand_ins={"alpine:latest": OLD, "debian:13": OLD})
    assert bases(images) == {(f"golang:1.25@{NEW}", f"alpine:latest@{OLD}")}
    assert names == ["golang:1.25"]


# ---- Images that keep a Dockerfile of their own.

OWN = KeptDockerfile(
    path="Dockerfile", context=".", target=None, args={}, secrets=(), bases={"BUILD": "gcc:14", "RUN": "debian:13"}
)


def test_of_a_kept_dockerfile_only_arguments_can_get_a_digest() -> None:
    settings = load_settings({"registryServer": "local", "registryRepository": "org/team"}, {})
    selection = selected_images(settings, project_root())
    api, *others = selection.images
    images = tuple(api.model_copy(update={"kept": OWN, "base": base}) for base in ("debian:13", "busybox:1"))
    assert references_of([*images, others[0]]) == ["gcc:14", "debian:13", others[0].builder, others[0].base]
    assert key_of("debian:13", settings, images) == "carbide-rest-api: args.RUN"
    names, look_up = asked({})
    made = resolved(settings, replace(selection, images=images), {}, look_up, is_update=True).selection.images
    assert names == ["gcc:14", "debian:13"]
    assert [image.base for image in made] == [f"debian:13@{NEW}", "busybox:1"]
    assert [image.kept and image.kept.bases for image in made] == [
        {"BUILD": f"gcc:14@{NEW}", "RUN": f"debian:13@{NEW}"}
    ] * 2


# ---- Nobody tells.


def test_without_an_answer_a_preview_takes_what_was_seen_last_and_says_so() -> None:
    images, _ = found({"alpine:latest": Told(OLD, SILENT, "2026-11-20")})
    assert bases(images) == {(f"golang:1.25@{NEW}", f"alpine:latest@{OLD}")}
    (warning,) = images.warnings
    assert warning == (
        "carbide-rest-api: base = alpine:latest: docker.io gives no answer (registry-1.docker.io: does not answer in "
        "time); check the network, or name a mirror with CARBIDE_DOCKERHUB_MIRROR. It is taken as it was seen last, "
        f"on 2026-11-20: {OLD}"
    )


def test_what_was_never_seen_keeps_its_tag_in_a_preview_with_a_warning() -> None:
    images, _ = found({"alpine:latest": Told(None, SILENT)})
    assert bases(images) == {(f"golang:1.25@{NEW}", "alpine:latest")}
    assert "Its tag stands for whatever it gives when an image is built" in images.warnings[0]


@pytest.mark.parametrize("digest", [None, OLD])
def test_an_update_outside_development_stops_where_nobody_tells(digest: str | None) -> None:
    answers = {"alpine:latest": Told(digest, SILENT, "2026-11-20")}
    with pytest.raises(ConfigError, match=r"alpine:latest: docker\.io gives no answer .* make pin-bases$"):
        found(answers, is_update=True)
    images, _ = found(answers, is_update=True, registryServer="local")
    assert len(images.warnings) == 1


@pytest.mark.parametrize("is_update", [True, False])
def test_a_missing_tag_stops_a_preview_too(is_update: bool) -> None:  # noqa: FBT001
    message = "runtimeImage = alpine:3.99: docker.io has no such image; check repository and tag"
    with pytest.raises(ConfigError, match=f"^{message}$"):
        found(
            {"alpine:3.99": Told(None, GONE)}, is_update=is_update, registryServer="local", runtimeImage="alpine:3.99"
        )


def test_a_refused_login_stops_an_update_and_not_a_preview_such_as_a_fork_s() -> None:
    answers = {"ghcr.io/my/base:1": Told(None, REFUSED)}
    images, _ = found(answers, runtimeImage="ghcr.io/my/base:1")
    message = "runtimeImage = ghcr.io/my/base:1: ghcr.io refuses to show it to us "
    assert images.warnings[0].startswith(message)
    assert "docker login ghcr.io or the config key registryLogins" in images.warnings[0]
    for server in ("local", "nvcr.io"):
        with pytest.raises(ConfigError, match=f"^{message}"):
            found(answers, runtimeImage="ghcr.io/my/base:1", registryServer=server, is_update=True)


def test_the_three_reasons_are_three_sentences() -> None:
    told = [why_unknown("base", "docker.io/x/y:1", problem) for problem in (GONE, REFUSED, SILENT)]
    assert len({sentence.partition("docker.io ")[2].split(" ")[0] for sentence in told}) == 3
    assert "CARBIDE_DOCKERHUB_MIRROR" not in why_unknown("base", "ghcr.io/x:1", SILENT)
    assert why_unknown("base", "ghcr.io/x:1", SILENT).endswith("; check the network")
    lie = Corrupt("docker.io: x has the digest y: its bytes were changed; push the image again")
    assert "gives no answer (x has the digest y: its bytes were changed)" in why_unknown("base", "x/y:1", lie)
    assert why_unknown("base", "x/y:1", RegistryError("no words")).endswith(
        "(no words); try again later, or name a mirror with CARBIDE_DOCKERHUB_MIRROR"
    )


def test_an_image_is_named_by_the_key_that_names_it() -> None:
    files = {"carbide-rest-db": {"files": [TOOLS]}}
    config: dict[str, Any] = {"registryServer": "local", "serviceOverrides": files, "builderImage": "my/golang:1"}
    answers = {text: Told(None, SILENT) for text in ("my/golang:1", "alpine:latest", "tools.test/probe:1")}
    warnings = found(answers, **config)[0].warnings
    assert [warning.partition(" = ")[0] for warning in warnings] == [
        "builderImage",
        "carbide-rest-api: base",
        "carbide-rest-db: files",
    ]


# ---- Switched off.


def test_a_stack_may_leave_its_tags_alone_in_development_only() -> None:
    images, names = found(trackBaseImages=False)
    assert bases(images) == {("golang:1.25", "alpine:latest")}
    assert (names, images.warnings) == ([], ())
    images, _ = found(trackBaseImages=False, registryServer="local", is_update=True)
    assert bases(images) == {("golang:1.25", "alpine:latest")}
    message = "carbide-rest-api: builder = golang:1.25: has no digest, and trackBaseImages is false; .*make pin-bases"
    with pytest.raises(ConfigError, match=message):
        found(trackBaseImages=False, is_update=True)
    pinned: dict[str, Any] = {"runtimeImage": PINNED, "builderImage": f"golang:1.25@{OLD}"}
    assert bases(found(trackBaseImages=False, is_update=True, **pinned)[0]) == {(f"golang:1.25@{OLD}", PINNED)}
