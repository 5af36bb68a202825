"""A staged context is exactly the inputs, whatever happened to the folder, the tree or the process before."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
import textwrap
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NoReturn, TextIO

import pytest

from carbide_infra.source import staging
from carbide_infra.source.inputs import InputFile, Inputs
from carbide_infra.source.staging import Place, StagingError, collect_garbage

FILES = {"VERSION": "1.0\n", "cmd/a/main.go": "package main\n", "cmd/a/mit größe.txt": "ß", "run": "#!/bin/sh\n"}
DOCKERFILE = "FROM scratch\n"
WEEK = 604_800
Snapshot = dict[str, tuple[int, int, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "run").chmod(0o755)
    (folder / "not an input").write_text("")
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return tmp_path / "contexts/image/key"


def place_of(context: Path) -> Place:
    return Place(context.parents[1], context.parent.name, context.name)


def stage(root: Path, inputs: Inputs, context: Path, dockerfile: str = DOCKERFILE) -> None:
    staging.stage(root, inputs, dockerfile, place_of(context))


def described(root: Path, *names: str) -> Inputs:
    return Inputs(tuple(one(root, name) for name in sorted(names or FILES)), fallback=None)


def one(root: Path, name: str) -> InputFile:
    digest = hashlib.file_digest((root / name).open("rb"), "sha256").hexdigest()
    found = (root / name).stat()
    return InputFile(name, bool(found.st_mode & stat.S_IXUSR), digest, found.st_size)


def snapshot(folder: Path) -> Snapshot:
    """Mode, time and content of everything; folders have no content."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_text(encoding="utf-8") if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }


def siblings(context: Path) -> set[str]:
    return {path.name for path in context.parent.iterdir()}


QUIET = {"key", "key.dockerfile", "key.manifest.json"}


# ---- What is staged.


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_a_context_is_the_same_under_every_umask(root: Path, context: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        stage(root, described(root), context)
    finally:
        os.umask(before)
    modes = {name: oct(mode) for name, (mode, _, _) in snapshot(context).items()}
    assert modes == {
        ".": "0o40755", "cmd": "0o40755", "cmd/a": "0o40755", "run": "0o100755",
        "VERSION": "0o100644", "cmd/a/main.go": "0o100644", "cmd/a/mit größe.txt": "0o100644",
    }  # fmt: skip
    assert {name: text for name, (_, _, text) in snapshot(context).items() if name in FILES} == FILES
    assert siblings(context) == QUIET


def test_times_follow_from_content_alone(root: Path, tmp_path: Path) -> None:
    """BuildKit takes a file of the same size, mode and time for the one it has."""
    stage(root, described(root), tmp_path / "contexts/image/one")
    for path in root.rglob("*"):
        os.utime(path, (0, 0))
    stage(root, described(root), tmp_path / "contexts/image/two")
    assert snapshot(tmp_path / "contexts/image/one") == snapshot(tmp_path / "contexts/image/two")
    before = (tmp_path / "contexts/image/two/VERSION").stat()
    (root / "VERSION").write_text("1.1\n")
    stage(root, described(root), tmp_path / "contexts/image/two")
    after = (tmp_path / "contexts/image/two/VERSION").stat()
    assert after.st_size == before.st_size
    assert after.st_mtime_ns != before.st_mtime_ns
    assert 315_532_800 <= after.st_mtime < 315_532_800 + 2**29


def test_a_time_is_the_same_on_every_machine(root: Path, context: Path) -> None:
    stage(root, described(root, "VERSION", "run"), context)
    times = {name: (context / name).stat().st_mtime_ns for name in ("VERSION", "run")}
    assert times == {"VERSION": 317_044_249_048_742_548, "run": 463_520_770_589_310_292}
    assert {(context / name).stat().st_atime_ns for name in times} <= set(times.values())
    assert context.stat().st_mtime_ns == 0


def test_links_become_files(root: Path, context: Path) -> None:
    (root / "link.go").symlink_to("cmd/a/main.go")
    (root / "alias").symlink_to("cmd")
    stage(root, described(root, "link.go", "alias/a/main.go"), context)
    assert not [path for path in context.rglob("*") if path.is_symlink()]
    assert (context / "link.go").read_text() == (context / "alias/a/main.go").read_text() == FILES["cmd/a/main.go"]


def test_a_large_file_is_streamed(root: Path, context: Path) -> None:
    with (root / "large").open("wb") as large:
        large.seek(100 * 2**20)
        large.write(b"end")
    inputs = described(root, "large")
    tracemalloc.start()
    try:
        stage(root, inputs, context)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (context / "large").stat().st_size == 100 * 2**20 + 3
    assert peak < 8 * 2**20


def test_no_file_is_left_open(root: Path, context: Path) -> None:
    before = sorted(Path("/dev/fd").iterdir())
    stage(root, described(root), context)
    collect_garbage(context.parents[1])
    assert sorted(Path("/dev/fd").iterdir()) == before


def test_no_inputs_make_an_empty_context(root: Path, context: Path) -> None:
    stage(root, Inputs((), None), context)
    assert snapshot(context).keys() == {"."}


def test_the_folder_that_a_build_sees_is_there_without_a_file_in_it(root: Path, context: Path) -> None:
    inputs = Inputs((), None, folder="services/a")
    stage(root, inputs, context)
    assert snapshot(context).keys() == {".", "services", "services/a"}
    before = context.stat().st_ino
    stage(root, inputs, context)
    assert context.stat().st_ino == before


def test_a_context_is_made_on_the_file_system_where_it_stays(
    root: Path, context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename cannot cross from one file system to another, and the machine's temporary files may be on their own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, within(context.parent, getattr(Path, name)))
    stage(root, described(root), context)
    (root / "VERSION").write_text("2.0\n")
    stage(root, described(root), context)
    assert (context / "VERSION").read_text() == "2.0\n"
    assert siblings(context) == QUIET


def within(folder: Path, rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    """A rename for which a folder is a file system of its own."""

    def refusing(self: Path, target: Path) -> Path:
        if not (self.is_relative_to(folder) and target.is_relative_to(folder)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(self))
        return rename(self, target)

    return refusing


def test_the_folder_of_contexts_may_be_new_with_all_above_it(root: Path, tmp_path: Path) -> None:
    context = tmp_path / "project/.local/contexts/image/key"
    stage(root, described(root, "VERSION"), context)
    assert (context / "VERSION").read_text() == FILES["VERSION"]


# ---- Again.


@pytest.mark.parametrize("names", [tuple(FILES), ("VERSION",), ("cmd/a/main.go",)])
def test_an_unchanged_context_is_left_alone(names: tuple[str, ...], root: Path, context: Path) -> None:
    stage(root, described(root, *names), context)
    before = {path: path.stat().st_ino for path in (context, *context.rglob("*"))}
    stage(root, described(root, *names), context)
    assert {path: path.stat().st_ino for path in (context, *context.rglob("*"))} == before


@pytest.mark.parametrize("change", ["content", "mode", "fewer", "more"])
def test_changed_inputs_are_staged_anew(root: Path, context: Path, change: str) -> None:
    stage(root, described(root), context)
    names = list(FILES)
    if change == "content":
        (root / "VERSION").write_text("2.0\n")
    elif change == "mode":
        (root / "VERSION").chmod(0o700)
    elif change == "fewer":
        names.remove("cmd/a/main.go")
    else:
        names.append("not an input")
    stage(root, described(root, *names), context)
    stage(root, described(root, *names), context.with_name("fresh"))
    assert snapshot(context) == snapshot(context.with_name("fresh"))


def edit_in_place(context: Path) -> None:
    (context / "VERSION").write_text("9.9\n")


def replace_by_link(context: Path) -> None:
    (context / "VERSION").unlink()
    (context / "VERSION").symlink_to("/etc/hostname")


def replace_by_link_to_itself(context: Path) -> None:
    """A file as it was, but for being elsewhere: another machine does not have it there."""
    (context / "VERSION").rename(context.with_name("elsewhere"))
    (context / "VERSION").symlink_to("../elsewhere")


def replace_context(context: Path, *, by_link: bool) -> None:
    context.rename(context.with_name("elsewhere"))
    if by_link:
        context.symlink_to("elsewhere")
    else:
        context.write_text("a file")


TAMPERING: dict[str, Callable[[Path], object]] = {
    "edited, same size": edit_in_place,
    "deleted": lambda context: (context / "VERSION").unlink(),
    "added": lambda context: (context / "cmd/extra").write_text(""),
    "added folder": lambda context: (context / "cmd/extra").mkdir(),
    "mode": lambda context: (context / "VERSION").chmod(0o755),
    "folder mode": lambda context: (context / "cmd").chmod(0o700),
    "closed folder": lambda context: (context / "cmd").chmod(0o000),
    "context mode": lambda context: context.chmod(0o777),
    "linked": replace_by_link,
    "linked to itself": replace_by_link_to_itself,
    "context gone": shutil.rmtree,
    "context a link": lambda context: replace_context(context, by_link=True),
    "context a file": lambda context: replace_context(context, by_link=False),
    "manifest gone": lambda context: staging._manifest(context).unlink(),
    "manifest cut": lambda context: os.truncate(staging._manifest(context), 20),
    "manifest strange": lambda context: staging._manifest(context).write_text('{"format": 1, "files": [[1]]}'),
    "manifest a list": lambda context: staging._manifest(context).write_text("[]"),
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_tampering_is_noticed_and_repaired(root: Path, context: Path, tamper: Callable[[Path], object]) -> None:
    stage(root, described(root), context)
    before = snapshot(context)
    tamper(context)
    stage(root, described(root), context)
    assert snapshot(context) == before
    assert json.loads(staging._manifest(context).read_text())["format"] == 2
    assert siblings(context) - {"elsewhere"} == QUIET


# ---- When it goes wrong.


def fails(root: Path, inputs: Inputs, context: Path, complaint: str) -> None:
    """The call fails with this message, and the context is as before."""
    before = snapshot(context)
    with pytest.raises(StagingError, match=complaint):
        stage(root, inputs, context)
    assert snapshot(context) == before
    assert siblings(context) >= {"key"}
    assert not [name for name in siblings(context) if name.startswith(".staging-")]


def test_a_file_that_changes_meanwhile(root: Path, context: Path) -> None:
    stage(root, described(root), context)
    (root / "run").write_text("#!/bin/bash\n")
    inputs = described(root)
    (root / "VERSION").write_text("2.0\n")
    fails(root, inputs, context, r"^VERSION changed while its build context was being staged; run again")


@pytest.mark.parametrize("instead", ["nothing", "pipe", "folder"])
def test_a_file_that_vanishes_meanwhile(root: Path, context: Path, instead: str) -> None:
    stage(root, described(root), context)
    (root / "run").write_text("#!/bin/bash\n")
    inputs = described(root)
    (root / "VERSION").unlink()
    if instead == "pipe":
        os.mkfifo(root / "VERSION")
    if instead == "folder":
        (root / "VERSION").mkdir()
    complaint = {"nothing": "^VERSION was removed while", "pipe": "^VERSION changed while", "folder": "Is a directory"}
    fails(root, inputs, context, complaint[instead])


@pytest.fixture
def as_nobody(root: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder of a user for whom modes count, holding the tree."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    own = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    shutil.copytree(root, own / "root")
    for path in (own, *own.rglob("*")):
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield own
    finally:
        os.seteuid(0)
        shutil.rmtree(own)


def test_an_unreadable_file_is_named_with_the_way_out(as_nobody: Path) -> None:
    root, context = as_nobody / "root", as_nobody / "contexts/image/key"
    stage(root, described(root), context)
    (root / "run").write_text("#!/bin/bash\n")
    inputs = described(root)
    (root / "VERSION").chmod(0)
    fails(root, inputs, context, r"^VERSION cannot be read \(Permission denied\); run chmod u\+r on it")


def test_a_closed_folder_in_the_context_is_repaired_by_its_owner(as_nobody: Path) -> None:
    root, context = as_nobody / "root", as_nobody / "contexts/image/key"
    stage(root, described(root), context)
    before = snapshot(context)
    (context / "cmd").chmod(0)
    stage(root, described(root), context)
    assert snapshot(context) == before
    assert siblings(context) == QUIET


def test_a_parent_that_cannot_be_written(as_nobody: Path) -> None:
    (as_nobody / "contexts").mkdir()
    (as_nobody / "contexts").chmod(0o500)
    with pytest.raises(StagingError, match=r"build context .* cannot be staged: .*: Permission denied"):
        stage(as_nobody / "root", described(as_nobody / "root"), as_nobody / "contexts/image/key")
    (as_nobody / "contexts").chmod(0o700)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_keeps_the_old_content(
    root: Path, context: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    stage(root, described(root), context)
    (root / "VERSION").write_text("2.0\n")

    def full(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("carbide_infra.source.staging.os.utime", full)
    fails(root, described(root), context, r"no room to stage the build context .*: free disk space and run again")
    monkeypatch.undo()
    stage(root, described(root), context)
    assert (context / "VERSION").read_text() == "2.0\n"


def test_a_write_beyond_the_limit_keeps_the_old_content(root: Path, context: Path) -> None:
    """The real thing, as near as a test may come: the kernel refuses the bytes."""
    stage(root, described(root), context)
    before = snapshot(context)
    (root / "large").write_bytes(b"x" * 2**21)
    code = f"""
        import resource
        from pathlib import Path
        from tests.unit.source.test_staging import described, stage
        from carbide_infra.source.staging import StagingError

        root = Path({str(root)!r})
        inputs = described(root, "large")
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        try:
            stage(root, inputs, Path({str(context)!r}))
        except StagingError as error:
            print(error)
    """
    done = run_python(code)
    assert "no room to stage the build context" in done.stdout, done.stderr
    assert snapshot(context) == before
    assert siblings(context) == QUIET


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, which need not import anew what this one has."""
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if not child:
            _end_with(code, said)
        code_of_exit = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        text = said.read()
    return subprocess.CompletedProcess([], code_of_exit, text, text)


def _end_with(code: str, said: TextIO) -> NoReturn:
    failed = 1
    try:
        with contextlib.redirect_stdout(said):
            exec(textwrap.dedent(code), {"__name__": "__main__"})  # noqa: S102 - a test's own
        failed = 0
    except BaseException:  # noqa: BLE001 - as Python's own end
        traceback.print_exc(file=said)
    finally:
        said.flush()
        os._exit(failed)


@pytest.mark.parametrize("step", range(12))
def test_a_crash_at_any_step_is_repaired_by_the_next_call(root: Path, context: Path, step: int) -> None:
    stage(root, described(root), context)
    (root / "VERSION").write_text("2.0\n")
    code = f"""
        import os
        from pathlib import Path
        from tests.unit.source.test_staging import described, stage
        from carbide_infra.source import staging

        root, left = Path({str(root)!r}), {step}
        inputs = described(root)

        def crashing(name):
            original = getattr(Path, name)
            def step(self, *arguments, **named):
                global left
                if left == 0:
                    os._exit(9)
                left -= 1
                return original(self, *arguments, **named)
            setattr(Path, name, step)

        for name in ("rename", "replace", "unlink", "write_text", "rmdir"):
            crashing(name)
        staging.shutil.rmtree = lambda path: os._exit(9) if left == 0 else None
        stage(root, inputs, Path({str(context)!r}))
    """
    done = run_python(code)
    assert done.returncode in {0, 9}, done.stderr
    if context.exists():
        assert (context / "VERSION").read_text() in {"1.0\n", "2.0\n"}
    for version in ("2.0\n", "1.0\n"):
        (root / "VERSION").write_text(version)
        stage(root, described(root), context)
        stage(root, described(root), context.with_name("fresh"))
        assert snapshot(context) == snapshot(context.with_name("fresh"))
    assert not [name for name in siblings(context) if name.startswith(".staging-")]


@pytest.mark.parametrize("step", range(12))
def test_a_context_that_appears_is_complete_wherever_the_process_is_killed(
    root: Path, context: Path, step: int
) -> None:
    """Each step writes, renames or removes; SIGKILL comes just before it."""
    code = f"""
        import os, signal
        from pathlib import Path
        from tests.unit.source.test_staging import described, stage

        root, left = Path({str(root)!r}), {step}
        inputs = described(root)

        def killed(name):
            original = getattr(Path, name)
            def step(self, *arguments, **named):
                global left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return original(self, *arguments, **named)
            setattr(Path, name, step)

        for name in ("rename", "mkdir", "write_text", "write_bytes", "chmod"):
            killed(name)
        stage(root, inputs, Path({str(context)!r}))
    """
    assert run_python(code).returncode == -9
    assert not context.exists()
    collect_garbage(context.parents[1])
    assert not context.parent.exists() or not [name for name in siblings(context) if name.startswith(".staging-")]
    stage(root, described(root), context)
    assert siblings(context) == QUIET
    assert (context / "VERSION").read_text() == FILES["VERSION"]


def test_a_context_appears_last(root: Path, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, rename = list[str](), Path.rename

    def noted(self: Path, target: Path) -> Path:
        moved.append(target.name)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", noted)
    stage(root, described(root), context)
    assert moved == ["key.dockerfile", "key.manifest.json", "key"]


def test_a_manifest_that_cannot_be_put_in_place_leaves_no_context(
    root: Path, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if target.name.endswith(".json"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(StagingError, match="Input/output error"):
        stage(root, described(root), context)
    assert siblings(context) == {"key.dockerfile"}


def test_what_a_crash_left_is_removed_where_there_is_nothing_else_to_do(root: Path, context: Path) -> None:
    stage(root, described(root), context)
    (context.parent / ".staging-left/cmd").mkdir(parents=True)
    (context.parent / ".staging-left.manifest.json").touch()
    collect_garbage(context.parents[1])
    assert siblings(context) == QUIET


def test_what_a_crash_left_is_gone_before_there_has_to_be_room(
    root: Path, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = context.parent / ".staging-left/cmd"
    left.mkdir(parents=True)
    left.parent.chmod(0)
    there, copied = list[bool](), staging._copied

    def noted(root: Path, file: InputFile, target: Path) -> str:
        there.append(left.parent.exists())
        return copied(root, file, target)

    monkeypatch.setattr(staging, "_copied", noted)
    stage(root, described(root, "VERSION"), context)
    assert there == [False]


# ---- The Dockerfile.


def test_the_dockerfile_stands_beside_the_context_and_makes_it_ignore_nothing(root: Path, context: Path) -> None:
    """BuildKit takes the .dockerignore beside a Dockerfile, and then not that of the context."""
    (root / ".dockerignore").write_text("*\n")
    stage(root, described(root, ".dockerignore", "VERSION"), context)
    dockerfile = place_of(context).dockerfile
    assert dockerfile.read_text() == DOCKERFILE
    (line,) = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text().splitlines()
    assert line.startswith("#")
    assert snapshot(context).keys() == {".", ".dockerignore", "VERSION"}


def test_line_ends_of_a_dockerfile_are_kept(root: Path, context: Path) -> None:
    stage(root, described(root), context, "FROM scratch\r\n")
    assert place_of(context).dockerfile.read_bytes() == b"FROM scratch\r\n"


@pytest.mark.parametrize("change", ["edited", "ignore file gone", "another file", "linked", "another text"])
def test_a_changed_dockerfile_is_staged_anew(root: Path, context: Path, change: str) -> None:
    stage(root, described(root), context)
    dockerfile = place_of(context).dockerfile
    ignore, text = dockerfile.with_name(f"{dockerfile.name}.dockerignore"), DOCKERFILE
    if change == "edited":
        dockerfile.write_text("FROM other\n")
    elif change == "ignore file gone":
        ignore.unlink()
    elif change == "another file":
        dockerfile.with_name(f"{dockerfile.name}.rego").write_text("package docker\n")
    elif change == "linked":
        dockerfile.rename(root / "elsewhere")
        dockerfile.symlink_to(root / "elsewhere")
    else:
        text = "FROM text\n"
    stage(root, described(root), context, text)
    assert dockerfile.read_text() == text
    assert {path.name for path in dockerfile.parent.iterdir()} == {dockerfile.name, ignore.name}
    assert not dockerfile.is_symlink()


# ---- Beside others.


def _stage_often(arguments: tuple[Path, Path, tuple[str, ...]]) -> None:
    root, context, names = arguments
    inputs = described(root, *names)
    for _ in range(20):
        stage(root, inputs, context)


def test_processes_take_turns(root: Path, context: Path) -> None:
    work = [(root, context, ("VERSION",)), (root, context, ("run",)), (root, context.with_name("other"), ("run",))]
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(_stage_often, work))
    assert {path.name for path in context.iterdir()} in ({"VERSION"}, {"run"})
    assert siblings(context) == QUIET | {"other", "other.dockerfile", "other.manifest.json"}
    manifest = json.loads(staging._manifest(context).read_text())
    assert {name for name, *_ in manifest["files"]} == {path.name for path in context.iterdir()}


def _staged_by(arguments: tuple[Path, Path]) -> dict[str, int]:
    root, context = arguments
    stage(root, described(root), context)
    return {str(path): path.stat().st_ino for path in (context, *context.rglob("*"))}


def test_of_processes_that_stage_the_same_at_once_one_does(root: Path, context: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        seen = list(pool.map(_staged_by, [(root, context)] * 8))
    assert all(each == seen[0] for each in seen), "what one of them has seen stays as it is"
    assert siblings(context) == QUIET


def is_locked(parent: Path) -> bool:
    """Whether another process would have to wait."""
    with (parent / ".staging.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("work", ["stage", "collect"])
def test_whoever_works_on_the_contexts_has_the_lock(
    work: str, root: Path, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(root, described(root), context)
    unused(context, WEEK + 60)
    (root / "VERSION").write_text("2.0\n")
    locked, chmod, rmtree = set[bool](), Path.chmod, shutil.rmtree

    def changing(path: Path, mode: int) -> None:
        locked.add(is_locked(context.parents[1]))
        chmod(path, mode)

    def removing(path: Path) -> None:
        locked.add(is_locked(context.parents[1]))
        rmtree(path)

    monkeypatch.setattr(Path, "chmod", changing)
    monkeypatch.setattr("shutil.rmtree", removing)
    if work == "stage":
        stage(root, described(root), context)
    else:
        collect_garbage(context.parents[1])
    assert locked == {True}
    assert not is_locked(context.parents[1])


# ---- Garbage.


def unused(context: Path, seconds: float) -> None:
    """Make it so that the last run that staged it was some time ago."""
    then = time.time() - seconds
    os.utime(staging._manifest(context), (then, then))


def test_a_context_that_no_run_has_staged_for_seven_days_is_removed(root: Path, context: Path) -> None:
    for name in ("key", "old", "older"):
        stage(root, described(root), context.with_name(name))
    unused(context, WEEK - 60)
    unused(context.with_name("old"), WEEK + 60)
    unused(context.with_name("older"), WEEK + 60)
    (context.with_name("older") / "cmd").chmod(0)
    (context.parent / "somebody's").mkdir()
    collect_garbage(context.parents[1])
    assert siblings(context) == QUIET | {"somebody's"}
    assert (context / "VERSION").read_text() == "1.0\n"


def test_a_context_that_a_run_stages_again_stays_seven_days_more(root: Path, context: Path) -> None:
    stage(root, described(root), context)
    unused(context, WEEK + 60)
    stage(root, described(root), context)
    collect_garbage(context.parents[1])
    assert siblings(context) == QUIET


def test_a_context_leaves_on_the_file_system_where_it_is(
    root: Path, context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(Path, "rename", within(context.parent, Path.rename))
    stage(root, described(root), context)
    unused(context, WEEK + 60)
    collect_garbage(context.parents[1])
    assert not context.exists()


def test_a_clock_that_was_ahead_removes_nothing(root: Path, context: Path) -> None:
    stage(root, described(root), context)
    unused(context, -365 * 24 * 3600)
    collect_garbage(context.parents[1])
    assert siblings(context) == QUIET


def test_contexts_by_stack_of_earlier_versions_go_once_they_are_old(root: Path, context: Path) -> None:
    earlier = context.parents[1] / "dev"
    stage(root, described(root), context)
    (earlier / "image").mkdir(parents=True)
    (earlier / ".staging.lock").touch()
    (earlier / ".staging-at-work").mkdir()
    (earlier / "image.manifest.json").touch()
    collect_garbage(context.parents[1])
    assert {path.name for path in earlier.iterdir()} >= {"image", ".staging-at-work"}, "such a version may be at work"
    unused(earlier / "image", WEEK + 60)
    collect_garbage(context.parents[1])
    assert not earlier.exists()
    assert siblings(context) == QUIET


def test_a_context_is_gone_at_once(root: Path, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed while it removes one leaves no part of it in its place."""
    stage(root, described(root), context)
    unused(context, WEEK + 60)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        collect_garbage(context.parents[1])
    assert {name for name in siblings(context) if not name.startswith(".staging-")} == set()


def test_garbage_of_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    collect_garbage(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_a_link_in_a_context_leads_to_is_left_alone(root: Path, context: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "file").touch()
    stage(root, described(root), context)
    unused(context, WEEK + 60)
    (context / "cmd/link").symlink_to(private)
    (context.parent / ".staging-left").symlink_to(private)
    collect_garbage(context.parents[1])
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "file").exists()


@pytest.mark.parametrize("is_gone", [False, True])
def test_garbage_leaves_nothing_but_the_lock(is_gone: bool, root: Path, context: Path) -> None:  # noqa: FBT001
    stage(root, described(root), context)
    unused(context, WEEK + 60)
    if is_gone:
        shutil.rmtree(context)
    collect_garbage(context.parents[1])
    assert [path.name for path in context.parents[1].iterdir()] == [".staging.lock"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/contexts/old/VERSION", "build context {parent} cannot be staged: /contexts/old/VERSION: Permission denied"),
        (None, "build context {parent} cannot be staged: write: Permission denied"),
    ],
)
def test_garbage_that_cannot_be_removed_is_named(
    name: str | None, complaint: str, root: Path, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(root, described(root), context)
    unused(context, WEEK + 60)

    def refused(_: Path) -> None:
        raise OSError(errno.EACCES, "Permission denied", name)

    monkeypatch.setattr("shutil.rmtree", refused)
    with pytest.raises(StagingError) as caught:
        collect_garbage(context.parents[1])
    assert str(caught.value) == complaint.format(parent=context.parents[1])


# ---- What is not the tree's: a text of ours, and the Dockerfile.


def test_a_text_of_ours_is_staged_in_the_place_of_the_tree_s(root: Path, context: Path) -> None:
    (root / "go.mod").write_text("module m // and more than the image links\n")
    stage(root, Inputs((InputFile.written("go.mod", "module m\n"),), None), context)
    assert (context / "go.mod").read_text() == "module m\n"


def test_a_text_that_is_not_the_recorded_one_is_not_staged(root: Path, context: Path) -> None:
    (root / "go.mod").write_text("module m\n")
    file = InputFile("go.mod", False, "0" * 64, 9, content=b"module x\n")  # noqa: FBT003
    with pytest.raises(StagingError, match=r"^go\.mod changed while its build context was being staged"):
        stage(root, Inputs((file,), None), context)


def test_the_dockerfile_s_folder_is_the_same_everywhere(root: Path, context: Path) -> None:
    previous = os.umask(0o077)
    try:
        stage(root, described(root), context)
    finally:
        os.umask(previous)
    folder = place_of(context).dockerfile.parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    name = place_of(context).dockerfile.name
    assert modes == {folder.name: 0o755, name: 0o644, f"{name}.dockerignore": 0o644}
    assert folder.stat().st_mtime == 0


def test_a_place_is_the_same_below_another_folder(tmp_path: Path) -> None:
    place = Place(Path("contexts"), "image", "key").below(tmp_path)
    assert place.context == tmp_path / "contexts/image/key"
    assert place.dockerfile == tmp_path / "contexts/image/key.dockerfile/Dockerfile.image"
