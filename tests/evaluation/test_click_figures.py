import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, roc_auc_score

from kerasrec.evaluation import ClickReport, click_figures


def a_case(n=2000, seed=0):
    """Labels, scores with many ties, users of unlike sizes, and weights."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(n), 2)
    users = (rng.random(n) ** 2 * 40).astype(int)
    return (rng.random(n) < scores).astype(int), scores, users, rng.integers(0, 4, n)


LABELS, SCORES, USERS, WEIGHTS = a_case()


def by_pairs(labels, scores):
    """The definition: over all pairs of a clicked and another row."""
    clicked, other = scores[labels == 1][:, None], scores[labels == 0][None]
    return ((clicked > other) + 0.5 * (clicked == other)).mean()


def test_auc_is_that_of_all_pairs_and_of_scikit_learn():
    assert click_figures.auc(LABELS, SCORES) == pytest.approx(by_pairs(LABELS, SCORES), abs=1e-12)
    expected = roc_auc_score(LABELS, SCORES, sample_weight=WEIGHTS)
    assert click_figures.auc(LABELS, SCORES, WEIGHTS) == pytest.approx(expected, abs=1e-12)
    assert click_figures.auc([0, 1], [0.3, 0.3]) == 0.5


def test_a_probability_as_label_is_a_row_of_each_class():
    soft = click_figures.auc([0.25, 1, 0], [0.5, 0.7, 0.2])
    expected = roc_auc_score([1, 0, 1, 0], [0.5, 0.5, 0.7, 0.2], sample_weight=[0.25, 0.75, 1, 1])
    assert soft == pytest.approx(expected, abs=1e-12)


def test_log_loss_is_scikit_learns():
    p = np.clip(SCORES, 0.01, 0.99)
    expected = log_loss(LABELS, p, sample_weight=WEIGHTS)
    assert click_figures.log_loss(LABELS, p, WEIGHTS) == pytest.approx(expected, abs=1e-12)
    assert np.isfinite(click_figures.log_loss([1, 0], [0.0, 1.0]))


def test_auc_by_user_counts_impressions():
    areas, sizes = [], []
    for user in np.unique(USERS):
        own = user == USERS
        if 0 < LABELS[own].sum() < own.sum():
            areas.append(roc_auc_score(LABELS[own], SCORES[own]))
            sizes.append(own.sum())
    expected = np.average(areas, weights=sizes)
    assert click_figures.user_auc(LABELS, SCORES, USERS) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(click_figures.user_auc([1, 0], [0.5, 0.5], ["ann", "bob"]))


def test_reliability_is_scikit_learns_curve():
    clicked, predicted = calibration_curve(LABELS, SCORES, n_bins=7)
    frame = click_figures.reliability(LABELS, SCORES, n_bins=7)
    np.testing.assert_allclose(frame["clicked"], clicked, atol=1e-12)
    np.testing.assert_allclose(frame["predicted"], predicted, atol=1e-12)
    assert frame["rows"].sum() == len(LABELS)
    expected = (np.abs(frame["clicked"] - frame["predicted"]) * frame["rows"]).sum() / len(LABELS)
    error = click_figures.calibration_error(LABELS, SCORES, n_bins=7)
    assert error == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: click_figures.auc([1, 1], [0.1, 0.2]),
            "AUC needs rows that were clicked and rows that were not",
        ),
        (
            lambda: click_figures.auc([1, 0], [0.1, np.nan]),
            "`scores` must not be NaN. Received: 1 that are.*row 1",
        ),
        (lambda: click_figures.auc([1, 0], [0.1]), "must have one entry per row. Received: 2, 1 and 2"),
        (lambda: click_figures.log_loss([], []), "`labels` must not be empty"),
        (lambda: ClickReport("a", [1, 0], [0.1, 0.2])["ndcg"], "ndcg"),
        (lambda: ClickReport("a", [1, 0], [0.1, 0.2]).interval("ndcg"), "ndcg"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.fixture(scope="module")
def report():
    return ClickReport("mine", LABELS, SCORES, USERS)


def test_a_report_has_the_figures(report):
    assert report["auc"] == click_figures.auc(LABELS, SCORES)
    assert report["user_auc"] == pytest.approx(click_figures.user_auc(LABELS, SCORES, USERS), abs=1e-12)
    assert report["calibration_error"] == pytest.approx(click_figures.calibration_error(LABELS, SCORES))
    assert report["mean_clicked"] == pytest.approx(LABELS.mean())
    assert report.to_frame().loc["auc", "value"] == report["auc"]
    assert report.to_dict()["protocol"]["users"] == len(np.unique(USERS))
    assert "user_auc" not in ClickReport("rows", LABELS, SCORES)
    assert "auc" in repr(report)
    assert len(report.plot().axes) == 2


def test_intervals_are_over_users(report):
    """Users of two copies of each row vary as much as they do; rows drawn apart would vary less."""
    doubled = [np.tile(x, 2) for x in (LABELS, SCORES, USERS)]
    low, high = report.interval("auc")
    twice = ClickReport("twice", *doubled).interval("auc")
    assert twice[1] - twice[0] == pytest.approx(high - low, rel=0.15)
    by_rows = ClickReport("rows", doubled[0], doubled[1]).interval("auc")
    assert by_rows[1] - by_rows[0] < 0.85 * (high - low)
    assert low < report["auc"] < high


def test_a_paired_difference_is_sure_where_it_is_large(report):
    noisy = np.clip(SCORES + np.random.default_rng(1).normal(0, 0.3, len(SCORES)), 0, 1)
    worse = ClickReport("noisy", LABELS, noisy, USERS)
    difference, p_value = report.difference(worse)
    assert difference == report["auc"] - worse["auc"] > 0
    assert p_value < 0.01
    assert report.difference(report.renamed("again")) == (0.0, 1.0)
    with pytest.raises(ValueError, match="must be of the same rows"):
        report.difference(ClickReport("other", LABELS[:-1], SCORES[:-1], USERS[:-1]))
