"""The registry: does it answer, does it take our login, may we push?"""

from collections.abc import Callable, Iterator, Mapping

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.docker_config import broken_store
from carbide_infra.registry.errors import RegistryError


def check_registry(
    connect: Callable[[], RegistryClient], repository: str, present: Callable[[RegistryClient], str | None]
) -> Iterator[Finding]:
    """Ask a registry, and try an upload that leaves nothing behind.

    Args:
        connect: gives the client.
        repository: where an image would go.
        present: digest of a blob that is there already; None where there is none.
    """
    try:
        client = connect()
        client.ping()
    except RegistryError as error:
        yield _failure("registry", error, "the registry on this machine: make local-up")
        return
    yield ok("registry", f"{client.server} answers")
    try:
        client.check_upload(repository, present(client))
    except RegistryError as error:
        yield _failure("push", error, "see docs/troubleshooting.md")
        return
    yield ok("push", f"{client.server}/{repository} takes uploads from us")


def check_store(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Run the credential store that Docker's configuration names, as every preview and update does."""
    try:
        broken = broken_store(environment)
    except RegistryError as error:
        yield _failure("docker login", error, "docker login")
        return
    if broken:
        fix = (
            f"install it, or take credsStore out of {broken.file}, or let DOCKER_CONFIG name another folder; "
            "carbide-infra does without it, plain pulumi fails"
        )
        yield warn("docker login", str(broken), fix)


def _failure(subject: str, error: RegistryError, otherwise: str) -> Finding:
    return fail(subject, error.what, f"{error.remedy}; {otherwise}" if error.remedy else otherwise)
