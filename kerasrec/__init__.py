"""From a table of who did what with which item to a trained, measured, saved recommender."""

from kerasrec import layers as layers
from kerasrec.trainers import Model as Model
