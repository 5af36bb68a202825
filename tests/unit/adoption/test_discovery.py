"""Which files are Dockerfiles, and what their images are called."""

import pytest

from carbide_infra.adoption.discovery import as_name, image_name, matches


@pytest.mark.parametrize(
    ("file", "others", "name"),
    [
        ("Dockerfile", (), "shop"),
        ("docker/production/Dockerfile.carbide-rest-db", (), "carbide-rest-db"),
        ("docker/api.Dockerfile", (), "api"),
        ("services/cart/Dockerfile", (), "cart"),
        ("docker/cart/Dockerfile", (), "cart"),
        ("build/package/Dockerfile", (), "shop"),
        ("services/cart/Dockerfile.debug", (), "cart-debug"),
        ("services/cart/Dockerfile.worker", ("services/cart/Dockerfile",), "cart-worker"),
        ("Dockerfile.worker", ("Dockerfile",), "worker"),
        ("Containerfile", (), "shop"),
        ("My_Service/Dockerfile", (), "my-service"),
    ],
)
def test_an_image_is_called_by_the_place_of_its_dockerfile(file: str, others: tuple[str, ...], name: str) -> None:
    assert image_name(file, (file, *others), "shop") == name


@pytest.mark.parametrize("text", ["", "---", "é", "${{ x }}", "../..", "a" * 300])
def test_any_text_becomes_a_name(text: str) -> None:
    assert 0 < len(as_name(text)) <= 128
    assert as_name(text).replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("pattern", "is_left_out"),
    [
        *[("docker/local", True), ("docker/local/", True), ("docker/local/Dockerfile.x", True), ("docker/loc", False)],
        *[("docker/*/Dockerfile.x", True), ("*.x", True), ("*.y", False), ("./docker", True)],
    ],
)
def test_what_is_skipped_is_a_file_a_folder_or_a_pattern(pattern: str, is_left_out: bool) -> None:  # noqa: FBT001
    assert matches("docker/local/Dockerfile.x", pattern) == is_left_out
