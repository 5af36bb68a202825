"""`carbide-infra init`: a project for the repository that it is run in, from the Dockerfiles that are there."""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.adoption import registries
from carbide_infra.adoption.catalogue_text import catalogue_text, entry_lines
from carbide_infra.adoption.charts import disagreement
from carbide_infra.adoption.clone import Repository, repository_of
from carbide_infra.adoption.comparison import compared
from carbide_infra.adoption.discovery import as_name
from carbide_infra.adoption.project import WORKFLOW, Project, Registry
from carbide_infra.adoption.requirements import absolute_place, locked, shared_place
from carbide_infra.adoption.survey import Question, Survey, repository_name, survey
from carbide_infra.adoption.told import Adopted
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.adoption.writing import write_new
from carbide_infra.catalogue.loading import load_catalogue
from carbide_infra.cli.outcome import DIFFERENT, WELL, acts
from carbide_infra.cli.tables import Column, print_columns, wide_console
from carbide_infra.errors import CommandError
from carbide_infra.messages import complain, progress
from carbide_infra.paths import cache_dir
from carbide_infra.source.go_list import package_path
from carbide_infra.workflows import UNKNOWN, Workflows, named_workflows

app = typer.Typer(add_completion=False)
_LISTED = 12
_WHEELS = "for them, have the wheels at an index, at an address without a login, or in a folder of the repository"
_FOLDER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*")


@app.command()
@acts
def init(  # noqa: PLR0913, PLR0917 - one for each option
    folder: Annotated[str, typer.Option(metavar="FOLDER", help="Folder of the project, in this one.")] = "images",
    registry: Annotated[
        str, typer.Option(metavar="HOST/PATH", help="Where the dev stack pushes to; local is the kit's registry.")
    ] = "",
    skip: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Leave out this Dockerfile, folder or pattern; repeatable.")
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Let every image keep its own Dockerfile.")] = False,  # noqa: FBT002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written.")] = False,  # noqa: FBT002
    check: Annotated[bool, typer.Option("--check", help="Only say where Dockerfiles and catalogue differ.")] = False,  # noqa: FBT002
    workflows: Annotated[
        str, typer.Option(metavar="OWNER/REPO@SHA", help="The reusable workflows; else those of this package.")
    ] = "",
    find_links: Annotated[
        list[str] | None, typer.Option(metavar="PLACE", help="Where pip finds the wheels beside its index; repeatable.")
    ] = None,
) -> int:
    """Write a project for the repository in the current folder, from the Dockerfiles that are in it.

    Nothing that is there is overwritten, and nothing of the repository is run. Run again, it shows only what is new.
    """
    root = Path.cwd()
    if not _FOLDER.fullmatch(folder) or {".", ".."} & set(folder.split("/")):
        msg = f"--folder {folder}: is not a folder in this one; a good value: images"
        raise CommandError(msg)
    if (root / "Pulumi.yaml").is_file():
        msg = f"{root} is a project already; run this in the folder that has the source"
        raise CommandError(msg)
    repository = repository_of(root)
    name = as_name(repository_name(repository.top, repository.url))
    question = Question(root, cache_dir(), name, (*(skip or ()), folder), as_is)
    found = survey(question)
    if check:
        return _check(root / folder / "services.yaml", f"{folder}/services.yaml", found)
    if not found.images:
        msg = f"{root} has no Dockerfile and no .ko.yaml that git lists; write {folder}/services.yaml by hand"
        raise CommandError(msg)
    if (root / folder / "services.yaml").is_file():
        _show_new(root / folder / "services.yaml", f"{folder}/services.yaml", found)
    found = _with_registry(repository, found)
    project = _project(question, folder, repository, registry, named_workflows(workflows), found)
    return _write(project, repository.top, found, find_links or (), dry_run=dry_run)


def _check(file: Path, name: str, found: Survey) -> int:
    if not file.is_file():
        msg = f"{name} is not there; carbide-infra init writes it"
        raise CommandError(msg)
    comparison = compared(file, name, found.images)
    for sentence in comparison.not_compared:
        progress(sentence)
    for difference in comparison.differences:
        typer.echo(str(difference))
    if comparison.differences:
        return DIFFERENT
    typer.echo(f"{name} and the Dockerfiles say the same of {len(comparison.compared)} images")
    return WELL


def _show_new(file: Path, name: str, found: Survey) -> None:
    known = load_catalogue(file, name).names
    new = [image for image in found.images if image.name not in known]
    if not new:
        progress(f"{name} has all {len(found.images)} images already")
        return
    progress(f"{name} is left as it is; new are these images, to be added by hand:")
    typer.echo("\n\n".join("\n".join(entry_lines(image)) for image in new))


def _project(
    question: Question, folder: str, repository: Repository, registry: str, workflows: Workflows | None, found: Survey
) -> Project:
    root, name = question.root, question.repository
    inside = os.path.relpath(root, repository.top)
    path = os.path.normpath(f"{inside}/{folder}")
    if not _FOLDER.fullmatch(path):
        msg = f"{path}: is not a path that a workflow can name; run this in a folder of plain characters"
        raise CommandError(msg)
    said = found.registry
    return Project(
        name=f"{name}-images",
        folder=path,
        source=os.path.relpath(root, root / folder),
        paths=() if inside == "." else (f"{inside}/**", WORKFLOW),
        branch=repository.branch,
        source_url=repository.url,
        development=_development(registry, said, name),
        production=_production(registry, said, name),
        workflows=workflows,
        tag_prefixes=sorted({image.entry["tagPrefix"].value for image in found.images if "tagPrefix" in image.entry}),
    )


def _with_registry(repository: Repository, found: Survey) -> Survey:
    """With where the images go today, as far as the repository says it."""
    names = {image.name for image in found.images}
    pushed = found.registry or registries.of_workflows(TreeFiles.of(repository.top, cache_dir()), names, found.pulled)
    return replace(found, registry=pushed, notes=(*found.notes, *disagreement(pushed, found.pulled)))


def _development(given: str, said: Registry | None, name: str) -> Registry:
    if given:
        registry = registries.of_user(given)
        return Registry(registry.server, registry.repository or name, registry.where)
    if said is None:
        msg = "--registry: name what a development stack may push to, such as registry.example.com/team, or local"
        raise CommandError(msg)
    return Registry(said.server, f"{said.repository or name}/dev", f"{said.where}, and /dev below it")


def _production(given: str, said: Registry | None, name: str) -> Registry:
    if said is not None:
        return Registry(said.server, said.repository or name, said.where)
    registry = registries.of_user(given)
    if registry.server == "local":
        return Registry("registry.example.com", name, "only a person knows it: no workflow here names a registry")
    return Registry(registry.server, registry.repository, "as for dev; only a person knows another")


def _write(project: Project, top: Path, found: Survey, find_links: Sequence[str], *, dry_run: bool) -> int:
    texts = project.texts(catalogue_text(found.images))
    new = {path: text for path, text in texts.items() if not os.path.lexists(top / path)}
    requirements = f"{project.folder}/requirements.txt"
    problem = ""
    if dry_run:
        for path, text in new.items():
            typer.echo(f"==> {path} <==\n{text}")
    else:
        if not os.path.lexists(top / requirements):
            try:
                new[requirements] = locked(find_links, top, top / project.folder)
            except CommandError as error:
                problem = str(error)
        for path in write_new(top, new):
            progress(f"wrote {path}")
    _show_table(found.images, found)
    _show_rest(found)
    if not project.workflows:
        complain(f"{WORKFLOW} is not written: {UNKNOWN}", typer.colors.YELLOW)
    if problem:
        complain(problem, typer.colors.YELLOW)
    for place in find_links if requirements in new else ():
        if shared_place(place, top, top / project.folder) is None:
            progress(f"NOTE: {requirements}: the workflows find no wheels in {place}; {_WHEELS}")
    _show_next(os.path.relpath(top / project.folder), find_links, lacks_requirements=bool(problem))
    return WELL


def _show_table(images: Sequence[Adopted], found: Survey) -> None:
    inputs = [found.inputs.get(image.name) for image in images]
    print_columns(
        [
            Column("Image", [image.name for image in images]),
            Column("Built by", [image.file if image.is_kept else "the catalogue" for image in images], rank=1),
            Column("Files", [str(len(each.files)) if each else "?" for each in inputs]),
            Column("Modules", [str(len(each.modules)) if each else "?" for each in inputs]),
        ],
        wide_console(),
    )


def _show_rest(found: Survey) -> None:
    """What no entry says, and what a person should look at."""
    for image in found.images:
        if image.unsayable:
            progress(f"\n{image.name} keeps {image.file}; an entry cannot say:")
            for each in image.unsayable:
                progress(f"  {each}")
    if found.loose:
        more = f" and {len(found.loose) - _LISTED} more" if len(found.loose) > _LISTED else ""
        shown = ", ".join(package_path(main) for main in found.loose[:_LISTED])
        progress(f"\nMain packages of no image: {shown}{more}")
    # Of what is kept, each preview says the same.
    made = [found.inputs[image.name] for image in found.images if image.name in found.inputs and not image.is_kept]
    warnings = sorted({text for each in made for text in (*each.warnings, each.fallback) if text})
    for note in (*found.notes, *warnings):
        progress(f"NOTE: {note}")


def _show_next(folder: str, find_links: Sequence[str], *, lacks_requirements: bool) -> None:
    links = "".join(f" --find-links {shlex.quote(absolute_place(place))}" for place in find_links)
    first = ", once requirements.txt is there" if lacks_requirements else ""
    progress(
        f"\nNext{first}:\n  cd {folder} && python3 -m venv .venv && .venv/bin/pip install{links} -r requirements.txt\n"
        "  .venv/bin/carbide-infra preview --stack dev"
    )
