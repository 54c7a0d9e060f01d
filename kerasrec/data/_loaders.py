from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

from kerasrec.data import _numerals, _readers


class Loaders:
    """The constructors of `Interactions` that read files and databases; they end in `from_frame`."""

    from_frame: ClassVar[Callable[..., Any]]

    @classmethod
    def from_csv(
        cls,
        path: Any,
        user: Any = "user",
        item: Any = "item",
        value: Any = None,
        time: Any = None,
        user_ids: Any = None,
        item_ids: Any = None,
        duplicates: str | None = None,
        context: Sequence[Any] = (),
        kind: str | None = None,
        **options: Any,
    ) -> "Self":
        """Interactions from a CSV file.

        Ids stay as written: `"007"` stays text, and only a column where every id is a plain integer gives
        integers.

        Args:
            path: file; compressed ones are read as pandas reads them.
            user: as in `from_frame`. Defaults to `"user"`.
            item: as in `from_frame`. Defaults to `"item"`.
            value: as in `from_frame`. Defaults to `None`.
            time: as in `from_frame`. Defaults to `None`.
            user_ids: as in `from_frame`. Defaults to `None`.
            item_ids: as in `from_frame`. Defaults to `None`.
            duplicates: as in `from_frame`. Defaults to `None`.
            context: as in `from_frame`. Defaults to `()`.
            kind: as in `from_frame`. Defaults to `None`.
            **options: arguments of `pandas.read_csv`, such as `sep`, `encoding`, `header` and `names`. With
                `thousands`, the column of values must have groups of three digits. Where quotes could enclose
                fields or be text, `quoting` must say which; `keep_default_na=False` takes `NA` for an id.

        Returns:
            `Interactions`, in the order of the rows.

        Raises:
            FileNotFoundError: if the file does not exist.
            ValueError: if the file is not a table, or as in `from_frame`.
        """
        ids = {user: user_ids, item: item_ids}
        marks = {"decimal", "thousands"} & options.keys() if "dtype" not in options else set()
        texts = [value] if marks and value is not None else []
        frame = _readers.read_csv(path, ids, (value, time, *(context or ())), options, texts)
        if texts and value in frame:  # pandas takes "1,5" with thousands="," for 15
            found = _numerals.parsed(frame[value], options.get("decimal", "."), options.get("thousands"))
            frame[value] = found
        return cls.from_frame(frame, user, item, value, time, user_ids, item_ids, duplicates, context, kind)

    @classmethod
    def from_parquet(
        cls,
        path: Any,
        user: Any = "user",
        item: Any = "item",
        value: Any = None,
        time: Any = None,
        user_ids: Any = None,
        item_ids: Any = None,
        duplicates: str | None = None,
        context: Sequence[Any] = (),
        kind: str | None = None,
    ) -> "Self":
        """Interactions from a Parquet file or a folder of them; only the columns named are read.

        Args:
            path: file or folder.
            user: as in `from_frame`. Defaults to `"user"`.
            item: as in `from_frame`. Defaults to `"item"`.
            value: as in `from_frame`. Defaults to `None`.
            time: as in `from_frame`. Defaults to `None`.
            user_ids: as in `from_frame`. Defaults to `None`.
            item_ids: as in `from_frame`. Defaults to `None`.
            duplicates: as in `from_frame`. Defaults to `None`.
            context: as in `from_frame`. Defaults to `()`.
            kind: as in `from_frame`. Defaults to `None`.

        Returns:
            `Interactions`, in the order of the rows.

        Raises:
            FileNotFoundError: if the file does not exist.
            ValueError: if the file is not Parquet, or as in `from_frame`.
        """
        frame = _readers.read_parquet(path, _given(user, item, value, time, *context))
        return cls.from_frame(frame, user, item, value, time, user_ids, item_ids, duplicates, context, kind)

    @classmethod
    def from_sql(
        cls,
        query: str,
        connection: Any,
        user: Any = "user",
        item: Any = "item",
        value: Any = None,
        time: Any = None,
        user_ids: Any = None,
        item_ids: Any = None,
        duplicates: str | None = None,
        context: Sequence[Any] = (),
        kind: str | None = None,
    ) -> "Self":
        """Interactions from a query, read in chunks.

        Args:
            query: SQL text.
            connection: a DBAPI connection, or a connection or engine of SQLAlchemy.
            user: as in `from_frame`. Defaults to `"user"`.
            item: as in `from_frame`. Defaults to `"item"`.
            value: as in `from_frame`. Defaults to `None`.
            time: as in `from_frame`. Defaults to `None`.
            user_ids: as in `from_frame`. Defaults to `None`.
            item_ids: as in `from_frame`. Defaults to `None`.
            duplicates: as in `from_frame`. Defaults to `None`.
            context: as in `from_frame`. Defaults to `()`.
            kind: as in `from_frame`. Defaults to `None`.

        Returns:
            `Interactions`, in the order of the rows.

        Raises:
            ValueError: as in `from_frame`.
        """
        frame = _readers.read_sql(query, connection, _given(user, item, value, time, *context))
        return cls.from_frame(frame, user, item, value, time, user_ids, item_ids, duplicates, context, kind)


def _given(*names: Any) -> list[Any]:
    return list(dict.fromkeys(name for name in names if name is not None))
