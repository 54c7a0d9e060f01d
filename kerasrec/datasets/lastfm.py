import csv
from typing import TYPE_CHECKING, Any

from kerasrec.datasets import _tables
from kerasrec.datasets._notice import with_notice
from kerasrec.datasets._source import Archive, Files, files
from kerasrec.datasets.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

ARCHIVE = Archive("lastfm", "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip")
_LICENCE = "Last.fm: for non-commercial use; for commercial use ask Last.fm."
_CITATION = (
    "Ivan Cantador, Peter Brusilovsky and Tsvi Kuflik. 2011. 2nd Workshop on Information Heterogeneity and "
    "Fusion in Recommender Systems (HetRec 2011). RecSys '11. Last.fm website, http://www.lastfm.com"
)


def lastfm(path: Any = None) -> Dataset:
    """Last.fm, 2,000 users (HetRec 2011): how often users listened to artists.

    The value of an interaction is the number of plays. There are no times.

    Args:
        path: a folder with the publisher's files, or the zip file, which is read in place. Defaults to
            `None`: the folder `lastfm` or `hetrec2011-lastfm-2k` or the zip file `hetrec2011-lastfm-2k.zip`
            in the folder named by the environment variable `KERASREC_DATA`, otherwise a download, which is
            kept.

    Returns:
        `Dataset`. Its `items` have the columns `title` (the artist's name), `tags` (given by users, most
        frequent first, joined by `|`) and `url`; its `users` have no columns.

    Raises:
        ValueError: if a file is not the publisher's.
        FileNotFoundError: if `path` or a file in it is missing, or the download fails; the message says what
            to download and where to put it.

    References:
        I. Cantador, P. Brusilovsky and T. Kuflik (2011), HetRec 2011.
    """
    source = files(ARCHIVE, path)
    plays = _tables.read_numbers(
        source,
        "user_artists.dat",
        columns={"user": ["userid"], "item": ["artistid"], "value": ["weight"]},
        sep="\t",
    )
    artists = _tables.read_text(
        source,
        "artists.dat",
        columns={"item": ["id"], "title": ["name"], "url": ["url"]},
        sep="\t",
        quoting=csv.QUOTE_NONE,
    )
    items = artists.astype({"item": "int64"}).set_index("item")
    items.insert(1, "tags", _tags(source).reindex(items.index, fill_value=""))
    users = plays[["user"]].drop_duplicates().sort_values("user").set_index("user")
    return with_notice(
        Dataset(ARCHIVE.name, _tables.to_interactions(plays), items, users, _LICENCE, _CITATION)
    )


def _tags(source: Files) -> "pd.Series[str]":
    """Tags by artist."""
    given = _tables.read_numbers(
        source,
        "user_taggedartists.dat",
        columns={"item": ["artistid"], "tag": ["tagid"]},
        sep="\t",
    )
    names = _tables.read_text(
        source, "tags.dat", columns={"tag": ["tagid"], "name": ["tagvalue"]}, sep="\t", quoting=csv.QUOTE_NONE
    )
    # A bar would split a tag.
    names = names.astype({"tag": "int64"}).set_index("tag")["name"].str.replace("|", "/", regex=False)
    counts = given.groupby(["item", "tag"]).size().rename("n").reset_index()
    counts["name"] = names.reindex(counts["tag"]).to_numpy()
    counts = counts.dropna(subset="name").sort_values(["item", "n", "tag"], ascending=[True, False, True])
    return counts.groupby("item")["name"].agg("|".join)
