"""Fitted encoders from columns of a frame to sparse columns, which can be written as plain JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import id_index, plain
from kerasrec.data._encoder import Encoder, VocabularyEncoder, required, without_categories
from kerasrec.data._numeric_encoder import Numeric, Vectors
from kerasrec.data._text_encoders import HashedText, Text, WeightedText

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse


class Indicator(VocabularyEncoder):
    """The identity of each entity; new entities have none, without a warning."""

    kind = "indicator"
    warns = False

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        return entries.reset_index(drop=True)

    def entries(self, frame: "pd.DataFrame") -> "pd.Series[Any]":
        return frame.index.to_series(name=self.column)


class Categorical(VocabularyEncoder):
    """One category per row, without spaces around it; missing and empty entries have none."""

    kind = "categorical"

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        import pandas as pd

        found = without_categories(entries.reset_index(drop=True)).dropna()
        if pd.api.types.is_string_dtype(found.dtype) and found.dtype != object:
            found = found.str.strip()
        elif getattr(found.dtype, "kind", "O") not in "biuf":
            found = pd.Series(
                [_category(entry, entries.name) for entry in found], found.index, object, found.name
            )
            if len({(type(entry), entry) for entry in found}) > found.nunique():
                both = found[[isinstance(entry, bool) for entry in found]].iloc[0]
                raise ValueError(
                    f"Column {entries.name!r} must not hold both truth values and the numbers that equal "
                    f"them; `series.astype(str)` tells them apart. Received: {both!r} and {int(both)}."
                )
        return found[found != ""]


@dataclass(frozen=True, eq=False)
class Multilabel(VocabularyEncoder):
    """Several labels per row, in one text."""

    kind = "multilabel"
    sep: str

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        import pandas as pd

        found = without_categories(entries.reset_index(drop=True)).dropna()
        if len(found) and pd.api.types.infer_dtype(found) != "string":
            raise ValueError(
                f"Column {entries.name!r} must hold text with labels separated by {self.sep!r}; convert "
                f"lists with `series.str.join({self.sep!r})`. Received: {found.iloc[0]!r}."
            )
        labels = found.astype(str).str.split(self.sep, regex=False).explode().str.strip()
        return labels[labels != ""]

    def state(self) -> dict[str, Any]:
        return {**super().state(), "sep": self.sep}


@dataclass(frozen=True, eq=False)
class Given(Encoder):
    """Columns given as a matrix."""

    kind = "given"
    given: list[str]

    @property
    def names(self) -> list[str]:
        return self.given

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        raise ValueError(
            "Features given as a matrix cannot encode new entities; make theirs with `Features.from_csr`. "
            f"Received: {len(self.given)} such columns, first {self.given[0]!r}."
        )

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "given": self.given}


@dataclass(frozen=True, eq=False)
class Transformer(Encoder):
    """A fitted transformer of scikit-learn, with the columns that it reads."""

    kind = "transformer"
    transformer: Any
    columns: Any

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.transformer.get_feature_names_out()]

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        import scipy.sparse

        several = isinstance(self.columns, list)
        for name in self.columns if several else [self.columns]:
            required(frame, name)
        return scipy.sparse.csr_matrix(self.transformer.transform(frame[self.columns]), dtype=np.float32)

    def state(self) -> dict[str, Any]:
        raise ValueError(
            "Features from a transformer of scikit-learn cannot be written to a file, which holds no code; "
            "`Features.from_csr(features.matrix, features.names, features.ids)` can be, without its encoder. "
            f"Received: {type(self.transformer).__name__}."
        )


KINDS: dict[str, type[Encoder]] = {
    cls.kind: cls
    for cls in (Indicator, Categorical, Multilabel, Text, WeightedText, HashedText, Numeric, Vectors, Given)
}


def _category(entry: Any, column: Any) -> Any:
    """A category as plain Python: text without spaces around it, and one form of a whole number."""
    if isinstance(entry, str):
        return entry.strip()
    if isinstance(entry, np.generic) and entry.dtype.kind in "biuf":
        entry = entry.item()
    if isinstance(entry, float) and entry.is_integer():
        return int(entry)
    if not isinstance(entry, (int, float)):
        raise TypeError(
            f"Categories of column {column!r} must be text, numbers or truth values; "
            f"`series.astype(str)` converts them to text. Received: {entry!r} of type {type(entry).__name__}."
        )
    return entry


def from_state(state: dict[str, Any]) -> Encoder:
    """The encoder from the result of its `state`."""
    state = dict(state)
    cls = KINDS[state.pop("kind")]
    bad = next((name for name, value in state.items() if not _FORMS.get(name, _anything)(value)), None)
    if bad is not None:
        raise ValueError(
            f"An encoder must have settings of the form that was written. Received: {bad}={state[bad]!r:.80}."
        )
    if "vocabulary" in state:
        state["vocabulary"] = plain(id_index(state["vocabulary"]))
        if len(set(state["vocabulary"].tolist())) < len(state["vocabulary"]):
            raise ValueError("An encoder must have every category once. Received: repeated ones.")
    if len(state.get("idf", ())) != len(state["vocabulary"] if "idf" in state else ()):
        raise ValueError(f"An encoder must have one weight per word. Received: {len(state['idf'])} of them.")
    return cls(**state)


def _anything(value: Any) -> bool:
    return True


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < float("inf")


_FORMS: dict[str, Callable[[Any], bool]] = {
    "column": lambda x: isinstance(x, (str, int, float)),
    "vocabulary": lambda x: isinstance(x, list) and all(isinstance(t, (str, int, float)) for t in x),
    "sep": lambda x: isinstance(x, str) and x != "",
    "mean": _finite,
    "deviation": lambda x: _finite(x) and x > 0,
    "holds": lambda x: x in ("numbers", "dates", "durations"),
    "idf": lambda x: isinstance(x, list) and all(_finite(weight) and weight > 0 for weight in x),
    "buckets": lambda x: type(x) is int and x > 0,
    "columns": lambda x: (
        isinstance(x, list) and x != [] and all(isinstance(name, (str, int, float)) for name in x)
    ),
    "given": lambda x: isinstance(x, list) and all(isinstance(name, str) for name in x),
}
