"""The rows that the commands hold out, picked by hand from a table of six."""

import pandas as pd
import pytest

from kerasrec.cli._split import hold_out
from kerasrec.data import Interactions

TABLE = pd.DataFrame(
    {"user": list("aabcab"), "item": list("pqpsrt"), "time": [1, 2, 3, 10, 9, 4]},
)


def held(models=("popularity",), how=None, test_size=None, table=TABLE, default=0.3):
    time = "time" if "time" in table else None
    liked = Interactions.from_frame(table, time=time)
    parts = hold_out(liked, how, test_size, default, 0, models)
    assert {*rows(parts.train)} | {*rows(parts.test)} == {*zip(table["user"], table["item"], strict=True)}
    assert len(parts.train) + len(parts.test) == len(table)
    return rows(parts.test), parts


def rows(interactions):
    frame = interactions.to_frame()
    return sorted(zip(frame["user"], frame["item"], strict=True))


def test_the_latest_rows_and_the_last_of_each_user():
    assert held(how="time")[0] == [("a", "r"), ("c", "s")]
    assert held(how="last-out")[0] == [("a", "r"), ("b", "t")]  # c has no other row
    without = TABLE.drop(columns="time")
    assert held(how="last-out", table=without)[0] == [("a", "r"), ("b", "t")]
    backwards = TABLE.iloc[::-1].drop(columns="time")
    assert held(how="last-out", table=backwards)[0] == [("a", "p"), ("b", "p")]


def test_all_of_some_users_or_items():
    test, parts = held(how="cold-users")
    (user,) = {user for user, _ in test}
    assert user not in {user for user, _ in rows(parts.train)}
    test, parts = held(how="cold-items", test_size=0.5)
    items = {item for _, item in test}
    assert len(items) == 3 and items.isdisjoint(item for _, item in rows(parts.train))


def test_rows_at_random():
    assert len(held(how="random", test_size=0.5)[0]) == 3
    test, parts = held(how="per-user", test_size=0.5)
    assert sorted(user for user, _ in test) == ["a", "a", "b"]  # halves of a row are rounded up
    assert {user for user, _ in rows(parts.train)} == set("abc")


def test_what_is_held_out_if_nothing_is_said():
    """A model of histories says what comes next; a share that was given holds for it as well."""
    without = TABLE.drop(columns="time")
    assert held()[1].how == "time"
    assert held(["popularity", "sasrec"])[1].how == "last-out"
    assert held(["sasrec"], test_size=0.4)[1].how == "time"
    assert held(table=without)[1].how == "random"
    assert held(["sasrec"], table=without)[1].how == "last-out"
    nothing = hold_out(Interactions.from_frame(TABLE), None, 0.0, 0.3, 0, ["popularity"])
    assert nothing.test is None and len(nothing.train) == 6 and nothing.line == ""


@pytest.mark.parametrize(
    "command", [["train", "--no-plot"], ["compare", "--no-baselines"]], ids=lambda x: x[0]
)
def test_commands_say_what_they_hold_out(run_json, run, tmp_path, command):
    TABLE.to_csv(tmp_path / "log.csv", index=False)
    arguments = [command[0], "log.csv", "--time-column", "time", *command[1:]]
    name = "--model" if command[0] == "train" else "--models"
    said = run(*arguments, name, "popularity", "--split", "last-out").out
    assert "Held out: the last row of each user, by time\n" in said
    share = {"train": "10%", "compare": "20%"}[command[0]]
    assert (
        f"Held out: the latest {share} of the rows; `--split` sets another\n"
        in run(*arguments, name, "popularity").out
    )
    assert run_json(*arguments, name, "popularity", "--split", "cold-users")["split"] == "cold-users"


@pytest.mark.slow
def test_a_search_tests_its_model_on_the_last_rows(run, tmp_path):
    log = [f"u{u},i{(u + t) % 5},{t}" for u in range(12) for t in range(5)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *log]))
    how = ["--model", "item_knn", "--max-trials", 1, "--time-column", "time", "--split", "last-out"]
    said = run("tune", "log.csv", *how).out
    assert "60 rows of 12 users and 5 items, 12 of them held out for the test" in said
    assert "Held out: the last row of each user, by time\n" in said


def test_mistakes(fails, tmp_path):
    TABLE.to_csv(tmp_path / "log.csv", index=False)
    assert fails("train", "log.csv", "--split", "user") == (
        "`--split` must be one of random, per-user, last-out, time, cold-users, cold-items. Received: 'user'."
    )
    assert fails("compare", "log.csv", "--split", "time") == (
        "`--split time` needs times: name their column with `--time-column`. Received: no times."
    )
    assert fails("compare", "log.csv", "--split", "last-out", "--test-size", 0.3) == (
        "`--split last-out` holds out one row of each user: leave `--test-size` out, or choose another "
        "split. Received: 0.3."
    )
    assert fails("train", "log.csv", "--split", "random", "--test-size", 0) == (
        "`--test-size 0` holds nothing out: leave `--split` out. Received: 'random'."
    )
    assert fails("compare", "log.csv", "--test-size", 0) == (
        "`--test-size` must be above 0, because models are compared on held-out rows. Received: 0."
    )
    assert fails("tune", "log.csv", "--split", "random", "--test", "log.csv") == (
        "`--split` cannot be used with a table of test rows. Received: 'random' and 'log.csv'."
    )
    assert fails("train", "log.csv", "--label", "item", "--split", "random").startswith(
        "`--split` cannot be used with `--label`"
    )
    single = TABLE.drop(columns="time").drop_duplicates("user")
    single.to_csv(tmp_path / "single.csv", index=False)
    assert fails("train", "single.csv", "--model", "popularity", "--split", "last-out") == (
        "`--split last-out` needs a user with two rows. Received: 3 rows of as many users; `--split random` "
        "holds out rows of any user."
    )
