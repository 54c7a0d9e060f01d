import keras
import numpy as np
import pytest

from kerasrec import datasets

CSV = {
    "ratings.csv": (
        b"userId,movieId,rating,timestamp\r\n"
        b"7,1,4.0,964982703\r\n"
        b"7,50,0.5,964981247\r\n"
        b"9,1,5.0,1537109082\r\n"
    ),
    "movies.csv": (
        "movieId,title,genres\r\n"
        "1,Toy Story (1995),Adventure|Animation\r\n"
        '50,"Misérables, Les ""2"" (1998)",Drama\r\n'
        "60,NA,(no genres listed)\r\n"
    ).encode(),
    "README.txt": b"Summary",
}
# Latin-1, as published; CRLF as some copies have.
DAT = {
    "ml-1m/ratings.dat": b"1::1193::5::978300760\r\n1::661::3::978302109\r\n2::1193::1::978298413\r\n",
    "ml-1m/movies.dat": (
        '661::Cité: Part 2 (1995)::Children\'s|Sci-Fi\r\n1193::"One" Flew (1975)::Drama\r\n'
    ).encode("latin-1"),
    "ml-1m/users.dat": b"1::F::1::10::48067\r\n2::M::56::16::70072\r\n",
}
U = {
    "ml-100k/u.data": b"196\t242\t3\t881250949\n186\t242\t3\t891717742\n186\t267\t1\t891717743\n",
    "ml-100k/u.item": (
        "242|Kolya é|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|0|0|0|0|1|0|0|1|0|0|0|0|0|0|0|0|0|0\n"
        '267|unknown "x||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n\n'
    ).encode("latin-1"),
    "ml-100k/u.user": b"186|39|F|executive|00000\n196|49|M|writer|T8H1N\n",
}


@pytest.mark.parametrize("place", ["somewhere", "ml-latest-small.zip"])
@pytest.mark.parametrize("edition", ["latest-small", "20m", "25m", "32m"])
def test_comma_separated_editions(write, edition, place):
    data = datasets.movielens(edition, write(place, CSV))
    x = data.interactions
    assert data.name == f"movielens-{edition}"
    assert x.user_ids.tolist() == [7, 9] and x.item_ids.tolist() == [1, 50]
    assert x.users.tolist() == [0, 0, 1] and x.items.tolist() == [0, 1, 0]
    assert x.values.tolist() == [4.0, 0.5, 5.0]
    assert x.times.tolist() == [964982703, 964981247, 1537109082]
    assert data.items.index.tolist() == [1, 50, 60]
    assert data.items["title"].tolist() == ["Toy Story (1995)", 'Misérables, Les "2" (1998)', "NA"]
    assert data.items["genres"].tolist() == ["Adventure|Animation", "Drama", ""]
    assert data.items["year"].tolist()[:2] == [1995, 1998] and data.items["year"].isna().tolist()[2]
    assert data.users.index.tolist() == [7, 9] and data.users.shape[1] == 0


@pytest.mark.parametrize("place", ["somewhere", "ml-1m.zip"])
@pytest.mark.parametrize("edition", ["1m", "10m"])
def test_editions_with_double_colons(write, edition, place):
    files = DAT if edition == "1m" else {k: v for k, v in DAT.items() if "users" not in k}
    data = datasets.movielens(edition, write(place, files))
    x = data.interactions
    assert x.user_ids[x.users].tolist() == [1, 1, 2] and x.item_ids[x.items].tolist() == [1193, 661, 1193]
    assert x.values.tolist() == [5, 3, 1] and x.times.tolist() == [978300760, 978302109, 978298413]
    assert data.items["title"].tolist() == ["Cité: Part 2 (1995)", '"One" Flew (1975)']
    assert data.items["genres"].tolist() == ["Children's|Sci-Fi", "Drama"]
    assert data.users.index.tolist() == [1, 2]
    if edition == "1m":
        assert data.users.loc[1].tolist() == [1, "F", "K-12 student", "48067"]
        assert data.users.loc[2].tolist() == [56, "M", "self-employed", "70072"]


@pytest.mark.parametrize("place", ["somewhere", "ml-100k.zip"])
def test_100k(write, place):
    data = datasets.movielens("100k", write(place, U))
    x = data.interactions
    assert x.user_ids[x.users].tolist() == [196, 186, 186] and x.values.tolist() == [3, 3, 1]
    assert data.items["genres"].tolist() == ["Comedy|Drama", ""]
    assert data.items["title"].tolist() == ["Kolya é", 'unknown "x']
    assert data.users.loc[196].tolist() == [49, "M", "writer", "T8H1N"]


def test_files_in_utf_8_too(write):
    files = {
        **DAT,
        "ml-1m/movies.dat": "661::Cité (1995)::Drama\n1193::B (1975)::Drama\n".encode("utf-8-sig"),
    }
    assert datasets.movielens("1m", write("x", files)).items["title"].tolist() == ["Cité (1995)", "B (1975)"]


@pytest.mark.parametrize(
    ("edition", "file", "md5"),
    [
        ("latest-small", "ml-latest-small.zip", None),
        ("100k", "ml-100k.zip", "0e33842e24a9c977be4e0107933c0723"),
        ("1m", "ml-1m.zip", "c4d9eecfca2ab87c1945afe126590906"),
        ("10m", "ml-10m.zip", "ce571fd55effeba0271552578f2648bd"),
        ("20m", "ml-20m.zip", "cd245b17a1ae2cc31bb14903e1204af3"),
        ("25m", "ml-25m.zip", "6b51fb2759a8657d3bfcbfc42b592ada"),
        ("32m", "ml-32m.zip", "d472be332d4daa821edc399621853b57"),
    ],
)
def test_each_edition_is_fetched_from_its_place(monkeypatch, write, edition, file, md5):
    zipped = write(file, {**CSV, **DAT, **U})
    asked = []

    def fetch(name, origin, file_hash, hash_algorithm, **kwargs):
        asked.append((name, origin, file_hash, hash_algorithm))
        return str(zipped)

    monkeypatch.setattr(keras.utils, "get_file", fetch)
    assert len(datasets.movielens(edition).interactions) == 3
    assert asked == [(file, f"https://files.grouplens.org/datasets/movielens/{file}", md5, "md5")]


def test_unknown_edition():
    message = r"`edition` must be one of latest-small, 100k, .*32m\. Received: edition='1M'\."
    with pytest.raises(ValueError, match=message):
        datasets.movielens("1M")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"ratings.csv.*must be the publisher's table; pandas says: No columns"),
        (
            b"a,b,c,d\n1,2,3,4\n",
            r"must have a column for each of user, item, value, time\. .* none for user, item",
        ),
        (
            b"userId,movieId,rating,timestamp\n1,2,x,4\n",
            r"ratings.csv.*could not convert string to float: 'x'",
        ),
        (b"userId,movieId,rating,timestamp\n1,,3,4\n", r"ratings.csv.*Integer column has NA values"),
    ],
)
def test_a_file_that_is_not_the_publishers(write, content, message):
    with pytest.raises(ValueError, match=message):
        datasets.movielens(path=write("x", {**CSV, "ratings.csv": content}))


@pytest.mark.parametrize(
    ("year", "n", "n_users", "n_items", "n_films"),
    [(2016, 100_004, 671, 9066, 9125), (2018, 100_836, 610, 9724, 9742)],
)
def test_real_editions_of_latest_small(shared_data, year, n, n_users, n_items, n_films):
    data = datasets.movielens(path=shared_data / f"movielens-latest-small-{year}")
    x = data.interactions
    assert (len(x), x.n_users, x.n_items, len(data.items)) == (n, n_users, n_items, n_films)
    assert set(x.item_ids) <= set(data.items.index)
    assert data.items.loc[1].tolist() == [
        "Toy Story (1995)",
        "Adventure|Animation|Children|Comedy|Fantasy",
        1995,
    ]
    assert data.items["year"].isna().sum() < 20
    assert (x.values.min(), x.values.max()) == (0.5, 5.0)
    # The sums of the columns, taken from the file without pandas.
    with open(shared_data / f"movielens-latest-small-{year}" / "ratings.csv") as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1)
    got = np.stack([x.user_ids[x.users], x.item_ids[x.items], x.values, x.times], axis=1)
    assert (got == rows).all()
