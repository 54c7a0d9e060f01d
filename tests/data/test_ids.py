"""The rule for ids: what stands there, or the whole number that a float is, or refused, from any source."""

import sqlite3
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from kerasrec.cli._form import Columns
from kerasrec.cli._table import read_ratings
from kerasrec.data import Features, Interactions, _ids

BIG = 635284328055690862  # beyond 2^53: as a float it is the id of 128 users
SAME, MISSING, EMPTY = "ids that look the same", "missing ids", "empty ids"
NOT_WHOLE, NOT_IDS, HALF = "ids that are fractions, or floats beyond 2", "ids that are true", "ids with half"


def frame(ids):
    return pd.DataFrame({"user": pd.Series(ids), "item": range(len(ids))})


def by_parquet(ids, folder):
    frame(ids).to_parquet(folder / "t.parquet")
    return Interactions.from_parquet(folder / "t.parquet")


def by_csv(ids, folder):
    frame(ids).to_csv(folder / "t.csv", index=False)
    return Interactions.from_csv(folder / "t.csv")


def by_command(ids, folder):
    frame(ids).to_csv(folder / "t.csv", index=False)
    return read_ratings(folder / "t.csv", Columns(), needs_values=False)[0]


def by_sql(ids, folder):
    sqlite3.register_converter("NUM", lambda text: Decimal(text.decode()))
    kind = {Decimal: "NUM", str: "TEXT", float: "REAL", int: "INTEGER"}.get(type(ids[0]), "TEXT")
    connection = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
    connection.execute(f"create table events (user {kind}, item INT)")
    rows = [(str(user) if kind == "NUM" else user, item) for item, user in enumerate(ids)]
    connection.executemany("insert into events values (?, ?)", rows)
    try:
        return Interactions.from_sql("select user, item from events", connection)
    finally:
        connection.close()


SOURCES = {
    "frame": lambda ids, folder: Interactions.from_frame(frame(ids)),
    "parquet": by_parquet,
    "sql": by_sql,
    "csv": by_csv,
    "command": by_command,
}
# What is written; what it is from frames, Parquet and SQL, which have types; and from text, which has none.
RULE = [
    ([3, 1], [1, 3], [1, 3]),
    ([3.0, 1.0], [1, 3], [1, 3]),
    ([2.0**53 - 1, 1.0], [1, 2**53 - 1], [1, 2**53 - 1]),
    ([2.0**53, 1.0], NOT_WHOLE, ["1.0", "9007199254740992.0"]),
    ([2.5, 1.0], NOT_WHOLE, ["1.0", "2.5"]),
    ([BIG, BIG + 1, BIG + 2], [BIG, BIG + 1, BIG + 2], [BIG, BIG + 1, BIG + 2]),
    ([Decimal(BIG), Decimal(BIG + 1)], [BIG, BIG + 1], [BIG, BIG + 1]),
    ([Decimal("2.5"), Decimal("1")], NOT_WHOLE, ["1", "2.5"]),
    (["007", "7"], ["007", "7"], ["007", "7"]),
    (["a", "A"], ["A", "a"], ["A", "a"]),
    (["5863.0", "77"], ["5863.0", "77"], [77, 5863]),
    (["5863.0", "5863"], SAME, [5863]),
    (["5863.0", "5863", "x"], SAME, SAME),
    ([" A1", "A1"], SAME, SAME),
    (["A1 ", "B2 "], ["A1 ", "B2 "], ["A1 ", "B2 "]),
    (["A1", "A1\xa0"], SAME, SAME),
    (["Ame\u0301lie", "Am\xe9lie"], SAME, SAME),
    (["\ufeffA1", "A1"], SAME, SAME),
    (["-0", "x"], ["-0", "x"], ["-0", "x"]),
    (["", "x"], EMPTY, MISSING),
    (["NA", "x"], ["NA", "x"], MISSING),
    ([None, "x"], MISSING, MISSING),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("ids", "typed", "text"), RULE, ids=[str(ids) for ids, *_ in RULE])
def test_the_rule(source, ids, typed, text, tmp_path):
    expected = text if source in ("csv", "command") else typed
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            SOURCES[source](ids, tmp_path)
        return
    x = SOURCES[source](ids, tmp_path)
    assert x.user_ids.tolist() == expected
    assert x.user_ids.dtype == (np.int64 if isinstance(expected[0], int) else object)
    kind = type(expected[0])
    assert [kind(float(i)) if kind is int and isinstance(i, str) else kind(i) for i in ids] == x.user_ids[
        x.users
    ].tolist()


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (np.array([16777215.0, 3.0], np.float32), [3, 16777215]),
        (np.array([16777216.0, 3.0], np.float32), NOT_WHOLE),  # 2^24 + 1 is the same float32
        (np.array([2047.0, 2.0], np.float16), [2, 2047]),
        (np.array([2048.0, 2.0], np.float16), NOT_WHOLE),
        (pd.Series([3.0, 1.0], dtype="Float64"), [1, 3]),
        (pd.Series([1.0, np.inf]), NOT_WHOLE),
        (pd.Series([3.0, 1.0], dtype=object), [1, 3]),
        (pd.Series([Decimal(2**64), Decimal(1)]), [1, 2**64]),
        (pd.Series([1, "1"], dtype=object), SAME),
        (pd.Series([True, False]), NOT_IDS),
        (pd.Series([1, True], dtype=object), NOT_IDS),  # they are equal
        (pd.Series([b"x", b"y"]), NOT_IDS),
        (pd.Series(["\ud800", "x"], dtype=object), HALF),
        (pd.Series([Decimal("NaN"), Decimal(1)]), MISSING),
    ],
)
def test_types_of_frames(ids, expected):
    table = pd.DataFrame({"user": ids, "item": [1, 2]})
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            Interactions.from_frame(table)
    else:
        assert Interactions.from_frame(table).user_ids.tolist() == expected


def test_ids_that_are_looked_up_follow_the_rule():
    x = Interactions.from_frame(frame([2**53 + 1, 7]))
    assert x.user_codes([7.0]).tolist() == [0]
    with pytest.raises(ValueError, match="first 9007199254740992.0"):
        x.user_codes([2.0**53])  # as floats the two are equal
    assert Interactions.from_frame(frame([7, 8]), user_ids=[8.0, 7.0]).user_ids.tolist() == [8, 7]
    assert x.extend(frame([9.0])).user_ids.tolist() == [7, 2**53 + 1, 9]
    with pytest.raises(ValueError, match="The ids given for 'user' must not be fractions, .* Received: 7.5"):
        Interactions.from_frame(frame([7, 8]), user_ids=[7, 7.5])
    assert Features.indicator([3.0, 1.0]).ids.tolist() == [3, 1]


def test_other_columns_of_a_database_are_numbers_as_before():
    table = frame([1, 2]).assign(
        stars=[Decimal("4.5"), Decimal("3")], at=[Decimal(2**53 + 1), Decimal(5)], price=[Decimal("9.99")] * 2
    )
    x = Interactions.from_frame(table, value="stars", time="at", context=["price"])
    assert x.values.tolist() == [4.5, 3.0]
    assert x.times.tolist() == [2**53 + 1, 5]
    assert x.context["price"].tolist() == [9.99, 9.99] and x.context_ids == {}
    with pytest.raises(ValueError, match="'at' must not have times that are not whole numbers.*Decimal"):
        Interactions.from_frame(table.assign(at=[Decimal("0.5"), Decimal(1)]), time="at")
    with pytest.raises(ValueError, match="'at' must not have times that do not fit into 64 bits"):
        Interactions.from_frame(table.assign(at=[Decimal(2**63), Decimal(1)]), time="at")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("-7", -7),
        ("7.0", 7),
        ("7.000", 7),
        ("0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        *[
            (text, None)
            for text in ("07", "-0", "+7", "7.", ".0", "7.5", "1e3", "³", "--9", "٣", "", "9" * 5000)
        ],
    ],
)
def test_integers_in_text(text, expected):
    assert _ids.integer(text) == expected
