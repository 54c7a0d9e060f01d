import numpy as np
import pandas as pd
import pytest

from kerasrec.data import Interactions
from kerasrec.data._last_rows import leave_last_row_out


@pytest.mark.parametrize("opened", [False, True])
def test_by_hand(tmp_path, opened):
    frame = pd.DataFrame({"user": ["b", "a", "b", "c", "a", "b"], "item": [1, 2, 3, 1, 1, 2]})
    whole = Interactions.from_frame(frame)
    if opened:
        frame.to_parquet(tmp_path / "events.parquet")
        whole = Interactions.prepare(tmp_path / "events.parquet", tmp_path / "out", verbose=False)
    train, test = leave_last_row_out(whole)
    rows = test.to_frame().sort_values("user")
    assert rows["user"].tolist() == ["a", "b"] and rows["item"].tolist() == [1, 2]
    assert len(train) == 4 and np.bincount(train.users).tolist() == [1, 2, 1]


def test_one_row_each():
    whole = Interactions([0, 1], [0, 0], user_ids=["a", "b"], item_ids=["x"])
    with pytest.raises(ValueError, match="needs a user with two rows. Received: 2 rows of as many users"):
        leave_last_row_out(whole)
