"""Names that stand in every stack's state, and that its readers look for."""

STACK_TYPE = "pulumi:pulumi:Stack"
COMPONENT_TYPE = "carbide:image:ServiceImage"
IMAGE_TYPE = "docker-build:index:Image"
INDEX_TYPE = "docker-build:index:Index"
