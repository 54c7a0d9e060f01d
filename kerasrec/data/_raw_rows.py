"""Raw rows of a table larger than memory, and errors that say in which file and row they are."""

from dataclasses import dataclass
from typing import Any

from kerasrec.data._sources import Source


@dataclass(frozen=True)
class RawRows:
    """The rows of a source in a connection of DuckDB.

    Attributes:
        connection: connection of DuckDB.
        source: where the rows come from.
        relation: relation with the columns of `source.sql`.
    """

    connection: Any
    source: Source
    relation: str

    def refuse(self, column: str, name: Any, bad: str, fault: str, remedy: str) -> None:
        """Raise an error if any row is bad, with their number, and the entry and place of the first one.

        Args:
            column: column of the relation that is shown, such as `v`.
            name: its name, for the message.
            bad: SQL condition.
            fault: what is wrong with the rows.
            remedy: what to do about them.
        """
        count, row = self._one(f"SELECT count(*), min(r) FROM {self.relation} WHERE {bad}")
        if count:
            raise ValueError(
                f"Column {name!r} must not have {fault}. Received: {counted(count)} of them, first "
                f"{self.entry(column, row)}. {remedy}"
            )

    def entry(self, column: str, row: int) -> str:
        """An entry and its place, for a message.

        Args:
            column: column of the relation.
            row: its `r`.
        """
        entry = self._one(f"SELECT {column} FROM {self.relation} WHERE r = {row}")[0]
        return ("" if entry is None else f"{entry!r} ") + f"in {self.place(row)}"

    def place(self, row: int) -> str:
        """The file and number of a row, for a message.

        Args:
            row: its `r`.
        """
        path, number = self.source.place_of(self.connection, row)
        start = "0 after the header" if self.source.is_text else "0"
        return f"row {number} of {'the query' if path is None else repr(str(path))}, counted from {start}"

    def _one(self, query: str) -> Any:
        return self.connection.execute(query).fetchall()[0]


def counted(n: int) -> str:
    """A number of rows, for a message."""
    return "1 row" if n == 1 else f"{n:,} rows"
