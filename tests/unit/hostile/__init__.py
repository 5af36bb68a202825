"""Hostile input, generated: whatever strangers choose, there is a sentence, and no traceback, command or file."""
