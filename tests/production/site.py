"""What a production stack meets: a registry with tokens, another with the base images, private modules, a proxy."""

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from carbide_infra.names import COMPONENT_TYPE
from tests.engine.conftest import Checkout
from tests.production.git_server import GitServer
from tests.production.registries import Front, RealRegistry
from tests.support.git_trees import git
from tests.support.proxy_server import FakeProxy

USER = "$oauthtoken"
BASES_USER, GIT_USER, PROXY_USER = "bases", "robot", "me"
SECRETS = {
    "NGC key": "canary-1-nvapi/Zk+q",
    "password of another registry": "canary-2-bases:Jw%2",
    "netrc password": "canary-3-netrc&Hp=",
    "proxy password": "canary-4-proxy-Xv",
    "passphrase": "canary-5-phrase Tt",
    "GitHub token": "canary-6-ghp_Lm",
}
GIT_HOST = "git.carbide.test"
NETRC = f"machine {GIT_HOST} login {GIT_USER} password {SECRETS['netrc password']}\n"
IMAGE = "hello"
CATALOGUE = f"""\
schemaVersion: 1
images:
  {IMAGE}:
    package: .
    provides: []
    platforms: [linux/amd64]
    sizeBudget: 50MB
"""
MAIN = "package main\n\nfunc main() {}\n"


@dataclass(frozen=True)
class Site:
    """The machine with all that is around it.

    Attributes:
        checkout: with a builder that runs, and the environment of a production stack.
        folder: where stacks have their source trees.
        nvcr: where images are pushed to.
        bases: where base images come from.
    """

    checkout: Checkout
    folder: Path
    nvcr: Front
    bases: RealRegistry
    git: GitServer
    proxy: FakeProxy

    def stack(self, name: str, tree: Mapping[str, str] | None = None, **config: object) -> "Stack":
        """A new stack of one small image, with a source tree of its own."""
        source = self.folder / name / "tree"
        source.mkdir(parents=True)
        for file, text in {
            "go.mod": "module example.com/hello\n\ngo 1.25\n",
            "main.go": MAIN,
            "VERSION": "1.0.0\n",
        }.items():
            (source / file).write_text((tree or {}).get(file, text))
        for file, text in (tree or {}).items():
            (source / file).write_text(text)
        git(source, "init", "--quiet", "--initial-branch=main")
        git(source, "add", "--all")
        git(source, "commit", "--quiet", "-m", "All")
        catalogue = source.parent / "services.yaml"
        catalogue.write_text(CATALOGUE)
        values = {
            "source": str(source),
            "catalogue": str(catalogue),
            "builderImage": self.base("golang", "1.25"),
            "runtimeImage": self.base("alpine", "latest"),
            "registryServer": self.nvcr.server,
            "registryRepository": f"acme/{name}",
            "registryUsername": USER,
            **config,
        }
        keys = {f"carbide-infra:{key}": value for key, value in values.items() if value is not None}
        # JSON is YAML.
        (self.checkout.root / f"Pulumi.{name}.yaml").write_text(json.dumps({"config": keys}, indent=2) + "\n")
        return Stack(self, name).given(CARBIDE_REGISTRY_PASSWORD=SECRETS["NGC key"])

    @contextmanager
    def ruled(self) -> Iterator[None]:
        """Have the project's rules ask for what its stacks here are like."""
        file = self.checkout.root / "policy/config.json"
        before = file.read_text(encoding="utf-8")
        rules = json.loads(before)
        rules["listed-registry"] = {"registries": [self.nvcr.server, self.bases.address]}
        rules["all-platforms"] = {"platforms": ["linux/amd64"]}
        file.write_text(json.dumps(rules), encoding="utf-8")
        yield
        file.write_text(before, encoding="utf-8")

    def behind_proxy(self) -> "Site":
        """The same where the git server is behind a proxy that wants a login; the builder starts anew for it."""
        address = f"http://{PROXY_USER}:{SECRETS['proxy password']}@{self.proxy.address}"
        return replace(
            self, checkout=replace(self.checkout, environment={**self.checkout.environment, "HTTPS_PROXY": address})
        )

    def base(self, name: str, tag: str) -> str:
        """A base image in the other registry, by its digest."""
        return f"{self.bases.address}/library/{name}:{tag}@{self.bases.digest(f'library/{name}', tag)}"

    def private_base(self, name: str, tag: str) -> str:
        """A base image that no builder has seen yet."""
        mark = f"index:org.opencontainers.image.description={secrets.token_hex(8)}"
        private, public = (f"{self.bases.address}/library/{name}:{it}" for it in ("private", tag))
        self.checkout.new_shell(f"buildx imagetools create --annotation {mark} --tag {private} {public}")
        return self.base(name, "private")


@dataclass(frozen=True)
class Stack:
    """One stack of the checkout."""

    site: Site
    name: str
    environment: Mapping[str, str | None] = field(default_factory=dict, repr=False)

    def given(self, **variables: str | None) -> "Stack":
        """The same with other variables; None takes one away."""
        return replace(self, environment={**self.environment, **variables})

    @property
    def repository(self) -> str:
        return f"acme/{self.name}/{IMAGE}"

    @cached_property
    def checkout(self) -> Checkout:
        whole = {**self.site.checkout.environment, **self.environment, "STACK": self.name}
        return replace(self.site.checkout, environment={name: text for name, text in whole.items() if text is not None})

    def make(self, *arguments: str) -> "Ended":
        return Ended(self.checkout.make(*arguments, check=False))

    def up(self) -> "Ended":
        return self.make("up")

    def up_with(self, words: str, react: Callable[[], None]) -> "Ended":
        """Update, and do something as soon as it says these words."""
        command = ["make", "up"]
        with subprocess.Popen(
            command, cwd=self.checkout.root, env=self.checkout.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            assert process.stdout
            said = []
            for line in process.stdout:
                said.append(line)
                if words in line:
                    react()
        text = "".join(said)
        assert words in text, text
        return Ended(subprocess.CompletedProcess(command, process.returncode, "", text))

    def rewrite(self, **config: str) -> None:
        """Change the stack's file by hand."""
        file = self.site.checkout.root / f"Pulumi.{self.name}.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"] |= {f"carbide-infra:{key}": value for key, value in config.items()}
        file.write_text(json.dumps(content, indent=2) + "\n")

    def configure(self, key: str, value: str) -> None:
        """Keep a secret in the stack's file."""
        command = 'pulumi config set --stack "$STACK" --secret "$KEY" --non-interactive'
        environment = {**self.checkout.environment, "KEY": key}
        with_key = replace(self.checkout, environment=environment)
        lines = (
            'eval "$(make -s env)"',
            'pulumi stack select --create "$STACK" --non-interactive',
            f'printf %s "$VALUE" | {command}',
        )
        replace(with_key, environment={**environment, "VALUE": value}).run("bash", "-ec", "\n".join(lines))

    def state(self) -> dict[str, Any]:
        """The state as it lies on the disk; nothing where there is none."""
        files = list((self.site.checkout.root / ".local/state").rglob(f"stacks/**/{self.name}.json"))
        return dict(json.loads(files[0].read_text())) if files else {}

    def deployed(self) -> set[str]:
        """The types of what the state holds of the image."""
        deployment = (self.state().get("checkpoint") or {}).get("latest") or {}
        assert not deployment.get("pending_operations")
        return {resource["type"] for resource in deployment.get("resources", []) if IMAGE in resource["urn"]}

    @property
    def tags(self) -> set[str]:
        """What stands in the registry."""
        return self.site.nvcr.registry.tags(self.repository)

    def has_nothing(self) -> bool:
        """Whether neither registry nor state have anything of the image, whole or half."""
        return not self.site.nvcr.registry.digests(self.repository) and self.deployed() <= {COMPONENT_TYPE}


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    done: subprocess.CompletedProcess[str]

    @property
    def code(self) -> int:
        return self.done.returncode

    @property
    def said(self) -> str:
        return self.done.stdout + self.done.stderr

    def well(self) -> "Ended":
        assert self.code == 0, self.said
        return self

    def sentence(self, *words: str) -> str:
        """The only one of the last lines that has all these words."""
        found = [line.strip() for line in self.done.stderr.splitlines() if all(word in line for word in words)]
        assert self.code, "it should have failed"
        assert len(found) == 1, self.said
        return found[0]


def environment_of(checkout: Checkout, folder: Path) -> dict[str, str]:
    """The environment of a runner with secrets, on a branch that is nobody's release."""
    login = folder / "docker"
    kept = {name: text for name, text in checkout.environment.items() if name != "CARBIDE_GITCREDS"}
    return kept | {
        "CARBIDE_REF": "refs/heads/tests",
        "DOCKER_CONFIG": str(login),
        "GITHUB_TOKEN": SECRETS["GitHub token"],
        "GOMODCACHE": str(_module_cache(folder / "modules")),
        "GOPRIVATE": f"{GIT_HOST},127.0.0.1",
        "PULUMI_CONFIG_PASSPHRASE": SECRETS["passphrase"],
    }


def _module_cache(folder: Path) -> Path:
    """A cache of modules that has none yet but Go's own releases, which are the machine's."""
    asked = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    own = Path(asked.stdout.strip())
    for name in ("golang.org", "cache/download/golang.org"):
        (own / name).mkdir(parents=True, exist_ok=True)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(own / name)
    return folder
