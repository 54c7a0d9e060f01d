import numpy as np

from kerasrec.evaluation._ragged import Ragged


def test_rows_are_sorted_and_nothing_is_twice():
    ragged = Ragged([2, 0, 2, 2, 0], [5, 1, 3, 5, 0], 4, np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32))
    assert ragged.starts.tolist() == [0, 2, 2, 4, 4]
    assert ragged.items.tolist() == [0, 1, 3, 5]
    assert ragged.values.tolist() == [5.0, 2.0, 3.0, 4.0]


def test_a_single_row():
    ragged = Ragged(0, [5, 3, 5], 1, np.array([1.0, 2.0, 4.0], np.float32))
    assert ragged.starts.tolist() == [0, 2]
    assert ragged.items.tolist() == [3, 5]
    assert ragged.values.tolist() == [2.0, 4.0]
    assert ragged.find(np.array([0, 0]), np.array([5, 4])).tolist() == [1, -1]
    assert Ragged([], [], 1).starts.tolist() == [0, 0]


def test_index_gives_rows_one_after_the_other():
    ragged = Ragged([2, 0, 2, 2, 0], [5, 1, 3, 5, 0], 4)
    rows, index = ragged.index(np.array([2, 1, 0, 2]))
    assert rows.tolist() == [0, 0, 2, 2, 3, 3]
    assert ragged.items[index].tolist() == [3, 5, 0, 1, 3, 5]
    assert ragged.values.tolist() == [1.0] * 4


def test_find_gives_the_place_of_a_pair():
    ragged = Ragged([2, 0, 2], [5, 1, 3], 4)
    assert ragged.find(np.array([[0], [2]]), np.array([[1, 3], [5, -1]])).tolist() == [[0, -1], [2, -1]]
    assert Ragged([], [], 4).find(np.array([0]), np.array([1])).tolist() == [-1]


def test_ids_beyond_the_bits_of_a_small_integer_do_not_collide():
    ragged = Ragged(np.array([70_000, 0], np.int32), np.array([2**31 - 1, 2**31 - 1], np.int32), 70_001)
    assert ragged.find(np.array([70_000, 1]), np.array([2**31 - 1, 2**31 - 1])).tolist() == [1, -1]
