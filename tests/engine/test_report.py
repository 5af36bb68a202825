"""The report of a real change, made as its author makes it."""

import json
from pathlib import Path

from tests.engine.conftest import Checkout, Deployed

IPAM, API = "carbide-rest-ipam", "carbide-rest-api"
CHANGED = "ipam/pkg/prefix/prefix.go"


def test_a_change_is_told_with_its_images_files_and_restarts(
    deployed: Deployed, tree: Checkout, tmp_path: Path
) -> None:
    file = tree.source / CHANGED
    file.write_text(file.read_text() + "\nvar _ = 1\n")
    tree.git("commit", "--quiet", "--all", "--message", "A change")
    saved = tmp_path / "preview.json"
    done = tree.shell(
        "carbide-infra report --stack dev --json\n"
        f"pulumi preview --stack dev --non-interactive --json >{saved}\n"
        f"carbide-infra report --stack dev --format markdown --preview {saved} >{saved}.md\n"
        f"carbide-infra report --stack dev --preview {saved} --exit-code >/dev/null || echo $? >{saved}.code"
    )
    report = json.loads(done.stdout)
    assert report["verdict"] == f"2 deployments may restart: {API}, {IPAM}."
    assert report["revision"]["after"] == tree.git("rev-parse", "HEAD")
    rebuilt = {name: image for name, image in report["images"].items() if image["action"] == "rebuilt"}
    assert rebuilt.keys() == {IPAM, API}
    for image in rebuilt.values():
        assert image["files"] == [{"path": CHANGED, "change": "changed", "sizeChange": 11}]
        assert image["restart"] == "expected"
        assert image["reasons"] == []
    assert report["images"].keys() == deployed.images.keys()
    text = Path(f"{saved}.md").read_text()
    assert text.startswith("<!-- carbide-infra: report of carbide-infra/dev -->\n")
    assert f"### 2 deployments may restart: <kbd>{API}</kbd>, <kbd>{IPAM}</kbd>.\n" in text
    assert f"\n- `{CHANGED}` changed\n" in text
    assert Path(f"{saved}.code").read_text() == "1\n"


def test_a_preview_that_fails_ends_with_pulumis_own_message(deployed: Deployed) -> None:
    report = "carbide-infra report --stack dev --format markdown"
    done = deployed.checkout.shell(f"CARBIDE_SOURCE=/nonexistent {report} || echo ended with $?")
    assert "### The preview failed: configuration key `source`." in done.stdout
    assert "source = '/nonexistent': is not a folder" in done.stdout
    assert "error: source = '/nonexistent': is not a folder" in done.stderr
    assert done.stdout.endswith("ended with 2\n")
    assert "Traceback" not in done.stdout + done.stderr
