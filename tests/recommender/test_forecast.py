"""What a long training says of itself while it begins, by a clock of the tests."""

import types

import pytest

from kerasrec.data import Interactions
from kerasrec.recommender import _forecast
from kerasrec.recommender._forecast import Forecast


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the tests set."""
    now = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(_forecast.time, "perf_counter", lambda: now.seconds)
    return now


@pytest.fixture
def said():
    return []


def forecast(said, epochs, steps, twice=False):
    data = Interactions([0, 1, 2], [0, 1, 1], user_ids=range(1200), item_ids=range(3400))
    callback = Forecast(data, twice, said.append)
    callback.set_params({"epochs": epochs, "steps": steps})
    callback.set_model(types.SimpleNamespace(name="hybrid"))
    return callback


def run(callback, clock, *, compiling, step, steps):
    """An epoch whose first step takes `compiling` seconds and whose others take `step` each."""
    callback.on_epoch_begin(0)
    for batch in range(steps):
        clock.seconds += step if batch else compiling
        callback.on_train_batch_end(batch)


def test_it_is_measured_without_the_step_that_compiles(clock, said):
    """100 steps of 0.5 s, 6 epochs: 300 s, of which nothing is known after the first step."""
    callback = forecast(said, epochs=6, steps=100)
    run(callback, clock, compiling=30.0, step=0.5, steps=4)
    assert said == []
    run(callback, clock, compiling=30.0, step=0.5, steps=100)
    assert said == [
        "Training hybrid on 3 interactions of 1,200 users and 3,400 items: 6 epochs of 100 steps; "
        "about 5 minutes in all."
    ]


def test_choosing_the_epochs_counts_twice(clock, said):
    """1,000 steps of 1 s, 5 epochs, twice: 10,000 s."""
    run(forecast(said, 5, 1000, twice=True), clock, compiling=9.0, step=1.0, steps=1000)
    assert said == [
        "Training hybrid on 3 interactions of 1,200 users and 3,400 items: at most 5 epochs of 1,000 steps "
        "to find the best number, and as many on all rows; about 2.8 hours in all."
    ]


def test_short_epochs_are_measured_whole_but_not_the_first(clock, said):
    """10 steps of 0.1 s take 1 s an epoch, 90 epochs 90 s; the first one compiles."""
    callback = forecast(said, epochs=90, steps=10)
    for epoch in range(2):
        assert said == []
        callback.on_epoch_begin(epoch)
        clock.seconds += 1.0 if epoch else 20.0
        callback.on_epoch_end(epoch)
    assert len(said) == 1 and said[0].endswith("90 epochs of 10 steps; about 2 minutes in all.")


def test_what_is_done_within_a_minute_says_nothing(clock, said):
    callback = forecast(said, epochs=5, steps=100)
    run(callback, clock, compiling=0.1, step=0.1, steps=100)
    callback.on_epoch_end(1)
    assert said == []


def test_without_a_reader_nothing_is_said(clock, capsys):
    data = Interactions([0], [0], user_ids=range(2), item_ids=range(2))
    callback = Forecast(data, False)
    callback.set_params({"epochs": 1000, "steps": 1000})
    run(callback, clock, compiling=1.0, step=1.0, steps=10)
    assert capsys.readouterr() == ("", "")
