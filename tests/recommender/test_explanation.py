import keras
import numpy as np
import pandas as pd
import pytest

from kerasrec import Recommender


def by_name(explanation):
    return dict(
        zip(explanation.contributions["name"], explanation.contributions["contribution"], strict=True)
    )


@pytest.mark.slow
def test_features_of_a_linear_model_by_hand(hybrid, item_features):
    """Item 20 is `id=20`, Comedy and Drama; each gives its row times the user's vector, and its bias."""
    explanation = hybrid.explain("u3", 20)
    kernel = keras.ops.convert_to_numpy(hybrid.model.get_layer("item_repr").kernel)
    bias = keras.ops.convert_to_numpy(hybrid.model.get_layer("item_bias").bias)[:, 0]
    *user, user_bias = hybrid.user_vectors().iloc[3]
    names = item_features.names
    expected = {
        n: kernel[names.index(n)] @ user + bias[names.index(n)]
        for n in ("id=20", "genres=Comedy", "genres=Drama")
    }
    found = by_name(explanation)
    assert found == pytest.approx({**expected, "": user_bias}, abs=1e-5)
    assert explanation.contributions["exact"].all()
    assert explanation.raw_score == pytest.approx(explanation.score, abs=1e-5)
    size = explanation.contributions["contribution"].abs()
    assert size.is_monotonic_decreasing


@pytest.mark.parametrize("by", ["item", "user", "component"])
def test_parts_sum_to_the_score(hybrid, by):
    for user, item in (("u1", 10), ("u8", 160)):
        explanation = hybrid.explain(user, item, by=by)
        assert explanation.contributions["exact"].all()
        assert explanation.contributions["contribution"].sum() == pytest.approx(explanation.score, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"score": "cosine"},
        {"score": "euclidean"},
        {"n_tastes": 2},
        {"n_tastes": 2, "attention": "linear", "score": "cosine"},
        {"item_repr": "relu"},
    ],
)
def test_every_score_is_taken_apart(data, item_features, settings):
    recommender = Recommender.train(
        data, "hybrid", epochs=1, verbose=0, item_features=item_features, n_components=3, **settings
    )
    for by in ("item", "component"):
        explanation = recommender.explain("u1", 10, by=by)
        assert explanation.contributions["contribution"].sum() == pytest.approx(explanation.score, abs=1e-4)
        deep = by == "item" and (settings.get("score") == "euclidean" or "item_repr" in settings)
        assert explanation.contributions["exact"].all() != deep


@pytest.mark.slow
def test_gradient_times_input_through_a_deep_representation(data, item_features):
    """A network that happens to be linear gives the exact parts."""
    layer = keras.layers.Dense(3, use_bias=False)
    recommender = Recommender.train(
        data, "hybrid", epochs=1, verbose=0, item_features=item_features, n_components=3, item_repr=layer
    )
    assert by_name(recommender.explain("u1", 10)).keys() >= {"id=10", "genres=War"}


@pytest.mark.slow
def test_histories_are_added_up(data):
    for name in ("ease", "gf_cf", "item_knn", "user_knn"):
        recommender = Recommender.train(data, name)
        explanation = recommender.explain("u1", 0)
        assert explanation.contributions["exact"].all()
        assert explanation.raw_score == pytest.approx(explanation.score, rel=1e-4)
        named = set(explanation.contributions["name"])
        own = data.item_ids[data.items[data.users == 1]]
        assert named <= set(data.user_ids if name == "user_knn" else own)


@pytest.mark.slow
def test_a_network_by_gradients(data):
    recommender = Recommender.train(
        data, "recommender_net", epochs=1, verbose=0, n_components=2, max_rating=2.0
    )
    explanation = recommender.explain("u1", 0)
    assert explanation.contributions["kind"].tolist() != []
    assert set(explanation.contributions["kind"]) == {"user representation", "item representation", "rest"}
    assert explanation.raw_score == pytest.approx(explanation.score, abs=1e-5)
    assert not explanation.contributions["exact"].any()


def test_what_only_gives_a_number_is_one_part(data):
    explanation = Recommender.train(data, "random").explain("u1", 0)
    assert explanation.contributions[["kind", "name"]].values.tolist() == [["model", "random"]]


def test_the_nearest_of_the_own_history(factorised, data):
    explanation = factorised.explain("u2", 20, n_neighbors=3)
    table = factorised.item_vectors().to_numpy().astype(float)
    own = [code for code in data.items[data.users == 2] if code != 2]
    cosine = table[own] @ table[2] / np.linalg.norm(table[own], axis=1) / np.linalg.norm(table[2])
    best = np.argsort(-cosine)[:3]
    assert explanation.neighbors["item"].tolist() == [10 * own[i] for i in best]
    np.testing.assert_allclose(explanation.neighbors["similarity"], cosine[best], rtol=1e-4)
    assert "Nearest in the user's history" in repr(explanation)
    assert {"title", "value"} <= set(explanation.neighbors.columns)


def test_a_plot(factorised, tmp_path):
    explanation = factorised.explain("u2", 20)
    figure = explanation.plot(tmp_path / "why.png")
    assert (tmp_path / "why.png").read_bytes()[:4] == b"\x89PNG"
    widths = [bar.get_width() for bar in figure.axes[0].patches][::-1]
    np.testing.assert_allclose(widths, explanation.contributions["contribution"])
    with pytest.raises(FileNotFoundError, match=r"make .*nowhere first"):
        explanation.plot(tmp_path / "nowhere" / "why.png")


def test_dollars_in_ids_are_no_formulas(tmp_path):
    from kerasrec import Recommender
    from kerasrec.data import Interactions

    odd = [rf"$\x{{{n}$" for n in range(6)]
    pairs = [(f"u{user}", odd[item]) for user in range(6) for item in range(6) if (user + item) % 2]
    x = Interactions.from_frame(pd.DataFrame(pairs, columns=["user", "item"]))
    recommender = Recommender.train(x, "item_knn")
    figure = recommender.explain("u1", odd[1]).plot(tmp_path / "why.png")
    assert odd[1] in figure.axes[0].get_title()
    Recommender.train(x, "pure_svd", n_components=2).plot_items(tmp_path / "items.png")
    assert (tmp_path / "items.png").read_bytes()[:4] == b"\x89PNG"


def test_bad_input(factorised):
    with pytest.raises(ValueError, match=r"`by` must be one of item, user, component"):
        factorised.explain("u1", 0, by="genre")
    with pytest.raises(ValueError, match=r"first 'u99'"):
        factorised.explain("u99", 0)
    with pytest.raises(ValueError, match=r"must be one raw id each\. Received: 2 users and 1 items"):
        factorised.explain(["u1", "u2"], 0)


def test_a_whole_list_is_explained(hybrid):
    found = hybrid.explain_list("u3", k=4, n_neighbors=2)
    listed = hybrid.recommend("u3", k=4)
    assert [x.item for x in found] == listed["item"].tolist()
    np.testing.assert_allclose([x.score for x in found], listed["score"], rtol=1e-5)
    assert all(x.user == "u3" and len(x.neighbors) <= 2 for x in found)


def test_items_that_are_given_are_explained(hybrid):
    assert [x.item for x in hybrid.explain_list("u1", [160, 10])] == [160, 10]
    assert hybrid.explain_list("u1", [10])[0].score == pytest.approx(hybrid.explain("u1", 10).score)
    with pytest.raises(ValueError, match="unknown"):
        hybrid.explain_list("u1", [10, 99999])
    with pytest.raises(ValueError, match="must be one raw id each"):
        hybrid.explain_list(["u1", "u2"], [10])
