"""The README says what is true: its commands are there and its examples run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.cli.app import app

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
SETUP = "python3 -m venv .venv && . .venv/bin/activate && "


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the tables that the README speaks of."""
    data = kerasrec.datasets.synthetic(n_users=30, n_items=40, n_interactions=500).interactions
    data.to_frame().rename(columns={"item": "Produkt", "value": "rating"}).to_csv(
        tmp_path / "ratings.csv", index=False
    )
    draw = np.random.default_rng(0)
    for name in ("impressions.csv", "tomorrow.csv"):
        shown = pd.DataFrame(
            {"user": draw.integers(0, 30, 400), "item": draw.integers(0, 40, 400), "price": draw.random(400)}
        )
        shown["device"] = draw.choice(["phone", "desktop"], 400)
        shown["clicked"] = (draw.random(400) < shown["price"]).astype(int)
        shown.to_csv(tmp_path / name, index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("rest", ["pip install . && kerasrec demo", "pip install -e '.[test]' && pytest"])
def test_setup_commands_stand_on_the_first_screen(rest):
    first_screen = README.splitlines()[:30]
    assert first_screen.count(f"    {SETUP}{rest}") == 1


@pytest.mark.processes
def test_python_examples_run_one_after_the_other(folder, capsys):
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 5
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert (folder / "model.keras").is_file()
    printed = capsys.readouterr().out
    assert "density" in printed
    assert re.search(r"For the first user: \[(\s*\d+){10}\]", printed)


def test_the_first_example_is_short():
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len(example.splitlines()) <= 10


@pytest.mark.processes
def test_commands_on_own_ratings_run(folder):
    commands = re.findall(r"^    kerasrec (.*)$", README, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        arguments = shlex.split(command)
        # The table of this test has that one column of an unusual name.
        if "--item-column" not in arguments and "ratings.csv" in arguments:
            arguments += ["--item-column", "Produkt"]
        app(arguments, standalone_mode=False)
    assert (folder / "shop.keras").is_file()
    assert (folder / "shop.png").is_file()


def test_from_a_table_to_a_printed_list_takes_five_lines_or_two_commands():
    section = README.split("## Recommendations")[1].split("\n## ")[0]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    lines = [line for line in example.splitlines() if line]
    assert "from_csv" in example
    assert sum("print" in line for line in lines[:5]) == 1
    commands = re.findall(r"^    kerasrec (\w+)", section, re.MULTILINE)
    assert commands[:2] == ["train", "recommend"]
