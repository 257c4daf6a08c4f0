"""Benchmarks: each figure beside its floor, in alternating blocks of one run. ``python -m benchmarks NAME --json``."""
