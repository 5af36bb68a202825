"""The usual machine: a Docker engine, and a user who is not root but may use it."""
