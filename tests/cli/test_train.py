import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.recommender import read_catalogue


def test_train_writes_a_model_with_the_ids_and_a_plot(trained):
    path, result = trained
    assert result["columns"] == {"user": "Customer-ID", "item": "Produktnummer", "value": "Punkte"}
    assert (result["users"], result["items"]) == (20, 12)
    assert (result["trained_on"], result["held_out"]) == (72, 8)
    assert len(result["history"]["val_loss"]) == 3
    assert (result["file"], result["plot"]) == (str(path), str(path.with_suffix(".png")))
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    catalogue = read_catalogue(path)
    assert catalogue.user_ids.tolist() == [f"cust {code:02d}" for code in range(20)]
    assert len(catalogue.seen[1]) == 72
    model = keras.models.load_model(path)
    assert model.get_layer("user_embedding").n_components == 4
    assert model.get_layer("scale").minimum == 1.0
    assert model.get_layer("scale").maximum == 5.0


def test_the_printed_error_is_that_of_the_written_model(shop, trained):
    path, result = trained
    frame = pd.read_csv(shop[0], sep=";", encoding="latin-1", decimal=",")
    catalogue = read_catalogue(path)
    users = frame["Customer-ID"].map({raw: code for code, raw in enumerate(catalogue.user_ids)}).to_numpy()
    items = frame["Produktnummer"].map({raw: code for code, raw in enumerate(catalogue.item_ids)}).to_numpy()
    indptr, seen = catalogue.seen
    held_out = [i not in seen[indptr[u] : indptr[u + 1]] for u, i in zip(users, items, strict=True)]
    model = keras.models.load_model(path)
    predicted = model.predict({"user": users[held_out], "item": items[held_out]}, verbose=0)[:, 0]
    expected = np.sqrt(np.mean((predicted - frame["Punkte"].to_numpy()[held_out]) ** 2))
    assert result["test"][0]["predictor"] == "recommender_v2"
    assert result["test"][0]["RMSE"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(run_json, shop, trained):
    arguments = ["train", *shop, "--epochs", 3, "--set", "n_components=4", "--no-plot"]
    again = run_json(*arguments)
    assert again["history"] == trained[1]["history"]
    assert again["test"] == trained[1]["test"]
    assert "plot" not in again
    assert run_json(*arguments, "--seed", 1)["history"] != again["history"]


@pytest.mark.slow
def test_train_on_everything(run_json, shop):
    result = run_json("train", *shop, "--epochs", 1, "--test-size", 0)
    assert result["trained_on"] == 80
    assert "test" not in result and "val_loss" not in result["history"]


@pytest.mark.slow
def test_a_time_column_holds_out_the_latest(run_json, shop, tmp_path):
    result = run_json("train", *shop, "--epochs", 1, "--time-column", "when")
    # Products 10 and 11 have the latest dates; the rows of one date stay together.
    assert result["held_out"] == 13
    catalogue = read_catalogue(tmp_path / "model.keras")
    assert set(catalogue.seen[1].tolist()) <= set(range(12)) - {catalogue.item_ids.tolist().index("P-11é")}


def test_likes_are_counted(run, shop):
    done = run("train", *shop, "--model", "popularity", "--at-least", 3)
    points = pd.read_csv(shop[0], sep=";", encoding="latin-1", decimal=",")["Punkte"]
    n_likes = int((points >= 3).sum())
    assert n_likes < 80
    counts = (
        f"80 rows of 20 users and 12 items, {n_likes} of them likes, {-(-n_likes // 10)} of them held out"
    )
    assert counts in done.out


@pytest.mark.slow
def test_people_get_tables(run, shop):
    done = run("train", *shop, "--epochs", 1)
    assert done.status == 0
    assert done.out.startswith(
        "Columns: user 'Customer-ID', item 'Produktnummer', value 'Punkte'\nRead as: separator ';', encoding "
        "cp1252, decimal ','; the options of the same names override this\nKind: ratings, by the name of "
        "column 'Punkte': the last one counts if a user has an item several times; `--kind` sets another\n80 "
        "ratings of 20 users and 12 items, 8 of them held out\n"
    )
    assert "Error on 8 held-out ratings" in done.out
    written, last = done.out.splitlines()[-3:-1], done.out.splitlines()[-1]
    assert written == ["Model: model.keras", "Learning curve: model.png"]
    assert last.startswith("Careful: recommender_v2 is worse than the mean of all ratings")  # after one epoch
    assert "Training recommender_v2, epoch 1 of 1, RMSE" in done.err


@pytest.mark.slow
def test_a_model_by_the_name_of_its_class(run_json, shop):
    assert run_json("train", *shop, "--epochs", 1, "--model", "RecommenderV1")["model"] == "recommender_v1"


def test_a_model_in_closed_form_needs_no_epochs(run_json, shop, tmp_path):
    result = run_json("train", *shop, "--model", "global_bias", "--set", "item_shrinkage=1.0")
    assert "history" not in result and "plot" not in result
    assert [row["predictor"] for row in result["test"]][0] == "global_bias"
    assert {path.name for path in tmp_path.iterdir()} == {"model.keras"}


def test_mistakes(fails, shop, tmp_path):
    assert fails("train", "none.csv") == "There is no file 'none.csv'."
    assert "must be a file, a folder of Parquet files, or a folder written by `kerasrec prepare`" in fails(
        "train", tmp_path
    )
    (tmp_path / "odd.csv").write_text("user,whatnot,stars\nann,x,1\n")
    assert fails("train", "odd.csv").startswith("`--item-column` must be given")
    assert "Did you mean 'recommender_v2'?" in fails("train", *shop, "--model", "recommender_v3")
    assert "Did you mean 'n_components'?" in fails("train", *shop, "--set", "n_component=3")
    assert fails("train", shop[0], "--set", "x") == "`--set` must be NAME=VALUE. Received: 'x'."
    assert fails("train", shop[0], "--out", "x.h5") == (
        "The file to write must end in .keras. Received: 'x.h5'."
    )
    assert (
        fails("train", shop[0], "--out", "no/x.keras")
        == "There is no folder 'no' to write to: create it first."
    )
    (tmp_path / "folder.keras").mkdir()
    assert fails("train", shop[0], "--out", "folder.keras") == (
        "The file to write must not be a folder. Received: 'folder.keras'."
    )
    assert not (tmp_path / "model.keras").exists()


def test_a_folder_that_cannot_be_written_to(fails, shop):
    message = fails("train", shop[0], "--out", "/proc/model.keras")
    assert message.startswith("The folder '/proc' must be writable. Received: ")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "u,i,4\nu,,3\n",
            "Column 'item' must not have missing ids. Received: 1 row of them, first nan in row 1.",
        ),
        ("u,i,4\nu,j,good\n", "Column 'rating' must not have entries that are not numbers. Received: 1 row"),
        ("u,i,4\nu,j,inf\n", "Column 'rating' must not have values that are infinite"),
        ("", "The table must have at least one row."),
        ("u,i,4\n", "A split needs at least two interactions. Received: 1."),
        ("u,i,4\nu,j,4\nv,i,4\n", "recommender_v2 must know the lowest and the highest rating"),
    ],
)
def test_tables_that_cannot_be_used(fails, tmp_path, rows, message):
    (tmp_path / "bad.csv").write_text("user,item,rating\n" + rows)
    said = fails("train", "bad.csv")
    assert said.startswith(message)
    of_file = "Rows are those of 'bad.csv', counted from 0 after the header."
    assert said.endswith(of_file) is ("in row 1" in said)


def test_a_bad_row_of_a_parquet_file(fails, tmp_path):
    frame = pd.DataFrame({"user": ["u", "u"], "item": ["i", None], "rating": [4, 3]})
    frame.to_parquet(tmp_path / "bad.parquet")
    assert fails("train", "bad.parquet").endswith("Rows are those of 'bad.parquet', counted from 0.")


def test_repeats_are_refused_where_that_is_asked_for(fails, tmp_path):
    (tmp_path / "bad.csv").write_text("user,item,rating\nu,i,4\nu,i,3\n")
    message = fails("train", "bad.csv", "--duplicates", "error")
    assert message.startswith("A user must not have an item twice unless `duplicates` is")


@pytest.mark.slow
def test_a_column_of_counts_trains_a_model_that_ranks(run, tmp_path):
    rows = [f"u{u},i{i},{1 + (u * i) % 3}" for u in range(8) for i in range(6) if (u + i) % 3]
    (tmp_path / "shop.csv").write_text("\n".join(["user,item,Quantity", *rows]))
    out = run("train", "shop.csv", "--epochs", "1", "--no-plot").out
    assert (
        "Kind: counts, by the name of column 'Quantity': they are added up if a user has an item several "
        "times"
    ) in out
    assert "Counted as liked: every row with a count above 0, weighted by the count" in out


@pytest.mark.slow
def test_a_failure_while_writing_leaves_the_previous_model(fails, shop, tmp_path, monkeypatch):
    (tmp_path / "model.keras").write_bytes(b"the previous one")
    real = keras.Model.save

    def save(model, path):
        real(model, path)
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(keras.Model, "save", save)
    message = fails("train", *shop, "--epochs", 1)
    assert message.startswith("No space left on device; make room or write elsewhere: ")
    assert (tmp_path / "model.keras").read_bytes() == b"the previous one"
    assert not list(tmp_path.glob(".*"))


def test_debug_shows_where(run, tmp_path):
    (tmp_path / "bad.csv").write_text("user,item,rating\n")
    done = run("train", "bad.csv", "--debug")
    assert done.status == 2
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("Error: The table must have at least one row.")


def test_a_fault_of_the_program_is_called_one(fails, shop, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(kerasrec.zoo, "create", broken)
    message = fails("train", *shop, status=1)
    assert message == "kerasrec failed: RuntimeError: a wheel came off (`--debug` shows where)"


@pytest.fixture
def items(tmp_path):
    """Titles of eleven of the shop's twelve products and of one that it does not have, in another order."""
    rows = [f"P-{item}é,Thing {item},{item}" for item in reversed(range(1, 13))]
    (tmp_path / "items.csv").write_text("\n".join(["id,name,price", *rows, rows[0]]), encoding="utf-8")
    return tmp_path / "items.csv"


@pytest.mark.parametrize("model", ["item_knn", "global_bias"])
def test_the_file_keeps_a_table_of_items(run, shop, items, tmp_path, model):
    done = run("train", *shop, "--model", model, "--items", items)
    assert done.status == 0, done.err
    said = "Items: 11 of 12 have a row in items.csv; the model's file keeps 'name', 'price'"
    assert f"{said}; repeated rows are dropped: 1\n" in done.out
    held = kerasrec.Recommender.load(tmp_path / "model.keras")
    expected = {f"P-{item}é": f"Thing {item}" for item in range(1, 12)}
    assert held.item_metadata["name"].set_axis(held.item_ids).dropna().to_dict() == expected
    shown = held.recommend("cust 01", k=3)
    assert shown["name"].tolist() == [expected.get(item) for item in shown["item"]]
    assert (held.recommend("cust 01", k=2, where="price > 5")["price"] > 5).all()


def test_decimal_commas_of_items_are_numbers(run, shop, items, tmp_path):
    rows = [
        f"P-{item}é;{item},95;1,{200 + item};{'a' if item > 3 else '2,5'};1.00{item % 9},5"
        for item in range(12)
    ]
    items.write_text("\n".join(["id;price;open;mixed;large", *rows]), encoding="utf-8")
    assert run("train", *shop, "--model", "item_knn", "--items", items).status == 0
    found = kerasrec.Recommender.load(tmp_path / "model.keras").item_metadata.set_axis(range(12))
    by_id = dict(
        zip(kerasrec.Recommender.load(tmp_path / "model.keras").item_ids, found["price"], strict=True)
    )
    assert by_id["P-7é"] == 7.95 and sorted(found["large"])[0] == 1000.5
    assert {type(x) for x in found["open"]} == {type(x) for x in found["mixed"]} == {str}


def test_lost_zeros_are_named(fails, tmp_path):
    (tmp_path / "t.csv").write_text("user,item\na,007\nb,008\n")
    (tmp_path / "items.csv").write_text("item,name\n7,Bond\n")
    said = fails("train", "t.csv", "--model", "popularity", "--items", "items.csv")
    assert "; leading zeros of ids are lost in one of the tables. Received: " in said


def test_rows_that_come_to_one_are_counted(run, tmp_path):
    (tmp_path / "t.csv").write_text("user,item,quantity\na,x,1\na,x,2\nb,x,1\nb,y,1\n")
    done = run("train", "t.csv", "--model", "popularity", "--test-size", 0)
    assert "\n3 pairs (4 rows) of 2 users and 2 items, " in done.out


def test_a_table_of_clicks_is_not_one_of_likes(fails, run, tmp_path):
    rows = [f"{user},{item},{(user + item) % 3 % 2}" for user in range(9) for item in range(6)]
    (tmp_path / "clicks.csv").write_text("\n".join(["user,item,geklickt", *rows]))
    message = (
        "Column 'geklickt' seems to mark which of the items shown were clicked: `--label geklickt` trains"
    )
    assert fails("train", "clicks.csv").startswith(message)
    assert fails("compare", "clicks.csv").startswith(message)
    done = run("train", "clicks.csv", "--model", "popularity", "--value-column", "geklickt")
    assert done.status == 0, done.err
    assert run("train", "clicks.csv", "--model", "popularity", "--kind", "likes").status == 0


def test_tables_of_other_items(fails, shop, items):
    for line, message in {
        "movie_id,name\nx,y": "`--items` must have the items of the model; `--item-column` names",
        "name\ny": "`--item-column` must be given: no column's name looks like item ids.",
        "id,score\nP-1é,y": "Columns of `item_metadata` must occur once and not be called user",
    }.items():
        items.write_text(line + "\n", encoding="utf-8")
        assert fails("train", *shop, "--model", "item_knn", "--items", items).startswith(message)
    assert fails("train", *shop, "--label", "Punkte", "--items", items).startswith(
        "`--items` cannot be used with `--label`"
    )
