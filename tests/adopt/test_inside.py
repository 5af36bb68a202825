"""A project inside the code's repository: previewed, commented on, built and released by workflows that it calls."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.registry_login import read_login
from tests.adopt.callers import Caller, Package, images_workflow
from tests.engine.conftest import Deployed
from tests.support.fake_github import FakeGitHub
from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.events import Event

FRONT, BACK = "shop-front", "shop-back"
TOKEN = "t0ken"  # noqa: S105
WORKFLOW = ".github/workflows/images.yml"
PATHS = ["shop/**", "images/**"]


def go_main(name: str) -> str:
    return (
        'package main\n\nimport (\n\t"fmt"\n\n\t"example.com/shop/internal/words"\n)\n\n'
        f'var version = "none"\n\nfunc main() {{ fmt.Println("{name}", version, words.Hello) }}\n'
    )


# The module is a folder of a larger repository.
CODE = {
    "shop/go.mod": "module example.com/shop\n\ngo 1.25\n",
    "shop/VERSION": "1.2.0\n",
    "shop/cmd/front/main.go": go_main("front"),
    "shop/cmd/back/main.go": go_main("back"),
    "shop/internal/words/words.go": 'package words\n\nconst Hello = "hello"\n',
    "other/readme.md": "Another team's.\n",
}
CATALOGUE = {
    "schemaVersion": 1,
    "images": {
        FRONT: {"package": "./cmd/front", "symbols": {"./cmd/front.version": "version"}},
        BACK: {"package": "./cmd/back", "symbols": {"./cmd/back.version": "version"}},
    },
}
PROGRAM = "from carbide_infra.program import deploy\n\ndeploy()\n"


@dataclass(frozen=True)
class Registry:
    """Where images go, and what they stand on: stand-ins take the place of what nobody can ask for here."""

    server: str = "registry.example.com"
    builder: str = f"golang:1.25@sha256:{'1' * 64}"
    base: str = f"alpine:latest@sha256:{'2' * 64}"

    @classmethod
    def of(cls, deployed: Deployed) -> "Registry":
        endpoint = json.loads((deployed.checkout.root / ".local/endpoint.json").read_text())
        builder, base = (f"{name}@{endpoint['stand_ins'][name]}" for name in ("golang:1.25", "alpine:latest"))
        return cls(endpoint["registry"], builder, base)


def project(registry: Registry, package: Package, source: str) -> dict[str, str]:
    """The files of a project, by name."""
    config = {
        "source": source,
        "catalogue": "services.yaml",
        "registryServer": registry.server,
        "registryRepository": "shop",
        "registryUsername": "carbide",
        "platforms": ["linux/amd64"],
        "builderImage": registry.builder,
        "runtimeImage": registry.base,
        "requireHistory": "true",
        "tagLatest": "true",
    }
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    return {
        "Pulumi.yaml": yaml.safe_dump({"name": "shop-images", "runtime": runtime}),
        "Pulumi.prod.yaml": yaml.safe_dump({"config": {f"shop-images:{key}": value for key, value in config.items()}}),
        "__main__.py": PROGRAM,
        "services.yaml": yaml.safe_dump(CATALOGUE),
        "requirements.txt": package.requirements,
        ".gitignore": ".venv/\n.local/\n",
    }


def below(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


def secrets_of(deployed: Deployed) -> dict[str, str]:
    """What the repository's settings on GitHub hold."""
    login = read_login(deployed.checkout.root)
    assert login is not None
    return {"PULUMI_CONFIG_PASSPHRASE": "adopted", "REGISTRY_PASSWORD": login.password, "GITHUB_TOKEN": TOKEN}


@pytest.fixture
def caller(deployed: Deployed, package: Package, machine: dict[str, str], tmp_path: Path) -> Caller:
    made = Caller(tmp_path, package, machine, secrets_of(deployed))
    (tmp_path / "state").mkdir()
    given = {"project": "images", "stack": "prod"}
    workflow = {WORKFLOW: images_workflow(package.workflows, given, PATHS)}
    made.commit({**CODE, **workflow, **below("images", project(Registry.of(deployed), package, "../shop"))}, "Begin")
    return made


@pytest.fixture
def api() -> Iterator[FakeGitHub]:
    github = FakeGitHub("local/carbide-infra")
    yield github
    github.close()


def ran(caller: Caller, event: Event, api: str = "") -> dict[str, str]:
    """How the jobs ended that an event runs."""
    ended = caller.run("images.yml", event, api)
    return {name: result for name, result in ended.items() if result != "skipped"}


def images_of(caller: Caller) -> dict[str, Any]:
    return dict(json.loads((caller.kept / "artifacts/images/images.json").read_text()))


def test_a_pull_request_is_previewed_and_commented_on_merged_and_released(caller: Caller, api: FakeGitHub) -> None:
    assert ran(caller, caller.pushed()) == {"up": "success"}
    first, main = images_of(caller), caller.git("rev-parse", "HEAD")
    assert first.keys() == {FRONT, BACK}
    assert {image["version"] for image in first.values()} == {"1.2.0"}
    assert all({"1.2.0", "latest", main} <= set(image["tags"]) for image in first.values()), "they are the source's"

    # The preview has no secret, and compares with main's last state.
    head = caller.branch("feature", {"shop/cmd/front/main.go": go_main("FRONT")})
    caller.secrets, secrets = {"GITHUB_TOKEN": TOKEN}, caller.secrets
    assert ran(caller, caller.pull_request("feature")) == {"preview": "success"}
    api.head = head
    assert ran(caller, caller.previewed("feature"), api.url) == {"comment": "success"}
    (body,) = api.bodies
    assert body.splitlines()[:2] == [
        "<!-- carbide-infra: report of shop-images/prod -->",
        f"### 1 deployment may restart: <kbd>{FRONT}</kbd>.",
    ]
    assert "`cmd/front/main.go` changed" in body
    assert main[:10] in body
    assert head[:10] in body, "the merge is nothing that people know"

    # Another folder's pull request starts nothing.
    caller.branch("elsewhere", {"other/readme.md": "Changed.\n"})
    with pytest.raises(WorkflowError, match="does not run on pull_request"):
        ran(caller, caller.pull_request("elsewhere", 8))

    # The merge is built, and its tag released.
    caller.secrets = secrets
    caller.merge("feature")
    assert ran(caller, caller.pushed()) == {"up": "success"}
    second = images_of(caller)
    assert {name for name in second if second[name]["digest"] != first[name]["digest"]} == {FRONT}
    assert ran(caller, caller.pushed(caller.tag("v1.2.0"))) == {"release": "success"}
    assert all(image["digest"] in caller.summary("release") for image in second.values())
