from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

from kerasrec.data import _numerals, _readers


class Loaders:
    """The constructors of `Interactions` that read files and databases, based on `from_frame`."""

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

    @classmethod
    def prepare(
        cls,
        source: Any,
        path: Any,
        user: str = "user",
        item: str = "item",
        value: str | None = None,
        time: str | None = None,
        duplicates: str | None = None,
        kind: str | None = None,
        at_least: float | None = None,
        memory: str = "2GB",
        attach: str | None = None,
        sep: str | None = None,
        keep_na: bool = False,
        verbose: bool = True,
        context: Sequence[str] = (),
    ) -> "Self":
        """Write a table that does not fit into memory to a folder of columns, and open it.

        DuckDB (the extra `large`) numbers the ids, codes the rows and sorts them by user and time, within
        `memory`. Events of one pair are combined into one row, as in `from_frame`. The folder appears when it
        is complete. A call that was killed resumes when it is made again. The folder takes about 25 bytes per
        row, and up to three times as much disk space is needed while it is being written.

        Args:
            source: Parquet or CSV: a file, a folder, a pattern such as `"events/*.parquet"`, or several of
                these; or a DuckDB query, which begins with SELECT, WITH or FROM.
            path: new or empty folder to write.
            user: name of the column of raw user ids. Defaults to `"user"`.
            item: name of the column of raw item ids. Defaults to `"item"`.
            value: as in `from_frame`. Defaults to `None`.
            time: as in `from_frame`. Defaults to `None`.
            duplicates: as in `from_frame`. Defaults to `None`.
            kind: as in `from_frame`. Defaults to `None`.
            at_least: as in `Interactions.at_least`. Defaults to `None`: all rows are kept.
            memory: memory limit of DuckDB; Python needs about 200 MB more. Defaults to `"2GB"`.
            attach: database that the query can read as `source`, such as `"shop.db"` or `"postgres:..."`.
                Defaults to `None`.
            sep: column separator of a CSV. Defaults to `None`: a comma, or a tab for `.tsv`.
            keep_na: bool, whether `NA`, `null` and similar entries of a CSV are ids. Defaults to `False`:
                they are refused.
            verbose: bool, whether to print a line for each stage. Defaults to `True`.
            context: names of further columns to keep: numbers, truth values or text, which is encoded.
                Defaults to `()`.

        Returns:
            `Interactions`, as `open` gives them.

        Raises:
            FileNotFoundError: if there is no such file, or no folder to write to.
            ImportError: if DuckDB is not installed.
            OSError: if the disk is full.
            ValueError: as in `from_frame`; the message names the file and the row in it, counted from 0 after
                the header. Also if the files have different types, a file is incomplete or changes while it
                is read, or `path` exists or is being prepared by another call.
        """
        from kerasrec.data import _prepare
        from kerasrec.data._kinds import Meaning

        request = _prepare.Request(
            source,
            {"user": user, "item": item, "value": value, "time": time},
            Meaning.of(kind, duplicates, value is not None),
            None if at_least is None else float(at_least),
            memory,
            attach,
            sep,
            keep_na,
            context=context_of(context),
        )
        return cls.open(_prepare.prepare(request, path, _prepare.printed if verbose else None), verify=False)

    @classmethod
    def open(cls, path: Any, verify: bool | None = None) -> "Self":
        """The interactions of a folder that `prepare` wrote, over memory maps.

        Rows are ordered by user, then by time. Parts of them (`take`, `at_least`, splits) are held in memory
        if they have at most four million rows; larger parts are written next to the folder for as long as
        they are needed. Opened interactions cannot be extended.

        Args:
            path: the folder.
            verify: bool, whether to compare all checksums, which reads all files. Defaults to `None`: only
                in folders up to 1 GB. Sizes are always compared.

        Returns:
            `Interactions`.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if it is another folder, of a newer version, or its files have changed.

        Example:
            >>> import pandas as pd, tempfile
            >>> from kerasrec.data import Interactions
            >>> folder = tempfile.mkdtemp()
            >>> pd.DataFrame({"user": ["bob", "ann"], "item": [7, 9]}).to_parquet(f"{folder}/events.parquet")
            >>> _ = Interactions.prepare(f"{folder}/*.parquet", f"{folder}/out", verbose=False)
            >>> x = Interactions.open(f"{folder}/out")
            >>> x.users.tolist(), x.user_ids.tolist(), x.items.tolist()
            ([0, 1], ['ann', 'bob'], [1, 0])
        """
        from kerasrec.data import _opened

        found: Any = _opened.opened(path, verify)
        return found


def context_of(names: Sequence[str]) -> tuple[str, ...]:
    """Names of further columns, other than those of `Interactions`."""
    if isinstance(names, str):
        raise TypeError(f"`context` must be a list of names. Received: context={names!r}.")
    own = ("user", "item", "value", "time")
    clash = sorted(set(names) & set(own))
    if clash:
        raise ValueError(f"`context` must not use the names {', '.join(own)}. Received: {clash}.")
    return tuple(dict.fromkeys(names))


def _given(*names: Any) -> list[Any]:
    return list(dict.fromkeys(name for name in names if name is not None))
