"""The object that a product holds: a model, its ids and what users have, in one file."""

from kerasrec.recommender.explanation import Explanation as Explanation
from kerasrec.recommender.file import load_model as load_model
from kerasrec.recommender.file import read_catalogue as read_catalogue
from kerasrec.recommender.file import save_model as save_model
from kerasrec.recommender.recommender import Recommender as Recommender
