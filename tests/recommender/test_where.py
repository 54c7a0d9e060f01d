"""Conditions on columns of every type that pandas has, with an entry missing in each."""

import pandas as pd
import pytest

from kerasrec.recommender._where import mask_of

FRAME = pd.DataFrame(
    {
        "object": pd.Series([1, None, 3], dtype=object),
        "nullable": pd.Series([1, None, 3], dtype="Int64"),
        "text": pd.Series(["a", None, "b"], dtype="string"),
        "words": pd.Series(["a", None, "b"], dtype=object),
        "flag": pd.Series([True, None, False], dtype="boolean"),
        "day": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        "moment": pd.to_datetime(["2020-01-01", None, "2021-01-01"]).tz_localize("Europe/Paris"),
        "group": pd.Categorical(["a", None, "b"]),
        "size": pd.Categorical(["small", None, "large"], ["small", "medium", "large"], ordered=True),
    }
)


@pytest.mark.parametrize(
    ("condition", "first", "last"),
    [
        ("object < 2", True, False),
        ("nullable < 2", True, False),
        ("nullable == 3", False, True),
        ("nullable in [3, 4]", False, True),
        ("1 < nullable <= 3", False, True),
        ("text == 'b'", False, True),
        ("text < 'b'", True, False),
        ("words < 'b'", True, False),
        ("flag", True, False),
        ("flag == False", False, True),
        ("day > '2020-06-01'", False, True),
        ("day in ['2020-01-01']", True, False),
        ("moment > '2020-06-01'", False, True),
        ("moment >= '2020-01-01' and moment < '2019-12-31T23:30Z'", True, False),
        ("group == 'a'", True, False),
        ("group < 'b'", True, False),
        ("size < 'medium'", True, False),
    ],
)
def test_what_is_missing_meets_no_comparison(condition, first, last):
    assert mask_of(condition, FRAME).tolist() == [first, False, last]


@pytest.mark.parametrize("column", [name for name in FRAME if name not in ("flag", "day", "moment")])
def test_what_is_missing_differs_from_everything(column):
    first = FRAME[column].iloc[0]
    other = repr(first.item() if hasattr(first, "item") else first)
    assert mask_of(f"{column} != {other}", FRAME).tolist() == [False, True, True]
    assert mask_of(f"{column} not in [{other}]", FRAME).tolist() == [False, True, True]
    assert mask_of(f"not {column} == {other}", FRAME).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("day in [1]", "`where` must be a comparison of dates with dates. Received: `day in "),
        ("day in ['soon']", "`where` must be a comparison of dates with dates. Received: `day in "),
        ("day > '2020-01-01T00:00Z'", "`where` must be a comparison of like with like. Received: `day > "),
        ("day > moment", "`where` must be a comparison of like with like. Received: `day > moment`"),
        ("size < 'huge'", "`where` must be a comparison of like with like. Received: `size < 'huge'`"),
    ],
)
def test_what_cannot_be_compared_is_refused(condition, message):
    with pytest.raises(ValueError, match=message):
        mask_of(condition, FRAME)
