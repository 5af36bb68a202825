"""Checks of one image: what the stack promises, against what the registry has."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carbide_infra.names import (
    BASE_DIGEST_LABEL,
    BASE_NAME_LABEL,
    LICENSES_LABEL,
    TITLE_LABEL,
    VENDOR_LABEL,
    VERSION_LABEL,
)
from carbide_infra.outputs import ImageOutput
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Corrupt, NotFound
from carbide_infra.registry.images import (
    PlatformImage,
    platform_name,
    platforms_in,
    read_platform,
    split_reference,
)
from carbide_infra.registry.releases import releases_in
from carbide_infra.verification.layers import ABSENT, read_layers

_NONE = "none"
# What every Dockerfile says of itself.
_FIXED_LABELS = {LICENSES_LABEL: "Apache-2.0", VENDOR_LABEL: "NVIDIA"}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_BILLION = 10**9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        image: the image's name.
        what: such as "tag 1.4.0" or "linux/arm64 user".
        expected: by the stack.
        found: in the registry, or by building again.
    """

    image: str
    what: str
    expected: str
    found: str

    @property
    def agrees(self) -> bool:
        """Whether it is as it should be."""
        return self.expected == self.found


@dataclass(frozen=True)
class Promise:
    """What a stack says of one image.

    Attributes:
        labels: labels beside those that follow from the output, as the stack's state has them.
    """

    name: str
    output: ImageOutput
    labels: Mapping[str, str]

    @property
    def all_labels(self) -> dict[str, str]:
        """Every label with a value that is known beforehand; outputs of version 1 do not say them."""
        if self.output.labels or self.output.dockerfile:
            return {name: value for name, value in self.output.labels.items() if value}
        base, _, digest = self.output.runtime_image.partition("@")
        derived = {
            **_FIXED_LABELS,
            TITLE_LABEL: self.name,
            VERSION_LABEL: self.output.version,
            BASE_NAME_LABEL: base,
            BASE_DIGEST_LABEL: digest,
        }
        return {name: value for name, value in {**derived, **self.labels}.items() if value}


def verify_image(promise: Promise, client: RegistryClient, *, is_deep: bool = False) -> list[Check]:
    """Look at everything that one image promises; what is not there, or damaged, is a check that fails.

    Args:
        promise: the image.
        client: of its registry.
        is_deep: whether the layers are read, too, and what binaries they hold.

    Raises:
        RegistryError: the registry gives no answer, or does not let us in.
    """
    return list(_Verification(promise, client, is_deep=is_deep).checks())


class _Verification:
    def __init__(self, promise: Promise, client: RegistryClient, *, is_deep: bool) -> None:
        self._promise = promise
        self._is_deep = is_deep
        self._output = promise.output
        self._client = client
        _, self._repository = split_reference(promise.output.repository)

    def checks(self) -> Iterator[Check]:
        platforms, state = self._platforms()
        yield self._check("digest", self._output.digest, state)
        for tag in self._output.tags:
            yield self._check(f"tag {tag}", self._output.digest, self._under(tag))
        for tag, digest in releases_in(self._client, self._repository, self._output.tags).items():
            yield self._check(f"released {tag}", digest, self._under(tag))
        if platforms is None:
            return
        yield self._check("platforms", _listed(self._output.platforms), _listed(platforms))
        for platform in self._output.platforms:
            if platform in platforms:
                yield from self._platform(platform, platforms[platform])

    def _under(self, tag: str) -> str:
        """The digest of the bytes that a tag answers with: what a header says of them is a claim."""
        try:
            return self._client.manifest(self._repository, tag).digest
        except NotFound:
            return ABSENT
        except Corrupt as error:
            return str(error)

    def _platforms(self) -> tuple[dict[str, str] | None, str]:
        """The platforms under the digest, and what is to be said of it."""
        try:
            manifest = self._client.manifest(self._repository, self._output.digest)
            return platforms_in(self._client, self._repository, manifest), manifest.digest
        except NotFound:
            return None, ABSENT
        except Corrupt as error:
            return None, str(error)

    def _platform(self, platform: str, digest: str) -> Iterator[Check]:
        try:
            image = read_platform(self._client, self._repository, digest)
        except NotFound:
            yield self._check(f"{platform} manifest and config", digest, ABSENT)
            return
        except Corrupt as error:
            yield self._check(f"{platform} manifest and config", digest, str(error))
            return
        yield self._check(f"{platform} manifest and config", digest, image.digest)
        for number, layer in enumerate(image.layers, start=1):
            found = layer.digest if self._client.has_blob(self._repository, layer.digest) else ABSENT
            yield self._check(f"{platform} layer {number} of {len(image.layers)}", layer.digest, found)
        for what, expected, found in [*self._config(platform, image), *self._labels(image)]:
            yield self._check(f"{platform} {what}", expected, found)
        yield self._size(platform, image.compressed_size)
        if self._is_deep:
            for read in read_layers(platform, image, self._output, self._repository, self._client):
                yield self._check(f"{platform} {read.what}", read.expected, read.found)

    def _config(self, platform: str, image: PlatformImage) -> Iterator[tuple[str, str, str]]:
        output, config = self._output, image.config.get("config") or {}
        health = config.get("Healthcheck") or {}
        ports = {f"{port}/tcp" for port in output.ports.values()}
        expected = ["CMD", *output.health] if output.health else ["NONE"]
        interval = health_interval(output)
        yield "platform of the config", platform, platform_name(image.config)
        # What stands empty of an image with a Dockerfile of its own is for that to say, and for its base.
        is_whole = not output.dockerfile
        if is_whole or output.user:
            yield "user", output.user, config.get("User") or _NONE
        if is_whole or output.entrypoint:
            yield "entry point", _command(output.entrypoint), _command(config.get("Entrypoint"))
        if is_whole or output.command:
            yield "command", _command(output.command), _command(config.get("Cmd"))
        if is_whole:
            yield "health check", _command(expected), _command(health.get("Test"))
            yield "health interval", f"{interval:g} s", f"{health.get('Interval', 0) / _BILLION:g} s"
            # Those of another Dockerfile are what its catalogue says, whatever it exposes.
            yield "exposed port", _listed(ports), _listed(config.get("ExposedPorts") or {})
        found = dict(entry.split("=", 1) for entry in config.get("Env") or [])
        for name, value in output.environment.items():
            yield f"environment {name}", value, found.get(name, _NONE)

    def _labels(self, image: PlatformImage) -> Iterator[tuple[str, str, str]]:
        labels = (image.config.get("config") or {}).get("Labels") or {}
        for name, value in sorted(self._promise.all_labels.items()):
            yield f"label {name}", value, labels.get(name) or _NONE

    def _size(self, platform: str, size: int) -> Check:
        limit = self._output.size_budget
        budget = "any" if limit is None else f"at most {limit / 1e6:.1f} MB"
        found = budget if limit is None or size <= limit else f"{size / 1e6:.1f} MB"
        return self._check(f"{platform} compressed size", budget, found)

    def _check(self, what: str, expected: str, found: str) -> Check:
        return Check(self._promise.name, what, expected, found)


def health_interval(output: ImageOutput) -> float:
    """Seconds between two health checks; 0 without one."""
    if output.health_check is None:
        return 0.0
    parts = re.findall(r"([\d.]+)(ms|s|m|h)", output.health_check.interval)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _listed(names: Any) -> str:  # noqa: ANN401 - any collection of names
    return ", ".join(sorted(names)) or _NONE


def _command(words: list[str] | None) -> str:
    return " ".join(words) if words else _NONE
