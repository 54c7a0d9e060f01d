from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrec.zoo._card import Card
from kerasrec.zoo._fitted import VALUES_SETTING, Values, factorised, positives
from kerasrec.zoo._results import COMPARED, on_movielens_1m

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions


def Popularity(interactions: "Interactions", half_life: Any = None, values: Values = "binary") -> keras.Model:
    """The same list for all users: the items with the most interactions.

    `score[u, i] = sum_v x[v, i]` over likes. With `half_life`, the weight of an interaction halves with every
    half-life between it and the last interaction. With `values="raw"`, counts are weighted event by event if
    the events are kept (`Interactions.events`).

    Args:
        interactions: `Interactions`.
        half_life: time in which an interaction loses half of its weight: a number in the unit of the times,
            or a `datetime.timedelta` or `pandas.Timedelta` if these were dates. Defaults to `None`: all
            interactions have the same weight.
        values: what an interaction counts: 1 (`"binary"`), its value (`"raw"`), log(1 + value) (`"log"`), or
            its BM25 weight (`"bm25"`). Defaults to `"binary"`.

    Returns:
        A fitted `keras.Model`.

    Raises:
        ValueError: if there are no likes, `values` is unknown, or `half_life` is not positive, does not match
            the type of the times, or is given without times.

    Example:
        >>> import numpy as np, kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.Popularity(x)
        >>> model.predict({"user": np.array([[0]]), "item": np.array([[0, 1]])}, verbose=0).tolist()
        [[1.0, 2.0]]

    References:
        Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation tasks",
        2010 (TopPop).
    """
    matrix = positives(interactions, values)
    if half_life is None:
        counts = np.asarray(matrix.sum(axis=0)).ravel()
    else:
        counts = _lately(interactions, matrix, half_life, values)
    return factorised(CARD, np.ones((interactions.n_users, 1)), counts[:, None])


def _lately(
    interactions: "Interactions", matrix: "scipy.sparse.csr_matrix", half_life: Any, values: str
) -> np.ndarray:
    """The decayed number of interactions of each item `[I]`."""
    import scipy.sparse

    from kerasrec.data._access import meaning_of

    if interactions.times is None:
        raise ValueError("`interactions` must have times for a `half_life`; load them with `time=`.")
    duration = _duration(half_life, meaning_of(interactions).dates)
    if (
        values == "raw"
        and interactions.duplicates == "sum"
        and np.array_equal(interactions.gains, interactions.values)
    ):
        from kerasrec.data._events import events_of

        events, counted = events_of(interactions)
        weights = events.values * _left(events, duration)
        return np.bincount(events.items[counted], weights[counted], interactions.n_items)
    shares = _left(interactions, duration), (interactions.users, interactions.items)
    left = scipy.sparse.csr_matrix(shares, matrix.shape)
    return np.asarray(matrix.multiply(left).sum(axis=0)).ravel()


def _left(interactions: "Interactions", half_life: float) -> np.ndarray:
    """The share of its weight that remains for each interaction `[n]`."""
    times = np.asarray(interactions.times)
    return np.exp2(-(times.max() - times).astype(np.float64) / half_life)


def _duration(half_life: Any, dates: bool) -> float:
    """Nanoseconds of a time difference, or the number given."""
    seconds = getattr(half_life, "total_seconds", None)
    if dates != (seconds is not None):
        rule, what = ("a timedelta", "dates") if dates else ("a number in their unit", "numbers")
        raise ValueError(
            f"`half_life` must be {rule} if the times are {what}. Received: half_life={half_life!r}."
        )
    duration = float(half_life if seconds is None else seconds() * 1e9)
    if not 0 < duration < float("inf"):
        raise ValueError(f"`half_life` must be positive and finite. Received: half_life={half_life}.")
    return duration


CARD = Card(
    name="popularity",
    factory=Popularity,
    task="ranking",
    summary="The same list for all users: the items with the most interactions, optionally with time decay.",
    reference=(
        'Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation '
        'tasks", 2010.'
    ),
    hyperparameters=(VALUES_SETTING,),
    optimizer=None,
    loss=None,
    results=on_movielens_1m((0.0652, 0.1822)) + "\n\n" + COMPARED,
)
