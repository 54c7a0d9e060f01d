"""The rows of a table that are held out for a test, and how they are chosen."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kerasrec.data import Interactions

# Descriptions of the held-out rows, by the name of the split.
_SPLITS = {
    "random": "{share} of the rows, at random",
    "per-user": "{share} of the rows of each user, at random",
    "last-out": "the last row of each user, {order}",
    "time": "the latest {share} of the rows",
    "cold-users": "all rows of {share} of the users, at random",
    "cold-items": "all rows of {share} of the items, at random",
}
_BY_TIME = ("last-out", "time")

How = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="HOW",
        help=f"Rows to hold out: {', '.join(_SPLITS)}. Default: time if there are times, else random; for "
        "sequential models, such as sasrec, last-out unless `--test-size` is given.",
    ),
]


@dataclass(frozen=True)
class Parts:
    """The rows to train on and the held-out rows.

    Attributes:
        train: `Interactions`.
        test: `Interactions`, or `None` if none are held out.
        how: name of the split, or `None`.
        line: description of the held-out rows; empty if there are none.
    """

    train: "Interactions"
    test: "Interactions | None"
    how: str | None
    line: str


def check_split(how: str | None, test_size: float | None, has_times: bool) -> None:
    """Refuse an unknown split, or one that contradicts the other options.

    Args:
        how: value of `--split`, or `None`.
        test_size: value of `--test-size`, or `None`.
        has_times: whether a column of times is known.
    """
    if how is None:
        return
    if how not in _SPLITS:
        raise ValueError(f"`--split` must be one of {', '.join(_SPLITS)}. Received: {how!r}.")
    if how == "time" and not has_times:
        raise ValueError(
            "`--split time` needs times: name their column with `--time-column`. Received: no times."
        )
    if how == "last-out" and test_size:
        raise ValueError(
            "`--split last-out` holds out one row of each user: leave `--test-size` out, or choose another "
            f"split. Received: {test_size:g}."
        )
    if how is not None and test_size == 0:
        raise ValueError(f"`--test-size 0` holds nothing out: leave `--split` out. Received: {how!r}.")


def hold_out(
    liked: "Interactions",
    how: str | None,
    test_size: float | None,
    default_size: float,
    seed: int,
    models: Iterable[str],
) -> Parts:
    """Hold rows out, as `kerasrec.data.splits` does.

    A sequential model predicts the next item, so it is tested on the last row of each user. For other models,
    the latest rows are held out if there are times.

    Args:
        liked: `Interactions` to split.
        how: name of the split, or `None` to choose it by the models and the times.
        test_size: share held out; 0 for none, `None` if it was not given.
        default_size: share if `test_size` is `None`.
        seed: seed of the random splits.
        models: names of the models to train.
    """
    from kerasrec import zoo
    from kerasrec.data import splits

    check_split(how, test_size, liked.times is not None)
    share = default_size if test_size is None else test_size
    if not share:
        return Parts(liked, None, None, "")
    chosen = how
    if chosen is None and test_size is None and any(zoo.card(name).sequential for name in models):
        chosen = "last-out"
    if chosen is None:
        chosen = "random" if liked.times is None else "time"
    if chosen == "time":
        train, test = splits.time_split(liked, test_size=share)
    elif chosen == "last-out":
        train, test = _last_rows(liked) if liked.times is None else splits.leave_last_out(liked)
    else:
        function = {
            "random": splits.random_split,
            "per-user": splits.per_user_split,
            "cold-users": splits.cold_user_split,
            "cold-items": splits.cold_item_split,
        }[chosen]
        train, test = function(liked, share, seed)
    order = "by time" if liked.times is not None else "in the order of the table; `--time-column` names times"
    what = _SPLITS[chosen].format(share=f"{100 * share:.4g}%", order=order)
    return Parts(train, test, chosen, f"Held out: {what}" + ("" if how else "; `--split` sets another"))


def _last_rows(liked: "Interactions") -> tuple["Interactions", "Interactions"]:
    """Hold out the last row of each user who has several, in the order of the table, as histories do."""
    from kerasrec.data._last_rows import leave_last_row_out

    try:
        return leave_last_row_out(liked)
    except ValueError:
        raise ValueError(
            "`--split last-out` needs a user with two rows. Received: "
            f"{len(liked):,} rows of as many users; `--split random` holds out rows of any user."
        ) from None
