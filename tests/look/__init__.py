"""What people look at, rendered as they see it: `make test-look`."""
