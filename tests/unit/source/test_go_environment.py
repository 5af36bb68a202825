"""Which of the machine's module settings reach a build: of variables, and of `go env -w`."""

import shutil
from pathlib import Path

import pytest

from carbide_infra.source.go_environment import NAMES, module_settings
from tests.support.fake_programs import FakeProgram

DEFAULTS = {
    "GOPROXY": "https://modules.test,direct",
    "GOPRIVATE": "",
    "GONOPROXY": "",
    "GONOSUMDB": "",
    "GOSUMDB": "sum.golang.org",
    "GOINSECURE": "",
    "GOVCS": "",
}


@pytest.fixture
def go(tmp_path: Path) -> FakeProgram:
    program = FakeProgram(tmp_path / "bin", "go")
    program.answer("env -json", DEFAULTS)
    lines = ["# As each Go has it in its root.", "", *(f"{name}={value}" for name, value in DEFAULTS.items() if value)]
    (tmp_path / "go.env").write_text("\n".join(lines))
    return program


def environment(go: FakeProgram, **variables: str) -> dict[str, str]:
    return {"PATH": f"{go.path.parent}:/usr/bin:/bin", **variables}


def test_go_s_own_settings_need_no_handing_over(go: FakeProgram) -> None:
    assert module_settings(environment(go)) == {}
    assert go.calls == [f"env -json {' '.join(NAMES)}"]


@pytest.mark.parametrize("name", NAMES)
def test_what_go_env_answers_is_used(name: str, go: FakeProgram) -> None:
    go.answer("env -json", DEFAULTS | {name: "corp.test"})
    assert module_settings(environment(go)) == {name: "corp.test"}


def test_what_follows_goprivate_is_left_to_follow_it(go: FakeProgram) -> None:
    go.answer("env -json", DEFAULTS | dict.fromkeys(("GOPRIVATE", "GONOPROXY", "GONOSUMDB"), "corp.test"))
    assert module_settings(environment(go)) == {"GOPRIVATE": "corp.test"}
    assert module_settings(environment(go, GONOSUMDB="corp.test")) == {
        "GOPRIVATE": "corp.test",
        "GONOSUMDB": "corp.test",
    }


def test_a_variable_is_handed_over_even_where_it_says_what_go_does_anyhow(go: FakeProgram) -> None:
    assert module_settings(environment(go, GOSUMDB="sum.golang.org")) == {"GOSUMDB": "sum.golang.org"}


def test_no_source_tree_is_asked(go: FakeProgram) -> None:
    module_settings(environment(go, GOTOOLCHAIN="auto"))
    assert go.folder == Path("/")
    assert {name: go.environment[name] for name in ("GOTOOLCHAIN", "GOWORK")} == {
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@pytest.mark.parametrize(("output", "code"), [("no JSON", 0), ("[]", 0), ("", 1)])
def test_where_go_does_not_answer_the_variables_count(output: str, code: int, go: FakeProgram) -> None:
    go.answer("env -json", output, code=code)
    assert module_settings(environment(go, GOPROXY="off")) == {"GOPROXY": "off"}


def test_without_go_the_variables_count() -> None:
    assert module_settings({"PATH": "/nonexistent", "GOPRIVATE": "corp.test"}) == {"GOPRIVATE": "corp.test"}


@pytest.mark.skipif(shutil.which("go") is None, reason="the real go command")
def test_what_go_env_w_has_written_is_used(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("GOPROXY=https://goproxy.corp.test\nGOPRIVATE=corp.test/*\nGOFLAGS=-mod=mod\n")
    variables = {"PATH": str(Path(str(shutil.which("go"))).parent), "HOME": str(tmp_path)}
    found = module_settings({**variables, "GOENV": str(tmp_path / "env"), "GOSUMDB": "off"})
    assert found == {"GOPROXY": "https://goproxy.corp.test", "GOPRIVATE": "corp.test/*", "GOSUMDB": "off"}


@pytest.mark.skipif(shutil.which("go") is None, reason="the real go command")
def test_what_the_real_go_does_unasked_needs_no_handing_over(tmp_path: Path) -> None:
    variables = {"PATH": str(Path(str(shutil.which("go"))).parent), "HOME": str(tmp_path)}
    assert module_settings({**variables, "GOENV": "off"}) == {}
