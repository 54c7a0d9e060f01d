import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.src.engine.trial import Trial, TrialStatus

from kerasrec import zoo
from kerasrec._arguments import positive_integer
from kerasrec._seeds import set_random_seed
from kerasrec.evaluation import ClickComparison, Comparison
from kerasrec.tuning._data import Data
from kerasrec.tuning._plan import Plan
from kerasrec.tuning._record import Record
from kerasrec.tuning._test_set import test_set
from kerasrec.tuning.hyper_recommender import HyperRecommender

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_LEAST_TRIALS = 4


class SearchResult:
    """The result of a search: the best hyperparameters, the best model, and all trials.

    `kerasrec.tuning.search` returns it.

    Args:
        plan: the search.
        oracle: the oracle, which has the trials.

    Attributes:
        objective: name of the metric that was optimised.
        direction: `"max"` or `"min"`.
        directory: folder of the search.

    Raises:
        RuntimeError: if no trial gave a result.
    """

    def __init__(self, plan: Plan, oracle: Any) -> None:
        self._plan = plan
        self.objective, self.direction = plan.objective.name, plan.objective.direction
        self.directory = plan.folder
        self._started = dict(oracle.started)
        self._trials: list[Trial] = [oracle.trials[trial_id] for trial_id in oracle.start_order]
        self._progress = {t.trial_id: Record(plan.folder, t.trial_id).read() for t in self._trials}
        done = [trial for trial in self._trials if trial.status == TrialStatus.COMPLETED]
        if not done:
            reasons = "; ".join(f"{x}: {p.reason}" for x, p in self._progress.items() if p.reason)
            raise RuntimeError(f"No trial of the search gave a result. {reasons or 'None has ended'}.")
        sign = 1 if self.direction == "max" else -1
        self._best = max(done, key=lambda trial: sign * trial.score)
        self._default_epochs: int | None = None
        self._tested: Comparison | ClickComparison | None = None

    @property
    def tested(self) -> Comparison | ClickComparison | None:
        """The result of the last `refit`; `None` before the first."""
        return self._tested

    @property
    def best_trial(self) -> str:
        """Id of the best trial."""
        return str(self._best.trial_id)

    @property
    def best_score(self) -> float:
        """The objective of the best trial."""
        return float(self._best.score)

    @property
    def best_hyperparameters(self) -> dict[str, Any]:
        """The settings of the best trial, as `kerasrec.zoo.create` and the training take them."""
        return self._plan.settings(self._best.hyperparameters)

    @property
    def interactions(self) -> Data:
        """The data of the search: training and validation data together."""
        return self._plan.whole

    @property
    def overhead(self) -> float:
        """Share of the search time spent neither on training (with compilation) nor on evaluation."""
        inside = sum(progress.seconds for progress in self._progress.values())
        outside = sum(progress.outside for progress in self._progress.values())
        return outside / (inside + outside) if inside + outside else 0.0

    def best_model(self, retrain: bool = False) -> keras.Model:
        """The best model, built, trained and compiled.

        Args:
            retrain: bool, whether to train it again on training and validation data together, for the best
                number of epochs; this is done only once. Defaults to `False`: the weights of the best epoch,
                trained without the validation data.

        Returns:
            `keras.Model`.

        Raises:
            FileNotFoundError: if its weights are no longer in the folder.
        """
        if retrain:
            return self._retrained
        set_random_seed(self._plan.seed)
        model = self._plan.hypermodel.build(self._best.hyperparameters.copy())
        if not Record(self._plan.folder, self.best_trial).load_best(model):
            raise FileNotFoundError(
                f"The best weights are no longer in {str(self.directory)!r}. "
                "`best_model(retrain=True)` trains the model again."
            )
        return model

    def frame(self) -> "pd.DataFrame":
        """All trials, one per row.

        Returns:
            Frame with `trial`, `status` (`"completed"`, `"pruned"`, `"failed"`), `score`, `started` (UTC),
            `epochs`, and one column per hyperparameter, which is empty if it was not used.
        """
        import pandas as pd

        rows = []
        for trial in self._trials:
            progress = self._progress[trial.trial_id]
            rows.append(
                {
                    "trial": trial.trial_id,
                    "status": progress.status,
                    "score": np.nan if trial.score is None else float(trial.score),
                    "started": pd.Timestamp(self._started[trial.trial_id]),
                    "epochs": len(progress.values),
                    **self._plan.settings(trial.hyperparameters),
                }
            )
        return pd.DataFrame(rows)

    def reasons(self) -> dict[str, str]:
        """Why trials failed, by trial id."""
        return {trial_id: p.reason for trial_id, p in self._progress.items() if p.status == "failed"}

    def importance(self) -> "pd.Series[float]":
        """How much each hyperparameter affects the objective: permutation importance of a random forest.

        Returns:
            Series by hyperparameter, largest first: the decrease of the R2 of a forest fitted to the trials
            when the values are shuffled. With few trials it means little.

        Raises:
            ValueError: if fewer than four trials have a score.
        """
        import pandas as pd
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.inspection import permutation_importance

        x, y = self._table()
        if len(y) < _LEAST_TRIALS:
            raise ValueError(
                f"Importance needs at least {_LEAST_TRIALS} trials with a score. Received: {len(y)}."
            )
        forest = RandomForestRegressor(200, random_state=0).fit(x.to_numpy(), y)
        found = permutation_importance(forest, x.to_numpy(), y, n_repeats=20, random_state=0)
        means = pd.Series(found.importances_mean, x.columns, name="importance")
        return means.sort_values(ascending=False)

    def plot(self) -> "Figure":
        """The history of the search, its trials in parallel coordinates, and the importances."""
        from kerasrec.tuning._plots import plot

        return plot(self)

    def report(self, path: Any) -> None:
        """Write everything to one self-contained HTML page, including the test if `refit` has run.

        Args:
            path: the file, ending in `.html`.

        Raises:
            ValueError: if `path` does not end in `.html`.
        """
        from kerasrec.tuning._page import write_page

        write_page(self, path)

    def refit(
        self,
        test: Any,
        k: int | None = None,
        metrics: Iterable[str] | None = None,
        baselines: Any = None,
        rivals: "Mapping[str, SearchResult] | None" = None,
        seeds: int = 1,
        tell: Callable[[str], None] | None = None,
    ) -> Comparison | ClickComparison:
        """Evaluate the best hyperparameters and the defaults on a test set that the search has not seen.

        The best model and a model with the recipe are trained again on all data of the search, each for its
        best number of epochs on the validation data. The recipe is used unchanged, whatever was fixed in the
        search. Both models are evaluated once, next to baselines. The comparison uses the objective if it has
        one value per user, otherwise the first NDCG. If the tuned model is not the best, a note has the
        p-values of its differences from the others. A warning says if it is not significantly better than the
        defaults.

        Args:
            test: `Interactions` over the same vocabularies; `Impressions` of the same columns if the search
                used impressions, without `k` and `metrics`.
            k: int, cut-off of the lists. Defaults to `None`: that of the objective, or 10.
            metrics: names as in `kerasrec.evaluation.evaluate`. Defaults to `None`: NDCG and recall, or RMSE
                and MAE if ratings were the objective.
            baselines: as in `kerasrec.evaluation.compare`; for impressions, names of click models, which are
                trained with their recipes. Defaults to `None`: those of `compare`, or `logistic_regression`
                for impressions.
            rivals: `SearchResult` of other models on the same data, by name. Their best models are trained
                again and join the comparison. Defaults to `None`.
            seeds: int, number of seeds with which the best model and the defaults are trained. The table has
                the result of the first, and a note the means over all. Defaults to `1`.
            tell: function that gets one line when a model is trained and measured, with what is left to do,
                e.g. `print`; the cheapest model comes first. Defaults to `None`.

        Returns:
            `Comparison` of `"tuned"`, `"default"`, the rivals and the baselines; `ClickComparison` for
            impressions.

        Raises:
            ValueError: if `test` is empty or has other ids, or if `k`, `metrics` or `seeds` is invalid.
        """
        seeds = positive_integer("seeds", seeds)
        tests = test_set(test, self._plan.whole, self._plan.objective, k, metrics)
        makers: dict[str, Callable[[], keras.Model]] = {
            "tuned": functools.partial(self.best_model, retrain=True),
            "default": functools.partial(self._default_model, self._plan.seed),
        }
        makers |= {
            name: functools.partial(rival.best_model, retrain=True) for name, rival in (rivals or {}).items()
        }
        searches = {"tuned": self, "default": self, **(rivals or {})}
        table = self._compared(tests, makers, searches, baselines, tell)
        if table.best != "tuned":
            said = ", ".join(f"{name} {p:.4f}" for name, p in table.against("tuned").items())
            table.notes.append(f"p of the differences from tuned, in {table.metric}: {said}.")
        if seeds > 1:
            table.notes.append(self._over_seeds(table, tests, seeds))
        pair: Any = tests.compared([table.reports[name] for name in ("tuned", "default")])
        if pair.best != "tuned" or pair.ties:
            values = " and ".join(
                f"{name} {report[table.metric]:.4f}" for name, report in pair.reports.items()
            )
            warnings.warn(
                f"Tuning gained nothing significant on the test set: {table.metric} of {values} "
                f"(p={next(iter(pair.p_values.values())):.3f}).",
                stacklevel=2,
            )
        self._tested = table
        return table

    def _compared(
        self,
        tests: Any,
        makers: dict[str, Callable[[], keras.Model]],
        searches: "Mapping[str, SearchResult]",
        baselines: Any,
        tell: Callable[[str], None] | None,
    ) -> Any:
        """Train and measure the models and baselines, the cheapest first."""
        notes: list[str] = []
        added = tests.baselines(baselines, makers, notes)
        models = {name: search._model_name for name, search in searches.items()} | {x: x for x in added}
        makers |= added
        known = [model for model in models.values() if model is not None]
        place = {model: i for i, model in enumerate(zoo.by_cost(known))}
        order = sorted(makers, key=lambda name: place.get(models[name] or "", len(place)))
        reports = tests.measured({name: makers[name] for name in order}, tell)
        fitted = [x for x, model in models.items() if model and zoo.card(model).optimizer is None]
        return tests.compared([reports[name] for name in makers], [*fitted, *added], notes)

    @property
    def _model_name(self) -> str | None:
        """Name of the model in the zoo; `None` for other models."""
        models = self._plan.hypermodel
        return models.card.name if isinstance(models, HyperRecommender) else None

    def _over_seeds(self, table: Any, tests: Any, seeds: int) -> str:
        """The metric of the comparison for the best and the default settings, trained with several seeds."""
        figures = {name: [table.reports[name][table.metric]] for name in ("tuned", "default")}
        for seed in range(self._plan.seed + 1, self._plan.seed + seeds):
            best = self._plan.retrained(self._best.hyperparameters, self._best.best_step + 1, seed)
            for name, model in (("tuned", best), ("default", self._default_model(seed))):
                figures[name].append(tests.figure(model, table.metric))
        said = [
            f"{name} {np.mean(values):.4f} ({', '.join(f'{value:.4f}' for value in values)})"
            for name, values in figures.items()
        ]
        return f"{table.metric} over {seeds} seeds: {'; '.join(said)}."

    def _default_model(self, seed: int) -> keras.Model:
        """A model with the defaults (the recipe, for a model of the zoo), trained for its best epochs."""
        plan, hp = self._plan, keras_tuner.HyperParameters()
        models = plan.hypermodel
        if isinstance(models, HyperRecommender):
            plan = dataclasses.replace(plan, hypermodel=models.with_defaults())
        else:
            for entry in self._trials[0].hyperparameters.space:
                hp._retrieve(entry)
        if self._default_epochs is None:
            self._default_epochs = self._tried_defaults(hp) or plan.best_epoch(hp) + 1
        return plan.retrained(hp, self._default_epochs, seed)

    def _tried_defaults(self, hp: keras_tuner.HyperParameters) -> int | None:
        """The best number of epochs of a trial with the defaults, if there was one."""
        models = self._plan.hypermodel
        for trial in self._trials:
            settings = self._plan.settings(trial.hyperparameters)
            if isinstance(models, HyperRecommender):
                same = models.are_defaults(settings)
            else:
                same = settings == self._plan.settings(hp)
            if same and trial.status == TrialStatus.COMPLETED:
                return int(trial.best_step) + 1
        return None

    def _table(self) -> tuple["pd.DataFrame", np.ndarray]:
        """Hyperparameters of the trials with a score, as numbers, and the scores."""
        import pandas as pd

        frame = self.frame().dropna(subset=["score"])
        columns = frame.drop(columns=["trial", "status", "score", "started", "epochs"])
        numbers = {}
        for name, column in columns.items():
            number = pd.to_numeric(column, errors="coerce").astype(float)
            codes = column.astype(str).astype("category").cat.codes.astype(float)
            numbers[name] = number.fillna(number.median()) if number.notna().any() else codes
        return pd.DataFrame(numbers, index=frame.index), frame["score"].to_numpy()

    @cached_property
    def _retrained(self) -> keras.Model:
        return self._plan.retrained(self._best.hyperparameters, self._best.best_step + 1, self._plan.seed)

    def __repr__(self) -> str:
        return (
            f"SearchResult({len(self._trials)} trials, best {self.objective}={self.best_score:.4f}, "
            f"{self.best_hyperparameters})"
        )
