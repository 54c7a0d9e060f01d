import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from kerasrec._arguments import positive_integer
from kerasrec.data import Interactions, Sequences
from kerasrec.evaluation._plan import Plan
from kerasrec.evaluation._scorers import Scorer
from kerasrec.evaluation.report import EvaluationReport


class RankingMetrics(keras.callbacks.Callback):
    """Exact ranking metrics on validation data during `model.fit`.

    The metrics are those of `kerasrec.evaluation.evaluate`. They are in `logs` as `val_ndcg@10` and so on,
    where `EarlyStopping`, `ModelCheckpoint`, TensorBoard and keras-tuner find them. Put this callback before
    those, and give them `mode="max"`.

    Args:
        validation: `Interactions` held out of training.
        train: `Interactions` that the model is trained on, which are left out of the lists. Defaults to
            `None`: nothing is left out.
        k: cut-off of the lists, or several. Defaults to `(10,)`.
        every: int, evaluate after the first epoch and then after every `every` epochs; in between, `logs` has
            the last values. Defaults to `1`.
        n_users: int, number of random users to evaluate, the same in each epoch. Defaults to `None`: all.
        metrics: names, as in `evaluate`. Defaults to `("recall", "ndcg")`.
        seed: int, for the order of ties and the choice of users. Defaults to `0`.
        exclude_seen: bool, as in `evaluate`. Defaults to `True`.
        history: as in `evaluate`. Defaults to `None`: `train`.
        columns: as in `evaluate`. Defaults to `None`.
        candidates: as in `evaluate`. Defaults to `None`: the catalogue.
        given: as in `evaluate`. Defaults to `None`.

    Attributes:
        report: the last `EvaluationReport`; `None` before the first.

    Raises:
        ValueError: as in `evaluate`, or if `every` or `n_users` is not positive.

    Example:
        >>> import keras, kerasrec
        >>> from kerasrec.data import Interactions, pairs
        >>> ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
        >>> train, held_out = Interactions([0, 0, 1], [0, 1, 1], **ids), Interactions([0, 1], [2, 0], **ids)
        >>> model = kerasrec.zoo.RecommenderV1(2, 3, n_components=2)
        >>> ranking = kerasrec.evaluation.RankingMetrics(held_out, train, k=1)
        >>> stop = keras.callbacks.EarlyStopping("val_ndcg@1", mode="max")
        >>> history = model.fit(*pairs(train), epochs=1, verbose=0, callbacks=[ranking, stop])
        >>> sorted(history.history)
        ['loss', 'root_mean_squared_error', 'val_ndcg@1', 'val_recall@1']
    """

    report: EvaluationReport | None
    _scorer: Scorer | None

    def __init__(
        self,
        validation: Interactions,
        train: Interactions | None = None,
        k: int | Sequence[int] = (10,),
        every: int = 1,
        n_users: int | None = None,
        metrics: Iterable[str] = ("recall", "ndcg"),
        seed: int = 0,
        exclude_seen: bool = True,
        history: Interactions | Sequences | None = None,
        columns: Mapping[str, Any] | None = None,
        candidates: Interactions | None = None,
        given: Interactions | None = None,
    ) -> None:
        super().__init__()
        self.every = positive_integer("every", every)
        if n_users is not None:
            n_users = positive_integer("n_users", n_users)
        self._plan = Plan(
            validation,
            train,
            k,
            metrics,
            exclude_seen=exclude_seen,
            seed=seed,
            n_users=n_users,
            history=history,
            columns=columns,
            candidates=candidates,
            given=given,
        )
        self._forget()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Discard the report of an earlier training."""
        self._forget()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate, and write the metrics to `logs`."""
        if self.report is None or (epoch + 1) % self.every == 0:
            folds = self._plan.given is not None  # folding in depends on the current weights
            if self._scorer is None or folds:  # not earlier: the first batch may build a subclassed model
                self._scorer = self._plan.scorer(self.model)
            self.report = self._plan.run(self.model, scorer=self._scorer)
        if logs is not None:
            logs.update({f"val_{name}": self.report[name] for name in self.report.metrics})

    def measure(self, model: keras.Model) -> EvaluationReport:
        """The report of another model, such as popularity, on the same users.

        Args:
            model: a model that `kerasrec.evaluation.evaluate` takes.

        Returns:
            `EvaluationReport`.
        """
        return self._plan.run(model)

    def __deepcopy__(self, memo: dict[int, Any]) -> "RankingMetrics":
        """A callback for another model, which keras-tuner makes for each trial; the data is shared."""
        other = copy.copy(self)
        other._forget()
        return other

    def _forget(self) -> None:
        self.report = None
        self._scorer = None
