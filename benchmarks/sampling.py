"""Ranking batches: sampled pairs per second on one core, for each sampler.

The data have the proportions of MovieLens 1M. A batch has 512 rows with 100 sampled items each, and positives
are excluded. The rate is that of whole batches as `model.fit` gets them, measured in CPU time.
"""

import time

import numpy as np
import pandas as pd

from kerasrec.data import Interactions, RankingBatches
from kerasrec.data.samplers import InBatchSampler, PopularitySampler, UniformSampler

N_USERS, N_ITEMS, N_INTERACTIONS = 6_040, 3_706, 1_000_000
SAMPLERS = (
    UniformSampler(),
    UniformSampler(replace=False),
    UniformSampler(shared=True),
    PopularitySampler(),
    PopularitySampler(replace=False),
    PopularitySampler(shared=True),
    InBatchSampler(),
)


def run(quick: bool = False) -> list[dict]:
    interactions = likes(N_INTERACTIONS // 10 if quick else N_INTERACTIONS)
    return [measure(interactions, sampler, by) for sampler in SAMPLERS for by in ("interaction", "user")]


def likes(n: int) -> Interactions:
    rng = np.random.default_rng(0)
    items = (N_ITEMS * rng.random(n) ** 2).astype(np.int32)
    cells = np.unique(rng.integers(0, N_USERS, n) * N_ITEMS + items)
    return Interactions(cells // N_ITEMS, cells % N_ITEMS, user_ids=range(N_USERS), item_ids=range(N_ITEMS))


def measure(interactions: Interactions, sampler, by: str, n_batches: int = 20) -> dict:
    batches = RankingBatches(interactions, 512, 100, sampler, by, seed=0, max_positives=100)
    batches[0]
    start = time.process_time()
    pairs = sum(batches[i % len(batches)][1].shape[0] for i in range(n_batches)) * 100
    seconds = time.process_time() - start
    return {"sampler": repr(sampler), "by": by, "pairs/s": round(pairs / seconds), "pairs": pairs}


if __name__ == "__main__":
    print(pd.DataFrame(run()).to_string(index=False))
