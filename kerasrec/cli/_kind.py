"""What the values of a table are: said, or guessed from the name of their column."""

from typing import TYPE_CHECKING, Any

from kerasrec.cli._names import words_of

if TYPE_CHECKING:
    from kerasrec.data import Interactions

# What names of columns of counts and amounts begin or end with.
_COUNTS = (
    "count quantity qty amount weight plays listens playcount views clicks purchases orders visits times "
    "units sales total duration minutes seconds hours spent revenue price "
    "menge anzahl stuck stueck stuckzahl stueckzahl umsatz betrag preis dauer minuten "
    "quantite qte montant prix duree cantidad unidades importe precio ventas duracion"
).split()
_SEVERAL = {
    "error": "a user has an item once",
    "last": "of several for one user and item the last counts",
    "mean": "several for one user and item count by their mean",
    "sum": "several for one user and item add up",
}


def guessed(value_column: str | None, values: Any = ()) -> str:
    """The kind of values in a column of this name, of which these are some; of no column, likes."""
    if value_column is None:
        return "likes"
    words = words_of(value_column)
    name = "".join(words)
    counted = any(word in _COUNTS for word in words) or name.startswith("num") or name in ("n", "playcount")
    counted |= name.endswith(("menge", "anzahl"))
    if counted or not len(values):
        return "counts" if counted else "ratings"
    from kerasrec.data._kinds import have_long_tail

    return "counts" if have_long_tail(values) else "ratings"


def told(interactions: "Interactions", value_column: str | None, said: str | None) -> str:
    """The kind in words: what it is, why, and what it does."""
    where = (
        "no column's name looks like values"
        if value_column is None
        else f"by the name of column {value_column!r}"
    )
    if interactions.kind == "counts" and guessed(value_column) == "ratings":
        values = interactions.values
        where = (
            f"by the values of column {value_column!r}, whole numbers from {values.min():g} to "
            f"{values.max():g} of which few are large"
        )
    why = "" if said is not None else f", {where}"
    other = "" if said is not None else "; `--kind` sets another"
    return f"{interactions.kind}{why}: {_SEVERAL[interactions.duplicates]}{other}"
