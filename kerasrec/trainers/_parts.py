"""Finds, with NumPy, which part of a batch each device computes and which rows of tables it needs for it."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kerasrec._lazy_rows import LazyStack
from kerasrec.trainers._repeats import NO_ID, find_repeats


@dataclass(frozen=True)
class Group:
    """Tables that are read by the same leaves of a batch and sharded in the same way.

    Attributes:
        leaves: indices of the batch's leaves that hold the ids.
        n_rows: int, consecutive rows per device.
        limit: the number of ids, and the name of the table with that many rows.
    """

    leaves: tuple[int, ...]
    n_rows: int
    limit: tuple[int, str]


class Room(NamedTuple):
    """Capacity for rows of a group.

    Attributes:
        ids: int, `K`, rows of one device that a batch reads.
        sent: int, `F`, rows that one device sends to another.
    """

    ids: int
    sent: int


class Rows(NamedTuple):
    """The rows of a group that `D` devices read in `S` steps.

    Attributes:
        ids: `[S, D * K]` int32, the rows of each device that any part reads, as offsets from the device's
            first row, ascending, padded with `NO_ID`.
        places: `[S, D * R]` int32, the position of each id of a part: among the device's own `K` rows, or
            after them among the `(N - 1) * F` rows from other devices, those of the preceding device first.
        sent: `[S, D * (N - 1) * F]` int32, which of its `K` rows a device sends, those for the next device
            first.
    """

    ids: Any
    places: Any
    sent: Any


class Parts(NamedTuple):
    """The parts of a block's batches that the devices of this process compute.

    Attributes:
        leaves: `[S, D * B / N, ...]`, or `[S, 1, ...]` of what the rows of a batch share.
        rows: for each group.
        rooms: for each group, the capacity given.
        needed: for each group, the largest capacity that a device needs; `rows` are incomplete if it is above
            the capacity given.
    """

    leaves: list[np.ndarray]
    rows: list[Rows]
    rooms: list[Room]
    needed: list[Room]

    @property
    def whole(self) -> bool:
        """Whether the capacity was sufficient."""
        return all(
            need.ids <= room.ids and need.sent <= room.sent
            for need, room in zip(self.needed, self.rooms, strict=True)
        )


def estimated_room(n_ids: int, n_part: int, n_devices: int, n_rows: int, follows: bool) -> Room:
    """A capacity that suffices if ids are spread evenly.

    Args:
        n_ids: int, ids of a batch.
        n_part: int, ids of a part.
        n_devices: int.
        n_rows: int, rows per device.
        follows: bool, whether a part consists of the ids whose rows its device holds, apart from those that
            are moved to make all parts equally large.
    """
    # At least four standard deviations above the mean number of ids of a batch, or of a part, on one device.
    ids = n_ids / n_devices + 2 * math.sqrt(n_ids)
    sent = 4 * math.sqrt(n_part) if follows else n_part / n_devices + 2 * math.sqrt(n_part)
    return Room(*(min(math.ceil(n) + 8, n_ids, n_rows) for n in (ids, sent)))


def larger_room(room: Room, needed: Room) -> Room:
    """A capacity raised to what is needed, with a reserve."""
    return Room(
        *(old if new <= old else math.ceil(1.15 * new) + 8 for old, new in zip(room, needed, strict=True))
    )


def find_parts(
    leaves: Sequence[Any],
    groups: Sequence[Group],
    rooms: Sequence[Room],
    n_devices: int,
    mine: Sequence[int],
    by: int | None,
) -> Parts:
    """Divide the rows of batches among devices, and find which rows of tables each device sends to others.

    Args:
        leaves: arrays or `LazyStack` `[S, B, ...]`, or arrays `[S, 1, ...]` of what the rows of a batch
            share. `N` divides `B`.
        groups: the groups of tables.
        rooms: for each group, the capacity for its rows.
        n_devices: int, `N`.
        mine: indices of this process's devices, ascending.
        by: index of the group whose ids decide which device computes a row of a batch: the device that holds
            the table row of its id, as far as parts of equal size allow. `None`: rows stay in their order.

    Returns:
        `Parts`.

    Raises:
        ValueError: if an id is outside its table.
    """
    n_steps, n_batch = leaves[0].shape[0], max(leaf.shape[1] for leaf in leaves)
    order = np.broadcast_to(np.arange(n_batch), (n_steps, n_batch))
    if by is not None:
        owner = leaves[groups[by].leaves[0]].reshape(n_steps, n_batch) // groups[by].n_rows
        order = np.argsort(owner.astype("uint16"), axis=1, kind="stable")
    order = order.reshape(n_steps, n_devices, -1)
    own = order[:, list(mine)].reshape(n_steps, -1)
    # As rows of all batches, one after the other.
    begins = np.arange(n_steps)[:, None] * n_batch
    order = order + begins[:, None]

    def part(leaf: Any) -> np.ndarray:
        if isinstance(leaf, LazyStack):
            return leaf.rows(own)
        return leaf if leaf.shape[1] == 1 else _by_steps(leaf).take(own + begins, axis=0)

    parts = [part(leaf) for leaf in leaves]
    rows, needed = [], []
    for group, room in zip(groups, rooms, strict=True):
        columns = [leaves[number].reshape(n_steps, -1) for number in group.leaves]
        found = find_repeats(np.concatenate(columns, axis=1), *group.limit)
        inverses, start = [], 0
        for number, column in zip(group.leaves, columns, strict=True):
            inverse = found.inverse[:, start : start + column.shape[1]]
            start += column.shape[1]
            if leaves[number].shape[1] == 1:
                inverse = np.broadcast_to(inverse[:, None], (n_steps, n_devices, inverse.shape[1]))
            else:
                inverse = _by_steps(inverse.reshape(n_steps, n_batch, -1)).take(order, axis=0)
            inverses.append(inverse.reshape(n_steps, n_devices, -1))
        inverse = np.concatenate(inverses, axis=2)
        of_group, need = _rows(found.ids, inverse, group.n_rows, room, mine)
        rows.append(of_group)
        needed.append(need)
    return Parts(parts, rows, list(rooms), needed)


def _by_steps(array: np.ndarray) -> np.ndarray:
    """`[S, B, ...]` as `[S * B, ...]`."""
    return array.reshape(-1, *array.shape[2:])


def _rows(
    ids: np.ndarray, inverse: np.ndarray, n_rows: int, room: Room, mine: Sequence[int]
) -> tuple[Rows, Room]:
    """The rows of one group, and the capacity that they need.

    Args:
        ids: `[S, U]`, ascending, padded with `NO_ID`.
        inverse: `[S, N, R]`, the position of each id of a part in `ids`.
        n_rows: int, rows per device.
        room: the capacity; rows beyond it are left out.
        mine: indices of this process's devices.
    """
    n_steps, n_devices, n_part = inverse.shape
    others = range(n_devices - 1)
    own = np.full((n_steps, len(mine), room.ids), NO_ID, "int32")
    places = np.empty((n_steps, len(mine), n_part), "int32")
    sent = np.zeros((n_steps, len(mine), n_devices - 1, room.sent), "int32")
    firsts = np.arange(n_devices + 1) * n_rows
    used = np.empty((n_devices, ids.shape[1]), bool)
    place = np.empty(ids.shape[1], "int32")
    most_ids = most_sent = 0
    for step in range(n_steps):
        bounds = np.searchsorted(ids[step], firsts).tolist()
        used[:] = False
        for device in range(n_devices):
            used[device, inverse[step, device]] = True
        for source, (first, end) in enumerate(itertools.pairwise(bounds)):
            most_ids = max(most_ids, int(end - first))
            for device in range(n_devices):
                if device != source:
                    most_sent = max(most_sent, int(np.count_nonzero(used[device, first:end])))
        for here, device in enumerate(mine):
            first, end = bounds[device], bounds[device + 1]
            rising = ids[step, first:end][: room.ids]
            own[step, here, : len(rising)] = rising - firsts[device]
            place[first:end] = np.arange(end - first)
            for j in others:
                wanted = np.flatnonzero(used[(device + 1 + j) % n_devices, first:end])[: room.sent]
                sent[step, here, j, : len(wanted)] = wanted
                source = (device - 1 - j) % n_devices
                got = np.flatnonzero(used[device, bounds[source] : bounds[source + 1]]) + bounds[source]
                place[got] = room.ids + j * room.sent + np.arange(len(got))
            places[step, here] = place[inverse[step, device]]
    flat = (array.reshape(n_steps, -1) for array in (own, places, sent))
    return Rows(*flat), Room(most_ids, most_sent)
