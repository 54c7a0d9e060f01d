"""Hyperparameter searches over the models of the zoo, based on keras-tuner: spaces, jobs and reports."""

if __name__ != "kerasrec.tuning":
    raise ImportError(
        "Import this package as `kerasrec.tuning`; imported as "
        f"`{__name__}`, its classes would be registered with Keras twice."
    )

from kerasrec.tuning._search import search as search
from kerasrec.tuning.hyper_recommender import HyperRecommender as HyperRecommender
from kerasrec.tuning.job import Job as Job
from kerasrec.tuning.search_result import SearchResult as SearchResult
