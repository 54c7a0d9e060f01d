"""Every line of a file is a row of its table, or the table is refused."""

import gzip
import sqlite3

import pandas as pd
import pytest

from kerasrec.data import Interactions

SWALLOWED = 'user{0}item{0}note\nu1{0}a{0}"open\nu2{0}b{0}x\nu3{0}c{0}close"\nu4{0}d{0}y\n'


def read(tmp_path, text, **options):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Interactions.from_csv(tmp_path / "t.csv", **options)


@pytest.mark.parametrize(
    ("separator", "options"),
    [(" ", {"sep": r"\s+"}), (";", {"sep": None, "engine": "python"}), (";", {"sep": "[;|]"})],
)
def test_quotes_that_swallow_rows(tmp_path, separator, options):
    text = SWALLOWED.format(separator)
    if options["sep"] == "[;|]":  # pandas looks for no quotes there
        with pytest.warns(pd.errors.ParserWarning, match="python"):
            assert read(tmp_path, text, **options).user_ids.tolist() == ["u1", "u2", "u3", "u4"]
        return
    message = (
        r"Each line after the header must be a row of the table; `quoting` says .* Received: path='.*t.csv', "
        r"4 lines that became 2 rows, and fields of several lines, first 'open\\nu2"
    )
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, **options)
    assert len(read(tmp_path, text, **options, quoting=3)) == 4
    assert len(read(tmp_path, text, **options, quoting=0)) == 2  # which somebody has said


@pytest.mark.parametrize("engine", ["c", "python"])
def test_quotes_of_a_known_separator_whatever_reads_it(tmp_path, engine):
    with pytest.raises(ValueError, match="Quotes could be text, so `quoting` must be given"):
        read(tmp_path, SWALLOWED.format(","), engine=engine)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("text", "options", "n"),
    [
        ("user,item\nu1,a\nu2,b", {}, 2),
        ("\n\nuser,item\n\nu1,a\n   \n\t\nu2,b\n\n", {}, 2),
        ("# by hand\n\nuser,item\nu1,a\n", {"skiprows": 1}, 1),
        ("junk\nuser,item\nu1,a\nu2,b\n", {"header": 1}, 2),
        ("u1,a\nu2,b\n", {"names": ["user", "item"]}, 2),
        ("x,y\nu1,a\nu2,b\n", {"names": ["user", "item"], "header": 0}, 2),
        ('user,item,note\nu1,a,"two\n\nlines, ""x"""\nu2,b,"a\nb"\n', {}, 2),
        ("user,item\nu1,a # left out\n# all of it\n", {"comment": "#"}, 1),
        ("user,item\nu1,a\nu2,b\nu3,c\n", {"nrows": 2}, 2),
        ("user,item\nu0,a\nu1,b\nu2,c\n", {"skiprows": [1]}, 2),
    ],
)
def test_lines_that_are_rows(tmp_path, text, options, n, end):
    x = read(tmp_path, text.replace("\n", end), **options)
    assert len(x) == n and x.user_ids.tolist() == ["u1", "u2"][:n]


def test_compressed_and_wide_files(tmp_path):
    text = "user,item\n" + "".join(f"u{i},ਊĊ{i}\n" for i in range(30))  # with bytes that are line ends
    assert len(read(tmp_path, text.encode("utf-16"), encoding="utf-16")) == 30
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text[:99].encode()) + gzip.compress(text[99:].encode()))
    assert len(Interactions.from_csv(tmp_path / "t.csv.gz")) == 30


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"user": ["007"], "item": [1]}, "'user' is int64 in the first file and .*string in 'b.parquet'"),
        ({"user": [7.5], "item": [1]}, "'user' is int64 in the first file and double in"),
        ({"user": [7], "thing": [1]}, "'item' is int64 in the first file and missing in"),
    ],
)
def test_files_of_a_folder_that_differ(tmp_path, other, found):
    """pyarrow reads all files as the first: an id '007' was 7."""
    pd.DataFrame({"user": [1], "item": [1]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame(other).to_parquet(tmp_path / "b.parquet")
    message = f"files of a folder must have the same columns of the same types; .* Received: .*{found}"
    with pytest.raises(ValueError, match=message):
        Interactions.from_parquet(tmp_path)


def test_files_of_a_folder_whose_types_hold_the_same(tmp_path):
    for name, kind in (("a", "int32"), ("b", "int64")):
        frame = pd.DataFrame({"user": pd.Series([ord(name)], dtype=kind), "item": [name]})
        frame["item"] = frame["item"].astype("category" if name == "b" else "str")
        frame.to_parquet(tmp_path / f"{name}.parquet")
    assert Interactions.from_parquet(tmp_path).to_frame().values.tolist() == [[97, "a", 1], [98, "b", 1]]


def test_a_query_that_selects_nothing():
    connection = sqlite3.connect(":memory:")
    with pytest.raises(ValueError, match="`query` must select rows. Received: query='create table x "):
        Interactions.from_sql("create table x (user, item)", connection)
    connection.close()


def test_times_of_which_some_have_a_zone(tmp_path):
    rows = ["2019-01-01T00:00:00Z", "2019-01-01 00:00:00+02:00", "2019-01-01T00:00"]
    text = "user,item,at\n" + "".join(f"u{i},a,{time}\n" for i, time in enumerate(rows))
    message = (
        r"'at' must not have times without a zone mixed with .* first '2019-01-01T00:00' in row 2\. Give all"
    )
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, time="at")
    hours = [time / 3600e9 for time in read(tmp_path, text.rsplit("u2", 1)[0], time="at").times]
    assert hours == [429528, 429526]  # since 1970
