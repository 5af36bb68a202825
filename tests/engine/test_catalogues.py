"""A tree of another shape, and a catalogue of its own: nothing else is edited, and its binaries run."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import IDENTITY, Checkout, Deployed
from tests.engine.containers import Bundle
from tests.engine.registry import Repository

STACK = "odd"
MAIN = 'package main\n\n{imports}\nvar version, channel, commit = "none", "none", "none"\n\nfunc main() {{ {body} }}\n'
PRINT = 'fmt.Println("{name}", version, channel, commit, os.Args[1:], os.Getuid())'
FMT = 'import ("fmt"; "os")\n'


def go_main(name: str, imports: str = "", body: str = "") -> str:
    return MAIN.format(imports=FMT + imports, body=PRINT.format(name=name) + body)


TREE = {
    # A module of its own, in the root.
    "go.mod": "module example.com/root\n\ngo 1.25\n",
    "cmd/server/main.go": go_main("server"),
    "common/version.go": 'package common\n\nconst Version = "0.7.1"\n',
    "services/tool/go.mod": "module example.com/tool\n\ngo 1.25\n",
    "services/tool/main.go": go_main("tool"),
    "services/tool/VERSION": "# licence\n5.6.7\n",
    # A module that replaces its sibling.
    "svc/a/go.mod": (
        "module example.com/a\n\ngo 1.25\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../../shared\n"
    ),
    "svc/a/cmd/a/main.go": go_main("a", 'import "example.com/lib"\n', "; fmt.Println(lib.Name)"),
    "shared/go.mod": "module example.com/lib\n\ngo 1.25\n",
    "shared/lib.go": 'package lib\n\nvar Name = "lib"\n',
    # A workspace.
    "work/go.work": "go 1.25\n\nuse (\n\t./one\n\t./two\n)\n",
    "work/one/go.mod": "module example.com/one\n\ngo 1.25\n\nrequire example.com/two v0.0.0\n",
    "work/one/main.go": go_main("one", 'import "example.com/two"\n', "; fmt.Println(two.Name)"),
    "work/two/go.mod": "module example.com/two\n\ngo 1.25\n",
    "work/two/two.go": 'package two\n\nvar Name = "two"\n',
    "deploy/start.sh": (
        '#!/bin/sh\necho started as "$(id -u)" in "$(pwd)" with "$GREETING"\nexec /usr/local/bin/server "$@"\n'
    ),
    "schema/a.sql": "create\n",
    "schema/a_test.sql": "test\n",
    "schema/docs/read.me": "docs\n",
}
CATALOGUE = """\
schemaVersion: 1
defaults:
  version: {file: common/version.go, match: 'Version = "(.*)"'}
images:
  several:
    title: 'Several, "quoted"'
    binaries:
      - {package: ./cmd/server, path: /usr/local/bin/server, tags: [netgo], symbols: {main.version: version}}
      - {package: ., module: services/tool, path: /opt/bin/tool, symbols: {main.channel: {text: beta 2}}}
      - {package: ./svc/a/cmd/a, path: /opt/bin/a, ldflags: [], symbols: {main.commit: revision}}
      - {package: ./work/one, path: /opt/bin/one}
    entrypoint: [/etc/server/start.sh]
    command: ['with a "word"']
    files:
      - {from: deploy/start.sh, to: /etc/server/start.sh, mode: "0755", owner: svc}
      - {from: schema, to: /etc/server/schema, exclude: ["**/*_test.sql", docs]}
    folders: [{path: /var/lib/server, owner: svc, mode: "0700"}]
    user: {name: svc, uid: 4711}
    workdir: /var/lib/server
    environment: {GREETING: 'hello "$USER"'}
    ports: {grpc: 50051, metrics: 9090}
    labels: {com.example.channel: "beta {version}"}
    platforms: [linux/amd64]

  tool:
    package: .
    module: services/tool
    kind: job
    command: [migrate, --now]
    version: {file: services/tool/VERSION}
    tagPrefix: tools/
    symbols: {main.version: version}
    base: scratch
    workdir: null
    health: null
    sizeBudget: 30MB
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("odd") / "tree"
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "deploy/start.sh").chmod(0o755)
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *IDENTITY, *command], cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def odd(deployed: Deployed, source: Path) -> Iterator[tuple[Checkout, dict[str, Any], list[str]]]:
    """The checkout, the stack's images, and what make was told."""
    checkout = deployed.checkout
    stack = (checkout.root / "Pulumi.dev.yaml").read_text()
    (checkout.root / f"Pulumi.{STACK}.yaml").write_text(stack.partition("encryptionsalt")[0])
    (source.parent / "images.yaml").write_text(CATALOGUE)
    told = [f"STACK={STACK}", f"SOURCE={source}", f"CATALOGUE={source.parent / 'images.yaml'}"]
    checkout = replace(checkout, environment={**checkout.environment, "PULUMI_CONFIG_PASSPHRASE": "of the tests"})
    try:
        checkout.make("up", *told)
        yield checkout, json.loads(checkout.make("-s", "images", *told).stdout), told
    finally:
        (checkout.root / f"Pulumi.{STACK}.yaml").unlink()


def bundle(odd: tuple[Checkout, dict[str, Any], list[str]], name: str, folder: Path) -> Bundle:
    checkout, images, _ = odd
    server, repository = images[name]["repository"].split("/", 1)
    trusted = Path(json.loads((checkout.root / ".local/endpoint.json").read_text())["ca_bundle"])
    platforms = Repository(server, repository, trusted).platforms(images[name]["digest"])
    return Bundle.of(platforms["linux/amd64"], folder)


def test_a_tree_of_another_shape_needs_its_catalogue_and_no_more(
    odd: tuple[Checkout, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    checkout, images, told = odd
    several = bundle(odd, "several", tmp_path / "several")
    revision = images["several"]["revision"]
    done = several.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'started as 4711 in /var/lib/server with hello "$USER"',
        'server 0.7.1 none none [with a "word"] 4711',
    ]
    root = several.folder / "rootfs"
    assert sorted(path.name for path in (root / "etc/server/schema").iterdir()) == ["a.sql"]
    assert [(root / name).stat().st_uid for name in ("etc/server/start.sh", "var/lib/server")] == [4711, 4711]
    for path, lines in {
        "opt/bin/tool": ["tool none beta 2 none [] 0"],
        "opt/bin/a": [f"a none none {revision} [] 0", "lib"],
        "opt/bin/one": ["one none none none [] 0", "two"],
    }.items():
        ran = subprocess.run(["chroot", root, f"/{path}"], capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines() == lines
    assert (images["several"]["ports"], images["several"]["userName"]) == ({"grpc": 50051, "metrics": 9090}, "svc")
    assert (images["several"]["healthCheck"], images["several"]["platforms"]) == (None, ["linux/amd64"])
    assert images["several"]["labels"]["com.example.channel"] == "beta 0.7.1"

    tool = bundle(odd, "tool", tmp_path / "tool")
    done = tool.run()
    assert done.stdout == "tool 5.6.7 none none [migrate --now] 1000\n", done.stderr
    assert (images["tool"]["kind"], images["tool"]["command"]) == ("job", ["migrate", "--now"])
    assert (images["tool"]["version"], images["several"]["version"]) == ("5.6.7", "0.7.1")

    assert "No changes" in checkout.make("up", *told).stderr
    assert "all agree" in checkout.make("verify", *told).stdout
