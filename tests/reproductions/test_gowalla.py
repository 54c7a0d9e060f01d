"""The models of graphs on Gowalla, in the split of LightGCN.

Protocol: `train.txt` and `valid.txt` together are LightGCN's training part (810,128 check-ins), `test.txt`
its test part (217,242); all 29,858 users have test items; the whole catalogue of 40,981 items is ranked
without the user's training items, equal scores in pseudo-random order, seed 0. NDCG@20 is over that of the
best list of min(20, test items), as in LightGCN's code. Settings were chosen on `valid.txt`.
With `KERASREC_REPRODUCTION=quick`, as in CI, every fifth user is trained and evaluated.
"""

import re

import keras
import numpy as np
import pytest

from kerasrec import zoo
from kerasrec.data import Interactions, RankingBatches
from kerasrec.data.samplers import UniformSampler
from kerasrec.evaluation import evaluate

pytestmark = pytest.mark.reproduction
N_USERS, N_ITEMS = 29_858, 40_981


@pytest.fixture(scope="module")
def split(shared_data, quick):
    train, test = (
        _read(*(shared_data / "gowalla" / f"{name}.txt" for name in names))
        for names in (("train", "valid"), ("test",))
    )
    assert (len(train), len(test)) == (810_128, 217_242)
    if quick:
        train, test = (x.take(np.flatnonzero(x.users % 5 == 0)) for x in (train, test))
    return train, test


def _read(*paths):
    """Interactions of files with a line a user: its number, and those of its items."""
    lines = [np.array(line.split(), int) for path in paths for line in path.read_text().splitlines()]
    users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
    items = np.concatenate([line[1:] for line in lines])
    return Interactions(users, items, user_ids=np.arange(N_USERS), item_ids=np.arange(N_ITEMS))


def figures(model, train, test, quick):
    """Recall@20 and NDCG@20."""
    users = np.arange(0, N_USERS, 5) if quick else None
    report = evaluate(model, test, train, k=20, metrics=["recall", "ndcg"], users=users)
    assert report.n_users == (5972 if quick else N_USERS)
    return report["recall@20"], report["ndcg@20"]


def shown(name, line):
    """The two figures of a line of the card's results."""
    found = re.search(rf"^{line} +(0\.\d{{4}}) +(0\.\d{{4}})$", zoo.card(name).results, re.MULTILINE)
    return [float(found[1]), float(found[2])]


def test_gf_cf_in_closed_form(split, quick):
    found = figures(zoo.create("gf_cf", split[0]), *split, quick)
    print("\nrecall@20, ndcg@20:", np.round(found, 4))
    if quick:
        assert found[0] >= 0.115 and found[1] >= 0.085
    else:
        assert found[0] >= 0.183 and found[1] >= 0.150
        np.testing.assert_allclose(found, shown("gf_cf", "default settings"), atol=0.0005)


def test_lightgcn_by_the_settings_of_its_recipe(split, quick):
    """Softmax over a sample that the batch shares, of cosines; `valid.txt` chose its temperature and rate."""
    train, test = split
    recipe = zoo.recipe("lightgcn", train)
    assert (recipe.batch_size, recipe.n_sampled_items, recipe.epochs) == (2048 if quick else 8192, 512, 80)
    epochs, rate = 2 if quick else recipe.epochs, recipe.settings["learning_rate"]
    model = zoo.create("lightgcn", train, seed=0, **recipe.settings)
    model.compile(keras.optimizers.Adam(rate), model.loss, row_sparse=False)
    sampler = UniformSampler(shared=True, replace=False)
    batches = RankingBatches(train, recipe.batch_size, recipe.n_sampled_items, sampler, seed=0)
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[zoo.FallingRate(recipe, rate)])
    found = figures(model, *split, quick)
    print("\nlightgcn, recall@20, ndcg@20:", np.round(found, 4))
    required = (0.07, 0.05) if quick else (0.178, 0.150)
    assert found[0] >= required[0] and found[1] >= required[1]
