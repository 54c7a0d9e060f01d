from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._entry_texts import text_of
from kerasrec.data.columns._column import Column
from kerasrec.data.columns._vocabulary import FIRST, MISSING, is_vocabulary, places_in, vocabulary_of

if TYPE_CHECKING:
    import pandas as pd

# Padding of a list of labels, whose vector does not count.
NO_LABEL = -1


@dataclass(frozen=True)
class Labels(Column):
    """Several categories per row, in one text; their vectors are averaged.

    Args:
        default: as in `Column`. Defaults to `None`.
        state: as in `Column`. Defaults to `None`.
        sep: text between labels; spaces around labels are ignored. Defaults to `"|"`.
        most: int, maximum number of labels of a row; further ones are ignored. Defaults to `None`: the
            maximum in the training table.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Labels
        >>> genres = Labels().fit(pd.Series(["Drama|War", "War"], name="genres"))
        >>> genres.encode(pd.Series(["War", "", "War|Jazz"])).tolist()
        [[3, -1], [0, -1], [3, 1]]
    """

    kind: ClassVar[str] = "labels"
    sep: str = "|"
    most: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sep, str) or not self.sep:
            raise ValueError(f"`sep` must be the text between labels. Received: sep={self.sep!r}.")
        if self.most is not None:
            positive_integer("most", self.most)

    @property
    def known(self) -> list[str]:
        """The labels, in the order of their codes."""
        return list((self.state or {}).get("labels", ()))

    @property
    def n(self) -> int:
        """Number of labels, plus one for missing and one for unknown entries."""
        return FIRST + len((self.state or {}).get("labels", ()))

    @property
    def width(self) -> int:
        """Maximum number of labels of a row."""
        return self.most or (self.state or {}).get("width", 1)

    @property
    def is_whole(self) -> bool:
        """Whether `state` is a vocabulary and a width."""
        if not isinstance(self.state, dict) or set(self.state) != {"labels", "width"}:
            return False
        width = self.state["width"]
        return is_vocabulary(self.state["labels"]) and type(width) is int and width > 0

    def fit(self, entries: "pd.Series[Any]") -> "Labels":
        """Fit the labels, in alphabetical order, and their maximum number per row.

        Args:
            entries: a column of the training table.
        """
        rows, texts, codes = self._split(entries)
        width = int(np.bincount(rows).max(initial=1)) if len(rows) else 1
        return replace(self, state={"labels": vocabulary_of(texts, codes, 1), "width": width})

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Codes `[n, W]`, padded with -1.

        Args:
            entries: the column of any table.
        """
        rows, texts, codes = self._split(entries)
        encoded = np.full((len(entries), self.width), NO_LABEL, np.int32)
        starts = np.searchsorted(rows, np.arange(len(entries)))
        places = np.arange(len(rows)) - starts[rows]
        kept = places < self.width
        encoded[rows[kept], places[kept]] = places_in(self.state["labels"], texts)[codes[kept]]
        encoded[encoded[:, 0] == NO_LABEL, 0] = MISSING
        return encoded

    def _split(self, entries: "pd.Series[Any]") -> tuple[np.ndarray, Any, np.ndarray]:
        """Row, text and code of each label."""
        import pandas as pd

        whole, of_row = text_of(entries)
        parts = [[label.strip() for label in text.split(self.sep)] for text in whole]
        parts = [[label for label in dict.fromkeys(labels) if label] for labels in parts] + [[]]
        counts = np.fromiter(map(len, parts), np.int64, len(parts))[of_row]
        listed = [label for code in of_row.tolist() for label in parts[code]]
        codes, texts = pd.factorize(np.asarray(listed, object))
        return np.repeat(np.arange(len(entries)), counts), texts, codes
