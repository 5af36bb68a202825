"""Diagnosis: what in a machine, a stack and its registry would stop an update; nothing is built or started."""
