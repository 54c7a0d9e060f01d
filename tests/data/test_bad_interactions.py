"""Tables and codes that would give wrong interactions without a word."""

import gzip

import numpy as np
import pandas as pd
import pytest

from kerasrec import zoo
from kerasrec.data import CatalogueBatches, Interactions, RankingBatches, pairs, splits
from kerasrec.evaluation import compare, evaluate

IDS = {"user_ids": ["a", "b"], "item_ids": [1]}


def frame(**columns):
    return pd.DataFrame({"user": ["bob", "ann"], "item": [30, 10], **columns})


@pytest.mark.parametrize(
    ("argument", "entries", "message"),
    [
        ("time", [1e30, 1.0], r"times that do not fit into 64 bits .* first 1e\+30 in row 0"),
        ("time", [1.0, -np.inf], r"times that do not fit into 64 bits .* first -inf in row 1"),
        ("time", np.array([1, 2**63 + 1], np.uint64), r"times that do not fit into 64 bits .* in row 1"),
        (
            "time",
            ["2500-01-01", "2020-01-01"],
            r"times that do not fit into 64 bits .* first '2500-01-01' in row 0",
        ),
        ("value", [1 + 2j, 1], r"entries that are not numbers. Received: 2 rows of them, first \(1\+2j\)"),
        ("value", pd.to_timedelta([1, 2]), "entries that are not numbers. Received: 2 rows of them"),
        ("user", [[1], [2]], r"lists or similar objects as ids. Received: 2 .*, first \[1\] in row 0"),
    ],
)
def test_entries_that_a_cast_would_change(argument, entries, message):
    with pytest.raises(ValueError, match="Column 'bad' must not have " + message):
        Interactions.from_frame(frame(bad=entries), **{argument: "bad"})


def test_a_sum_that_is_infinite():
    twice = pd.DataFrame({"user": ["a", "a"], "item": [1, 1], "n": [3e38, 3e38]})
    with pytest.raises(ValueError, match=r"The sum of .* finite in float32. Received: user 'a' with item 1"):
        Interactions.from_frame(twice, value="n", duplicates="sum")


def test_codes_that_a_cast_would_change():
    with pytest.raises(TypeError, match="`users` must be codes, which are whole numbers.* dtype float64"):
        Interactions([0.5, 1.0], [0, 0], **IDS)
    with pytest.raises(TypeError, match="`items` must be codes, .* `Interactions.from_frame` takes raw ids"):
        Interactions([0, 1], ["0", "0"], **IDS)
    with pytest.raises(ValueError, match=r"below 2\*\*31; .* Received: 4294967296 in row 1"):
        Interactions(np.array([0, 2**32]), [0, 0], **IDS)
    with pytest.raises(ValueError, match="`values` must be finite in float32. Received: nan in row 1"):
        Interactions([0, 1], [0, 0], [1.0, np.nan], **IDS)


def test_ids_that_come_twice():
    x = Interactions([0, 1], [0, 0], user_ids=["a", "a"], item_ids=[1])
    with pytest.raises(ValueError, match="The ids given for 'user' must be unique. .* first 'a'"):
        x.user_codes(["a"])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, object])
def test_whole_numbers_of_any_type_are_int64(dtype):
    x = Interactions.from_frame(frame(who=np.array([7, 3]).astype(dtype)), user="who")
    assert x.user_ids.dtype == np.int64 and x.user_ids.tolist() == [3, 7]


def test_whole_numbers_beyond_int64_stay_exact():
    x = Interactions.from_frame(frame(who=np.array([2**63 + 1, 3], np.uint64)), user="who")
    assert x.user_ids.tolist() == [3, 2**63 + 1]


class TestExtend:
    def test_ids_of_another_type(self):
        message = "Column 'item' must not have new ids of another type.* first '20' in row 0. The known ones"
        with pytest.raises(ValueError, match=message + " are numbers, such as 10"):
            Interactions.from_frame(frame()).extend(pd.DataFrame({"user": ["ann"], "item": ["20"]}))

    def test_what_is_no_frame(self):
        with pytest.raises(TypeError, match="`frame` must be a pandas DataFrame.* Received: dict"):
            Interactions.from_frame(frame()).extend({"user": ["ann"]})

    def test_interactions_made_of_codes_without_times(self):
        events = pd.DataFrame({"user": ["b"], "item": [5], "value": [2.0], "time": [9]})
        x = Interactions([0, 1], [0, 0], **IDS).extend(events)
        assert x.item_ids.tolist() == [1, 5] and x.values.tolist() == [1, 1, 2] and x.times is None


def test_arguments():
    x = Interactions.from_frame(frame())
    assert x.user_codes("bob").tolist() == [1]
    with pytest.raises(ValueError, match="`value` must be a number. Received: value=nan"):
        x.at_least(float("nan"))
    with pytest.raises(ValueError, match="`min_user` must be a whole number .* Received: min_user='2'"):
        x.filter(min_user="2")
    with pytest.raises(TypeError, match="The ids given for 'user' must be a list of ids. Received: 'bob'"):
        Interactions.from_frame(frame(), user_ids="bob")
    with pytest.raises(ValueError, match="its columns are none. `frame.reset_index\\(\\)` makes a column"):
        Interactions.from_frame(frame().set_index(["user", "item"]))
    for size in ("0.1", None):
        with pytest.raises(ValueError, match=f"must be a share between .* Received: test_size={size!r} of"):
            splits.random_split(x, size)


@pytest.mark.parametrize(
    "call",
    [
        pairs,
        splits.random_split,
        splits.per_user_split,
        splits.leave_last_out,
        splits.cold_user_split,
        splits.cold_item_split,
        lambda table: splits.time_split(table, at=0),
        lambda table: RankingBatches(table, 2, 1),
        lambda table: CatalogueBatches(table, 2),
        lambda table: zoo.create("hybrid", table),
        lambda table: evaluate(None, table),
        lambda table: evaluate(None, Interactions.from_frame(frame()), table),
        lambda table: compare(["popularity"], table, Interactions.from_frame(frame())),
    ],
)
def test_a_frame_in_place_of_interactions(call):
    with pytest.raises(TypeError, match=r"must be `kerasrec.data.Interactions`; make .*: DataFrame"):
        call(frame())


def test_a_name_in_place_of_a_model():
    x = Interactions.from_frame(frame())
    with pytest.raises(TypeError, match=r"`kerasrec.zoo.create` makes one by name. Received: 'hybrid'"):
        evaluate("hybrid", x)
    with pytest.raises(TypeError, match="`item_features` must be `kerasrec.data.Features` .*: DataFrame"):
        zoo.create("hybrid", x, item_features=frame())


def test_times_in_several_units():
    frame = pd.DataFrame({"user": list("abcd"), "item": list("wxyz")})
    seconds = [1714550400, 1714550401, 1714550402]
    Interactions.from_frame(frame.assign(t=[*seconds, 1714550403]), time="t")
    Interactions.from_frame(frame.assign(t=[*seconds, 5]), time="t")  # numbers that are no moments
    message = (
        r"Column 't' must have one unit; divide or multiply the other rows\. Received: 3 that seem to be "
        r"seconds and 1 that seem to be milliseconds since 1970, first 1714550403000 in row 3\."
    )
    with pytest.raises(ValueError, match=message):
        Interactions.from_frame(frame.assign(t=[*seconds, 1714550403000]), time="t")


def test_zones_and_quoted_lines_of_a_compressed_file(tmp_path):
    """A review over two lines beside each rating, line ends of Windows, and times in three zones."""
    rows = "".join(
        f'u,i{i},{i},2024-05-01T23:30:00{zone},"nice\r\nvery ""good"", really"\r\n'
        for i, zone in enumerate(("+02:00", "Z", "-05:00"))
    )
    with gzip.open(tmp_path / "reviews.csv.gz", "wt", newline="") as file:
        file.write("user,item,stars,when,review\r\n" + rows)
    found = Interactions.from_csv(tmp_path / "reviews.csv.gz", value="stars", time="when").to_frame()
    assert found["value"].tolist() == [0, 1, 2]
    expected = ["2024-05-01 21:30", "2024-05-01 23:30", "2024-05-02 04:30"]
    assert found["time"].tolist() == list(map(pd.Timestamp, expected))
