import csv
from typing import TYPE_CHECKING, Any

from kerasrec.datasets import _tables
from kerasrec.datasets._notice import with_notice
from kerasrec.datasets._source import Archive, Files, files
from kerasrec.datasets.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_SITE = "https://files.grouplens.org/datasets/movielens/"
# Checksums from the .md5 files next to the archives; latest-small has none, because its content changes.
_EDITIONS = {
    "latest-small": ("ml-latest-small.zip", None),
    "100k": ("ml-100k.zip", "0e33842e24a9c977be4e0107933c0723"),
    "1m": ("ml-1m.zip", "c4d9eecfca2ab87c1945afe126590906"),
    "10m": ("ml-10m.zip", "ce571fd55effeba0271552578f2648bd"),
    "20m": ("ml-20m.zip", "cd245b17a1ae2cc31bb14903e1204af3"),
    "25m": ("ml-25m.zip", "6b51fb2759a8657d3bfcbfc42b592ada"),
    "32m": ("ml-32m.zip", "d472be332d4daa821edc399621853b57"),
}
EDITIONS = tuple(_EDITIONS)

_LICENCE = (
    "GroupLens: for research, acknowledged in publications; no commercial use without permission; "
    "redistribution as the README of the archive says."
)
_CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5, 4, 19:1-19:19. https://doi.org/10.1145/2827872"
)

_RATING_COLUMNS = ("user", "item", "value", "time")
# The flags of u.item, in the order of u.genre; the first one means that no genre is known.
_GENRES_100K = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()
# The codes 0 to 20 of users.dat, from the README of the 1M edition.
_OCCUPATIONS_1M = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def movielens(edition: str = "latest-small", path: Any = None) -> Dataset:
    """MovieLens: ratings of films by the users of a film site, from 0.5 or 1 to 5 stars.

    Args:
        edition: `"latest-small"`, `"100k"`, `"1m"`, `"10m"`, `"20m"`, `"25m"` or `"32m"`. The first changes
            over the years (671 users in 2016, 610 in 2018); the others do not. Defaults to `"latest-small"`.
        path: a folder with the publisher's files, or the zip file, which is read in place. Defaults to
            `None`: the folder `movielens-<edition>` or the publisher's folder or zip file (`ml-1m`,
            `ml-1m.zip`) in the folder named by the environment variable `KERASREC_DATA`, otherwise a
            download, which is kept.

    Returns:
        `Dataset`. Its `items` have the columns `title`, `genres` (joined by `|`, empty if unknown) and `year`
        (missing if the title has none). In the editions 100k and 1m its `users` have `age`, `gender`,
        `occupation` and `zip_code` (in 1m, `age` is the lower end of a range); in the others they have no
        columns.

    Raises:
        ValueError: if the edition is unknown or a file is not the publisher's.
        FileNotFoundError: if `path` or a file in it is missing, or the download fails; the message says what
            to download and where to put it.

    References:
        F. M. Harper and J. A. Konstan (2015), The MovieLens Datasets: History and Context.
    """
    if edition not in _EDITIONS:
        raise ValueError(f"`edition` must be one of {', '.join(EDITIONS)}. Received: edition={edition!r}.")
    file, md5 = _EDITIONS[edition]
    name = f"movielens-{edition}"
    source = files(Archive(name, _SITE + file, md5), path)
    read = {"100k": _read_100k, "1m": _read_dat, "10m": _read_dat}.get(edition, _read_csv)
    ratings, items, users = read(source)
    interactions = _tables.to_interactions(ratings)
    if users is None:
        users = _index(ratings[["user"]].drop_duplicates().sort_values("user"), "user")
    items["year"] = items["title"].str.extract(r"\((\d{4})\)\s*$", expand=False).astype("Int64")
    return with_notice(Dataset(name, interactions, items, users, _LICENCE, _CITATION))


_Frames = tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame | None"]


def _read_csv(source: Files) -> _Frames:
    ratings = _tables.read_numbers(
        source,
        "ratings.csv",
        columns={"user": ["userid"], "item": ["movieid"], "value": ["rating"], "time": ["timestamp"]},
        dtype={"userId": "int32", "movieId": "int32", "rating": "float32", "timestamp": "int64"},
    )
    movies = _tables.read_text(
        source,
        "movies.csv",
        columns={"item": ["movieid"], "title": ["title"], "genres": ["genres"]},
    )
    movies["genres"] = movies["genres"].replace("(no genres listed)", None)
    return ratings, _items(movies), None


def _read_dat(source: Files) -> _Frames:
    # With a single colon as separator every second column is empty, but pandas reads the file fast.
    ratings = _tables.read_numbers(
        source,
        "ratings.dat",
        columns=["user", "_1", "item", "_2", "value", "_3", "time"],
        sep=":",
        usecols=_RATING_COLUMNS,
        dtype={"user": "int32", "item": "int32", "value": "float32", "time": "int64"},
    )
    movies = _tables.read_double_colons(source, "movies.dat", columns=["item", "title", "genres"])
    movies["genres"] = movies["genres"].replace("(no genres listed)", None)
    if source.find("users.dat") is None:
        return ratings, _items(movies), None
    columns = ["user", "gender", "age", "occupation", "zip_code"]
    users = _tables.read_double_colons(source, "users.dat", columns=columns)
    users["occupation"] = users["occupation"].astype("int64").map(dict(enumerate(_OCCUPATIONS_1M)))
    return ratings, _items(movies), _users(users)


def _read_100k(source: Files) -> _Frames:
    ratings = _tables.read_numbers(source, "u.data", columns=_RATING_COLUMNS, sep="\t")
    columns = ["item", "title", "released", "released_video", "url", *_GENRES_100K]
    movies = _tables.read_text(source, "u.item", columns=columns, sep="|", quoting=csv.QUOTE_NONE)
    known = _GENRES_100K[1:]
    flags = movies[known].to_numpy() == "1"
    movies["genres"] = ["|".join(g for g, f in zip(known, row, strict=True) if f) for row in flags]
    users = _tables.read_text(
        source, "u.user", columns=["user", "age", "gender", "occupation", "zip_code"], sep="|"
    )
    return ratings, _items(movies[["item", "title", "genres"]]), _users(users)


def _items(movies: "pd.DataFrame") -> "pd.DataFrame":
    return _index(movies.fillna({"genres": ""}), "item")[["title", "genres"]]


def _users(users: "pd.DataFrame") -> "pd.DataFrame":
    users["age"] = users["age"].astype("int64")
    return _index(users, "user")[["age", "gender", "occupation", "zip_code"]]


def _index(frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
    return frame.astype({name: "int64"}).set_index(name)
