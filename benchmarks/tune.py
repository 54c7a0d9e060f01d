"""Searches: time spent outside of training, compilation of a second trial, two workers against one.

Measured on JAX. Each search runs in its own process and starts with an empty cache of compiled programs. The
overhead is the share of time spent on anything but training (including compilation) and evaluation, as
`SearchResult.overhead` counts it, for the job `recommender_net`. The second trial differs from the first in
its learning rate. The compilation time is JAX's time for compiling a program or for reading it from the
cache.

Workers are compared on a random search over the learning rate of a matrix factorisation on MovieLens 1M
(implicit). It has 20 trials of equal work, each of at least 15 s. It runs with one worker on one core, with
two workers, and with one worker on both cores; the last runs 5 of the trials, and its time is scaled to 20.
The start-up time, until the first trial begins, is listed separately.
"""

import os
import tempfile
import time
from typing import Any

from benchmarks._measure import data_folder, digits, in_process, ratio_row, say

BACKEND = "jax"
N_TRIALS = 20
WORKERS = {"one core": (1, 1, N_TRIALS), "two workers": (2, 2, N_TRIALS), "both cores": (1, 2, 5)}


def run(quick: bool = False) -> list[dict]:
    data_folder("movielens-1m-implicit")
    overhead = _measure("overhead", {"n_trials": 2 if quick else 6, "epochs": 2 if quick else 8})
    second = _measure("second_trial", {"epochs": 2})
    teams = {}
    for name, (workers, cores, n_trials) in WORKERS.items():
        n_trials = max(2, n_trials // 10) if quick else n_trials
        size = {"workers": workers, "cores": cores, "n_trials": n_trials, "epochs": 2 if quick else 30}
        teams[name] = _measure("team", size)
    seconds = {name: team["trials s"] / team["trials"] for name, team in teams.items()}
    rows = [
        ratio_row("time outside of training and evaluation", [overhead["share"]], 0.1, lower_is_better=True),
        ratio_row("compiling a second trial, over a first", [second["ratio"]], 0.1, lower_is_better=True),
        ratio_row("two workers, times one core", [seconds["one core"] / seconds["two workers"]], 1.6),
        ratio_row("two workers, times both cores", [seconds["both cores"] / seconds["two workers"]], 1.0),
    ]
    rows.append(
        {"what": "a search of recommender_net", "s": overhead["s"], "outside, s": overhead["outside"]}
    )
    rows += [
        {"what": f"compiling trial {n + 1}", "s": digits(s), "outside, s": None}
        for n, s in enumerate(second["compiling"])
    ]
    for name, team in teams.items():
        rows.append({"workers": name, **{key: digits(x) for key, x in team.items()}})
    return rows


def overhead(n_trials: int, epochs: int) -> dict[str, Any]:
    """The job `recommender_net` with fewer trials."""
    from kerasrec.data import Interactions, splits
    from kerasrec.tuning import Job

    job = Job.load("recommender_net")
    path = data_folder("movielens-latest-small-2016") / "ratings.csv"
    ratings = Interactions.from_csv(path, user="userId", item="movieId", value="rating")
    train, _ = splits.random_split(ratings, job.test_size, job.test_seed)
    start = time.perf_counter()
    how = dict(job.search) | {"max_trials": n_trials, "epochs": epochs, "num_initial_points": 3}
    result = _search(train, job.model, objective=job.objective, **how)
    seconds = time.perf_counter() - start
    return {"share": result.overhead, "s": digits(seconds), "outside": digits(result.overhead * seconds)}


def second_trial(epochs: int) -> dict[str, Any]:
    """Seconds that JAX compiles in each of two trials of the same shape."""
    import jax.monitoring
    import keras

    compiling: list[float] = []

    class Trials(keras.callbacks.Callback):
        def on_train_end(self, logs: Any = None) -> None:
            compiling.append(0.0)

    def listen(event: str, seconds: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiling[-1] += seconds

    train = _likes()
    compiling.append(0.0)
    jax.monitoring.register_event_duration_secs_listener(listen)
    _search(train, **_equal(2, epochs), callbacks=[Trials()])
    return {"compiling": compiling[:2], "ratio": compiling[1] / compiling[0]}


def team(workers: int, cores: int, n_trials: int, epochs: int) -> dict[str, Any]:
    """A search by some workers, and when its first trial began."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])  # before JAX counts them
    train = _likes()
    start = time.time()
    result = _search(train, **_equal(n_trials, epochs), workers=workers)
    end = time.time()
    began = result.frame()["started"].min().timestamp()
    return {
        "trials": n_trials,
        "trials s": end - began,
        "start-up s": began - start,
        "a trial s": sum(p.seconds for p in result._progress.values()) / n_trials,
        "outside": result.overhead,
    }


def _equal(n_trials: int, epochs: int) -> dict[str, Any]:
    """A search whose trials have the same shape and number of epochs."""
    return {
        "model": "matrix_factorization",
        "objective": "val_recall@10",
        "tuner": "random",
        "max_trials": n_trials,
        "epochs": epochs,
        "patience": None,
        "prune": False,
        "fixed": {"loss": "full_softmax", "n_components": 64, "decay": 0.1, "batch_size": 302},
        "space": ["learning_rate"],
    }


def _likes() -> Any:
    from kerasrec.data import Interactions

    return Interactions.from_csv(data_folder("movielens-1m-implicit") / "train.csv")


def _search(train: Any, model: str, **how: Any) -> Any:
    from kerasrec.tuning import search

    return search(train, model, directory=tempfile.mkdtemp(prefix="search"), verbose=False, **how)


def _measure(case: str, arguments: dict[str, Any]) -> dict[str, Any]:
    say(f"{case}: {arguments}")
    with tempfile.TemporaryDirectory() as cache:
        environment = {"KERASREC_COMPILATION_CACHE": cache}
        found = in_process(f"benchmarks.tune:{case}", arguments, BACKEND, environment)
    return {key: x for key, x in found.items() if key not in ("peak_mb", "versions")}
