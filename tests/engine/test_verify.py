"""verify, refresh and doctor on what `make up` made, with faults made in the registry behind its back."""

import json
from pathlib import Path

from tests.engine.conftest import Checkout, Deployed

MOVED, LOST, DAMAGED = "carbide-rest-ipam", "carbide-rest-db", "carbide-rest-workflow"
VERSION = "1.4.0"


def uploads(checkout: Checkout) -> set[Path]:
    found = checkout.root.glob(".local/registry/docker/registry/v2/repositories/**/_uploads/*")
    return set(found)


def test_what_is_moved_or_lost_is_found_and_repaired(deployed: Deployed) -> None:
    checkout = deployed.checkout
    well = checkout.carbide("verify", "--stack", "dev", check=False)
    assert (well.returncode, well.stdout.splitlines()[-1][:9]) == (0, "7 images,"), well.stdout + well.stderr

    moved = deployed.platforms(MOVED)["linux/amd64"]
    deployed.repository(MOVED).put(VERSION, deployed.repository(MOVED).manifest(moved.digest))
    deployed.repository(LOST).delete(deployed.images[LOST]["digest"])
    part = deployed.platforms(DAMAGED)["linux/arm64"].digest
    deployed.repository(DAMAGED).delete(part)

    ill = checkout.carbide("verify", "--stack", "dev", "--json", check=False)
    assert ill.returncode == 1
    found = {
        name: {difference["what"]: difference["found"] for difference in image["differences"]}
        for name, image in json.loads(ill.stdout)["images"].items()
    }
    assert found[MOVED] == {f"tag {VERSION}": moved.digest}
    assert found[LOST].pop("digest") == "not there"
    assert set(found[LOST]) == {f"tag {tag}" for tag in deployed.images[LOST]["tags"]}
    assert found[DAMAGED] == {"linux/arm64 manifest and config": "not there"}
    assert not any(found[name] for name in found.keys() - {MOVED, LOST, DAMAGED})

    refreshed = checkout.make("refresh")
    assert f"docker-build:index:Image {LOST} deleted" in refreshed.stdout
    assert f"{MOVED}:{VERSION} points at {moved.digest}" in refreshed.stderr
    assert f"{DAMAGED}/manifests/{part} is not there" in refreshed.stderr

    assert "created" in checkout.make("up").stdout
    assert checkout.images() == deployed.images
    repaired = checkout.carbide("verify", "--stack", "dev", check=False)
    assert (repaired.returncode, repaired.stdout) == (0, well.stdout), repaired.stdout


def test_every_layer_is_what_was_built(deployed: Deployed) -> None:
    done = deployed.checkout.carbide("verify", "--stack", "dev", "--deep", "--json", check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["agrees"]) == (0, True), done.stdout + done.stderr


def test_an_image_is_reproduced_from_its_recorded_inputs(tree: Checkout) -> None:
    main = tree.source / "ipam/cmd/server/main.go"
    main.write_text(main.read_text() + "\nthis does not compile\n")
    done = tree.carbide("verify", "--stack", "dev", "--rebuild", "--image", MOVED, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1 image,")


def test_doctor_finds_nothing_to_fix_and_leaves_nothing(deployed: Deployed) -> None:
    before = uploads(deployed.checkout)
    done = deployed.checkout.run(".venv/bin/python", "-m", "devenv", "doctor", "--", "--json", check=False)
    findings = json.loads(done.stdout)
    assert done.returncode == 0, findings
    levels = {finding["subject"]: finding["level"] for finding in findings}
    assert levels["push"] == levels["registry"] == levels["builder"] == levels["tools"] == "ok"
    assert uploads(deployed.checkout) == before
