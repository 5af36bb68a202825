"""`make test-look` where what it takes is not to be had."""

import pytest

from tests.look import __main__ as look


@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 1)])
def test_what_is_not_to_be_had_is_said_in_the_last_line(
    required: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(look, "chromium", lambda: None)
    monkeypatch.setattr("os.getuid", lambda: 1000)
    monkeypatch.setenv("CARBIDE_REQUIRE_ALL", required)
    assert look.main([]) == code
    assert capsys.readouterr().out == "not run: there is no chromium; apt-get install chromium fonts-liberation\n"


def test_each_fault_is_told_with_its_place() -> None:
    well = {"scrolls": False, "wide": [], "broken": [], "pale": [], "mermaid": 0, "hidden": 0}
    assert list(look._faults({"one_file light 390": well})) == []
    for key, bad in (("scrolls", True), ("broken", ["a-b"]), ("pale", ["2.0 x"]), ("mermaid", 1), ("hidden", 2)):
        (fault,) = look._faults({"one_file light 390": {**well, key: bad}})
        assert fault.startswith("one_file light 390 ")
