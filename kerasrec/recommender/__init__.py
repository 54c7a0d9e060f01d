"""A model with the ids that it was trained on, in one file."""

from kerasrec.recommender.file import load_model as load_model
from kerasrec.recommender.file import read_catalogue as read_catalogue
from kerasrec.recommender.file import save_model as save_model
