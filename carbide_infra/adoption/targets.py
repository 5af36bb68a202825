"""Finds the stages of a Dockerfile that look like images of their own, although nobody names them as targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carbide_infra.source.kept.stages import flags_of, mounts, named_stage, stage_name

if TYPE_CHECKING:
    import dockerfile

_STARTS = frozenset({"ENTRYPOINT", "CMD"})


@dataclass
class _Stage:
    name: str
    line: int
    base: str
    uses: set[str] = field(default_factory=set)
    starts: bool = False


def unnamed_images(
    commands: Sequence["dockerfile.Command"], targets: Sequence[str | None]
) -> Iterator[tuple[int, str]]:
    """Line and name of each stage that says what starts, and that no other stage and no target is made from.

    Args:
        commands: the instructions of the Dockerfile.
        targets: the stages that are built; None for the last.
    """
    stages = list(_stages(commands))
    used = {stage.name for stage in stages[-1:]} if None in targets else set()
    used |= {stage.name for target in targets if target and (stage := named_stage(stages, target))}
    for at, stage in enumerate(stages):
        before = stages[:at]
        found = [named_stage(before, name) for name in (stage.base, *stage.uses)]
        used |= {other.name for other in found if other}
        parent = named_stage(before, stage.base) if not stage.base.isdecimal() else None
        stage.starts = stage.starts or (parent is not None and parent.starts)
    yield from ((stage.line, stage.name) for stage in stages if stage.starts and stage.name and stage.name not in used)


def _stages(commands: Sequence["dockerfile.Command"]) -> Iterator[_Stage]:
    stage: _Stage | None = None
    for command in commands:
        name = command.cmd.upper()
        if name == "FROM":
            if stage:
                yield stage
            stage = _Stage(stage_name(command), command.start_line, command.value[0])
        elif stage and name in {"COPY", "ADD"}:
            stage.uses.add(flags_of(command).get("from", ""))
        elif stage and name == "RUN":
            stage.uses |= {keys.get("from", "") for keys in mounts(command)}
        elif stage and name in _STARTS:
            stage.starts = True
    if stage:
        yield stage
