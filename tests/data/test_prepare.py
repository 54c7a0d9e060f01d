"""Tables that do not fit memory: the same as in memory, and what goes wrong on the way."""

import errno
import json
import os
import re
import subprocess
import tempfile
import zlib
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kerasrec._partial import machine
from kerasrec.data import Interactions, _column_files, _prepare, _vocabularies
from kerasrec.data._kinds import Meaning

COLUMNS = ("users", "items", "values", "times")
NAMES = {"value": "stars", "time": "when"}


def events(n=1500, seed=0):
    """Text users and numbered items, of whom many meet several times, in no order."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user": [f"ü{code}" for code in rng.integers(0, 60, n)],
            "item": rng.integers(-5, 40, n),
            "stars": rng.integers(1, 11, n) / 2,
            "when": rng.integers(1_500_000_000, 1_500_000_500, n),  # many at the same second
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A frame, and a folder with it as two Parquet files and as CSV."""
    folder = tmp_path_factory.mktemp("table")
    frame = events()
    frame[:900].to_parquet(folder / "a.parquet")
    frame[900:].to_parquet(folder / "b.parquet")
    frame.to_csv(folder / "all.csv", index=False)
    return frame, folder


@pytest.fixture
def prepared(tmp_path):
    """Prepare a frame, or whatever else a source is."""

    def prepared(source, **options):
        if isinstance(source, pd.DataFrame):
            source.to_parquet(tmp_path / "events.parquet")
            source = tmp_path / "events.parquet"
        return Interactions.prepare(source, tmp_path / "out", verbose=False, **options)

    return prepared


def changed(folder, **entries):
    """Write other entries into a header, with the checksum that they have."""
    header = json.loads((folder / "header.json").read_text()) | entries
    del header["check"]
    text = json.dumps(header, sort_keys=True)
    (folder / "header.json").write_text(json.dumps(header | {"check": zlib.crc32(text.encode())}))


def in_order(held):
    """Columns of interactions in memory, by user, time and place."""
    order = np.lexsort((np.arange(len(held)), held.times, held.users))
    return {name: getattr(held, name)[order] for name in COLUMNS}


def check_same(opened, held):
    for name, column in in_order(held).items():
        np.testing.assert_array_equal(getattr(opened, name), column)
        assert getattr(opened, name).dtype == column.dtype


@pytest.mark.parametrize("kind", [{"kind": "ratings"}, {"kind": "counts"}, {"duplicates": "mean"}])
@pytest.mark.parametrize("form", ["parquet", "csv", "query"])
def test_as_in_memory(table, prepared, kind, form, monkeypatch):
    monkeypatch.setattr(_prepare, "_BATCH", 100)  # users are cut from many batches
    frame, folder = table
    held = Interactions.from_frame(frame, **NAMES, **kind)
    source = {
        "parquet": str(folder / "*.parquet"),
        "csv": folder / "all.csv",
        "query": f"FROM read_parquet(['{folder}/a.parquet', '{folder}/b.parquet'])",
    }[form]
    opened = prepared(source, **NAMES, **kind)
    check_same(opened, held)
    check_same(opened.events, held.events)
    assert len(opened.events) == len(frame)
    assert opened._meaning == held._meaning
    for side in ("user_ids", "item_ids"):
        assert getattr(opened, side).dtype == getattr(held, side).dtype
        np.testing.assert_array_equal(getattr(opened, side), getattr(held, side))
    assert opened._columns == held._columns


def test_by_hand(prepared):
    frame = pd.DataFrame(
        {"user": ["bob", "ann", "bob", "bob"], "item": [7, 9, 7, 9], "n": [1.0, 2, 3, 4], "t": [5, 1, 2, 3]}
    )
    opened = prepared(frame, value="n", time="t", kind="counts")
    assert opened.user_ids.tolist() == ["ann", "bob"] and opened.item_ids.tolist() == [7, 9]
    assert opened.users.tolist() == [0, 1, 1]
    assert opened.items.tolist() == [1, 1, 0]
    assert opened.values.tolist() == [2, 4, 4]  # 1 + 3 of bob's two events with item 7
    assert opened.times.tolist() == [1, 3, 5]
    assert opened._disk.starts.tolist() == [0, 1, 3]
    assert opened._disk.by_item.tolist() == [1, 0, 1]


def test_at_least(table, prepared):
    frame, folder = table
    held = Interactions.from_frame(frame, **NAMES, kind="ratings").at_least(4)
    opened = prepared(str(folder / "*.parquet"), **NAMES, kind="ratings", at_least=4)
    check_same(opened, held)
    assert opened._meaning == held._meaning
    check_same(opened.events, held.events)  # those of pairs that are no likes too


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ([3.0, 1.0], [1, 3]),
        (np.array([3, 1], np.uint8), [1, 3]),
        (["007", "NA"], ["007", "NA"]),
        (pd.Categorical(["b", "a"]), ["a", "b"]),
    ],
)
def test_ids(prepared, users, expected):
    frame = pd.DataFrame({"user": users, "item": [1, 2]})
    assert prepared(frame).user_ids.tolist() == expected
    assert Interactions.from_frame(frame).user_ids.tolist() == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["5863", "12.0", "-1"], [-1, 12, 5863]),
        (["007", "12"], ["007", "12"]),
        (["9223372036854775807"], [2**63 - 1]),
        (["9223372036854775808"], ["9223372036854775808"]),
    ],
)
def test_ids_of_csv(prepared, tmp_path, lines, expected):
    (tmp_path / "events.csv").write_text("user,item\n" + "".join(f"{line},x\n" for line in lines))
    opened = prepared(tmp_path / "events.csv")
    assert opened.user_ids.tolist() == expected
    assert Interactions.from_csv(tmp_path / "events.csv").user_ids.tolist() == expected


@pytest.mark.parametrize(
    ("moments", "utc"),
    [
        (["2020-01-01T00:00:00+01:00", "2020-01-02T00:00Z"], ["2019-12-31T23:00", "2020-01-02"]),
        (["2020-01-02", "2020-01-03 12:00:00.5"], ["2020-01-02", "2020-01-03T12:00:00.5"]),
    ],
)
def test_times(prepared, tmp_path, moments, utc):
    lines = "".join(f"ann,{j},{moment}\n" for j, moment in enumerate(moments))
    (tmp_path / "events.csv").write_text("user,item,t\n" + lines)
    opened = prepared(tmp_path / "events.csv", time="t")
    assert opened.times.tolist() == [np.datetime64(moment, "ns").astype(int) for moment in utc]
    assert opened._meaning.dates


ODD = {
    "a quote that swallows rows": 'user,item,title\na,1,"12 inch\nb,2,x\nc,3,12"\nd,4,w\n',
    "bare quotes": 'user,item,title\na,1,12" inch\nb,2,x\nc,3,9" y\nd,4,w\n',
    "a column twice": "user,item,item\na,1,5\nb,2,6\n",
    "a preamble": "export of a shop\nuser,item\na,1\nb,2\n",
    "spaces in the header": " user,item\na,1\nb,2\n",
    "a short row": "user,item,x\na,1,x\nb,2,y,z\n",
    "an underscore": "user,item,v\na,1,1_000\nb,2,3\n",
    "a decimal comma": 'user,item,v\na,1,"7,5"\nb,2,3\n',
    "epoch": "user,item,t\na,1,epoch\nb,2,2020-01-02\n",
    "now": "user,item,t\na,1,now\nb,2,2020-01-02\n",
    "an hour 24": "user,item,t\na,1,2020-01-02 24:00\nb,2,2020-01-02\n",
    "a named zone": "user,item,t\na,1,2020-01-02 03:04:05 Europe/Berlin\nb,2,2020-01-02\n",
    "two kinds of zones": "user,item,t\na,1,2020-01-02T03:04Z\nb,2,2020-01-02\n",
    "nanoseconds": "user,item,t\na,1,2020-01-02 03:04:05.123456789\nb,2,2020-01-02\n",
    "times and dates": "user,item,t\na,1,1600000000\nb,2,2020-01-02\n",
    "another encoding": "user,item\nZo\u00eb,1\nb,2\n".encode("latin-1"),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_files_are_read_as_in_memory_or_refused(prepared, tmp_path, text):
    path = tmp_path / "odd.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    names = path.read_bytes().split(b"\n")[0].split(b",")
    columns = {name: key for name, key in (("value", "v"), ("time", "t")) if key.encode() in names}

    def rows(interactions):
        order = np.lexsort((interactions.items, interactions.users))
        times = None if interactions.times is None else np.asarray(interactions.times)[order].tolist()
        users, items = (np.asarray(x)[order] for x in (interactions.users, interactions.items))
        ids = interactions.user_ids[users].tolist(), interactions.item_ids[items].tolist()
        return *ids, np.asarray(interactions.values)[order].tolist(), times

    try:
        opened = rows(prepared(path, kind="counts", **columns))
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert opened == rows(Interactions.from_csv(path, kind="counts", **columns))


def test_dates_of_parquet(prepared):
    when = pd.to_datetime(["2020-01-02", "2020-01-01"])
    opened = prepared(pd.DataFrame({"user": [1, 2], "item": [1, 2], "t": when}), time="t")
    assert opened.times.tolist() == when.as_unit("ns").astype("int64").tolist()
    assert opened._meaning.dates


@pytest.mark.parametrize("kind", ["ratings", "counts", "likes"])
def test_values_below_0(prepared, kind):
    """Returned goods are subtracted, and what is left over is a like only above 0."""
    frame = pd.DataFrame({"user": ["a", "a", "b", "c"], "item": 1, "n": [3.0, -1.0, -2.0, 0.0]})
    opened = prepared(frame, value="n", kind=kind)
    assert opened.values.tolist() == [2.0 if kind == "counts" else -1.0, -2.0, 0.0]
    assert opened.liked.tolist() == [kind == "counts", False, False]
    held = Interactions.from_frame(frame, value="n", kind=kind)
    assert held.values.tolist() == opened.values.tolist() and held.liked.tolist() == opened.liked.tolist()


def test_a_database(prepared, tmp_path):
    shop = tmp_path / "shop.duckdb"
    with duckdb.connect(str(shop)) as connection:
        connection.execute("CREATE TABLE sales AS SELECT 'ann' AS who, 7 AS what UNION ALL SELECT 'bob', 8")
    opened = prepared("SELECT * FROM source.sales", user="who", item="what", attach=str(shop))
    assert opened.user_ids.tolist() == ["ann", "bob"] and opened.item_ids.tolist() == [7, 8]


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (["a", None], r"Column 'user' must not have missing ids. Received: 1 row of them"),
        (["a", " "], r"must not have empty ids. Received: 1 row of them, first ' ' in row 1 of"),
        (["a", "\u00a0"], r"must not have empty ids. Received: 1 row of them, first '\\xa0' in row 1"),
        ([1.5, 2.0], r"ids that are fractions.* Received: 1 row of them, first 1.5 in row 0"),
        ([2.0**53, 2.0], "several integers share one float"),
        ([True, False], "neither text nor whole numbers. Received: a column of type BOOLEAN"),
        ([b"x", b"y"], "neither text nor whole numbers. Received: a column of type BLOB"),
        (
            ["A1", "A1 "],
            "must not have ids that look the same. Received: 'A1' in row 0 of .* and 'A1 ' in row 1",
        ),
        (["e\u0301", "é"], "must not have ids that look the same"),
        (["5.0", "5"], "must not have ids that look the same"),
        ([" A", "A "], "must not have ids that look the same"),
        (np.array([2**63, 1], np.uint64), "ids beyond 64 bits"),
    ],
)
def test_ids_refused(prepared, users, message):
    with pytest.raises(ValueError, match=message):
        prepared(pd.DataFrame({"user": users, "item": [1, 2]}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item\nNA,1\n", r"missing ids. Received: 1 row of them, first 'NA' in row 0.*`keep_na=True`"),
        ("user,item\n\\N,1\n", "missing ids"),
        ("user,item\n1.23E+12,1\n", "a spreadsheet has rounded"),
        ('user,item\n"a\nb",1\n', "ids with tabs or line ends"),
        ("user,item\na,1\nuser,item\n", "must not repeat its header; remove such lines. Received: 1 row of"),
        ("user;item\na;1\n", "`user` must name a column of the table. Received: user='user'; the columns"),
        ("user,item\n", "must have at least one row"),
        ("user,item\na,1,2,3\nb,1\n", "must be .*CSV|readable from beginning to end"),
    ],
)
def test_csv_refused(prepared, tmp_path, text, message):
    (tmp_path / "events.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        prepared(tmp_path / "events.csv")


def test_ids_that_are_na(prepared, tmp_path):
    (tmp_path / "events.csv").write_text("user,item\nNA,1\n")
    assert prepared(tmp_path / "events.csv", keep_na=True).user_ids.tolist() == ["NA"]


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        ({"v": [1.0, None]}, {"value": "v"}, "'v' must not have missing values. Received: 1 row of them"),
        ({"v": ["1", "x"]}, {"value": "v"}, "not finite numbers in float32. Received: 1 row of .* 'x'"),
        ({"v": [1e300, 1.0]}, {"value": "v"}, "not finite numbers in float32"),
        ({"v": pd.to_datetime(["2020", "2021"])}, {"value": "v"}, "that are not numbers. Received: a col"),
        ({"t": [1.5, 2.0]}, {"time": "t"}, "times that are neither whole numbers nor"),
        ({"t": ["soon", "2020"]}, {"time": "t"}, "times that are neither .*first 'soon'"),
        ({"t": [True, False]}, {"time": "t"}, "must hold times"),
        ({"t": [1_500_000_000, 1_500_000_000_000]}, {"time": "t"}, "must have one unit"),
        ({}, {"time": "t"}, "`time` must name a column"),
    ],
)
def test_columns_refused(prepared, column, options, message):
    with pytest.raises(ValueError, match=message):
        prepared(pd.DataFrame({"user": ["a", "b"], "item": [1, 2], **column}), **options)


def test_pairs_twice(prepared):
    frame = pd.DataFrame({"user": ["a", "a"], "item": [1, 1]})
    with pytest.raises(ValueError, match=r"must not have an item twice.*user 'a' with item 1 in row 1"):
        prepared(frame)


def test_too_many(prepared, monkeypatch):
    monkeypatch.setattr(_vocabularies, "MOST_CODES", 1)
    with pytest.raises(ValueError, match=r"fewer than 2\*\*31 users.* Received: 2\."):
        prepared(pd.DataFrame({"user": ["a", "b"], "item": [1, 1]}))


def test_types_that_differ(prepared, tmp_path):
    pd.DataFrame({"user": [1], "item": [1]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"user": ["x"], "item": [1]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="must be of one type in all files.*numbers in .*a.parquet.*text in"):
        prepared(str(tmp_path / "*.parquet"))
    assert not list(tmp_path.glob(".*.prepare"))


def test_ids_of_two_types(prepared, tmp_path):
    (tmp_path / "events.csv").write_text("user,item\n12,1\nx,2\n")
    assert prepared(tmp_path / "events.csv").user_ids.tolist() == ["12", "x"]
    query = "SELECT * FROM (VALUES (1, 2)) AS t(user, item) UNION ALL SELECT 'x', 3"
    opened = Interactions.prepare(query, tmp_path / "other", verbose=False)  # text, as in CSV
    assert opened.user_ids.tolist() == ["1", "x"]


@pytest.mark.parametrize(("name", "other"), [("v", ["x"]), ("t", pd.to_datetime(["2020-01-01"]))])
def test_columns_whose_types_differ(prepared, tmp_path, name, other):
    pd.DataFrame({"user": [1], "item": [1], "v": [1.0], "t": [1]}).to_parquet(tmp_path / "a.parquet")
    frame = pd.DataFrame({"user": [1], "item": [2], "v": [1.0], "t": [1]}).assign(**{name: other})
    frame.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=f"'{name}' must be of one type in all files"):
        prepared(str(tmp_path / "*.parquet"), value="v", time="t")


def test_widths_that_differ(prepared, tmp_path):
    pd.DataFrame({"user": np.array([1], np.int32), "item": [1]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"user": [2**40], "item": [1]}).to_parquet(tmp_path / "b.parquet")
    assert prepared(str(tmp_path / "*.parquet")).user_ids.tolist() == [1, 2**40]


def test_what_cannot_be_used_leaves_nothing(prepared, tmp_path):
    with pytest.raises(ValueError, match="missing ids"):
        prepared(pd.DataFrame({"user": ["a", None], "item": [1, 2]}))
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]


def test_too_little_memory(table, tmp_path):
    _, folder = table
    with pytest.raises(ValueError, match=r"^`memory` .*must be enough.*the same call resumes"):
        Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False, memory="1kB")
    assert (tmp_path / ".out.prepare" / "stages.duckdb").exists()


def test_other_policies_resume_where_rows_repeat(tmp_path, capsys):
    path, out = tmp_path / "events.csv", tmp_path / "out"
    path.write_text("user,item,n\na,x,1\na,x,2\nb,y,3\n")
    with pytest.raises(ValueError, match=r"`duplicates` is.*kept in '.*\.out\.prepare'.*another `kind`"):
        Interactions.prepare(path, out, value="n")
    assert "Numbering users: 3 rows" in capsys.readouterr().out
    with pytest.raises(ValueError, match="`at_least` must keep some rows.*resumes"):
        Interactions.prepare(path, out, value="n", kind="counts", at_least=9)
    found = Interactions.prepare(path, out, value="n", kind="counts")
    said = capsys.readouterr().out
    assert "Numbering" not in said
    assert "Writing rows: 3 rows" in said
    assert found.values.tolist() == [3.0, 3.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.csv", "out"]


def test_a_cut_file(prepared, table, tmp_path):
    _, folder = table
    whole = (folder / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"must be complete Parquet files.*cut.parquet"):
        prepared(tmp_path / "cut.parquet", **NAMES)


def test_sources_refused(prepared, table, tmp_path):
    _, folder = table
    with pytest.raises(FileNotFoundError, match="must name existing files"):
        prepared(str(tmp_path / "*.parquet"))
    with pytest.raises(ValueError, match="must be of one format.*read both in a query") as mixed:
        prepared([folder / "a.parquet", folder / "all.csv"], **NAMES)
    query = re.search('such as "(.*?)"', str(mixed.value))[1]
    assert query == f"FROM '{folder / 'a.parquet'}' UNION ALL BY NAME FROM '{folder / 'all.csv'}'"
    with pytest.raises(FileNotFoundError, match=r"source='.*none.csv', which matches nothing"):
        prepared([folder / "all.csv", tmp_path / "none.csv"], **NAMES)
    with pytest.raises(ValueError, match="must be a query that DuckDB can run"):
        prepared("SELECT * FROM source.nothing")
    with pytest.raises(ValueError, match="`attach` must be a database"):
        prepared("SELECT 1 AS user, 2 AS item", attach=str(folder / "all.csv"))
    with pytest.raises(ValueError, match="`memory` must be a size"):
        prepared("SELECT 1 AS user, 2 AS item", memory="much")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        Interactions.prepare("SELECT 1 AS user, 2 AS item", tmp_path / "none" / "out")
    prepared("SELECT 1 AS user, 2 AS item")
    with pytest.raises(ValueError, match="`path` must be a new or empty folder"):
        prepared("SELECT 1 AS user, 2 AS item")


def test_it_goes_on(table, tmp_path, monkeypatch):
    frame, folder = table
    request = _prepare.Request(
        str(folder / "*.parquet"),
        {"user": "user", "item": "item", "value": "stars", "time": "when"},
        Interactions.from_frame(frame, **NAMES, kind="ratings")._meaning,
    )
    out, stages = tmp_path / "out", []

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(_prepare.RowsWriter, "add", stop)
        _prepare.prepare(request, out)
    assert not out.exists()
    left = {path.name for path in (tmp_path / ".out.prepare").iterdir()}
    assert "stages.duckdb" in left and not left & {"columns", "spilled"}
    _prepare.prepare(request, out, lambda stage, done, n: stages.append((stage, done, n)))
    assert {stage for stage, *_ in stages} == {"sorting rows", "writing rows"}
    assert stages[-1] == ("writing rows", 1500, 1500)
    check_same(Interactions.open(out), Interactions.from_frame(frame, **NAMES, kind="ratings"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_was_done_of_another_table_is_done_again(table, tmp_path, monkeypatch):
    frame, folder = table
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(_prepare.RowsWriter, "add", lambda *_, **__: exec("raise KeyboardInterrupt"))
        Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False, kind="likes")
    opened = Interactions.prepare(folder / "b.parquet", tmp_path / "out", verbose=False, kind="likes")
    assert len(opened) == len(Interactions.from_frame(frame[900:], kind="likes"))


def test_files_that_change(table, tmp_path, monkeypatch):
    frame, _ = table
    path = tmp_path / "events.parquet"
    frame[:500].to_parquet(path)
    number_ids = _prepare._vocabularies.number_ids

    def more_events(*given):
        found = number_ids(*given)
        frame.to_parquet(path)
        return found

    monkeypatch.setattr(_prepare._vocabularies, "number_ids", more_events)
    with pytest.raises(ValueError, match="must not change while it is read"):
        Interactions.prepare(path, tmp_path / "out", verbose=False, kind="likes")


def test_a_full_disk(table, tmp_path, monkeypatch):
    _, folder = table

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_column_files.ColumnWriter, "write", full)
        with pytest.raises(OSError, match="No space left on device; make room or write elsewhere.*out"):
            Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False, kind="likes")
    assert not (tmp_path / "out").exists() and not (tmp_path / ".out.prepare" / "columns").exists()
    assert len(Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False, kind="likes"))


def test_one_at_a_time(table, tmp_path):
    _, folder = table
    (tmp_path / ".out.prepare").mkdir()
    message = "must be prepared by one process at a time.*out', which another call is preparing"
    with _prepare._locked(tmp_path / ".out.prepare"), pytest.raises(ValueError, match=message):
        Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False)
    import fcntl

    with (tmp_path / ".out.prepare" / "lock").open("a") as held:  # as another process would hold it
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match=message):
            Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False)


def test_lines(table, tmp_path, capsys):
    _, folder = table
    Interactions.prepare(folder / "a.parquet", tmp_path / "out", kind="likes")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Numbering users: 900 rows" and lines[-1] == "Writing rows: 900 rows"


def test_rows_of_a_stage_are_known_when_it_ends(table, tmp_path):
    _, folder = table
    stages = []
    names = {"user": "user", "item": "item", "value": "stars", "time": "when"}
    request = _prepare.Request(folder / "all.csv", names, Meaning.of("likes", None, True))
    _prepare.prepare(request, tmp_path / "out", lambda *stage: stages.append(stage))
    assert stages[0] == ("reading rows", 0, None)
    assert ("reading rows", 1500, 1500) in stages
    assert [stage for stage in stages if stage[2] is None] == stages[:1]
    assert ("looking at times", 1500, 1500) in stages


def test_what_killed_processes_left_is_removed(table, tmp_path):
    """By `prepare` and by `open`, next to the folder and among temporary files; not that of running ones."""
    _, folder = table
    gone = subprocess.Popen(["true"])
    gone.wait()
    running = subprocess.Popen(["sleep", "60"])

    def left(place, process):
        path = place / f".out.part-{machine()}-{process}-0"
        path.mkdir()
        return path

    try:
        for makes in (
            lambda: Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False, kind="likes"),
            lambda: Interactions.open(tmp_path / "out"),
        ):
            stale = left(tmp_path, gone.pid), left(Path(tempfile.gettempdir()), gone.pid)
            kept = left(tmp_path, running.pid), left(tmp_path, os.getpid())
            other = tmp_path / f".other.part-{machine()}-{gone.pid}-0"
            other.mkdir()
            makes()
            assert not any(path.exists() for path in stale)
            for path in (*kept, other):
                path.rmdir()
    finally:
        running.kill()
        running.wait()


def test_without_duckdb(table, tmp_path, monkeypatch):
    _, folder = table
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"pip install 'kerasrec\[large\]'"):
        Interactions.prepare(folder / "a.parquet", tmp_path / "out", verbose=False)


class TestOpen:
    @pytest.fixture
    def folder(self, prepared, tmp_path):
        prepared(pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "v": [1.0, 2.0]}), value="v")
        return tmp_path / "out"

    def test_nothing_is_copied(self, folder):
        opened = Interactions.open(folder)
        for column in (opened.users, opened.items, opened.values):
            assert isinstance(column.base.base if column.base.base is not None else column.base, np.memmap)
            assert not column.flags.writeable

    def test_a_newer_version(self, folder):
        header = json.loads((folder / "header.json").read_text())
        (folder / "header.json").write_text(json.dumps(header | {"version": 3}))
        with pytest.raises(
            ValueError, match="`kerasrec prepare` again.*of version 3; the newest known one is 2"
        ):
            Interactions.open(folder)

    def test_a_wrong_checksum(self, folder):
        path = folder / "item.npy"
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
        with pytest.raises(ValueError, match=r"run `kerasrec prepare` again.*item.npy, whose checksum"):
            Interactions.open(folder)
        assert Interactions.open(folder, verify=False).items[-1] == 2**24 + 1

    def test_a_cut_file(self, folder):
        path = folder / "item.npy"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ValueError, match=r"item.npy, which had 136 bytes"):
            Interactions.open(folder, verify=False)

    def test_a_missing_file(self, folder):
        (folder / "user.npy").unlink()
        with pytest.raises(ValueError, match=r"with no file for user.npy"):
            Interactions.open(folder)

    def test_what_is_none(self, folder, tmp_path):
        with pytest.raises(FileNotFoundError, match="which does not exist"):
            Interactions.open(tmp_path / "none")
        with pytest.raises(ValueError, match="whose header cannot be read"):
            Interactions.open(tmp_path)
        changed(folder, meaning={})
        with pytest.raises(ValueError, match="a header with missing or wrong entries"):
            Interactions.open(folder)

    @pytest.mark.parametrize("entries", [{"files": {}}, {"n_rows": 1}, {"kept": None}, {"check": None}])
    def test_a_header_that_is_not_as_it_was_written(self, folder, entries):
        """Without `files`, no checksum of them would be compared."""
        header = json.loads((folder / "header.json").read_text())
        (folder / "header.json").write_text(json.dumps(header | entries))
        message = r"run `kerasrec prepare` again.*header.json whose checksum does not match"
        with pytest.raises(ValueError, match=message):
            Interactions.open(folder, verify=False)

    def test_ids_that_are_too_few(self, folder):
        pd.DataFrame({"id": ["a"], "count": [1]}).to_parquet(folder / "users.parquet")
        files = json.loads((folder / "header.json").read_text())["files"]
        path = folder / "users.parquet"
        changed(folder, files=files | {path.name: [path.stat().st_size, _column_files.checksum(path)]})
        with pytest.raises(ValueError, match="with 1 ids of 2"):
            _ = Interactions.open(folder).user_ids
