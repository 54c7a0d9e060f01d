"""Two stages on MovieLens 1M beside their own first stage, split by the time of each user's events.

Protocol: every second user of MovieLens 1M (3,020), each pair relevant, in the order of each user's time
(the data has no times that compare users); the last of each user is held out, and the whole catalogue
ranked without what the user had. The first stage is `implicit_als` with 64 components. The ranker is
`deepfm` on user, item, what two stages know, the user's gender, age, occupation and region, the film's
genres and year, and the situation: the film that was rated last, and the last five. It learns from the last
five events of each user's training part. With `KERASREC_REPRODUCTION=quick`, as in CI, every tenth user and
one epoch for the ranker, and both only have to be far above chance: so few users decide nothing.
"""

import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Interactions, splits
from kerasrec.evaluation import compare, evaluate

pytestmark = pytest.mark.reproduction

RECENT = 5
KINDS = {
    "gender": "category",
    "age": "category",
    "occupation": "category",
    "region": "category",
    "genres": "labels",
    "year": "number",
    "recent": "labels",
    "last": "category",
}
# NDCG@10 of the first stage, and of both by backend.
FIRST, BOTH = 0.0463, {"tensorflow": 0.0653, "jax": 0.0647}


def latest(frame):
    """The films that somebody rated before each row, the latest first, as one text."""
    found = pd.Series("", index=frame.index, dtype=object)
    for n in range(1, RECENT + 1):
        before = frame.groupby("user")["item"].shift(n)
        named = ("|" + before.fillna(0).astype(int).astype(str)).to_numpy(object)
        found = found + np.where(before.isna(), "", named)
    return found.str.lstrip("|").replace("", "none")


def test_two_stages_beat_the_first(shared_data, quick):
    folder = shared_data / "movielens-1m"
    frame = pd.read_csv(folder / "interactions.csv")
    frame = frame[frame["user"] % (10 if quick else 2) == 0].reset_index(drop=True)
    frame["time"] = frame.groupby("user").cumcount()
    frame["recent"] = latest(frame)
    frame["last"] = frame["recent"].str.split("|").str[0]
    data = Interactions.from_frame(frame, time="time", context=["recent", "last"])
    train, test = splits.leave_last_out(data)
    films = pd.read_csv(folder / "movies.csv").set_index("item")
    films["year"] = films["title"].str.extract(r"\((\d{4})\)$")[0].astype(float)
    people = pd.read_csv(folder / "users.csv").set_index("user").astype(str)
    people["region"] = people["zip"].str[0]
    both = kerasrec.train_two_stages(
        train,
        "implicit_als",
        "deepfm",
        KINDS,
        people,
        films.reindex(data.item_ids)[["genres", "year"]],
        later=5,
        n_requests=5,
        candidate_settings={"n_components": 64},
        ranker_settings={"n_components": 16, "hidden": (128, 64), "epochs": 1 if quick else 3},
        verbose=0,
    )
    asked = frame.groupby("user").tail(1).set_index("user")
    situation = {"recent": asked["recent"], "last": asked["last"]}
    how = {"train": train, "metrics": ("ndcg", "recall")}
    reports = [
        evaluate(model, test, name=name, **how)
        for name, model in (("first", both.candidates), ("both", both.in_context(situation)))
    ]
    result = compare(reports, significance="bootstrap")
    print("\n", result.to_frame(), result.p_values)
    first, second = (report["ndcg@10"] for report in reports)
    assert min(first, second) > 0.01  # by chance .001
    if not quick:
        assert second > first and max(result.p_values.values()) < 0.001
        np.testing.assert_allclose([first, second], [FIRST, BOTH[keras.backend.backend()]], atol=0.002)
