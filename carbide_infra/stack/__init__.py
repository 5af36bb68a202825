"""The stack: its file, its state, and the Pulumi CLI."""
