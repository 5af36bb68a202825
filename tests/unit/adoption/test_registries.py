"""Where images go today."""

from pathlib import Path

import pytest

from carbide_infra.adoption.registries import of_user, of_workflows
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.errors import CommandError
from tests.support.adoptable import write

FILE = ".github/workflows/build.yml"

BOMB = "image: &a0 [x]\n" + "".join(f"image{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 40)}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("env: {IMAGE: ghcr.io/acme/shop/api}\n", ("ghcr.io", "acme/shop")),
        ("jobs: {a: {steps: [{with: {tags: 'ghcr.io/acme/web:1'}}]}}\n", ("ghcr.io", "acme/web")),
        ("env: {REGISTRY: nvcr.io}\n", ("nvcr.io", "")),
        ("jobs: {a: {steps: [{with: {registry: 'registry.example.com:5000'}}]}}\n", ("registry.example.com:5000", "")),
        ("jobs: {a: {steps: [{with: {tags: '${{ env.X }}/api'}}]}}\n", None),
        ("jobs: {a: {steps: [{run: curl https://example.com/x}]}}\n", None),
        ("jobs: {a: {container: {image: 'not a reference'}}}\n", None),
        ("a: [\n", None),
        ("a: &x {image: *x, b: *x}\n", None),
        (BOMB, None),
    ],
)
def test_a_workflow_says_where_it_pushes(tmp_path: Path, cache: Path, text: str, found: tuple[str, str] | None) -> None:
    write(tmp_path, {FILE: text})
    registry = of_workflows(TreeFiles.of(tmp_path, cache), {"api"})
    assert (registry and (registry.server, registry.repository)) == found
    assert registry is None or registry.where == f"{FILE}:1"


def test_the_user_says_it() -> None:
    for text, server, repository in (
        ("registry.example.com/team/shop", "registry.example.com", "team/shop"),
        ("localhost:5000/team", "localhost:5000", "team"),
        ("build-7:5443/team", "build-7:5443", "team"),
        ("local", "local", ""),
        ("local/shop", "local", "shop"),
    ):
        assert (of_user(text).server, of_user(text).repository) == (server, repository)


@pytest.mark.parametrize(
    "text",
    ["team/shop", "a:/b", "-a:5/b", "a:5", "https://a.example/b", "a.example", "a.example/B", "a.example/b\nc: d", ""],
)
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match=r"^--registry "):
        of_user(text)
