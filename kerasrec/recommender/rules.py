import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kerasrec._arguments import finite_number, positive_integer, share, whole_number
from kerasrec._names import unknown_name

# How the rules choose; no rules by themselves.
_HOW = ("pool", "seed")


@dataclass(frozen=True)
class Rules:
    """What a shop asks of its lists beside the model's scores.

    `where` and `available` say which items may be recommended at all. The others choose among those, item by
    item from the top of a list: `boost` changes the scores, `at_most` and `at_least` say which items may come
    next, and `diversity` and `calibrate` which of these comes:

        (1 - diversity - calibrate) relevance - diversity similarity - calibrate divergence

    where `relevance` is the score, from 0 (the last of the pool) to 1 (the best); `similarity` the largest
    cosine with an item of the list so far (maximal marginal relevance); and `divergence` how far the list
    with the item is from the user's own mix of the column (Kullback-Leibler, the list smoothed by .01 of the
    user's). `diversity` and `calibrate` choose from the user's `pool` best items, and from more where these
    do not fill the list; all other rules look at the whole catalogue.

    A rule is a column of the metadata or, where truth values are meant, also a condition as in `where`.

    Args:
        where: condition on columns of the metadata in pandas' query syntax, such as
            `"price < 20 and category == 'garden'"`: columns, literals, comparisons, `in`, `and`, `or`, `not`,
            and nothing that is executed. Defaults to `None`: all items.
        available: column of truth values; or a bool array, one per item in the order of `item_ids`; or a bool
            Series by raw item id, where missing items are not available. Defaults to `None`: all items.
        at_most: how many items of a list may share a value of a column, such as `{"brand": 2}`. Of truth
            values, how many may be true. An item whose entry is a list counts for each value in it.
            Defaults to `None`: no limit.
        at_least: how many items of a list must be true of a column or condition, such as `{"local": 1}`.
            Places are kept for them at the end. Defaults to `None`: none.
        boost: what is added to the score of items that are true of a column or condition, such as
            `{"new": 0.1}`, in units of the distance from the best score of the user to that of the last item
            of the pool; below 0 it is taken away. A column of numbers multiplies it. Defaults to `None`:
            none.
        diversity: float from 0 to 1, weight of the unlikeness of the items of a list, by the model's
            representations of items or, where it has none, their features. Defaults to `None`: 0.
        calibrate: column whose values a list is to have in the shares of the user's history, or
            `{column: weight}` with a weight from 0 to 1. Defaults to `None`: none; of a column alone, 0.5.
        explore: float from 0 to below 1, how often the item of a place is drawn at random, evenly from that
            item and all others that keep the rules. The lists have a column `propensity` then: how probable
            the item was at its place, given those above it. Defaults to `None`: 0.
        pool: int, how many of a user's best items `diversity` and `calibrate` choose from, and the unit of
            `boost` is taken from; at least the length of the list. Defaults to `100`.
        seed: int, of what `explore` draws. Defaults to `None`: other items at each call.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a number is out of its range, or rules contradict each other.

    Example:
        >>> import kerasrec
        >>> kerasrec.Rules(at_most={"brand": 2}, diversity=0.3).names
        ('at_most brand', 'diversity')

    References:
        Carbonell and Goldstein (1998), The use of MMR, diversity-based reranking for reordering documents and
        producing summaries. Steck (2018), Calibrated recommendations, equations 3 to 7.
    """

    where: str | None = None
    available: Any = None
    at_most: Mapping[str, int] | None = None
    at_least: Mapping[str, int] | None = None
    boost: Mapping[str, float] | None = None
    diversity: float | None = None
    calibrate: str | Mapping[str, float] | None = None
    explore: float | None = None
    pool: int = 100
    seed: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))
        if self.where is not None and not isinstance(self.where, str):
            raise TypeError(f"`where` must be text. Received: {type(self.where).__name__}.")
        for name in ("at_most", "at_least", "boost"):
            rule = getattr(self, name)
            if rule is not None and (not isinstance(rule, Mapping) or not all(map(_is_text, rule))):
                raise TypeError(f"`{name}` must be a dict of numbers by column. Received: {rule!r}.")
        for name in ("at_most", "at_least"):
            for column, n in (getattr(self, name) or {}).items():
                positive_integer(f'{name}["{column}"]', n)
        for column, weight in (self.boost or {}).items():
            finite_number(f'boost["{column}"]', weight)
        if self.diversity is not None:
            share("diversity", self.diversity)
        if self.explore is not None and share("explore", self.explore) == 1:
            raise ValueError("`explore` must be below 1. Received: explore=1.")
        positive_integer("pool", self.pool)
        if self.seed is not None:
            whole_number("seed", self.seed)
        if not isinstance(self.calibrate, (str, Mapping, type(None))):
            raise TypeError(
                f"`calibrate` must be a column or {{column: weight}}. Received: {self.calibrate!r}."
            )
        if isinstance(self.calibrate, Mapping):
            if len(self.calibrate) != 1 or not all(map(_is_text, self.calibrate)):
                raise ValueError(f"`calibrate` must name one column. Received: {self.calibrate!r}.")
            share("calibrate", next(iter(self.calibrate.values())))
        if self.diversity is not None and self.weight_of_calibration + self.diversity > 1:
            raise ValueError(
                "`diversity` and `calibrate` contradict each other: their weights must be at most 1 "
                f"together. Received: diversity={self.diversity} and calibrate={self.weight_of_calibration}."
            )
        for column, n in (self.at_least or {}).items():
            most = (self.at_most or {}).get(column)
            if most is not None and most < n:
                raise ValueError(
                    f"`at_least` and `at_most` contradict each other on {column!r}. "
                    f"Received: at_least={n} and at_most={most}."
                )

    @property
    def weight_of_calibration(self) -> float:
        """From 0 to 1."""
        if self.calibrate is None:
            return 0.0
        return 0.5 if isinstance(self.calibrate, str) else float(next(iter(self.calibrate.values())))

    @property
    def column_of_calibration(self) -> str:
        """Whose values the list is calibrated to."""
        return self.calibrate if isinstance(self.calibrate, str) else next(iter(self.calibrate or {}), "")

    @property
    def names(self) -> tuple[str, ...]:
        """The rules that are set, one per column."""
        found = []
        for name in (field.name for field in fields(self)):
            if name in _HOW:
                continue
            rule = getattr(self, name)
            if isinstance(rule, Mapping):
                found += [f"{name} {column}" for column in rule]
            elif name == "calibrate" and rule is not None:
                found.append(f"calibrate {rule}")
            elif rule is not None:
                found.append(name)
        return tuple(found)

    def alone(self, name: str) -> "Rules":
        """One of these rules without the others.

        Args:
            name: one of `names`.
        """
        if name not in self.names:
            raise ValueError(unknown_name("name", name, self.names))
        argument, _, column = name.partition(" ")
        rule = getattr(self, argument)
        if isinstance(rule, Mapping):
            rule = {column: rule[column]}
        return Rules(**{argument: rule, "pool": self.pool, "seed": self.seed})

    def but(self, **changes: Any) -> "Rules":
        """The same with other values of some arguments.

        Args:
            **changes: arguments of `Rules`.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise TypeError(unknown_name("rules", name, known))
        return Rules(**{**{name: getattr(self, name) for name in known}, **changes})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What a file holds."""
        if self.available is not None and not isinstance(self.available, str):
            raise ValueError(
                "`available` must be a column of the metadata in rules that are kept in a file. "
                f"Received: {type(self.available).__name__}."
            )
        text = json.dumps({name: rule for name, rule in asdict(self).items() if rule is not None})
        return {"rules": np.frombuffer(text.encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Rules":
        """What `to_arrays` gave.

        Args:
            arrays: by name.
        """
        return cls().but(**json.loads(arrays["rules"].tobytes()))


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's and mappings as dicts, which a file gives back equal."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
