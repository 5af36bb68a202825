"""Faults: killed processes, full disks, cut connections, damaged files, and what a plain re-run makes of each."""
