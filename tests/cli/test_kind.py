from pathlib import Path

import pytest

from kerasrec.cli._form import Columns, Form
from kerasrec.cli._kind import guessed
from kerasrec.cli._table import read_ratings


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (None, "likes"),
        ("rating", "ratings"),
        ("Book-Rating", "ratings"),
        ("stars", "ratings"),
        ("score", "ratings"),
        ("Quantity", "counts"),
        ("weight", "counts"),
        ("playCount", "counts"),
        ("play_count", "counts"),
        ("num_plays", "counts"),
        ("n", "counts"),
        ("Account", "ratings"),
        ("Menge", "counts"),
        ("Bestellmenge", "counts"),
        ("Stück", "counts"),
        ("quantité", "counts"),
        ("cantidad", "counts"),
        ("Bewertung", "ratings"),
        ("note", "ratings"),
        ("valoración", "ratings"),
    ],
)
def test_the_kind_follows_the_name_of_the_column(name, kind):
    assert guessed(name) == kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 1, 2, 3, 350_000], "counts"),
        ([0, 0, 1, 1, 11], "counts"),
        ([1, 2, 3, 4, 5], "ratings"),
        ([1, 1, 1, 1, 10], "ratings"),
        ([20, 55, 60, 80, 100], "ratings"),
        ([-10, 1, 1, 1, 20], "ratings"),
        ([0.5, 1.0, 1.0, 1.0, 50.0], "ratings"),
        (["good", "bad"], "ratings"),
        ([1, 1, float("nan"), 99], "ratings"),
    ],
)
def test_whole_numbers_with_a_long_tail_are_counts(values, kind):
    assert guessed("value", values) == kind


def test_counts_by_their_values_are_said_to_be_some(tmp_path):
    rows = "".join(f"u{i},x,{1 if i else 900}\n" for i in range(9))
    (tmp_path / "x.csv").write_text("user,item,score\n" + rows)
    read = read_ratings(tmp_path / "x.csv", Columns(), Form())
    assert read.interactions.kind == "counts"
    assert read.read_as["kind"].startswith(
        "counts, by the values of column 'score', whole numbers from 1 to 900 of which few are large: "
    )
    told = read_ratings(tmp_path / "x.csv", Columns(), Form(kind="ratings"))
    assert told.interactions.kind == "ratings"


@pytest.mark.parametrize(
    ("header", "form", "values", "told"),
    [
        (
            "user,item,Quantity",
            Form(),
            [7, 1],
            "counts, by the name of column 'Quantity': they are added up if a user has an item several "
            "times; `--kind` sets another",
        ),
        (
            "user,item,rating",
            Form(),
            [5, 1],
            "ratings, by the name of column 'rating': the last one counts if a user has an item several "
            "times; `--kind` sets another",
        ),
        (
            "user,item,rating",
            Form(kind="counts"),
            [7, 1],
            "counts: they are added up if a user has an item several times",
        ),
        (
            "user,item,day",
            Form(),
            [1, 1],
            "likes, no column's name looks like values: the last one counts if a user has an item several "
            "times; `--kind` sets another",
        ),
        (
            "user,item,day",
            Form(duplicates="sum"),
            [2, 1],
            "counts, no column's name looks like values: they are added up if a user has an item several "
            "times; `--kind` sets another",
        ),
        (
            "user,item,rating",
            Form(duplicates="mean"),
            [3.5, 1],
            "ratings, by the name of column 'rating': they are averaged if a user has an item several times; "
            "`--kind` sets another",
        ),
    ],
)
def test_a_table_says_what_its_values_are(header, form, values, told, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\nann,x,2\nbob,x,1\nann,x,5\n")
    table = read_ratings(path, Columns(), form, needs_values=False)
    assert table.read_as["kind"] == told
    frame = table.interactions.to_frame().sort_values("user")
    assert frame["value"].tolist() == values


def test_parquet_is_read_as_the_same(tmp_path):
    import pandas as pd

    path = Path(tmp_path, "table.parquet")
    pd.DataFrame({"user": ["a", "a"], "item": ["x", "x"], "plays": [3, 4]}).to_parquet(path)
    table = read_ratings(path, Columns(), Form())
    assert table.interactions.values.tolist() == [7] and table.read_as["kind"].startswith("counts, by")


def test_compare_splits_before_it_adds_up(run_json, run, tmp_path):
    """Ten users buy milk on day 1 and 9, and one thing of their own on day 2, another on day 8."""
    rows = [
        (f"u{u}", item, day)
        for u in range(10)
        for item, day in (("milk", 1), (f"i{u % 4}", 2), (f"i{(u + 1) % 4}", 8), ("milk", 9))
    ]
    table = tmp_path / "shop.csv"
    table.write_text("user,item,day\n" + "\n".join(f"{user},{item},{day}" for user, item, day in rows))
    how = ("shop.csv", "--time-column", "day", "--models", "popularity", "--no-baselines", "--test-size", 0.5)
    found = run_json("compare", *how, "--kind", "counts")
    assert (found["train"], found["test"]) == (20, 20)
    told = run("compare", *how, "--kind", "counts").out
    assert "20 to train on and 20 held out; 10 of these repeat what the user had" in told


@pytest.mark.slow
def test_tune_keeps_the_latest_rows(run, tmp_path):
    rows = [f"u{u},i{(u + day) % 5},{day}" for u in range(12) for day in range(6)]
    (tmp_path / "shop.csv").write_text("user,item,day\n" + "\n".join(rows))
    done = run(
        "tune",
        "shop.csv",
        "--model",
        "item_knn",
        "--max-trials",
        1,
        "--time-column",
        "day",
        "--test-size",
        0.2,
    )
    # Everybody repeats the item of the first day on the last one; the two last days are kept.
    assert "72 rows of 12 users and 5 items, 24 of them held out for the test" in done.out
