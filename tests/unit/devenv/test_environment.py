"""Tests of the variables that make plain `pulumi` work."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.registry.credentials import Credentials, docker_credentials
from carbide_infra.stack.passphrase import FILE, PUBLISHED, VALUE
from carbide_infra.state_files import write_json, write_text
from devenv.build_caches import claim_folder
from devenv.environment import (
    buildx_config,
    child_environment,
    daemon_environment,
    export_lines,
    github_lines,
)
from devenv.toolchain import Tools

TOOLS = Tools(*(Path("/tools") for _ in range(6)))
OURS = (
    "PULUMI_",
    "BUILDX_",
    "SSL_CERT_FILE",
    "CARBIDE_",
    "HTTP",
    "http",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
)


@pytest.fixture(autouse=True)
def bare_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_a_project_without_packages_has_the_kit_s(tmp_path: Path) -> None:
    kit = f"{sys.prefix}/bin"
    assert child_environment(tmp_path, TOOLS, "dev")["PATH"] == f"{tmp_path}/.venv/bin:/tools:{kit}:/usr/bin:/bin"


def test_everything_lies_in_the_checkout(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    found = child_environment(tmp_path, TOOLS, "dev")
    assert found["PATH"] == f"{tmp_path}/.venv/bin:/tools:/usr/bin:/bin"
    assert found["PULUMI_HOME"] == f"{tmp_path}/.local/pulumi-home"
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/.local/state"
    assert found["BUILDX_CONFIG"] == f"{tmp_path}/.local/buildx" == str(buildx_config(tmp_path))
    assert found["SSL_CERT_FILE"] == f"{tmp_path}/.local/tls/ca-bundle.pem"
    assert found["PULUMI_SKIP_UPDATE_CHECK"] == "true"
    assert found["PULUMI_CONTINUE_ON_ERROR"] == "true"
    assert found["PULUMI_CONFIG_PASSPHRASE_FILE"] == f"{tmp_path}/.local/passphrase"
    assert (tmp_path / ".local" / "state").is_dir()
    assert found["HOME"] == os.environ["HOME"]


def test_a_workflow_s_next_steps_get_what_a_shell_gets_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARBIDE_REGISTRY_PASSWORD", "s3cr3t")
    found = child_environment(tmp_path, TOOLS, "prod")
    lines = dict(line.split("=", 1) for line in github_lines(found | {"SSL_CERT_FILE": "a\nPATH=/evil"}).splitlines())
    assert lines["PATH"] == found["PATH"]
    assert lines["BUILDX_CONFIG"] == found["BUILDX_CONFIG"]
    # A pull request's preview does not look for the plugins of packages that only tests have.
    assert lines["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert "s3cr3t" not in str(lines)
    assert "SSL_CERT_FILE" not in lines, "a line that is none is left out"


def test_nobody_else_gets_into_the_state_or_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    cache = tmp_path / "new/carbide-infra"
    cache.mkdir(parents=True, mode=0o755)
    (tmp_path / ".local").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        child_environment(tmp_path, TOOLS, "dev")
        with claim_folder(tmp_path) as caches:
            pass
    finally:
        os.umask(before)
    private = (tmp_path / ".local", *(tmp_path / ".local").rglob("*"), cache, caches)
    modes = {oct(stat.S_IMODE(place.stat().st_mode)) for place in private if place.is_dir()}
    assert modes == {"0o700"}


def test_pulumi_install_makes_no_virtual_environment_of_a_project_s_folder(tmp_path: Path) -> None:
    lines = export_lines(child_environment(tmp_path, TOOLS, "dev"))
    assert "export PULUMI_OPTION_NO_DEPENDENCIES='true'\n" in lines


def test_a_home_of_our_own_has_no_room_for_the_automatic_debug_log(tmp_path: Path) -> None:
    logs = tmp_path / ".local/pulumi-home/logs"
    logs.mkdir(parents=True)
    (logs / "pulumi-20260101T000000-1-preview.log").write_text("of an earlier version of this project")
    for _ in range(2):
        child_environment(tmp_path, TOOLS, "dev")
        assert logs.is_file()


def test_the_users_choices_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {
        "PULUMI_HOME": "/p",
        "PULUMI_BACKEND_URL": "s3://b",
        "BUILDX_CONFIG": "/b",
        "PULUMI_CONFIG_PASSPHRASE": "",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    found = child_environment(tmp_path, TOOLS, "dev")
    assert {name: found[name] for name in chosen} == chosen
    assert buildx_config(tmp_path) == Path("/b")


@pytest.mark.parametrize(
    ("variable", "config", "registry", "brought"),
    [
        ("builder-1", "", "nvcr.io", True),
        ("", "fleet", "nvcr.io", True),
        ("builder-1", "", "local", False),
        ("builder-1", "", None, False),
        ("", "", "nvcr.io", False),
    ],
)
def test_a_builder_that_the_machine_brings_is_looked_for_where_docker_keeps_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    config: str,
    registry: str | None,
    *,
    brought: bool,
) -> None:
    (tmp_path / "docker/buildx/instances").mkdir(parents=True)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("BUILDX_BUILDER", variable)
    lines = [f"  carbide-infra:registryServer: {registry}\n"] if registry else ["  carbide-infra:goVersion: '1.25'\n"]
    lines += [f"  carbide-infra:builder: {config}\n"] if config else []
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n" + "".join(lines))
    found = child_environment(tmp_path, TOOLS, "prod")
    instances = Path(found["BUILDX_CONFIG"]) / "instances"
    assert (instances.is_dir() and instances.samefile(tmp_path / "docker/buildx/instances")) is brought
    if not brought:
        assert found["BUILDX_CONFIG"] == f"{tmp_path}/.local/buildx"
        assert "BUILDX_BUILDER" not in found, "nothing else asks for one that does not build"


def test_only_the_development_stack_gets_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {VALUE, FILE} & child_environment(tmp_path, TOOLS, "prod").keys()
    monkeypatch.setenv(FILE, "/secret")
    for stack in ("dev", "prod"):
        assert child_environment(tmp_path, TOOLS, stack)[FILE] == "/secret"


def test_another_stack_is_not_opened_with_the_development_stacks_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`eval "$(make -s env)"`, and then `… STACK=prod` in the same shell."""
    for name, value in child_environment(tmp_path, TOOLS, "dev").items():
        monkeypatch.setenv(name, value)
    found = child_environment(tmp_path, TOOLS, "prod")
    assert not {VALUE, FILE} & found.keys()
    assert f"unset {FILE}\n" in export_lines(found)
    assert FILE in child_environment(tmp_path, TOOLS, "dev"), "the development stack goes on in it"


def test_the_published_passphrase_of_an_earlier_version_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VALUE, PUBLISHED)
    with pytest.raises(SetupError, match=f"{VALUE}: is a passphrase that everybody knows; give the stack prod one"):
        child_environment(tmp_path, TOOLS, "prod")
    found = child_environment(tmp_path, TOOLS, "dev")
    assert VALUE not in found
    lines = export_lines(found)
    assert PUBLISHED not in lines
    assert lines.startswith(f"unset {VALUE}\n"), "Pulumi asks this variable first"


def test_neither_a_command_nor_a_shell_looks_for_another_plugin(tmp_path: Path) -> None:
    """Plain `pulumi preview` took three times as long where the plugin's server is out of reach."""
    name = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
    assert f"export {name}='true'\n" in export_lines(child_environment(tmp_path, TOOLS, "dev"))
    assert {child_environment(tmp_path, TOOLS, stack)[name] for stack in ("dev", "prod")} == {"true"}


def test_a_shell_that_has_it_already_gets_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = child_environment(tmp_path, TOOLS, "dev")
    for name, value in first.items():
        monkeypatch.setenv(name, value)
    assert child_environment(tmp_path, TOOLS, "dev") == first


def test_another_checkouts_variables_are_not_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name, value in child_environment(there, TOOLS, "dev").items():
        monkeypatch.setenv(name, value)
    found = child_environment(here, TOOLS, "dev")
    assert found["PULUMI_HOME"] == f"{here}/.local/pulumi-home"
    assert found["PULUMI_BACKEND_URL"] == f"file://{here}/.local/state"
    assert buildx_config(here) == here / ".local" / "buildx"


def test_the_registry_needs_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / ".local" / "registry.json", {"host": "vm"})
    assert "NO_PROXY" not in child_environment(tmp_path, TOOLS, "dev")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "corp.example")
    found = child_environment(tmp_path, TOOLS, "dev")
    assert found["NO_PROXY"] == found["no_proxy"] == "corp.example,vm"


def test_only_stacks_of_the_local_registry_know_its_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  carbide-infra:registryServer: nvcr.io\n")
    assert "DOCKER_CONFIG" not in child_environment(tmp_path, TOOLS, "dev"), "there is no registry yet"
    write_json(tmp_path / ".local/registry.json", {"host": "vm", "port": 5443})
    write_text(tmp_path / ".local/registry-password", "s3cr3t\n")
    found = child_environment(tmp_path, TOOLS, "dev")
    assert docker_credentials("vm:5443", found) == Credentials("carbide", "s3cr3t")
    assert "s3cr3t" not in export_lines(found)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    assert "DOCKER_CONFIG" not in child_environment(tmp_path, TOOLS, "prod")
    assert "unset DOCKER_CONFIG\n" in export_lines(child_environment(tmp_path, TOOLS, "prod"))
    assert "DOCKER_CONFIG" not in child_environment(tmp_path / "other", TOOLS, "dev"), "of another checkout"


def test_daemons_get_no_secrets() -> None:
    shell = {"PATH": "/bin", "HTTPS_PROXY": "http://p", "CARBIDE_REGISTRY_PASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    found = daemon_environment(shell, "vm")
    assert found == {"PATH": "/bin", "HTTPS_PROXY": "http://p", "NO_PROXY": "vm", "no_proxy": "vm"}


def test_a_shell_takes_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "it's here"
    monkeypatch.setenv("UNRELATED", "secret")
    lines = export_lines(child_environment(root, TOOLS, "dev"))
    assert "secret" not in lines
    script = f'{lines}printf %s "$PULUMI_HOME|$PULUMI_CONFIG_PASSPHRASE_FILE"'
    answer = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert answer == f"{root}/.local/pulumi-home|{root}/.local/passphrase"
    assert all(line.startswith("export ") and "='" in line for line in lines.splitlines())


def test_the_users_own_passphrase_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "my own")
    assert "my own" not in export_lines(child_environment(tmp_path, TOOLS, "dev"))
