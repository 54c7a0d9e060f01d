"""Raw ids and their codes: however many there are, a look-up finds the same."""

import numpy as np
import pytest

from kerasrec.recommender import _ids
from kerasrec.recommender._ids import Ids


@pytest.mark.parametrize("most", [0, 1 << 17])
@pytest.mark.parametrize(
    ("raw", "wanted", "unknown"),
    [
        (np.array(["b", "é", "a b"], object), ["a b", "b", "a b"], "c"),
        (np.array([30, 10, 2**40]), [2**40, 30, 2**40], 11),
    ],
)
def test_few_ids_are_found_by_a_dict_or_an_index(monkeypatch, most, raw, wanted, unknown):
    monkeypatch.setattr(_ids, "_IN_A_DICT", most)
    ids = Ids(raw, "item")
    codes, found = ids.find(wanted)
    assert codes.tolist() == [2, 0, 2] and codes.dtype == np.int32
    assert found.tolist() == wanted
    assert ids.find([*wanted, unknown])[0].tolist() == [2, 0, 2, -1]
    with pytest.raises(ValueError, match="1 unknown of 2"):
        ids.codes([wanted[0], unknown])
