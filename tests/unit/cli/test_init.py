"""`carbide-infra init` in clones of other people's repositories."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner, Result

from carbide_infra.adoption import requirements
from carbide_infra.catalogue.loading import load_catalogue
from carbide_infra.cli.init import app
from carbide_infra.errors import CommandError
from carbide_infra.paths import project_root
from carbide_infra.settings import load_settings, selected_images
from carbide_infra.stack.stack_file import project_name, read_stack_file
from devenv.cli import ACTIONLINT_ARGUMENTS
from devenv.toolchain import ensure_actionlint
from tests.support.adoptable import SUBFOLDER, cloned, kept, nine_images, several_binaries, shop, write

WORKFLOWS = "acme/carbide-infra@0123456789012345678901234567890123456789"
OPTIONS = ("--workflows", WORKFLOWS, "--registry", "registry.example.com/team")
LOCK = "carbide-infra==0.1.0 \\\n    --hash=sha256:00\n"
FILES = {
    ".gitignore",
    "Pulumi.dev.yaml",
    "Pulumi.prod.yaml",
    "Pulumi.yaml",
    "__main__.py",
    "requirements.txt",
    "services.yaml",
}

Init = Callable[..., Result]


@pytest.fixture(scope="session")
def actionlint() -> Path:
    """The one of `make lint`, from the cache that all share: tests have one of their own."""
    return ensure_actionlint(lambda _: None)


@pytest.fixture(autouse=True)
def lock(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """What pip finds is for another test."""
    monkeypatch.setattr("carbide_infra.cli.init.locked", lambda *_: LOCK)
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(cache))


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """Runs it in a folder of a clone, which is made at the first call."""

    def ran(files: Mapping[str, str], *arguments: str, folder: str = ".") -> Result:
        root = tmp_path / "clone"
        if not root.exists():
            cloned(root, files)
        monkeypatch.chdir(root / folder)
        return CliRunner().invoke(app, [*OPTIONS, *arguments])

    return ran


def untracked(root: Path) -> set[str]:
    command = ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=all", "--ignored"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line[3:] for line in lines}


def test_nine_images_are_a_folder_of_seven_files_and_a_workflow(init: Init, tmp_path: Path) -> None:
    done = init(nine_images(), folder=SUBFOLDER)
    assert done.exit_code == 0, done.output
    root = tmp_path / "clone"
    written = untracked(root)
    assert written == {*(f"{SUBFOLDER}/images/{name}" for name in FILES), ".github/workflows/images.yml"}
    lines = [line for name in written if "requirements" not in name for line in (root / name).read_text().splitlines()]
    assert len(written) == 8
    assert len(lines) <= 170


def test_the_program_reads_what_is_written(init: Init, tmp_path: Path) -> None:
    init(nine_images(), folder=SUBFOLDER)
    project = tmp_path / "clone" / SUBFOLDER / "images"
    assert project_name(project) == "mono-images"
    for stack, repository in (("dev", "team"), ("prod", "shop/images")):
        values = read_stack_file(project, stack)
        settings = load_settings(values, {})
        assert (settings.registry_server, settings.registry_repository) == ("registry.example.com", repository)
        assert settings.source_root(project) == project.parent
        assert len(selected_images(settings, project).images) == 9
        # A login that stands in the remote's address stays there.
        assert settings.source_url == "https://example.com/shop/mono"
    assert (project / "__main__.py").read_text() == "from carbide_infra.program import deploy\n\ndeploy()\n"


def test_a_main_branch_of_another_name_is_the_stacks(init: Init, tmp_path: Path) -> None:
    init(nine_images(), "--dry-run")
    root = tmp_path / "clone"
    subprocess.run(["git", "-C", str(root), "branch", "--quiet", "--move", "develop"], check=True)
    assert init({}, folder=SUBFOLDER).exit_code == 0
    for stack in ("dev", "prod"):
        values = read_stack_file(root / SUBFOLDER / "images", stack)
        assert load_settings(values, {}).main_branch == "develop"
    assert "branches: [develop]" in (root / ".github/workflows/images.yml").read_text()


def test_a_tag_of_one_image_starts_the_workflow(init: Init, tmp_path: Path) -> None:
    describe = "$(git describe --match 'tools/api/v*')"
    files = shop()
    files["docker/Dockerfile.shop-api"] = files["docker/Dockerfile.shop-api"].replace("$(cat VERSION)", describe)
    assert init(files).exit_code == 0
    root = tmp_path / "clone"
    assert 'tags: ["v[0-9]*", "tools/api/v[0-9]*"]' in (root / ".github/workflows/images.yml").read_text()
    values = read_stack_file(root / "images", "prod")
    assert selected_images(load_settings(values, {}), root / "images").images[0].tag_prefix == "tools/api/"


def test_the_workflow_calls_one_commit_for_the_changes_of_its_folder(init: Init, tmp_path: Path) -> None:
    init(nine_images(), folder=SUBFOLDER)
    text = (tmp_path / "clone/.github/workflows/images.yml").read_text()
    data: dict[Any, Any] = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - builds no objects
    assert data["on"]["pull_request"]["paths"] == [f"{SUBFOLDER}/**", ".github/workflows/images.yml"]
    jobs = data["jobs"]
    repository, _, commit = WORKFLOWS.partition("@")
    for name, job in jobs.items():
        assert job["uses"] == f"{repository}/.github/workflows/{name}.yml@{commit}"
        assert job["with"]["project"] == f"{SUBFOLDER}/images"
        assert job.get("secrets") != "inherit"
    assert set(jobs) == {"preview", "comment", "up", "release", "drift"}
    assert "secrets" not in jobs["preview"]
    assert "secrets" not in jobs["comment"]
    assert data["permissions"] == {"contents": "read"}


def test_the_workflow_passes_the_linter_of_workflows(init: Init, tmp_path: Path) -> None:
    init(nine_images(), folder=SUBFOLDER)
    zizmor = Path(os.sys.executable).with_name("zizmor")  # type: ignore[attr-defined]
    file = tmp_path / "clone/.github/workflows/images.yml"
    command = [str(zizmor), "--offline", "--no-progress", "--format", "json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_the_workflow_passes_the_linter_of_github_s_language(actionlint: Path, init: Init, tmp_path: Path) -> None:
    init(nine_images(), folder=SUBFOLDER)
    command = [str(actionlint), *ACTIONLINT_ARGUMENTS, ".github/workflows/images.yml"]
    done = subprocess.run(command, cwd=tmp_path / "clone", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_second_run_changes_nothing_and_shows_what_is_new(init: Init, tmp_path: Path) -> None:
    files = kept()
    init(files)
    before = {name: (tmp_path / "clone" / name).read_bytes() for name in untracked(tmp_path / "clone")}
    again = init(files)
    assert "images/services.yaml has all 4 images already" in again.output
    assert "wrote" not in again.output
    write(tmp_path / "clone", {"docker/spare.Dockerfile": files["docker/shell.Dockerfile"].replace("shell", "spare")})
    (tmp_path / "clone/images/requirements.txt").unlink()
    third = init(files)
    assert "  spare:\n    # kept as it is: docker/spare.Dockerfile:7" in third.stdout
    assert "  web:" not in third.stdout
    assert "wrote images/requirements.txt" in third.output
    assert {name: (tmp_path / "clone" / name).read_bytes() for name in before} == before


def test_a_new_entry_takes_nothing_unsaid_from_the_defaults_above_it(init: Init, tmp_path: Path) -> None:
    files = nine_images()
    init(files, folder=SUBFOLDER)
    new = files[f"{SUBFOLDER}/docker/production/Dockerfile.carbide-rest-db"]
    write(tmp_path / "clone" / SUBFOLDER, {"docker/production/Dockerfile.carbide-rest-more": new})
    done = init(files, folder=SUBFOLDER)
    catalogue = tmp_path / "clone" / SUBFOLDER / "images/services.yaml"
    entry = done.stdout.partition("\nImage ")[0]
    catalogue.write_text(f"{catalogue.read_text()}\n{entry}\n")
    images = {image.name: image for image in load_catalogue(catalogue).images}
    assert images["carbide-rest-more"].health is None
    assert init(files, "--check", folder=SUBFOLDER).exit_code == 0


def test_a_dry_run_prints_and_writes_nothing(init: Init, tmp_path: Path) -> None:
    done = init(kept(), "--dry-run")
    assert done.exit_code == 0
    assert untracked(tmp_path / "clone") == set()
    assert "==> images/services.yaml <==\nschemaVersion: 1\n" in done.stdout
    assert "==> .github/workflows/images.yml <==" in done.stdout


def test_it_ends_with_a_table_and_what_comes_next(init: Init) -> None:
    done = init(nine_images(), folder=SUBFOLDER)
    assert "carbide-rest-api           the catalogue  4      0" in done.stdout
    assert ".venv/bin/carbide-infra preview --stack dev" in done.output


def test_what_no_entry_can_say_is_printed(init: Init) -> None:
    output = init(kept()).output
    assert "shell keeps docker/shell.Dockerfile; an entry cannot say:" in output
    assert "docker/shell.Dockerfile:7: installs openssh-client; let a base image have it" in output
    assert "Main packages of no image: " in output
    assert "./cmd/spare" in output


def test_check_agrees_right_after_and_differs_after_an_edit(init: Init, tmp_path: Path) -> None:
    init(nine_images(), folder=SUBFOLDER)
    same = init({}, "--check", folder=SUBFOLDER)
    assert (same.exit_code, same.stdout) == (0, "images/services.yaml and the Dockerfiles say the same of 9 images\n")
    file = tmp_path / "clone" / SUBFOLDER / "docker/production/Dockerfile.carbide-rest-db"
    file.write_text(file.read_text().replace("init_migrate", "migrate"))
    differs = init({}, "--check", folder=SUBFOLDER)
    assert differs.exit_code == 1
    assert differs.stdout.startswith("carbide-rest-db: command = ['db', 'init_migrate'] in images/services.yaml:")
    assert differs.stdout.endswith("and ['db', 'migrate'] in docker/production/Dockerfile.carbide-rest-db:24\n")


def test_as_is_every_image_keeps_its_dockerfile(init: Init, tmp_path: Path) -> None:
    assert init(nine_images(), "--as-is", folder=SUBFOLDER).exit_code == 0
    images = load_catalogue(tmp_path / "clone" / SUBFOLDER / "images/services.yaml").images
    assert len(images) == 9
    assert all(image.kept for image in images)


def test_a_package_that_cannot_be_had_is_one_sentence_and_the_rest_is_there(
    init: Init, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nowhere(*_: object) -> str:
        msg = "requirements.txt is not written, for it is nowhere; run make wheels"
        raise CommandError(msg)

    monkeypatch.setattr("carbide_infra.cli.init.locked", nowhere)
    done = init(kept())
    assert done.exit_code == 0
    assert "requirements.txt is not written, for it is nowhere; run make wheels" in done.stderr
    assert "\nNext, once requirements.txt is there:\n" in done.stderr
    assert untracked(tmp_path / "clone") >= {"images/services.yaml"}
    assert "images/requirements.txt" not in untracked(tmp_path / "clone")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--folder", "../out"), "--folder ../out: is not a folder in this one"),
        (("--folder", "/etc"), "--folder /etc: is not a folder in this one"),
        (("--folder", "a b"), "--folder a b: is not a folder in this one"),
        (("--registry", "team"), "--registry team: is no registry"),
        (("--registry", "https://x.example/y"), "is no registry with a repository"),
        (("--registry", "registry.example.com"), "names no repository below it"),
        (("--workflows", "acme/x@main"), "--workflows 'acme/x@main': is not OWNER/REPOSITORY@SHA"),
        (("--check",), "images/services.yaml is not there; carbide-infra init writes it"),
    ],
)
def test_an_option_that_is_none(init: Init, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = init(kept(), *arguments)
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert untracked(tmp_path / "clone") == set()


def broken(name: str, text: str) -> dict[str, str]:
    return {**kept(), name: text}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (broken("docker/x.Dockerfile", "hello\n"), "docker/x.Dockerfile:1: 'hello' is no instruction"),
        (broken("docker/x.Dockerfile", "FROM {{ .Base }}\n"), "docker/x.Dockerfile:1: is a template"),
        (broken("docker/web/Dockerfile", "FROM alpine\n"), "web: docker/web.Dockerfile and docker/web/Dockerfile both"),
        (
            broken("my docker/Dockerfile", "FROM alpine\n"),
            "my docker/Dockerfile: no catalogue can name it (my-docker: dock",
        ),
        ({"README.md": "nothing\n"}, "has no Dockerfile and no .ko.yaml that git lists"),
    ],
)
def test_bad_input_is_one_sentence_and_no_folder(
    init: Init, tmp_path: Path, files: Mapping[str, str], words: str
) -> None:
    done = init(files)
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert untracked(tmp_path / "clone") == set()


def test_without_go_it_says_so(init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = tmp_path / "bin"
    git.mkdir()
    (git / "git").symlink_to(
        next(Path(folder) / "git" for folder in os.get_exec_path() if (Path(folder) / "git").exists())
    )
    cloned(tmp_path / "clone", kept())
    monkeypatch.setenv("PATH", str(git))
    done = init(kept())
    assert done.exit_code == 1
    assert done.stderr == (
        "error: the go command is not on PATH: install Go 1.21 or newer (https://go.dev/dl), for it names the main "
        "packages; or take --as-is\n"
    )
    assert not (tmp_path / "clone/images").exists()


def test_nobody_may_write_is_one_sentence(init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    cloned(tmp_path / "clone", kept())
    monkeypatch.setattr("carbide_infra.adoption.writing._staged", refused)
    done = init(kept())
    assert done.exit_code == 1
    assert done.stderr == "error: images/Pulumi.yaml cannot be written: Permission denied; nothing was\n"
    assert untracked(tmp_path / "clone") == set()


def test_in_a_project_it_names_the_right_folder(init: Init) -> None:
    done = init({**kept(), "Pulumi.yaml": "name: x\n"})
    assert done.exit_code == 1
    assert "is a project already; run this in the folder that has the source" in done.stderr


def test_without_a_registry_the_option_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cloned(tmp_path / "clone", kept()))
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --registry: name what a development stack may push to")


# ---- What strangers write.

EVIL = 'x"\n    uses: evil/evil@main'


CHART = {
    "deploy/chart/Chart.yaml": "name: shop\n",
    "deploy/chart/values.yaml": "api:\n  image: {repository: nvcr.io/acme/shop-api}\n  containerPort: 8080\n",
}


def test_without_a_registry_the_chart_s_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: text for name, text in shop().items() if not name.startswith(".github/")}
    monkeypatch.chdir(cloned(tmp_path / "clone", files | CHART))
    done = CliRunner().invoke(app, ["--workflows", WORKFLOWS])
    assert done.exit_code == 0, done.output
    for stack, repository in (("dev", "acme/dev"), ("prod", "acme")):
        text = (tmp_path / f"clone/images/Pulumi.{stack}.yaml").read_text()
        assert re.search(r"registryServer: nvcr\.io  # deploy/chart/values\.yaml:2", text)
        assert f"registryRepository: {repository}\n" in text


def test_a_chart_that_takes_images_from_elsewhere_is_listed(init: Init, tmp_path: Path) -> None:
    done = init(shop() | CHART)
    note = (
        "NOTE: deploy/chart/values.yaml:2: takes the images from nvcr.io/acme, and .github/workflows/release.yml:8 "
        "pushes them to registry.example.com/shop: check registryServer\n"
    )
    assert note in done.stderr
    assert "registryServer: registry.example.com" in (tmp_path / "clone/images/Pulumi.prod.yaml").read_text()


def test_check_agrees_with_what_a_chart_said_and_names_it_after_an_edit(init: Init, tmp_path: Path) -> None:
    values = (
        "image: ghcr.io/acme/mono\nports: {web: 8080}\nlivenessProbe: {exec: {command: [/usr/local/bin/api, ok]}}\n"
    )
    files = several_binaries() | {"Chart.yaml": "name: mono\n", "values.yaml": values}
    files["docker/mono.Dockerfile"] = files.pop("Dockerfile")
    assert init(files).exit_code == 0
    assert "web: 8080" in (tmp_path / "clone/images/services.yaml").read_text()
    done = init({}, "--check")
    assert (done.exit_code, done.stdout.splitlines()[-1].rpartition(" ")[0]) == (
        0,
        "images/services.yaml and the Dockerfiles say the same of 2",
    )
    (tmp_path / "clone/values.yaml").write_text(values.replace("ok", "well"))
    done = init({}, "--check")
    assert done.exit_code == 1
    assert re.search(r"^mono: health = .* in images/services.yaml:\d+, and .* in values.yaml:3$", done.stdout)


def test_names_of_a_stranger_stay_names(init: Init, tmp_path: Path) -> None:
    files = kept()
    hostile = {
        "docker/a: b #c.Dockerfile": 'FROM alpine:3.22\nCMD ["sh"]\n',
        "docker/${{ github.token }}.Dockerfile": 'FROM alpine:3.22\nCMD ["sh"]\n',
        "docker/evil.Dockerfile": (
            'FROM alpine:3.22\nENV A="${X}\\nimages: {}" B="- &x [*x]" C="{{ evil }}"\n'
            'LABEL "a\tb"="c" org.example="!!python/object:os.system"\nUSER "root: {}"\nCMD ["\\u0000", "\\n- x"]\n'
        ),
    }
    done = init({**files, **hostile})
    assert done.exit_code == 0, done.output
    text = (tmp_path / "clone/images/services.yaml").read_text()
    assert text.isascii() or text.isprintable()
    assert {image.name for image in load_catalogue(tmp_path / "clone/images/services.yaml").images} >= {"evil", "web"}


def test_a_branch_or_folder_of_a_stranger_adds_nothing_to_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = "a'b\"c ${{ x }} #"
    root = cloned(tmp_path / "clone", {f"{folder}/{name}": text for name, text in kept().items()})
    subprocess.run(["git", "-C", str(root), "checkout", "-q", "-b", "x'];${{evil}}"], check=True)
    monkeypatch.chdir(root / folder)
    done = CliRunner().invoke(app, [*OPTIONS])
    assert done.exit_code == 1
    assert "is not a path that a workflow can name" in done.stderr
    assert not (root / ".github").exists()


def test_a_file_that_leads_out_is_not_read(init: Init, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("FROM secret-registry.example/hunter2\n")
    root = cloned(tmp_path / "clone", kept())
    (root / "docker/out.Dockerfile").symlink_to(secret)
    done = init({})
    assert done.exit_code == 1
    assert "outside the source tree" in done.stderr
    assert "hunter2" not in done.output


def test_nothing_of_the_tree_is_run(init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    files = kept()
    files |= {
        "go.mod": files["go.mod"] + "\ntoolchain go1.99.9\n",
        "go.env": f"GOFLAGS=-toolexec={mark}\n",
        "cmd/web/cgo.go": f'package main\n\n// #cgo pkg-config: x\n// #cgo CFLAGS: -B{mark}\nimport "C"\n',
        "cmd/web/gen.go": f"package main\n\n//go:generate touch {mark}\n",
        ".git-hook": "x\n",
    }
    root = cloned(tmp_path / "clone", files)
    hook = root / ".git/hooks/post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GOFLAGS", f"-toolexec={mark}")
    subprocess.run(["git", "-C", str(root), "config", "core.fsmonitor", f"touch {mark}"], check=True)
    assert init({}).exit_code == 0
    assert not mark.exists()


def test_no_module_is_fetched_by_git_from_a_host_that_the_tree_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, init: Init
) -> None:
    calls, git = tmp_path / "calls", shutil.which("git")
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexec {git} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("GOPROXY", "direct")
    monkeypatch.setenv("GOSUMDB", "off")
    files = nine_images()
    files[f"{SUBFOLDER}/go.mod"] += "\nrequire evil.invalid/x.git/module v1.0.0\n"
    sums = ("v1.0.0", "v1.0.0/go.mod")
    files[f"{SUBFOLDER}/go.sum"] = "".join(f"evil.invalid/x.git/module {each} h1:{43 * 'A'}=\n" for each in sums)
    main = f"{SUBFOLDER}/api/cmd/api/main.go"
    files[main] = files[main].replace('"os"\n', '"os"\n\n\t_ "evil.invalid/x.git/module"\n')
    done = init(files, folder=SUBFOLDER)
    assert done.exit_code == 0, done.output
    assert "evil.invalid" not in calls.read_text()


# ---- What pip finds.


def test_uv_locks_with_all_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\ncat > "$0.in"; echo "$*" > "$0.args"\necho "carbide-infra==0.1.0 --hash=sha256:00"\n')
    uv.chmod(0o755)
    monkeypatch.setattr(requirements, "_uv", lambda: str(uv))
    monkeypatch.setattr(requirements, "_own_version", lambda: "0.1.0")
    assert requirements.locked(["dist"], tmp_path, tmp_path / "images") == "carbide-infra==0.1.0 --hash=sha256:00\n"
    assert (tmp_path / "uv.in").read_text() == "carbide-infra[build]==0.1.0"
    arguments = (tmp_path / "uv.args").read_text()
    assert "--universal --generate-hashes" in arguments
    assert f"--find-links {Path('dist').absolute()}" in arguments


def test_the_file_names_the_places_that_others_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "_locked", lambda _: LOCK)
    places = [str(tmp_path / "clone/a/wheels"), "https://example.com/wheels/", str(tmp_path / "laptop")]
    text = requirements.locked(places, tmp_path / "clone", tmp_path / "clone/a/images")
    assert text == f"--find-links ../wheels\n--find-links https://example.com/wheels/\n{LOCK}"


@pytest.mark.parametrize(
    "place",
    [
        "https://me:t0ken@example.com/wheels",
        "https://example.com/w --index-url x",
        "https://x.example/a\n-r b",
        "a\nb",
        "${X}",
    ],
)
def test_the_file_has_nothing_of_a_place_that_is_another_s(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert requirements.shared_place(place, tmp_path, tmp_path / "images") is None


def test_wheels_that_no_job_finds_are_said(init: Init) -> None:
    done = init(shop(), "--find-links", "/laptop/dist", "--find-links", "https://example.com/wheels")
    notes = [line for line in done.stderr.splitlines() if "wheels" in line and line.startswith("NOTE")]
    (note,) = notes
    assert note == (
        "NOTE: images/requirements.txt: the workflows find no wheels in /laptop/dist; for them, have the wheels at an "
        "index, at an address without a login, or in a folder of the repository"
    )
    assert "--find-links /laptop/dist --find-links https://example.com/wheels -r" in done.stderr


def test_what_nobody_has_names_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'No solution found: there is none' >&2\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setattr(requirements, "_uv", lambda: str(uv))
    monkeypatch.setattr(requirements, "_own_version", lambda: "0.1.0")
    with pytest.raises(CommandError) as raised:
        requirements.locked([], tmp_path, tmp_path / "images")
    assert str(raised.value) == (
        "requirements.txt is not written, for carbide-infra[build]==0.1.0 cannot be had here (No solution found: there "
        "is none); run `make wheels` in a checkout of carbide-infra, and this again with --find-links CHECKOUT/dist"
    )


# ---- What docs/adopting.md shows.

PAGE = (project_root() / "docs/adopting.md").read_text(encoding="utf-8")


def shown(text: str) -> str:
    """As the page has it: without the blanks behind a table's last column."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_the_page_shows_the_real_output(init: Init, tmp_path: Path) -> None:
    done = init(shop(), "--find-links", "~/carbide-infra/dist")
    assert shown(done.stdout) in PAGE
    for line in (
        shown(done.stderr).replace(str(Path("~/carbide-infra/dist").expanduser()), "~/carbide-infra/dist").splitlines()
    ):
        assert line in PAGE.splitlines(), line
    assert (tmp_path / "clone/images/services.yaml").read_text() in PAGE


def test_the_page_shows_the_real_comparison(init: Init, tmp_path: Path) -> None:
    init(shop())
    assert init({}, "--check").stdout in PAGE
    file = tmp_path / "clone/docker/Dockerfile.shop-api"
    file.write_text(file.read_text().replace("8080", "8081"))
    assert init({}, "--check").stdout in PAGE


def test_the_page_names_every_option() -> None:
    command = get_command(app)
    names = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    assert set(names) <= {word for line in PAGE.splitlines() for word in re.findall(r"--[a-z-]+", line)}
