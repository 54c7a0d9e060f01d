"""The progress of a search: a live table on a terminal, otherwise one line per trial."""

import time
from pathlib import Path
from typing import Any

from kerasrec.tuning._record import Progress, Record

_ROWS = 8
_EVERY = 0.1
# Lines of the table in addition to its rows, and the approximate width of its first columns.
_LINES_AROUND = 6
_COLUMNS_BEFORE = 54
_STYLES = {"failed": "red", "pruned": "dim"}


class Display:
    """Shows the progress of a running search.

    Args:
        oracle: an oracle of `_oracles`.
        folder: folder of the search.
        max_trials: int, or `None` if it is not known.
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
        """Show the current state."""
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
        """Estimated seconds that remain, from the mean time of a trial; `None` if unknown."""
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
        best_trial = next((x.trial_id for x in self.oracle.get_best_trials(1) if x.score is not None), None)
        title = f"{len(self.oracle.end_order)}{of} trials"
        title += "" if best_trial is None else f", best {objective} {self._best()}"
        if left:
            title += f", {_clock(left)} left"
        elif left is not None:
            title += f", in {_clock(time.monotonic() - self._begin)}"
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
        for trial_id, said, progress in self._rows():
            values = progress.values
            table.add_row(
                trial_id,
                progress.status,
                f"{len(values)}/{progress.epochs}",
                f"{values[-1]:.4f}" if values else "",
                f"{best(values):.4f}" if values else "",
                Text(said),
                style="bold" if trial_id == best_trial else _STYLES.get(progress.status),
            )
        return table

    def _rows(self) -> list[tuple[str, str, Progress]]:
        """The last trials that fit on the screen: their ids, hyperparameters or reasons, and progress."""
        width, height = self._console.size
        rows: list[tuple[str, str, Progress]] = []
        lines = _LINES_AROUND
        for trial_id in reversed(self.oracle.start_order):
            progress = Record(self.folder, trial_id).read()
            said = progress.reason or _settings(self.oracle.trials[trial_id])
            lines += 1 + len(said) // max(1, width - _COLUMNS_BEFORE)
            if rows and (lines > height or len(rows) == _ROWS):
                break
            rows.append((trial_id, said, progress))
        return rows[::-1]


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
