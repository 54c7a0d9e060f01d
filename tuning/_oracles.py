"""keras-tuner's oracles, which choose the next trial, with a state that survives a kill."""

import datetime
import inspect
import warnings
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.src.engine.trial import Trial, TrialStatus
from keras_tuner.src.tuners.gridsearch import LinkedList

from kerasrec._names import did_you_mean
from kerasrec.tuning._files import read_json, reading, write_json

# For the Gaussian process: number of further starting kernels, of points evaluated per round and of best
# points kept, and the distances of the next points from these.
_RESTARTS = 5
_POINTS = 2000
_LEADERS = 20
_WIDTHS = (0.1, 0.03, 0.01, 0.0)
_BELOW_1 = 1 - 1e-9  # keras-tuner turns 1 into the highest integer plus one


class Durable:
    """kerasrec's additions to an oracle of keras-tuner.

    The whole state, including the trials, is in one file that is replaced atomically. What an oracle draws
    depends on the seed and the number of trials, not on earlier draws, so a search that is resumed continues
    as if it had never stopped. The first trial has the defaults.
    """

    trials: dict[str, Trial]
    ongoing_trials: dict[str, Trial]
    _retry_queue: list[str]
    seed: int

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.started: dict[str, str] = {}
        # Failures before this position in `end_order` belong to an earlier run.
        self.failures_from = 0
        self.error: OSError | None = None
        self.verbose = 0

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._project_dir, "oracle.json")  # type: ignore[attr-defined]

    def save(self) -> None:
        """Write the whole state. An error is kept in `error`; the search raises it later."""
        state = self.get_state() | {  # type: ignore[attr-defined]
            "trials": [trial.get_state() for trial in self.trials.values()],
            "started": self.started,
        }
        try:
            write_json(self.path, state)
        except OSError as error:
            self.error = error

    def reload(self) -> bool:
        """Restore what `save` wrote; returns whether there was anything."""
        state = read_json(self.path)
        if state is None:
            return False
        with reading(self.path):
            self.trials = {x["trial_id"]: Trial.from_state(x) for x in state["trials"]}
            self.started = state["started"]
            self.set_state(state)  # type: ignore[attr-defined]
        # Running trials continue where they stopped, in the order in which they were started.
        # keras-tuner removes a trial from the running ones only after it has saved its end.
        ongoing = (trial.trial_id for trial in self.ongoing_trials.values())
        running = sorted(set(ongoing) - set(self.end_order))  # type: ignore[attr-defined]
        self._retry_queue = [*self._retry_queue, *reversed(running)]
        self.ongoing_trials = {}
        self.failures_from = len(self.end_order)  # type: ignore[attr-defined]
        return True

    def failures(self) -> list[str]:
        """The last trials of this run, if they failed in a row."""
        failed: list[str] = []
        for trial_id in self.end_order[self.failures_from :]:  # type: ignore[attr-defined]
            failed = [*failed, trial_id] if self.trials[trial_id].status == TrialStatus.FAILED else []
        return failed

    def given_up(self) -> bool:
        """Whether so many trials failed in a row that the search ends."""
        return len(self.failures()) >= self.max_consecutive_failed_trials  # type: ignore[attr-defined]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The next trial's values."""
        if self.given_up():
            return {"status": TrialStatus.STOPPED, "values": None}
        if not self.trials and self._starts_with_defaults:
            space = self.get_space()  # type: ignore[attr-defined]
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
            return {"status": TrialStatus.RUNNING, "values": values}
        with warnings.catch_warnings():
            # A Gaussian process whose fit did not converge still proposes something.
            warnings.simplefilter("ignore")
            return super().populate_space(trial_id)  # type: ignore[misc]

    _starts_with_defaults = True

    def _check_consecutive_failures(self) -> None:
        """Do nothing: an error in the middle of `end_trial` would leave it half done."""

    def _save_trial(self, trial: Trial) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self.started.setdefault(trial.trial_id, now)


class RandomOracle(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Values at random."""


class BayesianOracle(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Values by a Gaussian process over the trials so far."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The next trial's values."""
        done = [trial for trial in self.trials.values() if trial.status == TrialStatus.COMPLETED]
        initial = self.num_initial_points or max(3 * len(self.hyperparameters.space), 3)
        if len(done) < initial or self.given_up():
            return super().populate_space(trial_id)
        with warnings.catch_warnings():
            # A process whose fit did not converge still proposes something.
            warnings.simplefilter("ignore")
            self.gpr = self._make_gpr()  # `_vectorize_trials` predicts the running trials with it
            self.gpr.n_restarts_optimizer = _RESTARTS
            x, y = self._vectorize_trials()
            self.gpr.fit(x, y)
            values = self._vector_to_values(self._most_promising(x[np.argmin(y)]))
        return {"status": TrialStatus.RUNNING, "values": values}

    def _most_promising(self, best: np.ndarray) -> np.ndarray:
        """The point with the lowest confidence bound: first among random ones, then around the best of these.

        keras-tuner follows gradients from 50 points one by one, which takes longer than many trials.
        """
        rng = np.random.default_rng([self.seed, len(self.trials)])
        points = np.concatenate([best[None], rng.random((_POINTS, len(best)))])
        for width in _WIDTHS:
            mean, deviation = self.gpr.predict(points, return_std=True)
            leaders = points[np.argsort(mean - self.beta * deviation, kind="stable")[:_LEADERS]]
            near = np.repeat(leaders, _POINTS // _LEADERS, axis=0)
            near = np.clip(near + width * rng.standard_normal(near.shape), 0, _BELOW_1)
            points = np.concatenate([leaders, near])
        return np.asarray(leaders[0])


class HyperbandOracle(Durable, keras_tuner.oracles.HyperbandOracle):
    """Many trials of few epochs; the best continue."""

    _starts_with_defaults = False

    def promotable(self) -> set[str]:
        """Trials that may still continue."""
        return {info["id"] for bracket in self._brackets for rounds in bracket["rounds"] for info in rounds}


class GridOracle(Durable, keras_tuner.oracles.GridSearchOracle):
    """All combinations."""

    _starts_with_defaults = False  # keras-tuner's grid search already does

    def get_state(self) -> dict[str, Any]:
        """The state, with the order of the trials, which keras-tuner does not save."""
        ids, links = self._ordered_ids, {}
        for trial_id in ids._data_to_index:
            links[trial_id] = ids.next(trial_id)
        after = set(links.values())
        ordered = [trial_id for trial_id in links if trial_id not in after]
        while ordered and links[ordered[-1]] is not None:
            ordered.append(links[ordered[-1]])
        return super().get_state() | {"ordered": ordered, "populate_next": self._populate_next}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore it."""
        super().set_state(state)
        self._ordered_ids = LinkedList()
        for trial_id in state["ordered"]:
            self._ordered_ids.insert(trial_id)
        # keras-tuner adds a trial only after it has saved its end.
        self._populate_next = [*state["populate_next"], *state["end_order"][-1:]]


ORACLES: dict[str, type[Any]] = {
    "bayesian": BayesianOracle,
    "random": RandomOracle,
    "hyperband": HyperbandOracle,
    "grid": GridOracle,
}
_OURS = ("objective", "max_trials", "max_epochs", "seed", "hyperparameters")


def oracle(
    tuner: str, objective: Any, max_trials: int, epochs: int, seed: int, further: dict[str, Any]
) -> Any:
    """An oracle by the name of its tuner.

    Args:
        tuner: `"bayesian"`, `"random"`, `"hyperband"` or `"grid"`.
        objective: `Objective`.
        max_trials: int; Hyperband computes the number of its trials itself.
        epochs: int, maximum number of epochs of a trial.
        seed: int.
        further: arguments of keras-tuner's oracle.
    """
    if tuner not in ORACLES:
        raise ValueError(
            f"`tuner` must be one of {', '.join(ORACLES)}.{did_you_mean(tuner, ORACLES)} "
            f"Received: tuner={tuner!r}."
        )
    cls = ORACLES[tuner]
    accepted = [
        name
        for name in inspect.signature(cls.__mro__[2]).parameters
        if name not in (*_OURS, "self", "allow_new_entries", "tune_new_entries")
    ]
    for name in further:
        if name not in accepted:
            raise ValueError(
                f"Further arguments must be those of keras-tuner's {tuner} oracle: {', '.join(accepted)}."
                f"{did_you_mean(name, accepted)} Received: {name}={further[name]!r}."
            )
    size = {"max_epochs": epochs} if tuner == "hyperband" else {"max_trials": max_trials}
    # keras-tuner treats a seed of 0 as none.
    return cls(objective=objective, seed=seed + 1, **size, **further)
