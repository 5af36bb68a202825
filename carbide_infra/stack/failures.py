"""What failed in an update, and why: the engine's events in a user's words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.images.build_log import failed_steps
from carbide_infra.names import IMAGE_TYPE, INDEX_TYPE, STACK_TYPE
from carbide_infra.registry.reference import Reference
from carbide_infra.stack.event_log import events

_STATUS = re.compile(
    r"unexpected status from (?P<method>[A-Z]+) request to (?P<url>\S+): (?P<code>\d{3}) ?(?P<words>[^\n:]*)"
    r"(?:[:\n]\s*(?:unknown: )?(?P<said>.+))?",
    re.DOTALL,
)
_READ = re.compile(
    r"failed to request manifest \w+ (?P<reference>\S+): (?P<problem>.*?)(?: \[http (?P<code>\d{3})\])", re.DOTALL
)
_PUSHED = re.compile(r"failed to push (?P<reference>\S+): (?P<problem>.*)", re.DOTALL)
_TOKEN = re.compile(r"failed to fetch \w+ token: (?P<problem>.*)", re.DOTALL)
_IMMUTABLE = re.compile(r"immutab|cannot be overwritten|TAG_INVALID|tag already exists", re.IGNORECASE)
_IMMUTABLE_CODES = frozenset({409, 412})
_PASSING_CODES = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING = re.compile(
    r"connection reset|connection refused|broken pipe|unexpected EOF|\bEOF$|i/o timeout|handshake timeout|timed out"
    r"|temporary failure in name resolution|server misbehaving|connection broken|stood still",
    re.IGNORECASE,
)
_TOO_MANY, _UNAVAILABLE, _UNAUTHORIZED = 429, 503, 401
_DENIED = re.compile(r"denied|unauthorized|authentication required|\b(401|403)\b", re.IGNORECASE)
_MISSING = re.compile(r"name_unknown|repository .*does not exist|\b404\b", re.IGNORECASE)
# The builder's own guess, in front of what a registry says.
_GUESS = "push access denied, repository does not exist or may require authorization: server message: "
_NO_GUESS = "push access denied: "
_GONE = re.compile(r"code = Unavailable|error reading from server|transport is closing|buildkitd\.sock: connect:")
# In front of what a builder says, its provider says what it was doing; nobody does where the provider has gone.
_NO_PROVIDER = re.compile(r'error reading from server|connection error: desc = "transport')
_UNSTORED = re.compile(r"invalid content range|no space left on device|disk quota exceeded", re.IGNORECASE)
_DEADLINE = "context deadline exceeded"
_OF_THE_STEP = "did not complete successfully"
_BASE = re.compile(r"failed to resolve source metadata for (?P<image>\S+): (?P<problem>.*)", re.DOTALL)
_FOLLOWING = re.compile(r"^update failed$|an unhandled error occurred|failed; what is finished stays")
_SWITCHES = {"version": "tagVersion", "revision": "tagRevision", "latest": "tagLatest"}
_RELEASED = "; `carbide-infra release` then gives a version its tag, once"
_CHECK = "check registryRepository, registryUsername and registryPassword: carbide-infra doctor"


@dataclass(frozen=True)
class Failure:
    """One resource that could not be made.

    Attributes:
        image: the image's name.
        kind: of the tag: version, revision or latest; empty where the image itself failed.
        reference: the tag that was to be pushed; empty where it is not known.
        problem: what the provider said last.
        output: what the failed build step printed.
    """

    image: str
    kind: str
    reference: str
    problem: str
    output: tuple[str, ...] = ()

    @property
    def is_of_the_build(self) -> bool:
        """Whether a step of the build failed, so that its output tells."""
        return bool(self.output) and (not self.problem or _OF_THE_STEP in self.problem)

    @property
    def status(self) -> int | None:
        """What the registry answered, where it answered."""
        found = _STATUS.search(self.problem) or _READ.search(self.problem)
        return int(found["code"]) if found else None

    @property
    def is_immutable(self) -> bool:
        """Whether the registry keeps its tags as they are."""
        return bool(self.kind) and (self.status in _IMMUTABLE_CODES or _IMMUTABLE.search(self.problem) is not None)

    @property
    def is_passing(self) -> bool:
        """Whether the same may succeed in a moment."""
        if self.is_of_the_build or self.is_immutable:
            return False
        return self.status in _PASSING_CODES or _PASSING.search(self.problem) is not None

    @property
    def is_too_much(self) -> bool:
        """Whether the registry, or its token service, has had too many requests."""
        return self.status == _TOO_MANY

    @property
    def is_of_the_builder(self) -> bool:
        """Whether the builder has gone while it was at work."""
        return self._gone == "builder"

    @property
    def may_ask_to_wait(self) -> bool:
        """Whether the answer is one that may say when to come back."""
        return self.is_too_much or self.status == _UNAVAILABLE

    @property
    def place(self) -> tuple[str, str, str] | None:
        """Server, repository and tag that were written to; None where that is not known."""
        pushed = _PUSHED.search(self.problem)
        return _place(pushed["reference"] if pushed else self.reference)

    @property
    def what(self) -> str:
        """The image, or the tag of it, that failed."""
        return f"{self.image}: the tag {self.reference.rpartition(':')[2] or self.kind}" if self.kind else self.image

    @property
    def reason(self) -> str:
        """Why, in a sentence with what to do where that is known."""
        if self.is_immutable:
            switch = _SWITCHES.get(self.kind, "")
            instead = _RELEASED if self.kind == "version" else ""
            return (
                f"cannot move: the registry keeps its tags as they are ({_said(self.problem)}). The image is pushed; "
                f"pulumi config set {switch} false{instead}"
            )
        base = _BASE.search(self.problem)
        if base:
            image, server = base["image"], Reference.of(base["image"]).server
            why = _said(base["problem"].replace(f"{image}: ", ""))
            return f"the base {image} cannot be read: {why}; check its name, or docker login {server}"
        if self.problem.strip() == _DEADLINE:
            return "was not ready within an hour: builder or registry do not answer; carbide-infra doctor asks both"
        said = self.answer
        if self._gone:
            return f"{said}; the same command starts it again"
        remedy = self._remedy(said)
        return f"{said}; {remedy}" if remedy else said or "failed, and nobody said why; carbide-infra doctor"

    @property
    def answer(self) -> str:
        """Who said what, with registry and repository where a registry did; without what to do about it."""
        said = _said(self.problem)
        if self._gone:
            return f"the {self._gone} ended, or was ended, while it was at work ({said})"
        status, place = _STATUS.search(self.problem), self.place
        is_token_service = "/v2/" not in status["url"] if status else bool(_TOKEN.search(self.problem))
        if place is None or not is_token_service or place[1] in said:
            return said
        # A token service has a name of its own, or the builder tells none.
        return f"{place[0]}/{place[1]}: {said}"

    @property
    def _gone(self) -> str:
        """Which of the programs that make an image has gone while it was at work."""
        if _NO_PROVIDER.match(self.problem):
            return "provider"
        return "builder" if _GONE.search(self.problem) else ""

    def _remedy(self, said: str) -> str:
        if self.is_passing:
            return "try again later"
        if self.status == _UNAUTHORIZED and "/v2/" in said:
            return f"the login's token is not taken, or not any more; try again, then {_CHECK}"
        remedies = (
            (_UNSTORED, "a disk is full: the builder's, or the registry's"),
            (_DENIED, _CHECK),
            (_MISSING, "check registryRepository: some registries want each repository made first"),
        )
        return next((remedy for words, remedy in remedies if words.search(said)), "")


def failures_in(event_log: Path) -> list[Failure]:
    """What failed, by image: first the images themselves, then their tags."""
    told: dict[str, list[tuple[str, str]]] = {}
    failed: dict[str, Mapping[str, Any]] = {}
    for event in events(event_log):
        if "diagnosticEvent" in event:
            entry = event["diagnosticEvent"]
            told.setdefault(entry.get("urn", ""), []).append((entry.get("severity", ""), entry["message"]))
        elif "resOpFailedEvent" in event:
            metadata = event["resOpFailedEvent"]["metadata"]
            failed[metadata["urn"]] = metadata
    found = [_failure(urn, metadata, told.get(urn, [])) for urn, metadata in failed.items()]
    return sorted((failure for failure in found if failure), key=lambda failure: (failure.image, failure.kind))


def _failure(urn: str, metadata: Mapping[str, Any], told: Sequence[tuple[str, str]]) -> Failure | None:
    kind, _, name = urn.rpartition("::")
    problem = next((text.strip() for severity, text in reversed(told) if severity == "error"), "")
    inputs = (metadata.get("new") or {}).get("inputs") or {}
    if kind.endswith(f"${IMAGE_TYPE}"):
        tag = next(iter(inputs.get("tags") or []), "")
        return Failure(name, "", str(tag), problem, tuple(failed_steps("\n".join(text for _, text in told))))
    if kind.endswith(f"${INDEX_TYPE}"):
        image, _, of = name.rpartition("-")
        return Failure(image, of, str(inputs.get("tag") or ""), problem)
    return None


def _place(reference: str) -> tuple[str, str, str] | None:
    try:
        found = Reference.of(reference)
    except ValueError:
        return None
    return found.server, found.repository, found.manifest


def _said(problem: str) -> str:
    """What a registry, or whoever it was, said: without what the builder wraps around it."""
    found = _STATUS.search(problem)
    if found:
        server, _, step = found["url"].partition("://")[2].partition("/")
        words = f": {_line(found['said'])}" if found["said"] else ""
        answer = f"{found['code']} {found['words']}".strip()
        return f"{server} answers {answer} to {found['method']} /{step.partition('?')[0]}{words}"
    pushed = _PUSHED.search(problem)
    if pushed:
        place = _place(pushed["reference"])
        whither = f"{place[0]} does not take {place[1]}" if place else f"{pushed['reference']} is not taken"
        return f"{whither}: {_line(pushed['problem'].replace(_GUESS, _NO_GUESS).removeprefix('unknown: '))}"
    token = _TOKEN.search(problem)
    return f"refuses the login ({_line(token['problem'])})" if token else _line(problem)


def _line(text: str) -> str:
    return " ".join(text.split())


def alike(failures: Sequence[Failure]) -> Iterator[tuple[str, Failure]]:
    """A heading for each reason, and a failure that has it: what several have stands there once."""
    by_reason: dict[tuple[str, ...], list[Failure]] = {}
    for failure in failures:
        reason = failure.output if failure.is_of_the_build else (failure.reason,)
        by_reason.setdefault(reason, []).append(failure)
    for group in by_reason.values():
        yield f"{', '.join(failure.what for failure in group)} failed:", group[0]


def program_errors(event_log: Path) -> list[str]:
    """What the program itself ended with, but for what follows from a resource that failed."""
    told = (event["diagnosticEvent"] for event in events(event_log) if "diagnosticEvent" in event)
    errors = (
        entry["message"].strip()
        for entry in told
        if entry.get("severity") == "error" and (not entry.get("urn") or f"::{STACK_TYPE}::" in entry["urn"])
    )
    return list(dict.fromkeys(text for text in errors if text and not _FOLLOWING.search(text)))
