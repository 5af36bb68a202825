"""Mutation testing: how many small mistakes in the core modules the unit tests notice. See docs/maintaining.md."""
