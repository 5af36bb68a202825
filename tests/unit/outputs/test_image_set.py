"""`ImageSet` in a consumer's program, with Pulumi's mocks in the place of the engine."""

from collections.abc import Callable
from typing import Any, get_type_hints

import pulumi
import pytest
from pydantic import BaseModel

from carbide_infra.outputs import SCHEMA_VERSION, ImageOutput, ImageReference, ImageSet
from tests.support.outputs import exported, exported_by_version_1

STACK = "my-org/carbide-infra/prod"
API, DB = "carbide-rest-api", "carbide-rest-db"


class Backend(pulumi.runtime.Mocks):
    """A backend with one stack."""

    def __init__(self, outputs: dict[str, Any], secrets: list[str] | None = None) -> None:
        self.outputs = outputs
        self.secrets = secrets or []
        self.read: list[str] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        assert args.typ == "pulumi:pulumi:StackReference"
        self.read.append(args.name)
        state = {"name": args.name, "outputs": self.outputs, "secretOutputNames": self.secrets}
        return args.name, state

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        assert args.token == "pulumi:pulumi:readStackOutputs"  # noqa: S105 - the name of a function
        if args.args["name"] != STACK:
            return {}, [("", f'unknown stack "{args.args["name"]}"')]
        return {"name": STACK, "outputs": self.outputs}, []


def over_the_wire(outputs: dict[str, Any]) -> dict[str, Any]:
    """As the engine hands outputs to another stack: without what is null, in maps however deep."""
    return {
        key: over_the_wire(value) if isinstance(value, dict) else value
        for key, value in outputs.items()
        if value is not None
    }


def run(program: Callable[[], Any], backend: Backend | None = None) -> None:
    backend = backend or Backend(over_the_wire(exported()))
    pulumi.runtime.set_mocks(backend, project="consumer", stack="test", preview=False)
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]


def resolved(field: Callable[[ImageSet], pulumi.Output[Any]], backend: Backend | None = None) -> Any:  # noqa: ANN401
    found: list[Any] = []
    run(lambda: field(ImageSet.from_stack(STACK)).apply(found.append), backend)
    (value,) = found
    return value


def plain(value: Any) -> Any:  # noqa: ANN401
    """A value as it is exported."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value


FIELDS = [name for name, value in vars(ImageReference).items() if isinstance(value, property)]


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_resolves_to_what_the_stack_exports(field: str) -> None:
    alias = ImageOutput.model_fields[field].alias
    found = resolved(lambda images: getattr(images[API], field))
    assert plain(found) == exported()["images"][API][alias]


def test_outputs_of_version_1_are_read() -> None:
    old = Backend(over_the_wire(exported_by_version_1()))
    assert resolved(lambda images: images[API].ports, old) == {"port": 8388}
    assert resolved(lambda images: images[DB].kind, old) == "job"
    assert resolved(lambda images: images[API].ref, old) == exported()["images"][API]["ref"]


def test_every_field_of_the_contract_is_there_with_its_type() -> None:
    # About what an image is, and not for running it: `details` has it.
    assert set(FIELDS) == set(ImageOutput.model_fields) - {"dockerfile"}
    contract = get_type_hints(ImageOutput)
    for field in FIELDS:
        (promised,) = get_type_hints(getattr(ImageReference, field).fget)["return"].__args__
        assert promised in {contract[field], *getattr(contract[field], "__args__", ())}, field
        assert promised is not type(None), field


def test_the_two_ways_to_an_image_are_the_same() -> None:
    assert resolved(lambda images: images.image(API).ref) == resolved(lambda images: images[API].ref)


def test_the_stack_is_referred_to_by_its_name() -> None:
    backend = Backend(exported())
    resolved(lambda images: images[API].ref, backend)
    assert backend.read == [STACK]


def test_a_reference_that_the_program_has_already_will_do() -> None:
    found: list[str] = []
    run(lambda: ImageSet(pulumi.StackReference(STACK))[API].ref.apply(found.append))
    assert found == [exported()["images"][API]["ref"]]


def test_details_has_all_and_null_where_the_contract_says_null() -> None:
    assert resolved(lambda images: images[DB].details.apply(lambda image: image.port)) is None


def test_a_newer_field_is_in_the_details() -> None:
    newer = exported()
    newer["images"][API]["provenance"] = "slsa"
    extra = resolved(lambda images: images[API].details.apply(lambda image: image.model_extra), Backend(newer))
    assert extra == {"provenance": "slsa"}


def test_a_secret_beside_the_images_makes_no_secret_of_them() -> None:
    backend = Backend(exported() | {"token": "x"}, secrets=["token"])
    secret: list[bool] = []

    async def look() -> None:
        secret.append(await ImageSet.from_stack(STACK)[API].ref.is_secret())

    run(look, backend)
    assert secret == [False]


@pytest.mark.parametrize(
    "name", ["prod", "carbide-infra/prod", "a/b/c/d", "my-org//prod", "", " my-org/a/b", "o/p/s\n", "örg/p/s"]
)
def test_a_malformed_name_is_an_error_at_once(name: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"is not a full name; write organization/project/stack, such as my-org"):
        ImageSet.from_stack(name)


def test_a_missing_stack_is_an_error_at_once() -> None:
    reached: list[str] = []

    def program() -> None:
        ImageSet.from_stack("my-org/carbide-infra/staging")
        reached.append("the next line")

    with pytest.raises(pulumi.RunError, match=r"stack my-org/carbide-infra/staging: cannot be read: .*unknown stack"):
        run(program)
    assert not reached


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, r"has no outputs yet; update it with `pulumi up`"),
        ({"vpc": "x"}, r"has no output schemaVersion, so it is not a stack of carbide-infra"),
        ({"images": {}}, r"has no output schemaVersion"),
        ({"schemaVersion": SCHEMA_VERSION}, r"malformed outputs: images is missing"),
        (exported() | {"schemaVersion": SCHEMA_VERSION + 1}, r"schema version 3.* upgrade it with `pip install"),
        (exported() | {"images": {API: {"ref": 1}}}, r"malformed outputs: images\.carbide-rest-api\.ref"),
    ],
)
def test_a_stack_that_does_not_keep_the_contract_fails_the_program(outputs: dict[str, Any], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^stack {STACK}: .*{message}"):
        run(lambda: ImageSet.from_stack(STACK)[API].ref, Backend(outputs))


def test_a_missing_image_fails_the_program_and_those_that_exist_are_named() -> None:
    with pytest.raises(
        pulumi.RunError, match=rf"^stack {STACK}: has no image 'carbide-rest-apii'; .*{API}, carbide-rest"
    ):
        run(lambda: ImageSet.from_stack(STACK)["carbide-rest-apii"].ref)


def test_it_fails_also_where_no_field_of_it_is_used() -> None:
    def program() -> None:
        ImageSet.from_stack(STACK)["carbide-rest-apii"]

    with pytest.raises(pulumi.RunError, match="has no image 'carbide-rest-apii'"):
        run(program)


@pytest.mark.parametrize(
    ("field", "image", "message"),
    [("port", DB, "image carbide-rest-db has no port"), ("revision", API, "has no known revision")],
)
def test_what_an_image_does_not_have_is_an_error_and_never_none(field: str, image: str, message: str) -> None:
    outputs = exported()
    del outputs["images"][API]["revision"]
    with pytest.raises(pulumi.RunError, match=message):
        resolved(lambda images: getattr(images[image], field), Backend(over_the_wire(outputs)))
