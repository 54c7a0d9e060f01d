from collections.abc import Iterable

import numpy as np

from kerasrec.data._columns import shown
from kerasrec.evaluation import _measures
from kerasrec.evaluation._figure import Figure
from kerasrec.evaluation._judged import Judged
from kerasrec.evaluation._protocol import said_users
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._slices import Population
from kerasrec.evaluation.report import EvaluationReport


def merge(reports: Iterable[EvaluationReport]) -> EvaluationReport:
    """Merge reports of `evaluate` on different users into one.

    `evaluate(users=...)` evaluates some of the users, so several processes or machines can share the work.
    The result equals that of one `evaluate` for all these users: metrics, intervals, slices and protocol.
    Coverage and Gini are computed from all lists together.

    Args:
        reports: reports of one model on one test set, in any order.

    Returns:
        `EvaluationReport`.

    Raises:
        TypeError: if a report is not an `EvaluationReport`.
        ValueError: if there is no report; if two of them share a user, or differ in the model's name, the
            data, the metrics or the rest of the protocol; or if fixed candidates were ranked.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import Interactions
        >>> from kerasrec.evaluation import evaluate, merge
        >>> ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
        >>> train, test = Interactions([0, 0, 1], [0, 1, 1], **ids), Interactions([0, 1], [2, 0], **ids)
        >>> model = kerasrec.zoo.create("popularity", train)
        >>> parts = [evaluate(model, test, train, users=[user]) for user in ("bob", "ann")]
        >>> merge(parts).per_user("recall@10").to_dict()
        {'ann': 1.0, 'bob': 1.0}
    """
    parts = list(reports)
    _check(parts)
    first = parts[0]
    populations = [part._population for part in parts]
    users = np.concatenate([population.users for population in populations])
    order = np.argsort(users, kind="stable")
    users = users[order]
    twice = users[1:][users[1:] == users[:-1]]
    if len(twice):
        raise ValueError(
            "`reports` must have different users. "
            f"Received: {len(twice)} in more than one, first {shown(first._population.user_ids[twice[0]])}."
        )
    judged = _judged([population.judged for population in populations], order)
    histories = [population.histories for population in populations if population.histories is not None]
    population = Population(
        users,
        first._population.user_ids,
        first._population.item_ids,
        judged,
        np.concatenate(histories)[order] if histories else None,
        first._population.popularity,
    )
    figures = {name: _figure(name, parts, population, order) for name in first.metrics}
    protocol = first.protocol | {"users": said_users(users, judged is not None)}
    return EvaluationReport(first.name, protocol, figures, population)


def _check(parts: list[EvaluationReport]) -> None:
    if not parts:
        raise ValueError("`reports` must have at least one report. Received: none.")
    for part in parts:
        if not isinstance(part, EvaluationReport):
            raise TypeError(f"`reports` must be `EvaluationReport`s. Received: {type(part).__name__}.")
    first = parts[0]
    if first.protocol["catalogue"].startswith("sampled"):
        raise ValueError(
            "`reports` must rank the whole catalogue, because reports on `candidates` do not have the "
            "candidates of all users; evaluate all users at once. Received: "
            f"{first.protocol['catalogue']}."
        )
    for part in parts[1:]:
        for what, received in (
            ("of one model", (first.name, part.name)),
            ("of the same metrics", (", ".join(first.metrics), ", ".join(part.metrics))),
        ):
            if received[0] != received[1]:
                raise ValueError(f"`reports` must be {what}. Received: {received[0]!r} and {received[1]!r}.")
        for key in (first.protocol | part.protocol).keys() - {"users"}:
            said = [report.protocol.get(key, "nothing") for report in (first, part)]
            if said[0] != said[1]:
                raise ValueError(
                    f"`reports` must have the same protocol, apart from the users. Received: {key!r} is "
                    f"{said[0]!r} and {said[1]!r}."
                )
        for side in ("user_ids", "item_ids"):
            ids = [getattr(report._population, side) for report in (first, part)]
            if ids[0] is not ids[1] and not np.array_equal(*ids):
                raise ValueError(f"`reports` must be of one test set. Received: different `{side}`.")


def _judged(parts: list[Judged | None], order: np.ndarray) -> Judged | None:
    """Lists and relevant items of all users."""
    held = [part for part in parts if part is not None]
    if not held:
        return None
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    counts = np.concatenate([part.n_relevant for part in held])
    relevant = Ragged(
        np.repeat(place, counts),
        np.concatenate([part.relevant.items for part in held]),
        len(order),
        np.concatenate([part.relevant.values for part in held]),
    )
    return Judged(np.concatenate([part.lists for part in held])[order], relevant)


def _figure(name: str, parts: list[EvaluationReport], population: Population, order: np.ndarray) -> Figure:
    figures = [part.figure(name) for part in parts]
    if figures[0].values is None:
        measure, _, k = name.partition("@")
        lists = population.judged.lists[:, : int(k)] if population.judged is not None else np.empty((0, 0))
        return Figure(None, whole=_measures.OF_ALL_LISTS[measure](lists, len(population.item_ids)))
    values = np.concatenate([figure.values for figure in figures if figure.values is not None])
    weights = [figure.weights for figure in figures if figure.weights is not None]
    return Figure(values[order], np.concatenate(weights)[order] if weights else None, figures[0].root)
