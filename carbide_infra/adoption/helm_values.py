"""Reads the values.yaml of Helm charts: which images they run, from where, and at which ports; nothing is rendered."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from carbide_infra.adoption.discovery import as_name
from carbide_infra.adoption.go_list import NOT_THEIRS
from carbide_infra.adoption.told import Said
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.catalogue.document import Document, UnreadableError, parse
from carbide_infra.catalogue.problems import Key
from carbide_infra.catalogue.values import LAST_PORT, PORT_NAME
from carbide_infra.errors import shown
from carbide_infra.registry.reference import PATTERN, Reference
from carbide_infra.source.tree import InputError

_CHART, _VALUES = "Chart.yaml", "values.yaml"
# Read in a second or so, and more than what people write by hand.
_LARGEST, _ALL = 128 * 1024, 512 * 1024
_REFERENCE = re.compile(PATTERN)
_PORT_NAME = re.compile(PORT_NAME.pattern)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@dataclass(frozen=True)
class Running:
    """An image that a chart runs.

    Attributes:
        name: as an image of a catalogue.
        server: its registry; empty where the chart names none.
        repository: what is before the name; empty for nothing.
        where: what says so.
        ports: those of its container, each with a name, or with an empty one.
        named: other ports of its service, by number: a name for a port of the container, if it has that.
        health: the command that Kubernetes runs in it, with its times; None for none.
    """

    name: str
    server: str
    repository: str
    where: str
    ports: Mapping[int, Said] = field(default_factory=dict)
    named: Mapping[int, Said] = field(default_factory=dict)
    health: Said | None = None


@dataclass(frozen=True)
class HelmValues:
    """What the charts of a clone say.

    Attributes:
        running: the images that they run, in the order of the files.
        notes: what could not be read.
    """

    running: tuple[Running, ...] = ()
    notes: tuple[str, ...] = ()


def helm_values(files: TreeFiles, is_skipped: Callable[[str], bool]) -> HelmValues:
    """What the values.yaml beside each Chart.yaml of a clone says.

    Args:
        files: of the clone.
        is_skipped: whether a file is left out.
    """
    running: list[Running] = []
    notes: list[str] = []
    left = _ALL
    for name in _values_files(files):
        if is_skipped(name):
            continue
        size = files.size(name)
        if size > min(_LARGEST, left):
            much = f"{_LARGEST // 1024} KiB" if size > _LARGEST else f"{_ALL // 1024} KiB with those before it"
            notes.append(f"{name}: is not read, for it has more than {much}")
            continue
        left -= size
        try:
            running += _Values(name, parse(files.text(name))).running()
        except UnreadableError as error:
            notes.append(f"{name}:{error.line}: is not read ({shown(str(error))})")
        except InputError as error:
            notes.append(f"{name}: is not read ({shown(str(error))})")
    return HelmValues(tuple(running), tuple(notes))


def _values_files(files: TreeFiles) -> Iterator[str]:
    for name in files.names:
        folder, base = posixpath.split(name)
        if base == _CHART and not NOT_THEIRS & set(folder.split("/")):
            values = posixpath.join(folder, _VALUES)
            if files.is_file(values):
                yield values


@dataclass(frozen=True)
class _Values:
    """One file."""

    name: str
    document: Document

    def running(self) -> Iterator[Running]:
        yield from self._below(self.document.data, ())

    def _below(self, data: Any, key: Key) -> Iterator[Running]:  # noqa: ANN401 - what YAML has
        """Depth and size are bounded where the file is parsed, and no alias repeats a part of it."""
        if isinstance(data, dict):
            yield from self._images(data, key)
            for name, value in data.items():
                yield from self._below(value, (*key, name))
        elif isinstance(data, list):
            for at, value in enumerate(data):
                yield from self._below(value, (*key, at))

    def _images(self, data: Mapping[str, Any], key: Key) -> Iterator[Running]:
        found = self._reference(data.get("image"), (*key, "image"))
        if found is not None:
            beside = _Container(self, data, key)
            ports, named = beside.ports(is_certain=True), beside.ports(is_certain=False)
            yield Running(*found, ports, named, beside.health())
        several = data.get("images")
        for name, image in several.items() if isinstance(several, dict) else ():
            found = self._reference(image, (*key, "images", name))
            if found is not None:
                yield Running(*found)

    def _reference(self, image: Any, key: Key) -> tuple[str, str, str, str] | None:  # noqa: ANN401
        """Name, server, repository and place of an image that a chart names without a template."""
        place = key
        if isinstance(image, dict):
            place = (*key, "repository")
            parts = [self._registry(image), image.get("repository")]
            if not isinstance(parts[1], str):
                return None
            image = "/".join(part.strip("/") for part in parts if isinstance(part, str) and part)
        if not isinstance(image, str) or not _REFERENCE.fullmatch(image):
            return None
        written = image.partition("/")[0]
        path = Reference.of(image).repository
        server = written if "/" in image and not path.startswith(f"{written}/") else ""
        repository, _, last = path.rpartition("/")
        return as_name(last), server, repository, self.said(None, place).where

    def _registry(self, image: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The image's own, else the one of the whole chart."""
        if image.get("registry"):
            return image["registry"]
        shared = self.document.data.get("global") if isinstance(self.document.data, dict) else None
        if not isinstance(shared, dict):
            return None
        of_image = shared.get("image")
        return shared.get("imageRegistry") or (of_image.get("registry") if isinstance(of_image, dict) else None)

    def said(self, value: Any, key: Key) -> Said:  # noqa: ANN401
        """A value with its place."""
        return Said(value, f"{self.name}:{self.document.line(key)}")


@dataclass(frozen=True)
class _Port:
    """A port, and whether it is the container's for certain."""

    number: int
    name: Said
    is_certain: bool


@dataclass(frozen=True)
class _Container:
    """What stands beside an image."""

    values: _Values
    data: Mapping[str, Any]
    key: Key

    def ports(self, *, is_certain: bool) -> dict[int, Said]:
        """Names of the container's own ports, or of those that may be."""
        return first_named({port.number: port.name} for port in self._ports() if port.is_certain == is_certain)

    def _ports(self) -> Iterator[_Port]:
        yield from self._port(self.data.get("containerPort"), "", ("containerPort",), is_certain=True)
        yield from self._several(self.data.get("containerPorts"), ("containerPorts",), is_certain=True)
        yield from self._several(self.data.get("ports"), ("ports",), is_certain=False)
        service = self.data.get("service")
        if isinstance(service, dict):
            yield from self._sent_on(service, service.get("portName"), ("service",))
            yield from self._several(service.get("ports"), ("service", "ports"), is_certain=False)

    def _several(self, ports: Any, key: Key, *, is_certain: bool) -> Iterator[_Port]:  # noqa: ANN401 - what YAML has
        """A map of numbers or of ports by name, or a list of them."""
        by_name = ports.items() if isinstance(ports, dict) else enumerate(ports) if isinstance(ports, list) else ()
        for name, port in by_name:
            if isinstance(port, dict):
                yield from self._one(port, port.get("name", name), (*key, name), is_certain=is_certain)
            else:
                yield from self._port(port, name, (*key, name), is_certain=is_certain)

    def _one(self, port: Mapping[str, Any], name: Any, key: Key, *, is_certain: bool) -> Iterator[_Port]:  # noqa: ANN401
        if "containerPort" in port:
            yield from self._port(port["containerPort"], name, (*key, "containerPort"), is_certain=True)
        elif is_certain:
            yield from self._port(port.get("port"), name, (*key, "port"), is_certain=True)
        else:
            yield from self._sent_on(port, name, key)

    def _sent_on(self, port: Mapping[str, Any], name: Any, key: Key) -> Iterator[_Port]:  # noqa: ANN401
        """Where a service sends what it gets is the container's; its own port may be."""
        own = "targetPort" if "targetPort" in port else "port"
        yield from self._port(port.get(own), name, (*key, own), is_certain=own == "targetPort")

    def _port(self, number: Any, name: Any, key: Key, *, is_certain: bool) -> Iterator[_Port]:  # noqa: ANN401
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= LAST_PORT:
            is_name = isinstance(name, str) and _PORT_NAME.fullmatch(name) is not None
            yield _Port(number, self.values.said(name if is_name else "", (*self.key, *key)), is_certain)

    def health(self) -> Said | None:
        """The first of its probes that is a command."""
        for name in _PROBES:
            probe = self.data.get(name)
            if not isinstance(probe, dict) or probe.get("enabled") is False:
                continue
            command = probe.get("exec")
            words = command.get("command") if isinstance(command, dict) else None
            if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
                # Kubernetes' own times where nothing is said.
                times = {
                    "interval": f"{_number(probe, 'periodSeconds', 10)}s",
                    "timeout": f"{_number(probe, 'timeoutSeconds', 1)}s",
                    "startPeriod": f"{_number(probe, 'initialDelaySeconds', 0)}s",
                    "retries": _number(probe, "failureThreshold", 3),
                }
                return self.values.said({"command": words, **times}, (*self.key, name, "exec", "command"))
        return None


def first_named(ports: Iterable[Mapping[int, Said]]) -> dict[int, Said]:
    """Ports of several places, each with the first name that one of them has for it."""
    found: dict[int, Said] = {}
    for each in ports:
        for number, name in each.items():
            if number not in found or not found[number].value:
                found[number] = name
    return found


def _number(probe: Mapping[str, Any], name: str, usual: int) -> int:
    value = probe.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else usual
