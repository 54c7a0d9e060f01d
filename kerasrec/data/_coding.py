"""Converts raw rows of a table larger than memory to codes, values and times with DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Any

from kerasrec.data import _duck, _missing_times, _sources
from kerasrec.data._events import repeated
from kerasrec.data._kinds import TAIL, Meaning
from kerasrec.data._raw_rows import RawRows, counted
from kerasrec.data._sources import Source
from kerasrec.data._times import UNITS, check_one_unit
from kerasrec.data._vocabularies import MISSING

_MISSING_VALUES = "missing values", "Drop those rows or fill them."
_NO_VALUES = (
    "entries that are not finite numbers in float32",
    "Correct those rows; in a query, `replace(column, ',', '.')` reads decimal commas.",
)
_NO_TIMES = (
    "times that are neither whole numbers nor ISO 8601 dates from 1677 to 2262",
    "Correct or drop those rows; in a query, `strptime(column, '%d.%m.%Y')` reads other dates.",
)
_MIXED = "times that are numbers mixed with dates", "Write all of them in one way."
_DATES = ("DATE", "TIMESTAMP")
_NUMERAL = r"[+-]?\d+(\.0*)?"
_IS_NUMERAL = f"regexp_full_match(trim(t), '{_NUMERAL}')"
_FRACTION = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_ZONE = r"[T ]\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_MOMENT = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]([01]?\d|2[0-3]):\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?"


def are_dates(rows: RawRows) -> bool:
    """Whether times are dates, not numbers."""
    source = rows.source
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
    counts = f"count(*) FILTER (NOT {_IS_NUMERAL}), count(*) FILTER (regexp_matches(t, '{_ZONE}')), count(t)"
    known = f"{rows.relation} WHERE NOT ({_missing_time(source)})"
    others, zoned, n = rows.connection.execute(f"SELECT {counts} FROM {known}").fetchall()[0]
    if 0 < zoned < n:
        fault = "times without a zone mixed with times with one"
        remedy = "Give all of them, or none, the zone, as `Z` or `+01:00`."
        bad = f"NOT ({_missing_time(source)}) AND NOT regexp_matches(t, '{_ZONE}')"
        rows.refuse("t", name, bad, fault, remedy)
    return bool(others) or not source.is_text


def code_rows(rows: RawRows, dates: bool, context: Sequence[Mapping[str, Any]]) -> None:
    """Make the table `events` of codes, values and times; entries that cannot be read are NULL.

    Args:
        rows: raw rows, in a connection with the tables `users` and `items`.
        dates: whether times are dates.
        context: further columns, as `_contexts.inspected` describes them.
    """
    types, further = rows.source.types, []
    if "v" in types:
        type_, name = types["v"], rows.source.columns["value"]
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
    rows.connection.execute(
        f"CREATE OR REPLACE TABLE events AS SELECT {columns} FROM {rows.relation} AS x "
        f"JOIN users ON x.{raw['user']} = users.raw JOIN items ON x.{raw['item']} = items.raw"
        + "".join(one["join"] for one in context)
    )


def check_rows(rows: RawRows, dates: bool) -> None:
    """Refuse missing and unreadable values, unreadable times, and times in several units.

    Rows without a time get the time of the user's previous row, as in memory.

    Args:
        rows: raw rows, in a connection with the table `events`.
        dates: whether times are dates.
    """
    value, time = rows.source.columns["value"], rows.source.columns["time"]
    bad = "v IS NULL OR NOT isfinite(v)"
    if value is not None and _n_events(rows, bad):
        unread = f"r IN (SELECT r FROM events WHERE {bad})"
        rows.refuse("v", value, f"{unread} AND (v IS NULL OR v::VARCHAR = '')", *_MISSING_VALUES)
        rows.refuse("v", value, unread, *_NO_VALUES)
    if time is None:
        return
    n_missing = _n_events(rows, "t IS NULL")
    if n_missing:
        unread = "r IN (SELECT r FROM events WHERE t IS NULL)"
        unread += f" AND NOT ({_missing_time(rows.source)})"
        if dates and rows.source.types["t"] == "VARCHAR":
            rows.refuse("t", time, f"{unread} AND NOT {_IS_NUMERAL}", *_NO_TIMES)
            rows.refuse("t", time, unread, *_MIXED)
        rows.refuse("t", time, unread, *_NO_TIMES)
        _place(rows, n_missing)
    if not dates:
        _check_one_unit(rows)


def _place(rows: RawRows, n_missing: int) -> None:
    """Set missing times, as `_missing_times.placed` does without SQL."""
    n_rows, name = _n_events(rows, "true"), rows.source.columns["time"]
    if n_missing == n_rows:
        raise _missing_times.no_times(name, n_rows)
    _missing_times.say(name, n_missing, n_rows)
    of_user = "OVER (PARTITION BY u ORDER BY r ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    before = of_user.replace("AND UNBOUNDED FOLLOWING", "AND CURRENT ROW")
    rows.connection.execute(
        "UPDATE events SET t = found.t FROM ("
        f"SELECT r, t IS NULL AS missing, coalesce(last_value(t IGNORE NULLS) {before}, "
        f"first_value(t IGNORE NULLS) {of_user}, (SELECT min(t) FROM events)) AS t "
        "FROM events WHERE u IN (SELECT u FROM events WHERE t IS NULL)) AS found "
        "WHERE found.missing AND events.r = found.r"
    )


def _missing_time(source: Source) -> str:
    """The condition that there is no time in a row."""
    if source.types["t"] in ("FLOAT", "DOUBLE"):
        return "t IS NULL OR isnan(t)"
    listed = ", ".join("'" + entry + "'" for entry in MISSING)
    return f"t IS NULL OR t IN ({listed})" if source.is_text else "t IS NULL"


def _n_events(rows: RawRows, condition: str) -> int:
    return _duck.number(rows.connection, f"SELECT count(*) FROM events WHERE {condition}")


def _check_one_unit(rows: RawRows) -> None:
    """Refuse numbers that seem to be times of several units."""
    parts = ", ".join(
        f"count(*) FILTER (t >= {least:.0f} AND t < {most:.0f}), "
        f"min_by(t, r) FILTER (t >= {least:.0f} AND t < {most:.0f}), "
        f"min(r) FILTER (t >= {least:.0f} AND t < {most:.0f})"
        for least, most in UNITS.values()
    )
    total, *found = rows.connection.execute(f"SELECT count(*), {parts} FROM events").fetchall()[0]
    counts = {unit: n for unit, n in zip(UNITS, found[::3], strict=True) if n}
    if sum(counts.values()) < total or len(counts) < 2:
        return  # they are not times since 1970, or are all in one unit
    firsts, places = (dict(zip(UNITS, found[j::3], strict=True)) for j in (1, 2))
    rarest = min(counts, key=lambda unit: counts[unit])
    where = f" in {rows.place(places[rarest])}"
    check_one_unit(counts, firsts, rows.source.columns["time"], where)


def check_pairs(rows: RawRows) -> None:
    """Refuse pairs of user and item that have several events.

    Args:
        rows: raw rows, in a connection with the table `events`.
    """
    later = "SELECT r FROM (SELECT r, row_number() OVER (PARTITION BY u, i ORDER BY r) AS nth FROM events)"
    count, row = rows.connection.execute(f"SELECT count(*), min(r) FROM ({later} WHERE nth > 1)").fetchall()[
        0
    ]
    if count:
        user, item = rows.connection.execute(f"SELECT u, i FROM {rows.relation} WHERE r = {row}").fetchall()[
            0
        ]
        raise repeated(counted(count), f"user {user!r} with item {item!r} in {rows.place(row)}")


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
