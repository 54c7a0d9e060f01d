"""Bad rows of a table larger than memory: the message names the file, the row in it, and the entry."""

import pandas as pd
import pytest

from kerasrec.data import Interactions

NAMES = {"value": "v", "time": "t"}
GOOD = pd.DataFrame({"user": ["a", "b", "c"], "item": ["x", "y", "z"], "v": "1", "t": "2020-01-02", "c": "k"})


def with_bad(**entries):
    """Three rows, with other entries in the last one."""
    frame = GOOD.copy()
    for name, entry in entries.items():
        frame.loc[2, name] = entry
    return frame.assign(user=frame["user"] + "2" if "user" not in entries else frame["user"])


def prepared(frames, form, folder, **options):
    """Prepare several frames: as Parquet files, CSV files, or a query."""
    for j, frame in enumerate(frames):
        if form == "csv":
            frame.to_csv(folder / f"part{j}.csv", index=False)
        else:
            frame.to_parquet(folder / f"part{j}.parquet")
    files = sorted(folder.glob("part*"))
    source = f"FROM read_parquet({[str(path) for path in files]})" if form == "query" else files
    return Interactions.prepare(source, folder / "out", verbose=False, **options)


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ("parquet", "in row 2 of '.*part1.parquet', counted from 0"),
        ("csv", "in row 2 of '.*part1.csv', counted from 0 after the header"),
        ("query", "in row 5 of the query, counted from 0"),
    ],
)
@pytest.mark.parametrize(
    ("entries", "options", "entry"),
    [
        ({"v": "much"}, {}, "'v' must not have entries that are not finite numbers.*first 'much' "),
        ({"v": None}, {}, "'v' must not have missing values.*first "),
        ({"t": "2020-31-01"}, {}, "'t' must not have times that are neither.*first '2020-31-01' "),
        ({"t": "1577836800"}, {}, "'t' must not have times that are numbers mixed.*first '1577836800' "),
        ({"user": None}, {}, "'user' must not have missing ids. Received: 1 row of them, first "),
        ({"item": " "}, {}, "'item' must not have empty ids. Received: 1 row of them, first ' ' "),
        ({"item": "\N{NO-BREAK SPACE}\t"}, {}, "'item' must not have empty ids.*first .* "),
        ({"item": "x "}, {}, "'item' must not have ids that look the same.*'x ' "),
        ({"t": "2020-01-02T03:04Z"}, {}, None),
        ({"c": None}, {"context": ["c"]}, "'c' must not have missing entries.*first "),
    ],
)
def test_the_place_of_a_bad_row(tmp_path, form, place, entries, options, entry):
    message = f"{entry}{place}"
    if entry is None:  # those without a zone are refused, from the first row on
        message = "times without a zone mixed.*Received: 8 rows of them, first '2020-01-02' in row 0 of "
    with pytest.raises(ValueError, match=message):
        prepared([GOOD, with_bad(**entries), with_bad(user="d")], form, tmp_path, **NAMES, **options)


@pytest.mark.parametrize("form", ["parquet", "csv", "query"])
def test_letters_are_no_white_space(tmp_path, form):
    """`\\v`, `\\f` and others are letters to DuckDB."""
    letters = ["v", "f", "b", "0", "x0b", "u", "\\v"]
    frame = pd.DataFrame({"user": letters, "item": letters[::-1], "c": letters})
    found = prepared([frame], form, tmp_path, context=["c"])
    assert found.user_ids.tolist() == sorted(letters)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_place_of_a_repeated_pair(tmp_path, form):
    """Users are sorted, so the second row of a pair stands elsewhere in the blocks that are merged."""
    frames = [GOOD, pd.concat([with_bad(), GOOD[1:2]], ignore_index=True)]
    message = r"1 row with a pair of an earlier row, first user 'b' with item 'y' in row 3 of '.*part1\."
    with pytest.raises(ValueError, match=message):
        prepared(frames, form, tmp_path)


def test_the_place_of_another_unit(tmp_path):
    frames = [
        GOOD.assign(t=1_600_000_000),
        with_bad().assign(t=[1_600_000_000, 1_600_000_000_000, 1_600_000_000]),
    ]
    message = "must have one unit.*first 1600000000000 in row 1 of '.*part1.parquet', counted from 0"
    with pytest.raises(ValueError, match=message):
        prepared(frames, "parquet", tmp_path, time="t")


def test_the_place_of_a_repeated_header(tmp_path):
    header = pd.DataFrame([dict(zip(GOOD, GOOD, strict=True))])
    frames = [GOOD, pd.concat([with_bad(), header], ignore_index=True)]
    with pytest.raises(ValueError, match="repeat its header.*first row 3 of '.*part1.csv', counted from 0"):
        prepared(frames, "csv", tmp_path)


def test_the_file_of_a_line_with_other_fields(tmp_path):
    GOOD.to_csv(tmp_path / "part0.csv", index=False)
    (tmp_path / "part1.csv").write_text("user,item,v,t,c\na,b\n")
    message = "must be CSV whose lines.*Received: '.*part1.csv', on which DuckDB says: .*Line: 2"
    with pytest.raises(ValueError, match=message):
        Interactions.prepare(str(tmp_path / "*.csv"), tmp_path / "out", verbose=False)
