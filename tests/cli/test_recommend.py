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
        "`--title-column` needs `--items`. Received: no `--items`."
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
        "`--item-column` must be given: no column's name looks like item ids. The columns are 'nr', 'text'."
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
        "One of `--user`, `--item` and `--out` must be given. Received: none of them."
    )
    assert fails("recommend", path, "--user", "cust 03", "--item", "P-1é") == (
        "`--user` and `--item` cannot be combined. Received: both."
    )
    assert fails("recommend", path, "--item", "P-1é", "--out", "x.parquet") == (
        "`--out` works only with users. Received: --item."
    )
    assert fails("recommend", path, "--out", "x.csv").startswith("The file to write must end in .parquet")
    assert "`users` must be users that the recommender knows" in fails("recommend", path, "--user", "nobody")
    assert "there is none at" in fails("recommend", tmp_path / "no.keras", "--user", "x")


@pytest.fixture
def odd(tmp_path):
    """A model whose ids, titles and names of columns are rich's markup; `full` has everything."""
    from kerasrec.data import Interactions

    pairs = [("[/x]", "[red]"), ("full", "[red]"), ("full", ":heart:"), ("full", "[/]"), ("b", "[/]")]
    data = Interactions.from_frame(pd.DataFrame(pairs, columns=["user", "item"]))
    titles = {"[/bold] title": ["[link=x]a", "b[/b]", ":smile:"]}
    Recommender.train(
        data, "popularity", item_metadata=pd.DataFrame(titles, index=["[red]", ":heart:", "[/]"])
    ).save(tmp_path / "odd.keras")
    return "odd.keras"


def test_ids_are_no_markup(run, run_json, odd):
    out = run("recommend", odd, "--user", "[/x]", "-k", 2).out
    assert "For user [/x]" in out
    for written in ("[/]", ":heart:", "[/bold] title", "b[/b]", ":smile:"):
        assert written in out
    found = run_json("recommend", odd, "--user", "[/x]", "-k", 2)["recommendations"]
    titles = {row["item"]: row["[/bold] title"] for row in found}
    assert titles == {"[/]": ":smile:", ":heart:": "b[/b]"}
    assert "For somebody who likes [red]" in run("recommend", odd, "--item", "[red]").out
    assert "'[/y]'" in run("recommend", odd, "--user", "[/y]").err


def test_who_has_everything_is_named(run, run_json, odd):
    message = "Nothing left for full: all items are seen; `--include-seen` lists them, too"
    assert run("recommend", odd, "--user", "full").out.splitlines() == [message]
    assert run_json("recommend", odd, "--user", "full")["recommendations"] == []
    out = run("recommend", odd, "--user", "full", "--user", "b").out
    assert message in out and "For user full, b" in out
    out = run("recommend", odd, *(part for item in ("[/]", "[red]", ":heart:") for part in ("-i", item))).out
    assert out.startswith("Nothing left for [/], [red], :heart:: all items are seen")


@pytest.fixture
def numbers(tmp_path):
    """A model whose ids are numbers."""
    from kerasrec.data import Interactions

    data = Interactions([0, 1], [0, 1], user_ids=[7, 432], item_ids=[10, 20])
    Recommender.train(data, "popularity").save(tmp_path / "numbers.keras")
    return tmp_path / "numbers.keras"


def test_what_is_no_number_is_an_unknown_id(fails, numbers):
    loaded = Recommender.load(numbers)
    for user in ("³", "--9", "٣", "1.5", "9" * 5000, "", "07"):
        message = fails("recommend", numbers, f"--user={user}")
        assert message.startswith("`users` must be users that the recommender knows.")
        assert message.endswith(f"Received: 1 unknown of 1, first {user!r}.")
        with pytest.raises(ValueError, match="must be users that the recommender knows"):
            loaded.recommend(user)


def test_items_called_id_in_any_form(run_json, fails, numbers, tmp_path):
    (tmp_path / "artists.dat").write_text('id\tname\turl\n10\t"Weird Al" Yankovic\tx\n20\tNA\ty\n')
    found = run_json("recommend", numbers, "-u", "432", "-u", "7", "--items", "artists.dat")
    assert [row["name"] for row in found["recommendations"]] == ['"Weird Al" Yankovic', "NA"]
    pd.DataFrame({"id": [10.0, 20.0], "title": ["a", "b"]}).to_parquet(tmp_path / "items.parquet")
    found = run_json("recommend", numbers, "-u", "432", "--items", "items.parquet")
    assert [row["title"] for row in found["recommendations"]] == ["a"]
    (tmp_path / "movies.dat").write_bytes("10::Amèlie::x\n20::b::x\n".encode("cp1252"))
    odd = ["recommend", numbers, "-u", "432", "--items", "movies.dat"]
    assert fails(*odd).startswith("`--encoding` must say how the file is encoded.")
    found = run_json(*odd, "--encoding", "cp1252", "--names", "id,title,genre")
    assert [row["title"] for row in found["recommendations"]] == ["Amèlie"]
    assert "need `--items`" in fails("recommend", numbers, "-u", "432", "--encoding", "cp1252")


def test_rules_are_options():
    from kerasrec.cli._rules import given

    found = given(
        where="new",
        at_most=["brand=2"],
        boost=["price < 5=0.5"],
        diversity=0.3,
        calibrate="genre=0.2",
        pool=9,
    )
    expected = {"where": "new", "at_most": {"brand": 2}, "boost": {"price < 5": 0.5}, "diversity": 0.3}
    assert found == expected | {"calibrate": {"genre": 0.2}, "pool": 9}
    with pytest.raises(
        ValueError, match=r"`--at-most` must be COLUMN=N with a whole number\. Received: 'x=a'"
    ):
        given(at_most=["x=a"], calibrate="genre")
    with pytest.raises(ValueError, match=r"`--boost` must be COLUMN=N with a number\. Received: 'x'"):
        given(boost=["x"], calibrate="genre")


@pytest.fixture(scope="module")
def with_metadata(trained, tmp_path_factory):
    """The same model with metadata."""
    recommender = Recommender.load(trained[0])
    stock = pd.Series(range(recommender.n_items), recommender.item_ids) < 4
    recommender.item_metadata = pd.DataFrame({"stock": stock, "brand": ["a", "b"] * (len(stock) // 2)})
    path = tmp_path_factory.mktemp("shop") / "shop.keras"
    recommender.save(path)
    return path


@pytest.mark.parametrize("who", [("--user", "cust 03"), ("--item", "P-1é")])
@pytest.mark.parametrize("rule", [("--where", "stock"), ("--at-most", "brand=1")])
def test_lists_that_rules_leave_short_say_so(run, run_json, with_metadata, who, rule):
    found = run_json("recommend", with_metadata, *who, *rule, "-k", 5)
    n = len(found["recommendations"])
    assert 0 < n < 5
    name = "where" if rule[0] == "--where" else "at_most brand"
    expected = f"Rules leave fewer than k=5 items for 1 of 1 users, as few as {n}: `{name}`."
    assert found["warnings"] == [expected]
    assert expected in run("recommend", with_metadata, *who, *rule, "-k", 5).out
    assert "warnings" not in run_json("recommend", with_metadata, *who, *rule, "-k", 1)


def test_rules_that_leave_nothing_say_so(run, run_json, with_metadata):
    nothing = ["--where", "brand == 'c'", "-k", 2]
    out = run("recommend", with_metadata, "--user", "cust 03", *nothing).out
    assert "Rules leave fewer than k=2 items for 1 of 1 users, as few as 0: `where`." in out
    assert "Nothing left for cust 03: all items are seen or ruled out; `--include-seen` or fewer rules" in out
    assert "Nothing left for P-1é" in run("recommend", with_metadata, "--item", "P-1é", *nothing).out
    found = run_json("recommend", with_metadata, "--out", "lists.parquet", "--where", "stock", "-k", 12)
    assert found["warnings"][0].startswith("Rules leave fewer than k=12 items for ")
