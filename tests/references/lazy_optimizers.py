"""Optimizers that touch only the rows of a table that a step read, in NumPy.

A step reads rows `ids` and has a gradient for each read. The gradients of one row are summed, and the row and
its slots move as the dense optimizer would move them; a row that was not read keeps its value and its slots,
to the last bit. The formulas of a row are those of the papers, in the form that Keras documents.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Lazy:
    """What every rule has: a rate, one step counter for all tables, and slots for each table."""

    rate: float
    step: int = 0
    slots: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    first: float = 0.0  # what slots begin with

    def apply(
        self,
        tables: dict[str, np.ndarray],
        reads: dict[str, list[tuple[np.ndarray, np.ndarray]]],
        l2: float = 0.0,
    ):
        """Change `tables` in place.

        Args:
            tables: name to `[n, C]`.
            reads: name to the table's lookups of this step: ids `[...]` and gradients `[..., C]`.
            l2: strength of an L2 penalty. Its gradient counts `n / (rows read)` times in the rows read, so
                that a row's expected pull is that of the dense penalty where rows are read equally often.
        """
        self.step += 1
        for name, lookups in reads.items():
            table = tables[name]
            summed: dict[int, np.ndarray] = {}
            for ids, gradients in lookups:
                for row, gradient in zip(ids.ravel(), gradients.reshape(-1, table.shape[1]), strict=True):
                    summed[int(row)] = summed.get(int(row), 0.0) + gradient
            slots = self.slots.setdefault(name, {})
            for row, gradient in summed.items():
                gradient = gradient + 2 * l2 * table[row] * len(table) / len(summed)
                table[row] += self.move(table, slots, row, gradient)

    def slot(self, slots: dict[str, np.ndarray], name: str, table: np.ndarray) -> np.ndarray:
        return slots.setdefault(name, np.full_like(table, self.first))

    def move(self, table, slots, row, gradient):
        raise NotImplementedError


def penalty(table: np.ndarray, ids: np.ndarray, l2: float) -> float:
    """The L2 penalty of one step: that of the rows read, as if the whole table were like them."""
    rows = np.unique(ids)
    return l2 * np.sum(table[rows] ** 2) * len(table) / len(rows)


@dataclass
class SGD(Lazy):
    def move(self, table, slots, row, gradient):
        return -self.rate * gradient


@dataclass
class Momentum(Lazy):
    momentum: float = 0.9

    def move(self, table, slots, row, gradient):
        velocity = self.slot(slots, "velocity", table)
        velocity[row] = self.momentum * velocity[row] - self.rate * gradient
        return velocity[row]


@dataclass
class Adagrad(Lazy):
    """Duchi, Hazan and Singer, 2011."""

    epsilon: float = 1e-7

    def move(self, table, slots, row, gradient):
        squares = self.slot(slots, "squares", table)
        squares[row] += gradient**2
        return -self.rate * gradient / np.sqrt(squares[row] + self.epsilon)


@dataclass
class Adam(Lazy):
    """Kingma and Ba, 2015, bias-corrected by steps of all tables; decay by Loshchilov and Hutter, 2019."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def move(self, table, slots, row, gradient):
        decay = -self.rate * self.weight_decay * table[row]
        mean, square = self.slot(slots, "mean", table), self.slot(slots, "square", table)
        mean[row] = self.beta_1 * mean[row] + (1 - self.beta_1) * gradient
        square[row] = self.beta_2 * square[row] + (1 - self.beta_2) * gradient**2
        correction = np.sqrt(1 - self.beta_2**self.step) / (1 - self.beta_1**self.step)
        return decay - self.rate * correction * mean[row] / (np.sqrt(square[row]) + self.epsilon)
