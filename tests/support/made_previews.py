"""Previews of changes that no recording has: made from recordings of the real engine, edited as the engine would."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from carbide_infra.names import COMPONENT_TYPE, IMAGE_TYPE, STACK_TYPE

Data = dict[str, Any]
Recorded = Callable[[str], Data]

API, DB, IPAM = "carbide-rest-api", "carbide-rest-db", "carbide-rest-ipam"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
OLD_DIGEST, NEW_DIGEST = "sha256:" + "0123456789abcdef" * 4, "sha256:" + "fedcba9876543210" * 4
MODULE = "golang.org/x/net"
GO_MOD_ERROR = """error: the source tree cannot be built: go: errors parsing api/go.mod:
api/go.mod:7: unknown directive: requir
go: no such tool "list"
usage: go list [-f format] [-json] [-m] [list flags] [build flags] [packages]
Run 'go help list' for details.
"""


def _step(data: Data, kind: str, name: str) -> Data:
    for step in data["steps"]:
        *_, chain, found = step["urn"].split("::")
        if (chain.rpartition("$")[2], found) == (kind, name):
            changed: Data = step
            return changed
    raise KeyError(kind, name)


def _inputs(data: Data, kind: str, name: str, side: str) -> Data:
    inputs: Data = _step(data, kind, name)[side]["inputs"]
    return inputs


def _images(data: Data) -> list[str]:
    """Those that stay in the stack."""
    components = (step for step in data["steps"] if step["urn"].split("::")[2] == COMPONENT_TYPE)
    return [step["urn"].rpartition("::")[2] for step in components if step["op"] != "delete"]


def _updated(data: Data, name: str, *keys: str) -> None:
    """The image is built again, as Pulumi says it."""
    for kind in (COMPONENT_TYPE, IMAGE_TYPE):
        step = _step(data, kind, name)
        step["op"] = "update"
        step["diffReasons"] = sorted({*step.get("diffReasons", ()), *keys})


def _edit_files(data: Data, paths: Iterable[str], *, grows: int = 26) -> None:
    """Files that change wherever they are an input."""
    wanted = set(paths)
    for name in _images(data):
        record = _inputs(data, COMPONENT_TYPE, name, "newState")
        lines = [_edited(line, grows) if line.split(" ", 3)[3] in wanted else line
                 for line in record["inputs"].splitlines()]  # fmt: skip
        if lines != record["inputs"].splitlines():
            record["inputs"] = "\n".join(lines)
            _updated(data, name, "contextHash", "tags")


def _edited(line: str, grows: int) -> str:
    mode, sha256, size, path = line.split(" ", 3)
    return f"{mode} {hashlib.sha256(sha256.encode()).hexdigest()} {int(size) + grows} {path}"


def _argument(data: Data, key: str, before: str | None, after: str, names: Iterable[str] = ()) -> None:
    for name in names or _images(data):
        _inputs(data, IMAGE_TYPE, name, "newState")["buildArgs"][key] = after
        if before is not None:
            _inputs(data, IMAGE_TYPE, name, "oldState")["buildArgs"][key] = before
        _updated(data, name, f"buildArgs.{key}", "tags")


def _recorded_besides(data: Data, name: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Further entries of an image's record."""
    _inputs(data, COMPONENT_TYPE, name, "oldState").update(before)
    _inputs(data, COMPONENT_TYPE, name, "newState").update(after)


FIVE = (
    "api/pkg/model/instance.go",
    "cert-manager/pkg/mounted/mounted.go",
    "common/pkg/dbconfig/dbconfig.go",
    "common/pkg/server/server.go",
    "site-manager/pkg/report/report.go",
)


def five_files(recorded: Recorded) -> Data:
    """Five files, one of them shared by six images."""
    data = recorded("new_commit")
    _edit_files(data, FIVE)
    return data


def five_files_and_more(recorded: Recorded) -> Data:
    """The same with another VERSION and another Go."""
    data = recorded("version")
    _edit_files(data, FIVE)
    _argument(data, "BUILDER_IMAGE", "golang:1.25", "golang:1.26")
    return data


def _with_modules(data: Data, **after: str) -> None:
    for name in _images(data):
        lines = [f"{MODULE}@v0.48.0 h1:{'A' * 43}=", f"golang.org/x/text@v0.28.0 h1:{'B' * 43}="]
        new = [line.replace("@v0.48.0", f"@{after[name]}") if name in after else line for line in lines]
        _recorded_besides(data, name, {"modules": "\n".join(lines)}, {"modules": "\n".join(new)})
        if new != lines:
            _updated(data, name, "contextHash", "tags")


def module_bump(recorded: Recorded) -> Data:
    """A newer module, which two images link."""
    data = recorded("new_commit")
    _with_modules(data, **{API: "v0.49.0", IPAM: "v0.49.0"})
    return data


def go_line(recorded: Recorded) -> Data:
    """Another `go` line: the module file of an image differs, and no module does."""
    data = recorded("new_commit")
    _with_modules(data)
    record = _inputs(data, COMPONENT_TYPE, API, "newState")
    record["inputs"] = "\n".join(
        _edited(line, 1) if line.endswith(" go.mod") else line for line in record["inputs"].splitlines()
    )
    _updated(data, API, "contextHash", "tags")
    return data


def without_modules(recorded: Recorded) -> Data:
    """A fork's preview that cannot have the modules: all of go.mod counts, and it is as it was."""
    data = recorded("new_commit")
    _with_modules(data)
    whole = f"0644 {'a' * 64} 900 go.mod"
    for name in _images(data):
        _recorded_besides(
            data, name, {"moduleFiles": whole, "coarse": ""}, {"moduleFiles": whole, "coarse": "no network"}
        )
        record = _inputs(data, COMPONENT_TYPE, name, "newState")
        record["inputs"] = "\n".join(
            whole if line.endswith(" go.mod") else line for line in record["inputs"].splitlines()
        )
        record["modules"] = ""
        _updated(data, name, "contextHash", "tags")
    return data


def coarse(recorded: Recorded) -> Data:
    """An image for which go.mod counts as a whole, and another one that links the newer module."""
    data = recorded("new_commit")
    _with_modules(data, **{API: "v0.49.0"})
    _recorded_besides(data, DB, {"coarse": "go.mod"}, {"coarse": "go.mod"})
    record = _inputs(data, COMPONENT_TYPE, DB, "newState")
    record["inputs"] = "\n".join(_edited(line, 1) if line.endswith(" go.mod") else line
                                 for line in record["inputs"].splitlines())  # fmt: skip
    _updated(data, DB, "contextHash", "tags")
    return data


def base_moved(recorded: Recorded) -> Data:
    """The base image's tag has another digest, and the stack follows it."""
    data = recorded("nothing")
    _argument(data, "RUNTIME_IMAGE", f"alpine:3.22@{OLD_DIGEST}", f"alpine:3.22@{NEW_DIGEST}")
    return data


def unknown_base(recorded: Recorded) -> Data:
    """A base image whose digest only the update looks up."""
    data = recorded("nothing")
    _argument(data, "RUNTIME_IMAGE", f"alpine:3.22@{OLD_DIGEST}", UNKNOWN)
    for name in _images(data):
        _inputs(data, IMAGE_TYPE, name, "newState")["tags"] = [UNKNOWN]
    return data


def new_template(recorded: Recorded) -> Data:
    """Another Dockerfile for each image."""
    data = recorded("new_commit")
    for name in _images(data):
        _recorded_besides(data, name, {"dockerfile": "a" * 64}, {"dockerfile": "b" * 64})
        _updated(data, name, "contextHash", "tags")
    return data


def kept_as_it_is(recorded: Recorded) -> Data:
    """One image has a Dockerfile of its own; a file that it copies changes."""
    data = recorded("new_commit")
    _recorded_besides(data, DB, {"kept": "db/Dockerfile"}, {"kept": "db/Dockerfile"})
    _edit_files(data, ["db/pkg/migrate/migrate.go"])
    return data


def renamed(recorded: Recorded) -> Data:
    """An image gets another name, and a file that others share changes."""
    return _named_otherwise(recorded("new_commit"), {IPAM: "carbide-rest-addresses"}, is_new=True)


def long_names(recorded: Recorded) -> Data:
    """Names of sixty letters."""
    data = five_files(recorded)
    names = {name: f"{name}-{'of-the-eastern-seaboard-' * 3}"[:59].rstrip("-") + "x" for name in _images(data)}
    return _named_otherwise(data, names)


def fifty_images(recorded: Recorded) -> Data:
    """Fifty images, of which 43 are built again."""
    data = five_files(recorded)
    for number in range(43):
        _copy(data, DB, f"carbide-job-{number:02}")
    return data


def many_files(recorded: Recorded) -> Data:
    """Three hundred changed files, in three images of their own."""
    data = recorded("new_commit")
    for number in range(300):
        _add_file(data, (API, DB, IPAM)[number % 3], f"internal/generated/package{number // 10}/file_{number:03}.go")
    return data


def go_mod_with_an_error(_: Recorded) -> Data:
    """go.mod has a word that Go does not know."""
    return {"config": {"carbide-infra:source": "."}, "steps": [],
            "diagnostics": [{"severity": "error", "message": GO_MOD_ERROR}]}  # fmt: skip


def _add_file(data: Data, image: str, path: str) -> None:
    sha256 = hashlib.sha256(path.encode()).hexdigest()
    for side, text in (("oldState", "0"), ("newState", "1")):
        record = _inputs(data, COMPONENT_TYPE, image, side)
        record["inputs"] += f"\n0644 {text}{sha256[1:]} 1000 {path}"
    _updated(data, image, "contextHash", "tags")


def _copy(data: Data, image: str, name: str) -> None:
    """Another image that is as this one."""
    for step in list(data["steps"]):
        if step["urn"].rpartition("::")[2] in {image, f"{image}-revision", f"{image}-version"}:
            data["steps"].append(json.loads(json.dumps(step).replace(image, name)))
    deployed = _deployed(data)
    deployed[name] = json.loads(json.dumps(deployed[image]).replace(image, name))


def _named_otherwise(data: Data, names: Mapping[str, str], *, is_new: bool = False) -> Data:
    """The same images under other names; to Pulumi, new ones and ones that go."""
    if not is_new:
        text = json.dumps(data)
        for old, new in names.items():
            # Not where it is a part of a Dockerfile's name.
            text = re.sub(rf'(?<![\w.-]){re.escape(old)}(?=["\\:@]|-revision|-version)', new, text)
        renamed: Data = json.loads(text)
        return renamed
    for old, new in names.items():
        for step in list(data["steps"]):
            if step["urn"].rpartition("::")[2].removesuffix("-revision").removesuffix("-version") == old:
                data["steps"].append(_created(step, old, new))
                step["op"] = "delete"
                del step["newState"]
    _edit_files(data, ["common/pkg/dbconfig/dbconfig.go"])
    return data


def _created(step: Data, old: str, new: str) -> Data:
    made: Data = json.loads(json.dumps(step).replace(old, new))
    made["op"] = "create"
    del made["oldState"]
    return made


def _deployed(data: Data) -> Data:
    (stack,) = (step for step in data["steps"] if step["urn"].split("::")[2] == STACK_TYPE)
    images: Data = stack["oldState"]["outputs"]["images"]
    return images


MADE: Mapping[str, Callable[[Recorded], Data]] = {
    made.__name__: made
    for made in (
        *(
            five_files,
            five_files_and_more,
            module_bump,
            coarse,
            without_modules,
            go_line,
            base_moved,
            unknown_base,
            new_template,
        ),
        *(kept_as_it_is, renamed, long_names, fifty_images, many_files, go_mod_with_an_error),
    )
}
