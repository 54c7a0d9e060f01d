"""Measurements of kerasrec and other libraries: `python -m benchmarks --list`."""
