"""Single values: what is taken, and what is refused with a good value."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from carbide_infra.catalogue import values
from tests.unit.catalogue.samples import DIGEST

GOOD: dict[str, list[Any]] = {
    "ImageName": ["carbide-rest-api", "a", "a.b_c__d---e", "a" * 128],
    "Reference": [
        "alpine",
        "scratch",
        "golang:1.25",
        f"alpine:3.22@{DIGEST}",
        "nvcr.io/nvidia/distroless/go:v3",
        "localhost:5000/a",
        f"vm:5443/carbide/a__b@{DIGEST}",
        "MyHost.example.com/a:Tag_1.x-y",
    ],
    "GoVersion": ["1.25", "1.25.4", "1.26rc1"],
    "ImagePath": ["/app", "/usr/local/bin/tool", "/a/.b/c-d_e+f@g~h", "/a..b"],
    "WorkingFolder": ["/", "/app", "/srv/.data"],
    "SourcePath": ["deploy/start.sh", "./schema", ".env", "a"],
    "PackagePath": [".", "./api/cmd/api", "api/cmd/api"],
    "Exclusion": ["**/*_test.sql", "docs", "*.md", "a/?.txt"],
    "Symbol": ["main.version", "./common/pkg/version.Version", "github.com/a/b-c/v2/d.V_1", "gopkg.in/yaml%2ev3.V"],
    "BuildTag": ["netgo", "go1.25", "_x"],
    "Flag": ["-s", "all=-N -l", "-X=main.a=b", "-extldflags=-static"],
    "PortName": ["http", "http-2", "2a", "a" * 15],
    "Port": [1, 8080, 65535],
    "Duration": ["30s", "1m30s", "500ms", "1.5h"],
    "Retries": [1, 3],
    "AccountName": ["appuser", "_x-1", "a" * 32],
    "BaseAccount": ["nvs", "65532", "65532:65532"],
    "Owner": ["appuser", "root", "0", "1000:1000"],
    "AccountId": [1, 1000, 2**31 - 1],
    "Mode": ["0755", "0600"],
    "VariableName": ["PATH", "_a1"],
    "Line": ["", 'He said "no" to $PATH', "Übung"],
    "LabelName": ["a", "org.opencontainers.image.vendor", "com.example/a_b-c"],
    "LabelText": ["{version}", 'v{version}, {"a": 1}', ""],
    "ArgumentText": ["{version}", "v{version}", ""],
    "StageName": ["final", "a-b_c.d", "0"],
    "SecretId": ["gitcreds", "goenv", "extra_ca"],
    "StopSignal": ["SIGTERM", "SIGUSR1", "SIGRTMIN+3", "SIGRTMAX-14"],
    "VersionPattern": ['Version = "(.*)"', r"^v(\d+(?:\.\d+)*)$"],
    "TagPattern": ["v*", "tools/v*", "v1.*"],
    "TagPrefix": ["tools/", "a.b/c-"],
    "Size": ["30MB", "1.5GiB", "512 KiB", "9kB"],
}

BAD: dict[str, list[Any]] = {
    "ImageName": ["", "A", "a/b", "a:b", "-a", "a-", "a..b", "a" * 129, "a\n"],
    "Reference": [
        "",
        "Alpine",
        "a b",
        "a:",
        "a@sha256:abc",
        "a@",
        "a:b:c",
        "/a",
        "a/",
        "a\nRUN x",
        "a#b",
        f"a@{DIGEST}0",
        "a:" + "x" * 129,
        "a.b:999999/c",
        "a.b:65536/c",
        "https://a.b/c",
    ],
    "GoVersion": ["1", "1.25.4.5", "go1.25", "1.25-alpine", "latest", "1.٣"],
    "ImagePath": ["app", "/", "/a/", "//a", "/a/../b", "/a/./b", "/a b", "/a/-b", "/a$b", "/a'b", "/..", "", "/a\n"],
    "WorkingFolder": ["", "app", "//", "/app/", "/a/../b", "/a b", "/\n"],
    "SourcePath": [".", "..", "/a", "../a", "a/../b", "a//b", "a/", "a b", "-a", "a*", "a,b", "a$(b)", ""],
    "PackagePath": ["/a", "..", "./a/../b", "./...", "a b", "", "./"],
    "Exclusion": ["/a", "../a", "a//b", "a'b", "[ab]", "", "a|b"],
    "Symbol": ["version", "main.", "main.1a", "./", "a'.b", "a b.c", "./../a.B", "a/../b.C", 'a".b', "$a.b"],
    "BuildTag": ["a,b", "a b", "", "!a"],
    "Flag": ["", "-X 'a=b'", '"', "$(x)", "`x`", "a\\b", " a", "a  b", "a;b", "a\nb"],
    "PortName": ["", "HTTP", "80", "a" * 16, "a--b", "-a", "a_b"],
    "Port": [0, 65536, "80", True, 80.0],
    "Duration": ["30", "s", "1d", "-1s", "", "1s 2s"],
    "Retries": [0, 1001],
    "AccountName": ["", "Root", "1a", "a b", "a:b", "a" * 33],
    "BaseAccount": ["", "a:b", "1:", "1:2:3", "A"],
    "Owner": ["", "a:a", "A", "1:a"],
    "AccountId": [0, -1, 2**31],
    "Mode": ["755", "4755", "0888", "00755", 493, ""],
    "VariableName": ["", "1a", "a-b", "a=b", "A B"],
    "Line": ["a\nb", "a\tb", "\x00", "a\u2028b"],
    "LabelName": ["", "a b", 'a"', "-a", "a=", "org.opencontainers.image.created"],
    "LabelText": ["{revision}", "{version} of {date}", "a\nb"],
    "ArgumentText": ["{commit}", "a\nb"],
    "StageName": ["Final", "", "a b", "-a", "a\n"],
    "SecretId": ["aws", "", "known_hosts"],
    "StopSignal": ["TERM", "SIG", "9", "sigterm", "SIGTERM ", "SIGFOO", "SIGTERM+1", "SIGRTMIN+16"],
    "VersionPattern": ["no group", "(a)(b)", "(", "[(]"],
    "TagPattern": ["v1", "*", "", "v *", "-v*"],
    "TagPrefix": ["tools", "/", "", "a//", "a b/", "/a/", "a~/"],
    "Size": ["30", "MB", "0MB", "-1MB", "30TB", "30mb", "3e1MB", "01MB"],
}


def adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(values, name), config={"strict": True})


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, all_ in GOOD.items() for value in all_])
def test_a_good_value_is_taken_as_it_is(name: str, value: object) -> None:
    assert adapter(name).validate_python(value) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, all_ in BAD.items() for value in all_])
def test_a_bad_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        adapter(name).validate_python(value)


def test_every_grammar_is_tried() -> None:
    grammars = {name for name, value in vars(values).items() if hasattr(value, "__metadata__")}
    assert grammars == GOOD.keys() == BAD.keys()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ImagePath", "app", "is not an absolute path in the image; a good value: /usr/local/bin/tool"),
        ("ImagePath", "/a/..", "may not hold a '.', '..' or '...' between slashes; a good value: /usr/local/bin/tool"),
        ("SourcePath", "/a", "is not a path below the source root; a good value: deploy/start.sh"),
        ("Mode", 0o644, 'is a number to YAML; write it in quotes: "0644"'),
        ("LabelText", "{commit}", "a label may follow neither time nor commit"),
        ("LabelName", "org.opencontainers.image.created", "would make each build another image"),
        ("VersionPattern", "(a)(b)", "has 2 groups, but exactly one must say where the version is"),
        ("VersionPattern", "(", "is not a regular expression (missing )"),
        ("Line", "a\nb", "holds a line end or another control character; a good value: text in one line"),
    ],
)
def test_a_refusal_says_why_and_what_would_be_good(name: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        adapter(name).validate_python(value)


@pytest.mark.parametrize("text", ["it's", '"', "$x", "`x`", "a\\", "a\nb", "a\tb"])
def test_a_symbols_text_holds_nothing_that_a_shell_reads(text: str) -> None:
    with pytest.raises(ValueError, match="a linker flag cannot carry; a good value: stable"):
        values.SYMBOL_TEXT(text)


def test_a_symbols_text_may_be_any_other_text() -> None:
    assert values.SYMBOL_TEXT("release candidate, 5 % done; ü") == "release candidate, 5 % done; ü"


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("30MB", 30000000),
        ("9kB", 9000),
        ("9KB", 9000),
        ("1.5GB", 1500000000),
        ("512 KiB", 524288),
        ("2MiB", 2097152),
        ("1GiB", 1073741824),
    ],
)
def test_a_size_in_bytes(size: str, count: int) -> None:
    assert values.in_bytes(size) == count


@pytest.mark.parametrize(
    ("builder", "version"),
    [
        ("golang:1.25", "1.25"),
        (f"golang:1.25.4@{DIGEST}", "1.25.4"),
        ("mirror.example.com/library/golang:1.26rc1-alpine", "1.26rc1"),
        ("golang:latest", None),
        ("golang", None),
        ("my-golang:1.25", None),
        ("example.com/builder:1.25", None),
    ],
)
def test_the_go_version_of_a_builder(builder: str, version: str | None) -> None:
    assert values.go_version_of(builder) == version


@pytest.mark.parametrize(
    ("exclusion", "path", "is_excluded"),
    [
        ("**/*_test.sql", "a_test.sql", True),
        ("**/*_test.sql", "b/c/a_test.sql", True),
        ("**/*_test.sql", "a_test.sql.txt", False),
        ("*_test.sql", "b/a_test.sql", False),
        ("docs", "docs/a/b.md", True),
        ("docs", "docs", True),
        ("docs", "docs2/a", False),
        ("docs", "a/docs", False),
        ("docs/**", "docs/a/b", True),
        ("docs/**", "docs", False),
        ("**", "a/b", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("?.txt", "/.txt", False),
        ("a.b", "axb", False),
        ("a+b", "a+b", True),
        ("a+b", "aab", False),
        ("*", "a", True),
    ],
)
def test_what_an_exclusion_matches(exclusion: str, path: str, is_excluded: bool) -> None:  # noqa: FBT001
    assert bool(re.fullmatch(values.exclusion_pattern(exclusion), path)) == is_excluded


@given(st.from_regex(r"[A-Za-z0-9_.+@~-]{1,9}", fullmatch=True).filter(lambda name: name[0] != "-"))
def test_a_name_excludes_itself_and_no_other(name: str) -> None:
    pattern = re.compile(values.exclusion_pattern(name))
    assert pattern.fullmatch(name)
    assert not pattern.fullmatch(f"{name}x")
    assert not pattern.fullmatch(f"x{name}")
