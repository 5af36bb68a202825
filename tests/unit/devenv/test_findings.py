"""What the kit tells the doctor, each on facts that are given."""

from pathlib import Path

from devenv.findings import plugin_finding, tools_finding
from devenv.toolchain import DOCKER_BUILD, plugin_folder


def test_missing_binaries_are_named() -> None:
    assert tools_finding([])["level"] == "ok"
    finding = tools_finding(["pulumi 3.259.0", "buildx 0.35.0"])
    assert (finding["level"], finding["told"]) == ("fail", "pulumi 3.259.0, buildx 0.35.0 are not built yet")
    assert "make tools" in finding["fix"]


def test_a_provider_that_the_engine_does_not_have_yet_is_no_obstacle(tmp_path: Path) -> None:
    assert plugin_finding(tmp_path)["level"] == "warn"
    plugin_folder(tmp_path).mkdir(parents=True)
    (plugin_folder(tmp_path) / DOCKER_BUILD.name).touch()
    assert plugin_finding(tmp_path)["level"] == "ok"
