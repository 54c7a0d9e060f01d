"""Raw rows of a table larger than memory as codes, values and times, by DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Any

from kerasrec.data import _duck, _sources
from kerasrec.data._kinds import TAIL, Meaning
from kerasrec.data._sources import Source
from kerasrec.data._times import UNITS, check_one_unit

_DATES = ("DATE", "TIMESTAMP")
_NUMERAL = r"[+-]?\d+(\.0*)?"
_FRACTION = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_ZONE = r"[T ]\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_MOMENT = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]([01]?\d|2[0-3]):\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?"


def are_dates(connection: Any, source: Source, relation: str) -> bool:
    """Whether times are dates, not numbers."""
    type_ = source.types.get("t")
    if type_ is None or _sources.is_number(type_):
        return False
    if type_.startswith(_DATES):
        return True
    name = source.columns["time"]
    if type_ != "VARCHAR":
        raise ValueError(
            f"Column {name!r} must hold times: dates, ISO 8601 text or whole numbers. "
            f"Received: a column of type {type_}."
        )
    numeral = f"regexp_full_match(trim(t), '{_NUMERAL}')"
    counts = f"count(*) FILTER (NOT {numeral}), count(*) FILTER (regexp_matches(t, '{_ZONE}')), count(t)"
    others, zoned, n = connection.execute(f"SELECT {counts} FROM {relation}").fetchall()[0]
    if 0 < zoned < n:
        raise ValueError(
            f"Column {name!r} must not have times without a zone mixed with times with one. Received: "
            f"{n - zoned:,} rows without. Give all of them, or none, the zone, as `Z` or `+01:00`."
        )
    return bool(others) or not source.is_text


def code_rows(
    connection: Any, source: Source, relation: str, dates: bool, context: Sequence[Mapping[str, Any]]
) -> None:
    """Make the table `events` of codes, values and times; entries that cannot be read are NULL.

    Args:
        connection: connection with the tables `users` and `items`.
        source: where the rows come from.
        relation: relation of the raw rows.
        dates: whether times are dates.
        context: further columns, as `_contexts.looked_at` describes them.
    """
    types, further = source.types, []
    if "v" in types:
        type_, name = types["v"], source.columns["value"]
        if type_ not in ("VARCHAR", "BOOLEAN") and not _sources.is_number(type_):
            raise ValueError(
                f"Column {name!r} must not have entries that are not numbers. Received: a column of type "
                f"{type_}. Correct those rows."
            )
        numeral = f"CASE WHEN regexp_full_match(trim(v), '{_FRACTION}') THEN v END"
        given = numeral if type_ == "VARCHAR" else "v"
        further.append(f"TRY_CAST(TRY_CAST({given} AS DOUBLE) AS FLOAT) AS v")
    if "t" in types:
        further.append(f"{_time(types['t'], dates)} AS t")
    further += [f"{one['sql']} AS x{j}" for j, one in enumerate(context)]
    columns = ", ".join(["users.code::INTEGER AS u", "items.code::INTEGER AS i", *further, "r"])
    raw = {
        side: f"{side[0]}::VARCHAR"
        if types[side[0]] in ("UUID",) or types[side[0]].startswith("ENUM")
        else side[0]
        for side in ("user", "item")
    }
    connection.execute(
        f"CREATE OR REPLACE TABLE events AS SELECT {columns} FROM {relation} AS x "
        f"JOIN users ON x.{raw['user']} = users.raw JOIN items ON x.{raw['item']} = items.raw"
        + "".join(one["join"] for one in context)
    )


def check_rows(connection: Any, source: Source, relation: str, dates: bool) -> None:
    """Refuse values and times that are missing or could not be read, and times of several units."""
    for column, bad in (("value", "v IS NULL OR NOT isfinite(v)"), ("time", "t IS NULL")):
        name = source.columns[column]
        if name is None:
            continue
        row = connection.execute(f"SELECT count(*), min(r) FROM events WHERE {bad}").fetchall()[0]
        if not row[0]:
            continue
        query = f"SELECT {column[0]} FROM {relation} WHERE r = {row[1]}"
        raw = connection.execute(query).fetchall()[0][0]
        what = {
            ("value", True): ("missing values", "Drop those rows or fill them."),
            ("value", False): ("entries that are not finite numbers in float32", "Correct those rows."),
            ("time", True): ("missing times", "Drop those rows."),
            ("time", False): (
                "times that are neither whole numbers nor ISO 8601 dates from 1677 to 2262",
                "Correct or drop those rows.",
            ),
        }[column, raw is None or raw == ""]
        rows = "1 row" if row[0] == 1 else f"{row[0]:,} rows"
        raise ValueError(
            f"Column {name!r} must not have {what[0]}. Received: {rows} of them, first {raw!r}. {what[1]}"
        )
    if source.columns["time"] is not None and not dates:
        parts = ", ".join(
            f"count(*) FILTER (t >= {least:.0f} AND t < {most:.0f}), "
            f"min_by(t, r) FILTER (t >= {least:.0f} AND t < {most:.0f})"
            for least, most in UNITS.values()
        )
        total, *found = connection.execute(f"SELECT count(*), {parts} FROM events").fetchall()[0]
        counts = dict(zip(UNITS, found[::2], strict=True))
        if sum(counts.values()) == total:  # otherwise they do not count from 1970
            firsts = dict(zip(UNITS, found[1::2], strict=True))
            counts = {unit: n for unit, n in counts.items() if n}
            check_one_unit(counts, firsts, source.columns["time"])


def settled_meaning(connection: Any, source: Source, meaning: Meaning, otherwise: Meaning | None) -> Meaning:
    """The meaning of the values: `otherwise` if they have a long tail, as `have_long_tail` finds without SQL.

    Args:
        connection: connection with the table `events`.
        source: where the rows come from.
        meaning: what the values are if they have no long tail.
        otherwise: what they are if they have one, or `None` for `meaning`.
    """
    if otherwise is None or "v" not in source.types:
        return meaning
    query = f"SELECT min(v) >= 0 AND bool_and(v = floor(v)) AND max(v) > {TAIL}, max(v) FROM events"
    whole, highest = connection.execute(query).fetchall()[0]
    below = f"SELECT 2 * count(*) FILTER (v < {highest / TAIL}) > count(*) FROM events"
    return otherwise if whole and _duck.number(connection, below) else meaning


def _time(type_: str, dates: bool) -> str:
    """The expression that makes whole numbers of times."""
    if dates and type_ == "VARCHAR":
        # DuckDB also reads other forms, and drops digits below a microsecond.
        moment = f"CASE WHEN regexp_full_match(trim(t), '{_MOMENT}') THEN t END"
        below = "rpad(left(regexp_extract(t, '\\.\\d{6}(\\d+)', 1), 3), 3, '0')"
        below = f"CASE WHEN regexp_matches(t, '\\.\\d{{7}}') THEN {below}::BIGINT ELSE 0 END"
        return f"TRY(epoch_ns(TRY_CAST({moment} AS TIMESTAMPTZ)) + {below})"
    if dates:
        return f"TRY(epoch_ns(TRY_CAST(t AS {type_})))"
    if type_ == "VARCHAR":
        return "TRY_CAST(regexp_replace(trim(t), '\\.0*$', '') AS BIGINT)"
    whole = "t" if "INT" in type_ else "CASE WHEN t = floor(t) THEN t END"
    return f"TRY_CAST({whole} AS BIGINT)"
