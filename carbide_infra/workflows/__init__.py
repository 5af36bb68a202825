"""GitHub's workflows on this machine: the same steps, against a bare repository and whatever registry a stack names."""
