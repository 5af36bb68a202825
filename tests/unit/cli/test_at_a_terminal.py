"""What a person sees at terminals of 80, 100 and 140 columns, and without one."""

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from carbide_infra.cli import images as images_command
from carbide_infra.cli import live, tables, up
from carbide_infra.cli.app import COMMANDS, app
from carbide_infra.cli.options import NO_STACK, named_stack
from carbide_infra.cli.saved import saved_outputs
from carbide_infra.errors import CommandError
from carbide_infra.paths import project_root
from carbide_infra.report.terminal import print_report
from carbide_infra.stack import following
from carbide_infra.stack.image_progress import ImageProgress, Phase
from carbide_infra.stack.summary import Outcome
from tests.support.consoles import terminal
from tests.support.expected_reports import SCENES, reported
from tests.support.fake_programs import FakeProgram
from tests.support.outputs import exported

WIDTHS = (80, 100, 140)
IMAGES: Mapping[str, Any] = exported()["images"]
SIZES = {name: {"linux/amd64": 4_900_000, "linux/arm64": 4_500_000} for name in IMAGES}
OUTCOME = Outcome(
    {"carbide-rest-api": 125}, {"carbide-rest-api": True, "carbide-rest-db": False}, {"carbide-rest-ipam"}
)


# ---- Tables.


def printed(
    width: int | None, images: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    *, wide: bool = False,
) -> list[str]:  # fmt: skip
    if width:
        monkeypatch.setattr(tables, "Console", terminal(width))
    up.print_images(images, OUTCOME, SIZES, tables.wide_console(), wide=wide)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_up_has_one_line_for_each_image(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common, head, *lines = printed(width, IMAGES, monkeypatch, capsys)
    assert common == "Images in nvcr.io/nvidia/carbide/… with tags 1.4.0-…; --wide prints all of it."
    assert head.split() == ["Image", "Tag", "Digest", "MB", "Digest", "is", "Sec."]
    assert [line.split()[0] for line in lines] == list(IMAGES)
    assert all(len(line) <= width for line in [common, head, *lines])
    (api,) = (line.split() for line in lines if line.startswith("carbide-rest-api "))
    digest = IMAGES["carbide-rest-api"]["digest"].removeprefix("sha256:")[:11]
    assert api == ["carbide-rest-api", "8b1c6d050d4a", digest, "4.9", "4.5", "digest", "new", "125"]
    assert [line.rstrip().endswith(end) for line, end in zip(lines[1:3], ("as before", "failed"), strict=True)]
    assert sum(line.rstrip().endswith("unchanged") for line in lines) == 4


def test_what_does_not_fit_goes_and_every_image_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = {f"{name}-{'x' * 60}"[:60]: image for name, image in IMAGES.items()}
    _, head, *lines = printed(80, long, monkeypatch, capsys)
    assert head.split() == ["Image", "Digest", "is"]
    assert len(lines) == 7
    assert all(len(line) <= 80 for line in lines)
    lines = printed(40, long, monkeypatch, capsys)
    assert all(len(line) <= 40 for line in lines)
    assert all("…" in line for line in lines[-7:])


@pytest.mark.parametrize("width", [80, None])
def test_the_whole_table_is_one_line_for_each_image_too(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, *lines = printed(width, IMAGES, monkeypatch, capsys, wide=bool(width))
    assert len(lines) == 7
    for line, (name, image) in zip(lines, IMAGES.items(), strict=True):
        assert line.startswith(f"{name} ")
        assert f"{image['repository']}:{image['tags'][0]}" in line
        assert image["digest"] in line


@pytest.mark.parametrize("width", WIDTHS)
def test_images_has_one_line_for_each_image(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "Console", terminal(width))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(exported())))
    images_command._print_table(saved_outputs("-"), wide=False)
    _, head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["Image", "Tag", "Digest", "Port"]
    assert len(lines) == 7
    assert all(len(line) <= width for line in lines)


def test_what_images_have_not_in_common_is_not_claimed() -> None:
    assert tables.common_to({"a": ("r/x/a", "1-k"), "b": ("r/y/b", "1-l")}) == tables.Common("", "1-")
    assert tables.common_to({"a": ("r/a", "1-k"), "b": ("r/b", "2-l")}) == tables.Common("r/", "")
    assert tables.common_to({"a": ("r/other", "k")}) == tables.Common("", "")
    assert tables.common_to({"a": ("r/b/a", "1.4-rc1-k")}) == tables.Common("r/b/", "1.4-rc1-")


# ---- The report.


@pytest.mark.parametrize("width", [40, *WIDTHS])
@pytest.mark.parametrize("scene", SCENES)
def test_a_report_wraps_at_words(scene: str, width: int) -> None:
    stream = io.StringIO()
    print_report(reported(scene), Console(file=stream, width=width, highlight=False))
    lines = stream.getvalue().splitlines()
    names = {image.name for image in reported(scene).images}
    for line in lines:
        assert len(line) <= width or " " not in line.strip(), "nothing but a word is longer than a line"
    words = set(re.split(r"[\s,:;]+|\.(?:\s|$)", stream.getvalue()))
    cut = {
        word for word in words if word not in names and any(name.startswith(word) for name in names if len(word) > 9)
    }
    assert cut <= {"carbide-infra"}


def test_colours_are_left_out_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def codes() -> set[str]:
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=True, width=80, color_system="standard")
        for scene in ("dirty", "failed"):
            print_report(reported(scene), console)
        return set(re.findall(r"\x1b\[([\d;]+)m", stream.getvalue())) - {"0"}

    assert codes() == {"1", "1;31", "33"}
    monkeypatch.setenv("NO_COLOR", "1")
    assert codes() == {"1"}


def test_no_colour_says_anything_by_itself() -> None:
    stream = io.StringIO()
    print_report(reported("dirty"), Console(file=stream, width=200))
    print_report(reported("failed"), Console(file=stream, width=200))
    assert "\nwarning: The source tree" in stream.getvalue()
    assert "The preview failed" in stream.getvalue()


# ---- Progress.

HEAD = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:Image::"


def event(kind: str, name: str, when: int, **more: object) -> dict[str, Any]:
    return {"timestamp": when, kind: {"metadata": {"urn": HEAD + name, "op": "update"}, **more}}


def told(name: str, message: str, severity: str = "info") -> dict[str, Any]:
    return {"timestamp": 1, "diagnosticEvent": {"urn": name and HEAD + name, "message": message, "severity": severity}}


EVENTS = [
    event("resourcePreEvent", "a", 10),
    event("resourcePreEvent", "b", 12),
    {"timestamp": 12, "resourcePreEvent": {"metadata": {"urn": HEAD + "c", "op": "same"}}},
    told("a", "#13 [linux/amd64 build 2/4] RUN go build"),
    told("b", "#26 exporting to image"),
    told("", "warning: the source is a shallow clone\n", "warning"),
    event("resOutputsEvent", "b", 20),
    event("resOpFailedEvent", "a", 25),
]


def test_progress_follows_the_engines_events() -> None:
    progress = ImageProgress()
    for entry in EVENTS[:6]:
        progress.take(entry)
    assert {name: state.phase for name, state in progress.images.items()} == {"a": Phase.BUILDING, "b": Phase.PUSHING}
    assert progress.images["a"].seconds(31) == 21
    assert list(progress.taken()) == ["warning: the source is a shallow clone"]
    assert list(progress.taken()) == []
    for entry in EVENTS[6:]:
        progress.take(entry)
    assert {name: state.phase for name, state in progress.images.items()} == {"a": Phase.FAILED, "b": Phase.DONE}
    assert [state.seconds(99) for state in progress.images.values()] == [15, 8]


def test_progress_is_one_line_for_each_image() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    progress = ImageProgress()
    with live.shown_live(console) as watch:
        watch(progress)
        for entry in EVENTS:
            progress.take(entry)
        watch(progress)
    text = stream.getvalue()
    assert re.search(r"a +failed +15 s", text)
    assert re.search(r"b +done +8 s", text)
    assert "warning: the source is a shallow clone" in text


@pytest.mark.parametrize("code", [0, 255])
def test_the_cli_is_watched_by_its_log_and_has_the_last_words(
    code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, half = tmp_path / "events", '{"timestamp": 1, "half'
    written = "".join(f"{json.dumps(entry)}\n" for entry in EVENTS) + half
    (tmp_path / "record").write_text(written)
    output = f"@ updating....\n ~  x:y:Image a updating (1s) #13 text\nDiagnostics:\n  {HEAD}a\n    error: denied\n"
    cli = FakeProgram(tmp_path / "bin", "pulumi")
    cli.answer("up", output, code=code, does=f"cp '{tmp_path}/record' '{log}'")
    seen: list[dict[str, Phase]] = []
    done = following.followed(
        [str(cli.path), "up"],
        dict(os.environ),
        tmp_path,
        log,
        lambda progress: seen.append({name: state.phase for name, state in progress.images.items()}),
    )
    assert done == code
    assert seen[-1] == {"a": Phase.FAILED, "b": Phase.DONE}
    assert capsys.readouterr().out == (f"Diagnostics:\n  {HEAD}a\n    error: denied\n" if code else "")
    assert cli.calls == ["up --non-interactive"]


# ---- Which stack.


def test_the_stack_is_the_named_one_or_the_selected_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = FakeProgram(tmp_path / "bin", "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    assert named_stack("prod") == "prod"
    assert pulumi.calls == []
    pulumi.answer("stack --show-name", "my-org/carbide-infra/prod\n")
    assert named_stack("") == "my-org/carbide-infra/prod"
    assert pulumi.calls == ["stack --show-name --non-interactive"]


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if name not in {"comment", "baseline", "doctor", "catalogue", "init"}]
)
def test_without_a_stack_every_command_says_the_same(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi = FakeProgram(tmp_path / "bin", "pulumi")
    pulumi.answer("stack --show-name", error="error: no stack selected\n", code=255)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [command], env={"STACK": None})
    assert done.exit_code in {1, 2}
    assert done.stderr == f"error: {NO_STACK}\n"


def test_a_command_that_answers_anyway_names_the_stack_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert named_stack("", "dev") == "dev"
    with pytest.raises(CommandError, match="no stack is named"):
        named_stack("")


# ---- Help.


def test_make_help_can_be_copied_and_is_not_folded() -> None:
    root = project_root()
    text = subprocess.run(["make", "-s", "help"], cwd=root, check=True, capture_output=True, text=True).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert 'eval "$(make -s env)"' in " ".join(text.split())
    shown = set(re.findall(r"^  make ([a-z-]+) ", text, re.MULTILINE))
    assert shown == set(re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE))


def test_what_a_target_would_do_can_be_asked_without_doing_it(tmp_path: Path) -> None:
    root = project_root()
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "consumer/pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    program = FakeProgram(tmp_path / ".venv/bin", "python")
    # Make runs a line that names $(MAKE) even then.
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/make_environment.py").touch()
    bootstrap = FakeProgram(tmp_path / "tools", "bootstrap")
    (tmp_path / ".local").mkdir()
    for target in re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE):
        subprocess.run(["make", "-n", "-s", target], cwd=tmp_path, check=True, capture_output=True)
    assert (program.calls, bootstrap.calls) == ([], [])
    assert (tmp_path / ".local").is_dir()
    assert (tmp_path / ".venv").is_dir()


CATALOGUE = [("catalogue", "migrate"), ("catalogue", "template")]


@pytest.mark.parametrize(
    "command", [(), *((name,) for name in COMMANDS), ("baseline", "save"), ("baseline", "load"), *CATALOGUE]
)
def test_help_is_plain_text_of_eighty_columns(command: tuple[str, ...]) -> None:
    text = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"[│╭]|<bool>|\.\.\.$", text.replace("[ARGS]...", ""), re.MULTILINE)
    if not command:
        assert "130 interrupted" in " ".join(text.split())
