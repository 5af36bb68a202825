"""Outputs: the contract that deployment stacks read."""

from typing import TypedDict


class ImageOutput(TypedDict):
    """One entry of the stack output `images`, under the image's name.

    `ref` is `repository@digest`; `tags` has the image's own, immutable tag first;
    `revision` is the commit that last touched the image's inputs, None where git does not
    tell; `port` is None for a job that ends; `user` is uid:gid.
    """

    ref: str
    digest: str
    repository: str
    tags: list[str]
    platforms: list[str]
    version: str
    revision: str | None
    goVersion: str
    port: int | None
    user: str
