"""Which images run: those of the image stack, but for what this stack pins."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from carbide_infra.outputs import ImageReference, ImageSet


@dataclass(frozen=True)
class DeployedImages:
    """The image stack's images, and the digests to run in place of theirs, by image."""

    found: ImageSet
    pins: Mapping[str, str]

    def __getitem__(self, name: str) -> ImageReference:
        """What the image stack says of an image."""
        return self.found[name]

    def ref(self, name: str) -> pulumi.Output[str]:
        """What to run: repository@digest. Another tag of the same content gives the same."""
        if name in self.pins:
            return pulumi.Output.concat(self.found[name].repository, "@", self.pins[name])
        return self.found[name].ref

    def pulled(self, name: str, parent: pulumi.Resource) -> docker.RemoteImage:
        """The image on this host; old ones stay there, for the way back."""
        opts = pulumi.ResourceOptions(parent=parent)
        return docker.RemoteImage(name, name=self.ref(name), keep_locally=True, opts=opts)
