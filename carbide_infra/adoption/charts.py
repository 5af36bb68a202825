"""Adds to images what Helm charts say of them: names of ports, ports and a health check, and where they come from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from carbide_infra.adoption.dockerfiles import Recipe
from carbide_infra.adoption.entry import health_of, named_ports
from carbide_infra.adoption.helm_values import Running, first_named
from carbide_infra.adoption.project import Registry
from carbide_infra.adoption.told import Adopted, Said

Checked = Callable[[Adopted], Sequence[object]]


@dataclass(frozen=True)
class Charts:
    """The images that the charts of a clone run."""

    running: Sequence[Running] = ()

    def of(self, name: str) -> Running | None:
        """An image, as the first place says that says something of it."""
        found = [each for each in self.running if each.name == name]
        if not found:
            return None
        return replace(
            found[0],
            ports=first_named(each.ports for each in found),
            named=first_named(each.named for each in found),
            health=next((each.health for each in found if each.health), None),
        )

    def added(self, image: Adopted) -> tuple[Adopted, list[str]]:
        """The image with what its charts say and its Dockerfile does not, and notes where the two do not agree."""
        entry, running = dict(image.entry), self.of(image.name)
        if running is None:
            return image, []
        notes = _add_ports(entry, running)
        _add_health(entry, running, image)
        return (replace(image, entry=entry) if entry != image.entry else image), notes

    def pulled(self, names: set[str]) -> tuple[Registry | None, list[str]]:
        """Where the images come from, if all charts agree; else notes that say so."""
        places: dict[tuple[str, str], str] = {}
        for each in self.running:
            if each.name in names and each.server:
                places.setdefault((each.server, each.repository), each.where)
        if len(places) > 1:
            told = " and ".join(f"{_path(*place)} ({where})" for place, where in places.items())
            return None, [f"the charts take images of these Dockerfiles from {told}: check registryServer"]
        found = next((Registry(*place, where) for place, where in places.items()), None)
        return found, list(self._unknown(names, found)) if found else []

    def _unknown(self, names: set[str], pulled: Registry) -> Iterator[str]:
        for each in self.running:
            if each.name not in names and (each.server, each.repository) == (pulled.server, pulled.repository):
                yield (
                    f"{each.where}: runs {_path(each.server, each.repository)}/{each.name}, and nothing here makes an "
                    "image of that name: check the names of the catalogue"
                )


def renamed(recipes: Sequence[Recipe], running: Sequence[Running], repository: str) -> tuple[list[Recipe], list[str]]:
    """The only image of a clone, by the name that its only chart image has, where no build file names it."""
    found = list(recipes)
    if len(found) == 1 and len({each.name for each in running}) == 1 and not found[0].where:
        (recipe,), each = found, running[0]
        words = set(each.name.split("-"))
        if recipe.name == repository != each.name and set(repository.split("-")) <= words:
            note = f"{each.where}: names the image {each.name}, and so does the catalogue"
            return [replace(recipe, name=each.name)], [note]
    return found, []


def disagreement(pushed: Registry | None, pulled: Registry | None) -> Iterator[str]:
    """That charts take images from elsewhere than where they are pushed to."""
    if pushed and pulled and (pushed.server, pushed.repository) != (pulled.server, pulled.repository):
        yield (
            f"{pulled.where}: takes the images from {_path(pulled.server, pulled.repository)}, and {pushed.where} "
            f"pushes them to {_path(pushed.server, pushed.repository)}: check registryServer"
        )


def _path(server: str, repository: str) -> str:
    return f"{server}/{repository}".rstrip("/")


def _add_ports(entry: dict[str, Said], each: Running) -> list[str]:
    said = entry.get("ports")
    if said is None:
        if each.ports:
            numbers = {number: Said(number, name.where) for number, name in each.ports.items()}
            where = next(iter(numbers.values())).where
            entry["ports"] = Said(_by_name(named_ports(numbers), each.ports), where)
            if entry.get("kind") and entry["kind"].value == "job":
                del entry["kind"]
        return []
    exposed = {port.value for port in said.value.values()}
    ports = _by_name(said.value, {**each.named, **{number: name for number, name in each.ports.items() if name.value}})
    if ports != said.value:
        where = next(port.where for port in ports.values() if port not in said.value.values())
        entry["ports"] = Said(ports, where)
    there = ", ".join(map(str, sorted(exposed)))
    return [
        f"{name.where}: is about port {number}, and {said.where} exposes {there}: check ports"
        for number, name in each.ports.items()
        if number not in exposed
    ]


def _by_name(ports: Mapping[str, Said], names: Mapping[int, Said]) -> dict[str, Said]:
    """Ports with the names that a chart has for them, where no two have one name then."""
    found: dict[str, Said] = {}
    for usual, port in ports.items():
        given = names.get(port.value)
        if given and given.value and given.value != usual:
            where = port.where if port.where == given.where else f"{port.where}, named in {given.where}"
            found[given.value] = Said(port.value, where)
        else:
            found[usual] = port
    return found if len(found) == len(ports) else dict(ports)


def _add_health(entry: dict[str, Said], each: Running, image: Adopted) -> None:
    """A probe that runs the image's own binary, where its Dockerfile has no HEALTHCHECK."""
    binaries = image.binary_paths
    is_open = "health" in entry and entry["health"].value is None
    if is_open and each.health is not None and each.health.value["command"][0] in binaries:
        entry["health"] = health_of(each.health, binaries[0])


def with_charts(image: Adopted, charts: Charts, problems: Checked) -> tuple[Adopted, list[str]]:
    """The image with what charts say, unless no catalogue takes that.

    Args:
        image: from its Dockerfile.
        charts: of the clone.
        problems: what a catalogue has against an image.
    """
    added, notes = charts.added(image)
    if added is image:
        return image, notes
    found = [str(problem) for problem in problems(added)]
    if found and (running := charts.of(image.name)):
        return image, [*notes, f"{running.where}: what stands there of {image.name} is not taken over ({found[0]})"]
    return added, notes
