from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasrec.cli._dialect import dialect_of
from kerasrec.cli._form import Columns, Form
from kerasrec.cli._table import find_columns, read_items, read_ratings


def table(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["user", "item", "rating"], ["user", "item", "rating"]),
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", "rating"]),
        (["User-ID", "ISBN", "Book-Rating"], ["User-ID", "ISBN", "Book-Rating"]),
        (["reviewerID", "asin", "overall", "reviewerName"], ["reviewerID", "asin", "overall"]),
        (["when", "customer_id", "sku", "quantity"], ["customer_id", "sku", "quantity"]),
        (["title", "movie_id", "stars", "user_id"], ["user_id", "movie_id", "stars"]),
        ([" user ", "id_item", "SCORE"], [" user ", "id_item", "SCORE"]),
        (["userID", "artistID", "weight"], ["userID", "artistID", "weight"]),
        (["user", "item", "listenCount", "discount"], ["user", "item", "listenCount"]),
        (["user", "item", "amount"], ["user", "item", "amount"]),
        # The key of a rating is none, and a number is rather an id than a name.
        (["rating_id", "user_id", "movie_id", "rating"], ["user_id", "movie_id", "rating"]),
        (
            ["Customer", "Customer No.", "Product", "Product Code", "Qty"],
            ["Customer No.", "Product Code", "Qty"],
        ),
        (["Kunde", "Artikel", "Menge", "Datum"], ["Kunde", "Artikel", "Menge"]),
        (
            ["Kunde", "Kunden-Nr.", "Artikel", "Artikelnummer", "Menge"],
            ["Kunden-Nr.", "Artikelnummer", "Menge"],
        ),
        (["Datum", "KdNr", "Art.-Nr.", "Stück"], ["KdNr", "Art.-Nr.", "Stück"]),
        (["Käufer", "Produkt-ID", "Bewertung", "Kommentar"], ["Käufer", "Produkt-ID", "Bewertung"]),
        (["client", "article", "quantité", "date"], ["client", "article", "quantité"]),
        (["N° client", "client", "Réf. produit", "note"], ["N° client", "Réf. produit", "note"]),
        (["id_utilisateur", "id_livre", "note", "quantité"], ["id_utilisateur", "id_livre", "quantité"]),
        (["cliente", "artículo", "cantidad", "fecha"], ["cliente", "artículo", "cantidad"]),
        (
            ["Código cliente", "nombre", "Cód. producto", "Valoración"],
            ["Código cliente", "Cód. producto", "Valoración"],
        ),
        (["usuario", "película", "nota"], ["usuario", "película", "nota"]),
    ],
)
def test_columns_are_known_by_their_names(names, expected):
    assert list(find_columns(names, Columns()).values()) == expected


def test_names_that_only_sound_like_counts():
    assert list(find_columns(["user", "item", "discount"], Columns(), needs_values=False)) == ["user", "item"]


@pytest.mark.parametrize(
    "names", [["user", "item", "note"], ["user_id", "película", "nota"], ["Kunde", "Artikel", "note"]]
)
def test_remarks_are_no_ratings(names):
    assert list(find_columns(names, Columns(), needs_values=False)) == ["user", "item"]


def test_named_columns_win_and_are_not_guessed_again():
    names = ["user", "item", "rating", "score", "account"]
    found = find_columns(names, Columns(user="account", value="score", time="rating"))
    assert found == {"user": "account", "item": "item", "value": "score", "time": "rating"}


def test_a_column_that_is_not_there():
    message = (
        r"`--item-column` must name a column of the table. Received: 'film'; its columns are 'user', 'x'."
    )
    with pytest.raises(ValueError, match=message):
        find_columns(["user", "x"], Columns(item="film"))


def test_columns_that_look_like_nothing():
    message = (
        "`--user-column` must be given: no column's name looks like users. The columns are 'a', 'b'. `--na"
    )
    with pytest.raises(ValueError, match=message):
        find_columns(["a", "b"], Columns())
    with pytest.raises(
        ValueError, match=r"`--value-column` must be given: no column's name looks like ratings."
    ):
        find_columns(["user", "item"], Columns())


def test_a_table_without_a_header():
    with pytest.raises(
        ValueError, match="The first line seems to be data: `--names user,item,...` names the columns"
    ):
        find_columns(["1", "1193", "5"], Columns())


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_seen(tmp_path, separator):
    text = f'"user, or; so"{separator}item{separator}rating\n1{separator}2{separator}3\n'
    assert dialect_of(table(tmp_path / "x.csv", text), Form()).options["sep"] == separator


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings_are_seen(tmp_path, encoding):
    path = table(tmp_path / "x.csv", "user,item,rating\nZoë,Amélie,4\n", encoding)
    ratings, found, *_ = read_ratings(path, Columns())
    assert found == {"user": "user", "item": "item", "value": "rating"}
    assert ratings.user_ids.tolist() == ["Zoë"]
    assert ratings.item_ids.tolist() == ["Amélie"]


def test_an_encoding_that_does_not_exist(tmp_path):
    path = table(tmp_path / "x.csv", "user,item,rating\n1,2,3\n")
    with pytest.raises(
        ValueError, match="`--encoding` must be the encoding of the file. Received: 'latin-99'"
    ):
        read_ratings(path, Columns(), Form(encoding="latin-99"))


def test_the_table_of_a_shop(shop):
    columns = Columns(item="Produktnummer", value="Punkte", time="when")
    ratings, *_ = read_ratings(Path(shop[0]), columns)
    frame = ratings.to_frame()
    assert len(frame) == 80
    assert frame.iloc[1, :3].tolist() == ["cust 00", "P-3é", 1.0]
    row = frame[(frame["user"] == "cust 05") & (frame["item"] == "P-7é")]
    assert row["value"].tolist() == [1 + 35 % 9 / 2]
    assert row["time"].tolist() == [pd.Timestamp("2024-01-08")]


def test_spaces_behind_separators_are_no_part_of_ids(tmp_path):
    ratings, *_ = read_ratings(table(tmp_path / "x.csv", "user, item, rating\n7, 9, 3\n8, 9, 4\n"), Columns())
    assert ratings.user_ids.tolist() == [7, 8]
    assert ratings.item_ids.tolist() == [9]


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.csv.gz"])
def test_formats(tmp_path, name):
    frame = pd.DataFrame({"userId": [3, 1], "movieId": ["a", "b"], "rating": [4.5, 2.0]})
    write = frame.to_parquet if name.endswith("parquet") else frame.to_csv
    write(tmp_path / name, index=False)
    ratings, *_ = read_ratings(tmp_path / name, Columns())
    np.testing.assert_array_equal(ratings.user_ids[ratings.users], [3, 1])
    np.testing.assert_array_equal(ratings.item_ids[ratings.items], ["a", "b"])
    np.testing.assert_array_equal(ratings.values, [4.5, 2.0])


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file '.*x.csv'."):
        read_ratings(tmp_path / "x.csv", Columns())
    with pytest.raises(ValueError, match="must be a table with a header. Received: an empty file."):
        read_ratings(table(tmp_path / "x.csv", ""), Columns())
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\n" + bytes([1, 2, 10]) * 40)
    with pytest.raises(
        ValueError, match="picture.csv' must be a table, .* Received: a file that is not text."
    ):
        read_ratings(tmp_path / "picture.csv", Columns())
    message = "a folder of Parquet files, or a folder written by `kerasrec prepare`.* with neither"
    with pytest.raises(ValueError, match=message):
        read_ratings(tmp_path, Columns())
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(
        ValueError, match=r"must hold a Parquet table. Received: .*cut.parquet.* pyarrow says"
    ):
        read_ratings(tmp_path / "cut.parquet", Columns())


class TestFoldersOfParquet:
    @pytest.fixture
    def folder(self, tmp_path):
        rows = pd.DataFrame({"userId": ["a", "b", "a", "c"], "movieId": [1, 2, 3, 1], "rating": [4, 2, 5, 3]})
        folder = tmp_path / "ratings"
        (folder / "later").mkdir(parents=True)
        rows[:3].to_parquet(folder / "1.parquet")
        rows[3:].to_parquet(folder / "later" / "2.parquet")
        (folder / "_SUCCESS").touch()  # as Spark leaves it
        return folder

    def test_they_are_one_table(self, folder):
        ratings, found, *_ = read_ratings(folder, Columns())
        assert found == {"user": "userId", "item": "movieId", "value": "rating"}
        assert sorted(ratings.to_frame().iloc[:, :3].itertuples(index=False, name=None)) == [
            ("a", 1, 4),
            ("a", 3, 5),
            ("b", 2, 2),
            ("c", 1, 3),
        ]

    def test_types_that_differ(self, folder):
        pd.DataFrame({"userId": ["d"], "movieId": ["007"], "rating": [1]}).to_parquet(folder / "3.parquet")
        message = "must have the same columns of the same types.*'movieId' is int64 in .* in '3.parquet'"
        with pytest.raises(ValueError, match=message):
            read_ratings(folder, Columns())

    def test_items(self, folder):
        frame, by = read_items(folder, None)
        assert by == "movieId" and sorted(frame[by]) == [1, 1, 2, 3]
