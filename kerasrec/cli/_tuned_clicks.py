"""Tables and output of searches over click models."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrec.cli._clicks import impressions_of, read_table
from kerasrec.cli._form import Form
from kerasrec.cli._report import Report

if TYPE_CHECKING:
    from kerasrec.data import Impressions


def clicks_to_search(
    table: Path,
    label: str,
    form: Form,
    kinds: Mapping[str, str],
    said: list[str] | None,
    watch_time: str | None,
    test: Path | None,
    test_size: float,
    test_seed: int,
    report: Report,
) -> tuple["Impressions", "Impressions | None"]:
    """The impressions of a search, and those kept for the test.

    Args:
        table: CSV file, or Parquet.
        label: column of clicks.
        form: format of the file.
        kinds: kinds of columns from a job.
        said: kinds of columns, `NAME=KIND`, which take precedence.
        watch_time: column of watch times, or `None`.
        test: table of test rows, or `None` for a share of the rows.
        test_size: the share; 0 for no test.
        test_seed: seed of the split.
        report: report to write to.
    """
    from kerasrec.data import Impressions

    with report.waiting(f"Reading {table.name}"):
        frame = read_table(table, form)
        known = [f"{name}={kind}" for name, kind in kinds.items() if name in frame.columns]
        whole = impressions_of(frame, label, form, [*known, *(said or ())], watch_time)
        whole.check_classes(f"Column {label!r}")
        if test is not None:
            later = read_table(test, form)
            train: Impressions = whole
            kept: Impressions | None = Impressions.from_frame(
                later, label, whole.columns, watch_time=watch_time
            )
        elif test_size:
            train, kept = whole.split(test_size, test_seed)
        else:
            train, kept = whole, None
    if kept is not None:
        kept.check_classes("The rows kept from the search")  # before it begins
    named = ", ".join(f"{name} {kind.kind}" for name, kind in whole.columns.fitted.items())
    report.line(f"Columns: {named}")
    n_kept = 0 if kept is None else len(kept)
    report.line(
        f"{len(train) + n_kept:,} rows, {n_kept:,} of them held out for the test; of the others "
        f"{train.labels.mean():.1%} were clicked"
    )
    return train, kept
