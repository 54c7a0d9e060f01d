"""Lists under rules equal those of a reference that goes item by item, and rules say what they did."""

import dataclasses
import inspect
import json
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.rules import ruled_list

import kerasrec
from kerasrec import Recommender, Rules
from kerasrec.cli import _rules
from kerasrec.cli.recommend import recommend as recommend_command
from kerasrec.data import Interactions
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer
from kerasrec.recommender._choosing import choose
from kerasrec.recommender._compiled_rules import Cap, CompiledRules, Quota
from kerasrec.recommender._directions import Directions
from kerasrec.recommender._vector_file import read_vectors
from kerasrec.serving._bodies import Many, _Ruled

N_USERS, N_ITEMS = 12, 60
DRAW = np.random.default_rng(3)
BRANDS = np.array(["a", "b", "c", "d", None], object)[DRAW.integers(0, 5, N_ITEMS)]
METADATA = pd.DataFrame(
    {
        "brand": BRANDS,
        "price": np.where(np.arange(N_ITEMS) % 9 == 0, np.nan, np.arange(N_ITEMS) % 30.0),
        "local": np.arange(N_ITEMS) % 6 == 0,
        "new": np.arange(N_ITEMS) % 5 == 1,
        "genre": [["x", "y"][: 1 + i % 2] if i % 3 else ["z"] for i in range(N_ITEMS)],
        "in stock": np.arange(N_ITEMS) % 4 != 0,
        "since": pd.date_range("2024-01-01", periods=N_ITEMS, unit="s"),
    },
    index=[f"i{i}" for i in range(N_ITEMS)],
)


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(0)
    pairs = np.argwhere(draw.random((N_USERS, N_ITEMS)) < 0.2)
    return Interactions(*pairs.T, user_ids=[f"u{i}" for i in range(N_USERS)], item_ids=list(METADATA.index))


@pytest.fixture(scope="module")
def shop(data):
    return Recommender.train(data, "implicit_als", n_components=4, item_metadata=METADATA)


def codes_of(frame):
    return frame["item"].str[1:].astype(int).tolist()


@settings(max_examples=60)
@given(
    st.integers(0, 10_000),
    st.booleans(),
    st.integers(1, 12),
    st.integers(1, 50),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
    st.booleans(),
)
def test_lists_equal_those_of_the_reference(
    seed, ties, k, pool, n_caps, n_quotas, boosted, diversity, calibrate, tabulated, moves
):
    draw = np.random.default_rng(seed)
    n_users, n_items, n_values = 5, 40, 3
    if ties:
        scores = draw.integers(0, 4, (n_users, n_items)).astype(np.float32)
        scorer = CatalogueScorer(lambda codes: scores[codes], n_items)
    else:
        users, vectors = draw.normal(size=(n_users, 3)), draw.normal(size=(n_items, 3))
        users, vectors = users.astype(np.float32), vectors.astype(np.float32)
        scorer = FactorScorer(lambda codes: users[codes], vectors)
        scores = (users.astype(float) @ vectors.astype(float).T).astype(np.float32)
    seen = Ragged(*np.argwhere(draw.random((n_users, n_items)) < 0.3).T, n_users)
    candidates = np.flatnonzero(draw.random(n_items) < 0.9).astype(np.int32)
    caps = [(int(draw.integers(1, 4)), draw.integers(-1, 6, (n_items, 2))) for _ in range(n_caps)]
    for _, codes in caps:
        codes[codes[:, 0] == codes[:, 1], 1] = -1  # an item has a value once
    quotas = [(int(draw.integers(1, 3)), draw.random(n_items) < 0.15) for _ in range(n_quotas)]
    while sum(n for n, _ in quotas) > k:
        quotas.pop()
    calibrate = calibrate if diversity <= 0.5 else 0.0
    boost = np.where(draw.random(n_items) < 0.3, draw.normal(size=n_items), 0.0)
    unit = draw.normal(size=(n_items, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    shares, taste = draw.dirichlet(np.ones(n_values), n_items), draw.dirichlet(np.ones(n_values), n_users)
    taste[0] = 0.0  # without a history
    directions = Directions(unit)
    if tabulated:
        directions.prepare(n_lists=10_000)
    rules = Rules(pool=pool, diversity=diversity, calibrate={"genre": calibrate})
    ruled = CompiledRules(
        rules,
        None,
        tuple(Cap(f"cap {i}", n, codes) for i, (n, codes) in enumerate(caps)),
        tuple(Quota(f"quota {i}", n, true) for i, (n, true) in enumerate(quotas)),
        {"boost": boost} if boosted else {},
        shares if calibrate else None,
        directions if diversity else None,
    )
    ranker = CatalogueRanker(scorer, 0, candidates)
    found = choose(ruled, ranker, np.arange(n_users), k, seen, taste if calibrate else None, moves=moves)
    assert set(found.reasons) == (set(ruled.movers) if moves else set())
    for user in range(n_users):
        had = seen.items[seen.starts[user] : seen.starts[user + 1]]
        expected = ruled_list(
            scores[user],
            tie_order(n_items, 0),
            {*range(n_items)} - {*candidates.tolist()} | {*had.tolist()},
            k,
            [(n, [set(row) - {-1} for row in codes.tolist()]) for n, codes in caps],
            quotas,
            boost if boosted else None,
            pool,
            diversity,
            unit,
            calibrate,
            shares,
            taste[user],
        )
        assert [item for item in found.items[user] if item >= 0] == expected
        if not boosted:
            there = found.items[user] >= 0
            np.testing.assert_array_equal(found.scores[user][there], scores[user][expected])


def test_one_user_and_everybody_get_the_same_lists(shop):
    rules = {"at_most": {"brand": 2}, "at_least": {"local": 1}, "diversity": 0.3, "boost": {"new": 0.2}}
    every = shop.recommend(k=5, **rules)
    for user in shop.user_ids:
        one = shop.recommend(user, k=5, **rules)
        pd.testing.assert_frame_equal(one, every[every["user"] == user].reset_index(drop=True))
        brands = one["brand"].dropna().value_counts()
        assert brands.max() <= 2 and one["local"].sum() >= 1


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("price < 20 and brand == 'a'", (METADATA.price < 20) & (METADATA.brand == "a")),
        ("price < 20 & brand == 'a' | new", (METADATA.price < 20) & (METADATA.brand == "a") | METADATA.new),
        ("brand in ['a', 'b'] and not local", METADATA.brand.isin(["a", "b"]) & ~METADATA.local),
        ("brand not in ('a', 'b')", ~METADATA.brand.isin(["a", "b"])),
        ("`in stock` and 3 <= price < -(-9)", None),
        (
            "`in stock` and 3 <= price < 9",
            METADATA["in stock"] & (METADATA.price >= 3) & (METADATA.price < 9),
        ),
        ("brand != 'a'", METADATA.brand != "a"),
        ("'x' in genre", METADATA.genre.map(lambda entry: "x" in entry)),
        ("since >= '2024-01-01 00:00:30'", METADATA.since >= "2024-01-01 00:00:30"),
        ("local == True", METADATA.local),
        ("price > -1", METADATA.price > -1),
    ],
)
def test_where_is_what_pandas_makes_of_it(shop, where, expected):
    if expected is None:
        with pytest.raises(ValueError, match=r"`where` must be made of columns.* Received: `--9` in"):
            shop.recommend("u0", k=1, where=where)
        return
    frame = (
        shop.recommend(k=N_ITEMS, exclude_seen=False, short="fewer", where=where) if expected.all() else None
    )
    if frame is None:
        with pytest.warns(
            UserWarning, match=r"Rules leave fewer than k=60 items for 12 of 12 users.*`where`"
        ):
            frame = shop.recommend(k=N_ITEMS, exclude_seen=False, where=where)
    assert set(frame["item"]) == set(METADATA.index[expected])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("price <", r"`where` must be a condition such as .*Received: .* in 'price <'"),
        (
            "colour == 'red'",
            r"`where` must name columns of the metadata\. Received: 'colour'; there are 'brand'",
        ),
        (
            "__import__('os').system('true')",
            r"`where` must be made of columns, numbers, text.*Received: `__imp",
        ),
        ("brand.str.len() == 1", r"`where` must be made of columns.*Received: `brand\.str\.len\(\)`"),
        ("price + 1 < 3", r"`where` must be a comparison of a column|made of columns"),
        ("brand < 3", r"`where` must be a comparison of like with like\. Received: text and number in"),
        ("price in ['a']", r"`where` must be a comparison of like with like\. Received: number and 'a'"),
        (
            "brand",
            r"`where` must name a column of truth values, or compare it.*Received: 'brand', which holds",
        ),
        ("price is 3", r"`where` must be made of columns"),
        ("3 < 4", r"`where` must be a comparison of a column\. Received: `3 < 4`"),
        ("brand == ['a']", r"`where` must be `in` where a column is compared with a list"),
        ("'a' in brand", r"`where` must be `in` with a list, or with a column whose entries are lists"),
        ("1 in [1]", r"`where` must be `in` with a list of literals"),
        ("since > 'then'", r"`where` must be a comparison of dates with dates"),
        ("genre < genre", r"`where` must be a comparison of columns of numbers, text or dates"),
        ("not " * 60 + "new", r"`where` must be at most 50 levels deep"),
        ("new or " * 400 + "new", r"`where` must be at most 2,000 characters\. Received: 2,803"),
    ],
)
def test_a_where_that_is_none_is_refused(shop, where, message):
    with pytest.raises(ValueError, match=message):
        shop.recommend("u0", k=1, where=where)


def test_available_by_column_array_and_series(shop):
    stock = METADATA["in stock"]
    by_column = shop.recommend(k=5, available="in stock")
    assert by_column["in stock"].all()
    pd.testing.assert_frame_equal(by_column, shop.recommend(k=5, available=stock.to_numpy()))
    shuffled = stock[::-1]
    pd.testing.assert_frame_equal(by_column, shop.recommend(k=5, available=shuffled[shuffled]))
    pd.testing.assert_frame_equal(by_column, shop.recommend(k=5, only=METADATA.index[stock]))
    with pytest.raises(ValueError, match=r"must be a truth value for each of the 60 items.*Received: int64"):
        shop.recommend(k=5, available=np.arange(3))
    with pytest.raises(
        ValueError, match=r"`available` must be indexed by raw item id\. Received: index \[0\]"
    ):
        shop.recommend(k=5, available=stock.reset_index(drop=True))


def test_at_most_of_truth_values_conditions_and_lists(shop):
    found = shop.recommend(k=8, at_most={"new": 1, "price < 10": 2, "genre": 4}, pool=8)
    for _, own in found.groupby("user"):
        assert own["new"].sum() <= 1 and (own["price"] < 10).sum() <= 2
        assert own["genre"].explode().value_counts().max() <= 4


def test_diversity_by_features_where_the_model_represents_nothing(data):
    features = kerasrec.data.Features.multilabel(METADATA["genre"].str.join("|"))
    bare = Recommender.train(data, "popularity")
    shop = Recommender(bare.model, data, item_features=features, item_metadata=METADATA)
    apart, alike = shop.recommend("u0", k=3, diversity=0.9), shop.recommend("u0", k=3)
    kinds = apart["genre"].map(tuple).nunique()
    assert kinds == 3 and kinds >= alike["genre"].map(tuple).nunique()
    with pytest.raises(
        ValueError, match=r"`diversity` needs a model that represents items, or `item_features`"
    ):
        bare.recommend("u0", diversity=0.1)
    with pytest.raises(ValueError, match=r"`where` reads columns of the metadata; give the recommender"):
        bare.recommend("u0", where="new")


def test_calibration_gives_the_shares_of_the_history(data):
    """Steck's example: someone who had 70 % of one genre and 30 % of another gets 7 and 3 of 10."""
    genres = np.repeat(["romance", "action"], 50)
    users = np.zeros(10, int), np.r_[np.arange(7), 50 + np.arange(3)]
    taste = Interactions(*users, user_ids=["u"], item_ids=[f"i{i}" for i in range(100)])
    metadata = pd.DataFrame({"genre": genres}, taste.item_ids)
    shop = Recommender.train(taste, "popularity", item_metadata=metadata)
    found = shop.recommend("u", k=10, calibrate={"genre": 0.99}, pool=90)
    assert found["genre"].value_counts().to_dict() == {"romance": 7, "action": 3}


def test_exploring_draws_as_often_as_its_propensities_say(shop):
    n = 800
    rules = {"explore": 0.4, "at_most": {"brand": 2}, "at_least": {"local": 1}}
    greedy = shop.recommend("u0", k=3, **rules | {"explore": None})
    users = ["u0"] * n
    found = shop.recommend(users, k=3, seed=1, with_moves=True, **rules)
    assert found.equals(shop.recommend(users, k=3, seed=1, with_moves=True, **rules))
    first = found[found["rank"] == 1]
    counts = first["item"].value_counts()
    by_item = first.groupby("item")["propensity"].agg(["min", "max"])
    assert (by_item["min"] == by_item["max"]).all()  # of the first place it depends on nothing
    expected = n * by_item["min"]
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()
    assert counts.idxmax() == greedy["item"][0]
    lists = found.groupby(np.arange(len(found)) // 3)
    assert (lists["local"].sum() >= 1).all() and lists["item"].nunique().eq(3).all()
    assert max(own["brand"].value_counts().max() for _, own in lists) <= 2
    drawn = found["moved_by"] == "explore"
    assert found.loc[drawn, "score"].isna().all() and (found.loc[drawn, "rank_before"] == 0).all()
    assert found.loc[~drawn, "score"].notna().all()
    # Nobody gets what they had.
    had = shop.interactions
    assert not set(found["item"]) & {had.item_ids[i] for i in had.items[had.users == 0]}


def test_moves_name_the_rule(shop):
    bare = shop.recommend("u1", k=6)
    plain = shop.recommend("u1", k=6, with_moves=True)
    assert plain["rank_before"].tolist() == [1, 2, 3, 4, 5, 6] and (plain["moved_by"] == "").all()
    boosted = shop.recommend("u1", k=6, boost={"new": 5.0}, with_moves=True)
    assert (boosted["moved_by"] == "boost new").all() and boosted["new"].all()
    np.testing.assert_allclose(
        boosted["score"], shop.score([("u1", item) for item in boosted["item"]]), atol=1e-5
    )
    forced = shop.recommend("u1", k=2, at_least={"local": 2}, with_moves=True)
    assert forced["local"].all()
    late = forced["rank_before"] > forced["rank"]
    assert (forced["moved_by"] == np.where(late, "at_least local", "")).all() and late.any()
    # What comes from beyond the pool had a rank as well.
    deep = shop.recommend("u1", k=2, at_least={"local": 2}, with_moves=True, pool=2)
    assert deep["item"].tolist() == forced["item"].tolist()
    order = shop.recommend("u1", k=50, short="fewer")["item"].tolist()
    assert deep["rank_before"].tolist() == [1 + order.index(item) for item in deep["item"]]
    pushed = shop.recommend("u1", k=2, boost={"local": 9.0}, with_moves=True, pool=2)
    assert pushed["rank_before"].tolist() == [1 + order.index(item) for item in pushed["item"]]
    capped = shop.recommend("u1", k=6, at_most={"brand": 1}, with_moves=True)
    later = capped["rank_before"] > capped["rank"]
    assert (capped.loc[later, "moved_by"] == "at_most brand").all() and later.any()
    diverse = shop.recommend("u1", k=6, diversity=0.6, with_moves=True)
    moved = diverse["moved_by"] == "diversity"
    assert moved.any() and diverse["item"].tolist() != bare["item"].tolist()
    calibrated = shop.recommend("u1", k=6, calibrate={"genre": 0.9}, with_moves=True)
    assert (calibrated["moved_by"] == "calibrate genre").any()


def test_too_few_are_said(shop):
    with pytest.raises(
        ValueError, match=r"Rules must leave `k` items.*`at_most brand` leave \d+ for user 'u0'"
    ):
        shop.recommend("u0", k=20, at_most={"brand": 1})
    with pytest.warns(
        UserWarning, match=r"Rules leave fewer than k=20 items for 12 of 12 users, as few as \d+"
    ):
        found = shop.recommend(k=20, at_most={"brand": 1, "price > -1": 9})
    assert found.groupby("user").size().max() < 20
    with pytest.warns(
        UserWarning, match=r"`at_least local` asks for 9 items in a list, and \d+ users have fewer"
    ):
        found = shop.recommend(k=12, at_least={"local": 9})
    assert (found.groupby("user").size() == 12).all()
    with pytest.raises(ValueError, match=r"fewer rules or `exclude_seen=False`, or take what is left"):
        shop.recommend("u0", k=20, where="brand == 'a'")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            {"at_least": {"local": 3, "new": 3}},
            r"`at_least local` and `at_least new` contradict `k`.*6 items and k=5",
        ),
        (
            {"at_least": {"new": 2}, "at_most": {"new": 1}},
            r"`at_least` and `at_most` contradict each other on 'new'",
        ),
        ({"diversity": 0.6, "calibrate": "genre"}, r"`diversity` and `calibrate` contradict each other"),
        (
            {"at_least": {"local": 1}, "where": "not local"},
            r"`at_least local` and `where` contradict each other",
        ),
        ({"at_least": {"price > 99": 1}}, r"`at_least price > 99` contradicts the catalogue: 1 such items"),
        ({"at_most": {"brand": 0}}, r"`at_most\[\"brand\"\]` must be a positive integer"),
        ({"at_most": {"colour": 1}}, r"`at_most` must name columns of the metadata\. Received: 'colour'"),
        ({"calibrate": "colour"}, r"`calibrate` must name columns of the metadata\. Received: 'colour'"),
        (
            {"calibrate": {"genre": 2.0}},
            r"`calibrate` must be a share, from 0 to 1\. Received: calibrate=2\.0",
        ),
        ({"calibrate": {"genre": 0.1, "brand": 0.1}}, r"`calibrate` must name one column"),
        ({"diversity": -0.1}, r"`diversity` must be a share, from 0 to 1\. Received: diversity=-0\.1"),
        ({"explore": 1.0}, r"`explore` must be below 1\. Received: explore=1"),
        ({"boost": {"new": float("nan")}}, r"`boost\[\"new\"\]` must be a finite number\. Received: .*=nan"),
        ({"boost": {"brand": 1.0}}, r"`boost` must name a column of truth values, or compare it"),
        ({"pool": 0}, r"`pool` must be a positive integer"),
        ({"seed": (1, 2)}, r"`seed` must be a whole number of at least 0\. Received: seed=\(1, 2\)"),
    ],
)
def test_contradictions_and_faults_are_named(shop, rules, message):
    with pytest.raises(ValueError, match=message):
        shop.recommend("u0", k=5, **rules)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"at_most": 2}, r"`at_most` must be a dict of numbers by column\. Received: 2"),
        ({"where": 3}, r"`where` must be text\. Received: int"),
        ({"calibrate": 3}, r"`calibrate` must be a column or \{column: weight\}"),
        ({"at_mots": {"brand": 2}}, r"`rules` must be one of where, .*Did you mean 'at_most'\?"),
    ],
)
def test_other_types_are_refused(shop, rules, message):
    with pytest.raises(TypeError, match=message):
        shop.recommend("u0", k=5, **rules)


def test_rules_of_the_recommender_are_kept_in_its_file(shop, data, tmp_path):
    shop = Recommender(shop.model, data, item_metadata=METADATA)
    shop.rules = Rules(at_most={"brand": 1}, where="price < 25", calibrate={"genre": 0.2})
    expected = shop.recommend("u0", k=3)
    assert expected.equals(shop.recommend("u0", k=3, at_most={"brand": 1}))
    free = shop.recommend("u0", k=5, at_most=None, where=None, calibrate=None)
    assert len(free) == 5
    shop.save(tmp_path / "shop.keras")
    loaded = Recommender.load(tmp_path / "shop.keras")
    assert loaded.rules == shop.rules == read_vectors(tmp_path / "shop.keras").rules
    assert loaded.recommend("u0", k=3)["item"].tolist() == expected["item"].tolist()
    assert len(shop.rank("u0", METADATA.index[:9])) == 9  # a ranking of given items follows none
    with pytest.raises(
        ValueError, match=r"`available` must be a column of the metadata in rules that are saved"
    ):
        shop.rules = Rules(available=np.ones(N_ITEMS, bool))
    with pytest.raises(TypeError, match=r"`rules` must be `kerasrec\.Rules`\. Received: dict"):
        shop.rules = {}
    with pytest.raises(ValueError, match="`where` must name columns"):
        shop.rules = Rules(where="colour == 1")
    assert shop.rules == loaded.rules


def test_a_file_gives_back_what_any_mapping_or_number_said():
    said = MappingProxyType({"brand": np.int64(2)})
    rules = Rules(at_most=said, boost={"new": np.float32(0.1)}, pool=np.int64(50), seed=np.uint8(3))
    arrays = rules.to_arrays()
    assert Rules.from_arrays(arrays) == rules
    # As Python writes them; 0.1 as float32 holds it.
    expected = {"at_most": {"brand": 2}, "boost": {"new": 0.10000000149011612}, "pool": 50, "seed": 3}
    assert json.loads(bytes(arrays["rules"])) == expected


def test_rules_are_the_same_in_python_on_the_command_line_and_over_http():
    parameters = inspect.signature(recommend_command).parameters
    options = {name for name, one in parameters.items() if one.annotation in vars(_rules).values()}
    declared = {field.name for field in dataclasses.fields(Rules)}
    assert options == set(inspect.signature(_rules.given).parameters) == declared
    assert set(_Ruled.model_fields) == declared
    # Each is passed on under its own name, and counts as a rule unless it says how others choose.
    given = {
        "where": ("new", "new"),
        "available": ("new", "new"),
        "at_most": (["brand=2"], {"brand": 2}),
        "at_least": (["new=1"], {"new": 1}),
        "boost": (["new=0.5"], {"new": 0.5}),
        "diversity": (0.3, 0.3),
        "calibrate": ("genre=0.2", {"genre": 0.2}),
        "explore": (0.1, 0.1),
        "pool": (9, 9),
        "seed": (4, 4),
    }
    assert given.keys() == declared
    for name, (option, value) in given.items():
        expected = {name: value}
        assert _rules.given(**{name: option}) == expected
        assert Many.model_validate({"users": [1], **expected}).rules() == expected
        assert bool(Rules(**expected).names) is (name not in ("pool", "seed"))
    assert Many(users=[1]).rules() == {}


def test_rules_of_calls_are_of_the_metadata_as_it_is(data, shop):
    shop = Recommender(shop.model, data, item_metadata=METADATA)
    for where in ("new", "local", "new"):
        assert shop.recommend("u0", k=3, where=where)[where].all()
        assert shop.recommend("u0", k=3, where=where, exclude=["i1", "i6"])[where].all()
    shop.item_metadata = METADATA.assign(new=~METADATA["new"])
    found = shop.recommend("u0", k=3, where="new")
    assert not METADATA.loc[found["item"], "new"].any()


def test_quotas_that_other_rules_make_impossible_are_said(shop):
    # Every local item has a price above -1 or none, and one item may have: nothing local is left after it.
    rules = {"at_most": {"price > -1": 1, "brand": 1}, "at_least": {"local": 3}}
    with (
        pytest.warns(UserWarning, match=r"Rules leave fewer than k=12 items"),
        pytest.warns(UserWarning, match=r"`at_least local` asks for 3 items in a list, and \d+ users"),
    ):
        shop.recommend(k=12, **rules)


def test_newcomers_and_unknown_users_follow_rules(shop):
    found = shop.recommend_for_history(["i1", "i2"], k=5, at_most={"brand": 1}, at_least={"local": 1})
    assert found["brand"].dropna().is_unique and found["local"].any()
    popular = shop.recommend(["u0", "who"], k=5, at_most={"brand": 1}, unknown="popular", with_moves=True)
    for _, own in popular.groupby("user"):
        assert own["brand"].dropna().is_unique
    assert popular["fallback"].tolist() == [False] * 5 + [True] * 5


def test_files_of_lists_follow_rules(shop, tmp_path):
    path = shop.recommend_to_parquet(tmp_path / "lists.parquet", k=4, at_most={"brand": 1}, verbose=False)
    expected = shop.recommend(k=4, at_most={"brand": 1})
    assert pd.read_parquet(path)["item"].tolist() == expected["item"].tolist()


def test_what_rules_cost(shop, data):
    draw = np.random.default_rng(5)
    pairs = np.argwhere(draw.random((N_USERS, N_ITEMS)) < 0.2)
    test = Interactions(*pairs.T, user_ids=data.user_ids, item_ids=data.item_ids)
    rules = {"at_most": {"brand": 1}, "where": "price < 15", "diversity": 0.5}
    found = shop.evaluate_rules(test, k=4, **rules)
    assert found.index.tolist() == ["without", "where", "at_most brand", "diversity", "all"]
    bare = kerasrec.evaluation.evaluate(shop, test, data, k=4, metrics=["ndcg", "recall", "coverage"])
    for metric in bare.metrics:
        assert found.loc["without", metric] == pytest.approx(bare[metric])
    lists = shop.recommend(k=4, with_scores=False, where="price < 15", short="fewer")
    users = data.user_ids[np.unique([u for u, i in pairs if i not in data.items[data.users == u]])]
    share = lists[lists["user"].isin(users)]["item"].nunique() / N_ITEMS
    assert found.loc["where", "coverage@4"] == pytest.approx(share)
    assert found.loc["diversity", "diversity@4"] > found.loc["without", "diversity@4"]
    with pytest.raises(ValueError, match="`rules` must hold at least one rule"):
        shop.evaluate_rules(test)
    other = Interactions([0], [0], user_ids=["u0"], item_ids=["i0"])
    with pytest.raises(ValueError, match="`test` must have the ids of the recommender"):
        shop.evaluate_rules(other, diversity=0.1)


@pytest.mark.parametrize("name", ["shop.onnx", "shop"])
def test_an_export_would_forget_them(shop, tmp_path, name):
    before = shop.rules
    shop.rules = Rules(at_most={"brand": 1}, diversity=0.2)
    with pytest.raises(
        ValueError,
        match=r"exported: set `rules = None` first\. Received: at_most brand, diversity\.",
    ):
        shop.export(tmp_path / name)
    shop.rules = before
