"""Bootstrap intervals and paired tests over users."""

from collections.abc import Iterator

import numpy as np

# With more users than this, random groups of users are drawn: the variance is the same at a bounded cost.
_MAX_UNITS = 10_000
_CHUNK = 100


def bootstrap_intervals(
    values: np.ndarray, weights: np.ndarray, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Percentile intervals of weighted means; users are drawn with replacement.

    Args:
        values: `[U, M]`, one column per metric.
        weights: `[U, M]`; 0 for a user without a value.
        level: share of the resampled means inside the interval. Defaults to `0.95`.
        n_resamples: int. Defaults to `1000`.
        seed: int. Defaults to `0`.

    Returns:
        `[M, 2]`, lower and upper ends; NaN if no user has a value.
    """
    totals = _units(np.where(weights > 0, values * weights, 0.0), seed)
    sizes = _units(weights, seed)
    with np.errstate(invalid="ignore"):  # a resample in which no user has a value has no mean
        means = np.concatenate(
            [(draws @ totals) / (draws @ sizes) for draws in _resamples(len(totals), n_resamples, seed)]
        )
    tail = (1 - level) / 2
    ends = np.full((means.shape[1], 2), np.nan)
    for end, column in zip(ends, means.T, strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            end[:] = np.quantile(known, [tail, 1 - tail])
    return ends


def paired_p_values(
    differences: np.ndarray, test: str = "randomisation", n_resamples: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Two-sided p-values of the hypothesis that a mean difference is zero.

    Args:
        differences: `[U, M]`, differences of two models per user, one column per comparison.
        test: `"randomisation"` swaps the values of the two models for random users; `"bootstrap"` draws users
            with replacement from differences shifted to mean zero. Defaults to `"randomisation"`.
        n_resamples: int. Defaults to `10000`.
        seed: int. Defaults to `0`.

    Returns:
        `[M]`.

    References:
        Smucker, Allan and Carterette, "A comparison of statistical significance tests for information
        retrieval evaluation", 2007.
    """
    units = _units(differences, seed)
    observed = np.abs(units.sum(axis=0))
    if test == "bootstrap":
        units = units - units.mean(axis=0)
        resampled = (draws @ units for draws in _resamples(len(units), n_resamples, seed))
    else:
        resampled = (signs @ units for signs in _signs(len(units), n_resamples, seed))
    # Sums in another order differ in the last bits; such ties count as equal.
    cut = observed * (1 - 1e-9)
    as_large = sum((np.abs(sums) >= cut).sum(axis=0) for sums in resampled)
    return (1 + as_large) / (1 + n_resamples)


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted for multiple tests by Holm's method.

    `adjusted_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))`, `p_(1) <= ... <= p_(m)`.

    References:
        Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p_values)[order]))
    return adjusted


def _units(columns: np.ndarray, seed: int) -> np.ndarray:
    """Sums of at most `_MAX_UNITS` random groups of rows; the rows themselves if there are fewer."""
    columns = np.asarray(columns, np.float64)
    if len(columns) <= _MAX_UNITS:
        return columns
    group = np.random.default_rng([seed, len(columns)]).permutation(len(columns)) % _MAX_UNITS
    return np.stack([np.bincount(group, column, _MAX_UNITS) for column in columns.T], axis=1)


def _resamples(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Number of times that each of n units is drawn, in blocks of rows `[<= _CHUNK, n]`."""
    generator = np.random.default_rng(seed)
    for start in range(0, n_resamples, _CHUNK):
        rows = min(_CHUNK, n_resamples - start)
        drawn = generator.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _signs(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Random signs in blocks of rows `[<= _CHUNK, n]`."""
    generator = np.random.default_rng(seed)
    for start in range(0, n_resamples, _CHUNK):
        rows = min(_CHUNK, n_resamples - start)
        bits = np.unpackbits(np.frombuffer(generator.bytes(rows * -(-n // 8)), np.uint8))
        yield 1.0 - 2.0 * bits.reshape(rows, -1)[:, :n]
