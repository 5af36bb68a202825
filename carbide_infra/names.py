"""Names that others have to know: those of resources in a stack's state, and of an image's labels, and a variable."""

STACK_TYPE = "pulumi:pulumi:Stack"
COMPONENT_TYPE = "carbide:image:ServiceImage"
IMAGE_TYPE = "docker-build:index:Image"
INDEX_TYPE = "docker-build:index:Index"
RECORD_TYPE = "pulumi:index:Stash"

AGENT_VARIABLE = "SSH_AUTH_SOCK"
"""Where ssh, and the provider, find the user's agent."""

_OCI = "org.opencontainers.image."
TITLE_LABEL = f"{_OCI}title"
DESCRIPTION_LABEL = f"{_OCI}description"
VENDOR_LABEL = f"{_OCI}vendor"
LICENSES_LABEL = f"{_OCI}licenses"
SOURCE_LABEL = f"{_OCI}source"
VERSION_LABEL = f"{_OCI}version"
REVISION_LABEL = f"{_OCI}revision"
CREATED_LABEL = f"{_OCI}created"
BASE_NAME_LABEL = f"{_OCI}base.name"
BASE_DIGEST_LABEL = f"{_OCI}base.digest"
STAND_IN_LABEL = "com.nvidia.carbide.stand-in-base"
"""Names the base images in whose place this machine has stand-ins; every image that is built on one has it."""

RELEASE_MARK = "released-"
"""What a tag begins with that keeps, beside a released version's own tag, what was released; no version does."""

WHOLE_TREE = "every image depends on the whole source tree"
"""The program's warning of a machine without Go has these words, by which a report knows it."""

NO_HISTORY = "the source's git history is out of reach"
"""Likewise of a source tree without git."""
