"""`carbide-infra inputs`: the files that each image is made of, and which images a file reaches."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.options import StackName
from carbide_infra.cli.outcome import WELL, ends, print_json, progress
from carbide_infra.errors import CommandError
from carbide_infra.paths import cache_dir, project_root
from carbide_infra.services import Service
from carbide_infra.settings import Settings, load_settings
from carbide_infra.source.import_path import Imports, imports_of
from carbide_infra.source.inputs import Inputs, inputs_of
from carbide_infra.stack.stack_file import ANY_REGISTRY, DEV_STACK, read_stack_file

app = typer.Typer(add_completion=False)
ImageNames = Annotated[
    list[str] | None, typer.Option("--image", metavar="NAME", help="Only this image; may be repeated.")
]
Files = Annotated[
    list[str] | None,
    typer.Option("--who", metavar="FILE", help="Which images does this file reach, and how? May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
@ends
def inputs(
    stack: StackName = DEV_STACK,
    image: ImageNames = None,
    who: Files = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> int:
    """List the files that each image is made of: a change elsewhere changes no image.

    Needs the stack's file and the source tree, and no Pulumi. Each line has an image and a path in the source tree.
    """
    project = project_root()
    settings = load_settings(ANY_REGISTRY | read_stack_file(project, stack), os.environ)
    root = settings.source_root(project)
    services = _selected(settings, image or ())
    packages = [service.package for service in services]
    by_package = inputs_of(root, packages, settings.platforms, cache_dir(), go_version=settings.go_version)
    for reason in sorted({found.fallback for found in by_package.values() if found.fallback}):
        progress(f"WARNING: {reason}")
    found = {service: by_package[service.package] for service in services}
    if who:
        imports = imports_of(root, packages, settings.platforms[0])
        reached = {name: _reached(_in_tree(name, root, project), found, imports) for name in who}
        _show_reached(reached, len(services), as_json=as_json)
    elif as_json:
        print_json({service.image: _listing(service, files) for service, files in found.items()})
    else:
        sys.stdout.writelines(f"{s.image}  {path}\n" for s, files in found.items() for path in _paths(s, files))
    return WELL


def _selected(settings: Settings, names: Sequence[str]) -> list[Service]:
    services = settings.selected_services
    known = [service.image for service in services]
    for name in names:
        if name not in known:
            message = f"--image {name}: the stack builds no such image; it builds {', '.join(known)}"
            raise CommandError(message)
    return [service for service in services if not names or service.image in names]


def _paths(service: Service, inputs: Inputs) -> list[str]:
    return [*(file.path for file in inputs.files), service.dockerfile]


def _listing(service: Service, inputs: Inputs) -> dict[str, object]:
    files = [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in inputs.files]
    return {"package": service.package, "dockerfile": service.dockerfile, "exact": not inputs.fallback, "files": files}


def _in_tree(name: str, root: Path, project: Path) -> str:
    """The path as inputs have it: relative to the source tree, or to the project for a Dockerfile.

    Raises:
        CommandError: there is no such file in either.
    """
    for folder in (root, Path.cwd(), project):
        path = (folder / name).resolve()
        for base in (root.resolve(), project.resolve()):
            if path.is_file() and path.is_relative_to(base):
                return path.relative_to(base).as_posix()
    message = f"--who {name}: is not a file of the source tree {root} or of the project {project}"
    raise CommandError(message)


def _reached(path: str, found: Mapping[Service, Inputs], imports: Imports) -> dict[str, list[str]]:
    """The images that are made of a file, and the packages on the way to it."""
    return {
        service.image: imports.path(service.package, path)
        for service, inputs in found.items()
        if path in _paths(service, inputs)
    }


def _show_reached(reached: Mapping[str, Mapping[str, Sequence[str]]], images: int, *, as_json: bool) -> None:
    if as_json:
        print_json(reached)
        return
    for name, by_image in reached.items():
        typer.echo(f"{name} reaches {len(by_image)} of {images} images")
        width = max((len(image) for image in by_image), default=0)
        for image, path in by_image.items():
            typer.echo(f"  {image:{width}}  {' → '.join(path) or 'directly'}")
