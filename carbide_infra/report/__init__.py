"""The preview report: models of a preview become models of what changes, and those become text."""
