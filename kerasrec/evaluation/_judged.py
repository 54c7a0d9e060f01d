from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerasrec.evaluation._ragged import Ragged


@dataclass(frozen=True)
class Judged:
    """Ranked lists and the relevant items.

    Attributes:
        lists: int32 `[U, K]`, item codes, best first; -1 after the last one of a shorter list.
        relevant: the relevant items and their values, by row of `lists`.
    """

    lists: np.ndarray
    relevant: Ragged

    @cached_property
    def gains(self) -> np.ndarray:
        """Value of the item at each rank `[U, K]`; 0 if it is not relevant."""
        rows = np.arange(len(self.lists))[:, None]
        found = self.relevant.find(rows, self.lists)
        values = np.append(self.relevant.values, np.float32(0.0))  # -1 finds the zero
        return values[found]

    @cached_property
    def n_relevant(self) -> np.ndarray:
        """Number of relevant items of each row `[U]`."""
        return np.diff(self.relevant.starts)

    @cached_property
    def ideal(self) -> np.ndarray:
        """Values of the best possible list `[U, K]`; 0 after the last relevant item."""
        ideal = np.zeros_like(self.lists, np.float32)
        rows, index = self.relevant.index(np.arange(len(self.lists)))
        values = self.relevant.values[index]
        order = np.lexsort((-values, rows))
        ranks = index - self.relevant.starts[rows]  # places within the row, before and after sorting
        top = ranks < self.lists.shape[1]
        ideal[rows[top], ranks[top]] = values[order][top]
        return ideal

    def of_items(self, chosen: np.ndarray) -> "Judged":
        """The same lists, where only these items (a mask `[I]`) count as relevant."""
        rows, index = self.relevant.index(np.arange(len(self.lists)))
        keep = chosen[self.relevant.items[index]]
        rows, index = rows[keep], index[keep]
        part = Ragged(rows, self.relevant.items[index], len(self.lists), self.relevant.values[index])
        return Judged(self.lists, part)
