"""Eight threads that ask a recommender while it grows: each answer is that of a state which it had."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from faults import works
from kerasrec import Recommender
from kerasrec.data import Features

THREADS = 8
STEPS = [
    pytest.param(4, marks=pytest.mark.slow, id="few"),
    pytest.param(24, marks=pytest.mark.faults, id="all"),
]
USERS = [f"u{i}" for i in range(0, 30, 7)]


def titles(n):
    return pd.DataFrame({"genre": ["a", "b", "c"] * n}, index=[f"i{i}" for i in range(3 * n)])


def made():
    data = works.counted()
    films = titles(14).rename({"i41": "x"})
    features = Features.indicator(films.index) + Features.categorical(films["genre"])
    return Recommender.train(
        data,
        "hybrid",
        epochs=1,
        verbose=0,
        n_components=4,
        item_features=features.align(data.item_ids),
        item_metadata=films,
        learning_rate=0.05,
    )


def grow(recommender, step):
    """One change of a recommender, the same for the same step: a new item, a new user, or an event."""
    kind = ("item", "user", "event")[step % 3]
    if kind == "item":
        recommender.add_items(pd.DataFrame({"genre": ["b"]}, index=[f"new{step}"]))
    elif kind == "user":
        recommender.add_users([f"new{step}"])
    else:
        recommender.update(works.event(), verbose=0, seed=step)


# What is asked, by name; the first argument chooses whom for.
QUESTIONS = {
    "recommend": lambda recommender, n: recommender.recommend(USERS[n % len(USERS)], k=5),
    "similar": lambda recommender, n: recommender.similar_items(f"i{n % 40}", k=5),
    "rank": lambda recommender, n: recommender.rank(USERS[n % len(USERS)], ["i1", "i5", "i9", "i17"]),
}


def answers(recommender, n):
    return {(name, i): ask(recommender, i) for name, ask in QUESTIONS.items() for i in range(n)}


@pytest.mark.parametrize("steps", STEPS)
def test_answers_while_it_grows(steps):
    # What each state answers, one after the other and alone.
    alone = made()
    expected = [answers(alone, 10)]
    for step in range(steps):
        grow(alone, step)
        expected.append(answers(alone, 10))
    shared = made()
    state = 0  # changes made, those that may be seen already not among them
    over = threading.Event()
    asked = [0] * THREADS

    def ask(thread):
        draw = np.random.default_rng(thread)
        while not over.is_set():
            name, i = str(draw.choice(list(QUESTIONS))), int(draw.integers(10))
            before = state
            found = QUESTIONS[name](shared, i)
            # A change that is on its way may be seen or not.
            possible = expected[before : state + 2]
            assert any(same(found, answers[name, i]) for answers in possible), (name, i, before, state, found)
            asked[thread] += 1

    with ThreadPoolExecutor(THREADS) as pool:
        threads = [pool.submit(ask, thread) for thread in range(THREADS)]
        try:
            for step in range(steps):
                least = sum(asked) + THREADS
                while sum(asked) < least and not any(thread.done() for thread in threads):
                    over.wait(0.001)
                grow(shared, step)
                state += 1
        finally:
            over.set()
        for thread in threads:
            thread.result()
    print(f"{sum(asked):,} answers of {THREADS} threads in {steps} changes")
    assert sum(asked) >= THREADS * steps
    for key, answer in answers(shared, 10).items():
        assert same(answer, expected[-1][key])


def same(found, expected):
    """The same lists; scores as products of blocks of other sizes give them."""
    scores = [frame["score"].to_numpy() for frame in (found, expected)]
    rest = [frame.drop(columns="score") for frame in (found, expected)]
    return rest[0].equals(rest[1]) and np.allclose(*scores, rtol=1e-4, atol=1e-5)
