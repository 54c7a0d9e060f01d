"""The kind of the values of a table: given, or guessed from the name of their column."""

from typing import TYPE_CHECKING, Any

from kerasrec.cli._names import words_of

if TYPE_CHECKING:
    from kerasrec.data import Interactions

# Words at the beginning or end of names of columns of counts and amounts.
_COUNTS = (
    "count quantity qty amount weight plays listens playcount views clicks purchases orders visits times "
    "units sales total duration minutes seconds hours spent revenue price "
    "menge anzahl stuck stueck stuckzahl stueckzahl umsatz betrag preis dauer minuten "
    "quantite qte montant prix duree cantidad unidades importe precio ventas duracion"
).split()
_SEVERAL = {
    "error": "each user has an item at most once",
    "last": "the last one counts if a user has an item several times",
    "mean": "they are averaged if a user has an item several times",
    "sum": "they are added up if a user has an item several times",
}


def guessed(value_column: str | None, values: Any = ()) -> str:
    """The kind of the values, guessed from the column's name and the values; likes without a column."""
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
    """The kind in words: which one, why, and its effect."""
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
