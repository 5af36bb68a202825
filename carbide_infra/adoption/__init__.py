"""Adoption: a project for somebody's repository, from the Dockerfiles and build files that are in it."""
