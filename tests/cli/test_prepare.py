import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.text import Text
from typer.main import get_command

from kerasrec.cli._report import Report
from kerasrec.cli.app import app
from kerasrec.data import Interactions


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "userId": rng.integers(0, 30, 400),
            "movieId": [f"m{code}" for code in rng.integers(0, 20, 400)],
            "rating": rng.integers(1, 6, 400),
            "when": rng.integers(0, 1000, 400),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    return frame


def test_help_keeps_brackets():
    """Markup eats `[large]` unless it is escaped."""
    commands = get_command(app).commands
    for name, command in commands.items():
        texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
        for text in filter(None, texts):
            assert Text.from_markup(text).plain == text.replace("\\[", "["), name
    assert "kerasrec[large]" in Text.from_markup(commands["prepare"].help).plain


def test_prepare(run_json, table, tmp_path):
    further = ("--context-column", "when", "--context-column", "movieId")
    said = run_json("prepare", "*.parquet", "out", "--time-column", "when", "--memory", "500MB", *further)
    columns = {"user": "userId", "item": "movieId", "value": "rating", "time": "when"}
    held = Interactions.from_frame(table, **columns, kind="ratings")
    assert said == {
        "folder": "out",
        "columns": columns,
        "kind": "ratings",
        "rows": len(held),
        "events": 400,
        "users": held.n_users,
        "items": 20,
    }
    opened = Interactions.open(tmp_path / "out")
    assert opened.values.sum() == held.values.sum()
    np.testing.assert_array_equal(opened.context["when"], opened.times)
    np.testing.assert_array_equal(
        opened.context_ids["movieId"][opened.context["movieId"]], opened.item_ids[opened.items]
    )


def test_it_says_what_it_did(run, table):
    done = run("prepare", "a.parquet", "out", "--kind", "likes")
    assert done.status == 0
    assert "Columns: user 'userId', item 'movieId', value 'rating'" in done.out
    assert "Kind: likes" in done.out and "of 30 users and 20 items: out" in done.out
    assert "Writing rows" in done.err and "400/400" in done.err


def test_mistakes(fails, table):
    assert fails("prepare", "*.csv", "out").startswith("`source` must name existing files")
    said = fails("prepare", "a.parquet", "b.parquet", "out")
    assert "Received: source='b.parquet', which matches nothing." in said
    said = fails("prepare", "a.parquet")
    assert said == "OUT, the folder to write, must be given after the source. Received: 'a.parquet' alone."
    said = fails("prepare", "a.parquet", ".")
    assert said.startswith("OUT must be a new or empty folder; remove it or write elsewhere. Received: '")
    assert fails("prepare", "a.parquet", "none/out").startswith("There is no folder '")
    said = fails("prepare", "a.parquet", "out", "--user-column", "who")
    assert said.startswith("`--user-column` must name")
    said = fails("prepare", "a.parquet", "out", "--context-column", "user")
    assert said.startswith("`context` must not use the names user, item, value, time")
    assert fails("prepare", "a.parquet", "out", "--kind", "much").startswith("`kind` must be one of")


def test_other_separators_and_no_header(fails, table, tmp_path):
    for mark in (";", "|"):
        table.to_csv(tmp_path / "a.csv", sep=mark, index=False)
        said = fails("prepare", "a.csv", "out")
        assert said.endswith(f"`--separator '{mark}'` reads columns that '{mark}' separates.")
        said = fails("prepare", "FROM read_csv('a.csv', delim = ',')", "out")
        assert said.endswith(
            f"`FROM read_csv('...', delim = '{mark}')` reads columns that '{mark}' separates."
        )
    table.to_csv(tmp_path / "a.csv", index=False, header=False)
    assert "The first line seems to be data: a query names" in fails("prepare", "a.csv", "out")
    table.rename(columns={"userId": "who"}).to_parquet(tmp_path / "b.parquet")
    said = fails("prepare", "b.parquet", "out")
    assert said.endswith("The columns are 'who', 'movieId', 'rating', 'when'.")


def test_a_missing_source_is_named_before_keras_is_loaded(tmp_path):
    script = tmp_path / "kerasrec"  # imported under another name, kerasrec loads Keras at once
    script.write_text(
        """
import sys
from kerasrec.cli.app import main
try:
    main()
finally:
    print("keras" in sys.modules)
"""
    )
    command = [sys.executable, str(script), "prepare", "none.csv", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.startswith("Error: `source` must name existing files") and done.stdout == "False\n"


def test_train_on_it(run_json, fails, run, table):
    run_json("prepare", "a.parquet", "out", "--time-column", "when")
    said = run_json("train", "out", "--model", "popularity", "--out", "model.keras")
    assert said["columns"] == {"user": "userId", "item": "movieId", "value": "rating", "time": "when"}
    assert said["users"] == 30 and "ndcg@10" in said["test"][0]
    lists = run("recommend", "model.keras", "--user", str(table["userId"][0]), "--k", "2")
    assert lists.status == 0 and "m" in lists.out
    said = fails("train", "out", "--value-column", "rating", "--out", "model.keras")
    assert said.startswith("`--value-column` must be given to `kerasrec prepare`, which wrote 'out'.")


def test_it_says_what_it_does_from_the_start(run, table):
    """In a log file, too, where bars are printed only when they are done."""
    run("prepare", "a.parquet", "out", "--time-column", "when", "--kind", "likes")
    done = run("train", "out", "--model", "popularity", "--out", "model.keras")
    lines = done.err.splitlines()
    assert [line for line in lines if line.endswith(" ...")][:3] == [
        "Reading out ...",
        "Splitting ...",
        "Fitting popularity ...",
    ]


def test_odd_values(run, table, tmp_path):
    table.assign(when=table["when"].where(table.index > 4), rating=-1).to_parquet(tmp_path / "a.parquet")
    done = run("prepare", "a.parquet", "out", "--kind", "likes", "--time-column", "when")
    n = len(table[["userId", "movieId"]].drop_duplicates())
    assert f"Below 0: {n:,} of {n:,} in 'rating', which are not likes" in done.out
    assert "Column 'when' lacks the time of 5 of 400 rows; each of these gets the time" in done.out


def test_progress_without_a_total():
    report = Report(as_json=False)
    report._progress = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    with report.progress() as bars:
        task = bars.add_task("Reading rows", total=None)
        bars.refresh()
        assert " 0 s" in report._progress.file.getvalue()
        bars.update(task, completed=1500, total=1500)
    text = report._progress.file.getvalue()
    assert "1500/1500" in text and "?" not in text.replace("\x1b[?", "")
