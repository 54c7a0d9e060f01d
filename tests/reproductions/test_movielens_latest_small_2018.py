"""`examples/movielens_hybrid.py`: the table of TensorRec's first post, and the hybrid at its best.

In full, three seeds: the published protocol must reach 0.078 for WMRB and 0.082 for the hybrid, and the tuned
hybrid 0.180 and 0.260 with rated films left out. With `KERASREC_REPRODUCTION=quick`, as in CI, one seed and a
quarter of the epochs of the two that matter most: far enough for what is broken to show.
"""

import re

import numpy as np
import pytest

import kerasrec
from kerasrec import zoo

pytestmark = pytest.mark.reproduction

QUICK = {"WMRB MF": 0.055, "hybrid": 0.055, "hybrid, tuned": 0.095}


@pytest.fixture(scope="module")
def protocol(example, shared_data):
    module = example("movielens_hybrid")
    data = kerasrec.datasets.movielens("latest-small", shared_data / "movielens-latest-small-2018")
    assert (len(data.interactions), data.interactions.n_users, data.interactions.n_items) == (
        100_836,
        610,
        9_724,
    )
    return module, [module.split_of(data, seed) for seed in module.SEEDS]


def measured(protocol, title, quick=False):
    module, every_split = protocol
    train, name = module.MODELS[title]
    share, seeds = (0.25, module.SEEDS[:1]) if quick else (1.0, module.SEEDS)
    return np.mean(
        [
            module.figures(train(name, split, seed, share), split)
            for seed, split in zip(seeds, every_split, strict=False)
        ],
        axis=0,
    )


def test_one_seed_and_a_quarter_of_the_epochs(protocol, quick):
    if not quick:
        pytest.skip("the whole table is measured")
    module, _ = protocol
    titles = ("popularity", "WMRB MF", "hybrid", "hybrid, tuned")
    table = {title: measured(protocol, title, quick=True) for title in titles}
    print("", module.HEAD, *(module.row(*item) for item in table.items()), sep="\n")
    # About popularity, the rest being still to come.
    assert table["WMRB MF"][1] > QUICK["WMRB MF"]
    assert table["hybrid"][1] > QUICK["hybrid"]
    assert table["hybrid, tuned"][2] > QUICK["hybrid, tuned"]


def test_table(protocol, quick):
    if quick:
        pytest.skip("KERASREC_REPRODUCTION=quick")
    module, _ = protocol
    table = {title: measured(protocol, title) for title in module.MODELS}
    print("", module.HEAD, *(module.row(*item) for item in table.items()), sep="\n")
    assert table["WMRB MF"][1] >= 0.078
    assert table["hybrid"][1] >= 0.082
    assert table["hybrid, tuned"][2] >= 0.180
    assert table["hybrid, tuned"][3] >= 0.260
    for title, figures in table.items():
        shown = re.search(rf"^{re.escape(title)} +(.*)$", zoo.card("hybrid").results, re.MULTILINE)
        # What another backend or release may change.
        np.testing.assert_allclose([float(x) for x in shown[1].split()], figures, rtol=0.1, atol=0.003)
