import json

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import ranking_metrics as reference
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

import kerasrec
from kerasrec.data import Features, Interactions
from kerasrec.evaluation import EvaluationReport, evaluate
from kerasrec.evaluation._layout import tie_order

PER_USER = {
    "recall": reference.recall,
    "precision": reference.precision,
    "hit_rate": reference.hit_rate,
    "f1": reference.f1,
    "ndcg": reference.ndcg,
    "graded_ndcg": reference.graded_ndcg,
    "map": reference.mean_average_precision,
    "mrr": reference.mrr,
}


class Given:
    """A model of given scores."""

    name = "given"

    def __init__(self, scores):
        self.scores = np.asarray(scores, "float32")

    def score_catalogue(self, user_codes):
        return self.scores[user_codes]


def interactions(matrix, ids):
    users, items = np.nonzero(~np.isnan(matrix))
    return Interactions(users, items, matrix[users, items], **ids)


def random_case(seed, n_users=15, n_items=25):
    """Train and test values of disjoint pairs, NaN where there is none."""
    generator = np.random.default_rng(seed)
    values = generator.integers(-1, 4, (n_users, n_items)).astype(float)
    part = generator.random((n_users, n_items))
    train, test = np.where(part < 0.3, values, np.nan), np.where(part > 0.75, values, np.nan)
    train[0], test[1] = np.nan, np.nan  # a cold user and one without test items
    test[2] = np.where(np.isnan(test[2]), np.nan, -1.0)  # one without positives
    train[3] = np.where(np.isnan(test[3]), 1.0, np.nan)  # one who has all but the test items
    scores = generator.integers(4, size=(n_users, n_items)) / 2
    ids = {"user_ids": [f"u{u}" for u in range(n_users)], "item_ids": [f"i{i}" for i in range(n_items)]}
    return train, test, scores, ids


def brute_force(train, test, scores, k, exclude, seed):
    """List and relevant items of each user who has any."""
    found = {}
    for user in range(len(scores)):
        seen = set(np.flatnonzero(~np.isnan(train[user]))) if exclude else set()
        relevant = {int(i): test[user, i] for i in np.flatnonzero(test[user] > 0) if i not in seen}
        if relevant:
            found[user] = reference.ranked(scores[user], tie_order(scores.shape[1], seed), seen, k), relevant
    return found


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**31),
    k=st.sampled_from([1, 5, 25, 1000]),
    exclude=st.booleans(),
    batch_size=st.sampled_from([None, 1, 4]),
    tie_seed=st.integers(0, 5),
)
def test_equals_brute_force(seed, k, exclude, batch_size, tie_seed):
    train, test, scores, ids = random_case(seed)
    report = evaluate(
        Given(scores),
        interactions(test, ids),
        interactions(train, ids),
        k=(1, k),
        metrics=[*PER_USER, "auc", "coverage", "gini", "novelty", "popularity_bias"],
        exclude_seen=exclude,
        batch_size=batch_size,
        seed=tie_seed,
    )
    expected = brute_force(train, test, scores, k, exclude, tie_seed)
    names = [f"u{user}" for user in expected]
    assert report.n_users == len(expected)
    for cut in {1, k}:
        for name, formula in PER_USER.items():
            values = report.per_user(f"{name}@{cut}")
            assert list(values.index) == names
            own = [formula(*case, cut) for case in expected.values()]
            assert values.to_numpy() == pytest.approx(own)
            assert report[f"{name}@{cut}"] == pytest.approx(np.mean(own))
        lists = [items for items, _ in expected.values()]
        assert report[f"coverage@{cut}"] == pytest.approx(reference.coverage(lists, 25, cut))
        assert report[f"gini@{cut}"] == pytest.approx(reference.gini(lists, 25, cut))
        held = (train > 0).sum(axis=0)
        n_train = int((train > 0).any(axis=1).sum())
        own = [reference.novelty(items, held, n_train, cut) for items in lists]
        assert report[f"novelty@{cut}"] == pytest.approx(np.mean(own))
        own = [reference.popularity_bias(items, held, n_train, cut) for items in lists]
        assert report[f"popularity_bias@{cut}"] == pytest.approx(np.mean(own))
    candidates = [[i for i in range(25) if not exclude or np.isnan(train[user, i])] for user in expected]
    areas = [
        reference.auc(scores[user], relevant, own)
        for (user, (_, relevant)), own in zip(expected.items(), candidates, strict=True)
    ]
    assert report.per_user("auc").to_numpy() == pytest.approx(areas, nan_ok=True)


def test_a_constant_model_is_random_on_average_over_the_tie_seeds():
    generator = np.random.default_rng(0)
    # Codes follow popularity, which an order by code would reward.
    chance = 1 / np.arange(1, 201)
    test = np.where(generator.random((100, 200)) < chance, 1.0, np.nan)
    ids = {"user_ids": np.arange(100), "item_ids": np.arange(200)}
    held_out = interactions(test, ids)
    constant = Given(np.zeros((100, 200)))

    def figures(model_of, tie_seed_of):
        reports = (
            evaluate(model_of(seed), held_out, metrics=["recall", "ndcg"], seed=tie_seed_of(seed))
            for seed in range(50)
        )
        return np.array([[report["recall@10"], report["ndcg@10"]] for report in reports])

    found = figures(lambda seed: constant, lambda seed: seed)
    random = figures(lambda seed: kerasrec.zoo.Random(200, seed), lambda seed: 0)
    error = np.std(found, axis=0, ddof=1) / 50**0.5
    assert (np.abs(found.mean(axis=0) - random.mean(axis=0)) < error).all()
    assert abs(found.mean(axis=0)[0] - 10 / 200) < error[0]  # what random reaches in the long run
    by_code = interactions(test[:, :10], {**ids, "item_ids": np.arange(10)})
    assert len(by_code) / len(held_out) > found.mean(axis=0)[0] + 10 * error[0]  # what codes would reach


def test_ratings_are_measured_on_the_test_pairs():
    train, test, _, ids = random_case(3)
    train, test = interactions(train, ids), interactions(test, ids)
    model = kerasrec.zoo.create("global_bias", train)
    report = evaluate(model, test, train, metrics=["rmse", "mae"])
    pairs, values = kerasrec.data.pairs(test)
    predicted = keras.ops.convert_to_numpy(model(pairs)).ravel()
    assert report["rmse"] == pytest.approx(root_mean_squared_error(values, predicted), rel=1e-5)
    assert report["mae"] == pytest.approx(mean_absolute_error(values, predicted), rel=1e-5)
    own = test.users == 5
    assert report.per_user("rmse")["u5"] == pytest.approx(
        root_mean_squared_error(values[own], predicted[own])
    )
    low, high = report.interval("rmse")
    assert low < report["rmse"] < high
    assert "with test interactions" in report.protocol["users"]
    ranked_too = evaluate(model, test, train, metrics=["ndcg", "rmse"], users=["u5"])
    assert ranked_too.metrics == ["ndcg@10", "rmse"]
    assert ranked_too["rmse"] == pytest.approx(report.per_user("rmse")["u5"])


def test_diversity_takes_features_by_id_or_a_matrix():
    train, test, scores, ids = random_case(4)
    test = interactions(test, ids)
    kinds = pd.Series(["a", "b", "c", "a", "b"] * 5, index=ids["item_ids"], name="kind")
    shuffled = Features.categorical(kinds.sample(frac=1, random_state=0))
    by_code = np.eye(3)[[0, 1, 2, 0, 1] * 5]
    reports = [
        evaluate(Given(scores), test, metrics=["diversity"], item_features=x) for x in (shuffled, by_code)
    ]
    expected = brute_force(
        np.full_like(scores, np.nan), np.where(scores >= 0, 1.0, 0.0), scores, 10, False, 0
    )
    own = [
        reference.diversity(expected[int(name[1:])][0], by_code, 10)
        for name in reports[0].per_user("diversity@10").index
    ]
    for report in reports:
        assert report.per_user("diversity@10").to_numpy() == pytest.approx(own)


def test_users_are_chosen_by_raw_id():
    train, test, scores, ids = random_case(5)
    report = evaluate(Given(scores), interactions(test, ids), users=["u7", "u1", "u4"])
    assert list(report.per_user("recall@10").index) == ["u4", "u7"]  # u1 has no test items
    with pytest.raises(ValueError, match="unknown ids, first 'u99'"):
        evaluate(Given(scores), interactions(test, ids), users=["u99"])
    with pytest.raises(ValueError, match="Received: .* none of `users` relevant"):
        evaluate(Given(scores), interactions(test, ids), users=["u1"])


def test_a_test_item_that_was_seen_is_left_out():
    ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
    train = Interactions([0, 0, 0, 1], [0, 1, 2, 0], **ids)
    test = Interactions([0, 1, 1], [1, 0, 1], **ids)
    report = evaluate(Given(np.ones((2, 3))), test, train, k=2)
    assert list(report.per_user("recall@2").index) == ["bob"]  # ann has everything
    assert report["recall@2"] == 1.0
    both = evaluate(Given([[3, 2, 1], [3, 2, 1]]), test, train, k=2, exclude_seen=False)
    assert both.per_user("recall@2").to_dict() == {"ann": 1.0, "bob": 1.0}
    assert both.protocol["left out"] == "nothing"


def test_single_users_and_single_items():
    one_item = {"user_ids": ["ann", "bob"], "item_ids": ["x"]}
    test = Interactions([0, 1], [0, 0], **one_item)
    report = evaluate(
        kerasrec.zoo.create("popularity", test), test, metrics=["recall", "ndcg", "auc", "gini"]
    )
    assert report["recall@10"] == report["ndcg@10"] == 1.0
    assert np.isnan(report["auc"])  # nothing to compare the one item with
    one_user = {"user_ids": ["ann"], "item_ids": ["x", "y"]}
    train, test = Interactions([0], [0], **one_user), Interactions([0], [1], **one_user)
    report = evaluate(kerasrec.zoo.create("item_knn", train), test, train)
    assert report["recall@10"] == 1.0
    assert report.interval("recall@10") == (1.0, 1.0)
    assert isinstance(repr(report), str)


class TestBadInput:
    train, test, scores, ids = random_case(6)

    def evaluate(self, **changes):
        arguments = {"model": Given(self.scores), "test": interactions(self.test, self.ids)}
        return evaluate(**{**arguments, **changes})

    @pytest.mark.parametrize("k", [0, -1, (5, 0), 2.5, True, (), "10"])
    def test_k(self, k):
        with pytest.raises(ValueError, match="`k` must be a positive integer or a list of them. Received"):
            self.evaluate(k=k)

    def test_a_metric_that_does_not_exist(self):
        with pytest.raises(
            ValueError,
            match="`metrics` must be one of recall,.* Did you mean 'ndcg'. Received: metrics='ndgc'",
        ):
            self.evaluate(metrics=["recall", "ndgc"])
        with pytest.raises(ValueError, match="`metrics` must name at least one of"):
            self.evaluate(metrics=[])

    def test_metrics_that_lack_what_they_need(self):
        with pytest.raises(ValueError, match="`train` must be given for novelty"):
            self.evaluate(metrics=["novelty"])
        with pytest.raises(ValueError, match="`item_features` must be given for diversity"):
            self.evaluate(metrics=["diversity"])
        with pytest.raises(
            ValueError, match="`item_features` must have one row per item. Received: 24 rows for 25"
        ):
            self.evaluate(metrics=["diversity"], item_features=np.ones((24, 2)))

    def test_nothing_to_evaluate(self):
        with pytest.raises(ValueError, match="`test` must not be empty. Received: 0 interactions."):
            self.evaluate(test=Interactions([], [], **self.ids))
        with pytest.raises(ValueError, match="`test` must have a relevant item .* none relevant"):
            self.evaluate(test=Interactions([0, 1], [0, 1], [0.0, -1.0], **self.ids))

    def test_other_ids_than_those_of_the_test_set(self):
        other = interactions(self.train, {**self.ids, "item_ids": ["new", *self.ids["item_ids"][1:]]})
        with pytest.raises(ValueError, match="the items of train, .* first difference is 'i0' and 'new'"):
            self.evaluate(train=other)
        longer = interactions(self.train, {**self.ids, "user_ids": [*self.ids["user_ids"], "late"]})
        with pytest.raises(
            ValueError, match="the users of train, .* 15 and 16 users; .* is nothing and 'late'"
        ):
            self.evaluate(train=longer)
        model = kerasrec.zoo.create("popularity", other)
        with pytest.raises(ValueError, match="the items of the data of 'popularity', with the same codes"):
            self.evaluate(model=model)

    def test_a_model_that_is_too_small(self):
        with pytest.raises(
            ValueError, match="know the items of `test`.* 'item_embedding' has 20 rows, but 25"
        ):
            self.evaluate(model=kerasrec.zoo.RecommenderV1(15, 20))
        with pytest.raises(
            ValueError, match="know the users of `test`.* 'user_embedding' has 10 rows, but 15"
        ):
            self.evaluate(model=kerasrec.zoo.RecommenderV1(10, 25))

    @pytest.mark.parametrize("scores", [np.ones((15, 20)), np.ones((15, 1)), np.ones((2, 25))])
    def test_scores_of_another_catalogue(self, scores):
        class Fixed(Given):
            def score_catalogue(self, user_codes):
                return self.scores

        with pytest.raises(ValueError, match=r"one score per user and item, here \d+ x 25. Received: shape"):
            self.evaluate(model=Fixed(scores))

    def test_batch_size(self):
        with pytest.raises(
            ValueError, match="`batch_size` must be a positive integer. Received: batch_size=0"
        ):
            self.evaluate(batch_size=0)

    def test_errors_of_ratings_need_a_model_of_ratings(self):
        message = (
            "`metrics` rmse and mae need a model that predicts ratings. Received: '{}', whose scores only"
        )
        train = interactions(self.train, self.ids)
        with pytest.raises(ValueError, match=message.format("ease")):
            self.evaluate(model=kerasrec.zoo.create("ease", train), metrics=["rmse"])
        with pytest.raises(ValueError, match=message.format("given")):
            self.evaluate(metrics=["ndcg", "mae"])

    @pytest.mark.parametrize("what, weight", [("NaN", np.nan), ("infinity", np.inf)])
    def test_ratings_that_are_no_numbers_name_the_model(self, what, weight):
        model = kerasrec.zoo.create("recommender_v1", interactions(self.train, self.ids))
        model.set_weights([np.full(w.shape, weight) for w in model.get_weights()])
        with pytest.raises(
            ValueError, match=f"Scores must be finite. Received: {what} from 'recommender_v1'"
        ):
            self.evaluate(model=model, metrics=["rmse"])

    def test_nan_scores_name_the_model(self):
        self.scores[4, 3] = np.nan
        with pytest.raises(ValueError, match="Scores must be finite. Received: NaN from 'mine'"):
            self.evaluate(model=Given(self.scores), name="mine")


class TestReport:
    @pytest.fixture
    def report(self):
        train, test, scores, ids = random_case(7, 40, 30)
        metrics = ["recall", "ndcg", "coverage", "auc"]
        return evaluate(
            Given(scores), interactions(test, ids), interactions(train, ids), k=(5, 10), metrics=metrics
        )

    def test_names(self, report):
        assert report.name == "given"
        assert report.metrics == [
            "recall@5",
            "ndcg@5",
            "coverage@5",
            "recall@10",
            "ndcg@10",
            "coverage@10",
            "auc",
        ]
        assert "ndcg@5" in report and "ndcg@20" not in report
        with pytest.raises(
            ValueError, match="`metric` must be one of .* Did you mean 'ndcg@5'. Received: metric='ndgc@5'"
        ):
            report["ndgc@5"]
        with pytest.raises(ValueError, match="coverage@5 is one value for all lists"):
            report.per_user("coverage@5")

    def test_frame_has_figures_intervals_and_users(self, report):
        frame = report.to_frame()
        assert list(frame.columns) == ["value", "low", "high", "n_users"]
        assert list(frame.index) == report.metrics
        means = frame.drop(index=["coverage@5", "coverage@10"])
        assert (means["low"] <= means["value"]).all() and (means["value"] <= means["high"]).all()
        assert frame.loc["coverage@5", ["low", "high"]].isna().all()
        assert (means["n_users"] == report.n_users).all()

    def test_intervals_are_the_same_every_time(self, report):
        assert report.interval("ndcg@5") == report.renamed("other").interval("ndcg@5")

    def test_slices_of_users_are_means_of_their_users(self, report):
        train, *_ = random_case(7, 40, 30)
        histories = (~np.isnan(train)).sum(axis=1)
        values = report.per_user("recall@5")
        codes = np.array([int(name[1:]) for name in values.index])
        slices = report.slices()
        assert slices.loc[("users", "warm"), "n_users"] == (histories[codes] > 0).sum()
        assert slices.loc[("users", "cold"), "recall@5"] == pytest.approx(
            values[histories[codes] == 0].mean()
        )
        quarters = slices.loc["history of the user"]
        assert quarters["n_users"].sum() == (histories[codes] > 0).sum()
        for name, row in quarters.iterrows():
            low, *high = map(int, name.split(" to "))
            own = values[(histories[codes] >= low) & (histories[codes] <= (high[0] if high else low))]
            assert (len(own), own.mean()) == pytest.approx((row["n_users"], row["recall@5"]))
        assert "coverage@5" not in slices

    def test_slices_of_items_count_their_items_alone(self, report):
        train, test, scores, _ = random_case(7, 40, 30)
        by_kind = pd.Series(["a", "b", None] * 10, index=[f"i{i}" for i in range(30)], name="kind")
        found = report.by_item(by_kind)
        assert list(found.index) == [("kind", "a"), ("kind", "b")]
        cases = brute_force(train, test, scores, 10, True, 0)
        own = []
        for items, relevant in cases.values():
            part = {i: v for i, v in relevant.items() if i % 3 == 0}
            own += [reference.ndcg(items, part, 10)] if part else []
        assert found.loc[("kind", "a"), "n_users"] == len(own)
        assert found.loc[("kind", "a"), "ndcg@10"] == pytest.approx(np.mean(own))
        assert np.isnan(found.loc[("kind", "a"), "auc"])

    def test_thirds_of_items_share_the_interactions(self, report):
        assert list(report.slices().loc["popularity of the item"].index) == ["head", "middle", "tail"]
        from kerasrec.evaluation._slices import _thirds

        thirds = ["head", "tail", "tail", "middle", "tail", "middle"]
        assert _thirds(np.array([5, 2, 1, 3, 0, 4])).tolist() == thirds
        assert _thirds(np.array([4, 4, 1])).tolist() == ["head", "head", "tail"]  # equal ones stay together

    def test_slices_by_a_column_of_users(self, report):
        ages = pd.Series([20, 30] * 20, index=[f"u{u}" for u in range(40)], name="age").drop("u4")
        found = report.by_user(ages)
        values = report.per_user("recall@5").drop("u4")
        old = values[[int(name[1:]) % 2 == 1 for name in values.index]]
        assert found.loc[("age", 30), "recall@5"] == pytest.approx(old.mean())
        with pytest.raises(
            TypeError, match="`column` must be a pandas Series indexed by raw id. Received: list"
        ):
            report.by_user([1, 2])
        with pytest.raises(ValueError, match="`column` must be indexed by raw ids of users"):
            report.by_user(pd.Series([1], index=["x"]))
        with pytest.raises(
            ValueError, match="`column` must have each id once. Received: 1 repeated, first 'u1'"
        ):
            report.by_user(pd.Series([1, 2], index=["u1", "u1"]))

    def test_json_is_plain_and_has_the_protocol(self, report, tmp_path):
        content = json.loads(report.to_json(tmp_path / "report.json"))
        assert json.loads((tmp_path / "report.json").read_text("utf-8")) == content
        assert content["model"] == "given"
        assert content["protocol"] == {**report.protocol, "k": [5, 10]}
        assert content["figures"][2] == {
            "metric": "coverage@5",
            "value": report["coverage@5"],
            "low": None,
            "high": None,
            "n_users": 0,
        }
        assert {part["by"] for part in content["slices"]} >= {"users", "items"}

    def test_protocol_tells_how_it_was_measured(self, report):
        assert report.protocol["left out"] == "the user's training items"
        assert report.protocol["ties"] == "pseudo-random order, seed 0"
        assert report.protocol["catalogue"] == "30 items"

    def test_repr_and_plot(self, report, tmp_path):
        text = repr(report)
        assert text.startswith(f"given: {report.n_users} users")
        assert f"{report['ndcg@5']:.4f}  [" in text
        assert "ties: pseudo-random order, seed 0" in text
        report.plot().savefig(tmp_path / "report.png")
        assert isinstance(report, EvaluationReport)
