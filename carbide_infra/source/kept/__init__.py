"""Images that keep a Dockerfile of their own: what it takes from the tree, read without running anything of it."""
