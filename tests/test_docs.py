"""The pages do what they print."""

import re
from pathlib import Path

import pandas as pd
import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def run(page, first=0, last=None):
    """Run the Python blocks of a page, one after the other, as one program."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    for block in blocks[first:last]:
        exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The tables that `recommender.md` speaks of."""
    monkeypatch.chdir(tmp_path)
    people = ["anna", "bob", "carl", "dora", "emil", "fred"]
    pairs = [(who, f"sku-{n}") for row, who in enumerate(people) for n in range(8) if (n + row) % 2]
    days = [f"{n % 27 + 1:02d}.10.2024" for n in range(len(pairs) + 1)]
    frame = pd.DataFrame([*pairs, pairs[0]], columns=["customer", "sku"]).assign(day=days)
    frame.to_csv("purchases.csv", sep=";", index=False)
    columns = ["sku", "title", "groups"]
    rows = [[f"sku-{n}", f"Thing {n}", "toys|games" if n % 3 == 2 else "books"] for n in range(8)]
    pd.DataFrame(rows, columns=columns).to_csv("products.csv", index=False)
    pd.DataFrame([["sku-9", "New", "toys"]], columns=columns).to_csv("new_products.csv", index=False)
    week = [("greta", "sku-9"), ("greta", "sku-1"), ("anna", "sku-2")]
    pd.DataFrame(week, columns=["customer", "sku"]).to_csv("week.csv", index=False)
    later = [("greta", "sku-3"), ("bob", "sku-9")]
    pd.DataFrame(later, columns=["customer", "sku"]).to_csv("later.csv", index=False)
    return tmp_path


def test_every_page_with_code_is_run_here():
    pages = {
        path.relative_to(DOCS).as_posix()
        for path in DOCS.rglob("*.md")
        if "```python\n" in path.read_text(encoding="utf-8")
    }
    run_here = set(re.findall(r'"([\w/]+\.md)"', Path(__file__).read_text(encoding="utf-8")))
    assert "index.md" in pages and pages <= run_here  # those of "tensorrec.md" by `tests/compat`


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        "index.md",
        "guides/from_lightfm.md",
        "guides/from_implicit.md",
        "guides/from_surprise.md",
        "guides/from_tfrs.md",
    ],
)
def test_a_first_program(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run(page)
    assert names["recommender"].n_users > 0
    assert capsys.readouterr().out.strip()


@pytest.mark.slow
def test_a_table_of_clicks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {
        "user": ["ann", "bob"],
        "item": ["x", "y"],
        "device": ["phone", "tv"],
        "genres": ["War", "War|Drama"],
    }
    shown = pd.DataFrame({name: entries * 40 for name, entries in columns.items()})
    shown = shown.assign(price=range(1, 81), when="2024-01-03", clicked=[1, 0, 0, 1, 1] * 16)
    shown.to_csv("clicks.csv", index=False)
    names = run("clicks.md")
    assert len(names["ranker"].score(shown)) == 80 and (tmp_path / "clicks.keras").exists()


@pytest.mark.slow
def test_a_working_week(shop, capsys):
    names = run("recommender.md")
    held = names["recommender"]
    assert "greta" in held.user_ids and "sku-9" in held.item_ids
    lists = pd.read_parquet(shop / "lists.parquet")
    assert len(lists) == 3 * 7 and {"title", "groups"} <= set(lists.columns)
    printed = capsys.readouterr().out
    assert "Explanation(user 'anna', item 'sku-1'" in printed and "recall@3" in printed


def test_tables_and_ids(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("data.md")
    page = (DOCS / "data.md").read_text(encoding="utf-8")
    assert "    " + capsys.readouterr().out in page


def test_events(capsys):
    names = run("events.md")
    assert "Interactions(3 counts of 2 users and 2 items)" in capsys.readouterr().out
    milk = [part.to_frame().set_index(["user", "item"])["value"] for part in (names["train"], names["test"])]
    assert [part["anna", "milk"] for part in milk] == [1, 1]


@pytest.mark.slow
def test_a_model_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run("training.md")
    assert names["model"].towers is not None
    assert (tmp_path / "best.keras").is_file()
    assert "mine: " in capsys.readouterr().out


@pytest.mark.slow
def test_a_search(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="Tuning gained nothing significant"):
        names = run("tuning.md", last=1)
    assert len(names["result"].frame()) == 5


@pytest.mark.slow
def test_from_events_to_a_file(tmp_path, monkeypatch):
    from kerasrec import Recommender
    from kerasrec.data import Interactions
    from kerasrec.serving import EventLog

    monkeypatch.chdir(tmp_path)
    pairs = [(user, item) for user in range(6) for item in range(5) if (user + item) % 2]
    users, items = zip(*pairs, strict=True)
    data = Interactions(
        users, items, user_ids=[f"u{n}" for n in range(6)], item_ids=[f"i{n}" for n in range(5)]
    )
    Recommender.train(data, "hybrid", epochs=1, n_components=2, verbose=0).save("shop.keras")
    EventLog("shop.events.jsonl").append([{"user": "u0", "item": "i0"}, {"user": "new", "item": "i1"}])
    names = run("serving.md", last=1)
    updated = Recommender.load("shop.keras")
    assert (
        "new" in updated.user_ids and "i0" not in updated.recommend("u0", k=5, short="fewer")["item"].tolist()
    )
    assert [path.name for path in tmp_path.glob("*.jsonl*")] == [f"{names['parts'][0].name}.done"]
