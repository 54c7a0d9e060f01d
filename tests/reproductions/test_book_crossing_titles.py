"""`examples/book_crossing_titles.py`: what titles and authors do for books that nobody has liked yet.

In full the whole table; with `KERASREC_REPRODUCTION=quick`, as in CI, books with many likes and a few epochs.
"""

import re

import numpy as np
import pytest

from kerasrec import Recommender

pytestmark = pytest.mark.reproduction


def test_new_books_have_no_training_row_and_titles_find_them(example, shared_data, quick):
    if not quick:
        pytest.skip("the whole table is measured")
    module = example("book_crossing_titles")
    problem = module.load(shared_data / "book-crossing", min_likes=30)
    assert not problem.new[problem.train.items].any() and problem.new[problem.of_new.items].all()
    assert problem.new.sum() == problem.train.n_items // 10
    how = {"item_features": module.descriptions(problem)["and authors"], "epochs": 4, "seed": 0, "verbose": 0}
    hybrid = module.figures(Recommender.train(problem.train, "hybrid", **how), problem)
    random = module.figures(Recommender.train(problem.train, "random"), problem)
    print("", module.row("random", *random), module.row("hybrid: and authors", *hybrid), sep="\n")
    by_chance = module.K / problem.new.sum()
    assert abs(random[0] - by_chance) < 0.3 * by_chance
    assert hybrid[0] > 1.3 * by_chance and hybrid[1] > 2 * random[1]


def test_recall_is_the_mean_over_readers(example):
    module = example("book_crossing_titles")
    import pandas as pd

    from kerasrec.data import Interactions

    ids = {"user_ids": ["a", "b", "c"], "item_ids": ["x", "y", "z"]}
    train, held = Interactions([0, 1], [0, 0], **ids), Interactions([0, 0, 1, 2], [1, 2, 1, 1], **ids)
    problem = module.Problem(train, held, held, np.zeros(3, bool), pd.DataFrame())

    def lists(readers):
        assert readers.tolist() == [0, 1]  # nothing is known of c
        return pd.DataFrame({"user": ["a", "a", "b"], "item": ["y", "x", "y"]})

    assert module.recall(problem, held, lists) == (1 / 2 + 1) / 2


def test_table(example, shared_data, quick, capsys):
    if quick:
        pytest.skip("KERASREC_REPRODUCTION=quick")
    module = example("book_crossing_titles")
    module.main(shared_data / "book-crossing")
    printed = capsys.readouterr().out
    print("\n" + printed)
    table = {}
    for line in printed.splitlines():
        if line.startswith(("random", "popularity", "the author", "hybrid")):
            table[line[:26].strip()] = [float(x) for x in line[26:].replace(" s", "").split()]
    for title, figures in table.items():
        shown = re.search(rf"^ +{title} +(0\..*)$", module.__doc__, re.MULTILINE)
        expected = [float(x) for x in shown[1].split()]
        np.testing.assert_allclose(figures[: len(expected)], expected, rtol=0.1, atol=0.004)
    new = {title: figures[0] for title, figures in table.items()}
    assert new["hybrid: and titles"] > 3 * max(new["the author's likes"], new["hybrid: themselves"])
    assert new["hybrid: and authors"] > new["hybrid: and titles"]
