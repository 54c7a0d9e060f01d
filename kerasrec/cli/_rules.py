"""Rules for lists as options of the command line."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

Where = Annotated[
    str | None,
    typer.Option(help="Items that may be recommended: \"price < 20 and category == 'garden'\"."),
]
Available = Annotated[str | None, typer.Option(help="Boolean column: which items may be recommended.")]
AtMost = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=N", help="At most N items per list with the same value; may be repeated."),
]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=N", help="At least N items per list for which the column is true; may be repeated."
    ),
]
Boost = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=X", help="Boost items for which the column is true by X; may be repeated."),
]
Diversity = Annotated[float | None, typer.Option(help="Weight of diversity, 0 to 1.")]
Calibrate = Annotated[
    str | None,
    typer.Option(metavar="COLUMN[=X]", help="Keep the proportions of the user's history, with weight X."),
]
Explore = Annotated[float | None, typer.Option(help="Probability that a place gets a random item, below 1.")]

Pool = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of best items that diversity and calibration choose from; also scales --boost."
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed for the random items of --explore.")]


def given(
    *,
    where: str | None = None,
    available: str | None = None,
    at_most: list[str] | None = None,
    at_least: list[str] | None = None,
    boost: list[str] | None = None,
    diversity: float | None = None,
    calibrate: str | None = None,
    explore: float | None = None,
    pool: int | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """The rules that were given, as arguments of `kerasrec.Rules`."""
    wanted = calibrate
    if calibrate is not None and "=" in calibrate:
        wanted = _numbers("calibrate", [calibrate], float)
    found = {
        "where": where,
        "available": available,
        "at_most": _numbers("at-most", at_most, int),
        "at_least": _numbers("at-least", at_least, int),
        "boost": _numbers("boost", boost, float),
        "diversity": diversity,
        "calibrate": wanted,
        "explore": explore,
        "pool": pool,
        "seed": seed,
    }
    return {name: rule for name, rule in found.items() if rule is not None}


def _numbers(option: str, texts: list[str] | None, of: Callable[[str], Any]) -> Any:
    found = {}
    for text in texts or ():
        column, equals, number = text.rpartition("=")
        try:
            found[column.strip()] = of(number)
        except ValueError:
            equals = ""
        if not equals or not column.strip():
            kind = "a whole number" if of is int else "a number"
            raise ValueError(f"`--{option}` must be COLUMN=N with {kind}. Received: {text!r}.")
    return found or None
