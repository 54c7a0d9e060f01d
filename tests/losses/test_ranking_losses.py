"""What every ranking loss must do; one table of losses with their references."""

import functools
import json
import math

import keras
import numpy as np
import pytest
from gradients import best_dtype, compiled, derivative_of
from references import central_differences
from references import ranking_losses as reference

import kerasrec
from kerasrec import losses
from kerasrec._own_items import mark_own, own_items
from kerasrec.layers import DotScore, FeatureEmbedding

# Class, arguments that are no defaults, reference of one list.
LOSSES = {
    "wmrb": (losses.WMRB, {"n_items": 40}, functools.partial(reference.wmrb, n_items=40)),
    "balanced_wmrb": (
        losses.BalancedWMRB,
        {"n_items": 40},
        functools.partial(reference.wmrb, n_items=40, balanced=True),
    ),
    "warp": (
        losses.WARP,
        {"n_items": 40, "max_sampled": 4},
        functools.partial(reference.warp, n_items=40, max_sampled=4),
    ),
    "koswarp": (
        losses.KOSWARP,
        {"n_items": 40, "k": 2, "max_sampled": 4},
        functools.partial(reference.koswarp, n_items=40, k=2, max_sampled=4),
    ),
    "bpr": (losses.BPR, {}, reference.bpr),
    "top1": (losses.TOP1, {}, reference.top1),
    "bpr_max": (
        losses.BPRMax,
        {"regularization": 0.3},
        functools.partial(reference.bpr_max, regularization=0.3),
    ),
    "binary_cross_entropy": (losses.BinaryCrossEntropy, {}, reference.binary_cross_entropy),
    "gbce": (
        losses.GBCE,
        {"n_items": 40, "calibration": 0.6},
        functools.partial(reference.gbce, n_items=40, calibration=0.6),
    ),
    "pairwise_hinge": (
        losses.PairwiseHinge,
        {"margin": 1.5},
        functools.partial(reference.pairwise_hinge, margin=1.5),
    ),
    "pairwise_logistic": (losses.PairwiseLogistic, {}, reference.pairwise_logistic),
    "sampled_softmax": (
        losses.SampledSoftmax,
        {"temperature": 0.7},
        functools.partial(reference.sampled_softmax, temperature=0.7),
    ),
    "full_softmax": (
        losses.FullSoftmax,
        {"temperature": 0.7},
        functools.partial(reference.full_softmax, temperature=0.7),
    ),
}
IN_ORDER = ("warp", "koswarp")
# Entries are judged alone, so that a list of one kind has a loss too.
POINTWISE = ("binary_cross_entropy", "gbce")
WITH_MAX_POSITIVES = [name for name in LOSSES if name not in ("koswarp", "full_softmax", *POINTWISE)]

every_loss = pytest.mark.parametrize("name", LOSSES)


def make(name, **kwargs):
    cls, arguments, _ = LOSSES[name]
    return cls(**arguments, **kwargs)


def of_lists(name, labels, scores):
    """The reference's loss of each list."""
    return np.array([LOSSES[name][2](y, s) for y, s in zip(labels, scores, strict=True)])


def lists(n_lists=24, size=9, spread=2.0, seed=0):
    """Labels and scores with graded positives and padding; every list has a positive and a negative."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1.0, 0.0, 0.0, 0.0, 0.5, 1.0, 2.0], size=(n_lists, size))
    labels[:, 0], labels[:, 1] = 1.0, 0.0
    for row in labels:
        rng.shuffle(row)
    return labels, rng.normal(scale=spread, size=(n_lists, size))


@functools.cache
def compiled_loss(name, **kwargs):
    return compiled(make(name, reduction=None, dtype=best_dtype(), **kwargs))


@functools.cache
def compiled_derivative(name):
    return derivative_of(make(name, reduction="sum", dtype=best_dtype()), arguments=[1])


def unreduced(name, labels, scores, **kwargs):
    return keras.ops.convert_to_numpy(compiled_loss(name, **kwargs)(labels, scores))


def derivative(name, labels, scores):
    return compiled_derivative(name)(labels.astype(best_dtype()), scores.astype(best_dtype()))[0]


@every_loss
def test_equals_reference(name):
    labels, scores = lists()
    np.testing.assert_allclose(unreduced(name, labels, scores), of_lists(name, labels, scores), rtol=1e-5)


def own_and_shared(n_own, n_shared=7, seed=0):
    """Labels and scores whose positives stand among the first items; two rows have nothing to rank."""
    labels, scores = lists(size=n_own + n_shared, seed=seed)
    labels[:, n_own:] = np.where(labels[:, n_own:] > 0, 0.0, labels[:, n_own:])
    labels[:, 0], labels[:, -1] = 1.0, 0.0
    labels[0, 1:] = -1.0  # no negative
    labels[1, :n_own] = -1.0  # no positive
    return labels, scores


@every_loss
@pytest.mark.parametrize("n_own", [1, 3, 12])
def test_shared_items_change_no_loss_and_no_gradient(name, n_own):
    labels, scores = own_and_shared(n_own)

    def of_marked(labels, scores, reduction):
        scores = keras.ops.convert_to_tensor(scores) * 1
        mark_own(scores, n_own)
        return make(name, reduction=reduction, dtype=best_dtype())(labels, scores)

    expected = of_lists(name, labels, scores)
    got = compiled(lambda y, s: of_marked(y, s, None))(labels, scores)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(got), expected, rtol=1e-5, atol=1e-9)
    assert expected[2:].any() and (name in POINTWISE or not expected[:2].any())
    slopes = derivative_of(lambda s: of_marked(labels, s, "sum"))(scores.astype(best_dtype()))[0]
    expected = central_differences.gradient_of_rows(lambda s: of_lists(name, labels, s), scores)
    np.testing.assert_allclose(slopes, expected, rtol=1e-4, atol=1e-5)


def test_a_note_on_scores_lives_as_long_as_they():
    scores, others = (keras.ops.convert_to_tensor(np.zeros((2, 3))) * 1 for _ in range(2))
    mark_own(scores, 2)
    assert own_items(scores) == 2 and own_items(others) is None
    del scores
    assert all(own_items(keras.ops.zeros((2, 3)) * 1) is None for _ in range(50))


@pytest.mark.parametrize("cls", [losses.WARP, losses.KOSWARP])
def test_warp_of_all_negatives_at_once(cls):
    arguments = {} if cls is losses.WARP else {"k": 1}
    loss = cls(n_items=101, max_sampled=None, **arguments)
    # Of four negatives, two violate by 0.5 and 2: a rank of 100 * 2 / 4.
    labels, scores = np.array([[2.0, 0, 0, -1, 0, 0]]), np.array([[2.0, 1.5, -9, 9, 3, 0.5]])
    assert float(loss(labels, scores)) == pytest.approx(2 * math.log(50) * (0.5 + 2) / 2, rel=1e-5)
    slopes = derivative_of(lambda s: loss(labels, s))(scores.astype("float32"))[0]
    each = math.log(50)  # of a positive of label 2, half for each that violates
    np.testing.assert_allclose(slopes, [[-2 * each, each, 0, 0, each, 0]], rtol=1e-5)
    # None violates, and there are none.
    assert float(loss(labels, np.array([[9.0, 1.5, -9, 9, 3, 0.5]]))) == 0
    assert float(loss(np.array([[1.0, -1.0]]), np.array([[0.0, 3.0]]))) == 0
    assert cls.from_config(loss.get_config()).max_sampled is None


@every_loss
def test_gradient_equals_central_differences_of_the_reference(name):
    labels, scores = lists()
    expected = central_differences.gradient_of_rows(lambda s: of_lists(name, labels, s), scores)
    np.testing.assert_allclose(derivative(name, labels, scores), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "labels", "scores", "expected"),
    [
        # Hinges 0.5, 0 and 2 of three negatives that stand for 40 items.
        ("wmrb", [1, 0, 0, 0, -1], [2, 1.5, -9, 3, 9], math.log1p(40 / 3 * 2.5)),
        ("balanced_wmrb", [0.3, 0, 0, 0, -1], [2, 1.5, -9, 3, 9], math.log1p(0.3 * 40 / 3 * 2.5)),
        # The third negative in order is the first to violate: 39 // 3 = 13.
        ("warp", [2, 0, -1, 0, 0, 0], [2, 1, 9, 0, 1.5, 7], 2 * math.log(13) * 0.5),
        # The fifth would, but four are tried.
        ("warp", [1, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 7], 0.0),
        # The second best positive scores 1, and the first negative violates it: 39 // 1.
        ("koswarp", [1, 1, 1, 0], [3, -4, 1, 0.5], math.log(39) * 0.5),
        # One positive alone is the second best as well.
        ("koswarp", [1, 0], [1, 0.5], math.log(39) * 0.5),
        ("bpr", [2, 0, 0], [0, 0, math.log(3)], math.log(2) + math.log(4)),
        ("top1", [1, 0, 0], [0, 0, 0], 0.5 + 0.5),
        # Equal weights 1/2; -log(1/2 * (1/2 + 1/4)) and 0.3 * (log 3)**2 / ... with one negative each.
        ("bpr_max", [1, 0], [0, math.log(3)], math.log(4) + 0.3 * math.log(3) ** 2),
        ("binary_cross_entropy", [2, 0, -1], [math.log(3), 0, 9], 2 * math.log(4 / 3) + math.log(2)),
        # Of 39 negatives one: beta = 1 - 0.6 * 38 / 39.
        ("gbce", [1, 0, -1], [0, 0, 9], (2 - 0.6 * 38 / 39) * math.log(2)),
        # Pairs of the 2: 1.5 - 1 and 1.5 - 3 -> 0.5 and 0; of the 1: 1.5 - 2 -> 0.
        ("pairwise_hinge", [2, 1, 0, -1], [3, 2, 0, 9], 0.25),
        ("pairwise_logistic", [2, 1, 0], [0, 0, 0], 2 * math.log(2)),
        # Two negatives as likely as the positive.
        ("sampled_softmax", [1, 0, 0], [0.7, 0.7, 0.7], math.log(3)),
        # The other positive does not compete.
        ("sampled_softmax", [1, 1, 0], [0, 0, 0], 2 * math.log(2)),
        ("full_softmax", [1, 1, 0, -1], [0, 0, 0, 9], 2 * math.log(3)),
    ],
)
def test_hand_case(name, labels, scores, expected):
    loss = unreduced(name, np.array([labels], "float64"), np.array([scores], "float64"))
    np.testing.assert_allclose(loss, [expected], rtol=1e-5, atol=1e-7)


@every_loss
def test_padding_changes_nothing(name):
    labels, scores = lists()
    wide_labels = np.concatenate([labels, np.full((len(labels), 3), -1.0)], axis=1)
    junk = np.tile([[np.nan, np.inf, 1e30]], (len(labels), 1))
    wide_scores = np.concatenate([scores, junk], axis=1)
    np.testing.assert_allclose(
        unreduced(name, wide_labels, wide_scores), unreduced(name, labels, scores), rtol=1e-5
    )
    wide = derivative(name, wide_labels, wide_scores)
    np.testing.assert_allclose(wide[:, :-3], derivative(name, labels, scores), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(wide[:, -3:], 0)


@every_loss
def test_order_of_a_list_does_not_matter(name):
    labels, scores = lists()
    order = np.argsort(np.random.default_rng(1).random(labels.shape), axis=1)
    if name in IN_ORDER:  # the negatives' order is their meaning; all else may move
        for row, places in enumerate(order):
            negatives = labels[row, places] == 0
            places[negatives] = np.sort(places[negatives])
    moved = [np.take_along_axis(x, order, axis=1) for x in (labels, scores)]
    np.testing.assert_allclose(unreduced(name, *moved), unreduced(name, labels, scores), rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in POINTWISE])
def test_list_without_positives_or_negatives_has_loss_and_gradient_zero(name):
    labels = np.array(
        [[0, 0, 0, 0], [1, 1, 1, -1], [-1, -1, -1, -1], [0, 0, -1, -1], [2, -1, -1, -1]], "float64"
    )
    scores = np.tile([[1.0, -2.0, 50.0, 0.0]], (5, 1))
    np.testing.assert_array_equal(unreduced(name, labels, scores), 0)
    np.testing.assert_array_equal(derivative(name, labels, scores), 0)


@every_loss
def test_extreme_scores(name):
    labels, scores = lists()
    scores = np.sign(scores) * 50
    got = unreduced(name, labels, scores)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, of_lists(name, labels, scores), rtol=1e-4, atol=1e-6)
    assert np.isfinite(derivative(name, labels, scores)).all()


@every_loss
def test_half_precision_is_raised(name):
    labels, scores = lists()
    scores = np.sign(scores) * 50  # a square or a sum over the catalogue leaves float16
    got = make(name, reduction=None, dtype="float16").call(
        keras.ops.convert_to_tensor(labels, "float16"), keras.ops.convert_to_tensor(scores, "float16")
    )
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(got), of_lists(name, labels, scores), rtol=1e-4, atol=1e-5
    )


@every_loss
def test_weights_are_of_lists(name):
    labels, scores = lists()
    weights = np.random.default_rng(2).integers(0, 3, len(labels)).astype("float32")
    expected = (of_lists(name, labels, scores) * weights).sum()
    loss = compiled(make(name, reduction="sum"))
    for shaped in (weights, weights[:, None]):
        assert float(loss(labels, scores, shaped)) == pytest.approx(expected, rel=1e-4)
    kept = weights > 0
    assert float(loss(labels[kept], scores[kept], sample_weight=weights[kept])) == pytest.approx(
        expected, rel=1e-4
    )


@every_loss
def test_two_unequal_batches_equal_one(name):
    labels, scores = lists()
    loss = compiled(make(name))
    parts = [float(loss(labels[part], scores[part])) for part in (slice(18), slice(18, None))]
    assert float(loss(labels, scores)) == pytest.approx(0.75 * parts[0] + 0.25 * parts[1], rel=1e-5)


@pytest.mark.parametrize("name", WITH_MAX_POSITIVES)
@pytest.mark.parametrize("limit", [1, 2, 30])
def test_max_positives_takes_the_largest_labels(name, limit):
    labels, scores = lists()
    # Distinct labels, so that which positives are the largest is not a matter of chance.
    labels = np.where(labels > 0, labels + np.linspace(0.01, 0.09, labels.shape[1]), labels)
    got = unreduced(name, labels, scores, max_positives=limit)
    one_list = LOSSES[name][2]
    expected = []
    for y, s in zip(labels, scores, strict=True):
        chosen = [i for i in np.argsort(-y)[:limit] if y[i] > 0]
        if name.startswith("pairwise"):  # other positives are still the smaller ones of a pair
            expected.append(sum(one_list(_one_against_smaller(y, i), s) for i in chosen))
        else:
            left_out = (y > 0) & ~np.isin(np.arange(len(y)), chosen)
            expected.append(one_list(np.where(left_out, -1, y), s))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def _one_against_smaller(labels, i):
    return np.where(np.arange(len(labels)) == i, 1, np.where((labels >= 0) & (labels < labels[i]), 0, -1))


@every_loss
def test_mask_of_the_scores_is_padding(name):
    labels, scores = lists()
    masked = labels < 0
    scores_tensor = keras.ops.convert_to_tensor(scores, best_dtype())
    scores_tensor._keras_mask = keras.ops.convert_to_tensor(~masked)
    loss = make(name, dtype=best_dtype())
    got = float(loss(np.where(masked, 0, labels), scores_tensor))
    assert got == pytest.approx(of_lists(name, labels, scores).mean(), rel=1e-5)


@pytest.fixture
def mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.slow
@every_loss
def test_trains_in_mixed_precision_saves_and_loads(name, tmp_path, mixed_precision):
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    score = DotScore()(FeatureEmbedding(6, 3)(user), FeatureEmbedding(9, 3)(item))
    model = kerasrec.Model({"user": user, "item": item}, score)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss=make(name))
    labels, _ = lists(n_lists=6, size=9)
    x = {"user": np.arange(6)[:, None], "item": np.tile(np.arange(9), (6, 1))}
    history = model.fit(x, labels, batch_size=3, epochs=10, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < history[0]
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded.loss) is type(model.loss)
    assert loaded.loss.get_config() == model.loss.get_config()


@every_loss
def test_config_goes_through_json(name):
    cls, arguments, _ = LOSSES[name]
    arguments = {**arguments, "reduction": "sum", "name": "mine"}
    if name in WITH_MAX_POSITIVES:
        arguments["max_positives"] = 3
    loss = cls(**arguments)
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    again = keras.losses.deserialize(config)
    assert type(again) is cls
    assert again.get_config() == {**loss.get_config(), **arguments}


@every_loss
def test_wrong_shapes_are_refused(name):
    loss = make(name)
    with pytest.raises(
        ValueError, match=r"one shape \[batch, list\]; `kerasrec.data.RankingBatches` makes such lists"
    ):
        loss(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(
        ValueError, match=r"one shape \[batch, list\]; `kerasrec.data.RankingBatches` makes such lists"
    ):
        loss(np.ones(3), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"must have shape \[batch\] or \[batch, 1\]: one weight per list"):
        loss(np.ones((2, 2)), np.ones((2, 2)), sample_weight=np.ones((2, 2)))


@pytest.mark.parametrize(
    ("make_loss", "argument"),
    [
        (lambda v: losses.WMRB(v), "n_items"),
        (lambda v: losses.BalancedWMRB(v), "n_items"),
        (lambda v: losses.WARP(v), "n_items"),
        (lambda v: losses.WARP(9, max_sampled=v), "max_sampled"),
        (lambda v: losses.KOSWARP(9, k=v), "k"),
        (lambda v: losses.BPR(max_positives=v), "max_positives"),
        (lambda v: losses.GBCE(v), "n_items"),
    ],
)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", float("inf"), float("nan")])
def test_integers_are_checked(make_loss, argument, value):
    with pytest.raises(ValueError, match=f"`{argument}` must be a positive integer. Received: {argument}="):
        make_loss(value)


def test_the_settings_of_gbce_are_checked():
    with pytest.raises(ValueError, match=r"`n_items` must be at least 2\. Received: n_items=1\."):
        losses.GBCE(1)
    for value in (-0.1, 1.1, "1", float("nan")):
        with pytest.raises(ValueError, match="`calibration` must be a number from 0 to 1. Received:"):
            losses.GBCE(9, calibration=value)


@pytest.mark.parametrize("prior", [0, 1, -0.5, "0.5", float("nan")])
def test_the_prior_of_a_score_of_0_is_checked(prior):
    for make in (losses.BinaryCrossEntropy, functools.partial(losses.GBCE, 9)):
        with pytest.raises(ValueError, match="`prior` must be a number between 0 and 1. Received: prior="):
            make(prior=prior)


def test_a_score_of_0_stands_for_the_prior():
    """Odds of 1 to 9 where the score is 0, three times as high where it is log 3: 3 to 9, so 1 in 4."""
    labels, zeros = np.array([[1.0, 0.0, 0.0]]), np.zeros((1, 3))
    loss = losses.BinaryCrossEntropy(prior=0.1)
    np.testing.assert_allclose(loss(labels, zeros), -math.log(0.1) - 2 * math.log(0.9), rtol=1e-6)
    thrice = np.log([[3.0, 3.0, 1.0]])  # 3 to 9 are 1 in 4
    np.testing.assert_allclose(
        loss(labels, thrice), -math.log(0.25) - math.log(0.75) - math.log(0.9), rtol=1e-6
    )
    beta = 1 - 0.75 * (1 - 2 / 8)
    np.testing.assert_allclose(
        losses.GBCE(9, prior=0.1)(labels, thrice),
        -beta * math.log(0.25) - math.log(0.75) - math.log(0.9),
        rtol=1e-6,
    )
    again = keras.losses.deserialize(keras.losses.serialize(losses.GBCE(9, 0.5, 0.1)))
    assert (again.calibration, again.prior) == (0.5, 0.1)


def test_gbce_without_calibration_is_binary_cross_entropy():
    labels, scores = lists()
    plain = losses.BinaryCrossEntropy(reduction=None)(labels, scores)
    same = losses.GBCE(40, calibration=0.0, reduction=None)(labels, scores)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(same), keras.ops.convert_to_numpy(plain), rtol=1e-6)


def shared_labels(n=6, n_shared=5, seed=3):
    """Labels of rows that share their sampled items, the same written out a row, and scores."""
    rng = np.random.default_rng(seed)
    own, shared = rng.integers(0, 4, n), np.arange(n_shared)
    labels = np.array([1.0, 2.0, -1.0, 1.0, 0.0, 1.0])[:n]
    log_q = np.log(rng.dirichlet(np.ones(n_shared)))
    compact = np.stack(
        [
            np.concatenate([labels, np.zeros(n_shared)]),
            np.concatenate([own, shared]),
            np.concatenate([log_q[own], log_q]),
        ],
        axis=-1,
    )
    dense, of_q = np.empty((n, 1 + n_shared)), np.empty((n, 1 + n_shared))
    for row in range(n):
        dense[row, 0], of_q[row, 0] = labels[row], log_q[own[row]]
        for column, item in enumerate(shared):
            hidden = labels[row] <= 0 or item == own[row]  # nothing to learn here, or an accidental hit
            dense[row, 1 + column], of_q[row, 1 + column] = -1.0 if hidden else 0.0, log_q[item]
    return compact[None, None], dense, of_q, rng.normal(size=dense.shape)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "full_softmax"])
def test_labels_of_shared_items_are_the_same_written_out(name):
    compact, dense, of_q, scores = shared_labels()
    loss = make(name, reduction=None, dtype=best_dtype())
    got = keras.ops.convert_to_numpy(compiled(loss)(compact, scores))
    expected = of_lists(name, dense, scores)
    if name == "sampled_softmax":
        arguments = LOSSES[name][1]
        expected = [
            reference.sampled_softmax(y, s, log_q=q, **arguments)
            for y, s, q in zip(dense, scores, of_q, strict=True)
        ]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    assert got[2] == 0


@pytest.mark.parametrize("name", ["sampled_softmax", "wmrb"])
def test_a_row_may_leave_out_shared_items(name):
    compact, dense, of_q, scores = shared_labels()
    left_out = np.random.default_rng(0).random((6, 5)) < 0.4
    columns = np.zeros((1, 1, 11, 1))
    columns[0, 0, :6] = np.packbits(left_out, axis=1)
    dense[:, 1:] = np.where(left_out, -1.0, dense[:, 1:])
    loss = make(name, reduction=None, dtype=best_dtype())
    got = keras.ops.convert_to_numpy(compiled(loss)(np.concatenate([compact, columns], axis=-1), scores))
    expected = of_lists(name, dense, scores)
    if name == "sampled_softmax":
        expected = [
            reference.sampled_softmax(y, s, log_q=q, **LOSSES[name][1])
            for y, s, q in zip(dense, scores, of_q, strict=True)
        ]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_hits_among_shared_items_may_count():
    compact, dense, of_q, scores = shared_labels()
    hits = np.where((dense == -1) & (dense[:, :1] > 0), 0, dense)
    loss = losses.SampledSoftmax(remove_accidental_hits=False, correct_sampling=False, reduction=None)
    expected = [reference.sampled_softmax(y, s) for y, s in zip(hits, scores, strict=True)]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(loss(compact, scores)), expected, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("make_loss", "argument"),
    [
        (lambda v: losses.BPRMax(regularization=v), "regularization"),
        (lambda v: losses.PairwiseHinge(margin=v), "margin"),
        (lambda v: losses.SampledSoftmax(temperature=v), "temperature"),
        (lambda v: losses.FullSoftmax(temperature=v), "temperature"),
    ],
)
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1"])
def test_numbers_are_checked(make_loss, argument, value):
    with pytest.raises(
        ValueError, match=f"`{argument}` must be a finite number above 0. Received: {argument}="
    ):
        make_loss(value)
