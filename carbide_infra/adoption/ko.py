"""Reads .ko.yaml: images of Go main packages that have no Dockerfile."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from carbide_infra.adoption.bases import default_user
from carbide_infra.adoption.discovery import as_name
from carbide_infra.adoption.go_builds import MEANS_NOTHING
from carbide_infra.adoption.go_list import Packages, go_release
from carbide_infra.adoption.told import Adopted, Said
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.catalogue.document import UnreadableError, parse
from carbide_infra.catalogue.values import Platform
from carbide_infra.errors import CommandError
from carbide_infra.source.go_list import package_path

FILE = ".ko.yaml"
# What ko itself builds on where its file names nothing.
_BASE = "cgr.dev/chainguard/static:latest"
_FACTS = (
    ("version", re.compile(r"\{\{\s*\.(Git\.(Tag|TagName)|Env\.\w*(VERSION|TAG)\w*)\s*\}\}")),
    ("revision", re.compile(r"\{\{\s*\.(Git\.\w*Commit\w*|Env\.\w*(COMMIT|SHA|REVISION)\w*)\s*\}\}")),
    ("buildTime", re.compile(r"\{\{\s*\.(Date|Timestamp|Env\.\w*(DATE|TIME)\w*)\s*\}\}")),
)
# Flags of `go build` that an entry has, and what stands between their values.
_FLAG_KEYS = {"tags": r"[ ,]+", "gcflags": r" +"}
_FLAG = re.compile(r"[A-Za-z0-9_./:=,@%+~-]+")


def ko_images(files: TreeFiles, packages: Packages, taken: frozenset[str], notes: list[str]) -> Iterator[Adopted]:
    """The images of the builds in .ko.yaml.

    Args:
        files: of the clone.
        packages: of it.
        taken: main packages that have an image already.
        notes: what a person should look at; added to.

    Raises:
        CommandError: it cannot be read.
    """
    if not files.is_file(FILE):
        return
    try:
        document = parse(files.text(FILE))
    except UnreadableError as error:
        msg = (
            f"{FILE}:{error.line}: cannot be read as YAML ({error}); put that right, or leave it out with --skip {FILE}"
        )
        raise CommandError(msg) from error
    said = document.data if isinstance(document.data, dict) else {}
    builds = said.get("builds")
    for at, build in enumerate(builds if isinstance(builds, list) else ()):
        if not isinstance(build, dict):
            continue
        package = posixpath.normpath(posixpath.join(str(build.get("dir") or "."), str(build.get("main") or ".")))
        package = posixpath.dirname(package) if package.endswith(".go") else package
        where = f"{FILE}:{document.line(('builds', at))}"
        if package not in packages.mains:
            notes.append(
                f"{where}: builds {package_path(package)}, which is no main package of the clone; add it by hand"
            )
        elif package not in taken:
            base = _base(said, packages, package)
            image = _image(build, package, where, base, files, packages)
            platforms, left_out = _platforms(said.get("defaultPlatforms"))
            yield replace(image, entry={**image.entry, **platforms}, notes=(*image.notes, *left_out))


def _base(said: Mapping[str, Any], packages: Packages, package: str) -> Said:
    overrides = said.get("baseImageOverrides")
    path = packages.path_of(package)
    if isinstance(overrides, dict) and path in overrides:
        return Said(str(overrides[path]), f"{FILE}: baseImageOverrides")
    if said.get("defaultBaseImage"):
        return Said(str(said["defaultBaseImage"]), f"{FILE}: defaultBaseImage")
    return Said(_BASE, "what ko takes where nothing is said")


def _image(
    build: Mapping[str, Any], package: str, where: str, base: Said, files: TreeFiles, packages: Packages
) -> Adopted:
    named = posixpath.basename(package) if package != "." else posixpath.basename(packages.modules.get(".", "app"))
    notes: list[str] = []
    entry = {
        # ko puts a binary there, and the environment says so.
        "binaries": Said([Said({"package": package_path(package), "path": f"/ko-app/{named}"}, where)], where),
        "ldflags": Said(["-s", "-w"], f"{where}: ko's own"),
        "base": base,
        "user": _user(base, notes),
        "workdir": Said(None, f"{where}: ko sets none"),
        "provides": Said([], f"{where}: the base has them"),
    }
    release = go_release(files, packages.module_of(package) or ".")
    if release:
        entry["builder"] = Said(f"golang:{release[0]}", release[1])
    flags, symbols = _linker(build.get("ldflags"), where, notes)
    if flags:
        entry["ldflags"] = Said(flags, where)
    if symbols:
        entry["symbols"] = Said(symbols, where)
    notes += [
        f"{where}: env {variable} is not taken over, for the catalogue's builds have none of their own"
        for variable in _texts(build.get("env"))
        if variable.partition("=")[0] not in {"CGO_ENABLED", "GOFLAGS"} or variable == "CGO_ENABLED=1"
    ]
    for name, value in _flags(_texts(build.get("flags"))):
        if name in _FLAG_KEYS and value:
            entry[name] = Said([each for each in re.split(_FLAG_KEYS[name], value) if each], where)
        elif name not in MEANS_NOTHING:
            notes.append(f"{where}: the flag -{name} is not taken over; leave it out, if the program works without")
    if any(name.startswith(f"{package}/kodata/") for name in files.below(package)):
        entry["files"] = Said([Said({"from": f"{package}/kodata", "to": "/var/run/ko"}, f"{package}/kodata")], where)
        entry["environment"] = Said({"KO_DATA_PATH": Said("/var/run/ko", f"{package}/kodata")}, f"{package}/kodata")
    return Adopted(as_name(str(build.get("id") or named)), FILE, entry, notes=tuple(notes))


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    """Names and values of flags of `go build`, written in one word or in two."""
    waiting = list(words)
    while waiting:
        name, value = re.fullmatch(r"-*([\w-]*)[= ]?(.*)", waiting.pop(0), re.DOTALL).groups()  # type: ignore[union-attr]
        if name in _FLAG_KEYS and not value and waiting:
            value = waiting.pop(0)
        yield name, value


def _platforms(said: Any) -> tuple[dict[str, Said], tuple[str, ...]]:  # noqa: ANN401 - what YAML has
    """Fewer platforms than the usual ones; and what is said of those that no catalogue has."""
    where = f"{FILE}: defaultPlatforms"
    wanted = [word for text in _texts(said) for word in re.split(r"[ ,]+", text) if word]
    known = sorted(set(wanted) & set(get_args(Platform)))
    notes = tuple(
        f"{where}: {word} is left out, for the catalogue has no such platform"
        for word in wanted
        if word not in {*known, "all"}
    )
    is_usual = "all" in wanted or not known or known == ["linux/amd64", "linux/arm64"]
    return ({} if is_usual else {"platforms": Said(known, where)}), notes


def _user(base: Said, notes: list[str]) -> Said:
    user = default_user(str(base.value))
    if user is None:
        notes.append(f"{base.where}: the user of {base.value} is not known here: check user, which is 65532")
        return Said({"base": "65532"}, f"{base.where}: check")
    return Said({"base": user} if user else "root", base.where)


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - what YAML has
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def _linker(value: Any, where: str, notes: list[str]) -> tuple[list[str], dict[str, Said]]:  # noqa: ANN401
    flags: list[str] = []
    symbols: dict[str, Said] = {}
    try:
        words = iter([word for text in _texts(value) for word in shlex.split(_tight(text))])
    except ValueError:
        notes.append(f"{where}: ldflags are not read, for a quote is not closed; write symbols by hand")
        return [], {}
    for word in words:
        is_symbol = word in {"-X", "--X"} or word.startswith("-X=")
        text = (next(words, "") if "=" not in word else word.partition("=")[2]) if is_symbol else ""
        name, _, given = text.partition("=")
        if not is_symbol and _FLAG.fullmatch(word):
            flags.append(word)
        elif is_symbol and (fact := _fact(given)):
            symbols[name] = Said(fact, where)
        elif is_symbol and "{{" not in given:
            symbols[name] = Said({"text": given}, where)
        else:
            notes.append(
                f"{where}: {text or word} is left out, for only a person knows what that is; write symbols by hand"
            )
    return flags, symbols


def _tight(text: str) -> str:
    """Templates without blanks, so that each stays one word."""
    return re.sub(r"\{\{.*?\}\}", lambda found: found[0].replace(" ", ""), text)


def _fact(text: str) -> str:
    return next((fact for fact, pattern in _FACTS if pattern.fullmatch(text)), "")
