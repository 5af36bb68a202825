"""What building an image once more takes from its stack."""

from pathlib import Path

import pytest

from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.verification import rebuild_environment as module

LOGIN = "machine git.example login me password s3cr3t"


def test_it_is_of_its_stack_and_named_as_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/go.mod").write_text("module example.com/x\n")
    monkeypatch.setattr(module, "find_buildx", lambda: tmp_path / "buildx")
    stack = PulumiStack("prod", tmp_path / "pulumi", tmp_path, {"GOPRIVATE": "git.example"})
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "source": "source", "gitcreds": LOGIN}
    made, other = (module.rebuild_environment(stack, values, cold=cold) for cold in (True, False))
    assert (made.project, made.source, made.buildx) == (tmp_path, tmp_path / "source", tmp_path / "buildx")
    assert made.variables == stack.environment
    assert (made.secrets["gitcreds"], made.secrets["goenv"]) == (LOGIN, "GOPRIVATE=git.example\n")
    assert (made.cold, other.cold) == (True, False)
    assert made.run != other.run
    assert made.run.startswith("carbide-verify-")
    assert "s3cr3t" not in repr(made)
