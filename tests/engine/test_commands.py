"""The commands of README, typed as a user types them, and the faults that users meet."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.engine.conftest import Checkout, Deployed
from tests.engine.containers import Bundle
from tests.engine.registry import Repository
from tests.support.catalogue import CATALOGUE

BROKEN = "\nfunc broken() { return undefinedThing }\n"


def unchanged(output: str) -> set[str]:
    return set(re.findall(r"^(carbide-\S+) .*\bunchanged *$", output, re.MULTILINE))


def daemons(checkout: Checkout) -> list[int]:
    found = [json.loads(file.read_text())["pid"] for file in (checkout.root / ".local/run").glob("*.json")]
    assert len(found) == 2, "a registry and a BuildKit"
    return found


def test_every_tag_points_at_the_digest(deployed: Deployed) -> None:
    for name, image in deployed.images.items():
        repository = deployed.repository(name)
        assert set(image["tags"]) <= repository.tags()
        assert {repository.digest_of(tag) for tag in image["tags"]} == {image["digest"]}


def test_images_prints_json_and_nothing_else(deployed: Deployed) -> None:
    done = deployed.checkout.make("-s", "images")
    assert json.loads(done.stdout) == deployed.images
    assert done.stderr == ""


def test_plain_pulumi_works_after_env(deployed: Deployed) -> None:
    done = deployed.checkout.new_shell(
        "pulumi preview >preview.txt; cat preview.txt >&2; rm preview.txt\npulumi stack output --json images"
    )
    assert json.loads(done.stdout) == deployed.images
    assert "unchanged" in done.stderr


def test_pulumi_install_leaves_the_example_as_it_is(deployed: Deployed) -> None:
    deployed.checkout.shell("cd examples/deployment\npulumi install --no-plugins")
    assert deployed.checkout.git("status", "--porcelain", "--ignored", "examples/deployment") == ""


def test_prod_previews_without_credentials(deployed: Deployed) -> None:
    script = "export PULUMI_CONFIG_PASSPHRASE=test-only\npulumi stack init prod\n{}\npulumi stack rm --yes prod"
    try:
        done = deployed.checkout.shell(script.format("pulumi preview --stack prod --json"))
        steps = [
            step["newState"]
            for step in json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])["steps"]
        ]
        tags = [step["inputs"]["tag"] for step in steps if step["type"] == "docker-build:index:Index"]
        assert len(tags) == 3 * len(CATALOGUE)
        assert "nvcr.io/nvidia/carbide/carbide-rest-api:latest" in tags
    finally:
        deployed.checkout.git("checkout", "--", "Pulumi.prod.yaml")


def test_check_bases_tells_what_has_moved(deployed: Deployed, tree: Checkout) -> None:
    """The local registry stands for Docker Hub: it has what its tags point at."""
    server = deployed.images["carbide-rest-api"]["repository"].split("/")[0]
    now = Repository(server, "library/alpine", deployed.ca_bundle).digest_of("latest")
    command = ("env", f"CARBIDE_DOCKERHUB_MIRROR={server}", "make", "-s", "check-bases")
    file = tree.root / "Pulumi.dev.yaml"
    unpinned = file.read_text()
    for pinned, moved in ((now, False), (f"sha256:{'b' * 64}", True)):
        file.write_text(unpinned.replace("config:\n", f"config:\n  carbide-infra:runtimeImage: alpine@{pinned}\n"))
        done = deployed.checkout.run(*command, check=False)
        assert bool(done.returncode) == moved
        assert (f"runtimeImage alpine: {pinned} → {now}" in done.stdout) == moved
        assert "builderImage golang:1.25: not pinned" in done.stdout


def test_help_lists_every_target(checkout: Checkout) -> None:
    text = checkout.make("help").stdout
    phony = re.findall(r"^\.PHONY: (\S+)", (checkout.root / "Makefile").read_text(), re.MULTILINE)
    assert all(f"make {target} " in text for target in phony)


@pytest.mark.parametrize(
    ("version_file", "argument", "version"),
    [("kept", "", "1.4.0"), ("kept", "--build-arg VERSION=2.0.0", "2.0.0"), ("removed", "", "dev")],
)
def test_hand_build_works_from_a_source_root(
    version_file: str, argument: str, version: str, deployed: Deployed, tmp_path: Path
) -> None:
    """README's `docker build` line, with buildx in the place of docker where Docker is missing."""
    tree = tmp_path / "tree"
    shutil.copytree(deployed.checkout.source, tree)
    if version_file == "removed":
        (tree / "VERSION").unlink()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine git.invalid login me password none\n")
    # What the stack hands over by itself; a machine without a proxy or CA of its own needs neither.
    trust = f"--secret id=extra_ca,src={deployed.ca_bundle} --secret id=goenv,src={_go_environment(tmp_path)}"
    repository = Repository(
        deployed.repository("carbide-rest-ipam").server, "hand/carbide-rest-ipam", deployed.ca_bundle
    )
    deployed.checkout.shell(
        f"cd {tree}\n"
        f"buildx build --secret id=gitcreds,src={netrc} {trust} {argument} "
        f"-f {deployed.checkout.root}/docker/production/Dockerfile.carbide-rest-ipam "
        f"-t {repository.server}/{repository.name}:latest --push ."
    )
    bundle = Bundle.of(repository.platforms("latest")["linux/amd64"], tmp_path / "bundle")
    assert bundle.run("--version").stdout == f"carbide-rest-ipam {version}\n"


def test_a_failing_package_fails_its_image_only(deployed: Deployed) -> None:
    main = deployed.checkout.source / "site-manager/cmd/sitemgr/main.go"
    api = deployed.checkout.source / "api/cmd/api/main.go"
    originals = {file: file.read_text() for file in (main, api)}
    try:
        main.write_text(originals[main] + BROKEN)
        api.write_text(originals[api] + '\nfunc init() { print("") }\n')
        failed = deployed.checkout.make("up", check=False)
        assert failed.returncode != 0
        assert "undefinedThing" in failed.stdout + failed.stderr
        assert "site-manager/cmd/sitemgr/main.go" in failed.stdout + failed.stderr
        assert "Traceback" not in failed.stdout + failed.stderr
        images = deployed.checkout.images()
        assert images["carbide-rest-site-manager"] == deployed.images["carbide-rest-site-manager"], "as it is"
        moved = deployed.repository("carbide-rest-api").digest_of("1.4.0")
        assert moved != deployed.images["carbide-rest-api"]["digest"], "the other image has its tags"
        assert images["carbide-rest-api"]["digest"] == moved, "and its outputs"
        assert "all agree" in deployed.checkout.carbide("verify", "--stack", "dev").stdout
        report = deployed.checkout.carbide("report", "--stack", "dev").stdout
        assert "site-manager/cmd/sitemgr/main.go changed" in report
        main.write_text(originals[main])
        fixed = deployed.checkout.make("up")
        assert unchanged(fixed.stdout) == set(CATALOGUE), "the other image was finished by the first run"
    finally:
        for file, text in originals.items():
            file.write_text(text)
    assert deployed.checkout.make("up").returncode == 0
    assert {name: image["digest"] for name, image in deployed.checkout.images().items()} == {
        name: image["digest"] for name, image in deployed.images.items()
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("up", "SOURCE=/nonexistent"), ("source", "/nonexistent")),
        (("up", "CATALOGUE=/nonexistent"), ("/nonexistent: cannot be read", "catalogue")),
        (("preview", "CATALOGUE=Pulumi.yaml"), ("Pulumi.yaml:",)),
    ],
)
def test_a_wrong_source_or_catalogue_is_one_clear_error(
    arguments: tuple[str, ...], told: tuple[str, ...], deployed: Deployed
) -> None:
    done = deployed.checkout.make(*arguments, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert all(word in line for word in told)


def test_a_source_without_the_packages_is_told_by_image_and_line(deployed: Deployed) -> None:
    done = deployed.checkout.make("preview", "SOURCE=docs", check=False)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    for name in CATALOGUE:
        assert re.search(rf"docker/production/services.yaml:\d+: {name}: package = ./.*: there is no folder ", told)


def test_another_source_tree_is_built_instead(deployed: Deployed, tmp_path: Path) -> None:
    """A tree with another module path and no VERSION; two services tell that from the deployed tree."""
    tree = tmp_path / "other tree"
    shutil.copytree(deployed.checkout.source, tree)
    for file in (*tree.rglob("*.go"), tree / "go.mod"):
        text = file.read_text()
        file.write_text(text.replace("github.com/nvidia/carbide-rest-api", "example.com/other/rest"))
    (tree / "VERSION").unlink()
    services = ["carbide-rest-cert-manager", "carbide-rest-ipam"]
    stack_file = deployed.checkout.root / "Pulumi.dev.yaml"
    original = stack_file.read_text()
    try:
        stack_file.write_text(original.replace("config:\n", f"config:\n  carbide-infra:services: {services}\n"))
        deployed.checkout.make("up", f"SOURCE={tree}")
        images = deployed.checkout.images()
    finally:
        stack_file.write_text(original)
    assert {name: image["version"] for name, image in images.items()} == dict.fromkeys(services, "dev")
    deployed.checkout.make("up")
    assert deployed.checkout.images() == deployed.images


@pytest.mark.stops_daemons
def test_killed_daemons_come_back_under_the_old_name_too(deployed: Deployed) -> None:
    """By a second update, which changes nothing and says so."""
    for pid in daemons(deployed.checkout):
        os.kill(pid, signal.SIGKILL)
    done = deployed.checkout.make("build-production-images")
    assert unchanged(done.stdout) == set(CATALOGUE)
    assert "No changes" in done.stderr
    assert deployed.checkout.images() == deployed.images


@pytest.mark.stops_daemons
def test_down_leaves_nothing_running_and_a_taken_port_is_avoided(checkout: Checkout, deployed: Deployed) -> None:
    remembered = checkout.root / ".local/registry.json"
    before = remembered.read_text()
    running = daemons(checkout)
    checkout.make("down")
    assert not [pid for pid in running if _is_alive(pid)]
    mounts = Path("/proc/mounts").read_text()
    assert str(checkout.root) not in mounts
    assert json.loads((checkout.root / ".local/buildkit.json").read_text())["folder"] not in mounts
    assert checkout.make("down").returncode == 0
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("", json.loads(before)["port"]))
        squatter.listen()
        checkout.make("up")
        moved = checkout.images()
    for name, image in deployed.images.items():
        assert moved[name]["repository"] != image["repository"]
        assert moved[name]["digest"] == image["digest"]
    # Back to where the other tests know it.
    checkout.make("down")
    remembered.write_text(before)
    checkout.make("up")
    assert checkout.images() == deployed.images


def test_ctrl_c_leaves_a_state_from_which_up_succeeds(deployed: Deployed) -> None:
    checkout = deployed.checkout
    version = checkout.source / "VERSION"
    original = version.read_text()
    try:
        version.write_text("9.9.9\n")
        process = subprocess.Popen(
            ["make", "up"],
            cwd=checkout.root,
            env=dict(checkout.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "updating" in line and "Image" in line:
                break
        # A terminal sends the signal to the whole foreground group.
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        assert process.wait(timeout=120) != 0
    finally:
        version.write_text(original)
    assert checkout.make("up").returncode == 0
    assert {image["version"] for image in checkout.images().values()} == {"1.4.0"}


def test_a_killed_update_does_not_lock_the_stack(deployed: Deployed) -> None:
    checkout = deployed.checkout
    process = subprocess.Popen(
        ["make", "up"],
        cwd=checkout.root,
        env=dict(checkout.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    locks = checkout.root / ".local/state/.pulumi/locks"
    deadline = time.monotonic() + 60
    while not list(locks.rglob("*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert unchanged(checkout.make("up").stdout) == set(CATALOGUE)


@pytest.mark.stops_daemons
def test_what_needs_no_daemon_starts_none_and_what_does_says_how(deployed: Deployed) -> None:
    checkout = deployed.checkout
    checkout.make("down")
    try:
        shown = checkout.make("preview").stdout
        assert re.search(r"\d+ unchanged", shown)
        assert not re.search(r"to (create|update|replace|delete)", shown)
        done = checkout.new_shell("pulumi up --yes --skip-preview", check=False)
        assert done.returncode != 0
        assert "is down; run make local-up" in done.stdout + done.stderr
        assert not list((checkout.root / ".local/run").glob("*.json"))
        # What reads the registry of the checkout starts it.
        assert checkout.make("verify").returncode == 0
        daemons(checkout)
    finally:
        checkout.make("local-up")


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # Dead, but nobody has asked for its exit code yet.
    return state != "Z"


def _go_environment(folder: Path) -> Path:
    file = folder / "goenv"
    proxy = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout.strip()
    file.write_text(f"GOPROXY='{proxy}'\n")
    return file


def test_the_documented_ways_to_configure_a_stack_work_as_they_stand(deployed: Deployed) -> None:
    page = (deployed.checkout.root / "docs/configuration.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(commands) == 1
    script = [
        "export PULUMI_CONFIG_PASSPHRASE=test-only",
        "pulumi stack init documented",
        "pulumi config set registryServer nvcr.io",
        "pulumi config set registryRepository my-org/my-team",
        *commands,
        "pulumi preview >preview.txt",
        "pulumi config --json --show-secrets",
    ]
    try:
        done = deployed.checkout.shell("\n".join(script))
        answer = json.loads(done.stdout[done.stdout.index("{") :])
        assert answer["carbide-infra:services"]["objectValue"] == ["carbide-rest-ipam"]
        assert answer["carbide-infra:version"]["value"] == "1.40"
    finally:
        deployed.checkout.shell("pulumi stack rm --yes --force documented; rm -f preview.txt Pulumi.documented.yaml")


def test_the_local_registry_lets_nobody_in_without_its_password(deployed: Deployed) -> None:
    """Neither to read, nor to put another image where builds look for Docker Hub's golang."""
    repository = deployed.repository("carbide-rest-api")
    context = ssl.create_default_context(cafile=str(deployed.ca_bundle))
    wrong = {"Authorization": f"Basic {base64.b64encode(b'carbide:guessed').decode()}"}
    asked = [
        ("GET", "", None),
        ("GET", "_catalog", None),
        ("GET", f"{repository.name}/manifests/1.4.0", None),
        ("DELETE", f"{repository.name}/manifests/{deployed.images['carbide-rest-api']['digest']}", None),
        ("PUT", "library/golang/manifests/1.25", b"{}"),
        ("POST", "library/golang/blobs/uploads/", b""),
    ]
    for headers in ({}, wrong):
        for method, path, body in asked:
            url = f"https://{repository.server}/v2/{path}"
            request = urllib.request.Request(url, data=body, headers=headers, method=method)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, context=context, timeout=60)
            assert refused.value.code == 401, (method, path)


@pytest.mark.stops_daemons
def test_build_secrets_do_not_outlive_a_killed_builder(deployed: Deployed) -> None:
    """SIGKILL in the middle of a compile; the next command, which starts nothing, clears away."""
    checkout = deployed.checkout
    main = checkout.source / "ipam/cmd/server/main.go"
    original = main.read_text()
    main.write_text(original + f"\nvar _ = {time.time_ns()}\n\nfunc init() {{ println({time.time_ns()}) }}\n")
    folder = json.loads((checkout.root / ".local/buildkit.json").read_text())["folder"]
    try:
        process = subprocess.Popen(
            ["make", "up"],
            cwd=checkout.root,
            env=dict(checkout.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 300
        while not any("buildkit-secrets" in mount for mount in _mounts() if mount.startswith(folder)):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        assert not [mount for mount in _mounts() if "buildkit-secrets" in mount and not mount.startswith(folder)]
        os.kill(json.loads((checkout.root / ".local/run/buildkitd.json").read_text())["pid"], signal.SIGKILL)
        assert process.wait(timeout=300) != 0
        checkout.make("preview")
        assert not [mount for mount in _mounts() if mount.startswith(f"{folder}/")]
    finally:
        main.write_text(original)
        checkout.make("up")
    assert checkout.images() == deployed.images


def _mounts() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
