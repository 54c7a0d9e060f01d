"""The score of everything new is the one that its features give by hand."""

import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Features, Interactions
from kerasrec.layers import FeatureDropout, FeatureLookup

N_USERS, N_ITEMS = 9, 6
IDS = np.arange(N_ITEMS)
SHELF = pd.DataFrame(
    {
        "price": [9.99] * N_ITEMS,
        "weight": [1.0, 2.0, 4.0, 4.0, 2.0, 1.0],
        "kind": list("abcabc"),
        "own": [f"k{i}" for i in range(N_ITEMS)],
    },
    index=IDS,
)
NEW = pd.DataFrame(
    {
        "price": [12.5, 9.99, 0.0],
        "weight": [3.0, 1.0, 7.0],
        "kind": ["c", "z", "a"],
        "own": ["k4", "k0", "q"],
    },
    index=[90, 91, 92],
)
ALL = pd.concat([SHELF, NEW])


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def interactions():
    pairs = [(u, i) for u in range(N_USERS) for i in range(N_ITEMS) if (u * i + u + i) % 3]
    return Interactions.from_frame(pd.DataFrame(pairs, columns=["user", "item"]))


def one_hot(column, tokens):
    return {f"{column}={token}": (ALL[column] == token).to_numpy(float) for token in tokens}


def by_hand(*columns):
    """Columns of features for all nine, computed with pandas alone; identities are columns of their own."""
    found = {}
    for column in columns:
        if column == "id":
            found |= {f"id={i}": (ALL.index == i).astype(float) for i in IDS}
        elif column == "price":
            found["price"] = ALL["price"].to_numpy() - 9.99  # no deviation among the old ones
        elif column == "weight":
            old = SHELF["weight"]
            found["weight"] = ((ALL["weight"] - old.mean()) / old.std(ddof=0)).to_numpy()
        else:
            found |= one_hot(column, sorted(set(SHELF[column])))
    return found


MADE = {
    "identity and a constant": (
        lambda: Features.indicator(IDS) + Features.numeric(SHELF["price"]),
        by_hand("id", "price"),
        {"price"},
    ),
    "identity alone": (lambda: Features.indicator(IDS), by_hand("id"), set()),
    "categories alone": (lambda: Features.categorical(SHELF["kind"]), by_hand("kind"), set()),
    "a category an item": (lambda: Features.categorical(SHELF["own"]), by_hand("own"), set()),
    "everything": (
        lambda: (
            Features.numeric(SHELF["weight"])
            + Features.indicator(IDS)
            + Features.categorical(SHELF["kind"])
            + Features.numeric(SHELF["price"])
        ),
        by_hand("weight", "id", "kind", "price"),
        {"price"},
    ),
    "categories that only new ones have": (
        lambda: Features.indicator(IDS) + Features.categorical(ALL["kind"]).align(IDS),
        by_hand("id") | one_hot("kind", "abcz"),
        {"kind=z"},
    ),
    "identities of all": (
        lambda: Features.indicator(ALL.index).align(IDS) + Features.categorical(SHELF["kind"]),
        {f"id={i}": (ALL.index == i).astype(float) for i in ALL.index} | by_hand("kind"),
        {"id=90", "id=91", "id=92"},
    ),
}


def made(features, side, **settings):
    data = interactions()
    if side == "user":  # the same table the other way round
        data = Interactions(
            data.items, data.users, data.values, user_ids=data.item_ids, item_ids=data.user_ids
        )
    given = {f"{side}_features": features, "n_components": 3, "seed": 1, **settings}
    model = kerasrec.zoo.create("hybrid", data, **given)
    draw = np.random.default_rng(0)
    for layer in model.layers:
        if not isinstance(layer, FeatureLookup):
            for variable in layer.trainable_variables:
                variable.assign(draw.normal(size=variable.shape))
    return Recommender(model, data, **{f"{side}_features": features})


def weights(recommender, name):
    return numpy(recommender.model.get_layer(name).weights[0]).astype(np.float64)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* has no indicator columns", "ignore:.* are unknown to the encoder")
@pytest.mark.parametrize(("side", "n_new"), [("item", 1), ("item", 3), ("user", 3)])
@pytest.mark.parametrize("case", MADE)
def test_scores_of_what_is_new_are_those_of_its_features(case, side, n_new):
    make, columns, unlearned = MADE[case]
    features = make()
    assert features.names == list(columns)
    x = np.stack(list(columns.values()), axis=1)
    np.testing.assert_allclose(features.matrix.toarray(), x[:N_ITEMS], atol=1e-6)
    x[:, [name in unlearned for name in columns]] = 0
    recommender = made(features, side)
    other = "user" if side == "item" else "item"
    table, bias = weights(recommender, f"{side}_repr"), weights(recommender, f"{side}_bias")
    others, others_bias = weights(recommender, f"{other}_repr"), weights(recommender, f"{other}_bias")
    getattr(recommender, f"add_{side}s")(NEW.iloc[:n_new])

    expected = others @ (x @ table).T + others_bias + (x @ bias).T
    old_and_new = [*IDS, *NEW.index[:n_new]]
    pairs = [(u, i) for u in range(N_USERS) for i in old_and_new]
    got = recommender.score(pairs if side == "item" else [(i, u) for u, i in pairs])
    got = got.reshape(N_USERS, -1)
    np.testing.assert_allclose(got, expected[:, : N_ITEMS + n_new], rtol=1e-4, atol=1e-5)
    names = getattr(recommender, f"{side}_features").names
    assert len(set(names)) == len(names) == len(weights(recommender, f"{side}_repr"))
    assert names[: len(columns)] == list(columns)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* are unknown to the encoder")
@pytest.mark.parametrize("part", ["normalized_linear", "relu", "deep"])
def test_parts_of_other_forms(part):
    make, columns, unlearned = MADE["everything"]
    recommender = made(make(), "item", item_repr=part)
    x = np.stack(list(columns.values()), axis=1)
    x[:, [name in unlearned for name in columns]] = 0
    layer = recommender.model.get_layer("item_repr")
    w = {variable.path.split("/", 1)[-1]: numpy(variable).astype(np.float64) for variable in layer.weights}
    if part == "normalized_linear":
        vectors = x @ w["kernel"]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    elif part == "relu":
        vectors = np.maximum(x @ w["relu_kernel"] + w["relu_bias"], 0) @ w["kernel"]
    else:
        vectors = np.maximum(x @ w["kernel"] + w["bias"], 0)
        for name in ("hidden_2", "hidden_3"):
            vectors = np.maximum(vectors @ w[f"{name}/kernel"] + w[f"{name}/bias"], 0)
        vectors = np.tanh(vectors @ w["output/kernel"] + w["output/bias"])
    bias, users = weights(recommender, "item_bias"), weights(recommender, "user_repr")
    expected = users @ vectors.T + weights(recommender, "user_bias") + (x @ bias).T
    recommender.add_items(NEW)
    got = recommender.score([(u, i) for u in range(N_USERS) for i in NEW.index]).reshape(N_USERS, 3)
    np.testing.assert_allclose(got, expected[:, N_ITEMS:], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_update_trains_what_is_new():
    """The row of the constant column learns as soon as somebody has another price."""
    features = MADE["identity and a constant"][0]()
    recommender = made(features, "item", learning_rate=0.1)
    events = pd.DataFrame({"user": [0, 1, 2, 3], "item": [90, 90, 90, 1]})
    recommender.update(Interactions.from_frame(events), item_metadata=NEW, verbose=0)
    table, bias = weights(recommender, "item_repr"), weights(recommender, "item_bias")
    assert table.shape == (8, 3) and table[6].any() and table[7].any()
    vector, price = table[7] + (12.5 - 9.99) * table[6], (12.5 - 9.99) * bias[6, 0]
    users, users_bias = weights(recommender, "user_repr"), weights(recommender, "user_bias")
    expected = users @ vector + users_bias[:, 0] + bias[7, 0] + price
    np.testing.assert_allclose(recommender.score([(u, 90) for u in range(N_USERS)]), expected, rtol=1e-4)


def test_ids_alone_where_features_are_identities():
    recommender = made(Features.indicator(IDS), "item")
    recommender.add_items([90, 91])
    users = weights(recommender, "user_bias")[:, 0]
    np.testing.assert_allclose(recommender.score([(u, 91) for u in range(N_USERS)]), users, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.* has no indicator columns")
def test_newcomers_are_what_training_knows_of_them():
    """One category an old user: a table on the diagonal, which is no identity."""
    recommender = made(Features.categorical(SHELF["own"]) + Features.numeric(SHELF["price"]), "user")
    new = pd.DataFrame({"own": ["k4"], "price": [100.0]}, index=["n"])
    found = recommender.recommend_for_features(new, k=N_USERS).sort_values("item")
    items, bias = weights(recommender, "item_repr"), weights(recommender, "item_bias")[:, 0]
    expected = items @ weights(recommender, "user_repr")[4] + bias + weights(recommender, "user_bias")[4, 0]
    np.testing.assert_allclose(found["score"], expected, rtol=1e-4, atol=1e-5)


def test_dropped_identities_are_those_of_new_items_too():
    features = Features.indicator(IDS) + Features.categorical(SHELF["kind"])
    dropout = FeatureDropout(0.5, features.columns_of("id"), name="dropped")
    recommender = made(features, "item", item_feature_dropout=dropout)
    recommender.add_items(NEW.iloc[[0, 2]])
    assert recommender.item_features.columns_of("id") == [0, 1, 2, 3, 4, 5, 9, 10]
    assert recommender.model.get_layer("dropped").columns == [[0, 6], [9, 11]]


def own_model(lookup, n_features):
    user, item = kerasrec.zoo._parts.id_inputs()
    tables = [
        kerasrec.layers.SparseLinearRepr(3, N_USERS, name="users")(FeatureLookup(N_USERS)(user)),
        kerasrec.layers.SparseLinearRepr(3, n_features, name="items")(lookup(item)),
    ]
    return keras.Model({"user": user, "item": item}, kerasrec.layers.DotScore()(*tables))


def test_a_table_that_was_cut_stays_cut():
    """Each row keeps its largest feature, new rows too."""
    numeric = Features.numeric(SHELF["weight"], scale=False) + Features.numeric(SHELF["price"], scale=False)
    lookup = FeatureLookup.from_matrix(numeric.matrix, max_width=1, name="cut")
    recommender = Recommender(own_model(lookup, 2), interactions(), item_features=numeric)
    table, users = weights(recommender, "items"), weights(recommender, "users")
    recommender.add_items(NEW.iloc[:1])
    got = recommender.score([(0, i) for i in (0, 90)])
    np.testing.assert_allclose(got, [9.99 * users[0] @ table[1], 12.5 * users[0] @ table[1]], rtol=1e-4)


def test_features_that_are_not_the_model_s_are_refused_at_once(data, films, item_features):
    model = kerasrec.zoo.create("hybrid", data, item_features=item_features, n_components=2)
    Recommender(model, data, item_features=item_features)
    shuffled = films.assign(genres=films["genres"].to_numpy()[::-1])
    others = Features.indicator(films.index) + Features.multilabel(shuffled["genres"])
    for wrong in (others, Features.multilabel(films["genres"])):
        with pytest.raises(ValueError, match="`item_features` must be those that the model was made with"):
            Recommender(model, data, item_features=wrong)
