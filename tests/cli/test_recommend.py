import pandas as pd
import pytest

from kerasrec.recommender import Recommender


@pytest.fixture(scope="module")
def expected(trained):
    return Recommender.load(trained[0])


def test_one_user(run_json, run, trained, expected):
    path, _ = trained
    found = run_json("recommend", path, "--user", "cust 03", "-k", 4)
    frame = expected.recommend("cust 03", k=4)
    assert [row["item"] for row in found["recommendations"]] == frame["item"].tolist()
    assert [row["score"] for row in found["recommendations"]] == pytest.approx(frame["score"].tolist())
    out = run("recommend", path, "-u", "cust 03", "-k", 1).out
    assert "For user cust 03" in out
    assert frame["item"][0] in out


def test_a_list_ends_where_there_are_no_more_items(run_json, trained):
    found = run_json("recommend", trained[0], "--user", "cust 03", "-k", 5000)
    left = run_json("recommend", trained[0], "--user", "cust 03", "-k", 5000, "--include-seen")
    assert 0 < len(found["recommendations"]) < len(left["recommendations"]) == 12


def test_seen_items_where_they_are_asked_for(run_json, trained):
    found = run_json("recommend", trained[0], "--user", "cust 03", "-k", 12, "--include-seen")
    assert len(found["recommendations"]) == 12


def test_somebody_who_likes_a_few_items(run_json, trained, expected):
    found = run_json("recommend", trained[0], "--item", "P-1é", "-i", "P-2é", "-k", 3)
    frame = expected.recommend_for_history(["P-1é", "P-2é"], k=3)
    assert [row["item"] for row in found["recommendations"]] == frame["item"].tolist()


def test_all_users_to_a_file(run_json, trained, expected, tmp_path):
    found = run_json("recommend", trained[0], "--out", "lists.parquet", "-k", 2)
    assert found["file"] == "lists.parquet"
    frame = pd.read_parquet(tmp_path / "lists.parquet")
    assert frame["item"].tolist() == expected.recommend(k=2)["item"].tolist()


def test_ids_that_are_numbers(run_json, tmp_path):
    from kerasrec.data import Interactions

    data = Interactions([0, 1], [0, 1], user_ids=[7, 432], item_ids=[10, 20, 30])
    Recommender.train(data, "popularity").save(tmp_path / "numbers.keras")
    found = run_json("recommend", "numbers.keras", "--user", "432", "-k", 1)
    assert found["recommendations"][0]["user"] == 432
    assert found["recommendations"][0]["item"] == 10


def test_titles_stand_beside_ids(run, run_json, fails, trained, expected, tmp_path):
    lines = ["sku;Product Name;price"] + [f"P-{item}é;thing {item};{item}" for item in range(12)]
    (tmp_path / "items.csv").write_text("\n".join(lines) + "\n")
    found = run_json("recommend", trained[0], "--user", "cust 03", "-k", 3, "--items", "items.csv")
    for row in found["recommendations"]:
        assert row["Product Name"] == "thing " + row["item"][2:-1] and "price" not in row
    both = ["--title-column", "Product Name, price"]
    found = run_json("recommend", trained[0], "-i", "P-1é", "-k", 1, "--items", "items.csv", *both)
    assert set(found["recommendations"][0]) == {"rank", "item", "score", "Product Name", "price"}
    pd.read_csv(tmp_path / "items.csv", sep=";").to_parquet(tmp_path / "items.parquet")
    run("recommend", trained[0], "--out", "lists.parquet", "-k", 2, "--items", "items.parquet")
    assert pd.read_parquet(tmp_path / "lists.parquet")["Product Name"].str.startswith("thing ").all()

    someone = ["recommend", trained[0], "--user", "cust 03"]
    assert fails(*someone, "--title-column", "x") == (
        "`--title-column` names a column of `--items`. Received: no `--items`."
    )
    assert fails(*someone, "--items", "items.csv", "--title-column", "x") == (
        "`--title-column` must name a column of the items. Received: 'x'; there are 'Product Name', 'price'."
    )
    assert fails(*someone, "--items", "items.csv", "--item-column", "x") == (
        "`--item-column` must name a column of the items. Received: 'x'; there are 'sku', 'Product Name', "
        "'price'."
    )
    assert fails(*someone, "--items", "none.csv") == "There is no file 'none.csv'."
    (tmp_path / "odd.csv").write_text("nr,text\n7,seven\n")
    assert fails(*someone, "--items", "odd.csv") == (
        "`--item-column` must be given: no column's name looks like ids of items. "
        "The columns are 'nr', 'text'."
    )
    message = fails(*someone, "--items", "odd.csv", "--item-column", "nr")
    assert message.startswith("`--items` must have the items of the model; name their column with")


def test_titles_of_items_whose_ids_are_numbers(run_json, tmp_path):
    from kerasrec.data import Interactions

    data = Interactions([0, 1], [0, 1], user_ids=[7, 432], item_ids=[10, 20, 30])
    Recommender.train(data, "popularity").save(tmp_path / "numbers.keras")
    (tmp_path / "films.csv").write_text("movieId,title,genres\n10,Ten,Drama\n20,Twenty,War\n")
    found = run_json("recommend", "numbers.keras", "--user", "7", "-k", 2, "--items", "films.csv")
    assert [row["title"] for row in found["recommendations"]] == ["Twenty", None]


def test_mistakes(fails, trained, tmp_path):
    path, _ = trained
    assert fails("recommend", path) == (
        "`--user`, `--item` or `--out` must say for whom. Received: none of them."
    )
    assert fails("recommend", path, "--user", "cust 03", "--item", "P-1é") == (
        "`--user` and `--item` must not be given together. Received: both."
    )
    assert fails("recommend", path, "--item", "P-1é", "--out", "x.parquet") == (
        "`--out` must be given with users. Received: --item."
    )
    assert fails("recommend", path, "--out", "x.csv").startswith("The file to write must end in .parquet")
    assert "`users` must be users that the recommender knows" in fails("recommend", path, "--user", "nobody")
    assert "there is none at" in fails("recommend", tmp_path / "no.keras", "--user", "x")
