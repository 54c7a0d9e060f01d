import numpy as np
import pandas as pd

from kerasrec.data import Interactions, _access


def test_what_other_packages_read(tmp_path):

    frame = pd.DataFrame({"who": ["a", "b", "a"], "what": [1, 1, 1], "v": [1.0, 2.0, 4.0]})
    frame.to_parquet(tmp_path / "events.parquet")
    names = {"user": "who", "item": "what", "value": "v", "duplicates": "mean"}
    held = Interactions.from_frame(frame, **names)
    opened = Interactions.prepare(tmp_path / "events.parquet", tmp_path / "out", verbose=False, **names)
    for found, on_disk in ((held, False), (opened, True)):
        assert _access.is_opened(found) is on_disk
        assert _access.meaning_of(found).duplicates == "mean"
        assert _access.column_names_of(found) == {"user": "who", "item": "what", "value": "v", "time": None}
        assert sorted(_access.event_counts_of(found)) == [1, 2]  # the mean of a's two values, and b's own
        of_users, of_items = _access.row_counts_of(found)
        assert of_users.tolist() == [1, 1] and of_items.tolist() == [2]
        users, items = _access.ids_of(found)
        assert users.array.tolist() == ["a", "b"] and items.array.tolist() == [1]


def test_another_meaning_and_other_columns():
    whole = Interactions([0, 1], [0, 0], [1.0, -2.0], user_ids=["a", "b"], item_ids=["x"])
    assert whole.liked.tolist() == [True, False]
    meaning = _access.meaning_of(whole.at_least(-5))
    other = _access.with_meaning(whole, meaning, np.array([3, 4]))
    assert other.liked.tolist() == [True, True] and _access.event_counts_of(other).tolist() == [3, 4]
    assert whole.liked.tolist() == [True, False] and _access.event_counts_of(whole) is None
    assert _access.with_columns(whole, values=np.float32([5, 6])).values.tolist() == [5.0, 6.0]
