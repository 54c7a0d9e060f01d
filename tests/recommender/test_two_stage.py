"""Two stages equal a reference that finds and orders one user at a time, whatever the two models are."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.rules import ruled_list
from references.stages import two_stages

import kerasrec
from kerasrec import Ranker, Recommender, TwoStage
from kerasrec.data import Impressions, Interactions
from kerasrec.evaluation import _scorers
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer
from kerasrec.recommender import _order, _vectors
from kerasrec.recommender._choosing import choose
from kerasrec.recommender._compiled_rules import Cap, CompiledRules, Quota
from kerasrec.recommender._order import Staged, of_ranker, scores_of
from kerasrec.recommender._vector_file import read_vectors
from kerasrec.recommender.rules import Rules

N_USERS, N_ITEMS = 15, 40
USERS = [f"u{i}" for i in range(N_USERS)]
ITEMS = [f"i{i}" for i in range(N_ITEMS)]
FILMS = pd.DataFrame(
    {"brand": [["a", "b", "c"][i % 3] for i in range(N_ITEMS)], "price": np.arange(N_ITEMS) % 7.0},
    index=ITEMS,
)
PEOPLE = pd.DataFrame({"age": [20.0 + i for i in range(N_USERS)]}, index=USERS)


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(0)
    users, items = np.nonzero(draw.random((N_USERS, N_ITEMS)) < 0.3)
    rows = draw.permutation(len(users))
    return Interactions(
        users[rows],
        items[rows],
        times=np.arange(len(users)),
        user_ids=USERS,
        item_ids=ITEMS,
        context={"device": rows % 2},
        context_ids={"device": np.array(["phone", "tablet"], object)},
    )


@pytest.fixture(scope="module")
def first(data):
    return Recommender.train(data, "implicit_als", n_components=4, l2=0.5, item_metadata=FILMS)


@pytest.fixture(scope="module")
def second(data):
    return Recommender.train(data, "ease")


@pytest.fixture(scope="module")
def clicks(data):
    """A ranker of clicks by device, user, item, brand, age and what two stages know."""
    return trained(data)


def trained(data, **settings):
    return kerasrec.train_two_stages(
        data,
        "implicit_als",
        "deepfm",
        columns={"device": "category", "brand": "category", "age": "number"},
        users=PEOPLE,
        items=FILMS[["brand"]],
        n_candidates=12,
        n_negatives=6,
        item_metadata=FILMS[["price"]],
        candidate_settings={"n_components": 4, "l2": 0.5},
        ranker_settings={"epochs": 2, "hidden": (), "n_components": 4, **settings},
        verbose=0,
    )


@pytest.mark.slow
def test_a_first_stage_trained_again_may_score_on_another_scale():
    """A strong decay holds the model of the earlier events at nearly 0, and that of all events not."""
    draw = np.random.default_rng(0)
    users, items = np.nonzero(draw.random((86, 120)) < 0.11)
    rows = draw.permutation(len(users))
    noise = Interactions(
        users[rows], items[rows], times=np.arange(len(users)), user_ids=range(86), item_ids=range(120)
    )
    both = kerasrec.train_two_stages(
        noise,
        "implicit_als",
        "logistic_regression",
        candidate_settings={"l2": 50.0, "n_components": 2},
        ranker_settings={"epochs": 1},
        verbose=0,
    )
    found = np.concatenate([both.candidates.recommend(user, k=60)["score"] for user in range(10)])
    standard = np.ravel(both.ranker.columns.fitted["candidate_score"].encode(pd.Series(found)))
    assert abs(standard).max() < 6
    assert both.recommend(3, k=5)["score"].nunique() == 5


@pytest.mark.slow
def test_a_ranker_reads_the_scores_of_an_updated_first_stage_as_before(data, tmp_path):
    """Training moves the scores of candidates; to the ranker their mean and deviation stay the same."""
    how = {"epochs": 1, "n_components": 2, "learning_rate": 0.3, "verbose": 0}
    first = Recommender.train(data, "matrix_factorization", **how)
    shown = first.recommend(k=3).assign(clicked=[1, 0, 1] * N_USERS)
    shown = shown.rename(columns={"score": "candidate_score"})
    shown = Impressions.from_frame(shown, "clicked", {"candidate_score": "number"})
    given = Ranker(kerasrec.zoo.create("logistic_regression", shown))
    state = list(given.columns.fitted["candidate_score"].state)
    # All items, so that the candidates before and after are the same.
    both = TwoStage(first, given, n_candidates=N_ITEMS)

    def candidates():
        lists = both.candidates.recommend(k=N_ITEMS, short="fewer")
        scores = lists["score"].rename("candidate_score")
        encoded = np.ravel(both.ranker.columns.fitted["candidate_score"].encode(scores))
        return scores.to_numpy(), [encoded.mean(), encoded.std()]

    scores, read = candidates()
    both.update(data, epochs=20, verbose=0)  # the same events
    moved, now = candidates()
    assert not 0.8 < moved.std() / scores.std() < 1.25
    np.testing.assert_allclose(now, read, atol=1e-3)
    assert given.columns.fitted["candidate_score"].state == state  # another recommender may hold it
    both.save(tmp_path / "both.keras")
    loaded = TwoStage.load(tmp_path / "both.keras").ranker.columns.fitted["candidate_score"].state
    assert loaded == both.ranker.columns.fitted["candidate_score"].state != state


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.booleans(),
    st.integers(1, 12),
    st.integers(1, 30),
    st.booleans(),
    st.booleans(),
)
def test_lists_equal_those_of_the_reference(seed, ties, k, n_candidates, by_factors, some):
    draw = np.random.default_rng(seed)
    n_users, n_items = 4, 30
    tables = [draw.normal(size=(n_users, n_items)).astype(np.float32) for _ in range(2)]
    if ties:
        tables = [np.round(table).astype(np.float32) for table in tables]
    rankers = [CatalogueRanker(CatalogueScorer(lambda codes, x=x: x[codes], n_items)) for x in tables]
    if by_factors:
        users, items = draw.normal(size=(n_users, 3)), draw.normal(size=(n_items, 3))
        rankers[1] = CatalogueRanker(FactorScorer(lambda codes: users[codes], items))
        tables[1] = (
            users.astype(np.float32).astype(float) @ items.astype(np.float32).astype(float).T
        ).astype(np.float32)
    candidates = np.flatnonzero(draw.random(n_items) < 0.8) if some else np.arange(n_items)
    first = CatalogueRanker(rankers[0].scorer, candidates=candidates)
    seen = Ragged(*np.argwhere(draw.random((n_users, n_items)) < 0.3).T, n_users)
    staged = Staged(first, of_ranker(rankers[1]), n_candidates, "second")
    (found,) = staged.rank(np.arange(n_users), k, seen)
    for user in range(n_users):
        had = seen.items[seen.starts[user] : seen.starts[user + 1]]
        hidden = {*range(n_items)} - {*candidates.tolist()} | {*had.tolist()}
        expected = two_stages(
            tables[0][user], tables[1][user], tie_order(n_items, 0), hidden, n_candidates, k
        )
        own = found.items[user] >= 0
        assert found.items[user][own].tolist() == expected
        np.testing.assert_allclose(found.scores[user][own], tables[1][user][expected], rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.booleans())
def test_rules_choose_among_the_candidates_and_more_are_found_where_these_do_not_suffice(seed, k, boosted):
    """The pool of the rules is what two stages give: all candidates, then four times as many, and so on."""
    draw = np.random.default_rng(seed)
    n_users, n_items, n_candidates, pool = 3, 40, 10, 6
    tables = [draw.normal(size=(n_users, n_items)).astype(np.float32) for _ in range(2)]
    rankers = [CatalogueRanker(CatalogueScorer(lambda codes, x=x: x[codes], n_items)) for x in tables]
    brands, local = draw.integers(0, 5, (n_items, 1)), draw.random(n_items) < 0.1
    boost = np.where(draw.random(n_items) < 0.3, draw.normal(size=n_items), 0.0)
    ruled = CompiledRules(
        Rules(pool=pool),
        None,
        (Cap("cap", 2, brands),),
        (Quota("quota", 1, local),),
        {"boost": boost} if boosted else {},
        None,
        None,
    )
    staged = Staged(rankers[0], of_ranker(rankers[1]), n_candidates, "second")
    found = choose(ruled, staged, np.arange(n_users), k, None)
    values = [{*row} for row in brands.tolist()]
    for user in range(n_users):
        width = max(k, pool)
        while True:
            own = two_stages(
                *(table[user] for table in tables), tie_order(n_items, 0), set(), n_candidates, width
            )
            # The reference ranks what stands in the pool by its scores; ties cannot occur.
            hidden = {*range(n_items)} - {*own}
            if boosted:
                unit = _unit(tables, user, n_candidates, max(k, pool), n_items)
                every = two_stages(
                    *(table[user] for table in tables),
                    tie_order(n_items, 0),
                    set(),
                    n_candidates,
                    max(width, n_candidates),
                )
                values_of = {i: np.float32(tables[1][user][i]) + np.float32(unit * boost[i]) for i in every}
                own = sorted(every, key=lambda item: -values_of[item])[:width]
                scores = np.full(n_items, -np.inf)
                scores[own] = [values_of[item] for item in own]
            else:
                scores = tables[1][user]
            hidden = {*range(n_items)} - {*own}
            expected = ruled_list(
                scores, tie_order(n_items, 0), hidden, k, [(2, values)], [(1, local)], pool=len(own)
            )
            whole = len(expected) == k and any(local[item] for item in expected)
            if whole or width >= n_items:
                break
            width = n_candidates if width < n_candidates else min(4 * width, n_items)
        assert [item for item in found.items[user] if item >= 0] == expected


def _unit(tables, user, n_candidates, width, n_items):
    bare = two_stages(*(table[user] for table in tables), tie_order(n_items, 0), set(), n_candidates, width)
    return float(tables[1][user][bare[0]]) - float(tables[1][user][bare[-1]])


def scores(recommender, user):
    """What `score` gives for all items, with the order among equals that lists have."""
    return recommender.score([(user, item) for item in ITEMS])


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair", [("implicit_als", "ease"), ("ease", "implicit_als"), ("popularity", "item_knn")]
)
def test_one_recommender_orders_what_another_finds(data, pair):
    first, second = (Recommender.train(data, name) for name in pair)
    both = TwoStage(first, second, n_candidates=8)
    for user in USERS[:4]:
        found = first.recommend(user, k=8)["item"]
        expected = second.rank(user, found)["item"][:5].tolist()
        assert both.recommend(user, k=5)["item"].tolist() == expected
        np.testing.assert_allclose(
            both.recommend(user, k=5)["score"], second.score([(user, item) for item in expected]), rtol=1e-5
        )
    assert len(both.recommend("u0", k=20)) == 20  # more than the candidates
    every = both.recommend(k=5)
    one = both.recommend("u3", k=5)
    pd.testing.assert_frame_equal(every[every["user"] == "u3"].reset_index(drop=True), one)
    ranked = both.rank("u1", ITEMS[:9])
    assert ranked["item"].tolist() == second.rank("u1", ITEMS[:9])["item"].tolist()


@pytest.mark.slow
def test_clicks_order_what_a_first_model_finds(data, clicks):
    """The reference: the click model's own `score` of a table with all of its columns."""
    ranker, found = clicks.ranker, clicks.candidates.recommend("u2", k=12)
    counts = pd.Series(data.items).value_counts()
    table = pd.DataFrame(
        {
            "user": "u2",
            "item": found["item"],
            "device": "tablet",
            "brand": FILMS["brand"][found["item"]].to_numpy(),
            "age": PEOPLE["age"]["u2"],
            "candidate_score": found["score"],
            "item_count": [counts.get(int(item[1:]), 0) for item in found["item"]],
            "user_count": (data.users == 2).sum(),
        }
    )
    expected = ranker.score(table)
    order = np.argsort(-expected, kind="stable")
    lists = clicks.recommend("u2", k=5, context={"device": "tablet"})
    assert lists["item"].tolist() == found["item"][order][:5].tolist()
    np.testing.assert_allclose(lists["score"], expected[order][:5], rtol=1e-4)
    # The situation is part of the score, and of everybody's lists.
    phone = clicks.in_context({"device": "phone"})
    pairs = [("u2", item) for item in ITEMS]
    assert not np.allclose(phone.score(pairs), clicks.in_context({"device": "tablet"}).score(pairs))
    by_user = pd.Series({user: "tablet" if user == "u2" else "phone" for user in USERS})
    every = clicks.recommend(k=5, context={"device": by_user})
    pd.testing.assert_frame_equal(every[every["user"] == "u2"].reset_index(drop=True), lists)
    pd.testing.assert_frame_equal(
        every[every["user"] == "u5"].reset_index(drop=True), phone.recommend("u5", k=5)
    )
    ranked = phone.rank("u5", every[every["user"] == "u5"]["item"])
    assert ranked["item"].tolist() == every[every["user"] == "u5"]["item"].tolist()


def test_what_a_context_lacks_is_named(clicks, first, second):
    lacking = r"`context` must hold 'device', which the ranker reads: pass `context=\{'device': "
    for ask in (
        lambda: clicks.recommend("u0"),
        lambda: clicks.rank("u0", ITEMS[:3]),
        lambda: clicks.score([("u0", "i1")]),
        lambda: clicks.score_catalogue([0]),
    ):
        with pytest.raises(ValueError, match=lacking):
            ask()
    with pytest.raises(ValueError, match=r"'device', 'age', which .*=\{'device': \.\.\., 'age': \.\.\.\}`"):
        clicks.recommend_for_history(["i1"])
    with pytest.raises(
        ValueError,
        match=r"`context` must name context columns of the model: 'device', 'br.*'hour'",
    ):
        clicks.recommend("u0", context={"hour": 3})
    with pytest.raises(ValueError, match=r"columns of the model: none\. Received: 'device'"):
        TwoStage(first, second).recommend("u0", context={"device": "phone"})
    with pytest.raises(TypeError, match=r"`context` must be a dict of entries by the name.* Received: str"):
        clicks.recommend("u0", context="phone")


def test_evaluated_as_one_model_over_the_catalogue(data, first, second):
    train, test = kerasrec.data.splits.time_split(data, test_size=0.2)
    first, second = (Recommender.train(train, name) for name in ("popularity", "ease"))
    both = TwoStage(first, second, n_candidates=10)
    report = kerasrec.evaluation.evaluate(both, test, train, k=5)
    assert report.name == "popularity then ease"
    hits = []
    for user in np.unique(test.users):
        liked = {ITEMS[i] for i in test.items[test.users == user]}
        hits.append(len(liked & set(both.recommend(USERS[user], k=5)["item"])) / len(liked))
    assert report["recall@5"] == pytest.approx(np.mean(hits))
    scores = both.score_catalogue(np.arange(N_USERS))
    assert scores.shape == (N_USERS, N_ITEMS) and ((scores > 0).sum(axis=1) == 10).all()
    # What is left after the candidates stands in the order of the first model.
    row = scores[4]
    rest = [ITEMS[i] for i in np.argsort(-row, kind="stable") if row[i] <= 0]
    alone = first.rank("u4", rest)
    assert alone["score"].is_monotonic_decreasing
    np.testing.assert_allclose(first.score([("u4", item) for item in rest]), np.sort(alone["score"])[::-1])


def test_scores_of_the_catalogue_equal_those_of_pairs_block_by_block(first, second, monkeypatch):
    """The candidates' places, and for the rest the first model's scores from -1 to 0."""
    monkeypatch.setattr(_order, "_NUMBERS", 200)  # a few users at a time
    both = TwoStage(first, second, n_candidates=6)
    users = np.array([4, 0, 9, 4, 14, 2, 7])
    every = np.tile(np.arange(N_ITEMS), (len(users), 1))
    found = scores_of(_vectors.ranker(first._now()), users, every).astype(np.float64)
    low, high = found.min(axis=1, keepdims=True), found.max(axis=1, keepdims=True)
    expected = (found - low) / (high - low) - 1
    for row, user in zip(expected, users, strict=True):
        best = both.recommend(USERS[user], k=6)["item"]
        row[[ITEMS.index(item) for item in best]] = np.arange(6, 0, -1)
    np.testing.assert_allclose(both.score_catalogue(users), expected, atol=1e-6)


def test_equal_scores_of_the_catalogue_are_all_the_lowest(second, data):
    flat = Recommender.train(data, "global_bias")
    scores = TwoStage(flat, second, n_candidates=3).score_catalogue([1, 2])
    assert np.sort(scores, axis=1).tolist() == [[-1.0] * (N_ITEMS - 3) + [1.0, 2.0, 3.0]] * 2


def test_scores_of_the_catalogue_take_no_copy_of_the_items_a_user(monkeypatch):
    """12 users, 20,000 items of 32 components: 5 MB of vectors in double precision for each user before."""
    monkeypatch.setattr(_order, "_NUMBERS", 1 << 16)
    monkeypatch.setattr(_scorers, "_NUMBERS", 1 << 16)
    draw = np.random.default_rng(0)
    users, items = draw.normal(size=(12, 32)), draw.normal(size=(20_000, 32)).astype(np.float32)
    ranker = CatalogueRanker(FactorScorer(lambda codes: users[codes], items))
    tracemalloc.start()
    try:
        found = [scores.copy() for _, scores in _order.catalogue_scores(ranker, np.arange(12))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [len(scores) for scores in found] == [3] * 4
    np.testing.assert_allclose(np.concatenate(found), users @ items.T.astype(np.float64), atol=1e-4)
    # The scores that are returned, and of a block its columns, its items, and products in double precision.
    assert peak < 4 * 12 * 20_000 + 5 * 8 * (1 << 16)


@pytest.mark.slow
def test_one_file_holds_both(tmp_path, clicks, first, second):
    path = tmp_path / "both.keras"
    clicks.save(path)
    for load in (Recommender.load, TwoStage.load):
        again = load(path)
        assert isinstance(again, TwoStage) and again.n_candidates == 12
        pd.testing.assert_frame_equal(
            again.recommend(k=4, context={"device": "phone"}),
            clicks.recommend(k=4, context={"device": "phone"}),
        )
    assert read_vectors(path) is None  # its vectors alone are not enough
    both = TwoStage(first, second, n_candidates=7)
    both.rules = Rules(at_most={"brand": 2})
    both.save(path)
    again = TwoStage.load(path)
    assert again.rules == both.rules and isinstance(again.ranker, Recommender)
    pd.testing.assert_frame_equal(again.recommend(k=4), both.recommend(k=4))
    first.save(path)
    with pytest.raises(ValueError, match=r"`path` must be a file of two stages.*with only 'implicit_als'"):
        TwoStage.load(path)
    with pytest.raises(ValueError, match=r"An export holds one model.*Received: two stages"):
        TwoStage(first, second).export(tmp_path / "x.onnx")


def test_rules_hold_in_two_stages(clicks, first, second):
    both = TwoStage(first, second, n_candidates=10)
    found = both.recommend(k=5, at_most={"brand": 2}, where="price < 5", diversity=0.3, with_moves=True)
    assert (found["price"] < 5).all() and found["rank_before"].between(0, 10).all()
    assert found.groupby("user")["brand"].value_counts().max() <= 2
    new = np.argwhere(~first.interactions.to_csr().toarray().astype(bool))[::7]
    test = Interactions(*new.T, user_ids=USERS, item_ids=ITEMS)
    costs = both.evaluate_rules(test, k=5, metrics=("coverage",), at_most={"brand": 2})
    assert list(costs.index) == ["without", "at_most brand"]
    explored = both.recommend("u1", k=4, explore=0.5, seed=1)
    assert explored["propensity"].between(0, 1).all()
    popular = both.recommend("nobody", k=3, unknown="popular", at_most={"brand": 1})
    assert popular["fallback"].all() and popular["brand"].nunique() == 3
    device = {"device": "phone"}
    few = clicks.recommend("u0", k=6, where="price < 2", context=device)
    assert (few["price"] < 2).all()


def test_histories_of_newcomers_go_through_both(clicks, first, second):
    both = TwoStage(first, second, n_candidates=9)
    mine = ["i3", "i7", "i20"]
    found = first.recommend_for_history(mine, k=9)["item"]
    expected = second.recommend_for_history(mine, k=5, only=found)
    pd.testing.assert_frame_equal(
        both.recommend_for_history(mine, k=5)[["rank", "item", "score"]],
        expected[["rank", "item", "score"]],
        check_dtype=False,
    )
    with pytest.raises(ValueError, match=r"`context` must hold 'age'"):
        clicks.recommend_for_history(mine, context={"device": "phone"})
    one = clicks.recommend_for_history(mine, k=5, context={"device": "phone", "age": 30.0})
    assert len(one) == 5 and set(one["item"]) <= set(
        clicks.candidates.recommend_for_history(mine, k=12)["item"]
    )


def test_explained_by_what_orders(clicks, first, second):
    both = TwoStage(first, second)
    pair = "u1", "i4"
    pd.testing.assert_frame_equal(both.explain(*pair).contributions, second.explain(*pair).contributions)
    situated = clicks.in_context({"device": "phone"})
    why = situated.explain(*pair)
    assert why.score == pytest.approx(float(situated.score([pair])[0]))
    odds = np.log(why.score / (1 - why.score))
    assert why.contributions["contribution"].sum() == pytest.approx(odds, abs=1e-4)
    assert set(why.contributions["name"]) >= {"device", "brand", "age", "user", "item", "candidate_score"}
    assert len(situated.explain_list("u1", k=2)) == 2


@pytest.mark.slow
def test_both_grow_and_learn(data):
    first, second = (
        Recommender.train(data, "matrix_factorization", epochs=1, n_components=c, verbose=0) for c in (2, 3)
    )
    both = TwoStage(first, second, n_candidates=6)
    both.rules = Rules(seed=3)
    new = Interactions([0, 1], [0, 0], times=[900, 901], user_ids=["u0", "zoe"], item_ids=["new"])
    both.update(new, verbose=0)
    assert both.n_items == N_ITEMS + 1 and both.n_users == N_USERS + 1
    assert both.rules == Rules(seed=3)
    assert both.ranker.n_items == N_ITEMS + 1 and both.ranker.model is not second.model
    assert "new" not in set(both.recommend("zoe", k=5)["item"])


def test_the_ranker_learns_nothing_that_came_before_or_is_the_same(data, monkeypatch):
    """Rows are candidates of a model of the earlier part, labelled by the later one; each situation apart."""
    from kerasrec.recommender import two_stage_training
    from kerasrec.recommender._stage_training_rows import shown_rows

    seen = {}

    def spy(state, later, *how):
        seen["state"], seen["later"] = state, later
        seen["table"] = shown_rows(state, later, *how)
        return seen["table"].copy()

    monkeypatch.setattr(two_stage_training, "shown_rows", spy)
    trained(data, epochs=0)
    state, later, table = seen["state"], seen["later"], seen["table"]
    known = state.interactions
    cut = known.times.max()
    assert later.times.min() > cut
    earlier = {*zip(known.users.tolist(), known.items.tolist(), strict=True)}
    events = {
        (USERS[u], ITEMS[i], ["phone", "tablet"][d])
        for u, i, d in zip(later.users, later.items, later.context["device"], strict=True)
    }
    took = {(user, item) for user, item, _ in events}
    alone = Recommender(state.model, known)
    for row in table.itertuples():
        assert (USERS.index(row.user), ITEMS.index(row.item)) not in earlier
        assert row.item in set(alone.recommend(row.user, k=12)["item"])
        if row.taken:
            assert (row.user, row.item, row.device) in events
        else:
            assert (row.user, row.item) not in took
        assert row.item_count == (known.items == ITEMS.index(row.item)).sum()
        assert row.user_count == (known.users == USERS.index(row.user)).sum()
    requests = table.groupby(["user", "device"])
    assert (requests["taken"].sum() >= 1).all() and (
        (1 - table["taken"]).groupby([table["user"], table["device"]]).sum() <= 6
    ).all()


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"interactions": 3},
            TypeError,
            r"`interactions` must be `kerasrec\.data\.Interactions`.*Received: int",
        ),
        ({"candidates": "dcn"}, ValueError, r"`candidates` must be a model that ranks all items.*='dcn'"),
        ({"n_candidates": 0}, ValueError, r"`n_candidates` must be a positive integer"),
        ({"n_negatives": -1}, ValueError, r"`n_negatives` must be a positive integer"),
        ({"n_requests": 0}, ValueError, r"`n_requests` must be a positive integer"),
        ({"columns": {"colour": "category"}}, ValueError, r"`columns` must be columns of `users`.*'colour'"),
        ({"columns": {"item_count": "number"}}, ValueError, r"`columns` must not be called candidate_score"),
        (
            {"later": 1, "n_candidates": 1},
            ValueError,
            r"The candidates must contain some of the users' later likes",
        ),
    ],
)
def test_bad_arguments_of_training_are_refused(data, change, kind, message):
    how = {"interactions": data, "candidates": "random", "verbose": 0, **change}
    if "later" in change:  # nobody takes what is shown
        how["interactions"] = Interactions(
            [0, 0, 1], [0, 1, 2], times=[1, 2, 3], user_ids=["a", "b"], item_ids=["x", "y", "z", "w"]
        )
        how["candidates"] = "popularity"
    with pytest.raises(kind, match=message):
        kerasrec.train_two_stages(**how)


def test_bad_stages_are_refused(data, first, second, clicks):
    with pytest.raises(
        TypeError, match=r"`candidates` must be a `kerasrec\.Recommender` with one model.*TwoStage"
    ):
        TwoStage(clicks, second)
    with pytest.raises(TypeError, match=r"`ranker` must be a `kerasrec\.Ranker` of clicks or.*Received: str"):
        TwoStage(first, "ease")
    with pytest.raises(ValueError, match=r"`n_candidates` must be a positive integer.*n_candidates=0"):
        TwoStage(first, second, n_candidates=0)
    other = Interactions([0, 1], [0, 1], user_ids=USERS[:2], item_ids=ITEMS)
    with pytest.raises(ValueError, match=r"`ranker` must have the users of `candidates`.*Received: 2 for 15"):
        TwoStage(first, Recommender.train(other, "popularity"))


def test_scores_of_some_items_are_those_that_rank_them(first, second):
    for recommender in (first, second):
        ranker = CatalogueRanker(kerasrec.evaluation._models.scorer_of(recommender.model, N_ITEMS))
        items = np.tile(np.arange(N_ITEMS), (3, 1))
        found = scores_of(ranker, np.arange(3), items)
        (block,) = ranker.rank(np.arange(3), N_ITEMS)
        np.testing.assert_array_equal(np.take_along_axis(found, block.items, 1), block.scores)


@pytest.mark.slow
def test_clicks_alone_can_be_a_second_stage(first):
    """A ranker that was trained by hand, without ids: of two stages it reads what it has columns for."""

    def both(clicked):
        frame = pd.DataFrame({"price": np.arange(8.0), "clicked": clicked})
        shown = Impressions.from_frame(frame, "clicked", {"price": "number"})
        ranker = Ranker.train(shown, model="logistic_regression", epochs=30, batch_size=8, verbose=0)
        return TwoStage(first, ranker, n_candidates=20)  # the price is in the metadata

    dear, cheap = both([0, 0, 0, 0, 1, 1, 1, 1]), both([1, 1, 1, 1, 0, 0, 0, 0])
    # Two rankers of one first stage are told apart, whichever was asked before.
    for _ in range(2):
        assert dear.recommend("u0", k=20)["price"].is_monotonic_decreasing
        assert cheap.recommend("u0", k=20)["price"].is_monotonic_increasing
