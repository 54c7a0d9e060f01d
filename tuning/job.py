import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kerasrec._names import did_you_mean

_JOBS = Path(__file__).parent / "jobs"


@dataclass(frozen=True)
class Job:
    """A search described by a file: data, model, space, tuner and budget.

    `kerasrec tune JOB` runs it: a part of the data is held out as the test set, and the search sees the rest.
    The best model is then evaluated on the test set, next to the defaults and the baselines.

    Args:
        about: the purpose of the job, in one sentence.
        data: the table that the job is meant for; another one can be passed.
        model: name of a model of the zoo.
        objective: as in `search`.
        label: column with the clicks, in a table of impressions for a click model. Defaults to `None`.
        columns: kinds of the columns by name, as in `Impressions.from_frame`, or `"ignore"`; the kinds of the
            other columns are guessed. Defaults to `{}`.
        watch_time: column of the watch time, for `youtube_ranker`. Defaults to `None`.
        at_least: lowest rating that counts as a like; lower ratings are dropped. Defaults to `None`: all
            interactions are kept.
        test: a table of test rows, if there is one; otherwise a share is held out. Defaults to `None`.
        test_size: share of the rows held out as the test set. Defaults to `0.1`.
        test_seed: int, for that split. Defaults to `42`.
        seeds: int, number of seeds with which the best settings are trained for the test. Defaults to `1`.
        rivals: models that are tuned on the same data with the same number of trials, for comparison.
            Defaults to `()`.
        search: further arguments of `search`; ranges in `space` are lists, or tables of `low`, `high` and
            `log`. Defaults to `{}`.

    Example:
        >>> import kerasrec
        >>> kerasrec.tuning.Job.load("recommender_v2").objective
        'val_mean_squared_error'
    """

    about: str
    data: str
    model: str
    objective: str
    label: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    watch_time: str | None = None
    at_least: float | None = None
    test: str | None = None
    test_size: float = 0.1
    test_seed: int = 42
    seeds: int = 1
    rivals: Sequence[str] = ()
    search: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, name: Any) -> "Job":
        """Read a job.

        Args:
            name: name of a job that comes with kerasrec, or a path that ends in `.toml`.

        Returns:
            `Job`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if there is no job of that name, or the file is not a job.
        """
        path = Path(name)
        if path.suffix != ".toml":
            if str(name) not in cls.names():
                raise ValueError(
                    f"A job must be a file that ends in .toml, or one of {', '.join(cls.names())}."
                    f"{did_you_mean(str(name), cls.names())} Received: {str(name)!r}."
                )
            path = _JOBS / f"{name}.toml"
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {str(path)!r}.")
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
            raise ValueError(f"A job must be TOML. Received: {str(path)!r} ({error}).") from error
        known = [entry.name for entry in fields(cls)]
        for key in content:
            if key not in known:
                raise ValueError(
                    f"A job must have the keys {', '.join(known)}.{did_you_mean(key, known)} "
                    f"Received: {key!r} in {str(path)!r}."
                )
        missing = [name for name in ("about", "data", "model", "objective") if name not in content]
        if missing:
            raise ValueError(f"A job must have {missing[0]!r}. Received: {str(path)!r}, without it.")
        return cls(**content)

    @staticmethod
    def names() -> list[str]:
        """Names of the jobs that come with kerasrec."""
        return sorted(path.stem for path in _JOBS.glob("*.toml"))
