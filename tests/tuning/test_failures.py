"""Trials that fail, and searches that stop."""

import keras
import pytest

import kerasrec
from kerasrec.data import Interactions


class Sometimes:
    """A build function that fails where it is told to."""

    def __init__(self, data, fails):
        self.data, self.fails, self.calls = data, fails, -1

    def __call__(self, hp):
        ridge = hp.Float("ridge", 1.0, 1000.0, sampling="log")
        self.calls += 1
        if self.calls > 0 and self.calls - 1 in self.fails:  # the first call is keras-tuner's, for the space
            raise MemoryError(f"no room for {self.calls - 1}")
        model = kerasrec.zoo.RecommenderV2(self.data.n_users, self.data.n_items, 2)
        model.compile(keras.optimizers.SGD(ridge * 1e-4), "mse", metrics=["mae"], run_eagerly=True)
        return model


def test_failed_trials_are_recorded_and_the_search_goes_on(search, ratings):
    own = Sometimes(ratings[0], {1, 3})
    result = search(own, "val_mae", max_trials=4, epochs=1)
    assert result.frame()["status"].tolist() == ["completed", "failed", "completed", "failed"]
    assert result.reasons() == {"1": "MemoryError: no room for 1", "3": "MemoryError: no room for 3"}
    assert result.frame()["score"].isna().tolist() == [False, True, False, True]


@pytest.mark.slow
def test_the_third_failure_in_a_row_stops_the_search_with_the_reasons(search, ratings):
    own = Sometimes(ratings[0], {1, 2, 3})
    with pytest.raises(
        RuntimeError, match=r"3 trials in a row failed. 01: Mem.* no room for 1; 02: .*for 3\."
    ):
        search(own, "val_mae", max_trials=10, epochs=1)
    result = search(own, "val_mae", max_trials=10, epochs=1)  # what was missing may be there now
    assert len(result.frame()) == 10


def test_a_loss_that_is_no_number_fails_the_trial(search, ratings):
    def own(hp):
        hp.Float("x", 0.0, 1.0)
        model = kerasrec.zoo.RecommenderV1(ratings[0].n_users, ratings[0].n_items, 2)
        model.compile(keras.optimizers.SGD(1e30), "mse", run_eagerly=True)
        return model

    with pytest.raises(RuntimeError, match=r"0: the loss became (nan|inf) in epoch [12]; 1: the loss"):
        search(own, "val_loss", epochs=4)


def test_no_trial_with_a_result(search, ratings):
    own = Sometimes(ratings[0], {0, 1})
    with pytest.raises(RuntimeError, match=r"No trial of the search gave a result. 0: MemoryError: no room"):
        search(own, "val_mae", max_trials=2, epochs=1)


def test_a_figure_that_the_own_model_does_not_report(search, ratings):
    own = Sometimes(ratings[0], ())
    with pytest.raises(ValueError, match=r"the model reports: loss, mae, val_loss, val_mae\. Did you"):
        search(own, ("val_map_", "max"), epochs=1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"objective": "val_ndgc@10"},
            r"`objective` must be a metric .*mean 'val_ndcg@10'",
        ),
        (
            {"objective": "val_loss"},
            r"`objective` must be a metric that item_knn .*objective='val_loss'",
        ),
        ({"objective": 3}, r"`objective` must be a name, .* Received: objective=3\."),
        ({"objective": ("val_ndcg@10", "up")}, r"The direction of `objective` .* Received: 'up'\."),
        ({"tuner": "bayes"}, r"`tuner` must be one of bayesian, .* Did you mean 'bayesian'\? .*'bayes'"),
        ({"max_trials": 0}, r"`max_trials` must be a positive integer. Received: max_trials=0\."),
        (
            {"alfa": 1.0, "tuner": "bayesian"},
            r"keras-tuner's bayesian oracle: .* Did you mean 'alpha'",
        ),
        ({"model": 3}, r"`model` must be the name of a model, a function .* Received: model=3\."),
        ({"model": "no_such"}, r"`name` must be one of .*no_such"),
        (
            {"model": print, "fixed": {"x": 1}, "objective": "val_loss"},
            r"only works with models given by name",
        ),
        ({"validation": 1.5}, r"`test_size` must be a share between 0 and 1"),
        ({"workers": 0}, r"`workers` must be a positive integer"),
    ],
)
def test_arguments(search, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        search(**arguments)
    assert not (tmp_path / "search").exists()


def test_a_table_is_not_interactions(tmp_path):
    with pytest.raises(
        TypeError, match=r"`interactions` must be `kerasrec.data.Interactions`, or .*: list\."
    ):
        kerasrec.tuning.search([], directory=tmp_path)


def test_validation_can_be_given(search, ratings):
    held_out = ratings[1]
    result = search(validation=held_out, max_trials=1)
    model = kerasrec.zoo.create("item_knn", ratings[0])
    report = kerasrec.evaluation.evaluate(model, held_out, ratings[0], metrics=("ndcg",))
    assert result.best_score == pytest.approx(report["ndcg@10"], rel=1e-6)
    assert isinstance(result._plan.whole, Interactions) and len(result._plan.whole) == 600


@pytest.mark.parametrize("name", ["search.json", "oracle.json", "trial_0/progress.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content.decode().encode("utf-16")[:-1],
        lambda content: b"null",
        lambda content: b"[" * 100_000 + b"]" * 100_000,
        lambda content: b'{"other": 1}',
    ],
    ids=["cut", "encoding", "null", "brackets", "form"],
)
def test_a_damaged_file_is_named(search, tmp_path, name, damage):
    """A search that began anew would throw trials away."""
    search(max_trials=1)
    path = next(path for path in (tmp_path / "search").rglob("*.json") if str(path).endswith(name))
    path.write_bytes(damage(path.read_bytes()))
    message = rf"as it wrote them; .* Received: '.*{path.name}', which is damaged"
    with pytest.raises(ValueError, match=message):
        search(max_trials=1).frame()
