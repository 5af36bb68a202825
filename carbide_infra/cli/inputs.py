"""`carbide-infra inputs`: the files that each image is made of, and which images a file reaches."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.catalogue.model import Image
from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, ends, print_json
from carbide_infra.errors import CommandError
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.images.inputs import inputs_of_images
from carbide_infra.messages import progress
from carbide_infra.paths import project_root
from carbide_infra.settings import Settings, load_settings, selected_images
from carbide_infra.source.import_path import import_path
from carbide_infra.source.inputs import Inputs
from carbide_infra.stack.registry_access import base_registries
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file

app = typer.Typer(add_completion=False)
ImageNames = Annotated[
    list[str] | None, typer.Option("--image", metavar="NAME", help="Only this image; may be repeated.")
]
Files = Annotated[
    list[str] | None,
    typer.Option("--who", metavar="FILE|MODULE", help="Which images have this file or Go module in them?"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
@ends
def inputs(
    stack: StackName = "",
    image: ImageNames = None,
    who: Files = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> int:
    """List the files that each image is made of: a change elsewhere changes no image.

    Needs the stack's file and the source tree, and no Pulumi. Each line has an image and a path in the source tree.
    """
    stack, project = named_stack(stack), project_root()
    settings = load_settings(ANY_REGISTRY | read_stack_file(project, stack), os.environ)
    root = settings.source_root(project)
    images = _selected(settings, project, image or ())
    secrets = build_secrets(settings, os.environ)
    files = inputs_of_images(images, root, secrets, lambda: base_registries(settings, project, os.environ))
    for warning in sorted({text for found in files.values() for text in (found.fallback, *found.warnings) if text}):
        progress(f"WARNING: {warning}")
    folder = os.path.relpath(settings.catalogue_file(project).parent, project)
    found = [
        Made(each, files[each.name], each.kept.path if each.kept else f"{folder}/Dockerfile.{each.name}")
        for each in images
    ]
    if who:
        reached = {name: _linking(name, found) or _reached(_in_tree(name, root, project), found) for name in who}
        _show_reached(reached, len(images), as_json=as_json)
    elif as_json:
        print_json({each.image.name: each.listing for each in found})
    else:
        sys.stdout.writelines(f"{each.image.name}  {path}\n" for each in found for path in each.paths)
    return WELL


@dataclass(frozen=True)
class Made:
    """An image, and what it is made of."""

    image: Image
    inputs: Inputs
    dockerfile: str

    @property
    def paths(self) -> list[str]:
        """Every file, the Dockerfile last."""
        return [*(file.path for file in self.inputs.files if file.path != self.dockerfile), self.dockerfile]

    @property
    def listing(self) -> dict[str, object]:
        """For programs."""
        files = [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in self.inputs.files]
        packages = [binary.package for binary in self.image.binaries]
        return {
            "package": next(iter(packages), None),
            "packages": packages,
            "dockerfile": self.dockerfile,
            "exact": not self.inputs.fallback,
            "files": files,
            "modules": list(self.inputs.modules),
        }


def _selected(settings: Settings, project: Path, names: Sequence[str]) -> list[Image]:
    images = selected_images(settings, project).images
    known = [image.name for image in images]
    for name in names:
        if name not in known:
            message = f"--image {name}: the stack builds no such image; it builds {', '.join(known)}"
            raise CommandError(message)
    return [image for image in images if not names or image.name in names]


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
    message = (
        f"--who {name}: is neither a module that an image links nor a file of the source tree {root} or of {project}"
    )
    raise CommandError(message)


def _linking(name: str, found: Sequence[Made]) -> dict[str, list[str]]:
    """The images that link a module, and its version in them; nothing where none does, as for a file."""
    modules = {each.image.name: [line.split()[0] for line in each.inputs.modules] for each in found}
    linked = {
        image: [module for module in lines if name in {module, module.partition("@")[0]}]
        for image, lines in modules.items()
    }
    return {image: lines for image, lines in linked.items() if lines}


def _reached(path: str, found: Sequence[Made]) -> dict[str, list[str]]:
    """The images that are made of a file, and the packages on the way to it."""
    return {each.image.name: _way(path, each) for each in found if path in each.paths}


def _way(path: str, made: Made) -> list[str]:
    ways = [import_path(made.inputs.imports, binary.package, path) for binary in made.image.binaries]
    return min(filter(None, ways), key=len, default=[])


def _show_reached(reached: Mapping[str, Mapping[str, Sequence[str]]], images: int, *, as_json: bool) -> None:
    if as_json:
        print_json(reached)
        return
    for name, by_image in reached.items():
        typer.echo(f"{name} reaches {len(by_image)} of {images} images")
        width = max((len(image) for image in by_image), default=0)
        for image, path in by_image.items():
            typer.echo(f"  {image:{width}}  {' → '.join(path) or 'directly'}")
