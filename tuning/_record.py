"""The folder of a trial: its progress, the state to resume from, and its best weights."""

import functools
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec.tuning._files import read_arrays, read_json, reading, write, write_arrays, write_json

_STORY = "progress.json"
_LAST = "last.npz"
_BEST = "best.npz"


@dataclass
class Progress:
    """The progress of a trial.

    Args:
        values: the objective after each epoch.
        epochs: maximum number of epochs.
        status: `"running"`, `"completed"`, `"pruned"` or `"failed"`.
        reason: why it failed.
        seconds: seconds in training, including tracing and compilation, and in evaluation.
        outside: seconds of the search in anything else, since the previous trial.
    """

    values: list[float] = field(default_factory=list)
    epochs: int = 0
    status: str = "running"
    reason: str = ""
    seconds: float = 0.0
    outside: float = 0.0


class Record:
    """The folder of a trial.

    Args:
        folder: folder of the search.
        trial_id: str.
    """

    def __init__(self, folder: Path, trial_id: str) -> None:
        self.folder = folder / f"trial_{trial_id}"

    def read(self) -> Progress:
        """The progress of the trial; an empty one if it has not begun."""
        found = read_json(self.folder / _STORY)
        with reading(self.folder / _STORY):
            return Progress() if found is None else Progress(**found)

    def write(self, progress: Progress) -> None:
        """Write the progress."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / _STORY, asdict(progress))

    def save(self, model: keras.Model, progress: Progress, best: bool) -> None:
        """Keep the state after an epoch, and the weights if they are the best so far."""
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = _arrays("model", model.variables)
        if best:
            write_arrays(self.folder / _BEST, weights)
        state = weights | _arrays("optimizer", _optimizer_variables(model))
        story = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
        # Progress and state in one file, so that they cannot disagree.
        write_arrays(self.folder / _LAST, {"progress": story, **state})
        self.write(progress)

    def restore(self, model: keras.Model) -> Progress | None:
        """Restore the state after the last epoch in a new model; `None` if there was none."""
        arrays = read_arrays(self.folder / _LAST)
        if arrays is None:
            return None
        with reading(self.folder / _LAST):
            progress = Progress(**json.loads(arrays["progress"].tobytes()))
            _assign(model.variables, arrays, "model")
            _assign(_optimizer_variables(model), arrays, "optimizer")
        return progress

    def load_best(self, model: keras.Model) -> bool:
        """Load the best weights into a model; returns whether there are any."""
        arrays = read_arrays(self.folder / _BEST)
        if arrays is not None:
            with reading(self.folder / _BEST):
                _assign(model.variables, arrays, "model")
        return arrays is not None

    def inherit(self, other: "Record") -> None:
        """Start from the state of another trial, unless this one has a state already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (_BEST, _LAST):  # the second file marks both as copied
            if (other.folder / name).is_file() and not (self.folder / _LAST).is_file():
                content = (other.folder / name).read_bytes()
                write(self.folder / name, functools.partial(_put, content))

    @property
    def has_best(self) -> bool:
        """Whether the best weights are kept."""
        return (self.folder / _BEST).is_file()

    def forget(self, best: bool, last: bool) -> None:
        """Remove weights."""
        for name, unwanted in ((_BEST, best), (_LAST, last)):
            if unwanted:
                (self.folder / name).unlink(missing_ok=True)
        for left in self.folder.glob(".*.npz"):  # from a process that was killed
            left.unlink(missing_ok=True)


def _put(content: bytes, file: Any) -> None:
    file.write(content)


def _optimizer_variables(model: keras.Model) -> list[Any]:
    optimizer = model.optimizer
    if optimizer is None:
        return []
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return list(optimizer.variables)


def _arrays(kind: str, variables: list[Any]) -> dict[str, np.ndarray]:
    return {f"{kind}/{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}


def _assign(variables: list[Any], arrays: dict[str, np.ndarray], kind: str) -> None:
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"{kind}/{i}"])
