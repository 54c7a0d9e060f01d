"""Memory of an evaluation over a million items; in a process of its own, whose highest memory is measured."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import numpy as np
import kerasrec
from kerasrec.data import Interactions

N_USERS, N_ITEMS = {n_users}, {n_items}

def memory(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))

def interactions(seed):
    generator = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), 20)
    pairs = np.unique(users * N_ITEMS + generator.integers(0, N_ITEMS, len(users)))
    return Interactions(pairs // N_ITEMS, pairs % N_ITEMS, **ids)

ids = dict(user_ids=np.arange(N_USERS), item_ids=np.arange(N_ITEMS))
train, test = interactions(0), interactions(1)
model = kerasrec.zoo.RecommenderV1(N_USERS, N_ITEMS, 64)
open("/proc/self/clear_refs", "w").write("5")  # Linux counts the highest memory anew
held = memory("VmRSS")
report = kerasrec.evaluation.evaluate(
    model, test, train, k=(10, 100), metrics=["recall", "ndcg", "auc", "coverage", "novelty"]
)
assert report.n_users == N_USERS
assert 0.4 < report["auc"] < 0.6
print(memory("VmHWM") - held)
"""


def beyond_the_embeddings(n_users, n_items):
    """Bytes of the highest memory, less what is held once the model is there."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(n_users=n_users, n_items=n_items)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


@pytest.mark.reproduction
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory from /proc")
def test_a_million_items_fit_in_two_gigabytes():
    found = beyond_the_embeddings(400, 1_000_000)
    print(f"\n{found / 1e6:,.0f} MB beyond the embeddings")
    assert found < 2e9
