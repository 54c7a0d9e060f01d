import numpy as np
import pandas as pd
import pytest

from kerasrec.recommender._column import Column

ENTRIES = {
    "text": np.array(["ä", "b", "", "d"], object),
    "text with gaps": pd.Series(["ä", None, "", "d"]),
    "text of pandas' other kind": pd.Series(["ä", None, "", "d"], dtype="string"),
    "text in Python": pd.Series(["ä", None, "", "d"], dtype=pd.StringDtype("python", na_value=np.nan)),
    "integers": np.arange(4),
    "numbers": pd.Series([1.5, np.nan, 2.0, 3.0]),
    "categories": pd.Series(["x", "y", "x", None], dtype="category"),
    "dates": pd.Series(pd.to_datetime(["2024-01-01", None, "2024-01-03", "2024-01-04"])),
    "mixed": pd.Series([1, "x", None, 2.0], dtype=object),
}


@pytest.mark.parametrize("kind", ENTRIES)
@pytest.mark.parametrize("codes", [[2, 0, 2, 3, 1], []])
def test_takes_what_pandas_takes(kind, codes):
    entries = pd.Series(ENTRIES[kind])
    found = Column(entries).take(np.array(codes, np.int32))
    pd.testing.assert_series_equal(pd.Series(found), entries.take(codes).reset_index(drop=True))
