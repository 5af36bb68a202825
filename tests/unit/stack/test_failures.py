"""What the engine's events say of a failure, and what a user is told; the messages are those of real failures."""

import json
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.stack.failures import Failure, alike, failures_in, program_errors

API, IPAM = "carbide-rest-api", "carbide-rest-ipam"
_COMPONENT = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:"
TAG = f"x.test:5443/team/{API}:1.4.0"
PUT = f"https://x.test:5443/v2/team/{API}/manifests/1.4.0"
READ, LOG_IN = "/v2/base/manifests/1", "; check its name, or docker login y.test"
REFUSED = f"x.test:5443 does not take team/{API}: "
LATER = "; try again later"
MAKE_IT = "; check registryRepository: some registries want each repository made first"
CHECK = "; check registryRepository, registryUsername and registryPassword: carbide-infra doctor"
RELEASED = "; `carbide-infra release` then gives a version its tag, once"
IMMUTABLE = "The image tag 1.4.0 already exists and cannot be overwritten because the repository is immutable."


def image(name: str = API) -> str:
    return f"{_COMPONENT}Image::{name}"


def index(name: str) -> str:
    return f"{_COMPONENT}Index::{name}"


def error(urn: str, message: str) -> dict[str, Any]:
    return {"diagnosticEvent": {"urn": urn, "severity": "error", "message": message}}


def ends(urn: str, **inputs: object) -> dict[str, Any]:
    return {"resOpFailedEvent": {"metadata": {"urn": urn, "new": {"inputs": inputs}}}}


def log(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "log"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return file


def of_a_tag(problem: str, kind: str = "version") -> Failure:
    return Failure(API, kind, TAG, problem)


def of_an_image(problem: str, *output: str) -> Failure:
    return Failure(API, "", "", problem, output)


def of_a_push(problem: str) -> Failure:
    return Failure(API, "", f"x.test:5443/team/{API}:1.4.0-0123456789ab", problem)


def published(answer: str) -> str:
    """What the step of a tag says of a registry's answer."""
    step = f'creating: publish sha256:1 to {TAG}: failed commit on ref "i"'
    return f"{step}: unexpected status from PUT request to {PUT}: {answer}"


def pushed(problem: str) -> str:
    return f"failed to solve: failed to push x.test:5443/team/{API}:1.4.0-0123456789ab: {problem}"


# ---- What is in the log.


def test_a_failed_image_is_shown_with_what_its_step_printed(tmp_path: Path) -> None:
    def told(message: str) -> dict[str, Any]:
        return {"diagnosticEvent": {"urn": image(), "severity": "info", "message": message}}

    problem = 'failed to solve: process "/bin/sh -c sh /build.sh" did not complete successfully: exit code: 1'
    (failure,) = failures_in(
        log(
            tmp_path,
            told("#12 0.100 another step"),
            told("#12 DONE 0.2s"),
            told("#13 0.659 # example.com/ipam\n"),
            told("#13 0.659 main.go:87:24: undefined: x"),
            told("#14 0.659 main.go:87:24: undefined: x"),
            error(image(), problem),
            ends(image()),
        )
    )
    assert failure == of_an_image(problem, "# example.com/ipam", "main.go:87:24: undefined: x")
    assert failure.is_of_the_build
    assert not failure.is_passing


def test_a_failed_tag_is_one_of_its_image(tmp_path: Path) -> None:
    found = failures_in(
        log(
            tmp_path,
            error(index(f"{IPAM}-latest"), "b"),
            error(index(f"{API}-version"), "first"),
            error(index(f"{API}-version"), "a\n"),
            error(image(IPAM), "no failure by itself"),
            ends(index(f"{IPAM}-latest")),
            ends(index(f"{API}-version"), tag=TAG),
            ends("urn:pulumi:dev::carbide-infra::pulumi:pulumi:Stack::carbide-infra-dev"),
        )
    )
    assert found == [of_a_tag("a"), Failure(IPAM, "latest", "", "b")]
    assert [failure.what for failure in found] == [f"{API}: the tag 1.4.0", f"{IPAM}: the tag latest"]


def test_a_failed_image_is_one_of_the_tag_that_it_was_to_be_pushed_under(tmp_path: Path) -> None:
    (failure,) = failures_in(log(tmp_path, error(image(), "a"), ends(image(), tags=[TAG])))
    assert failure == Failure(API, "", TAG, "a")
    assert failure.what == API


def test_a_log_without_failures_has_none(tmp_path: Path) -> None:
    assert failures_in(log(tmp_path, error(image(), "told, and survived"))) == []
    assert failures_in(tmp_path / "none") == []


def test_what_the_program_ended_with_is_told_but_for_what_follows(tmp_path: Path) -> None:
    stack = "urn:pulumi:dev::carbide-infra::pulumi:pulumi:Stack::carbide-infra-dev"
    entries = [
        error("", "version = 'v1': begins with a v\n"),
        error(stack, "version = 'v1': begins with a v\n"),
        error(stack, "update failed\n"),
        error("", "an unhandled error occurred: program exited with non-zero exit code: 1\n"),
        error("", f"{API} failed; what is finished stays, and the stack's outputs are as before\n"),
        error(image(), "an image's own"),
        {"diagnosticEvent": {"severity": "warning", "message": "no error"}},
    ]
    assert program_errors(log(tmp_path, *entries)) == ["version = 'v1': begins with a v"]


# ---- Immutable tags.


@pytest.mark.parametrize(
    "answer",
    [
        f"400 Bad Request\nunknown: {IMMUTABLE}",
        "400 Bad Request\nTAG_INVALID: no",
        "409 Conflict",
        "412 Precondition Failed\nunknown: Failed to process request due to tag configured as immutable.",
        f"403 Forbidden\nunknown: {IMMUTABLE}",
    ],
)
def test_a_registry_with_immutable_tags_is_recognised(answer: str) -> None:
    failure = of_a_tag(published(answer))
    assert failure.is_immutable
    assert not failure.is_passing
    assert failure.reason.startswith("cannot move: the registry keeps its tags as they are (x.test:5443 answers 4")
    assert failure.reason.endswith(f"The image is pushed; pulumi config set tagVersion false{RELEASED}")


@pytest.mark.parametrize(("kind", "switch"), [("revision", "tagRevision"), ("latest", "tagLatest")])
def test_each_kind_of_tag_has_its_own_switch(kind: str, switch: str) -> None:
    reason = of_a_tag(published("409 Conflict"), kind).reason
    assert reason.endswith(f"; pulumi config set {switch} false")


@pytest.mark.parametrize("answer", ["400 Bad Request", "404 Not Found", "500 Internal Server Error"])
def test_another_answer_is_not_of_an_immutable_tag(answer: str) -> None:
    assert not of_a_tag(published(answer)).is_immutable


def test_an_image_s_own_tag_never_moves_and_is_never_said_to() -> None:
    assert not of_an_image(pushed("unknown: immutable")).is_immutable


# ---- Reasons that pass.


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_an_answer_that_passes(code: int) -> None:
    assert of_a_tag(published(f"{code} Such")).is_passing
    assert of_an_image(pushed(f"unexpected status from PUT request to {PUT}: {code} Such")).is_passing
    assert of_a_tag(published(f"{code} Such")).is_too_much == (code == 429)
    assert of_a_tag(published(f"{code} Such")).may_ask_to_wait == (code in {429, 503})


@pytest.mark.parametrize(
    "problem",
    [
        "read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer",
        "write: broken pipe",
        "dial tcp 127.0.0.1:5059: connect: connection refused",
        'Put "https://x.test/v2": EOF',
        "unexpected EOF",
        "net/http: TLS handshake timeout",
        "dial tcp: i/o timeout",
        "lookup x.test: server misbehaving",
        "stood still for 300 s: x.test:5443 does not answer to its end",
    ],
)
def test_a_network_s_failure_passes(problem: str) -> None:
    assert of_an_image(pushed(problem)).is_passing


@pytest.mark.parametrize(
    "problem",
    [
        published("400 Bad Request"),
        published("401 Unauthorized"),
        published("404 Not Found"),
        pushed("unknown: The repository with name x does not exist"),
        "context deadline exceeded",
        'new builder: no builder "nobody" found',
        "",
    ],
)
def test_what_stays_as_it_is_does_not_pass(problem: str) -> None:
    assert not of_a_tag(problem).is_passing


def test_a_compiler_s_words_are_no_registry_s() -> None:
    problem = 'failed to solve: process "x" did not complete successfully: exit code: 1'
    assert not of_an_image(problem, "dial tcp: connection reset by peer").is_passing


def test_what_reads_the_tag_back_says_its_status_otherwise() -> None:
    problem = f"reading: fetching x: failed to request manifest head {TAG}: request failed: bad gateway [http 502]: x"
    assert of_a_tag(problem).status == 502
    assert of_a_tag(problem).is_passing


# ---- Reasons.

GONE = "rpc error: code = Unavailable desc = error reading from server: EOF"
LOST = "error reading from server: EOF"
NOBODY = 'connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"'
PLACE = f"x.test:5443/team/{API}"
GUESS = "push access denied, repository does not exist or may require authorization: server message: "
FETCHED = "unexpected status from GET request to"
EXPIRED = f"the login's token is not taken, or not any more; try again, then {CHECK.removeprefix('; ')}"
AGAIN = "the same command starts it again"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            of_a_tag(published("429 Too Many Requests")),
            f"x.test:5443 answers 429 Too Many Requests to PUT /v2/team/{API}/manifests/1.4.0{LATER}",
        ),
        (
            of_an_image(pushed(f"unexpected status from PUT request to {PUT}?x=1: 500 Internal Server Error: oops\n")),
            f"x.test:5443 answers 500 Internal Server Error to PUT /v2/team/{API}/manifests/1.4.0: oops{LATER}",
        ),
        (
            of_an_image(pushed("unknown: The repository with name x does not exist")),
            f"{REFUSED}The repository with name x does not exist{MAKE_IT}",
        ),
        (
            of_an_image(pushed("denied: Access Denied")),
            f"{REFUSED}denied: Access Denied{CHECK}",
        ),
        (
            of_an_image(
                "failed to solve: y.test/base:1: failed to resolve source metadata for y.test/base:1: y.test/base:1: "
                "unexpected status from HEAD request to https://y.test/v2/base/manifests/1: 401 Unauthorized"
            ),
            f"the base y.test/base:1 cannot be read: y.test answers 401 Unauthorized to HEAD {READ}{LOG_IN}",
        ),
        (
            of_an_image(
                "failed to solve: y.test/b:1: failed to resolve source metadata for y.test/b:1: y.test/b:1: not found"
            ),
            f"the base y.test/b:1 cannot be read: not found{LOG_IN}",
        ),
        (
            of_an_image("context deadline exceeded\n"),
            "was not ready within an hour: builder or registry do not answer; carbide-infra doctor asks both",
        ),
        (of_an_image('new builder: no builder "nobody" found'), 'new builder: no builder "nobody" found'),
        # Row 21: a killed builder, and full disks.
        (
            of_an_image(f"failed to receive status: {GONE}"),
            f"the builder ended, or was ended, while it was at work (failed to receive status: {GONE}); {AGAIN}",
        ),
        # A killed provider: what was with it, and what came after.
        (of_an_image(f"{LOST}\n"), f"the provider ended, or was ended, while it was at work ({LOST}); {AGAIN}"),
        (of_a_tag(NOBODY), f"the provider ended, or was ended, while it was at work ({NOBODY}); {AGAIN}"),
        (
            of_an_image(pushed("unknown: invalid content range")),
            f"{REFUSED}invalid content range; a disk is full: the builder's, or the registry's",
        ),
        (
            of_an_image("failed to solve: write /x: no space left on device"),
            "failed to solve: write /x: no space left on device; a disk is full: the builder's, or the registry's",
        ),
        # What builders said of a registry with a token service.
        (
            of_a_push("failed to solve: failed to fetch oauth token: unauthorized: Invalid username or password"),
            f"{PLACE}: refuses the login (unauthorized: Invalid username or password){CHECK}",
        ),
        (
            of_a_push("failed to solve: failed to fetch oauth token: denied: Access Denied"),
            f"{PLACE}: refuses the login (denied: Access Denied){CHECK}",
        ),
        (
            of_a_push(pushed(f"{GUESS}insufficient_scope: authorization failed")),
            f"{REFUSED}push access denied: insufficient_scope: authorization failed{CHECK}",
        ),
        (
            of_a_push(f"failed to solve: {FETCHED} https://x.test:5443/v2/team/{API}/blobs/sha256:1: 401 Unauthorized"),
            f"x.test:5443 answers 401 Unauthorized to GET /v2/team/{API}/blobs/sha256:1; {EXPIRED}",
        ),
        (
            of_a_push(f"failed to fetch oauth token: {FETCHED} https://auth.test/token?x=1: 503 Service Unavailable"),
            f"{PLACE}: auth.test answers 503 Service Unavailable to GET /token{LATER}",
        ),
        (
            of_a_push(f"{FETCHED} https://base.test/v2/golang/blobs/sha256:1: 500 Internal Server Error"),
            f"base.test answers 500 Internal Server Error to GET /v2/golang/blobs/sha256:1{LATER}",
        ),
        (of_an_image(""), "failed, and nobody said why; carbide-infra doctor"),
    ],
)
def test_a_reason_names_who_said_what_to_which_step(failure: Failure, reason: str) -> None:
    assert failure.reason == reason


@pytest.mark.parametrize("problem", [LOST, NOBODY])
def test_a_provider_that_ended_is_no_builder_that_is_gone_and_may_be_back(problem: str) -> None:
    failure = of_an_image(problem)
    assert (failure.is_of_the_builder, failure.is_passing) == (False, True)
    assert failure.answer == f"the provider ended, or was ended, while it was at work ({problem})"


def test_a_reason_that_several_have_stands_there_once() -> None:
    same = "failed to solve: no space left on device"
    compiled = Failure("c", "", "", "did not complete successfully", ("main.go:1",))
    failures = [Failure("a", "", "", same), Failure("b", "", "", same), compiled]
    assert list(alike(failures)) == [("a, b failed:", failures[0]), ("c failed:", compiled)]


@pytest.mark.parametrize(
    ("failure", "place"),
    [
        (of_a_tag(""), ("x.test:5443", f"team/{API}", "1.4.0")),
        (of_an_image(pushed("x")), ("x.test:5443", f"team/{API}", "1.4.0-0123456789ab")),
        (of_an_image("x"), None),
        (of_a_push("x"), ("x.test:5443", f"team/{API}", "1.4.0-0123456789ab")),
        (of_a_push("failed to push y.test/cache:1: x"), ("y.test", "cache", "1")),
    ],
)
def test_where_it_was_pushed_to(failure: Failure, place: tuple[str, str, str] | None) -> None:
    assert failure.place == place


def test_what_the_program_ended_with_stands_at_the_stack_and_at_no_other_resource(tmp_path: Path) -> None:
    stack = "urn:pulumi:dev::carbide-infra::pulumi:pulumi:Stack::carbide-infra-dev"
    entries = [error(stack, "at the stack"), error(image(), "at an image")]
    assert program_errors(log(tmp_path, *entries)) == ["at the stack"]


def test_a_failure_that_nobody_explains_has_no_words(tmp_path: Path) -> None:
    (failure,) = failures_in(log(tmp_path, ends(image())))
    assert (failure.problem, failure.reason) == ("", "failed, and nobody said why; carbide-infra doctor")


def test_a_push_that_fails_after_a_build_is_not_the_build_s() -> None:
    assert not of_an_image(pushed("x"), "main.go:1: a warning").is_of_the_build
    assert of_an_image("", "main.go:1: undefined: x").is_of_the_build


def test_steps_that_fail_alike_are_told_once_whatever_the_builder_says_around_them() -> None:
    ends_so = "process {} did not complete successfully: exit code: 1"
    failures = [Failure(name, "", "", ends_so.format(name), ("undefined: x",)) for name in ("a", "b")]
    assert list(alike(failures)) == [("a, b failed:", failures[0])]


@pytest.mark.parametrize(
    "words", ["Connection reset by peer", "read: connection refused", "I/O timeout", "Broken pipe"]
)
def test_a_broken_connection_may_pass_however_it_is_written(words: str) -> None:
    assert of_an_image(words).is_passing


# ---- However it is written.


def answered(code: int, url: str = PUT) -> str:
    return f"unexpected status from PUT request to {url}: {code} Words"


@pytest.mark.parametrize("problem", [answered(409), answered(412), "the tag is IMMUTABLE", "Tag Already Exists"])
def test_a_tag_that_stays_is_known_by_code_or_words(problem: str) -> None:
    assert of_a_tag(problem).is_immutable
    assert not of_an_image(problem).is_immutable, "which is no tag"
    assert not of_a_tag(answered(413)).is_immutable


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        ("Denied: no", CHECK),
        ("NAME_UNKNOWN: no", MAKE_IT),
        ("No space left on device", "; a disk is full: the builder's, or the registry's"),
    ],
)
def test_what_to_do_is_known_by_words_large_or_small(problem: str, remedy: str) -> None:
    assert of_an_image(problem).reason == f"{problem}{remedy}"


def test_an_answer_may_have_several_lines() -> None:
    read = of_a_tag("failed to request manifest get x.test/a:1: two\nlines [http 503]")
    assert (read.status, read.is_passing) == (503, True)
    base = of_an_image("failed to resolve source metadata for y.test/base:1: two\nlines")
    assert base.reason == f"the base y.test/base:1 cannot be read: two lines{LOG_IN}"


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (
            f"{answered(400)}: two\nlines",
            "x.test:5443 answers 400 Words to PUT /v2/team/{API}/manifests/1.4.0: two lines",
        ),
        ("failed to push x.test:5443/team/{API}:1: two\nlines", f"{REFUSED}two lines"),
        ("failed to fetch oauth token: two\nlines", "x.test:5443/team/{API}: refuses the login (two lines)"),
    ],
)
def test_what_a_registry_says_may_have_several_lines(problem: str, answer: str) -> None:
    assert of_a_push(problem.replace("{API}", API)).answer == answer.replace("{API}", API)


def test_what_a_step_says_of_a_connection_passes_with_no_second_try() -> None:
    failed = of_an_image("process x did not complete successfully: connection reset", "connection reset")
    assert failed.is_of_the_build
    assert not failed.is_passing
    assert of_an_image("connection reset").is_passing


def test_a_builder_that_has_gone_is_told_from_a_registry() -> None:
    assert of_an_image("rpc error: code = Unavailable desc = x").is_of_the_builder
    assert not of_an_image("connection reset").is_of_the_builder


def test_a_token_service_is_named_with_the_repository_once() -> None:
    pushed = of_a_push(f"failed to push x.test:5443/team/{API}:1.4.0: failed to fetch oauth token: no")
    assert pushed.answer == f"{REFUSED}failed to fetch oauth token: no"


@pytest.mark.parametrize("url", ["https://auth.test/token", "https://auth.test/token?service=x"])
def test_a_login_that_a_token_service_refuses_is_no_token_that_has_ended(url: str) -> None:
    assert of_a_tag(answered(401, url)).reason == (
        f"x.test:5443/team/{API}: auth.test answers 401 Words to PUT /token{CHECK}"
    )
    assert "the login's token is not taken" in of_a_tag(answered(401)).reason
    assert "the login's token is not taken" not in of_a_tag(answered(403)).reason
