"""Representations, scores, biases and tastes against TensorRec's recorded figures."""

import json

import keras
import numpy as np
import pytest
from gradients import gradient, weighted_sum

from kerasrec import layers


@pytest.fixture
def cases(shared_data):
    path = shared_data.parent / "reference" / "tensorrec_cases.json"
    if not path.is_file():
        pytest.skip(f"no recorded cases at {path}")
    return json.loads(path.read_text())


LAYERS = {
    "LinearRepresentationGraph": layers.SparseLinearRepr,
    "NormalizedLinearRepresentationGraph": lambda c, f: layers.SparseLinearRepr(c, f, normalize=True),
    "FeaturePassThroughRepresentationGraph": layers.PassThroughRepr,
    "WeightedFeaturePassThroughRepresentationGraph": layers.WeightedPassThroughRepr,
    "ReLURepresentationGraph": layers.ReLURepr,
    "ReLURepresentationGraph(relu_size=5)": lambda c, f: layers.ReLURepr(c, f, relu_size=5),
}
SCORES = {"dot": layers.DotScore, "cosine": layers.CosineScore, "euclidean": layers.EuclideanScore}


def dense(coo):
    matrix = np.zeros(coo["shape"], "float32")
    matrix[coo["rows"], coo["cols"]] = coo["values"]
    return matrix


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_representations(cases):
    for case in cases["representations"]:
        layer, features = (
            LAYERS[case["graph"]](case["n_components"], case["n_features"]),
            dense(case["features"]),
        )
        lookup = layers.FeatureLookup.from_matrix(features)
        bag = lookup(np.arange(len(features)))
        layer(bag)
        names = [
            name for name in ("relu_weights", "relu_biases", "linear_weights") if name in case["weights"]
        ]
        if names:
            layer.set_weights(
                [
                    np.array(case["weights"][n]).reshape(w.shape)
                    for n, w in zip(names, layer.weights, strict=True)
                ]
            )
        for form in (features, bag):
            np.testing.assert_allclose(
                numbers(layer(form)), case["expected"]["representation"], rtol=1e-5, atol=1e-6
            )

        def total(*tensors, layer=layer, bag=bag, case=case):
            out, _ = layer.stateless_call(list(tensors), [], bag)
            return weighted_sum(out, case["cotangent"])

        slopes = gradient(total, *map(numbers, layer.trainable_weights)) if names else []
        for name, slope in zip(names, slopes, strict=True):
            wanted = np.array(case["expected"][f"grad_{name}"]).reshape(slope.shape)
            np.testing.assert_allclose(slope, wanted, rtol=1e-4, atol=1e-5)
        # The original's weighted pass-through has weights that never train; here they do.
        if layer.trainable_weights:
            squares = sum((numbers(w) ** 2).sum() / 2 for w in layer.trainable_weights)
            assert squares == pytest.approx(case["expected"]["weight_reg_l2_loss"], rel=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_scores(cases, name):
    for case in cases["predictions"]:
        layer, expected = SCORES[name](), case["expected"][name]
        user = np.array(case["user_representation"], "float32")
        item = np.array(case["item_representation"], "float32")
        x_user, x_item = np.array(case["x_user"]), np.array(case["x_item"])
        # A float32 root of a difference near 0; elsewhere to rounding.
        loose = {"rtol": 1e-4, "atol": 1e-3 if name == "euclidean" else 1e-5}
        np.testing.assert_allclose(numbers(layer.all_pairs(user, item)), expected["dense"], **loose)
        pairs = numbers(layer(user[x_user], item[x_item]))
        np.testing.assert_allclose(pairs, expected["serial"], rtol=1e-5, atol=1e-6)
        similar = numbers(layer.all_pairs(item[case["similar_item_ids"]], item))
        np.testing.assert_allclose(similar, expected["similar_items"], **loose)

        slopes = gradient(
            lambda u, i, case=case, layer=layer: weighted_sum(
                layer(keras.ops.take(u, case["x_user"], axis=0), keras.ops.take(i, case["x_item"], axis=0)),
                case["cotangent_serial"],
            ),
            user,
            item,
        )
        for slope, side in zip(slopes, ("user", "item"), strict=True):
            np.testing.assert_allclose(slope, expected[f"grad_{side}_of_serial"], rtol=1e-4, atol=1e-5)
        slopes = gradient(
            lambda u, i, case=case, layer=layer: weighted_sum(layer.all_pairs(u, i), case["cotangent_dense"]),
            user,
            item,
        )
        # The distance of two that coincide has no slope; in float32 it is not quite 0.
        apart = np.array(expected["dense"]) < -1e-3 if name == "euclidean" else np.ones(1)
        for slope, side, axis in zip(slopes, ("user", "item"), (1, 0), strict=True):
            rows = apart.all(axis=axis) if name == "euclidean" else slice(None)
            wanted = np.array(expected[f"grad_{side}_of_dense"])
            np.testing.assert_allclose(slope[rows], wanted[rows], rtol=1e-4, atol=1e-4)


def test_biases(cases):
    for case in cases["biases"]:
        biases = {}
        for side in ("user", "item"):
            features = dense(case[f"{side}_features"])
            layer = layers.FeatureBias()
            layer.build(features.shape)
            layer.set_weights([np.array(case[f"{side}_feature_biases"])])
            biases[f"{side}_bias"] = numbers(layer(features))
            projected = case["expected"][f"projected_{side}_biases"]
            np.testing.assert_allclose(biases[f"{side}_bias"][:, 0], projected, rtol=1e-5)
        prediction = np.array(case["prediction_dense"], "float32")
        # The dot product with the identity passes the given predictions through.
        got = layers.DotScore().all_pairs(prediction, np.eye(prediction.shape[1], dtype="float32"), **biases)
        np.testing.assert_allclose(numbers(got), case["expected"]["dense"], rtol=1e-5)


def test_tastes(cases):
    for case in cases["collapse_mixture_of_tastes"]:
        # [T, U, I] as one user representation a user and taste; the identity gives its entries as scores.
        tastes = np.array(case["tastes_predictions"], "float32").transpose(1, 0, 2)
        attention = np.array(case["tastes_attentions"], "float32").transpose(1, 0, 2)
        item, weight = np.eye(tastes.shape[-1], dtype="float32"), np.array(case["cotangent"], "float32")
        layer = layers.TasteMixture()
        for key, given in (("without_attention", [tastes]), ("with_attention", [tastes, attention])):
            if len(given) > case["n_tastes"]:
                continue  # attention over one taste is refused here
            expected = case["expected"][key]

            def scored(user, attention=None, item=item, layer=layer):
                return layer.all_pairs(user, item, attention=attention)

            np.testing.assert_allclose(numbers(scored(*given)), expected["prediction"], rtol=1e-5, atol=1e-6)
            slopes = gradient(lambda *x, w=weight, scored=scored: weighted_sum(scored(*x), w), *given)
            for slope, name in zip(slopes, ("grad_predictions", "grad_attentions"), strict=False):
                wanted = np.array(expected[name]).transpose(1, 0, 2)
                np.testing.assert_allclose(slope, wanted, rtol=1e-4, atol=1e-5)
