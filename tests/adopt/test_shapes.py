"""Repositories of other people, by their shapes: adopted, previewed, built, run, and compared with their old images.

Each goes on to GitHub, with what can be built here; CARBIDE_ADOPT_ON_GITHUB names some of them, with commas between.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv.registry_login import read_login
from devenv.stand_ins import own_platform
from tests.adopt.callers import NAME, Caller, Package
from tests.adopt.contents import Content, differences, explained, only_platform
from tests.adopt.engine import machine_environment
from tests.adopt.shapes import KNOWN, Built, Shape
from tests.adopt.test_inside import TOKEN, images_of, ran
from tests.engine.conftest import Checkout
from tests.engine.containers import Bundle
from tests.engine.registry import Repository
from tests.support.adoptable import SHAPES, cloned, write
from tests.support.fake_github import FakeGitHub

ON_GITHUB = os.environ.get("CARBIDE_ADOPT_ON_GITHUB", ",".join(SHAPES)).split(",")
ORIGIN = "https://example.com/shop/mono.git"
STACK, PROJECT = "prod", "mono-images"
ALPINE, DISTROLESS = (Path(__file__).parent / name for name in ("alpine", "distroless"))
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Adopted:
    """A clone with the project that `init` wrote.

    Attributes:
        name: of the shape.
        root: the clone.
        kit: the checkout that its targets run in.
        package: what the project is locked to.
        said: what init printed.
    """

    name: str
    root: Path
    kit: Checkout
    package: Package
    said: str

    @property
    def shape(self) -> Shape:
        return KNOWN[self.name]

    @property
    def source(self) -> Path:
        return self.root / self.shape.folder

    @property
    def project(self) -> Path:
        return self.source / "images"

    @property
    def endpoint(self) -> dict[str, Any]:
        return dict(json.loads((self.project / ".local/endpoint.json").read_text()))

    def make(self, *targets: str) -> str:
        """Run targets of the kit; gives what they print and say."""
        done = self.kit.make(*targets, f"PROJECT={self.project}")
        return done.stdout + done.stderr

    def images(self) -> dict[str, Any]:
        """The stack's images by name."""
        return dict(json.loads(self.kit.make("-s", "images", f"PROJECT={self.project}").stdout))

    def repository(self, name: str) -> Repository:
        return Repository(self.endpoint["registry"], name, Path(self.endpoint["ca_bundle"]))

    def docker(self, *arguments: str) -> None:
        """Run buildx where the builder is found."""
        environment = machine_environment(self.kit.root, self.project)
        command = ["buildx", *arguments]
        done = subprocess.run(command, cwd=self.source, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def initialised(kit: Checkout, package: Package, source: Path, registry: str, wheels: Path) -> str:
    """Run `init` in a clone; gives what it says."""
    options = ["--registry", registry, "--workflows", f"{NAME}@{package.workflows.commit}"]
    command = ["carbide-infra", "init", *options, "--find-links", str(wheels)]
    done = kit.shell(f"cd {shlex.quote(str(source))}\n{shlex.join(command)}")
    return done.stdout + done.stderr


def configured(stack_file: Path, values: dict[str, Any]) -> None:
    """Add to a stack's file what a person adds; Pulumi has added to it as well."""
    file = yaml.safe_load(stack_file.read_text())
    file["config"] |= {f"{PROJECT}:{key}": value for key, value in values.items()}
    stack_file.write_text(yaml.safe_dump(file))


@pytest.fixture(scope="module", params=SHAPES)
def adopted(
    request: pytest.FixtureRequest, checkout: Checkout, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Adopted]:
    checkout.make("tools")
    name = request.param
    root = cloned(tmp_path_factory.mktemp("shape") / "clone", SHAPES[name]())
    said = initialised(checkout, package, root / KNOWN[name].folder, "local", package.wheels)
    made = Adopted(name, root, checkout, package, said)
    configured(made.project / "Pulumi.dev.yaml", {"platforms": [own_platform()]})
    yield made
    made.make("clean")


@pytest.fixture(scope="module")
def deployed_shape(adopted: Adopted, tell: Tell) -> Adopted:
    """After an update of what can be built."""
    for name, why in adopted.shape.not_built.items():
        tell(f"{adopted.name}: {name}: not run: it {why}")
    # With stand-ins for the bases of what only the workflows build, too.
    configured(adopted.project / "Pulumi.dev.yaml", {"services": sorted(adopted.shape.built_on_github)})
    adopted.make("local-up")
    configured(adopted.project / "Pulumi.dev.yaml", {"services": list(adopted.shape.built)})
    if adopted.shape.distroless:
        pin(adopted.project / "services.yaml", mirrored(adopted))
    adopted.make("up")
    return adopted


def mirrored(adopted: Adopted) -> dict[str, str]:
    """Push stand-ins for the shape's distroless bases into its registry; gives the references that are to be named."""
    found = {}
    for base in adopted.shape.distroless:
        user, home = ("65532", "/home/nonroot") if base.endswith(":nonroot") else ("0", "/")
        path, _, tag = base.partition("/")[2].partition(":")
        repository = adopted.repository(f"bases/{path}")
        name = f"{adopted.endpoint['registry']}/bases/{path}:{tag or 'latest'}"
        arguments = ("--build-arg", f"USER={user}", "--build-arg", f"HOME={home}")
        adopted.docker(*build(adopted, name), *arguments, str(DISTROLESS))
        found[base] = f"{name}@{repository.digest_of(tag or 'latest')}"
    return found


def test_it_is_previewed_as_init_wrote_it(adopted: Adopted, tell: Tell) -> None:
    said = adopted.make("preview")
    tell(f"{adopted.name}: previewed:\n{table_of(adopted.said)}")
    known = {**adopted.shape.built, **adopted.shape.not_built}
    assert known
    assert all(f"carbide:image:ServiceImage {name} create" in " ".join(said.split()) for name in known)


def table_of(said: str) -> str:
    """The table of images that `init` ends with."""
    return said[said.index("Image ") :].partition("\n\n")[0].strip()


def test_what_is_built_runs(deployed_shape: Adopted, tmp_path: Path) -> None:
    images = deployed_shape.images()
    assert images.keys() == deployed_shape.shape.built.keys()
    for name, built in deployed_shape.shape.built.items():
        repository = deployed_shape.repository(images[name]["repository"].partition("/")[2])
        bundle = Bundle.of(only_platform(repository, images[name]["digest"]), tmp_path / name)
        done = bundle.run()
        assert (done.returncode, done.stdout + done.stderr) == (0, built.says), name
        for path in built.beside:
            other = subprocess.run([bundle.folder / "rootfs" / path], capture_output=True, text=True, check=True)
            assert other.stdout + other.stderr == built.says, path


def test_it_equals_the_image_of_the_old_dockerfile(deployed_shape: Adopted, tell: Tell, tmp_path: Path) -> None:
    stand_in = with_alpine_s_commands(deployed_shape)
    # As whoever built the old images had it: without the project, and what that has made.
    subprocess.run(["git", "clone", "--quiet", deployed_shape.root, tmp_path / "clone"], check=True)
    source = tmp_path / "clone" / deployed_shape.shape.folder
    images = deployed_shape.images()
    unexplained = {}
    for name, built in deployed_shape.shape.built.items():
        if not built.dockerfile:
            tell(f"{deployed_shape.name}: {name}: not compared: ko, which made the old image, is not here")
            continue
        old = old_content(deployed_shape, source, name, built, stand_in)
        found = differences(old, new_content(deployed_shape, images[name]))
        by_pattern = explained(found, built.purposes)
        unexplained[name] = by_pattern.pop("")
        tell(f"{deployed_shape.name}: {name}: {len(found)} differences")
        for pattern, lines in by_pattern.items():
            tell(f"  {built.purposes[pattern]}: {len(lines)}, such as {lines[:1]}")
        assert all(by_pattern.values()), "what differs no more is listed no more"
    assert not any(unexplained.values()), unexplained


def with_alpine_s_commands(adopted: Adopted) -> str | None:
    """Push alpine's stand-in with what old Dockerfiles run; gives its reference, or None where none is wanted."""
    name = "alpine:3.22"
    if name not in adopted.endpoint["stand_ins"]:
        return None
    stand_in = f"{adopted.endpoint['registry']}/old/{name}"
    adopted.docker(*build(adopted, stand_in), "--build-arg", f"BASE={name}", str(ALPINE))
    return stand_in


def build(adopted: Adopted, tag: str) -> tuple[str, ...]:
    builder = ("--builder", adopted.endpoint["builder"], "--platform", own_platform())
    return ("build", *builder, "--provenance=false", "--push", "--tag", tag)


def old_content(adopted: Adopted, source: Path, name: str, built: Built, stand_in: str | None) -> Content:
    """Of what the old Dockerfile builds, as it is, without what only the stand-in has."""
    tag = f"{adopted.endpoint['registry']}/old/{name}:1"
    bases = mirrored(adopted) | ({"alpine:3.22": stand_in} if stand_in else {})
    options = [f"--build-context={name}=docker-image://{other}" for name, other in bases.items()]
    options += [f"--build-arg={name}={value}" for name, value in built.arguments.items()]
    adopted.docker(
        *build(adopted, tag), *options, "--file", str(source / built.dockerfile), str(source / built.context)
    )
    content = Content.of(only_platform(adopted.repository(f"old/{name}"), "1"))
    own = {f"usr/local/bin/{file.name}" for file in ALPINE.iterdir()}
    return Content(content.config, {path: what for path, what in content.files.items() if path not in own})


def new_content(adopted: Adopted, image: dict[str, Any]) -> Content:
    return Content.of(only_platform(adopted.repository(image["repository"].partition("/")[2]), image["digest"]))


@pytest.fixture
def caller(deployed_shape: Adopted, tmp_path: Path) -> Caller:
    """The shape on GitHub, with what `init` writes there and a person has to add."""
    adopted = deployed_shape
    login = read_login(adopted.project)
    assert login is not None
    secrets = {"PULUMI_CONFIG_PASSPHRASE": "adopted", "REGISTRY_PASSWORD": login.password, "GITHUB_TOKEN": TOKEN}
    (tmp_path / "state").mkdir()
    made = Caller(tmp_path, adopted.package, machine_environment(adopted.kit.root, adopted.project), secrets)
    version = {} if adopted.shape.has_version else {"VERSION": "1.0.0\n"}
    ignored = {".dockerignore": "images\n"} if adopted.shape.ignores_project else {}
    write(made.clone, SHAPES[adopted.name]() | version | ignored)
    made.commit({}, "Begin")
    made.git("config", f"url.{made.remote.path}.insteadOf", ORIGIN)
    made.git("remote", "set-url", "origin", ORIGIN)
    project = made.clone / adopted.shape.folder / "images"
    server = adopted.endpoint["registry"]
    if adopted.shape.only_on_github:
        # The builder takes it for the tag that a Dockerfile names.
        adopted.docker(*build(adopted, f"{server}/library/alpine:3.22"), "--build-arg", "BASE=alpine:3.22", str(ALPINE))
    # Where the jobs find them, too.
    wheels = shutil.copytree(adopted.package.wheels, made.clone / "wheels")
    initialised(adopted.kit, adopted.package, project.parent, f"{server}/shop", wheels)
    stand_ins = {name: f"{name}@{digest}" for name, digest in adopted.endpoint["stand_ins"].items()}
    pin(project / "services.yaml", stand_ins | mirrored(adopted))
    stack_file = project / f"Pulumi.{STACK}.yaml"
    stack_file.write_text(stack_file.read_text().replace("registry.example.com", server))
    more = {
        "registryUsername": "carbide",
        "platforms": [own_platform()],
        "services": sorted(adopted.shape.built_on_github),
    }
    configured(stack_file, more | {"tagLatest": "true"})
    made.commit({}, "Adopt the images")
    return made


def pin(catalogue: Path, bases: dict[str, str]) -> None:
    """Put other references in the place of the base images'."""
    text = catalogue.read_text()
    for name, reference in bases.items():
        text = text.replace(f": {name}  #", f": {reference}  #")
    catalogue.write_text(text)


@pytest.fixture
def api() -> Iterator[FakeGitHub]:
    github = FakeGitHub("local/carbide-infra")
    yield github
    github.close()


def test_on_github_it_is_previewed_commented_on_merged_and_released(
    request: pytest.FixtureRequest, adopted: Adopted, api: FakeGitHub, tell: Tell
) -> None:
    if adopted.name not in ON_GITHUB:
        pytest.skip(f"{adopted.name}: not run: CARBIDE_ADOPT_ON_GITHUB is {','.join(ON_GITHUB)}")
    caller: Caller = request.getfixturevalue("caller")
    shape = adopted.shape
    assert ran(caller, caller.pushed()) == {"up": "success"}
    first, main = images_of(caller), caller.git("rev-parse", "HEAD")
    assert first.keys() == shape.built_on_github
    assert all(main in found["tags"] for found in first.values())

    edited = f"{shape.folder}/{shape.edited}"
    text = (caller.clone / edited).read_text()
    head = caller.branch("feature", {edited: text.replace("func main() {", "func main() {\n\tprintln()\n")})
    secrets, caller.secrets = caller.secrets, {"GITHUB_TOKEN": TOKEN}
    assert ran(caller, caller.pull_request("feature")) == {"preview": "success"}
    api.head = head
    assert ran(caller, caller.previewed("feature"), api.url) == {"comment": "success"}
    (body,) = api.bodies
    tell(f"{adopted.name}: the comment:\n{body}")
    assert body.startswith(f"<!-- carbide-infra: report of {PROJECT}/{STACK} -->\n")
    assert reached_by(body) == shape.reached
    assert f"`{shape.edited}` changed" in body
    assert main[:10] in body
    assert head[:10] in body

    caller.secrets = secrets
    caller.merge("feature")
    assert ran(caller, caller.pushed()) == {"up": "success"}
    second = images_of(caller)
    moved = {name for name in second if second[name]["digest"] != first[name]["digest"]}
    # An image that takes the whole tree may be made of another file, and still hold the same binary.
    assert moved
    assert moved <= shape.reached
    (version,) = {found["version"] for found in second.values()}
    assert ran(caller, caller.pushed(caller.tag(f"v{version}"))) == {"release": "success"}
    assert all(found["digest"] in caller.summary("release") for found in second.values())


def reached_by(body: str) -> set[str]:
    """The images whose deployments restart, or may restart, by the first line of a comment."""
    (line,) = (line for line in body.splitlines() if line.startswith("### "))
    assert "restart" in line
    return set(re.findall(r"<kbd>([^<]+)</kbd>", line))
