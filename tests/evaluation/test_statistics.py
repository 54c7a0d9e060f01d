import numpy as np
import pytest
from scipy import stats

from kerasrec.evaluation import _statistics
from kerasrec.evaluation._statistics import bootstrap_intervals, holm, paired_p_values


def test_intervals_equal_those_of_scipy():
    values = np.random.default_rng(0).gamma(1.0, size=(300, 2))
    found = bootstrap_intervals(values, np.ones((300, 2)), n_resamples=4000)
    for column in range(2):
        expected = stats.bootstrap(
            (values[:, column],),
            np.mean,
            n_resamples=4000,
            method="percentile",
            random_state=np.random.default_rng(1),
        ).confidence_interval
        assert found[column] == pytest.approx(expected, abs=0.01)


def test_intervals_of_weighted_means_leave_out_weight_zero():
    generator = np.random.default_rng(0)
    values, weights = generator.normal(size=(200, 1)), generator.integers(1, 9, (200, 1)).astype(float)
    found = bootstrap_intervals(values, weights)
    extended = bootstrap_intervals(
        np.concatenate([values, np.full((50, 1), 1e6)]), np.concatenate([weights, np.zeros((50, 1))])
    )
    assert extended == pytest.approx(found, abs=0.03)
    assert found[0, 0] < np.average(values, weights=weights) < found[0, 1]


def test_many_users_in_groups_give_the_same_interval(monkeypatch):
    values = np.random.default_rng(0).gamma(1.0, size=(5000, 1))
    whole = bootstrap_intervals(values, np.ones_like(values))
    monkeypatch.setattr(_statistics, "_MAX_UNITS", 500)
    assert bootstrap_intervals(values, np.ones_like(values)) == pytest.approx(whole, abs=0.01)


def test_single_user_and_no_user():
    assert bootstrap_intervals(np.array([[0.5]]), np.array([[1.0]])).tolist() == [[0.5, 0.5]]
    assert np.isnan(bootstrap_intervals(np.zeros((3, 1)), np.zeros((3, 1)))).all()


def test_randomisation_is_exact_on_few_users():
    # Of the 2^5 ways to swap, two give a sum as large as 5.
    p = paired_p_values(np.ones((5, 1)), n_resamples=20_000)
    assert p == pytest.approx([2 / 32], abs=0.006)


@pytest.mark.parametrize("test", ["randomisation", "bootstrap"])
def test_p_values_are_near_those_of_the_t_test(test):
    generator = np.random.default_rng(1)
    differences = generator.normal(0, 1, (400, 4)) + np.array([0.0, 0.05, 0.1, 0.3])
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert paired_p_values(differences, test) == pytest.approx(expected, abs=0.015)


def test_equal_models_are_not_different():
    assert paired_p_values(np.zeros((50, 1))) == [1.0]
    assert paired_p_values(np.zeros((50, 1)), "bootstrap") == [1.0]


def test_p_values_are_uniform_where_nothing_differs(monkeypatch):
    monkeypatch.setattr(_statistics, "_MAX_UNITS", 100)
    differences = np.random.default_rng(2).laplace(size=(400, 200))
    p = paired_p_values(differences, n_resamples=500)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_holm_by_hand():
    assert holm(np.array([0.04, 0.01, 0.03, 0.5])) == pytest.approx([0.09, 0.04, 0.09, 0.5])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([])).size == 0
