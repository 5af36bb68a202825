"""An engine that keeps what a Pulumi program sends to it, options included, and lets resources fail as it is told."""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import engine_pb2, provider_pb2, resource_pb2
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.stack import run_in_stack

from tests.support.outputs import digest_of

PROJECT, STACK = "carbide-infra", "test"
COMPONENT, IMAGE, INDEX = "carbide:image:ServiceImage", "docker-build:index:Image", "docker-build:index:Index"
RECORD, PROVIDER = "pulumi:index:Stash", "pulumi:providers:docker-build"

# Pulumi's wire format of a secret: an object with this key, the value beside it.
_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105 - a constant of the protocol
_STACK_TYPE = "pulumi:pulumi:Stack"
_OPTIONS = (
    "additionalSecretOutputs",
    "aliases",
    "customTimeouts",
    "deleteBeforeReplace",
    "deletedWith",
    "hideDiffs",
    "ignoreChanges",
    "importId",
    "protect",
    "providers",
    "replaceOnChanges",
    "retainOnDelete",
)


def secret(value: object) -> dict[str, Any]:
    """A secret as it is sent."""
    return {_SECRET_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": value}


@dataclass(frozen=True)
class Registration:
    """One resource, as the engine is told of it.

    Attributes:
        kind: type token.
        name: logical name.
        inputs: as they are sent; secrets are marked.
        parent: the parent's name.
        dependencies: names of the resources it waits for, and fails with.
        options: the others that were given.
    """

    kind: str
    name: str
    inputs: Mapping[str, Any]
    parent: str
    dependencies: Collection[str]
    options: Mapping[str, Any]


class RecordingEngine(MockMonitor):
    """Answers as Pulumi's own does under `--continue-on-error`: of a failed resource it says so, and continues.

    Args:
        failing: names of `Image` or `Index` resources that fail.
        answers: functions by their token; each gives the return value, or raises with what the provider says.
        left_out: resources that `--target` or `--exclude` leave out, by type and name: what the state holds of
            them, or nothing where they are not in it.
    """

    def __init__(
        self,
        failing: Collection[str] = (),
        answers: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] | None = None,
        left_out: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    ) -> None:
        self.pulumi_refuses: Callable[[str], bool] = lambda _: False
        """Whether the CLI is none of the versions of a range."""
        super().__init__(mocks=None)  # type: ignore[arg-type]  # asked by ReadResource alone
        self.failing = failing
        self.answers = answers or {}
        self.left_out = left_out or {}
        self._failed: set[str] = set()
        self.registered: list[Registration] = []
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        """Token, arguments and provider of each function call."""
        self.outputs: dict[str, dict[str, Any]] = {}
        """What components, and the stack under its own name, registered as their outputs."""
        self.messages: list[tuple[str, str]] = []
        """Severity and text of what the user is told."""

    def GetDeploymentInfo(self, request: object) -> resource_pb2.DeploymentInfo:  # noqa: N802 - the protocol's name
        """What Pulumi's own mock says, without the error hooks that it cannot call."""
        told: resource_pb2.DeploymentInfo = super().GetDeploymentInfo(request)  # type: ignore[no-untyped-call]
        told.supportedFeatures.remove(resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS)
        return told

    def of(self, kind: str) -> dict[str, Registration]:
        """The registrations of one type by name."""
        return {resource.name: resource for resource in self.registered if resource.kind == kind}

    def said(self, severity: str) -> list[str]:
        """Messages of one severity, such as WARNING."""
        return [text for level, text in self.messages if level == severity]

    @property
    def exported(self) -> dict[str, Any] | None:
        """The stack's outputs; None where it got none, and the former ones stay."""
        return self.outputs.get(f"{PROJECT}-{STACK}")

    def run(
        self,
        program: Callable[[], object],
        *,
        preview: bool = False,
        config: Mapping[str, str] | None = None,
        secret_keys: Collection[str] = (),
        foreign: Mapping[str, str] | None = None,
    ) -> None:
        """Run a program as Pulumi's language host does, in a context of its own.

        Args:
            program: what to run.
            preview: whether nothing is made.
            config: the stack's values for this project, by key without namespace.
            secret_keys: those of them that are stored encrypted.
            foreign: values of other namespaces, by whole key.
        """

        def inside() -> None:
            namespaced = {f"{PROJECT}:{key}": value for key, value in (config or {}).items()} | dict(foreign or {})
            pulumi.runtime.set_all_config(namespaced, [f"{PROJECT}:{key}" for key in secret_keys])
            settings = pulumi.runtime.Settings(
                PROJECT, STACK, monitor=self, engine=self, dry_run=preview, organization="organization"
            )
            pulumi.runtime.configure(settings)
            with contextlib.closing(asyncio.new_event_loop()) as loop:
                try:
                    loop.run_until_complete(run_in_stack(lambda: _nothing(program())))
                finally:
                    # What is being sent when the program fails arrives.
                    loop.run_until_complete(loop.shutdown_default_executor())

        # As the host does: what waits for a failed resource would be told as an exception that nobody retrieved.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        contextvars.Context().run(inside)

    # ---- What the SDK calls.

    def RegisterResource(  # noqa: N802 - a name of the protocol
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == _STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if any(_without_parents(needed) in self._failed for needed in request.dependencies):
            return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.SKIP)
        self.registered.append(_registration(request))
        if request.name in self.failing and request.type in {IMAGE, INDEX}:
            self._failed.add(_without_parents(urn))
            return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.FAIL)
        if (request.type, request.name) in self.left_out:
            return _left_out(urn, self.left_out[request.type, request.name])
        state = Struct()
        state.CopyFrom(request.object)
        state.update(_computed(request))
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"id-of-{request.name}", object=state)

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> object:  # noqa: N802
        self.outputs[_name_of(request.urn)] = MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802
        arguments = MessageToDict(request.args)
        self.asked.append((request.tok, arguments, request.provider))
        response = resource_pb2.ResourceInvokeResponse()
        try:
            response.__getattribute__("return").update(self.answers[request.tok](arguments))
        except RuntimeError as error:
            response.failures.append(provider_pb2.CheckFailure(reason=str(error)))
        return response

    def RequirePulumiVersion(  # noqa: N802
        self, request: engine_pb2.RequirePulumiVersionRequest
    ) -> engine_pb2.RequirePulumiVersionResponse:
        if self.pulumi_refuses(request.pulumi_version_range):
            message = f"Pulumi CLI version 9.9.9 does not satisfy the version range {request.pulumi_version_range}"
            raise _Refusal(message)
        return engine_pb2.RequirePulumiVersionResponse()

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802
        self.messages.append((engine_pb2.LogSeverity.Name(request.severity), request.message))


class _Refusal(grpc.RpcError):  # type: ignore[misc]
    """What a client gets of a call that fails."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INVALID_ARGUMENT

    def details(self) -> str:
        return str(self)


def _nothing(_: object) -> None:
    """What `run_in_stack` may be given: a result is none of its business."""


def _registration(request: resource_pb2.RegisterResourceRequest) -> Registration:
    options = {field.name: value for field, value in request.ListFields() if field.name in _OPTIONS}
    return Registration(
        kind=request.type,
        name=request.name,
        inputs=MessageToDict(request.object),
        parent=_name_of(request.parent),
        dependencies=sorted(set(map(_name_of, request.dependencies))),
        options=options | ({"provider": request.provider} if request.provider else {}),
    )


def _computed(request: resource_pb2.RegisterResourceRequest) -> dict[str, str]:
    """What a provider finds out; nothing is known of it in a preview."""
    inputs = MessageToDict(request.object)
    computed = {}
    if request.type == IMAGE:
        computed["digest"] = digest_of(request.name)
    elif request.type == INDEX:
        computed["ref"] = f"{inputs['tag']}@{inputs['sources'][0].rpartition('@')[2]}"
    return dict.fromkeys(computed, UNKNOWN) if pulumi.runtime.is_dry_run() else computed


def _left_out(urn: str, state: Mapping[str, Any]) -> resource_pb2.RegisterResourceResponse:
    response = resource_pb2.RegisterResourceResponse(urn=urn, id="id" if state else "", unknown=not state)
    response.object.update(state)
    return response


def _without_parents(urn: str) -> str:
    """Type and name; the SDK's own stand-in for an engine knows one parent only."""
    return urn.rpartition("$")[2]


def _name_of(urn: str) -> str:
    return urn.rpartition("::")[2]
