"""Parts of batches: what devices send each other is what their parts read, by plain NumPy."""

import numpy as np
import pytest

from kerasrec._lazy_rows import LazyRows, LazyStack
from kerasrec.trainers._parts import Group, Room, estimated_room, find_parts, larger_room
from kerasrec.trainers._repeats import NO_ID


def test_two_devices_of_two_rows_each():
    # Device 0 has the rows 0 and 1 of a table, device 1 the rows 2 and 3. The batch reads 3, 0, 0 and 2.
    user = np.array([[[3], [0], [0], [2]]], "int32")
    found = find_parts([user], [Group((0,), 2, (4, "users"))], [Room(2, 1)], 2, [0, 1], by=0)
    # Each device computes the rows of the batch that read its own rows: nothing is sent.
    assert found.leaves[0][0, :, 0].tolist() == [0, 0, 3, 2]
    (rows,) = found.rows
    # Counted from a device's first row, once each.
    assert rows.ids[0].tolist() == [0, NO_ID, 0, 1]
    assert rows.places[0].tolist() == [0, 0, 1, 0]
    assert found.needed == [Room(2, 0)]
    assert found.whole


def test_rows_in_their_order_are_sent():
    user = np.array([[[3], [0], [0], [2]]], "int32")
    found = find_parts([user], [Group((0,), 2, (4, "users"))], [Room(2, 1)], 2, [0, 1], by=None)
    assert found.leaves[0][0, :, 0].tolist() == [3, 0, 0, 2]
    (rows,) = found.rows
    # Device 0 reads the row 3 of device 1, the second of those that device 1 uses; device 1 the row 0.
    assert rows.places[0].tolist() == [2, 0, 2, 0]
    assert rows.sent[0].tolist() == [0, 1]
    assert found.needed == [Room(2, 1)]


def batches(n_steps=3, n_batch=24, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (rng.zipf(1.4, (n_steps, n_batch, 1)) % 50).astype("int32"),
        rng.integers(0, 35, (n_steps, n_batch, 2)).astype("int32"),
        rng.integers(0, 35, (n_steps, 1, 5)).astype("int32"),
        np.arange(n_steps * n_batch).reshape(n_steps, n_batch, 1),
    ]


GROUPS = [Group((0,), 13, (50, "users")), Group((1, 2), 9, (35, "items"))]


def rows_at_hand(tables, found, n_devices, step):
    """What the places of every device name, after all have sent what they are to."""
    at_hand = []
    for group, table, room in zip(found.rows, tables, found.rooms, strict=True):
        n_rows = len(table) // n_devices
        ids = group.ids[step].reshape(n_devices, -1)
        sent = group.sent[step].reshape(n_devices, n_devices - 1, room.sent)
        own = [table[d * n_rows : (d + 1) * n_rows][np.minimum(ids[d], n_rows - 1)] for d in range(n_devices)]
        got = [
            [
                own[source][sent[source, j]]
                for j in range(n_devices - 1)
                for source in [(d - 1 - j) % n_devices]
            ]
            for d in range(n_devices)
        ]
        places = group.places[step].reshape(n_devices, -1)
        at_hand.append([np.concatenate([own[d], *got[d]])[places[d]] for d in range(n_devices)])
    return at_hand


@pytest.mark.parametrize("by", [None, 0])
def test_each_device_has_the_rows_of_its_part(by):
    leaves, n_devices = batches(), 4
    tables = [np.arange(n_devices * group.n_rows) for group in GROUPS]
    rooms = [Room(13, 6), Room(9, 9)]
    found = find_parts(leaves, GROUPS, rooms, n_devices, range(n_devices), by)
    assert found.whole
    numbers = found.leaves[3]
    for step in range(3):
        # Every row of the batch stands in one part, with all that belongs to it.
        assert sorted(numbers[step, :, 0]) == list(range(24 * step, 24 * step + 24))
        order = numbers[step, :, 0] - 24 * step
        for part, leaf in zip(found.leaves[:2], leaves, strict=False):
            np.testing.assert_array_equal(part[step], leaf[step][order])
        np.testing.assert_array_equal(found.leaves[2], leaves[2])
        users, items = rows_at_hand(tables, found, n_devices, step)
        for device in range(n_devices):
            part = order.reshape(n_devices, -1)[device]
            np.testing.assert_array_equal(users[device], leaves[0][step, part, 0])
            read = np.concatenate([leaves[1][step, part].ravel(), leaves[2][step, 0]])
            np.testing.assert_array_equal(items[device], read)


def test_a_process_finds_what_its_devices_would_in_one_process():
    rooms = [Room(13, 6), Room(9, 9)]
    whole, half = (find_parts(batches(), GROUPS, rooms, 4, mine, 0) for mine in (range(4), [2, 3]))
    for of_all, of_half in zip(whole.rows, half.rows, strict=True):
        for every, last_two in zip(of_all, of_half, strict=True):
            np.testing.assert_array_equal(last_two, every[:, every.shape[1] // 2 :])
    np.testing.assert_array_equal(half.leaves[0], whole.leaves[0][:, 12:])
    assert half.needed == whole.needed


def test_rows_that_are_made_later_are_made_for_the_parts_alone():
    leaves, rooms, asked = batches(), [Room(13, 6), Room(9, 9)], []
    numbers = leaves[3]

    def lazy(step):
        def rows(some):
            asked.append(some)
            return numbers[step][some]

        return LazyRows((24, 1), numbers.dtype, rows)

    expected = find_parts(leaves, GROUPS, rooms, 4, [2, 3], 0).leaves[3]
    leaves[3] = LazyStack([lazy(step) for step in range(3)])
    found = find_parts(leaves, GROUPS, rooms, 4, [2, 3], 0).leaves[3]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == numbers.dtype
    assert [len(some) for some in asked] == [12, 12, 12]
    np.testing.assert_array_equal(np.asarray(leaves[3]), numbers)


def test_too_little_room_is_told():
    found = find_parts(batches(), GROUPS, [Room(1, 1), Room(1, 1)], 4, range(4), 0)
    assert not found.whole
    rooms = [larger_room(*both) for both in zip(found.rooms, found.needed, strict=True)]
    assert find_parts(batches(), GROUPS, rooms, 4, range(4), 0).whole


def test_an_id_outside_its_table_is_refused():
    leaves = batches()
    leaves[1][0, 0, 0] = 35
    with pytest.raises(
        ValueError, match="read the table 'items' must be in 0..34.*1 others, the first is 35"
    ):
        find_parts(leaves, GROUPS, [Room(13, 6), Room(9, 9)], 4, range(4), 0)


@pytest.mark.parametrize("by", [None, 0])
def test_room_is_enough_for_ids_that_are_spread_evenly(by):
    ids = np.random.default_rng(0).integers(0, 10_000, (20, 1000, 1))
    room = estimated_room(1000, 500, 2, 5000, follows=by == 0)
    assert find_parts([ids], [Group((0,), 5000, (10_000, "users"))], [room], 2, [0, 1], by).whole


def test_room_is_never_for_more_than_there_are():
    assert estimated_room(10, 5, 2, 3, follows=False) == Room(3, 3)
