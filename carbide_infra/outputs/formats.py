"""The images as the files of other deployment tools; every one of them refers by digest."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from carbide_infra.outputs.contract import ImageOutput, StackOutputs


def as_json(outputs: StackOutputs) -> str:
    """The contract itself, to be read again."""
    return json.dumps(outputs.exported(), indent=2, ensure_ascii=False) + "\n"


def env(outputs: StackOutputs) -> str:
    """Lines for a shell to source: `CARBIDE_REST_API_IMAGE=repository@digest`."""
    return "".join(f"{_variable(name)}={shlex.quote(image.ref)}\n" for name, image in outputs.images.items())


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", f"{name}_image", flags=re.ASCII).upper()


def helm_values(outputs: StackOutputs) -> str:
    """Values for one chart with a subchart for each image, or to copy from: `<name>.image.{repository,tag,digest}`."""
    return _yaml({name: {"image": _helm_image(image)} for name, image in outputs.images.items()})


def _helm_image(image: ImageOutput) -> Mapping[str, str]:
    # The image's own tag, which never moves: a re-tag makes no diff here, either.
    return {"repository": image.repository, "tag": image.tags[0], "digest": image.digest}


def kustomize(outputs: StackOutputs) -> str:
    """A component for `components:` of a kustomization; manifests name an image as it is named here."""
    images = [
        {"name": name, "newName": image.repository, "digest": image.digest} for name, image in outputs.images.items()
    ]
    return _yaml({"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "images": images})


def compose(outputs: StackOutputs) -> str:
    """An override file: services are named as the images are."""
    return _yaml({"services": {name: {"image": image.ref} for name, image in outputs.images.items()}})


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
