import keras_tuner
import numpy as np
import pytest
from keras_tuner.src.engine.trial import TrialStatus

from kerasrec.tuning import _oracles


@pytest.fixture
def propose(tmp_path):
    """Run an oracle on a known function of a whole and a real number, and give what it tried."""

    def propose(tuner, score, n, seed=0, again=0, **kwargs):
        objective = keras_tuner.Objective("score", "max")
        tried = []
        for start in (0, again) if again else (0,):
            oracle = _oracles.oracle(tuner, objective, n, 1, seed, kwargs)
            oracle._set_project_dir(str(tmp_path), "oracle")
            space = oracle.get_space()
            space.Int("size", 2, 128, sampling="log")
            space.Float("rate", 1e-4, 1e-1, sampling="log")
            oracle.update_space(space)
            oracle.reload()
            stop = again if again and not start else n
            for _ in range(start, stop):
                trial = oracle.create_trial("a")
                values = trial.hyperparameters.values
                tried.append((values["size"], values["rate"]))
                oracle.update_trial(trial.trial_id, {"score": score(*tried[-1])})
                trial.status = TrialStatus.COMPLETED
                oracle.end_trial(trial)
        return tried

    return propose


def test_bayesian_proposals_go_where_it_is_best_and_stay_in_the_range(propose, quiet):
    tried = propose("bayesian", lambda size, rate: np.log(size), 14, num_initial_points=4)
    assert all(2 <= size <= 128 and 1e-4 <= rate <= 1e-1 for size, rate in tried)
    assert max(size for size, _ in tried) > 120


@pytest.mark.parametrize("tuner", ["bayesian", "random"])
def test_an_oracle_that_is_taken_up_proposes_what_it_would_have(propose, tuner, quiet, tmp_path):
    def score(size, rate):
        return -abs(np.log(size / 20)) - abs(np.log(rate / 1e-2))

    kwargs = {"num_initial_points": 3} if tuner == "bayesian" else {}
    interrupted = propose(tuner, score, 9, again=5, **kwargs)
    (tmp_path / "oracle" / "oracle.json").unlink()
    assert interrupted == propose(tuner, score, 9, **kwargs)
