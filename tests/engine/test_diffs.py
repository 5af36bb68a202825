"""The table of docs/diffs.md, one test a row: which images and tags a change reaches, by the real engine."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.registry.images import platforms_of
from carbide_infra.registry.registries import Registries
from tests.engine.clones import apart, cloned, copied, shallow
from tests.engine.conftest import Checkout, Deployed
from tests.engine.previews import ALL, IMAGE, INDEX, Preview, PulumiFailed, Stack, digests
from tests.engine.registry import Repository
from tests.support.catalogue import CATALOGUE

pytestmark = pytest.mark.apart
NONE: frozenset[str] = frozenset()
PLACE = "diffs"
IPAM, DB = "carbide-rest-ipam", "carbide-rest-db"
CERT_MANAGER = "carbide-rest-cert-manager"
SAMPLE = "examples/carbide-rest-api"
COMPONENT = '"carbide:image:ServiceImage"'
VERSION = "1.4.0"


# ---- The world that every row starts from, and is put back to.


@pytest.fixture(scope="module")
def deployed(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The deployed commit in a clone, with a state and a place in the registry of its own."""
    stack = apart(deployed, tmp_path_factory.mktemp("apart")).configured(registryRepository=PLACE, tagLatest=True)
    return replace(deployed, checkout=Checkout(stack.root, stack.environment), images=stack.up())


@pytest.fixture(scope="module")
def stack(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Its stack, with every kind of alias."""
    stack = Stack(deployed.checkout.root, deployed.checkout.environment, tmp_path_factory.mktemp("config"))
    return stack.configured(registryRepository=PLACE, tagLatest=True)


@pytest.fixture
def updated(deployed: Deployed, stack: Stack, tree: Checkout) -> Iterator[Stack]:
    """The stack, to be updated at will."""
    start = tree.git("rev-parse", "HEAD")
    yield stack
    tree.git("reset", "--quiet", "--hard", start)
    assert digests(stack.up()) == digests(deployed.images)


@pytest.fixture(scope="module")
def second(stack: Stack) -> Iterator[Stack]:
    """Another stack that pushes one image to the same repository, with a login of its own configuration."""
    password = Path(stack.environment["PULUMI_CONFIG_PASSPHRASE_FILE"]).with_name("registry-password").read_text()
    second = replace(stack, name="second").configured(services=[IPAM], registryUsername="carbide")
    second = second.given(CARBIDE_REGISTRY_PASSWORD=password.strip())
    second.pulumi("stack", "init", "--no-select", second.name)
    # It would make the checkout differ from its commit; what is configured comes from elsewhere.
    (second.root / f"Pulumi.{second.name}.yaml").unlink()
    yield second
    second.pulumi("stack", "rm", "--yes", "--force", "--preserve-config", second.name)


@pytest.fixture(scope="module")
def importers(deployed: Deployed) -> Mapping[str, frozenset[str]]:
    """Which images each package folder of the sample is in, by `go list -deps` on both platforms."""
    found: dict[str, set[str]] = {}
    for architecture in ("amd64", "arm64"):
        for service in CATALOGUE.values():
            for folder in packages_in(service.binaries[0].package, architecture, deployed.checkout):
                found.setdefault(folder, set()).add(service.name)
    return {folder: frozenset(images) for folder, images in found.items()}


def packages_in(package: str, architecture: str, checkout: Checkout) -> list[str]:
    """The folders of the sample that a main package imports from, its own included."""
    own_module = "{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}"
    variables = {"GOOS": "linux", "GOARCH": architecture, "CGO_ENABLED": "0"}
    done = subprocess.run(
        ["go", "list", "-deps", "-f", own_module, package],
        cwd=checkout.source,
        env={**checkout.environment, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return [os.path.relpath(folder, checkout.source) for folder in done.stdout.split()]


def append(checkout: Checkout, name: str, text: str) -> None:
    """Write at the end of a file of the sample, or a new file."""
    file = checkout.source / name
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)


def commit(checkout: Checkout) -> str:
    """Commit everything; gives the SHA."""
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message", "A change")
    return checkout.git("rev-parse", "HEAD")


def snapshot(repository: Repository) -> dict[str, str]:
    """Every tag and its digest; the manifests of all platforms are there to be read."""
    tags = {tag: repository.digest_of(tag) for tag in repository.tags()}
    for digest in set(tags.values()):
        assert all(platform.manifest for platform in repository.platforms(digest).values())
    return tags


def assert_reached(preview: Preview, images: frozenset[str], *, new_commit: bool = False) -> None:
    """Exactly these images and their own aliases; with a commit, the SHA tags of all."""
    assert frozenset(preview.images) == images
    assert preview.moved("version") == preview.moved("latest") == images
    assert preview.moved("revision") == (ALL if new_commit else images)
    assert preview.operations() <= {"update", "replace"}


# ---- Never a reason.


def in_another_home(stack: Stack, _: Checkout, folder: Path) -> Stack:
    # Only Go's build cache and its releases stay: they have no say in this, and to get them anew takes half a minute.
    command = ["go", "env", "GOCACHE", "GOMODCACHE"]
    cache, modules = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    for release in _releases_of_go(Path(modules)):
        there = folder / "go/pkg/mod" / release.relative_to(modules)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(release)
    return stack.given(HOME=str(folder), USER="somebody", LOGNAME="somebody", GOCACHE=cache)


def _releases_of_go(modules: Path) -> list[Path]:
    known = [*modules.glob("golang.org/toolchain@*"), modules / "cache/download/golang.org/toolchain"]
    # A link to nothing would keep Go from getting them.
    return [folder for folder in known if folder.exists()]


def after_touching(stack: Stack, checkout: Checkout, _: Path) -> Stack:
    for name in checkout.git("ls-files").splitlines():
        os.utime(stack.root / name)
    return stack


def through_a_twin_builder(stack: Stack, _: Checkout, folder: Path) -> Stack:
    """A builder of another name on the same BuildKit, chosen as buildx lets its users choose."""
    there = stack.given(BUILDX_CONFIG=str(folder))
    socket = f"unix://{buildkit_socket(stack)}"
    command = ["buildx", "create", "--name", "twin", "--driver", "remote", socket]
    subprocess.run(command, env=there.environment, check=True, capture_output=True)
    return there.given(BUILDX_BUILDER="twin")


def buildkit_socket(stack: Stack) -> Path:
    """Where the embedded builder listens."""
    command = ["buildx", "inspect", "carbide-local"]
    done = subprocess.run(command, env=stack.environment, check=True, capture_output=True, text=True)
    return Path(next(line.split("unix://")[1] for line in done.stdout.splitlines() if "unix://" in line).strip())


_World = Callable[[Stack, Checkout, Path], Stack]
WORLDS: Mapping[str, _World] = {
    "another path": lambda stack, tree, folder: stack.at(copied(tree, folder / "another place" / "tree")),
    "umask 0002": lambda stack, tree, folder: stack.at(cloned(tree, folder / "clone", 0o002), 0o002),
    "umask 0077": lambda stack, tree, folder: stack.at(cloned(tree, folder / "clone", 0o077), 0o077),
    "another home": in_another_home,
    "touched files": after_touching,
    "gitcreds content": lambda stack, *_: stack.given(CARBIDE_GITCREDS="machine git.invalid login me password rotated"),
    "no gitcreds, another proxy": lambda stack, *_: stack.given(CARBIDE_GITCREDS="", GOPROXY="https://proxy.invalid"),
    "twin builder": through_a_twin_builder,
}


# What can be so at once, is: a preview takes seconds, and of two needless changes neither hides the other.
AT_ONCE = (
    ("another path", "touched files", "no gitcreds, another proxy", "twin builder"),
    # A fresh clone each; and a home without modules needs the proxy.
    ("umask 0077", "another home", "gitcreds content"),
    ("umask 0002",),
)


@pytest.mark.parametrize("worlds", AT_ONCE, ids="; ".join)
def test_where_and_by_whom_is_no_change(worlds: Sequence[str], stack: Stack, tree: Checkout, tmp_path: Path) -> None:
    for name in worlds:
        (tmp_path / name).mkdir()
        stack = WORLDS[name](stack, tree, tmp_path / name)
    assert_reached(stack.preview(), NONE)


def test_every_world_is_tried() -> None:
    assert {name for worlds in AT_ONCE for name in worlds} == WORLDS.keys()


def test_a_rotated_registry_password_is_no_change(deployed: Deployed, second: Stack) -> None:
    assert changed(deployed, second.up()) == NONE, "nor is a login at all, or another stack"
    rotated = second.given(CARBIDE_REGISTRY_PASSWORD="two").preview()  # noqa: S106
    assert (rotated.images, rotated.aliases) == ({}, {})


def test_a_builder_named_in_the_stack_shows_as_that_and_keeps_the_digest(deployed: Deployed, second: Stack) -> None:
    """The provider has to show it: it is told to build elsewhere."""
    second.up()
    named = second.configured(builder="carbide-local")
    (change,) = named.preview().images.values()
    assert change.keys == {"builder"}
    assert change.after["tags"] == change.before["tags"]
    assert changed(deployed, named.up()) == NONE


# ---- Files that are in no binary: a new commit, and that is all.

OUTSIDE = {
    "README.md": "More.\n",
    "api/pkg/model/instance_test.go": "// more\n",
    # An asset, another system, another processor.
    "api/pkg/openapi/logo.svg": "<!-- more -->\n",
    "site-agent/pkg/host/kernel_darwin.go": "// more\n",
    "api/pkg/rest/rest_s390x.go": "package rest\n",
}


def test_files_in_no_binary_move_the_sha_tag_only(stack: Stack, tree: Checkout) -> None:
    for name, text in OUTSIDE.items():
        append(tree, name, text)
    sha = commit(tree)
    preview = stack.preview()
    assert_reached(preview, NONE, new_commit=True)
    assert all(change.after["tag"].endswith(f":{sha}") for change in preview.aliases["revision"].values())


def test_what_is_not_committed_costs_its_images_sha_and_latest(stack: Stack, tree: Checkout) -> None:
    append(tree, "README.md", "not committed\n")
    assert_reached(stack.preview(), NONE)
    append(tree, "ipam/cmd/server/main.go", "\nvar _ = 1\n")
    preview = stack.preview()
    only = frozenset({IPAM})
    assert frozenset(preview.images) == only
    for kind, operation in {"version": "update", "revision": "delete", "latest": "delete"}.items():
        assert {name: change.op for name, change in preview.aliases[kind].items()} == dict.fromkeys(only, operation)
    assert any("ipam/cmd/server/main.go differs from commit" in warning for warning in preview.warnings)


def test_another_branch_has_its_name_in_the_sha_tag_and_no_other(stack: Stack, tree: Checkout) -> None:
    tree.git("checkout", "--quiet", "-b", "feature/größer")
    preview = stack.preview()
    assert not preview.images
    assert {change.op for kind in ("version", "latest") for change in preview.aliases[kind].values()} == {"delete"}
    assert preview.moved("version") == preview.moved("latest") == preview.moved("revision") == ALL
    sha = tree.git("rev-parse", "HEAD")
    tags = {change.after["tag"].rpartition(":")[2] for change in preview.aliases["revision"].values()}
    assert tags == {f"feature-gr--er-{sha}"}


def test_a_release_keeps_its_version_from_later_commits(stack: Stack, tree: Checkout) -> None:
    tree.git("tag", f"v{VERSION}")
    try:
        assert_reached(stack.preview(), NONE)
        append(tree, "README.md", "more\n")
        commit(tree)
        preview = stack.preview()
    finally:
        tree.git("tag", "--delete", f"v{VERSION}")
    assert not preview.images
    assert {change.op for change in preview.aliases["version"].values()} == {"delete"}
    assert preview.moved("version") == preview.moved("revision") == ALL
    assert preview.moved("latest") == NONE
    assert any("raise VERSION" in warning for warning in preview.warnings)


# ---- Files that are in binaries: exactly the importers.

INSIDE = {
    "one service": "api/cmd/api/main.go",
    "shared by two": "ipam/pkg/prefix/prefix.go",
    "shared by all but one": "common/pkg/jsonbody/jsonbody.go",
    "shared by all": "common/pkg/program/program.go",
    "one of two target platforms": "site-agent/pkg/host/machine_arm64.go",
}


@pytest.mark.parametrize("name", INSIDE.values(), ids=INSIDE)
def test_a_package_reaches_exactly_its_importers(
    name: str, stack: Stack, tree: Checkout, importers: Mapping[str, frozenset[str]]
) -> None:
    append(tree, name, "\nvar _ = 1\n")
    commit(tree)
    assert_reached(stack.preview(), importers[str(Path(name).parent)], new_commit=True)


def test_an_embedded_file_reaches_its_importers(
    stack: Stack, tree: Checkout, importers: Mapping[str, frozenset[str]]
) -> None:
    append(tree, "db/pkg/schema/sql/0004_more.sql", "select 1;\n")
    commit(tree)
    assert_reached(stack.preview(), importers["db/pkg/schema"], new_commit=True)


def test_a_file_for_a_processor_that_is_no_target_changes_nothing(stack: Stack, tree: Checkout) -> None:
    """The stack of one platform differs from the deployed one; the edit must not differ from that."""
    amd64 = stack.configured(platforms=["linux/amd64"])
    before = amd64.preview().own_tags
    assert before.keys() == ALL
    append(tree, "site-agent/pkg/host/machine_arm64.go", "\nvar _ = 1\n")
    assert amd64.preview().own_tags == before


# ---- What all images are made of: all, with the cause in sight.


@dataclass(frozen=True)
class Cause:
    """A change that reaches everything, and where the preview shows it."""

    shown: Callable[[Mapping[str, Any]], object]
    before: object
    after: object
    config: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None


def argument(name: str) -> Callable[[Mapping[str, Any]], object]:
    """A build argument among an image's inputs."""
    return lambda inputs: inputs["buildArgs"][name]


PINNED = f"alpine:latest@sha256:{'a' * 64}"
PLATFORMS = ["linux/amd64", "linux/arm64"]
CAUSES = {
    "VERSION": Cause(argument("VERSION"), VERSION, "1.5.0", version="1.5.0"),
    "goVersion": Cause(argument("BUILDER_IMAGE"), "golang:1.25", "golang:1.26", {"goVersion": "1.26"}),
    "a platform": Cause(
        lambda inputs: inputs["platforms"],
        PLATFORMS,
        [*PLATFORMS, "linux/riscv64"],
        {"platforms": [*PLATFORMS, "linux/riscv64"]},
    ),
    "a base digest": Cause(argument("RUNTIME_IMAGE"), "alpine:latest", PINNED, {"runtimeImage": PINNED}),
}


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_what_all_are_made_of_changes_all_and_is_named(cause: Cause, stack: Stack, tree: Checkout) -> None:
    if cause.version:
        (tree.source / "VERSION").write_text(f"{cause.version}\n")
        commit(tree)
    preview = stack.configured(**cause.config).preview()
    assert_reached(preview, ALL, new_commit=True)
    for change in preview.images.values():
        before, after = (cause.shown(inputs) for inputs in (change.before, change.after))
        assert (_named(before), after if "@" in str(cause.after) else _named(after)) == (cause.before, cause.after)
        assert change.keys & {"buildArgs", "platforms"}


def _named(shown: object) -> object:
    """An image without the digest that its tag has on this machine."""
    return shown.partition("@")[0] if isinstance(shown, str) else shown


def test_a_base_that_moves_in_its_registry_changes_all_and_is_named(deployed: Deployed, stack: Stack) -> None:
    repository = deployed.repository(IPAM)
    base, tags = f"{repository.server}/{repository.name}:moving", list[str]()
    with Registries(stack.environment) as registries:
        client = registries.client(repository.server)
        index = client.manifest(repository.name, deployed.images[IPAM]["digest"])
        # The index last: what stays under a tag is for all platforms.
        for digest in (*platforms_of(index).values(), index.digest):
            client.tag(repository.name, "moving", digest)
            preview = stack.configured(runtimeImage=base).preview()
            assert_reached(preview, ALL)
            for change in preview.images.values():
                assert change.after["buildArgs"]["RUNTIME_IMAGE"] == f"{base}@{digest}"
                tags += change.after["tags"]
    assert len(set(tags)) == len(tags) == len(ALL) * (1 + len(PLATFORMS))


def test_a_shallow_clone_warns_and_is_refused_where_history_counts(
    stack: Stack, tree: Checkout, tmp_path: Path
) -> None:
    there = stack.at(shallow(tree, tmp_path / "clone"))
    with pytest.raises(PulumiFailed, match="git fetch --unshallow"):
        there.configured(requireHistory=True).preview()
    preview = there.preview()
    assert frozenset(preview.images) == ALL
    assert {change.after["buildArgs"]["SOURCE_DATE_EPOCH"] for change in preview.images.values()} == {"0"}
    assert any("git fetch --unshallow" in warning for warning in preview.warnings)


# ---- One image.


def test_a_dockerfile_that_the_catalogue_does_not_say_reaches_nothing(stack: Stack, tree: Checkout) -> None:
    with (tree.root / f"docker/production/Dockerfile.{DB}").open("a") as dockerfile:
        dockerfile.write("# more\n")
    preview = stack.preview()
    assert not preview.images
    assert f"Dockerfile.{DB} is not what the catalogue says" in " ".join(preview.warnings)


def test_one_health_override_reaches_its_image(stack: Stack) -> None:
    overrides = {IPAM: {"health": {"command": ["nc", "-z", "127.0.0.1", "9090"]}}}
    assert_reached(stack.configured(serviceOverrides=overrides).preview(), frozenset({IPAM}))


# ---- Real updates: what is pushed, and what stays.


def test_an_edit_of_the_same_size_is_built(deployed: Deployed, updated: Stack, tree: Checkout) -> None:
    """BuildKit takes a file for unchanged that has size, mode and time of the last build's."""
    file = tree.source / "ipam/cmd/server/main.go"
    before, times = file.read_bytes(), file.stat()
    file.write_bytes(before.replace(b"10.180.0.0/16", b"10.181.0.0/16"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_size == len(before)
    images = updated.up()
    assert changed(deployed, images) == {IPAM}
    for platform in deployed.repository(IPAM).platforms(images[IPAM]["digest"]).values():
        assert any(b"10.181.0.0/16" in layer for layer in platform.layers())


def test_a_module_bump_changes_the_digests_of_its_users(deployed: Deployed, updated: Stack, tree: Checkout) -> None:
    variables = {**tree.environment, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    command = ["go", "get", "golang.org/x/time@v0.12.0"]
    subprocess.run(command, cwd=tree.source, env=variables, check=True, capture_output=True)
    assert "\ngo 1.25.4\n" in (tree.source / "go.mod").read_text()
    commit(tree)
    assert_reached(updated.preview(), frozenset({CERT_MANAGER}), new_commit=True)
    images = updated.up()
    assert changed(deployed, images) == {CERT_MANAGER}
    for name, image in images.items():
        repository = deployed.repository(name)
        assert {repository.digest_of(tag) for tag in image["tags"]} == {image["digest"]}


def test_what_no_image_links_reaches_none(stack: Stack, tree: Checkout) -> None:
    with (tree.source / "go.mod").open("a") as file:
        file.write("\n// A remark.\nexclude golang.org/x/time v0.1.0\n")
    assert not stack.preview().images


def test_a_removed_service_stays_in_the_registry(deployed: Deployed, updated: Stack) -> None:
    repository = deployed.repository(IPAM)
    before = snapshot(repository)
    without = updated.configured(services=sorted(ALL - {IPAM}))
    preview = without.preview()
    assert frozenset(preview.images) == {IPAM}
    assert preview.operations() == {"delete"}
    assert set(without.up()) == ALL - {IPAM}
    assert snapshot(repository) == before


def changed(deployed: Deployed, images: Mapping[str, Any]) -> set[str]:
    """The images whose digest is not the deployed one."""
    return {name for name, image in images.items() if image["digest"] != deployed.images[name]["digest"]}


# ---- Nothing pushed is ever deleted.


def test_every_image_and_alias_is_retained(stack: Stack) -> None:
    resources = [item for item in stack.resources() if is_pushed(item)]
    assert len(resources) == 4 * len(ALL)
    assert all(item["retainOnDelete"] for item in resources)


def is_pushed(resource: Mapping[str, Any]) -> bool:
    """Whether a resource of the state stands for something in the registry."""
    return resource["type"] in {IMAGE, INDEX}


def renamed(checkout: Checkout, options: str = "") -> None:
    """Give the component another type, and with it every resource another URN."""
    for file, old, new in (
        ("carbide_infra/names.py", COMPONENT, '"carbide:renamed:ServiceImage"'),
        ("carbide_infra/program/__init__.py", "providers=[build_provider()]", f"providers=[build_provider()]{options}"),
    ):
        text = (checkout.root / file).read_text()
        assert text.count(old) == 1
        (checkout.root / file).write_text(text.replace(old, new))


def test_a_component_renamed_with_an_alias_is_no_change(stack: Stack, tree: Checkout) -> None:
    renamed(tree, f", aliases=[pulumi.Alias(type_={COMPONENT})]")
    assert_reached(stack.preview(), NONE)


def by_renaming_without_an_alias(second: Stack, tree: Checkout) -> None:
    renamed(tree)
    second.up()
    assert all("carbide:renamed:" in item["urn"] for item in second.resources() if is_pushed(item))


def by_replacing_everything(second: Stack, _: Checkout) -> None:
    """The most that an upgrade of the provider can do."""
    urns = [item["urn"] for item in second.resources() if is_pushed(item)]
    second.up(*(part for urn in urns for part in ("--replace", urn)))


def by_destroying_the_stack(second: Stack, _: Checkout) -> None:
    second.destroy()
    assert not second.resources()


@pytest.mark.parametrize(
    "lose", [by_renaming_without_an_alias, by_replacing_everything, by_destroying_the_stack], ids=lambda f: f.__name__
)
def test_nothing_pushed_is_deleted(
    lose: Callable[[Stack, Checkout], None], deployed: Deployed, second: Stack, tree: Checkout
) -> None:
    second.up()
    repository = deployed.repository(IPAM)
    before = snapshot(repository)
    assert before.keys() >= set(deployed.images[IPAM]["tags"])
    lose(second, tree)
    assert snapshot(repository) == before
