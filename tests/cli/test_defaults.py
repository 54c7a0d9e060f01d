"""The commands and Python have one set of defaults."""

import inspect

import pytest

import kerasrec
from kerasrec import zoo
from kerasrec.cli._clicks import DEFAULT
from kerasrec.cli.compare import compare
from kerasrec.cli.train import train
from kerasrec.cli.tune import tune
from kerasrec.recommender import _training
from kerasrec.tuning import search

TRAINING = ("epochs", "batch_size", "validation", "patience", "seed")


def defaults(function):
    return {name: x.default for name, x in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize("python", [kerasrec.Recommender.train, kerasrec.Ranker.train, _training.trained])
def test_training(python):
    command, ours = defaults(train), defaults(python)
    assert {name: command[name] for name in TRAINING} == {name: ours[name] for name in TRAINING}
    # What is not given is the recipe's, or a tenth.
    assert [ours[name] for name in TRAINING] == [None, None, None, None, 0]


def test_what_the_command_trains_if_no_model_is_named():
    assert defaults(kerasrec.Recommender.train)["model"] == "hybrid" == defaults(compare)["models"]


def test_comparing():
    command, python = defaults(compare), defaults(_training.trained)
    assert [command[name] for name in ("epochs", "batch_size", "seed")] == [
        python[name] for name in ("epochs", "batch_size", "seed")
    ]
    assert command["seed"] == defaults(kerasrec.evaluation.compare)["seed"]


def test_searching():
    command, python = defaults(tune), defaults(search)
    # A command leaves to `search`, or to a job, what it is not given.
    assert {command[name] for name in ("epochs", "seed", "max_trials", "tuner", "model")} == {None}
    assert python["seed"] == 0 and python["epochs"] is None
    assert python["validation"] == _training.VALIDATION
    assert python["model"] is None  # by the data, as in the command
    assert DEFAULT == defaults(kerasrec.Ranker.train)["model"]
    assert python["patience"] == zoo.Recipe().patience
