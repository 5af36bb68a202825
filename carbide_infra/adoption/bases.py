"""Which user a base image's processes have where a Dockerfile names none."""

import re

_ROOT = (
    re.compile(r"scratch"),
    re.compile(
        r"((docker\.io|[^/]+/([^/]+/)*)?library/|docker\.io/)?"
        r"(alpine|debian|ubuntu|busybox|golang|node|python|amazonlinux|rockylinux|fedora)(:[^@]*)?(@.*)?"
    ),
    re.compile(r"gcr\.io/distroless/[^:@]+(:(?!.*nonroot)[^@]*)?(@.*)?"),
    re.compile(r"registry\.access\.redhat\.com/ubi\d+/ubi(-minimal|-micro)?(:[^@]*)?(@.*)?"),
)
_NONROOT = (re.compile(r"gcr\.io/distroless/[^:@]+:[^@]*nonroot(@.*)?"),)


def default_user(base: str) -> str | None:
    """A user of the base; empty for root; None where that is not known."""
    if any(pattern.fullmatch(base) for pattern in _NONROOT):
        # By number, as the image's own config has it: Kubernetes can tell that from root.
        return "65532"
    return "" if any(pattern.fullmatch(base) for pattern in _ROOT) else None
