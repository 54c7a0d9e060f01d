import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kerasrec._arguments import finite_number, positive_integer, share, whole_number
from kerasrec._names import unknown_name

# Settings of the rules, which are not rules themselves.
_HOW = ("pool", "seed")


@dataclass(frozen=True)
class Rules:
    """Business rules for lists, in addition to the model's scores.

    `where` and `available` decide which items may be recommended at all. The other rules choose among these,
    one place after another from the top of the list. `boost` changes the scores, `at_most` and `at_least`
    decide which items may come next, and `diversity` and `calibrate` choose the one with the highest

        (1 - diversity - calibrate) relevance - diversity similarity - calibrate divergence

    Here `relevance` is the score, scaled from 0 (the last item of the pool) to 1 (the best item).
    `similarity` is the largest cosine with an item already in the list (maximal marginal relevance).
    `divergence` is the Kullback-Leibler divergence of the list with the item from the user's own distribution
    over the column; the list's distribution is smoothed with .01 of the user's. `diversity` and `calibrate`
    choose from the user's `pool` best items, or from more if these do not fill the list. All other rules
    consider the whole catalogue.

    A rule names a column of the metadata. Rules on truth values also accept a condition as in `where`.

    Args:
        where: condition on columns of the metadata in pandas' query syntax, such as
            `"price < 20 and category == 'garden'"`. It may contain columns, literals, comparisons, `in`,
            `and`, `or` and `not`; no code is executed. Defaults to `None`: all items.
        available: column of truth values; or a bool array with one entry per item, in the order of
            `item_ids`; or a bool Series by raw item id, in which missing items are not available. Defaults to
            `None`: all items.
        at_most: how many items of a list may share a value of a column, such as `{"brand": 2}`; for a column
            of truth values, how many may be true. An item whose entry is a list counts for each value in it.
            Defaults to `None`: no limit.
        at_least: for how many items of a list a column or condition must be true, such as `{"local": 1}`.
            Places at the end of the list are reserved for them. Defaults to `None`: none.
        boost: amount added to the score of items for which a column or condition is true, such as
            `{"new": 0.1}`. The unit is the difference between the user's best score and that of the last item
            of the pool. A negative amount lowers the score. A column of numbers multiplies the amount.
            Defaults to `None`: none.
        diversity: float from 0 to 1, weight of the dissimilarity of the items of a list, by the model's
            representations of items or, if it has none, their features. Defaults to `None`: 0.
        calibrate: column whose values the list should have in the same proportions as the user's history, or
            `{column: weight}` with a weight from 0 to 1. Defaults to `None`: none. The weight of a column
            alone is 0.5.
        explore: float from 0 to below 1, probability that the item at a place is drawn at random, uniformly
            from that item and all others that satisfy the rules. The lists then have a column `propensity`:
            the probability of the item at its place, given the items above it. Defaults to `None`: 0.
        pool: int, number of the user's best items from which `diversity` and `calibrate` choose, and which
            define the unit of `boost`; at least the length of the list. Defaults to `100`.
        seed: int, for the draws of `explore`. Defaults to `None`: different items in each call.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if a number is out of range, or rules contradict each other.

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
        """Weight of `calibrate`, from 0 to 1."""
        if self.calibrate is None:
            return 0.0
        return 0.5 if isinstance(self.calibrate, str) else float(next(iter(self.calibrate.values())))

    @property
    def column_of_calibration(self) -> str:
        """Column by which lists are calibrated; empty if there is none."""
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
        """One of the rules without the others.

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
        """The same rules with some arguments changed.

        Args:
            **changes: arguments of `Rules`.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise TypeError(unknown_name("rules", name, known))
        return Rules(**{**{name: getattr(self, name) for name in known}, **changes})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The rules as arrays, for a file."""
        if self.available is not None and not isinstance(self.available, str):
            raise ValueError(
                "`available` must be a column of the metadata in rules that are saved to a file. "
                f"Received: {type(self.available).__name__}."
            )
        text = json.dumps({name: rule for name, rule in asdict(self).items() if rule is not None})
        return {"rules": np.frombuffer(text.encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Rules":
        """Read the result of `to_arrays`.

        Args:
            arrays: arrays by name.
        """
        return cls().but(**json.loads(arrays["rules"].tobytes()))


def _plain(value: Any) -> Any:
    """Convert NumPy numbers to Python numbers and mappings to dicts, which compare equal after loading."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
