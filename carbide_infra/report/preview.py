"""What `pulumi preview --json` says of the stack's images, read into models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from carbide_infra.images.record import record_of
from carbide_infra.names import COMPONENT_TYPE, IMAGE_TYPE, INDEX_TYPE, RECORD_TYPE, STACK_TYPE

# Follows every error that has a message of its own.
_AFTERTHOUGHT = "an unhandled error occurred: program exited"


class PreviewError(Exception):
    """This is not the output of `pulumi preview --json`."""


@dataclass(frozen=True)
class Step:
    """What an update would do to one resource.

    Attributes:
        operations: such as {"update"}, or {"create-replacement", "delete-replaced"}.
        before: its inputs in the state; None for a new one.
        after: its inputs in the program; None for one that goes.
        outputs: its outputs in the state.
        keys: the properties that differ, as Pulumi names them.
    """

    operations: frozenset[str]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()

    @property
    def changes(self) -> bool:
        """Whether anything would happen at all."""
        return self.operations != {"same"}


@dataclass(frozen=True)
class Records:
    """What an image is made of; None where nobody knows.

    Attributes:
        before: as the state has it, where it belongs to the image that the state has.
        after: as the program wants it.
    """

    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Preview:
    """One preview of one stack; a resource that stays as it is may be missing.

    Attributes:
        project: the project's name.
        stack: the stack's name.
        records: what each image is made of, by image name.
        images: by image name.
        tags: by image name, then by kind (version, revision, latest).
        deployed: the stack output `images` of the last update.
        config: the stack's configuration, without the namespace, as text.
        warnings: what the program and the engine warn of.
        errors: why the preview failed; empty when it did not.
    """

    project: str
    stack: str
    records: Mapping[str, "Records"]
    images: Mapping[str, Step]
    tags: Mapping[str, Mapping[str, Step]]
    deployed: Mapping[str, Mapping[str, Any]]
    config: Mapping[str, str]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]


def read_preview(data: object, stack: str) -> Preview:
    """Read the parsed JSON; `stack` is its name where the preview does not come to say it.

    Raises:
        PreviewError: it is something else.
    """
    if not isinstance(data, dict) or not isinstance(data.get("steps", []), list) or not data.keys() & {"steps"}:
        msg = "is not what `pulumi preview --json` prints: an object with `steps`"
        raise PreviewError(msg)
    try:
        return _read(data, stack)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"is not what `pulumi preview --json` prints ({type(error).__name__}: {error})"
        raise PreviewError(msg) from error


def _read(data: Mapping[str, Any], stack: str) -> Preview:
    steps: dict[tuple[str, str], Step] = {}
    # A failed preview may have no resource; each key of the configuration names a project, our own most often.
    projects = [key.partition(":")[0] for key in data.get("config") or {}]
    project, name_of_stack = max(projects, key=projects.count, default=""), stack.rpartition("/")[2]
    for item in data["steps"]:
        head, project, chain, name = item["urn"].split("::", 3)
        name_of_stack = head.removeprefix("urn:pulumi:")
        key = (chain.rpartition("$")[2], name)
        steps[key] = _merged(steps.get(key), _step(item))
    tags: dict[str, dict[str, Step]] = {}
    for name, step in _of(steps, INDEX_TYPE).items():
        image, _, kind = name.rpartition("-")
        tags.setdefault(image, {})[kind] = step
    outputs = next((step.outputs for step in _of(steps, STACK_TYPE).values()), {})
    diagnostics = data.get("diagnostics") or ()
    return Preview(
        project=project,
        stack=name_of_stack,
        records=_records(steps),
        images=_of(steps, IMAGE_TYPE),
        tags=tags,
        deployed={name: image for name, image in (outputs.get("images") or {}).items() if isinstance(image, dict)},
        config={key.partition(":")[2]: str(value) for key, value in (data.get("config") or {}).items()},
        warnings=tuple(_messages(diagnostics, "warning")),
        errors=tuple(_without_afterthought(_messages(diagnostics, "error"))),
    )


def _records(steps: Mapping[tuple[str, str], Step]) -> dict[str, Records]:
    stashes, components, images = (_of(steps, kind) for kind in (RECORD_TYPE, COMPONENT_TYPE, IMAGE_TYPE))
    nothing = Step(frozenset(), None, None)
    found = {}
    for name in dict.fromkeys([*components, *stashes]):
        three = [of_kind.get(name, nothing) for of_kind in (stashes, components, images)]
        before, after = record_of(*(step.before for step in three)), record_of(*(step.after for step in three))
        found[name] = Records(before, after)
    return found


def _step(item: Mapping[str, Any]) -> Step:
    old, new = item.get("oldState"), item.get("newState")
    leaves = item["op"].startswith("delete")
    return Step(
        operations=frozenset({item["op"]}),
        before=None if old is None else old.get("inputs") or {},
        after=None if new is None or leaves else new.get("inputs") or {},
        outputs=(old or {}).get("outputs") or {},
        keys=frozenset(item.get("diffReasons") or ()),
    )


def _merged(one: Step | None, other: Step) -> Step:
    """A replacement comes as several steps."""
    if one is None:
        return other
    return Step(
        operations=one.operations | other.operations,
        before=other.before if one.before is None else one.before,
        after=other.after if one.after is None else one.after,
        outputs=one.outputs or other.outputs,
        keys=one.keys | other.keys,
    )


def _of(steps: Mapping[tuple[str, str], Step], kind: str) -> dict[str, Step]:
    return {name: step for (found, name), step in steps.items() if found == kind}


def _messages(diagnostics: Iterable[Mapping[str, Any]], severity: str) -> list[str]:
    texts = (
        str(item["message"]).strip().removeprefix(f"{severity}: ")
        for item in diagnostics
        if item.get("severity") == severity
    )
    return list(dict.fromkeys(filter(None, texts)))


def _without_afterthought(errors: list[str]) -> list[str]:
    return [text for text in errors if not text.startswith(_AFTERTHOUGHT)] or errors
