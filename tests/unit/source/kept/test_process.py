"""How an image's processes run, as its own Dockerfile says it."""

import pytest

from carbide_infra.catalogue.model import Health
from carbide_infra.source.kept.process import Process, agreed
from carbide_infra.source.kept.reading import read


def process(text: str, *, target: str | None = None, base: str = "alpine:3.22", **given: str | None) -> Process:
    return read(f"FROM {base}\n{text}\n", "Dockerfile", target, given, "linux/amd64").process


def test_what_is_not_said_is_for_the_base_to_say() -> None:
    assert process("RUN true") == Process()


def test_each_instruction_says_its_own() -> None:
    found = process(
        'ARG P=8080\nENV A=1 B="x y"\nENV C=$A\'\nENTRYPOINT ["/app", "$A"]\nCMD ["serve"]\n'.replace("'", "")
        + "EXPOSE $P 9090/tcp\nEXPOSE 8080\nUSER 1000:1000\n"
        'HEALTHCHECK --interval=5s --retries=2 CMD ["/app", "health"]'
    )
    health = Health(command=("/app", "health"), interval="5s", timeout="30s", start_period="0s", retries=2)
    assert found == Process(
        "1000:1000", ("/app", "$A"), ("serve",), {"A": "1", "B": "x y", "C": "1"}, (8080, 9090), health
    )


@pytest.mark.parametrize(
    ("text", "entrypoint", "command"),
    [
        ('CMD ["a"]\nENTRYPOINT ["b"]', ("b",), ("a",)),
        ('ENTRYPOINT ["b"]\nCMD ["a"]', ("b",), ("a",)),
        ('ENTRYPOINT ["b"]', ("b",), ()),
        ("ENTRYPOINT []", (), ()),
        ("CMD a  b", None, ("/bin/sh", "-c", "a  b")),
        ('SHELL ["/bin/bash", "-c"]\nENTRYPOINT exec a', ("/bin/bash", "-c", "exec a"), ()),
        ("CMD []", None, ()),
    ],
)
def test_entry_point_and_command_are_as_buildkit_has_them(
    text: str, entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None
) -> None:
    found = process(text)
    assert (found.entrypoint, found.command) == (entrypoint, command)


def test_a_stage_goes_on_where_the_one_it_stands_on_ended() -> None:
    text = 'ENV A=1\nUSER u\nEXPOSE 80\nENTRYPOINT ["e"]\nCMD ["c"]\nFROM base\n'
    found = read(f"FROM x AS base\n{text}ENV B=$A\n", "Dockerfile", None, {}, "linux/amd64").process
    assert found == Process("u", ("e",), ("c",), {"A": "1", "B": "1"}, (80,))
    # An entry point of its own takes nothing of the other's command.
    found = read(f'FROM x AS base\n{text}ENTRYPOINT ["f"]\n', "Dockerfile", None, {}, "linux/amd64").process
    assert (found.entrypoint, found.command) == (("f",), ())


def test_other_stages_say_nothing() -> None:
    text = 'FROM a AS b\nUSER 1\nCMD ["b"]\nFROM c\nCOPY --from=b /x /\n'
    assert read(text, "Dockerfile", None, {}, "linux/amd64").process == Process()
    assert read(text, "Dockerfile", "b", {}, "linux/amd64").process == Process("1", None, ("b",))


@pytest.mark.parametrize(
    "text",
    [
        "ENV A=1\nENV B=$UNSET",
        "ENV PATH=/x:$PATH",
        "ARG V\nENV A=1 V=$V",
        "EXPOSE 80\nEXPOSE 53/udp",
        "EXPOSE 8000-8010",
        "EXPOSE 0",
        "EXPOSE ٨٠",
        f"EXPOSE {'9' * 5000}",
        "HEALTHCHECK",
        f"HEALTHCHECK --retries={'9' * 5000} CMD a",
        "EXPOSE 65536",
        "EXPOSE $UNSET",
        "USER $UNSET",
        "HEALTHCHECK NONE",
        'HEALTHCHECK --interval=$I CMD ["a"]',
        'HEALTHCHECK --start-interval=1s CMD ["a"]',
        'HEALTHCHECK --retries=x CMD ["a"]',
        "HEALTHCHECK CMD a\nHEALTHCHECK NONE",
    ],
    ids=range(18),
)
def test_what_cannot_be_told_is_not_said_by_half(text: str) -> None:
    assert process(text) == Process()


def test_a_base_may_have_a_shell_of_its_own() -> None:
    found = process("ENTRYPOINT a\nCMD b\nHEALTHCHECK CMD c", base="example.com/windows:1")
    assert found == Process()
    assert process("ENTRYPOINT a", base="debian:13").entrypoint == ("/bin/sh", "-c", "a")


def test_another_grammar_says_nothing() -> None:
    text = '# syntax=example.com/own\nFROM scratch\nENTRYPOINT ["a"]\n'
    assert read(text, "Dockerfile", None, {}, "linux/amd64").process == Process()


def test_what_differs_by_platform_is_not_said() -> None:
    one, other = (
        read('FROM alpine\nARG TARGETARCH\nENV A=$TARGETARCH\nCMD ["a"]\n', "f", None, {}, f"linux/{name}").process
        for name in ("amd64", "arm64")
    )
    assert agreed([one, other]) == Process(command=("a",))
    assert agreed([one]).environment == {"A": "amd64"}
