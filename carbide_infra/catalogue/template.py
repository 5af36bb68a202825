"""Renders an image's Dockerfile from the one template."""

import json
import posixpath
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from carbide_infra.catalogue.model import Binary, FileVersion, Folder, Image, MadeUser, SourceFile, Text
from carbide_infra.catalogue.problems import CatalogueError, Problem
from carbide_infra.catalogue.values import exclusion_pattern
from carbide_infra.names import BASE_NAME_LABEL, DESCRIPTION_LABEL, TITLE_LABEL

if TYPE_CHECKING:
    import jinja2

GENERATED = "# Generated from services.yaml by `make generate`"
"""How the first line of every rendered Dockerfile begins."""

MODULE = "$module"
"""Stands for the path of a binary's module in the names of symbols."""

TEMPLATE_VERSION = "0.1.0"
"""The carbide-infra that brought the template as it is; the next one, where a change gives images other Dockerfiles."""

_TEMPLATE = "Dockerfile.template"
_NOTHING = "^$"
_FACTS = {"version": "${VERSION:-dev}", "buildTime": "$built", "revision": "$REVISION"}
_NO_DEBUG_INFORMATION = "-gcflags=all=-dwarf=false"


def render(image: Image, *, ssh: bool = False) -> str:
    """The Dockerfile of an image: the same text for the same image, on every machine.

    Args:
        image: the image.
        ssh: whether modules come by ssh, in a step of their own that alone has the agent.

    Raises:
        CatalogueError: the catalogue's own template cannot be rendered.
    """
    if image.template is None:
        return _rendered(_compiled(None), image, ssh=ssh)
    import jinja2  # noqa: PLC0415 - as below

    try:
        return _rendered(_compiled(image.template), image, ssh=ssh)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        where = f"line {error.lineno}: " if isinstance(error, jinja2.TemplateSyntaxError) else ""
        text = f"cannot be rendered for {image.name}: {where}{error}"
        raise CatalogueError([Problem("", "template", None, text)]) from None


def package_template() -> str:
    """The template of this package, to begin one's own with."""
    return resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")


def _rendered(template: "jinja2.Template", image: Image, *, ssh: bool) -> str:
    labels = _label_lines(image)
    return template.render(
        image=image,
        ssh=ssh,
        summary=(image.description or image.title).rstrip("."),
        others=list(dict.fromkeys(file.image for file in image.foreign_files)),
        mounted=_outermost(file.source for file in image.source_files),
        folders=[folder.removeprefix("/") for folder in _folders(image)],
        own_folders=_own_folders(image),
        what="binaries" if len(image.binaries) > 1 else "binary",
        base_user=_named_base_user(image),
        version_file=_version_file(image),
        labels=labels,
        label_arguments=[name for name in ("RUNTIME_IMAGE", "VERSION=dev") if _is_used(name, labels)],
        environment=[f"{name}={_quoted(value)}" for name, value in image.environment.items()],
        ports=sorted(set(image.ports.values())),
        owner=_owner,
        excluded=_excluded,
    )


def build_arguments(image: Image) -> frozenset[str]:
    """The names of the build arguments that its Dockerfile takes."""
    by_fact = {"version": "VERSION", "buildTime": "SOURCE_DATE_EPOCH", "revision": "REVISION"}
    taken = {name for fact, name in by_fact.items() if image.sets(fact)}  # type: ignore[arg-type]  # keys are facts
    if any("{version}" in (text or "") for text in image.labels.values()):
        taken.add("VERSION")
    return frozenset(taken | {"BUILDER_IMAGE", "RUNTIME_IMAGE"})


@cache
def _compiled(own: str | None) -> "jinja2.Template":
    """The package's template, or another's text, which gets at nothing but what it is given."""
    # An installation that only reads outputs has no Jinja2, and still shows each command's help.
    import jinja2  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    kind = jinja2.Environment if own is None else ImmutableSandboxedEnvironment
    environment = kind(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(
        exec_form=_exec_form,
        has_relative_symbols=_has_relative_symbols,
        build_flags=_build_flags,
        tag_flags=_tag_flags,
        linker_flags=_linker_flags,
    )
    return environment.from_string(package_template() if own is None else own)


def labels_of(image: Image, version: str) -> dict[str, str]:
    """The labels that its Dockerfile gives the image."""
    texts = {name: text.replace("{version}", version) for name, text in _labels(image).items()}
    return texts if BASE_NAME_LABEL in image.labels else {**texts, BASE_NAME_LABEL: image.base}


def _labels(image: Image) -> dict[str, str]:
    """In the image's own words where it has some."""
    texts: dict[str, str | None] = {TITLE_LABEL: image.title, DESCRIPTION_LABEL: image.description}
    texts.update(image.labels)
    return {name: text for name, text in texts.items() if text is not None}


def _label_lines(image: Image) -> list[str]:
    """`name="value"`, as LABEL has them."""
    lines = [f"{name}={_quoted(text).replace('{version}', '${VERSION}')}" for name, text in _labels(image).items()]
    return lines if BASE_NAME_LABEL in image.labels else [*lines, f'{BASE_NAME_LABEL}="${{RUNTIME_IMAGE}}"']


def _is_used(argument: str, labels: Sequence[str]) -> bool:
    return any(f"${{{argument.partition('=')[0]}}}" in label for label in labels)


def _quoted(text: str) -> str:
    """A text that Docker takes as it is."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _exec_form(command: Sequence[str]) -> str:
    return json.dumps(list(command), ensure_ascii=False)


def _folders(image: Image) -> list[str]:
    """Folders to make, without those that are made on the way to another one."""
    wanted = [posixpath.dirname(binary.path) for binary in image.binaries]
    wanted += [folder.path for folder in _own_folders(image)]
    wanted += [image.workdir] if image.workdir else []
    wanted += ["/etc"] if isinstance(image.user, MadeUser) else []
    wanted += ["/etc/ssl/certs"] if "ca-certificates" in image.provides else []
    wanted += ["/usr/share"] if "timezones" in image.provides else []
    wanted = sorted({folder for folder in wanted if folder != "/"})
    return [folder for folder in wanted if not any(other.startswith(f"{folder}/") for other in wanted)]


def _own_folders(image: Image) -> list[Folder]:
    """Folders that the image has for itself, the user's home among them."""
    home = [Folder(path=image.user.home, owner=image.user.instruction)] if isinstance(image.user, MadeUser) else []
    return [*home, *image.folders]


def _outermost(sources: Iterable[str]) -> list[str]:
    names = sorted(set(sources))
    return [name for name in names if not any(name.startswith(f"{other}/") for other in names)]


def _named_base_user(image: Image) -> str | None:
    is_named = image.user.kind == "base" and not image.user.name[0].isdigit()
    return image.user.name if is_named else None


def _version_file(image: Image) -> str | None:
    """Where a build by hand finds the version; a pattern or git tag is for the program only."""
    rule = image.version
    if isinstance(rule, FileVersion) and rule.match is None and image.sets("version"):
        return rule.file
    return None


def _owner(owner: str) -> str:
    return owner if owner[0].isdigit() else '"$user"'


def _excluded(file: SourceFile) -> str:
    patterns = "|".join(map(exclusion_pattern, file.exclude))
    return f"^/source/{_literal(file.source)}/({patterns})$" if patterns else _NOTHING


def _literal(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "/_" else f"[{letter}]" for letter in text)


def _has_relative_symbols(binary: Binary) -> bool:
    return any(linker_name(binary, symbol).startswith(MODULE) for symbol in binary.symbols)


def _build_flags(binary: Binary) -> str:
    flags = []
    if "-w" in binary.ldflags:
        # The linker would only drop it.
        flags.append(_NO_DEBUG_INFORMATION)
    if binary.gcflags:
        flags.append(f"'-gcflags={' '.join(binary.gcflags)}'")
    return _tag_flags(binary) + "".join(f" {flag}" for flag in flags)


def _tag_flags(binary: Binary) -> str:
    return f" -tags {','.join(binary.tags)}" if binary.tags else ""


def _linker_flags(binary: Binary) -> str:
    flags = [*binary.ldflags, "-buildid="]
    for symbol, value in binary.symbols.items():
        name = linker_name(binary, symbol)
        flags.append(f"-X '{name}={value.text if isinstance(value, Text) else _FACTS[value]}'")
    return " ".join(flags)


def linker_name(binary: Binary, symbol: str) -> str:
    """A symbol as the linker takes it, `$module` for the module's path: a binary's own package is `main` there."""
    if not symbol.startswith("./"):
        return symbol
    folder, _, variable = symbol.removeprefix("./").rpartition(".")
    own = binary.folder if binary.module is None else posixpath.relpath(binary.folder, binary.module)
    return f"main.{variable}" if folder == own else f"{MODULE}/{folder}.{variable}"
