"""Checks that every public layer, loss and model passes, whoever wrote it.

A case says how to make one, with every argument other than its default, and what to feed it; the cases
stand in `layers.py`, `losses.py` and `models.py`, and `test_contracts.py` runs them. Something
public without a case is a failure.
"""
