"""The kind of the values of interactions, which decides how several events of a pair are combined."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# Policy of each kind for several events of a pair.
KINDS = {"ratings": "last", "counts": "sum", "likes": "last"}
POLICIES = ("error", "last", "mean", "sum")
# Policies whose result changes if an event is left out.
ADDING = ("mean", "sum")
# On a scale of ratings, the highest value is less than this many times the median.
TAIL = 10


@dataclass(frozen=True)
class Meaning:
    """The meaning of the columns of interactions, which everything made from the interactions keeps.

    Args:
        kind: one of `KINDS`.
        duplicates: one of `POLICIES`.
        stated: whether the kind was given, and not derived from whether there are values.
        dates: whether the times are nanoseconds read from dates.
        least: the lowest value that `at_least` kept, or `None`.
        left_out: whether `at_least` left something out.
    """

    kind: str
    duplicates: str
    stated: bool
    dates: bool = False
    least: float | None = None
    left_out: bool = False

    @classmethod
    def of(cls, kind: Any, duplicates: Any, has_values: bool) -> "Meaning":
        """The meaning from what was given, or from the columns."""
        if kind is not None and kind not in KINDS:
            raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={kind!r}.")
        if duplicates is not None and duplicates not in POLICIES:
            raise ValueError(
                f"`duplicates` must be one of {', '.join(POLICIES)}. Received: duplicates={duplicates!r}."
            )
        if kind == "ratings" and not has_values:
            raise ValueError(
                "Ratings need values: name their column with `value=`, or give `kind='likes'` or 'counts'. "
                "Received: kind='ratings' without values."
            )
        stated = kind is not None or duplicates == "sum"
        if kind is None:
            kind = "counts" if duplicates == "sum" else "ratings" if has_values else "likes"
            return cls(kind, duplicates or "error", stated)
        return cls(kind, duplicates or KINDS[kind], stated)

    @classmethod
    def from_dict(cls, entries: dict[str, Any]) -> "Meaning":
        """The meaning in a file; missing and wrong entries are refused."""
        found = cls(**entries)
        flags = (found.stated, found.dates, found.left_out)
        number = found.least is None or (type(found.least) in (int, float) and math.isfinite(found.least))
        if found.kind not in KINDS or found.duplicates not in POLICIES or not number:
            raise ValueError(f"the kind of the interactions is {entries}")
        if not all(isinstance(flag, bool) for flag in flags):
            raise ValueError(f"the kind of the interactions is {entries}")
        return found

    def settled(self) -> "Meaning":
        """The same meaning, with the policy of the kind instead of `"error"`."""
        return replace(self, duplicates=KINDS[self.kind]) if self.duplicates == "error" else self

    def after(self, duplicates: Any) -> "Meaning":
        """The meaning after further events with a given policy, or `None` for no given policy."""
        if duplicates is None or duplicates == self.duplicates:
            return self
        said = Meaning.of(None, duplicates, self.kind != "likes")
        if duplicates == "error":
            return self
        if self.duplicates != "error":
            raise ValueError(
                f"`duplicates` must be {self.duplicates!r}, as for earlier events, which are {self.kind}. "
                f"Received: duplicates={duplicates!r}."
            )
        return replace(said, dates=self.dates, least=self.least, left_out=self.left_out)


def have_long_tail(values: Any) -> bool:
    """Whether values look like counts: whole numbers from 0, some of them far above the rest.

    Args:
        values: `[n]`; values that are not finite numbers do not.
    """
    try:
        values = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return False
    if not len(values) or not np.isfinite(values).all():
        return False
    whole = values.min() >= 0 and bool((values == np.floor(values)).all())
    return whole and bool(values.max() > TAIL * max(1.0, float(np.median(values))))
