import numpy as np
import pandas as pd
import pytest

from kerasrec.data import Impressions, InputColumns, pairs

FRAME = pd.DataFrame(
    {
        "user": ["ann", "bob", "ann", "ann"],
        "device": ["phone", "phone", "tablet", "phone"],
        "clicked": [1, 0, 0, 1],
        "weight": [1.0, 2.0, 0.0, 1.0],
        "seconds": [30.0, np.nan, 5.0, 60.0],
    }
)


def impressions(frame=FRAME, label="clicked", **columns):
    return Impressions.from_frame(frame, label, {"device": "category"}, user="user", **columns)


def test_rows_of_one_user_and_item_stay_apart():
    shown = impressions(weight="weight", watch_time="seconds")
    assert len(shown) == 4 and shown.n_users == 2
    assert shown.labels.tolist() == [1, 0, 0, 1]
    assert shown.user_ids[shown.users].tolist() == FRAME["user"].tolist()
    assert shown.weights.tolist() == [1, 2, 0, 1]
    assert shown.watch_time.tolist() == [30, 0, 0, 60]  # 0 where nothing was clicked
    x, y = pairs(shown)
    assert x["device"].tolist() == [[2], [2], [3], [2]] and y is shown.labels


def test_another_table_has_the_codes_of_the_first():
    later = pd.DataFrame({"user": ["cid", "bob"], "device": ["tablet", "watch"], "clicked": [True, False]})
    found = Impressions.from_frame(later, "clicked", impressions().columns)
    assert found.inputs["user"].tolist() == [[1], [3]]
    assert found.inputs["device"].tolist() == [[3], [1]]
    assert found.labels.tolist() == [1, 0]
    assert found.user_ids[found.users].tolist() == ["cid", "bob"]


def test_split_is_of_all_rows_once():
    shown = impressions(pd.concat([FRAME] * 10, ignore_index=True).assign(row=range(40)), weight="row")
    first, second = shown.split(0.25, seed=1)
    assert sorted([*first.weights, *second.weights]) == list(range(40))
    assert len(second) == 10
    assert shown.split(0.25, seed=1)[1].weights.tolist() == second.weights.tolist()
    assert shown.split(0.25, seed=2)[1].weights.tolist() != second.weights.tolist()
    with pytest.raises(ValueError, match=r"`test_size` must leave rows in both parts.*test_size=0.99 of 4"):
        impressions().split(0.99)


def test_probabilities_are_labels():
    assert impressions(FRAME.assign(clicked=[0.5, 0, 1, 0.25])).labels.tolist() == [0.5, 0, 1, 0.25]


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"clicked": [1, 0, 2, 0]},
            r"'clicked' must not have labels other than 0, 1 and prob.*first 2 in row 2",
        ),
        ({"clicked": ["yes", "no", "no", "no"]}, r"labels other than.*'yes' in row 0"),
        ({"clicked": [1, None, 0, 0]}, r"'clicked' must not have missing labels.*1 row.*row 1.*Drop"),
        ({"clicked": ["true", None, "false", "no"]}, r"missing labels.*row 1"),
        ({"clicked": ["true", "True", "false", "no"]}, r"labels other than.*1 row.*'no' in row 3"),
        ({"weight": [1, 1, -1, 1]}, r"'weight' must not have weights below 0.*row 2"),
        ({"weight": 0}, r"`weight` must be above 0 in some rows.*Received: 0 in all 4 rows of 'weight'\."),
        ({"seconds": [0, 1, 1, 1]}, r"'seconds' must not have watch times of 0, or none, where .*row 0"),
        ({"seconds": [1, 1, 1, None]}, r"watch times of 0, or none, where .*row 3"),
        ({"seconds": [1, -1, 1, 1]}, r"'seconds' must not have watch times below 0.*first -1.* in row 1"),
    ],
)
def test_bad_tables(changes, message):
    with pytest.raises(ValueError, match=message):
        impressions(FRAME.assign(**changes), weight="weight", watch_time="seconds")


def test_what_is_learned_must_not_be_read():
    with pytest.raises(ValueError, match="`columns` must not contain the label or the watch time.*'clicked'"):
        Impressions.from_frame(FRAME, "clicked", {"clicked": "category"})
    with pytest.raises(ValueError, match="`label` must name a column of the table.*label='bought'"):
        impressions(label="bought")


@pytest.mark.parametrize("truths", [("True", "False"), ("true", "FALSE "), (True, False)])
def test_truth_values_are_labels(truths):
    yes, no = truths
    assert impressions(FRAME.assign(clicked=[yes, no, no, yes])).labels.tolist() == [1, 0, 0, 1]


def test_weights_of_one_class_must_not_all_be_0():
    shown = impressions(FRAME.assign(clicked=[1, 0, 0, 1], weight=[0, 1, 2, 0]), weight="weight")
    message = (
        r"Rows must have clicked rows and other rows with weights above 0. Received: .* weight of 0 and 3\."
    )
    with pytest.raises(ValueError, match=message):
        shown.check_classes("Rows")
    impressions(FRAME.assign(clicked=[1, 0, 0, 1], weight=[0, 1, 0, 3]), weight="weight").check_classes()


def test_columns_are_a_dict_of_kinds():
    with pytest.raises(TypeError, match=r"`columns` must be a dict of kinds.*Received: \['device'\]"):
        Impressions.from_frame(FRAME, "clicked", ["device"])
    with pytest.raises(ValueError, match="`item` must name a column of the table. Received: item='film'"):
        impressions(item="film")
    with pytest.raises(ValueError, match=r"must be one of category.*Received: 'cat' for 'device'\."):
        Impressions.from_frame(FRAME, "clicked", {"device": "cat"})


@pytest.mark.parametrize("kind", ["category", "hashed", "labels"])
@pytest.mark.parametrize("entries", [[None] * 4, [np.nan, "", " ", None]])
def test_empty_columns_are_refused(kind, entries):
    frame = FRAME.assign(empty=pd.Series(entries, dtype=object))
    with pytest.raises(
        ValueError, match=r"Column 'empty' must have an entry in some row.*4 rows, all without"
    ):
        Impressions.from_frame(frame, "clicked", {"empty": kind})
    assert "empty" not in InputColumns.guess(frame)


def test_one_class_is_refused():
    with pytest.raises(
        ValueError, match="rows that were clicked and rows that were not. Received: 4 rows, all 1"
    ):
        impressions(FRAME.assign(clicked=1)).check_classes()
