"""A canary for each secret, and every place that a run of the program leaves something: none is there in clear."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.support.canaries import Search, forms_of
from tests.support.recording_engine import IMAGE, INDEX, RecordingEngine, secret
from tests.unit.test_program import API, TRACKED, Project, project, tree

__all__ = ["project", "tree"]

SECRETS = {
    "NGC key": "canary-1-nvapi/Zk+q",
    "password of another registry": "canary-2-ghcr:Jw%2",
    "netrc password": "canary-3-netrc&Hp=",
    "proxy password": "canary-4-proxy-Xv",
    "passphrase": "canary-5-phrase Tt",
    "GitHub token": "canary-6-ghp_Lm",
    "cloud key": "canary-7-aws/Qr",
}
LOGINS = {"ghcr.io": {"username": "me", "password": SECRETS["password of another registry"]}}
CONFIG: dict[str, Any] = {
    "registryUsername": "$oauthtoken",
    "registryPassword": SECRETS["NGC key"],
    "registryLogins": json.dumps(LOGINS),
}
MARK = next(iter(secret("")))
SITUATIONS: list[tuple[str, dict[str, Any]]] = [
    ("an update", {}),
    ("a preview", {"preview": True}),
    ("a failed image", {"failing": [API]}),
    ("a failed tag", {"failing": [f"{API}-version"]}),
    ("a registry that gives no answer", {"preview": True, **TRACKED}),
    ("an update that does not start", {"version": "no version"}),
    ("labels and history", {"revisionLabel": "true", "requireHistory": "true"}),
]


@pytest.fixture
def secrets(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own secrets, where the program and what it starts find them."""
    assert project, "which clears the environment"
    monkeypatch.setenv("CARBIDE_GITCREDS", f"machine git.invalid login me password {SECRETS['netrc password']}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRETS['proxy password']}@127.0.0.1:1")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", SECRETS["passphrase"])
    monkeypatch.setenv("GITHUB_TOKEN", SECRETS["GitHub token"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS["cloud key"])


def clear(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """What a state holds that is not encrypted."""
    if isinstance(value, dict):
        return "encrypted" if MARK in value else {name: clear(item) for name, item in value.items()}
    return [clear(item) for item in value] if isinstance(value, list) else value


def places_of(engine: RecordingEngine) -> Iterator[tuple[str, str]]:
    """What the engine was sent, as the state and its log hold it."""
    for resource in engine.registered:
        yield f"inputs of {resource.kind} {resource.name}", json.dumps(clear(dict(resource.inputs)))
        yield f"options of {resource.kind} {resource.name}", str(resource.options)
    for name, outputs in engine.outputs.items():
        yield f"outputs of {name}", json.dumps(outputs)
    for number, asked in enumerate(engine.asked):
        yield f"call {number}", str(asked)
    for number, (_, message) in enumerate(engine.messages):
        yield f"message {number}", message


def run(project: Project, failing: Collection[str] = (), **changes: Any) -> tuple[RecordingEngine, str]:  # noqa: ANN401
    """The engine, and what the program ended with."""
    engine = RecordingEngine(failing=failing, answers={"pulumi:pulumi:readStackOutputs": lambda _: {"outputs": {}}})
    try:
        project.up(engine, **(CONFIG | changes))
    except pulumi.RunError as error:
        return engine, str(error)
    return engine, ""


@pytest.mark.usefixtures("secrets")
def test_no_secret_is_anywhere_in_clear(project: Project, tmp_path: Path, cache: Path, capfd: Any) -> None:  # noqa: ANN401
    search = Search(SECRETS)
    for situation, changes in SITUATIONS:
        engine, ended = run(project, **changes)
        for place, content in (*places_of(engine), ("the last words", ended)):
            search.look(f"{situation}: {place}", content)
    said = capfd.readouterr()
    search.look("stdout", said.out)
    search.look("stderr", said.err)
    search.look_in(tmp_path)
    search.look_in(cache)
    assert search.found == []
    assert search.places > 100
    with capfd.disabled():
        print(f"\n{search}")  # noqa: T201 - a figure of the run


@pytest.mark.usefixtures("secrets")
def test_the_secrets_do_get_to_where_they_are_wanted(project: Project) -> None:
    """Else nothing would be found because nothing was there."""
    engine, _ = run(project)
    sent = json.dumps([dict(image.inputs) for kind in (IMAGE, INDEX) for image in engine.of(kind).values()])
    wanted = ("NGC key", "password of another registry", "netrc password", "proxy password")
    assert [name for name in wanted if json.dumps(SECRETS[name])[1:-1] not in sent] == []


@pytest.mark.parametrize("around", ["", "x", "xy", "xyz"])
def test_a_canary_is_found_in_each_of_its_forms(around: str) -> None:
    import base64  # noqa: PLC0415 - for this test alone
    import gzip  # noqa: PLC0415

    for name, value in SECRETS.items():
        search = Search({name: value})
        search.look("base64", base64.b64encode(f"{around}{value}{around}".encode()))
        search.look("packed", gzip.compress(f"{around}{value}".encode()))
        search.look("JSON", json.dumps(around + value).replace("&", "\\u0026"))
        search.look("nothing", around)
        assert search.found == [f"{name} in {form}" for form in ("base64", "packed", "JSON")], list(forms_of(value))
