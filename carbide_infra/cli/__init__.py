"""The `carbide-infra` command: what a person or a workflow asks about a stack and its images."""
