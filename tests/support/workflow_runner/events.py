"""Events: what GitHub tells a workflow of why it runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.repository import Remote

REPOSITORY = "local/carbide-infra"
_KINDS = {"heads": "branch", "tags": "tag", "pull": "branch"}


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        name: such as push.
        ref: full name of what is built.
        commit: its SHA.
        payload: what `github.event` holds.
        base: branch that a pull request is for.
        head: branch that a pull request is from.
        changed: the files that a push or a pull request changes.
    """

    name: str
    ref: str
    commit: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    head: str = ""
    changed: Sequence[str] = ()

    @property
    def kind(self) -> str:
        """Whether the ref is a branch or a tag."""
        return _KINDS[self.ref.split("/")[1]]

    @property
    def short_ref(self) -> str:
        """The ref's name as people say it."""
        return self.ref.split("/", 2)[2]

    def triggers(self, on: object) -> bool:
        """Whether a workflow with this `on:` runs."""
        if isinstance(on, str):
            return self.name == on
        if isinstance(on, Sequence):
            return self.name in on
        if not isinstance(on, Mapping) or self.name not in on:
            return False
        filters = on[self.name]
        # "push:" with nothing below it is every push; a schedule's times mean nothing here.
        if not isinstance(filters, Mapping) or self.name not in {"push", "pull_request"}:
            return True
        unknown = filters.keys() - {"branches", "tags", "paths"}
        if unknown:
            message = f"on.{self.name}.{min(unknown)}: is not understood here"
            raise WorkflowError(message)
        patterns = filters.get("tags" if self.kind == "tag" else "branches", [])
        is_named = not filters.keys() & {"branches", "tags"} or any(
            fnmatchcase(self.base or self.short_ref, pattern) for pattern in patterns
        )
        # GitHub looks at no file of a tag.
        return is_named and (self.kind == "tag" or "paths" not in filters or self._touches(filters["paths"]))

    def _touches(self, patterns: Sequence[str]) -> bool:
        expressions = [_path_pattern(pattern) for pattern in patterns]
        return any(expression.fullmatch(path) for path in self.changed for expression in expressions)


def _path_pattern(pattern: str) -> re.Pattern[str]:
    if pattern.startswith("!") or re.search(r"[?+\[\]]", pattern):
        message = f"paths: {pattern!r} is not understood here"
        raise WorkflowError(message)
    # `**/` is any folders, none included.
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*)", pattern)))


def push(remote: Remote, ref: str) -> Event:
    """A branch or a tag was pushed."""
    commit = remote.commit(ref)
    return Event("push", ref, commit, _repository(), changed=remote.changed(commit))


def on_main(remote: Remote, name: str) -> Event:
    """A schedule, or somebody's click: both run main."""
    return Event(name, "refs/heads/main", remote.commit("refs/heads/main"), _repository())


def pull_request(remote: Remote, number: int, base: str, head: str) -> Event:
    """A pull request was opened, or its branch pushed."""
    ref = remote.merge(number, base, head)
    payload = {"pull_request": {"number": number, "head": {"sha": remote.commit(f"refs/heads/{head}")}}}
    commit = remote.commit(ref)
    return Event("pull_request", ref, commit, payload | _repository(), base, head, remote.changed(commit))


def workflow_run(remote: Remote, head: str) -> Event:
    """The workflow of a pull request has ended well."""
    run = {
        "id": "1",
        "event": "pull_request",
        "conclusion": "success",
        "head_branch": head,
        "head_sha": remote.commit(f"refs/heads/{head}"),
        "head_repository": {"full_name": REPOSITORY},
    }
    main = on_main(remote, "workflow_run")
    return Event(main.name, main.ref, main.commit, {"workflow_run": run} | _repository())


def _repository() -> dict[str, Any]:
    return {"repository": {"default_branch": "main", "full_name": REPOSITORY}}
