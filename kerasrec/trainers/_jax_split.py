"""Decides whether each device can compute its part of a batch by itself, and prepares its inputs."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras

from kerasrec.layers import (
    Catalogue,
    CosineScore,
    DotScore,
    EuclideanScore,
    FeatureBias,
    FeatureEmbedding,
    FeatureLookup,
    SparseLinearRepr,
)
from kerasrec.trainers._blocks import Run
from kerasrec.trainers._jax_places import Places
from kerasrec.trainers._keras import tree
from kerasrec.trainers._parts import Group, Parts, Rows, estimated_room, find_parts, larger_room
from kerasrec.trainers.model import FunctionalModel

# For smaller parts, sending rows costs more than it saves.
_LEAST_ROWS = 64
# Layers and Keras losses that treat each row of a batch independently. Ranking losses have `row_by_row`.
_ROW_BY_ROW = (
    keras.layers.InputLayer,
    Catalogue,
    CosineScore,
    DotScore,
    EuclideanScore,
    FeatureBias,
    FeatureEmbedding,
    FeatureLookup,
    SparseLinearRepr,
)
_MEANS = (keras.losses.mean_squared_error, keras.losses.mean_absolute_error, keras.losses.binary_crossentropy)


class Split:
    """The division of batches of one shape among devices.

    Args:
        groups: groups of tables that are read together.
        group_of: for each table of the plan, the number of its group.
        by: the group whose ids decide which device computes a row, as in `find_parts`.
        shapes: shapes of the batches' leaves `[S, B, ...]`.
        places: placement of arrays.

    Attributes:
        rooms: for each group, the room for its rows, which grows if necessary.
    """

    def __init__(
        self,
        groups: list[Group],
        group_of: list[int],
        by: int | None,
        shapes: Sequence[tuple[int, ...]],
        places: Places,
    ) -> None:
        self.groups, self.group_of, self._by = groups, group_of, by
        self._places, self.n_devices = places, places.n_devices
        # For each leaf, the number of elements of a part.
        self._sizes = [
            (shape[1] if shape[1] == 1 else shape[1] // self.n_devices) * math.prod(shape[2:])
            for shape in shapes
        ]
        self.rooms = [
            estimated_room(
                sum(math.prod(shapes[leaf][1:]) for leaf in group.leaves),
                self._n_part(group),
                self.n_devices,
                group.n_rows,
                follows=number == by,
            )
            for number, group in enumerate(groups)
        ]

    def find(self, stack: Any) -> Parts:
        """The parts of stacked batches for this process's devices."""
        return find_parts(
            tree.flatten(stack), self.groups, self.rooms, self.n_devices, self._places.mine, self._by
        )

    def given(self, run: Run) -> tuple[Any, list[Rows], bool]:
        """The inputs of a program for a run, and whether they had room; if not, the room is increased."""
        parts: Parts = run.get("parts") or self.find(run["stack"])
        if parts.rooms != self.rooms:
            parts = self.find(run["stack"])
        if not parts.whole:
            self.rooms = [larger_room(*both) for both in zip(self.rooms, parts.needed, strict=True)]
        return tree.pack_sequence_as(run["stack"], parts.leaves), parts.rows, parts.whole

    def reads(self, group: int) -> dict[int, slice]:
        """By leaf, the places of its ids in the group."""
        found, start = {}, 0
        for leaf in self.groups[group].leaves:
            found[leaf] = slice(start, start + self._sizes[leaf])
            start += self._sizes[leaf]
        return found

    def rows(self, n_steps: int) -> list[Rows]:
        """Shapes of the rows that `find` returns for the groups."""
        shape = functools.partial(self._places.part, dtype="int32")
        return [
            Rows(
                shape((n_steps, self.n_devices * room.ids)),
                shape((n_steps, self.n_devices * self._n_part(group))),
                shape((n_steps, self.n_devices * (self.n_devices - 1) * room.sent)),
            )
            for group, room in zip(self.groups, self.rooms, strict=True)
        ]

    def stack(self, stack: Any) -> Any:
        """Shapes of divided batches."""
        places = self._places
        return tree.map_structure(
            lambda a: (places.part if a.shape[1] > 1 else places.shape)(a.shape, a.dtype), stack
        )

    def _n_part(self, group: Group) -> int:
        """The number of ids of a group in a part."""
        return sum(self._sizes[leaf] for leaf in group.leaves)


def find_split(model: Any, plan: Any, stack: Any, places: Places) -> Split | None:
    """The division of batches; `None` if parts would not add up to the batch, or would not be faster.

    Args:
        model: a compiled model.
        plan: `Plan`, what a step reads by rows.
        stack: shapes of stacked batches `[S, B, ...]`.
        places: placement of arrays.
    """
    leaves = tree.flatten(stack)
    n = places.n_devices
    if n < 2 or places.split_batch is False or any(len(leaf.shape) < 2 for leaf in leaves):
        return None
    n_batch = max(leaf.shape[1] for leaf in leaves)
    least = n if places.split_batch else n * _LEAST_ROWS
    _, *rest = keras.utils.unpack_x_y_sample_weight(stack)
    if (
        n_batch < least
        or n_batch % n
        or any(leaf.shape[1] not in (1, n_batch) for leaf in leaves)
        or any(leaf.shape[1] != n_batch for leaf in tree.flatten(rest) if leaf is not None)
        or not (_of_tables_alone(model, plan) and _row_by_row(model))
    ):
        return None
    groups: list[Group] = []
    group_of: list[int] = []
    widths: dict[int, int] = {}
    for number, index in enumerate(plan.tables):
        table = model.trainable_variables[index]
        reads = zip(plan.leaves, plan.reads, strict=True)
        read_by = tuple(dict.fromkeys(leaf for leaf, (of, _) in reads if of == number))
        same = [i for i, of in enumerate(groups) if (of.leaves, of.limit[0]) == (read_by, table.shape[0])]
        group = same[0] if same else len(groups)
        if not same:
            groups.append(Group(read_by, plan.owned[number].n_rows, (table.shape[0], table.path)))
        group_of.append(group)
        if [math.prod(leaves[leaf].shape[1:]) for leaf in read_by] == [n_batch]:
            widths[group] = widths.get(group, 0) + math.prod(table.shape[1:])
    # If a row of a batch reads one row per table, the rows of the widest tables need not be sent.
    by = max(widths, key=lambda group: widths[group], default=None)
    return Split(groups, group_of, by, [leaf.shape for leaf in leaves], places)


def _of_tables_alone(model: Any, plan: Any) -> bool:
    """Whether only sharded tables that are read by ids in the batch are trained."""
    tables = [model.trainable_variables[index] for index in plan.tables]
    optimizer = model.optimizer
    return (
        len(tables) == len(model.trainable_variables)
        and None not in plan.owned
        and None not in plan.leaves
        and all(table.regularizer is None for table in tables)
        and len({table.dtype for table in tables}) == 1
        # These need norms of whole gradients, which no device has.
        and not optimizer.clipnorm
        and not optimizer.global_clipnorm
    )


def _row_by_row(model: Any) -> bool:
    """Whether a loss is the mean of independent losses of the rows of a batch."""
    losses = [found.loss for found in model._compile_loss._flat_losses or ()]
    return (
        type(model) is FunctionalModel
        and all(
            type(part) in _ROW_BY_ROW and getattr(part, "activity_regularizer", None) is None
            for part in model.operations
        )
        and not model.non_trainable_variables
        and [id(v) for v in model.metrics_variables] == [id(v) for v in model._loss_tracker.variables]
        and len(losses) == 1
        and losses[0].reduction == "sum_over_batch_size"
        and type(losses[0]).__module__.startswith(("kerasrec.", "keras."))
        and (getattr(losses[0], "row_by_row", False) or getattr(losses[0], "fn", None) in _MEANS)
    )
