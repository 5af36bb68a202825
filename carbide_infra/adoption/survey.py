"""Looks a clone through: which images there are, which of them an entry can say, and what is left for a person."""

import os
import posixpath
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from carbide_infra.adoption import ko
from carbide_infra.adoption.build_files import build_files
from carbide_infra.adoption.catalogue_text import catalogue_text
from carbide_infra.adoption.charts import Charts, renamed, with_charts
from carbide_infra.adoption.discovery import dockerfiles, is_template, matches, recipes, require_distinct
from carbide_infra.adoption.dockerfiles import Clone, Recipe, adopted
from carbide_infra.adoption.go_list import Packages, go_release, packages_of
from carbide_infra.adoption.helm_values import helm_values
from carbide_infra.adoption.project import Registry
from carbide_infra.adoption.targets import unnamed_images
from carbide_infra.adoption.told import Adopted, Said, Unsayable
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.catalogue.checks import check_images
from carbide_infra.catalogue.loading import Catalogue, Stack, load_catalogue
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import CatalogueError, Problem
from carbide_infra.errors import CommandError
from carbide_infra.source.go_command import ModuleAccess
from carbide_infra.source.go_environment import module_settings
from carbide_infra.source.images import wanted_by
from carbide_infra.source.inputs import InputError, Inputs, inputs_of
from carbide_infra.source.kept.context import wanted_by_kept
from carbide_infra.source.kept.reading import parsed

_NO_STACK = Stack()


@dataclass(frozen=True)
class Survey:
    """What a clone makes.

    Attributes:
        images: found, sorted by name.
        inputs: what each is made of; without those of which that is not known.
        loose: main packages that no image has.
        notes: what a person should look at.
        registry: where build files push to; None where none says it.
        pulled: where Helm charts take the images from; None where none says it.
    """

    images: tuple[Adopted, ...]
    inputs: Mapping[str, Inputs]
    loose: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    registry: Registry | None = None
    pulled: Registry | None = None


@dataclass(frozen=True)
class Question:
    """What is asked about a clone.

    Attributes:
        root: the source root.
        cache_dir: where answers are kept.
        repository: what names an image that nothing else does.
        skipped: Dockerfiles, folders or patterns that are left out.
        as_is: whether every image keeps its Dockerfile.
    """

    root: Path
    cache_dir: Path
    repository: str
    skipped: Sequence[str] = ()
    as_is: bool = False


@dataclass
class _Surveyor:
    question: Question
    clone: Clone
    notes: list[str] = field(default_factory=list)
    charts: Charts = field(default_factory=Charts)

    def is_skipped(self, name: str) -> bool:
        """Whether a file is left out."""
        return any(matches(name, pattern) for pattern in self.question.skipped)

    def read_charts(self) -> None:
        """What Helm charts say of images."""
        said = helm_values(self.clone.files, self.is_skipped)
        self.charts = Charts(said.running)
        self.notes += said.notes

    def recipes(self) -> list[Recipe]:
        """Those of build files, and of the Dockerfiles that none of these names."""
        files, skipped = self.clone.files, self.question.skipped
        said = build_files(files, self.is_skipped)
        self.notes += said.notes
        there = dockerfiles(files, skipped)
        names = [name for name in there if not is_template(name)]
        self.notes += [f"{name}: is a template by its name; adopt what it makes" for name in there if name not in names]
        named = [recipe for recipe in said.recipes if recipe.file in names]
        rest = [name for name in names if name not in {recipe.file for recipe in named}]
        found = _distinct(named) + recipes(rest, names, self.question.repository)
        found, notes = renamed(found, self.charts.running, self.question.repository)
        self.notes += notes
        return sorted(found, key=lambda recipe: recipe.name)

    def look_for_others(self, found: Sequence[Recipe]) -> None:
        """Stages that are images by the looks of them, and have no recipe."""
        for file in sorted({recipe.file for recipe in found}):
            try:
                commands = parsed(self.clone.files.text(file), file)
            except InputError:
                continue
            targets = [recipe.target for recipe in found if recipe.file == file]
            self.notes += [
                f"{file}:{line}: the stage {name} is another image by the looks of it, but no bake or compose file "
                f"here names it; add it by hand, with target: {name}"
                for line, name in unnamed_images(commands, targets)
            ]

    def image(self, recipe: Recipe) -> Adopted:
        """As an entry where the catalogue's own checks, and Go, take it."""
        found = self._adopted(recipe)
        if not found.is_kept:
            reasons = tuple(self._reasons(found))
            if reasons:
                found = adopted(recipe, self.clone, because=reasons)
        if found.is_kept:
            self._require_nameable(found)
        return self._with_charts(found)

    def _with_charts(self, found: Adopted) -> Adopted:
        found, notes = with_charts(found, self.charts, lambda image: list(self._reasons(image)))
        self.notes += notes
        return found

    def _require_nameable(self, found: Adopted) -> None:
        try:
            resolved([found])
        except CatalogueError as error:
            problem = error.problems[0]
            why = f"{problem.key}: {problem.text}"
            msg = f"{found.file}: no catalogue can name it ({why}); leave it out with --skip '{found.file}'"
            raise CommandError(msg) from error

    def without_dockerfile(self, images: Sequence[Adopted]) -> list[Adopted]:
        """Images of main packages that ko builds."""
        if self.is_skipped(ko.FILE):
            return []
        if self.question.as_is:
            if self.clone.files.is_file(ko.FILE):
                self.notes.append(f"{ko.FILE}: its images have no Dockerfile that they could keep; leave out --as-is")
            return []
        taken = frozenset(package for image in images for package in image.packages)
        names = {image.name for image in images}
        found = []
        for image in ko.ko_images(self.clone.files, self.clone.packages, taken, self.notes):
            reasons = [str(reason) for reason in self._reasons(image)]
            if image.name in names:
                reasons.append(f"{image.name}: has a Dockerfile, too")
            if reasons:
                self.notes += [f"{ko.FILE}: {reason}; add it to the catalogue by hand" for reason in reasons]
            else:
                found.append(self._with_charts(image))
        return found

    def _adopted(self, recipe: Recipe) -> Adopted:
        found = adopted(recipe, self.clone, as_is=self.question.as_is)
        return found if found.is_kept else self._with_builder(found)

    def _with_builder(self, found: Adopted) -> Adopted:
        """A builder that does not name its Go version has that of go.mod."""
        builder = str(found.entry["builder"].value) if "builder" in found.entry else ""
        if builder.rpartition("/")[2].startswith("golang:1"):
            return found
        module = self.clone.packages.module_of(found.packages[0]) or "."
        release = go_release(self.clone.files, module)
        if release is None:
            return found
        said = {"goVersion": Said(release[0], release[1])}
        if not builder or builder.rpartition("/")[2].partition(":")[0] == "golang":
            said = {"builder": Said(f"golang:{release[0]}", release[1])}
        return replace(found, entry={**found.entry, **said})

    def _reasons(self, found: Adopted) -> Iterator[Unsayable]:
        try:
            yield from (
                Unsayable(_where(found, problem.key), f"{problem.key}: {problem.text}", "put that right")
                for problem in _problems(found, self.question.root)
            )
        except CatalogueError as error:
            for problem in error.problems:
                yield Unsayable(_where(found, problem.key), f"{problem.key}: {problem.text}", "put that right")


def survey(question: Question) -> Survey:
    """Look a clone through.

    Raises:
        CommandError: a Dockerfile cannot be read, two make one image, there is no Go, or nothing to adopt.
    """
    files = TreeFiles.of(question.root, question.cache_dir)
    packages = Packages({}, ()) if question.as_is else packages_of(files, question.cache_dir)
    surveyor = _Surveyor(question, Clone(files, packages), list(packages.problems))
    surveyor.read_charts()
    found = surveyor.recipes()
    require_distinct(found)
    surveyor.look_for_others(found)
    images = [surveyor.image(recipe) for recipe in found]
    images += surveyor.without_dockerfile(images)
    by_name = {recipe.name: recipe for recipe in found}
    images, inputs = _with_inputs(images, by_name, surveyor)
    taken = {package for image in images for package in (*image.packages, *image.compiled)}
    loose = tuple(main for main in packages.mains if main not in taken)
    pulled, notes = surveyor.charts.pulled({image.name for image in images})
    notes = [*surveyor.notes, *(note for image in images for note in image.notes), *notes]
    pushed = next((recipe for recipe in found if recipe.registry), None)
    registry = Registry(*pushed.registry.partition("/")[::2], pushed.where) if pushed else None
    return Survey(tuple(images), inputs, loose, tuple(dict.fromkeys(notes)), registry, pulled)


def _distinct(found: Sequence[Recipe]) -> list[Recipe]:
    """Targets that are built alike are one image, by the first of them."""
    seen: dict[str, Recipe] = {}
    for recipe in found:
        how = repr((recipe.file, recipe.context, recipe.target, sorted(recipe.arguments.items())))
        seen.setdefault(how, recipe)
    return list(seen.values())


def _where(found: Adopted, key: str) -> str:
    """The place of the value that a problem of the catalogue is about."""
    name = key.partition(": ")[2].partition(".")[0].partition("[")[0]
    return found.entry[name].where if name in found.entry and found.entry[name].where else found.file


def resolved(images: Sequence[Adopted]) -> tuple[Image, ...]:
    """The images as the program would read them.

    Raises:
        CatalogueError: a value is none of the catalogue's language.
    """
    return _catalogue(images).images


def _catalogue(images: Sequence[Adopted]) -> Catalogue:
    with tempfile.TemporaryDirectory(prefix="carbide-init-") as folder:
        file = Path(folder) / "services.yaml"
        file.write_text(catalogue_text(images), encoding="utf-8")
        return load_catalogue(file, "services.yaml")


def _problems(found: Adopted, root: Path) -> Sequence[Problem]:
    catalogue = _catalogue([found])
    return check_images(catalogue, _NO_STACK, catalogue.images, root, is_development=False).errors


def _with_inputs(
    images: Sequence[Adopted], by_name: Mapping[str, Recipe], surveyor: _Surveyor
) -> tuple[list[Adopted], dict[str, Inputs]]:
    """What each is made of; an image of which Go says that it cannot be built from the clone keeps its Dockerfile."""
    if not images:
        return [], {}
    try:
        return list(images), _inputs(images, surveyor.question)
    except InputError:
        pass
    found: list[Adopted] = []
    inputs: dict[str, Inputs] = {}
    for image in images:
        each = image
        try:
            inputs |= _inputs([each], surveyor.question)
        except InputError as error:
            if not each.is_kept and each.name in by_name:
                reason = Unsayable(each.file, str(error), "put that right, or commit what is not there")
                each = adopted(by_name[each.name], surveyor.clone, because=[reason])
            try:
                inputs |= _inputs([each], surveyor.question)
            except InputError as inner:
                surveyor.notes.append(f"{each.name}: {inner}")
        found.append(each)
    return found, inputs


def _inputs(images: Sequence[Adopted], question: Question) -> dict[str, Inputs]:
    root, cache = question.root.resolve(), question.cache_dir
    read = resolved(images)
    wanted = {image.name: wanted_by(image, root) for image in read if image.kept is None}
    # A stranger's tree names modules: they come from where this machine's Go gets them, and never by git from a host
    # of the tree's choice.
    access = ModuleAccess({**module_settings(os.environ), "GOVCS": "*:off"})
    return inputs_of(root, {**wanted, **wanted_by_kept(read, root, cache)}, cache, access)


def repository_name(top: Path, url: str) -> str:
    """What a clone is called: by its remote, else by its folder."""
    named = posixpath.basename(url.rstrip("/").removesuffix(".git"))
    return named or top.name
