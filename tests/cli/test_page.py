from pathlib import Path

import pandas as pd
import pytest

from kerasrec.recommender import Recommender


@pytest.fixture
def later(trained, tmp_path):
    """A table in which everybody has the first item of the list, and one of them an unknown item."""
    first = Recommender.load(trained[0]).recommend(k=1)[["user", "item"]]
    path = tmp_path / "later.csv"
    pd.concat([first, pd.DataFrame({"user": ["cust 04"], "item": ["P-new"]})]).to_csv(path, index=False)
    return path


def test_a_page_marks_what_users_had_later(run, run_json, trained, later, tmp_path):
    assert run_json("page", trained[0], "bare.html") == {"file": "bare.html"}
    done = run("page", trained[0], "with.html", "--test", later)
    assert done.status == 0, done.err
    assert "Left out: 1 rows of later.csv of unknown users or items" in done.out + done.err
    bare, marked = (Path(tmp_path, name).read_text() for name in ("bare.html", "with.html"))
    assert "had it later" in marked and "had it later" not in bare


def test_what_a_page_needs(fails, trained, later):
    assert "must end in .html. Received: 'out.txt'" in fails("page", trained[0], "out.txt")
    assert "There must be a model file at 'gone.keras'" in fails("page", "gone.keras", "out.html")
    assert "There must be a model file" in fails("page", trained[0], "out.html", "--beside", "gone.keras")
    assert "`--separator` describes the table of `--test`" in fails(
        "page", trained[0], "out.html", "--separator", ";"
    )
    line = fails("page", trained[0], "out.html", "--title", "name")
    assert "`title` must be a column of the metadata. Received: 'name'" in line


def test_what_a_server_needs(fails, trained, later, tmp_path):
    assert "There must be a model file at 'gone.keras'" in fails("serve", "gone.keras")
    assert "There is no folder 'gone' for the events" in fails(
        "serve", trained[0], "--events", "gone/e.jsonl"
    )
    assert "`events` must end in .jsonl" in fails("serve", trained[0], "--events", "events.csv")
    assert "`--token` must name a file" in fails("serve", trained[0], "--token", "secret")
    Path(tmp_path, "token").write_text("\n")
    assert "Received: token, which is empty" in fails("serve", trained[0], "--token", "token")
    assert "`--host` must be an address" in fails("serve", trained[0], "--host", "nowhere.invalid")
    assert "`--separator` describes the table of `--test`" in fails(
        "serve", trained[0], "--separator", ";", "--port", 0
    )
