"""Base images: whether each is there, and may be read with the logins that we have."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.images.base_images import is_pinned, key_of, references_of
from carbide_infra.registry.errors import Denied, NotFound, RegistryError
from carbide_infra.registry.told import why_unknown
from carbide_infra.remedies import typed
from carbide_infra.settings import Selection, Settings

_SHORT = len("sha256:") + 12


def check_bases(
    settings: Settings,
    selection: Selection,
    stand_ins: Mapping[str, str],
    ask: Callable[[Sequence[str]], Mapping[str, str | RegistryError]],
) -> Iterator[Finding]:
    """Look for the base images, as catalogue and configuration name them.

    Args:
        settings: of the stack.
        selection: its images.
        stand_ins: images that are stood in for on this machine.
        ask: asks for all of them at once.
    """
    wanted = references_of(selection.images)
    answers = ask([text for text in wanted if text not in stand_ins])
    for text in wanted:
        if text in stand_ins:
            fix = f"let Docker Hub, or the mirror in CARBIDE_DOCKERHUB_MIRROR, answer; then {typed('up')}"
            yield warn("base image", f"{text} is a stand-in, not for production", fix)
        elif isinstance(answer := answers[text], RegistryError):
            yield _problem(text, answer, settings, selection)
        elif is_pinned(text):
            yield ok("base image", text)
        elif settings.track_base_images:
            yield ok("base image", f"{text} is {answer[:_SHORT]}… now")
        else:
            yield warn("base image", f"{text} is not pinned: it may move unseen", typed("pin-bases"))


def _problem(text: str, problem: RegistryError, settings: Settings, selection: Selection) -> Finding:
    told, _, fix = why_unknown(key_of(text, settings, selection.images), text, problem).rpartition("; ")
    # Without an answer, what is known or in the builder's cache may do; a tag outside development stops an update.
    may_do = is_pinned(text) or settings.is_development
    level = fail if isinstance(problem, NotFound | Denied) or not may_do else warn
    return level("base image", told, fix)
