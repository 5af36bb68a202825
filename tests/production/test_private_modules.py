"""Modules of a private git server: over https with gitcreds, by ssh with an agent; and what is said where it fails."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.production.git_server import publish
from tests.production.site import GIT_HOST, NETRC, Site, Stack
from tests.production.ssh_server import HOST, SshServer, builder_with_ssh, ssh_server
from tests.support.authority import Authority
from tests.support.debian_packages import CannotRunError, not_run

LIBRARY = {"lib.go": "package lib\n\nvar Word = `from a private module`\n"}
MAIN = 'package main\n\nimport lib "{module}"\n\nfunc main() {{ println(lib.Word) }}\n'


def tree_with(module: str, environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """A source tree that links a module; Go itself writes its go.mod and go.sum."""
    work = folder / "author"
    work.mkdir(parents=True)
    (work / "go.mod").write_text("module example.com/hello\n\ngo 1.25\n")
    (work / "main.go").write_text(MAIN.format(module=module))
    own = {**environment, "GOMODCACHE": str(folder / "modules"), "HOME": str(folder), "GOFLAGS": "-modcacherw"}
    done = subprocess.run(
        ["go", "get", f"{module}@v1.0.0"], cwd=work, env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name: (work / name).read_text() for name in ("go.mod", "go.sum", "main.go")}


def stack_with(site: Site, name: str, ending: str, folder: Path, **config: object) -> tuple[Stack, str]:
    """A stack whose image links a module of its own, and the module's path."""
    module = publish(site.git.root, GIT_HOST, f"acme/{name}{ending}", LIBRARY)
    environment = dict(site.checkout.environment)
    environment["GIT_SSL_CAINFO"] = environment["SSL_CERT_FILE"]
    (folder / ".netrc").write_text(NETRC)
    return site.stack(name, tree_with(module, environment, folder), **config), module


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    """Modules come through a proxy, as in a company."""
    return site.behind_proxy()


ENDINGS = pytest.mark.parametrize("ending", [".git", ""], ids=["by-its-name", "by-a-page"])


@ENDINGS
def test_a_private_module_is_had_with_gitcreds(ending: str, site: Site, tmp_path: Path) -> None:
    stack, _ = stack_with(site, f"module{len(ending)}", ending, tmp_path)
    site.git.asked.clear()
    stack.given(CARBIDE_GITCREDS=NETRC).up().well()
    assert len(stack.tags) == 2
    assert any(path.endswith("/git-upload-pack") for path in site.git.asked)


LOGIN = "wants a login, and gitcreds is not set; pulumi config set --secret gitcreds < ~/.netrc"
WITHOUT = {
    "no-gitcreds": (None, f"{GIT_HOST} {LOGIN}"),
    "of-another-host": (
        "machine other.test login a password b\n",
        f"{GIT_HOST} wants a login, and gitcreds has no entry `machine {GIT_HOST}`",
    ),
    "wrong-password": (
        f"machine {GIT_HOST} login robot password wrong\n",
        f"{GIT_HOST} refuses the login that gitcreds has for it; give it one that may read this repository",
    ),
}


@ENDINGS
@pytest.mark.parametrize("case", WITHOUT)
def test_a_private_module_that_cannot_be_had_is_one_sentence(
    case: str, ending: str, site: Site, tmp_path: Path
) -> None:
    gitcreds, cause = WITHOUT[case]
    stack, module = stack_with(site, f"{case}{len(ending)}", ending, tmp_path)
    told = stack.given(CARBIDE_GITCREDS=gitcreds).up().sentence(module)
    assert told.endswith(f" not known exactly here: {module}: {cause}")
    assert stack.has_nothing()


def test_a_preview_without_the_modules_is_coarse_and_not_refused(site: Site, tmp_path: Path) -> None:
    """As for a fork's pull request, which has no secrets; what the rules refuse is the update."""
    stack, module = stack_with(site, "fork", ".git", tmp_path)
    preview = stack.given(CARBIDE_GITCREDS=None).make("preview").well()
    # Pulumi tells it as it comes, and once more at the end.
    *_, told = (line for line in preview.said.splitlines() if "Go's modules are not all at hand" in line)
    assert module in told
    assert told.endswith("give the preview access to them (goProxy, gitcreds) to see exactly what changes.")
    assert "exact-inputs" not in preview.said
    assert stack.has_nothing()


def test_a_ca_that_the_build_is_not_given_is_named(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(Authority.made("another").certificate)
    stack, module = stack_with(site, "no-ca", ".git", tmp_path, extraCaFile=str(other))
    ended = stack.given(CARBIDE_GITCREDS=NETRC).up()
    told = ended.sentence(module, "→")
    assert told.endswith(
        f"{module}@v1.0.0: the certificate of {GIT_HOST} is of a CA that builds do not trust; let extraCaFile name its "
        "PEM file"
    )
    assert stack.has_nothing()


# ---- By ssh.


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    try:
        with ssh_server(tmp_path_factory.mktemp("ssh")) as server:
            yield server
    except CannotRunError as reason:
        not_run(reason)


@pytest.fixture(scope="module")
def builder(site: Site, ssh: SshServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    assert ssh
    return builder_with_ssh(site, tmp_path_factory.mktemp("builder"))


def ssh_stack(site: Site, ssh: SshServer, name: str, folder: Path, builder: str, known_hosts: str) -> tuple[Stack, str]:
    module = publish(ssh.root, HOST, f"{name}.git", LIBRARY)
    at_hand = {
        **site.checkout.environment,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{ssh.root}/.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://{HOST}/",
    }
    config = {"sshAgent": "true", "sshKnownHosts": known_hosts, "builderImage": builder}
    return site.stack(name, tree_with(module, at_hand, folder), **config), module


def test_row_17_a_module_comes_by_ssh_with_the_agent(site: Site, ssh: SshServer, builder: str, tmp_path: Path) -> None:
    stack, _ = ssh_stack(site, ssh, "by-ssh", tmp_path, builder, ssh.known_hosts)
    stack.given(SSH_AUTH_SOCK=ssh.agent).up().well()
    assert len(stack.tags) == 2


def test_row_17_a_host_with_another_key_is_not_talked_to(
    site: Site, ssh: SshServer, builder: str, tmp_path: Path
) -> None:
    stack, module = ssh_stack(site, ssh, "strange-host", tmp_path, builder, ssh.stranger)
    told = stack.given(SSH_AUTH_SOCK=ssh.agent).up().sentence(module)
    assert told.endswith(
        f" not known exactly here: {module}: {HOST} has a host key that sshKnownHosts does not name; add the lines "
        "that its owner publishes"
    )


def test_row_17_an_agent_without_a_key_is_said_to_have_none(
    site: Site, ssh: SshServer, builder: str, tmp_path: Path
) -> None:
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "empty"], stdout=subprocess.DEVNULL)
    try:
        stack, module = ssh_stack(site, ssh, "no-key", tmp_path, builder, ssh.known_hosts)
        told = stack.given(SSH_AUTH_SOCK=str(tmp_path / "empty")).up().sentence(module)
        assert told.endswith(
            f" not known exactly here: {module}: the ssh agent has no key that {HOST} takes; `ssh-add -l` lists those "
            "that it has"
        )
    finally:
        agent.terminate()
        agent.wait()


def test_row_17_without_an_agent_it_says_so_at_once(site: Site, ssh: SshServer, builder: str, tmp_path: Path) -> None:
    stack, _ = ssh_stack(site, ssh, "no-agent", tmp_path, builder, ssh.known_hosts)
    told = stack.given(SSH_AUTH_SOCK=str(tmp_path / "nobody")).up().sentence("sshAgent = true")
    assert "no ssh agent answers at SSH_AUTH_SOCK" in told
    assert stack.has_nothing()
