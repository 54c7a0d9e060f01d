"""The progress of a search: one table that lives, or a line a trial where nobody can see it move."""

import time
from pathlib import Path
from typing import Any

from kerasrec.tuning._record import Record

_ROWS = 8
_EVERY = 0.1


class Display:
    """What a search says while it runs.

    Args:
        oracle: of `_oracles`.
        folder: of the search.
        max_trials: int or `None`, where nobody knows.
        verbose: bool.
    """

    def __init__(self, oracle: Any, folder: Path, max_trials: int | None, verbose: bool) -> None:
        from rich.console import Console

        self.oracle, self.folder = oracle, folder
        self.max_trials = max_trials
        self._console = Console(stderr=True, quiet=not verbose)
        self._live: Any = None
        self._begin = self._shown = time.monotonic()
        self._done_before = len(oracle.end_order)
        self._told = self._done_before

    def __enter__(self) -> "Display":
        if self._console.is_terminal and not self._console.quiet:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.tick(at_once=True)
        if self._live is not None:
            self._live.stop()

    def tick(self, at_once: bool = False) -> None:
        """Show how things are."""
        if self._console.quiet:
            return
        if self._live is None:
            for trial_id in self.oracle.end_order[self._told :]:
                self._console.print(self._line(trial_id), markup=False, highlight=False, soft_wrap=True)
            self._told = len(self.oracle.end_order)
        elif at_once or time.monotonic() - self._shown >= _EVERY:
            self._shown = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def left(self) -> float | None:
        """Seconds that the search will take, by the mean of what trials took; `None` where unknown."""
        done = len(self.oracle.end_order) - self._done_before
        if not done or self.max_trials is None:
            return None
        return (time.monotonic() - self._begin) / done * (self.max_trials - len(self.oracle.end_order))

    def _line(self, trial_id: str) -> str:
        trial = self.oracle.trials[trial_id]
        progress = Record(self.folder, trial_id).read()
        left = self.left()
        of = f" of {self.max_trials}" if self.max_trials else ""
        value = progress.reason if trial.score is None else f"{self.oracle.objective.name} {trial.score:.4f}"
        return (
            f"Trial {trial_id}{of}: {progress.status}, {value}, best {self._best()}"
            f" ({_settings(trial)}){'' if left is None else f', {_clock(left)} left'}"
        )

    def _best(self) -> str:
        trials = self.oracle.get_best_trials(1)
        return f"{trials[0].score:.4f}" if trials and trials[0].score is not None else "none"

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        objective = self.oracle.objective.name
        left = self.left()
        of = "" if self.max_trials is None else f" of {self.max_trials}"
        title = f"{len(self.oracle.end_order)}{of} trials, best {objective} {self._best()}"
        title += "" if left is None else f", {_clock(left)} left"
        table = Table(title=title, title_justify="left", title_style="bold")
        for name, justify in (
            ("trial", "left"),
            ("status", "left"),
            ("epoch", "right"),
            ("current", "right"),
            ("best", "right"),
            ("hyperparameters", "left"),
        ):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        best = max if self.oracle.objective.direction == "max" else min
        for trial_id in list(self.oracle.start_order)[-_ROWS:]:
            progress = Record(self.folder, trial_id).read()
            values = progress.values
            table.add_row(
                trial_id,
                progress.status,
                f"{len(values)}/{progress.epochs}",
                f"{values[-1]:.4f}" if values else "",
                f"{best(values):.4f}" if values else "",
                Text(progress.reason or _settings(self.oracle.trials[trial_id])),
            )
        return table


def _settings(trial: Any) -> str:
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in trial.hyperparameters.values.items()
        if not name.startswith("tuner/")
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
