import pandas as pd

from kerasrec import datasets
from kerasrec.data import Interactions
from kerasrec.datasets import Dataset


def small(times):
    interactions = Interactions(
        [0, 1, 1], [0, 0, 1], [1.0, 2.0, 4.5], times, user_ids=["a", "b"], item_ids=[5, 6, 7]
    )
    items = pd.DataFrame({"title": ["x"], "year": [1999]}, index=[5])
    return Dataset("tiny", interactions, items, pd.DataFrame(index=["a", "b"]), "none", "nobody")


def test_describe():
    frame = small([0, 86_400, 5 * 86_400]).describe()
    assert frame["value"].to_dict() == {
        "name": "tiny",
        "interactions": 3,
        "users": 2,
        "items": 3,
        "density": 0.5,
        "lowest value": 1.0,
        "mean value": 2.5,
        "highest value": 4.5,
        "first time": "1970-01-01",
        "last time": "1970-01-06",
        "item columns": "title, year",
        "user columns": "",
        "licence": "none",
        "citation": "nobody",
    }
    assert frame.index.name == "fact"


def test_describe_without_times():
    value = small(None).describe()["value"]
    assert value["first time"] is None and value["last time"] is None


def test_repr():
    assert repr(small(None)) == "Dataset('tiny', 3 interactions of 2 users with 3 items)"
    assert "100,000 interactions" in repr(datasets.synthetic())
