"""The terms on which a data set may be used, said once a process."""

import sys

from kerasrec.datasets.dataset import Dataset

_said: set[str] = set()


def with_notice(dataset: Dataset) -> Dataset:
    """The data set, whose licence and citation are printed the first time (to standard error)."""
    if dataset.name not in _said:
        _said.add(dataset.name)
        print(f"{dataset.name}\nLicence: {dataset.licence}\nPlease cite: {dataset.citation}", file=sys.stderr)
    return dataset
