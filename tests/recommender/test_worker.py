"""Lists on workers of engines: the rows of `recommend_to_parquet`, without Keras."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from references.ranking_metrics import ranked

import kerasrec
from kerasrec.data import Interactions
from kerasrec.evaluation._layout import Layout, tie_order
from kerasrec.recommender import _worker


@pytest.fixture(scope="module", params=["hybrid", "recommender_v2"])
def recommender(request):
    """Text users, numbered items; of ratings with a scale behind the score."""
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 40, (400, 2)), axis=0)
    data = Interactions(
        pairs[:, 0],
        pairs[:, 1],
        rng.integers(1, 6, len(pairs)).astype(np.float32),
        user_ids=[f"ü{user:02d}" for user in range(40)],
        item_ids=range(100, 140),
    )
    model = kerasrec.zoo.create(request.param, data, seed=0)
    return kerasrec.Recommender(model, data)


@pytest.fixture(scope="module")
def folder(recommender, tmp_path_factory):
    return recommender.save_lists_for_workers(tmp_path_factory.mktemp("lists") / "lists", k=5)


@pytest.fixture(scope="module")
def expected(recommender, tmp_path_factory):
    path = tmp_path_factory.mktemp("expected") / "lists.parquet"
    recommender.recommend_to_parquet(path, k=5, verbose=False)
    return pq.read_table(path).to_pandas()


def check(found, expected):
    for name in ("user", "rank", "item"):
        assert found.column(name).to_pylist() == expected[name].tolist()
    np.testing.assert_allclose(found.column("score"), expected["score"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "form",
    [
        lambda ids: pd.DataFrame({"user": ids}),
        lambda ids: pa.table({"user": ids}),
        lambda ids: pa.record_batch({"user": ids}),
        lambda ids: {"user": ids},
        lambda ids: {"user": [pa.scalar(one) for one in ids]},
        np.asarray,
    ],
)
def test_the_same_rows(recommender, folder, expected, form):
    from kerasrec.recommender._worker import Lists

    check(Lists(folder)(form(recommender.user_ids)), expected)


@pytest.mark.parametrize(("n_items", "k"), [(40, 7), (4100, 10), (4100, 300)])
@pytest.mark.parametrize("levels", [1, 1000])
def test_the_best_of_many(n_items, k, levels):
    """Whole numbers, whose products are exact: many equal scores, or few."""
    rng = np.random.default_rng(0)
    users, items = (rng.integers(-levels, levels + 1, (n, 2)).astype(np.float32) for n in (9, n_items))
    bias = rng.integers(-levels, levels + 1, n_items).astype(np.float32)
    layout = Layout.of(n_items)
    arranged = np.maximum(layout.items, 0)
    held = {"user": users, "item": items[arranged], "item_bias": bias[arranged], "columns": layout.items}
    held |= {"longest": levels * 2, "largest_bias": levels, "empty": np.flatnonzero(layout.items < 0)}
    held["about"] = {"k": k, "n_groups": layout.n_groups, "scales": []}
    found, scores = _worker._ranked(held, np.arange(9))
    exact = users @ items.T + bias
    for user in range(9):
        assert found[user].tolist() == ranked(exact[user], tie_order(n_items), set(), k)
        np.testing.assert_array_equal(scores[user], exact[user, found[user]])


def test_scores_that_are_none(recommender, tmp_path):
    lists = recommender.lists(tmp_path / "lists", k=3)
    vectors = np.load(tmp_path / "lists" / "user.npy")
    vectors[0] = np.nan
    np.save(tmp_path / "lists" / "user.npy", vectors)
    with pytest.raises(ValueError, match="Scores must be finite; train the model again and write the folder"):
        lists({"user": recommender.user_ids})


def test_only_some(recommender, tmp_path):
    only = recommender.item_ids[:20]
    lists = recommender.lists(tmp_path / "lists", k=30, only=only, exclude=[103], exclude_seen=False)
    expected = recommender.recommend(k=30, only=only, exclude=[103], exclude_seen=False)
    check(lists({"user": recommender.user_ids}), expected)
    who = recommender.lists(tmp_path / "who", k=1, user="who")
    assert who({"who": recommender.user_ids[:2]}).num_rows == 2


def test_unknown_users(folder):
    from kerasrec.recommender._worker import Lists

    with pytest.raises(ValueError, match=r"`unknown='skip'`.*Received: 2 of 3 users, first 'x' unknown"):
        Lists(folder)({"user": ["x", "ü01", 7]})
    with pytest.warns(UserWarning, match=r"2 of 3 users, first 'x', are unknown .* and have no list"):
        found = Lists(folder, unknown="skip")({"user": ["x", "ü01", None]})
    assert found.column("user").to_pylist() == ["ü01"] * 5


def test_mistakes(recommender, folder, tmp_path):
    from kerasrec.recommender._worker import Lists

    with pytest.raises(ValueError, match="`unknown` must be one of error, skip"):
        Lists(folder, unknown="popular")
    with pytest.raises(ValueError, match="`user` must name a column of the batch. Received: user='user'"):
        Lists(folder)({"who": [1]})
    with pytest.raises(FileNotFoundError, match="must be written by `save_lists_for_workers`"):
        Lists(tmp_path)({"user": ["ü01"]})
    (tmp_path / "lists.json").write_text('{"form": 2}')
    with pytest.raises(ValueError, match="of this version of kerasrec or an older one.*version 2"):
        Lists(tmp_path)({"user": ["ü01"]})
    popular = kerasrec.Recommender.train(recommender.interactions, "item_knn")
    with pytest.raises(ValueError, match="For lists on workers .* must factorise.*Received: 'item_knn'"):
        popular.lists(tmp_path / "none")
    recommender.rules = kerasrec.Rules(diversity=0.3)
    with pytest.raises(ValueError, match="Rules that choose among items need the recommender itself"):
        recommender.lists(tmp_path / "none")
    recommender.rules = None


def test_a_worker_needs_neither_kerasrec_nor_keras(recommender, tmp_path):
    lists = recommender.lists(tmp_path / "lists", k=3)
    (tmp_path / "pickled").write_bytes(pickle.dumps(lists))
    code = (
        "import pickle, sys\n"
        f"lists = pickle.load(open({str(tmp_path / 'pickled')!r}, 'rb'))\n"
        "print(lists({'user': ['ü03']}).column('item').to_pylist())\n"
        "assert not {'kerasrec', 'keras', 'tensorflow', 'jax', 'torch', 'scipy'} & set(sys.modules)\n"
        "again = pickle.loads(pickle.dumps(lists))\n"
        "assert again.folder == lists.folder\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(recommender.recommend("ü03", k=3)["item"].tolist())
