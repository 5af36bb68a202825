"""The source tree: git's facts, version, inputs and their staging."""
