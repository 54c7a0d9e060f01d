"""The comparison of `examples/compare_models.py`: six models on MovieLens latest-small of 2018, three splits.

Likes are ratings of at least 4, a fifth of them held out at random. What is asserted are the relations that
hold in every split; the figures are printed. With `KERASREC_REPRODUCTION=quick` one split and ten epochs.
"""

import importlib.util
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.reproduction

QUICK = os.environ.get("KERASREC_REPRODUCTION") == "quick"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "compare_models.py"


def test_six_models_on_three_splits(shared_data, capsys):
    spec = importlib.util.spec_from_file_location("compare_models", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    if QUICK:
        example.SEEDS = example.SEEDS[:1]
        example.TRAINING["epochs"] = 10
    tables = example.main(str(shared_data / "movielens-latest-small-2018"))
    printed = capsys.readouterr().out
    with capsys.disabled():
        print("\n" + printed)
    assert len(tables) == len(example.SEEDS)
    for table in tables:
        assert set(table.reports) == {
            "hybrid",
            "matrix_factorization",
            "popularity",
            "item_knn",
            "ease",
            "implicit_als",
        }
        assert table.protocol["test"].startswith("9,716 interactions")
        ndcg = {name: report["ndcg@10"] for name, report in table.reports.items()}
        if not QUICK:
            assert min(ndcg, key=ndcg.get) == "popularity"
            assert table.best == "hybrid" or "hybrid" in table.ties
        assert {"users", "history of the user", "items", "popularity of the item"} <= {
            by for by, _ in table.slices().index
        }
    for text in (
        "95 %",
        "Holm",
        "left out: the user's training items",
        f"Means of {len(tables)} splits",
        "best or tied",
    ):
        assert text in printed
