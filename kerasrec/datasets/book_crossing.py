import html
from typing import TYPE_CHECKING, Any

from kerasrec.datasets import _tables
from kerasrec.datasets._notice import with_notice
from kerasrec.datasets._source import Archive, Files, files
from kerasrec.datasets.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

ARCHIVE = Archive("book-crossing", "http://www2.informatik.uni-freiburg.de/~cziegler/BX/BX-CSV-Dump.zip")
_LICENCE = "Freely available for research when acknowledged with the citation."
_CITATION = (
    "Cai-Nicolas Ziegler, Sean M. McNee, Joseph A. Konstan and Georg Lausen. 2005. Improving Recommendation "
    "Lists Through Topic Diversification. WWW '05, 22-32. https://doi.org/10.1145/1060745.1060754"
)


def book_crossing(path: Any = None) -> Dataset:
    """Book-Crossing: ratings of books from 1 to 10 by the members of a book-swapping site.

    The loader reads the publisher's dump (`BX-Book-Ratings.csv`, `BX-Books.csv`, `BX-Users.csv`: in Latin-1,
    with semicolons and backslashes before quotation marks, some of which shift the columns of a row) and
    plain tables (`ratings.csv`, `books.csv`, `users.csv`). Ratings of 0 in the dump only say that a user
    interacted with a book, and are left out. ISBNs stay as published; a few differ only in case.

    Args:
        path: a folder with the files, or the zip file, which is read in place. Defaults to `None`: the folder
            `book-crossing` or `BX-CSV-Dump` or the zip file `BX-CSV-Dump.zip` in the folder named by the
            environment variable `KERASREC_DATA`, otherwise a download, which is kept.

    Returns:
        `Dataset`. Its `items` have the columns `title`, `author`, `year` and `publisher`, its `users` `city`,
        `state`, `country` and `age`; unknown entries are missing. Some rated books have no row in `items`.

    Raises:
        ValueError: if a file is not the publisher's.
        FileNotFoundError: if `path` or a file in it is missing, or the download fails; the message says what
            to download and where to put it.

    References:
        C.-N. Ziegler et al. (2005), Improving Recommendation Lists Through Topic Diversification.
    """
    import pandas as pd

    source = files(ARCHIVE, path)
    ratings = _read(
        source,
        "ratings",
        {"user": ["user-id", "user"], "item": ["isbn", "book"], "value": ["book-rating", "rating"]},
    )
    ratings["user"] = ratings["user"].astype("int64")
    ratings = ratings[pd.to_numeric(ratings["value"], errors="coerce") != 0]
    return with_notice(
        Dataset(
            ARCHIVE.name,
            _tables.to_interactions(ratings, duplicates="last"),
            _books(source),
            _users(source),
            _LICENCE,
            _CITATION,
        )
    )


def _read(source: Files, what: str, columns: dict[str, list[str]]) -> "pd.DataFrame":
    """A table; its first line tells the dialect."""
    names = (f"BX-Book-{what}.csv", f"BX-{what}.csv", f"{what}.csv")
    with source.open(*names) as file:
        dump = b";" in file.readline()
    dialect = {"sep": ";", "escapechar": "\\", "na_values": ["", "NULL"]} if dump else {}
    return _tables.read_text(source, *names, columns=columns, **dialect)


def _books(source: Files) -> "pd.DataFrame":
    import pandas as pd

    books = _read(
        source,
        "books",
        {
            "item": ["isbn", "book"],
            "title": ["book-title", "title"],
            "author": ["book-author", "author"],
            "year": ["year-of-publication", "year"],
            "publisher": ["publisher"],
        },
    )
    _unshift(books)
    books["title"] = _with_quotation_marks(books["title"])
    for name in ("title", "author", "publisher"):
        books[name] = books[name].map(html.unescape, na_action="ignore")
    years = pd.to_numeric(books["year"], errors="coerce")
    books["year"] = years.where(years > 0).astype("Int64")
    return books.drop_duplicates("item").set_index("item")


def _unshift(books: "pd.DataFrame") -> None:
    """Repair the columns of books whose title ends in a backslash.

    The title's closing quotation mark was read as text, so the title contains the author, and all later
    columns are shifted to the left by one.
    """
    shifted = books["title"].str.contains('";', regex=False, na=False)
    shifted &= books["publisher"].str.startswith("http", na=False)
    if shifted.any():
        split = books.loc[shifted, "title"].str.split('";', n=1, expand=True)
        books.loc[shifted, ["year", "publisher"]] = books.loc[shifted, ["author", "year"]].to_numpy()
        books.loc[shifted, ["title", "author"]] = split.to_numpy()


def _with_quotation_marks(titles: "pd.Series[str]") -> "pd.Series[str]":
    r"""Titles such as `\O\" Is for Outlaw"` as `"O" Is for Outlaw`.

    Plain tables that were made from the dump without handling backslashes lack the first mark of such titles
    and have one too many at the end.
    """
    marred = titles.str.contains("\\", regex=False, na=False) & titles.str.endswith('"', na=False)
    repaired = titles.str.slice(stop=-1).str.replace(r'\\"?', '"', regex=True)
    return titles.where(~marred, repaired)


def _users(source: Files) -> "pd.DataFrame":
    import pandas as pd

    with source.open("BX-Users.csv", "users.csv") as file:
        plain = b"city" in file.readline().lower()
    places = ["city", "state", "country"]
    columns = {"user": ["user-id", "user"], "age": ["age"]}
    columns |= {place: [place] for place in places} if plain else {"location": ["location"]}
    users = _read(source, "users", columns)
    if not plain:
        # "fort worth, texas, usa": the state is between the first and the last comma.
        users[places] = users["location"].str.extract(r"^\s*([^,]*),?(.*?),?([^,]*)$").to_numpy()
        for place in places:
            users[place] = users[place].str.strip(" ,").replace(["", "n/a"], None)
    users["age"] = pd.to_numeric(users["age"], errors="coerce")
    users["user"] = users["user"].astype("int64")
    return users.set_index("user")[[*places, "age"]]
