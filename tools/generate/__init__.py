"""What is written by hand nowhere, because it follows from another file; a maintainer's tool, in no wheel."""
