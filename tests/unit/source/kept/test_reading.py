"""What a Dockerfile takes from its context, and what it builds on."""

import pytest

from carbide_infra.source.kept.reading import Reading, parsed, read
from carbide_infra.source.tree import InputError


def reading(text: str, *, target: str | None = None, **given: str | None) -> Reading:
    return read(text, "Dockerfile", target, given, "linux/amd64")


def taken(text: str, **given: str | None) -> list[str]:
    found = read(text, "Dockerfile", None, given, "linux/amd64")
    assert not found.whole
    return [each.path for each in found.taken]


@pytest.mark.parametrize(
    ("instruction", "paths"),
    [
        ("COPY a b /x/", ["a", "b"]),
        ("copy a /x", ["a"]),
        ('COPY ["with space", "/x"]', ["with space"]),
        ("COPY --chown=1:1 --link a \\\n  # between\n  b /x/", ["a", "b"]),
        ("ADD a.tar /x", ["a.tar"]),
        ("COPY ./a/./b/../c/ /x", ["a/c"]),
        ("COPY /a /x", ["a"]),
        ("COPY ../../a /x", ["a"]),  # BuildKit's context is a root folder
        ("COPY a/*.go /x/", ["a/*.go"]),
        ("RUN --mount=type=bind,source=a,target=/x true", ["a"]),
        ("RUN --mount=src=a,dst=/x --mount=type=secret,id=s true", ["a"]),
        ("RUN --mount=type=cache,target=/root/.cache --mount=type=tmpfs,target=/t true", []),
        ("COPY <<EOF /x\nCOPY b /y\nEOF\nCOPY a /x", ["a"]),
        ("RUN <<EOF\nCOPY b /y\nEOF", []),
        ("ADD https://example.com/a /x", []),
        ("ADD git@github.com:a/b.git /x", []),
        ("ARG D=a\nCOPY ${D}/b $D /x/", ["a/b", "a"]),
        ("ARG D=a\nARG E=${D}/b\nCOPY $E /x", ["a/b"]),
        ("ENV D=a\nARG D=b\nCOPY $D /x", ["a"]),
        ('ENV D="a" E=b\nCOPY $D/$E /x', ["a/b"]),
        ("ARG D=\nCOPY ${D:-a} ${D:+b}c ${D-d}e /x/", ["a", "c", "e"]),
        ("ARG TARGETARCH\nCOPY a-${TARGETARCH} /x", ["a-amd64"]),
        ("COPY --from=example.com/b:1 a /x", []),
    ],
)
def test_it_takes_what_is_named(instruction: str, paths: list[str]) -> None:
    assert taken(f"FROM scratch\n{instruction}\n") == paths


@pytest.mark.parametrize(
    "instruction",
    [
        "COPY . .",
        "COPY ./ /x",
        "COPY / /x",
        "COPY .. /x",
        "COPY * /x/",
        "ADD . /x",
        "RUN --mount=target=/x true",
        "RUN --mount=type=bind,target=. true",
        "COPY $UNSET /x",
        "ARG D\nCOPY $D /x",
        "ARG D=`a`$E\nCOPY $D /x",
        "ENV D='a'\nCOPY $D /x",
        "COPY ${D#a} /x",
        "COPY ${D:-${E}} /x",
        'COPY "a" /x',
        "COPY a\\ b /x",
        "ONBUILD COPY a /x",
        "COPY --from=$STAGE a /x",
    ],
)
def test_the_whole_context_stands_in_for_what_cannot_be_told(instruction: str) -> None:
    (reason,) = reading(f"FROM scratch\n{instruction}\n").whole
    assert reason.startswith(f"line {len(instruction.splitlines()) + 1} ")


@pytest.mark.parametrize(
    ("syntax", "is_known"),
    [
        ("docker/dockerfile:1", True),
        ("docker/dockerfile:1.7.0", True),
        ("docker.io/docker/dockerfile:1@sha256:" + "a" * 64, True),
        ("docker/dockerfile:1-labs", False),
        ("docker/dockerfile-upstream:1", False),
        ("example.com/docker/dockerfile:1", False),
    ],
)
def test_a_frontend_of_its_own_is_not_read(syntax: str, *, is_known: bool) -> None:
    found = reading(f"# Syntax = {syntax}\nFROM scratch\nCOPY a /x\n")
    assert (not found.whole) == is_known


def test_a_comment_after_the_directives_is_none() -> None:
    assert not reading("# A comment\n# syntax=example.com/x\nFROM scratch\nCOPY a /x\n").whole


def test_another_escape_character_is_not_read() -> None:
    assert reading("# escape=`\nFROM scratch\nCOPY a /x\n").whole


STAGES = """
FROM golang:1.25 AS build
COPY go.mod /src/
FROM build AS Test
COPY testdata /src/
FROM alpine:3.22 AS tools
COPY tools /tools
FROM alpine:3.22
COPY --from=build /bin/x /x
RUN --mount=type=bind,from=2,target=/t true
"""


@pytest.mark.parametrize(
    ("target", "paths"),
    [(None, ["go.mod", "tools"]), ("test", ["go.mod", "testdata"]), ("0", ["go.mod"]), ("tools", ["tools"])],
)
def test_only_stages_that_are_needed_count(target: str | None, paths: list[str]) -> None:
    assert [each.path for each in reading(STAGES, target=target).taken] == paths


def test_where_a_stage_cannot_be_told_all_count() -> None:
    found = reading("ARG B\nFROM scratch AS a\nCOPY a /\nFROM $B\nCOPY b /\n")
    assert found.whole
    assert {each.path for each in found.taken} == {"a", "b"}


def test_a_target_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="has no stage 'final' \\(it has build, test, tools\\)"):
        reading(STAGES, target="final")


def test_what_a_stage_knows_its_children_know() -> None:
    assert taken("FROM scratch AS a\nARG D=x\nENV E=y\nFROM a\nCOPY $D/$E /\n") == ["x/y"]


def test_a_global_argument_is_to_be_declared_in_a_stage() -> None:
    assert taken("ARG D=x\nFROM scratch\nARG D\nCOPY $D /\n") == ["x"]
    assert reading("ARG D=x\nFROM scratch\nCOPY $D /\n").whole


def test_a_given_argument_wins_over_a_default() -> None:
    text = "FROM scratch\nARG D=x\nCOPY $D /\n"
    assert taken(text, D="y") == ["y"]
    assert reading(text, D=None).whole


def test_bases_by_an_argument_are_told_from_those_that_are_fixed() -> None:
    found = reading(
        "ARG BASE=alpine:3.22\nARG GO=1.25\nFROM golang:${GO} AS build\nFROM ${BASE}\n"
        "COPY --from=build /a /a\nCOPY --from=example.com/b:1 /b /b\nRUN --mount=type=cache,from=c:1,target=/c true\n"
    )
    assert found.arguments == {"BASE": "alpine:3.22"}
    assert found.images == {"golang:1.25": 3, "example.com/b:1": 6, "c:1": 7}
    assert found.base == "alpine:3.22"


def test_an_argument_may_name_a_stage() -> None:
    found = reading("ARG WHICH=slim\nFROM alpine:3 AS slim\nCOPY a /\nFROM ${WHICH}\n")
    assert not found.arguments
    assert found.images == {"alpine:3": 2}
    assert [each.path for each in found.taken] == ["a"]


def test_an_argument_with_a_digest_is_left_alone() -> None:
    pinned = f"alpine:3@sha256:{'a' * 64}"
    found = reading("ARG BASE\nFROM $BASE\n", BASE=pinned)
    assert (found.arguments, found.images) == ({}, {pinned: 2})


def test_user_and_labels_are_those_of_the_last_stage_and_what_it_stands_on() -> None:
    found = reading('FROM a AS b\nUSER root\nLABEL one=1 "two"=2\nFROM x\nUSER no\nFROM b\nARG U=5\nUSER ${U}:6\n')
    assert (found.base, found.process.user, found.labels) == ("a", "5:6", {"one", "two"})
    assert reading("FROM a\nUSER $UNSET\n").process.user is None


@pytest.mark.parametrize("text", ["ARG B=Not_Valid:x:y\nFROM $B\n", "FROM https://example.com/a\n", "FROM a#b\n"])
def test_a_base_that_is_no_reference_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"Dockerfile:\d: .* is not a reference of an image"):
        reading(text)


@pytest.mark.parametrize(
    "text",
    [
        'COPY ["a\\n::error::b", "/x"]',
        'COPY ["a\\u001b[2Jb", "/x"]',
        "COPY a\x1b[2Jb $C /x",
        "ARG A=a\x1b\nCOPY $A /x",
        "COPY --from=$A\x1b a /x",
    ],
)
def test_no_control_character_reaches_a_message(text: str) -> None:
    found = reading(f"FROM scratch\n{text}\n")
    assert found.whole
    assert all(reason.isprintable() for reason in found.whole)
    assert all(each.path.isprintable() for each in found.taken)


def test_what_comes_from_elsewhere_without_a_checksum_is_told() -> None:
    text = f"FROM a\nADD --checksum=sha256:{'a' * 64} https://example.com/a /\nADD https://example.com/b /\n"
    assert list(reading(text).remotes) == [3]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "cannot be read as a Dockerfile"),
        ("{{ if .Debug }}\nFROM a\n{{ end }}\n", r"Dockerfile:1: '\{\{' is no instruction"),
        ("FROM a\nINCLUDE b\n", "Dockerfile:2: 'INCLUDE' is no instruction"),
        ("ARG A=1\n", "has no FROM"),
        ("FROM\n", "Dockerfile:1: FROM names no image"),
        ('FROM a\nCOPY ["a", 1]\n', "cannot be read as a Dockerfile"),
        ("FROM a\n\0\nCOPY . /\n", "holds a NUL byte"),
    ],
)
def test_what_is_no_dockerfile_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        reading(text)
    assert len(str(caught.value).splitlines()) == 1


def test_an_interrupt_during_the_parsing_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        msg = "returned a result with an exception set"
        raise SystemError(msg) from KeyboardInterrupt()

    monkeypatch.setattr("dockerfile.parse_string", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parsed("FROM scratch\n", "Dockerfile")
