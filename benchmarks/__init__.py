"""Measurements of kerasrec beside its peers: `python -m benchmarks --list`."""
