"""Prints the terms of use of a data set, once per process."""

import sys

from kerasrec.datasets.dataset import Dataset

_said: set[str] = set()


def with_notice(dataset: Dataset) -> Dataset:
    """Print the licence and citation of a data set (once, to standard error), and return the data set."""
    if dataset.name not in _said:
        _said.add(dataset.name)
        print(f"{dataset.name}\nLicence: {dataset.licence}\nPlease cite: {dataset.citation}", file=sys.stderr)
    return dataset
