"""Puts together what the program, the catalogue's defaults, the stack, an entry and its override say of one image."""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from carbide_infra.catalogue import model, values
from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.language import BESIDE_KEPT, KEPT, ROOT, Keys, SharedKeys
from carbide_infra.catalogue.problems import Key, Problem, path, shown

PROGRAM = SharedKeys.model_validate(
    {
        "base": "alpine:latest",
        "builder": "golang:1.25",
        "goVersion": "1.25",
        "platforms": ["linux/amd64", "linux/arm64"],
        "user": {"name": "appuser"},
        "workdir": "/app",
        "ldflags": ["-s", "-w"],
        "provides": ["ca-certificates", "timezones"],
        "version": {"file": "VERSION"},
    }
)
"""What holds where nobody says otherwise, so that a simple service is three lines."""

_ROOT_OWNER = "0:0"
# Keys that exclude each other: a layer that has one of a group takes those of the other groups from the layers below.
_ALTERNATIVES: Mapping[str, Sequence[frozenset[str]]] = {
    "": (frozenset({"package", "module"}), frozenset({"binaries"})),
    "user": (frozenset({"base"}), frozenset({"name", "uid", "gid", "home"})),
}

_NOT_SAID: Mapping[str, Any] = {
    "binaries": (),
    "entrypoint": (),
    "command": (),
    "health": None,
    "workdir": None,
    "files": (),
    "folders": (),
    "environment": {},
    "stop_signal": None,
    "provides": frozenset(),
}
"""Of an image whose own Dockerfile says it."""

# A file would get the pattern of another one.
_WHOLE = frozenset({"version"})

Values = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """What one place says of an image.

    Attributes:
        said: values by key, as in the language.
        name: how messages name a key of it; None for the program's own values.
        where: file and line of a key; empty for a stack's configuration.
        is_own: whether it speaks of this image alone.
    """

    said: Mapping[str, Any]
    name: Callable[[Key], str] | None = None
    where: Callable[[Key], str] = lambda _: ""
    is_own: bool = False

    def says(self, key: Key) -> bool:
        """Whether the key is written here."""
        place: Any = self.said
        for part in key:
            is_there = part in place if isinstance(place, Mapping) else isinstance(part, int) and part < len(place)
            if not is_there:
                return False
            place = place[part]
        return self.name is not None


def said(keys: Keys) -> dict[str, Any]:
    """What a part of the catalogue says, and nothing of what it leaves open."""
    return keys.model_dump(by_alias=True, exclude_unset=True)


def problem_at(layers: Sequence[Layer], key: Key, text: str, value: object = None) -> Problem:
    """Something wrong with a key, at the uppermost layer that has it, or else where the image begins."""
    uppermost = list(reversed(layers))
    for wanted in (key, key[:1]):
        layer = next((layer for layer in uppermost if wanted and layer.says(wanted)), None)
        if layer is not None:
            return _problem(layer, key, text, value)
    return _problem(next(layer for layer in layers if layer.is_own), key, text, value)


def _problem(layer: Layer, key: Key, text: str, value: object) -> Problem:
    name = layer.name(key) if layer.name else path(key)
    return Problem(layer.where(key), name, None if value is None else shown(value), text)


@dataclass
class Merger:
    """Merges the layers of one image, lowest first, and notes what does not fit together."""

    name: str
    layers: Sequence[Layer]
    problems: list[Problem] = field(default_factory=list)

    def image(self) -> model.Image | None:
        """The image; None where there are problems."""
        own = _merged(layer.said for layer in self.layers if layer.is_own)
        merged = _merged(layer.said for layer in self.layers)
        if own.get("dockerfile"):
            return self._kept(merged, own)
        for key in KEPT:
            if own.get(key) is not None:
                self._note((key,), "stands beside no dockerfile, and means nothing else; name the dockerfile, too")
        go_version, builder = self.toolchain()
        user = self._user(merged["user"])
        binaries = tuple(self._binaries(merged, own))
        known = {} if user is None else _owners(user)
        fields: Values = {
            **self._about(merged, own),
            "labels": merged.get("labels") or {},
            "binaries": binaries,
            "entrypoint": self._entrypoint(merged, binaries),
            "command": tuple(merged.get("command") or ()),
            "ports": _without_none(merged.get("ports")),
            "health": self._health(merged.get("health"), binaries),
            "kind": merged.get("kind", "service"),
            "user": user,
            "workdir": merged.get("workdir"),
            "files": tuple(self._files(merged.get("files") or (), known)),
            "folders": tuple(self._folders(merged.get("folders") or (), known)),
            "environment": _without_none(merged.get("environment")),
            "stop_signal": merged.get("stopSignal"),
            "provides": frozenset(merged.get("provides") or ()),
            "base": merged["base"],
            "builder": builder,
            "go_version": go_version,
        }
        self._check(fields, own)
        return None if self.problems else model.Image.model_validate(fields)

    def _kept(self, merged: Values, own: Values) -> model.Image | None:
        """An image that keeps a Dockerfile of its own: what that decides, no other place does."""
        for key in own.keys() - BESIDE_KEPT:
            if own[key] is not None:
                self._note((key,), "is for its own Dockerfile to say; leave it out, or leave out dockerfile")
        fields: Values = {
            **_NOT_SAID,
            **self._about(merged, own),
            # Defaults are about images that are made here.
            "labels": own.get("labels") or {},
            "ports": _without_none(own.get("ports")),
            "kind": own.get("kind", "service"),
            "base": NOTHING,
            "builder": NOTHING,
            "go_version": "",
            "user": model.BaseUser(name=""),
            "kept": model.KeptDockerfile(
                path=own["dockerfile"].removeprefix("./"),
                context=posixpath.normpath(own.get("context") or "."),
                target=own.get("target"),
                args=own.get("args") or {},
                secrets=tuple(sorted(set(own.get("secrets") or ()))),
            ),
        }
        self._check(fields, own)
        return None if self.problems else model.Image.model_validate(fields)

    def _about(self, merged: Values, own: Values) -> Values:
        """What is said alike of every image."""
        return {
            "name": self.name,
            "title": merged.get("title") or self.name,
            "description": merged.get("description") or merged.get("title"),
            "version": self._version(merged["version"]),
            "has_own_version": "version" in own,
            "tag_prefix": merged.get("tagPrefix") or "",
            "platforms": tuple(sorted(set(merged["platforms"]))),
            "size_budget": values.in_bytes(merged["sizeBudget"]) if merged.get("sizeBudget") else None,
        }

    def _note(self, key: Key, text: str, value: object = None) -> None:
        self.problems.append(problem_at(self.layers, key, text, value))

    def toolchain(self) -> tuple[str, str]:
        """Go version and builder: the upper one of the two in the layers decides the other, as far as it can."""
        version = builder = ""
        for layer in self.layers:
            given, image = layer.said.get("goVersion"), layer.said.get("builder")
            named = values.go_version_of(image) if image else None
            if given and named and given != named:
                text = f"is not of the goVersion {given} beside it; make the two agree"
                self.problems.append(_problem(layer, ("builder",), text, image))
            if image:
                builder, version = image, given or named or version
            elif given and given != version:
                builder, version = f"golang:{given}", given
        return version, builder

    def _user(self, said: Values) -> model.MadeUser | model.BaseUser | model.RootUser | None:
        said = _without_none(said)
        base, name = said.get("base"), said.get("name")
        if base is not None and name is not None:
            self._note(("user",), "has both a name and a base; a name is for a user that the image makes")
        elif base is not None:
            return model.RootUser() if base in {ROOT, "0", _ROOT_OWNER} else model.BaseUser(name=base)
        elif name is None:
            self._note(("user",), "has no name; a good value: {name: appuser}, {base: nonroot}, or root")
        elif name == ROOT:
            self._note(("user", "name"), "cannot be made by the image; a good value: user: root", ROOT)
        else:
            uid, home = said.get("uid", 1000), said.get("home", f"/home/{name}")
            return model.MadeUser(name=name, uid=uid, gid=said.get("gid") or uid, home=home)
        return None

    def _binaries(self, merged: Values, own: Values) -> Iterator[model.Binary]:
        if merged.get("binaries"):
            for index, keys in enumerate(merged["binaries"]):
                # Another binary may be of another module: what defaults set is none of its variables.
                symbols = {**(own.get("symbols") or {}), **(keys.get("symbols") or {})}
                yield _binary({**merged, **keys, "symbols": symbols}, keys["path"], index)
        elif merged.get("package"):
            yield _binary(merged, f"/app/{_last_element(merged, self.name)}")
        else:
            self._note((), "names no package; a good value: package: ./api/cmd/api")

    def _entrypoint(self, merged: Values, binaries: Sequence[model.Binary]) -> tuple[str, ...]:
        if "entrypoint" in merged:
            return tuple(merged["entrypoint"] or ())
        return tuple(binary.path for binary in binaries[:1])

    def _health(self, said: Values | None, binaries: Sequence[model.Binary]) -> model.Health | None:
        if said is None:
            return None
        if not said.get("command"):
            self._note(("health",), 'has no command; a good value: {command: ["{binary}", health]}, or null for none')
            return None
        binary = binaries[0].path if binaries else ""
        timings = {"interval": "interval", "timeout": "timeout", "startPeriod": "start_period", "retries": "retries"}
        given = {name: said[key] for key, name in timings.items() if said.get(key) is not None}
        return model.Health(command=tuple(word.replace("{binary}", binary) for word in said["command"]), **given)

    def _version(self, said: Values) -> model.FileVersion | model.TagVersion | None:
        said = _without_none(said)
        if "gitTag" in said and "file" in said:
            self._note(("version",), "has both a file and a gitTag; keep one of them")
        elif "gitTag" in said:
            return model.TagVersion(git_tag=said["gitTag"])
        elif "file" in said:
            return model.FileVersion(file=said["file"].removeprefix("./"), match=said.get("match"))
        else:
            self._note(("version",), "has neither file nor gitTag; a good value: {file: VERSION}")
        return None

    def _files(
        self, said: Sequence[Values], owners: Mapping[str, str]
    ) -> Iterator[model.SourceFile | model.ForeignFile]:
        for index, keys in enumerate(said):
            kept: Values = {
                "to": keys["to"],
                "mode": keys.get("mode"),
                "owner": self._owner(keys.get("owner"), owners, ("files", index, "owner")),
            }
            if not keys.get("image"):
                source = keys["from"].removeprefix("./")
                yield model.SourceFile(source=source, exclude=keys.get("exclude", ()), **kept)
                continue
            if keys.get("exclude"):
                text = "is not possible for a file of another image; name its files one by one"
                self._note(("files", index, "exclude"), text, keys["exclude"])
            yield model.ForeignFile(image=keys["image"], source=keys["from"], **kept)

    def _folders(self, said: Sequence[Values], owners: Mapping[str, str]) -> Iterator[model.Folder]:
        for index, keys in enumerate(said):
            owner = self._owner(keys.get("owner"), owners, ("folders", index, "owner"))
            yield model.Folder(path=keys["path"], owner=owner, mode=keys.get("mode") or "0755")

    def _owner(self, said: str | None, owners: Mapping[str, str], key: Key) -> str:
        if said is None:
            return _ROOT_OWNER
        if said[0].isdigit():
            return said if ":" in said else f"{said}:{said}"
        if said not in owners and owners:
            text = f"is neither made by the image nor named as its base's; known are {', '.join(owners)}, or uid:gid"
            self._note(key, text, said)
        return owners.get(said, _ROOT_OWNER)

    def _check(self, fields: Values, own: Values) -> None:
        """What only shows when all is put together."""
        if own.get("binaries") and (own.get("package") or own.get("module")):
            self._note(("binaries",), "stands beside package or module; list that package among the binaries")
        if fields["kind"] == "job" and fields["ports"]:
            self._note(
                ("ports",), "does not fit a job, which ends and listens on none; write ports: null", fields["ports"]
            )
        if fields["binaries"] and not fields["entrypoint"] and not fields["command"]:
            self._note(("entrypoint",), "is empty, and so is command: nothing would start; name one of the two")
        if fields["tag_prefix"] and "version" not in own:
            text = "needs a version of its own; a good value beside it: version: {file: services/tool/VERSION}"
            self._note(("tagPrefix",), text, fields["tag_prefix"])
        taken: set[str] = set()
        places = [("binaries", binary.path) for binary in fields["binaries"]]
        places += [("files", file.to) for file in fields["files"]]
        for key, place in places:
            if place in taken:
                self._note((key,), f"has two things for {place} in the image; give one of them another path")
            taken.add(place)


def _merged(layers: Iterable[Mapping[str, Any]]) -> Values:
    return reduce(_over, layers, {})


def _over(lower: Values, upper: Mapping[str, Any]) -> Values:
    """`upper` wins; maps are merged key by key, but for a version, whose keys mean nothing without each other."""
    result = _kept("", lower, upper)
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and key not in _WHOLE:
            result[key] = {**_kept(key, below, value), **value}
        else:
            result[key] = value
    return result


def _kept(name: str, lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Values:
    """What stays of `lower` where `upper` chooses another alternative."""
    groups = _ALTERNATIVES.get(name, ())
    chosen = [group for group in groups if group & upper.keys()]
    dropped = {key for group in groups if chosen and group not in chosen for key in group}
    if name == "user" and upper.get("name") not in {None, lower.get("name")}:
        dropped.add("home")
    return {key: value for key, value in lower.items() if key not in dropped}


def _binary(said: Values, place: str, index: int | None = None) -> model.Binary:
    module = said.get("module")
    folder = posixpath.normpath(posixpath.join(module or ".", said["package"]))
    symbols = {
        name: model.Text(text=value["text"]) if isinstance(value, dict) else value
        for name, value in _without_none(said.get("symbols")).items()
    }
    return model.Binary(
        folder=folder,
        module=posixpath.normpath(module) if module else None,
        path=place,
        tags=said.get("tags") or (),
        ldflags=said.get("ldflags") or (),
        gcflags=said.get("gcflags") or (),
        symbols=symbols,
        index=index,
    )


def _last_element(said: Values, fallback: str) -> str:
    """The name that `go build` gives a binary: the last element of its package, or of its module."""
    names = [posixpath.basename(said[key].removesuffix("/.")) for key in ("package", "module") if said.get(key)]
    return next((name for name in names if name not in {"", "."}), fallback)


def _owners(user: model.MadeUser | model.BaseUser | model.RootUser) -> dict[str, str]:
    names = {ROOT: _ROOT_OWNER}
    if isinstance(user, model.MadeUser):
        names[user.name] = user.instruction
    elif isinstance(user, model.BaseUser):
        names[user.name] = user.name
    return names


def _without_none(said: Mapping[str, Any] | None) -> Values:
    return {key: value for key, value in (said or {}).items() if value is not None}
