import sqlite3

import numpy as np
import pandas as pd
import pytest

from kerasrec.data import Interactions, _readers

TABLE = pd.DataFrame(
    {
        "user": ["u2", "u1", "u2"],
        "item": [3, 1, 1],
        "stars": [4.5, 2.0, 1.0],
        "at": [9, 8, 7],
        "note": ["", "x", "y"],
    }
)
NAMES = {"value": "stars", "time": "at"}


def same(x):
    expected = Interactions.from_frame(TABLE, **NAMES)
    pd.testing.assert_frame_equal(x.to_frame(), expected.to_frame())
    assert x.user_ids.tolist() == expected.user_ids.tolist()
    assert x.item_ids.dtype == expected.item_ids.dtype


def test_csv_parquet_and_sql_agree_with_the_frame(tmp_path):
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    TABLE.to_csv(tmp_path / "t.csv.gz", index=False)
    TABLE.to_parquet(tmp_path / "t.parquet")
    same(Interactions.from_csv(tmp_path / "t.csv", **NAMES))
    same(Interactions.from_csv(str(tmp_path / "t.csv.gz"), **NAMES))
    same(Interactions.from_parquet(tmp_path / "t.parquet", **NAMES))


def test_parquet_folder(tmp_path):
    TABLE.head(1).to_parquet(tmp_path / "0.parquet")
    TABLE.tail(2).to_parquet(tmp_path / "1.parquet")
    same(Interactions.from_parquet(tmp_path, **NAMES))


def test_sql_in_chunks(monkeypatch):
    monkeypatch.setattr(_readers, "CHUNK_ROWS", 2)
    with sqlite3.connect(":memory:") as connection:
        TABLE.to_sql("events", connection)
        same(Interactions.from_sql("select * from events", connection, **NAMES))
        with pytest.raises(ValueError, match="must have at least one row"):
            Interactions.from_sql("select * from events where stars > 9", connection)
        with pytest.raises(ValueError, match="`time` must name a column of the table. .* 'user', 'item'."):
            Interactions.from_sql("select user, item from events", connection, time="at")
    connection.close()


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_csv_with_another_separator(tmp_path, separator):
    TABLE.to_csv(tmp_path / "t.csv", sep=separator, index=False)
    with pytest.raises(ValueError) as refused:
        Interactions.from_csv(tmp_path / "t.csv")
    assert str(refused.value).endswith(
        f"They seem to be separated by {separator!r}: read the table with `sep={separator!r}`."
    )
    same(Interactions.from_csv(tmp_path / "t.csv", **NAMES, sep=separator))


def test_csv_of_another_dialect(tmp_path):
    path = tmp_path / "messy.dat"
    path.write_bytes("bj\xf6rn;1;4,5\r\nann;2;3\r\n".encode("latin-1"))
    x = Interactions.from_csv(
        path,
        *("user", "item", "stars"),
        sep=";",
        encoding="latin-1",
        decimal=",",
        names=["user", "item", "stars"],
    )
    assert x.to_frame().values.tolist() == [["björn", 1, 4.5], ["ann", 2, 3.0]]
    path.write_text("1::10::5\n2::11::3\n")
    options = {"sep": "::", "engine": "python", "names": ["user", "item", "stars"]}
    x = Interactions.from_csv(path, value="stars", **options)
    assert x.to_frame().values.tolist() == [[1, 10, 5.0], [2, 11, 3.0]]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1 2 10", [1, 2, 10]),
        ("-1 2 10", [-1, 2, 10]),
        ("007 2 10", ["007", "10", "2"]),
        ("1.0 2 10", [1, 2, 10]),
        ("1.0 2.0 2", [1, 2]),
        ("1.0 2.5 10", ["1.0", "10", "2.5"]),
        ("9007199254740992.0 2 10", ["10", "2", "9007199254740992.0"]),
        ("9007199254740993 2 10", [2, 10, 9007199254740993]),
        ("99999999999999999999 2 10", ["10", "2", "99999999999999999999"]),
        ("inf 2 10", ["10", "2", "inf"]),
        ("1e3 2 10", ["10", "1e3", "2"]),
    ],
)
def test_csv_ids_stay_as_written(tmp_path, written, expected):
    path = tmp_path / "t.csv"
    path.write_text("user,item\n" + "".join(f"{user},{i}\n" for i, user in enumerate(written.split())))
    assert Interactions.from_csv(path).user_ids.tolist() == expected


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("\\N", r"missing ids. Received: '\\N', which databases write for missing entries"),
        ("4.00638E+12", "a spreadsheet has rounded: .* Received: '4.00638E\\+12'"),
        ("4,00638E+12", "a spreadsheet has rounded"),
    ],
)
def test_ids_that_other_programs_have_lost(tmp_path, user, message):
    (tmp_path / "t.csv").write_text(f"user;item\n{user};x\nb;y\n")
    with pytest.raises(ValueError, match=message):
        Interactions.from_csv(tmp_path / "t.csv", sep=";")
    (tmp_path / "t.csv").write_text("user;item\n\\N;x\n4.00638E+1;y\n4.00638e+12;z\n")
    x = Interactions.from_csv(tmp_path / "t.csv", sep=";", keep_default_na=False)
    assert [x.user_ids[u] for u in x.users] == ["\\N", "4.00638E+1", "4.00638e+12"]


def test_csv_ids_against_a_given_vocabulary(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("user,item\n1,x\n2,x\n")
    assert Interactions.from_csv(path, user_ids=["2", "1", "a"]).users.tolist() == [1, 0]
    assert Interactions.from_csv(path, user_ids=[2, 1]).users.tolist() == [1, 0]
    path.write_text("user,item\n1,x\na,x\n")
    with pytest.raises(ValueError, match="Received: 1 row of them, first 'a' in row 1"):
        Interactions.from_csv(path, user_ids=np.array([2, 1]))


def test_csv_takes_types_from_the_caller(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("user,item\n1,1\n2,2\n")
    assert Interactions.from_csv(path, dtype={"user": str}).user_ids.tolist() == ["1", "2"]


def test_movielens_and_book_crossing(shared_data):
    x = Interactions.from_csv(
        shared_data / "movielens-latest-small-2016" / "ratings.csv",
        "userId",
        "movieId",
        "rating",
        "timestamp",
    )
    assert (len(x), x.n_users, x.n_items, x.user_ids.dtype) == (100_004, 671, 9_066, np.int64)
    books = shared_data / "book-crossing" / "ratings.csv"
    user, item, value = pd.read_csv(books, nrows=0).columns[:3]
    x = Interactions.from_csv(books, user, item, value)
    assert (len(x), x.n_users, x.n_items) == (204_164, 48_299, 18_185)
    assert {len(isbn) for isbn in x.item_ids} == {10}  # leading zeros are there


def test_a_csv_that_has_a_column_twice(tmp_path):
    (tmp_path / "t.csv").write_text("user;item;user\na;x;b\n")
    with pytest.raises(ValueError, match=r"Column 'user' must occur once in the table\. Received: 2 columns"):
        Interactions.from_csv(tmp_path / "t.csv", sep=";")
    (tmp_path / "t.csv").write_text("user,item,stars,stars\na,x,1,5\n")
    with pytest.raises(
        ValueError, match=r"Column 'stars' must occur once in the table\. Received: 2 columns"
    ):
        Interactions.from_csv(tmp_path / "t.csv", value="stars")
    (tmp_path / "t.csv").write_text("user,item,user.1,day\na,x,b,2026-01-02\n")  # another column
    assert Interactions.from_csv(tmp_path / "t.csv", parse_dates=["day"]).user_ids.tolist() == ["a"]


def test_rows_that_repeat_the_header(tmp_path):
    path = tmp_path / "both.csv"
    path.write_text("user,item\nanna,tea\nuser,item\nbob,milk\n")
    with pytest.raises(ValueError, match="not repeat its header.* 1 such rows, the first after 1 others"):
        Interactions.from_csv(path, user="user", item="item")
    path.write_text("user,item\nanna,tea\nuser,milk\nbob,item\n")
    assert Interactions.from_csv(path, user="user", item="item").n_users == 3


def test_bad_files(tmp_path):
    for load in (Interactions.from_csv, Interactions.from_parquet):
        with pytest.raises(
            FileNotFoundError, match="`path` must be an existing file. Received: path='.*nowhere"
        ):
            load(tmp_path / "nowhere")
    path = tmp_path / "t"
    path.write_text("")
    with pytest.raises(ValueError, match="must hold a table with a header. Received: .*which is empty"):
        Interactions.from_csv(path)
    path.write_text("user,item\n1,2\n1,2,3,4\n")
    with pytest.raises(ValueError, match="must hold a CSV table; .* pandas says: .*line 3"):
        Interactions.from_csv(path)
    path.write_text("user,item\n1,2,3\n1,2,3\n")
    with pytest.raises(ValueError, match="must hold a CSV table; .* pandas says: Length of header"):
        Interactions.from_csv(path)
    with pytest.raises(ValueError, match="must hold a Parquet table. .* pyarrow says: "):
        Interactions.from_parquet(path)
    path.write_text("user,film\n1,2\n")
    with pytest.raises(ValueError, match="`item` must name a column .* 'user', 'film'"):
        Interactions.from_csv(path)
    TABLE.to_parquet(path)
    with pytest.raises(
        ValueError, match="`item` must name a column .* 'user', 'item', 'stars', 'at', 'note'"
    ):
        Interactions.from_parquet(path, item="film")
