"""Interactions and features, their splits, samplers and batches."""

from kerasrec.data.interactions import Interactions as Interactions
from kerasrec.data.pairs import pairs as pairs
