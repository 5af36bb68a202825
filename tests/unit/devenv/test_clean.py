"""What `make clean` deletes, and what it refuses to."""

import json
from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from devenv import clean as module
from devenv.clean import clean

EMPTY, FULL = {"checkpoint": {"latest": None}}, {"checkpoint": {"latest": {"resources": [{"urn": "x"}]}}}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "local_down", lambda *_: None)
    state(tmp_path, "carbide-infra/dev.json", FULL)
    state(tmp_path, "carbide-infra/dev.json.bak", FULL)
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / ".local/passphrase").write_text("p")
    (tmp_path / ".local/link").symlink_to(tmp_path)
    return tmp_path


def state(root: Path, name: str, content: object) -> None:
    file = root / ".local/state/.pulumi/stacks" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


def test_the_development_stacks_state_goes_with_all_else(root: Path) -> None:
    state(root, "carbide-infra/prod.json", EMPTY)
    state(root, "carbide-infra/prod.json.bak", FULL)
    state(root, "carbide-infra/prod.json.attrs", {})
    clean(root, lambda _: None)
    assert [entry.name for entry in root.iterdir()] == ["Pulumi.dev.yaml"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("carbide-infra/prod.json", "carbide-infra/prod"),
        ("carbide-infra/prod.json.gz", "carbide-infra/prod"),
        ("carbide-deployment/dev.json", "carbide-deployment/dev"),
        ("old-layout.json", "old-layout"),
    ],
)
@pytest.mark.parametrize("content", [FULL, "{damaged", "[]"], ids=["resources", "damaged", "strange"])
def test_another_stacks_only_state_is_not_deleted(root: Path, file: str, name: str, content: object) -> None:
    state(root, file, content)
    with pytest.raises(SetupError, match=rf"^{name} has its only state in {root}/\.local/state, which make clean"):
        clean(root, lambda _: None)
    assert (root / ".local/state/.pulumi/stacks/carbide-infra/dev.json").exists()


def test_of_a_project_elsewhere_the_development_stack_is_its_own(root: Path) -> None:
    (root / "Pulumi.yaml").write_text("name: shop-images\nruntime: python\n")
    with pytest.raises(SetupError, match=r"^carbide-infra/dev has its only state"):
        clean(root, lambda _: None)
    (root / ".local/state/.pulumi/stacks/carbide-infra/dev.json").unlink()
    state(root, "shop-images/dev.json", FULL)
    clean(root, lambda _: None)
    assert not (root / ".local").exists()


def test_the_passphrase_stays_where_secrets_need_it(root: Path) -> None:
    (root / "Pulumi.dev.yaml").write_text("config:\n  carbide-infra:gitcreds:\n    secure: v1:AAAA:BBBB\n")
    told: list[str] = []
    clean(root, told.append)
    assert [entry.name for entry in (root / ".local").iterdir()] == ["passphrase"]
    assert told == [f"{root}/.local/passphrase stays: secrets in Pulumi.dev.yaml are encrypted with it"]
