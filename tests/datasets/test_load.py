import pytest

from kerasrec import datasets

FILES = {
    "ratings.csv": b"userId,movieId,rating,timestamp\n7,1,4.0,964982703\n",
    "movies.csv": b"movieId,title,genres\n1,A (1995),Drama\n",
}


def test_names():
    assert datasets.names() == [
        "book-crossing",
        "lastfm",
        "movielens-latest-small",
        "movielens-100k",
        "movielens-1m",
        "movielens-10m",
        "movielens-20m",
        "movielens-25m",
        "movielens-32m",
        "synthetic",
    ]


def test_load(write):
    data = datasets.load("movielens-25m", write("x", FILES))
    assert data.name == "movielens-25m" and len(data.interactions) == 1
    assert datasets.load("synthetic").interactions.n_items == 2000


def test_licence_and_citation_are_printed_once(write, capsys):
    folder = write("x", FILES)
    datasets.load("movielens-25m", folder)
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err.startswith("movielens-25m\nLicence: GroupLens: ") and "Please cite: F. Maxwell" in said.err
    )
    datasets.load("movielens-25m", folder)
    assert capsys.readouterr().err == ""
    datasets.load("movielens-20m", folder)
    assert capsys.readouterr().err.startswith("movielens-20m\nLicence: ")


def test_errors():
    with pytest.raises(
        ValueError, match=r"`name` must be one of book-crossing, .*\. Received: name='netflix'\."
    ):
        datasets.load("netflix")
    with pytest.raises(ValueError, match=r"`path` must be None for 'synthetic'.*Received: path='x'\."):
        datasets.load("synthetic", "x")
