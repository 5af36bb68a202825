"""What every container of a Carbide image is denied, and when it counts as healthy."""

import pulumi
import pulumi_docker as docker

SECURITY_OPTIONS = ["no-new-privileges:true"]
NO_CAPABILITIES = docker.ContainerCapabilitiesArgs(drops=["ALL"])
# The root file system is read-only; /tmp is memory.
SCRATCH = {"/tmp": "rw,noexec,nosuid,size=64m"}  # noqa: S108 - the container's own


def health_check(command: pulumi.Input[list[str]]) -> docker.ContainerHealthcheckArgs:
    """A command in exec form, asked often enough for an update to wait for it."""
    tests = pulumi.Output.from_input(command).apply(lambda words: ["CMD", *words])
    # Durations as Docker writes them: it gives back "1m0s" for "60s", which would look like a change.
    return docker.ContainerHealthcheckArgs(tests=tests, interval="10s", timeout="5s", start_period="10s", retries=3)
