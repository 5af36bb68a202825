"""What a step writes to GITHUB_OUTPUT, and to GITHUB_ENV: `name=value`, or `name<<END`, lines of text, and `END`."""

import re
from collections.abc import Iterator

from tests.support.workflow_runner.errors import WorkflowError

_ENTRY = re.compile(r"(?P<name>.+?)(?P<sign>=|<<)(?P<rest>.*)")


def read_outputs(text: str, file: str = "GITHUB_OUTPUT") -> dict[str, str]:
    """Give the values by name; of one name's, the last.

    Raises:
        WorkflowError: GitHub could not read it.
    """
    outputs = {}
    lines = iter(text.split("\n"))
    for line in filter(None, lines):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            message = f"{file}: {line!r} is neither name=value nor name<<END"
            raise WorkflowError(message)
        is_text = entry["sign"] == "<<"
        outputs[entry["name"]] = _text(lines, entry["rest"], line, file) if is_text else entry["rest"]
    return outputs


def _text(lines: Iterator[str], end: str, opened: str, file: str) -> str:
    text: list[str] = []
    for line in lines:
        if line == end:
            return "\n".join(text)
        text.append(line)
    message = f"{file}: {opened!r} is not followed by a line {end!r}"
    raise WorkflowError(message)
