"""Closed forms of an optimizer's updates of a row in the steps that do not read it.

The gradient of a row that is not read is zero. Its slots then only decay, by a factor `f` per step, and the
row moves with its momentum: in the j-th missed step by `a_j m f_m^j / (D f_D^j + epsilon)`, where `m` is the
slot that moves it, `D` the denominator and `a_j` a factor that depends only on the step. With
`r = f_m / f_D`, the moves of `k` steps after step `t` are `m / (D + epsilon)` times

    sum_{j=1..k} a_{t+j} r^j = T(t) - r^k T(t+k),    T(t) = r (a_{t+1} + T(t+1)),

where `T` may be 0 after the last step. Weight decay by `q_t = 1 - learning rate * decay` divides `r` by
`q_{t+1}`, and multiplies the sum by the share of a weight that remains. If `epsilon` is the whole
denominator, `r` is `f_m`. Between these two cases the sum is nearly linear in `epsilon / (D + epsilon)`: for
Adam with its usual settings, to within 1e-5 of the move.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np

# Moves smaller than this share of the first one count as none.
_NEGLIGIBLE = 1e-8

Slots = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """The closed form of an optimizer's update under a gradient of zero.

    Attributes:
        decays: decay factor per step, by the name of a list of slots; slots that do not decay are left out.
        mover: the name of the slots that move rows; `None` if nothing moves them.
        ratio: `r` as above; below 1.
        factor: function of learning rates and step numbers, which start at 1, that returns `a` in float64.
        denominator: function of a row's slots and a module of functions (`numpy`, `jax.numpy` or
            `tensorflow`) that returns `D`; `None` if the denominator is 1.
        epsilon: float.
        epsilon_factor: function of step numbers that returns the factor of `epsilon`; `None` for 1.
        ratio_at_epsilon: `r` if `epsilon` is the whole denominator; `None` if that makes no difference.
        weight_decay: float or `None`, that of the optimizer.
    """

    decays: dict[str, float] = field(default_factory=dict)
    mover: str | None = None
    ratio: float = 0.0
    factor: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    denominator: Callable[[Slots, Any], Any] | None = None
    epsilon: float = 0.0
    epsilon_factor: Callable[[np.ndarray], np.ndarray] | None = None
    ratio_at_epsilon: float | None = None
    weight_decay: float | None = None

    @property
    def idle(self) -> bool:
        """Whether a gradient of zero changes nothing at all."""
        return not self.decays and self.mover is None and not self.weight_decay

    @property
    def ratios(self) -> list[float]:
        """The one or two values of `r` whose sums are computed."""
        if self.mover is None:
            return []
        return [self.ratio] if self.ratio_at_epsilon is None else [self.ratio, self.ratio_at_epsilon]

    @property
    def columns(self) -> int:
        """The number of columns of a table of the sums.

        There is one for each ratio; with weight decay another for each ratio and one for its logarithm; and
        one for the factor of epsilon.
        """
        decays = bool(self.weight_decay)
        return len(self.ratios) * (1 + decays) + decays + (self.epsilon_factor is not None)

    @property
    def reach(self) -> int:
        """The number of steps for which a row still moves after it was read, apart from weight decay."""
        ratio = max(self.ratios, default=0.0)
        return math.ceil(math.log(_NEGLIGIBLE) / math.log(ratio)) if ratio else 0


class Gap(NamedTuple):
    """The updates that rows missed, as arrays `[R]`.

    Attributes:
        powers: by decay factor, the share of a slot that remains.
        moves: the sum for each of the form's `ratios`.
        decayed_moves: the same with weight decay.
        kept: share of a weight that remains after weight decay; `None` without it.
        epsilon: `epsilon` in these steps; a scalar if it is constant.
    """

    powers: dict[float, Any]
    moves: list[Any]
    decayed_moves: list[Any]
    kept: Any
    epsilon: Any


def form_of(optimizer: Any) -> Form | None:
    """The closed form of an optimizer; `None` if it has none."""
    maker = _FORMS.get(type(optimizer))
    form = None if maker is None else maker(optimizer)
    if form is None or not all(0 <= ratio < 1 for ratio in form.ratios):
        return None
    return None if callable(optimizer._learning_rate) and not _is_schedule(optimizer) else form


def why_no_form(optimizer: Any) -> str | None:
    """Why the updates that a row missed cannot be applied later; `None` if they can."""
    if form_of(optimizer) is not None:
        return None
    name = type(optimizer).__name__
    if type(optimizer) not in _FORMS:
        return f"{name} has no closed form of its update for rows that were not read"
    if callable(optimizer._learning_rate) and not _is_schedule(optimizer):
        return "its learning rate is a function that cannot be called for other steps"
    return f"{name} with these settings has no closed form of its update for rows that were not read"


def gap(form: Form, xp: Any, missed: Any, settled: Any, then: Any, now: Any) -> Gap:
    """The updates that rows missed.

    Args:
        form: the closed form.
        xp: a module that has `exp`.
        missed: `[R]` float32, number of steps that each row missed.
        settled: `[R]` float32, number of these steps that the weights already include.
        then: for each column of the table of sums, its value `[R]` in the step that the weights have reached.
        now: for each column, its current value, a scalar.
    """
    powers = {factor: _power(xp, factor, missed) for factor in set(form.decays.values())}
    kept, n = None, len(form.ratios)
    if form.weight_decay:
        kept = xp.exp(now[2 * n] - then[2 * n])
    moves, decayed = [], []
    for i, ratio in enumerate(form.ratios):
        before, after = _power(xp, ratio, settled), _power(xp, ratio, missed)
        moves.append(before * then[i] - after * now[i])
        if kept is not None:
            decayed.append(kept * before * then[n + i] - after * now[n + i])
    epsilon = form.epsilon if form.epsilon_factor is None else then[-1] * np.float32(form.epsilon)
    return Gap(powers, moves, decayed, kept, epsilon)


def catch_up_weights(form: Form, xp: Any, weights: Any, slots: Slots, gap: Gap, decayed: bool) -> Any:
    """Rows of weights, brought up to date; `slots` are those of the last step that read the rows.

    Args:
        form: the closed form.
        xp: a module of functions.
        weights: `[R, ...]`.
        slots: by name, `[R, ...]`.
        gap: the updates that the rows missed.
        decayed: bool, whether the optimizer's weight decay applies to this table.
    """
    decayed = decayed and gap.kept is not None
    if decayed:
        weights = weights * _column(gap.kept, weights)
    if form.mover is None:
        return weights
    sums = [_column(moves, weights) for moves in (gap.decayed_moves if decayed else gap.moves)]
    direction = slots[form.mover]
    if form.denominator is None:
        return weights - direction * sums[0]
    epsilon = gap.epsilon if form.epsilon_factor is None else _column(gap.epsilon, weights)
    denominator = form.denominator(slots, xp) + epsilon
    total = sums[0]
    if len(sums) > 1:
        total = total + (epsilon / denominator) * (sums[1] - sums[0])
    return weights - direction / denominator * total


def catch_up_slots(form: Form, slots: Slots, gap: Gap) -> Slots:
    """Rows of slots, by name, brought up to date."""
    return {
        name: rows * _column(gap.powers[form.decays[name]], rows) if name in form.decays else rows
        for name, rows in slots.items()
    }


def _power(xp: Any, factor: float, steps: Any) -> Any:
    return xp.exp(steps * np.float32(math.log(max(factor, 1e-30))))


def _column(per_row: Any, rows: Any) -> Any:
    """`[R]` as `[R, 1, ...]`, with as many axes as `rows`."""
    return per_row[(slice(None), *[None] * (len(rows.shape) - 1))]


def _is_schedule(optimizer: Any) -> bool:
    return isinstance(
        optimizer._learning_rate, (keras.optimizers.schedules.LearningRateSchedule, keras.Variable)
    )


def _sgd(optimizer: Any) -> Form:
    momentum, decay = float(optimizer.momentum), optimizer.weight_decay
    if not momentum:
        return Form(weight_decay=decay)
    move = -momentum if optimizer.nesterov else -1.0
    return Form(
        {"momentums": momentum},
        "momentums",
        momentum,
        lambda rate, step: np.full(len(step), move),
        weight_decay=decay,
    )


def _rmsprop(optimizer: Any) -> Form:
    decays = {"_velocities": float(optimizer.rho)}
    if optimizer.centered:
        decays["_average_gradients"] = float(optimizer.rho)
    if not optimizer.momentum:
        return Form(decays, weight_decay=optimizer.weight_decay)
    momentum = float(optimizer.momentum)
    return Form(
        {**decays, "_momentums": momentum},
        "_momentums",
        momentum,
        lambda rate, step: np.ones(len(step)),
        weight_decay=optimizer.weight_decay,
    )


def _adagrad(optimizer: Any) -> Form:
    return Form(weight_decay=optimizer.weight_decay)


def _adadelta(optimizer: Any) -> Form:
    rho = float(optimizer.rho)
    return Form(
        {"_accumulated_grads": rho, "_accumulated_delta_vars": rho}, weight_decay=optimizer.weight_decay
    )


def _adam(optimizer: Any) -> Form | None:
    beta_1, beta_2 = float(optimizer.beta_1), float(optimizer.beta_2)
    maximum = getattr(optimizer, "amsgrad", False)  # the maximum of the velocities does not decay
    second = "_velocity_hats" if maximum else "_velocities"
    return _with_denominator(
        optimizer,
        {"_momentums": beta_1, "_velocities": beta_2},
        "_momentums",
        lambda slots, xp: xp.sqrt(slots[second]),
        1.0 if maximum else math.sqrt(beta_2),
        lambda rate, step: rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step),
    )


def _nadam(optimizer: Any) -> Form | None:
    beta_1, beta_2 = float(optimizer.beta_1), float(optimizer.beta_2)

    def factor(rate: np.ndarray, step: np.ndarray) -> np.ndarray:
        u = beta_1 * (1 - 0.5 * 0.96 ** np.arange(1, 5001))  # constant afterwards, and the product is 0
        following = np.minimum(step, 4999).astype(int)
        corrected = rate * u[following] / (1 - np.cumprod(u)[following])
        return np.asarray(corrected * np.sqrt(1 - beta_2**step))

    return _with_denominator(
        optimizer,
        {"_momentums": beta_1, "_velocities": beta_2},
        "_momentums",
        lambda slots, xp: xp.sqrt(slots["_velocities"]),
        math.sqrt(beta_2),
        factor,
        lambda step: np.sqrt(1 - beta_2**step),
    )


def _adamax(optimizer: Any) -> Form | None:
    beta_1, beta_2 = float(optimizer.beta_1), float(optimizer.beta_2)
    return _with_denominator(
        optimizer,
        {"_m": beta_1, "_u": beta_2},
        "_m",
        lambda slots, xp: slots["_u"],
        beta_2,
        lambda rate, step: rate / (1 - beta_1**step),
    )


def _with_denominator(
    optimizer: Any,
    decays: dict[str, float],
    mover: str,
    denominator: Callable[[Slots, Any], Any],
    denominator_decay: float,
    factor: Callable[[np.ndarray, np.ndarray], np.ndarray],
    epsilon_factor: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Form | None:
    if not denominator_decay:
        return None
    epsilon, at_epsilon = float(optimizer.epsilon), decays[mover]
    both = epsilon > 0 and denominator_decay < 1
    return Form(
        decays,
        mover,
        at_epsilon / denominator_decay,
        factor,
        denominator,
        epsilon,
        epsilon_factor,
        at_epsilon if both else None,
        optimizer.weight_decay,
    )


_FORMS: dict[type, Callable[[Any], Form | None]] = {
    keras.optimizers.SGD: _sgd,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.Adagrad: _adagrad,
    keras.optimizers.Adadelta: _adadelta,
    keras.optimizers.Adam: _adam,
    keras.optimizers.AdamW: _adam,
    keras.optimizers.Nadam: _nadam,
    keras.optimizers.Adamax: _adamax,
}
