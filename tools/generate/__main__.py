"""Write what follows from other files: `python -m tools.generate`; with --check, say what differs and write nothing."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from carbide_infra.paths import project_root
from tools.generate import configuration, examples, images, outputs, reports
from tools.generate.regions import MarkersError

Generator = Callable[[Path], Mapping[Path, str | None]]
"""From the project to the files that it writes, with the text that each should hold; None for one that should go."""

GENERATORS: Sequence[Generator] = (
    configuration.pulumi_yaml,
    configuration.documentation,
    outputs.json_schema,
    images.dockerfiles,
    images.json_schema,
    images.tables,
    reports.expected,
    examples.pages,
)


def generated(project: Path) -> dict[Path, str | None]:
    """What all generators give."""
    return {file: text for generator in GENERATORS for file, text in generator(project).items()}


def different(files: Mapping[Path, str | None]) -> Iterator[Path]:
    """Those that do not hold what they should."""
    for file, text in sorted(files.items()):
        if text != (file.read_text(encoding="utf-8") if file.is_file() else None):
            yield file


def write(file: Path, text: str | None) -> None:
    """Make the file hold the text, or remove it."""
    if text is None:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str], project: Path) -> int:
    """Give the exit code: with --check, 1 where a file differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file differs")
    check = parser.parse_args(arguments).check
    try:
        files = generated(project)
    except MarkersError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    found = list(different(files))
    for file in found:
        name = file.relative_to(project)
        if check:
            sys.stderr.write(f"{name}: is not what `make generate` writes; run it and commit the result\n")
        else:
            write(file, files[file])
            sys.stdout.write(f"{name}: {'removed' if files[file] is None else 'written'}\n")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], project_root()))
