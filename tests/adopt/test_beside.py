"""A project in a private repository of its own: pull requests of the code and of the project, and a fork's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adopt.callers import Caller, Package, images_workflow
from tests.adopt.test_inside import (
    BACK,
    CODE,
    FRONT,
    TOKEN,
    WORKFLOW,
    Registry,
    go_main,
    images_of,
    project,
    ran,
    secrets_of,
)
from tests.engine.conftest import Deployed
from tests.support.fake_github import FakeGitHub

PROJECT, SOURCE = "org/shop-images", "org/shop"
READS = "r3ads"


@dataclass(frozen=True)
class Two:
    """Both repositories."""

    code: Caller
    images: Caller


def workflow(package: Package, **given: str) -> dict[str, str]:
    return {WORKFLOW: images_workflow(package.workflows, {"project": ".", "stack": "prod"} | renamed(given))}


def renamed(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in given.items()}


def made(folder: Path, package: Package, machine: dict[str, str], registry: Registry, secrets: dict[str, str]) -> Two:
    callers = []
    for name in ("code", "images"):
        (folder / name / "state").mkdir(parents=True)
        callers.append(Caller(folder / name, package, machine, {**secrets, "REPOSITORY_TOKEN": READS}))
    code, images = callers
    code.others, code.tokens = {PROJECT: images.remote}, {PROJECT: READS}
    images.others, images.tokens = {SOURCE: code.remote}, {SOURCE: READS}
    # The stack's own source is nowhere here: the checkouts are.
    images.commit(project(registry, package, "/nowhere") | workflow(package, source_repository=SOURCE, source="shop"))
    code.commit(CODE | workflow(package, project_repository=PROJECT, source="shop"))
    return Two(code, images)


@pytest.fixture
def two(package: Package, previewing_machine: dict[str, str], tmp_path: Path) -> Two:
    """Where nothing is built."""
    return made(tmp_path, package, previewing_machine, Registry(), {"GITHUB_TOKEN": TOKEN})


@pytest.fixture
def api() -> FakeGitHub:
    return FakeGitHub("local/carbide-infra")


def page_of(caller: Caller) -> str:
    """The report that has everything in it."""
    return (caller.kept / "artifacts/report/report.html").read_text()


def test_the_code_s_pull_request_is_previewed_with_the_project_beside_it(two: Two) -> None:
    head = two.code.branch("feature", {"shop/cmd/front/main.go": go_main("FRONT"), "shop/VERSION": "1.3.0\n"})
    assert ran(two.code, two.code.pull_request("feature")) == {"preview": "success"}
    report, page = two.code.summary("preview"), page_of(two.code)
    assert report.startswith("<!-- carbide-infra: report of shop-images/prod -->\n")
    assert "2 images are new" in report
    assert FRONT in page
    assert BACK in page
    assert head[:10] in report
    assert "shallow" not in report
    assert "uncommitted" not in report


def test_a_fork_s_pull_request_is_told_in_one_sentence(two: Two, api: FakeGitHub) -> None:
    api.head = two.code.branch("theirs", {"shop/cmd/front/main.go": go_main("FRONT")})
    secrets = two.code.secrets
    two.code.secrets = {"GITHUB_TOKEN": TOKEN}
    assert ran(two.code, two.code.pull_request("theirs")) == {"preview": "failure"}
    two.code.secrets = secrets
    assert ran(two.code, two.code.previewed("theirs"), api.url) == {"comment": "success"}
    (body,) = api.bodies
    assert f"The repository {PROJECT} could not be checked out: it is private" in body
    assert "A pull request from a fork never gets one" in body


def test_a_change_of_the_project_is_previewed_with_the_code_s_main(two: Two) -> None:
    main = two.code.git("rev-parse", "HEAD")
    two.code.branch("unmerged", {"shop/VERSION": "9.9.9\n"})
    catalogue = two.images.clone / "services.yaml"
    two.images.branch("feature", {"services.yaml": catalogue.read_text().replace(BACK, "shop-rear")})
    assert ran(two.images, two.images.pull_request("feature")) == {"preview": "success"}
    report, page = two.images.summary("preview"), page_of(two.images)
    assert "shop-rear" in page
    assert main[:10] in report, "the commit is the source's"


def test_what_main_builds_has_the_code_s_version_commit_and_branch(
    deployed: Deployed, package: Package, machine: dict[str, str], tmp_path: Path
) -> None:
    two = made(tmp_path, package, machine, Registry.of(deployed), secrets_of(deployed))
    assert ran(two.code, two.code.pushed()) == {"up": "success"}
    found, main = images_of(two.code), two.code.git("rev-parse", "HEAD")
    assert {image["version"] for image in found.values()} == {"1.2.0"}
    assert all({"1.2.0", "latest", main} <= set(image["tags"]) for image in found.values())
