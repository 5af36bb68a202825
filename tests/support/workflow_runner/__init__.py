"""Runs GitHub's workflows here: the same steps, against a bare repository and whatever registry a stack names."""
