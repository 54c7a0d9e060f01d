"""Public data sets and a synthetic one, read into one kind of object."""

from kerasrec.datasets.dataset import Dataset as Dataset
from kerasrec.datasets.synthetic import synthetic as synthetic
