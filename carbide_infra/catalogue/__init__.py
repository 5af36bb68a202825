"""The catalogue: the images as data, read from a file, checked against a source tree, rendered as Dockerfiles."""
