"""Measures what a preview pays for its inputs: a generated tree of seven services, cold, warm and after one edit."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from carbide_infra.source.inputs import Inputs, Target, Wanted, inputs_of

SERVICES = ("api", "db", "ipam", "workflow", "site-manager", "cert-manager", "site-agent")
PLATFORMS = ("linux/amd64", "linux/arm64")
FILES_A_PACKAGE = 10
BODY_LINES = 150
FAST_ENOUGH = 0.5


def generate(root: Path, go_files: int) -> list[str]:
    """Write services that each import their own packages, and those a shared layer; give the package paths."""
    shared = [f"common/p{number:03}" for number in range(go_files // FILES_A_PACKAGE // 5)]
    own = go_files // FILES_A_PACKAGE - len(shared)
    _write(root / "go.mod", "module example.com/bench\n\ngo 1.21\n")
    _write(root / "VERSION", "1.0.0\n")
    for number, folder in enumerate(shared):
        _package(root / folder, imports=shared[max(0, number - 3) : number])
    for number, service in enumerate(SERVICES):
        folders = [f"{service}/internal/p{each:03}" for each in range(number, own, len(SERVICES))]
        for each, folder in enumerate(folders):
            _package(root / folder, imports=[shared[(4 * each + step) % len(shared)] for step in range(4)])
        _main(root / service / "cmd" / service, folders)
    return [f"./{service}/cmd/{service}" for service in SERVICES]


def _package(folder: Path, imports: list[str]) -> None:
    lines = "".join(f'import _ "example.com/bench/{name}"\n' for name in imports)
    for number in range(FILES_A_PACKAGE):
        body = f'func F{number}() string {{ return "{folder.name}" }}\n' + "// one more line of text\n" * BODY_LINES
        _write(folder / f"f{number}.go", f"package {folder.name}\n\n{lines}\n{body}")


def _main(folder: Path, imports: list[str]) -> None:
    lines = "".join(f'import _ "example.com/bench/{name}"\n' for name in imports)
    _write(folder / "main.go", f"package main\n\n{lines}\nfunc main() {{}}\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _timed(action: Callable[[], dict[str, Inputs]]) -> tuple[float, dict[str, Inputs]]:
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def main() -> None:
    """Print the seconds of each case and the ratio warm/cold; fail when a warm run is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "tree", Path(folder) / "cache"
        packages = generate(root, options.files)

        def ask() -> dict[str, Inputs]:
            return inputs_of(root, {name: Wanted([Target(name, PLATFORMS)]) for name in packages}, cache)

        first, _ = _timed(ask)
        for kept in cache.glob("*.json"):
            kept.unlink()
        time.sleep(2.1)  # a file younger than the clock's tick is hashed again each time
        cold, exact = _timed(ask)
        warm = statistics.median(_timed(ask)[0] for _ in range(options.runs))
        (root / "common/p001/f1.go").write_text("package p001\n\nfunc F1() {}\n", encoding="utf-8")
        edited, changed = _timed(ask)
    count = len({file.path for found in exact.values() for file in found.files})
    moved = sum(exact[package] != changed[package] for package in packages)
    print(f"{count} files in {len(packages)} services")
    print(f"first, compiling the reader   {first:7.3f} s")
    print(f"cold, reader compiled         {cold:7.3f} s")
    print(f"warm, median of {options.runs}             {warm:7.3f} s   warm/cold {warm / cold:.2f}")
    print(f"after an edit ({moved} services)    {edited:7.3f} s")
    if warm > FAST_ENOUGH:
        msg = f"warm run took {warm:.3f} s, more than {FAST_ENOUGH} s"
        raise SystemExit(msg)


if __name__ == "__main__":
    main()
