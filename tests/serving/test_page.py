"""The page says what the recommender says, and shows every title as text."""

import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import numpy as np
import pandas as pd
import pytest

from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.evaluation import evaluate
from kerasrec.serving import Settings, create_app, write_page
from kerasrec.serving._served import Served
from kerasrec.serving.page._figures import HeldOut
from kerasrec.serving.page._look import _Texts

HOSTILE = "<script>alert('title')</script>"  # as in the films of `conftest.py`
VIEWS = [
    "/",
    "/?q=film",
    "/?q=<script>",
    "/user?id=a%2Fb",
    "/user?id=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/item?id=%25252F",
    "/item?id=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/why?user=a%2Fb&item=7",
    "/new?q=film&item=7&item=a%2Fb",
    "/map?q=film",
    "/map?around=7&zoom=4",
    "/figures",
    "/user?id=<b>nobody</b>",
]


class Page(HTMLParser):
    """Elements and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.sections, self._section = [], [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag == "section":
            self._section = dict(attributes)["aria-labelledby"]

    def handle_endtag(self, tag):
        self._section = None if tag == "section" else self._section

    def handle_data(self, data):
        self.sections.setdefault(self._section, []).append(data.strip())

    def texts(self, section):
        return [text for text in self.sections[section] if text]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory, recommender):
    """The first item of the list of every third user, and one that is not in it: by user."""
    path = tmp_path_factory.mktemp("later") / "test.parquet"
    users = recommender.user_ids[::3].tolist()
    first = [recommender.recommend(user, k=1)["item"][0] for user in users]
    rows = [*zip(users, first, strict=True), ("user 1", "nothing"), ("nobody", "7")]
    pd.DataFrame(rows, columns=["user", "item"]).assign(value=1.0).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def browse(files, held_out):
    from fastapi.testclient import TestClient

    settings = Settings(
        files["shop"], beside=files["other"], held_out=held_out, title="title", picture="picture", watch=0
    )
    with TestClient(create_app(settings), headers={"accept": "text/html"}) as client:
        yield client


def test_every_view_is_text_and_links_that_lead_somewhere(browse):
    led = set()
    for address in VIEWS:
        answer = browse.get(address)
        assert answer.status_code == (404 if "nobody" in address or "%2525" in address else 200), address
        page = Page(answer.text)
        assert not {"script", "iframe", "object", "b"} & set(page.tags), address
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for tag, name, value in page.attributes:
            assert not name.startswith("on") and name != "style", (tag, name)
            if name in ("href", "src", "action"):
                outside = urlsplit(urljoin("http://testserver/", value)).netloc != "testserver"
                assert not outside or (tag == "img" and value.startswith("https://pictures.example/"))
                if tag == "a":
                    led.add(urljoin(f"http://testserver{address}", value))
    for link in sorted({link.partition("#")[0] for link in led}):
        # Some the test client takes apart; nobody has no page.
        if not any(part in link for part in ("%2F", "%25", "nobody")):
            assert browse.get(link).status_code == 200, link


def test_a_user(browse, recommender, films):
    titles = dict(zip(recommender.item_ids.tolist(), films["title"], strict=True))
    page = Page(browse.get("/user?id=user 2").text)
    shown = [text for text in page.texts("list") if text in titles.values()]
    assert shown == recommender.recommend("user 2", k=20, short="fewer")["title"].tolist()[: len(shown)]
    had = recommender.interactions.to_frame()
    own = had[had["user"] == "user 2"]["item"]
    assert {text for text in page.texts("had") if text in titles.values()} == {titles[item] for item in own}
    assert len([text for text in page.texts("beside") if text in titles.values()]) == len(shown)
    assert "in both" in page.texts("list")


def test_hits_are_marked(browse, recommender):
    users = recommender.user_ids.tolist()
    hit, other = (
        next(user for user in part if user.startswith("user")) for part in (users[::3], users[1::3])
    )
    assert "had it later" in Page(browse.get(f"/user?id={hit}").text).texts("list")
    assert "had it later" not in Page(browse.get(f"/user?id={other}").text).texts("list")


def test_hostile_titles_are_shown_as_they_are(browse):
    page = Page(browse.get("/?q=alert").text)
    assert HOSTILE in page.texts("items")
    sources = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert all(source.startswith("https://") for source in sources)
    assert not any("javascript" in str(value) for *_, value in Page(browse.get("/?q=film").text).attributes)


def test_why_shows_the_parts_that_sum_to_the_score(browse, recommender):
    page = Page(browse.get("/why?user=a%2Fb&item=7").text)
    expected = recommender.explain("a/b", "7")
    for value in expected.contributions["contribution"]:
        assert f"{value:.4g}" in page.texts("parts")
    assert f"{expected.raw_score:.4g}" in "".join(page.texts(None))


def test_the_list_of_somebody_new_moves(browse, recommender):
    first = recommender.recommend_for_history(["7"], k=29)["item"].tolist()
    both = recommender.recommend_for_history(["7", "a/b"], k=20)
    page = Page(browse.get("/new?item=7&item=a%2Fb").text)
    expected = []
    for rank, item in enumerate(both["item"], 1):
        moved = first.index(item) + 1 - rank
        expected.append(f"▲ {moved}" if moved > 0 else f"▼ {-moved}" if moved < 0 else "")
    marks = [text for text in page.texts("list") if text[0] in "▲▼" and len(text) < 6]
    assert marks == [mark for mark in expected if mark] and marks
    assert "▲" not in browse.get("/new?item=7").text


def test_the_map_shows_what_is_searched_for(browse):
    found = browse.get("/map?q=film 11").text
    assert found.count('class="found"') == 1 and "Film 11</title>" in found
    assert len(re.findall("<circle", found)) == 30
    near = browse.get("/map?around=7&zoom=64").text
    assert 1 <= len(re.findall("<circle", near)) < 30


def test_figures_are_those_of_evaluate(browse, recommender, held_out):
    browse.get("/figures")
    for thread in threading.enumerate():
        if thread.name == "figures":
            thread.join(120)
    text = browse.get("/figures").text
    assert "refresh" not in text, "The figures are not computed after two minutes."
    page = Page(text)
    later = pd.read_parquet(held_out)
    later = later[later["user"].isin(recommender.user_ids) & later["item"].isin(recommender.item_ids)]
    ids = {"user_ids": recommender.user_ids, "item_ids": recommender.item_ids}
    test = Interactions.from_frame(later, value="value", **ids)
    report = evaluate(recommender.model, test, recommender.interactions, k=10)
    assert f"{report['ndcg@10']:.4g}" in page.texts("measured")
    assert "2 rows of unknown users or items left out" in " ".join(page.texts("measured"))
    lists = recommender.recommend(k=10)
    never = set(recommender.item_ids) - set(lists["item"])
    assert f"{len(never)} of 30 items are in no list of these 40 users" in " ".join(page.texts("never"))
    shares = [text for text in page.texts("coverage") if text.endswith("%")]
    assert sum(float(text[:-2]) for text in shares[1::3]) == pytest.approx(100, abs=1)


def test_what_is_wrong_is_said_on_a_page(browse):
    page = browse.get("/user?id=nobody")
    assert page.status_code == 404 and "The user must be one that the model knows." in page.text
    assert browse.get("/map?zoom=0").status_code == 422
    assert browse.get("/not/there").status_code == 404
    assert browse.get("/user?id=nobody", headers={"accept": "*/*"}).json()["detail"]


def test_a_model_without_vectors_has_no_map(tmp_path, recommender):
    from fastapi.testclient import TestClient

    Recommender.train(recommender.interactions, "popularity", verbose=0).save(tmp_path / "popular.keras")
    with TestClient(create_app(Settings(tmp_path / "popular.keras", watch=0))) as client:
        assert "does not represent items by vectors" in client.get("/map").text
        assert client.get("/user?id=user 1").status_code == 200


def test_a_report_is_one_file(files, held_out, tmp_path):
    path = write_page(
        Settings(files["shop"], beside=files["other"], held_out=held_out, picture="picture"),
        tmp_path / "out.html",
    )
    text = Path(path).read_text()
    page = Page(text)
    assert not {"script", "link", "img", "a", "iframe"} & set(page.tags)
    assert {"measured", "user1", "map", "coverage", "never"} <= set(page.sections)
    assert "had it later" in text and "<script" not in text
    with pytest.raises(ValueError, match="`path` must end in .html. Received: 'out.txt'."):
        write_page(Settings(files["shop"]), "out.txt")
    with pytest.raises(FileNotFoundError, match="`path` must be in a folder that exists; make gone first."):
        write_page(Settings(files["shop"]), "gone/out.html")


def test_held_out_tables_that_are_none(files, tmp_path):
    pd.DataFrame({"user": ["a"], "thing": ["b"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        ValueError, match="must have the columns 'user' and 'item'. Received: t.parquet, without 'item'"
    ):
        create_app(Settings(files["shop"], held_out=tmp_path / "t.parquet"))
    with pytest.raises(FileNotFoundError, match="`held_out` must be a Parquet file"):
        create_app(Settings(files["shop"], held_out=tmp_path / "gone.parquet"))


def test_a_search_finds_what_a_loop_finds():
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abß\n"), draw.integers(0, 6))) for _ in range(200)]
    index = _Texts(texts)
    for wanted in ("a", "ab", "ss", "bb", "zz", "a\nb"):
        folded = [text.casefold().replace("\n", " ") for text in texts]
        inside = wanted.casefold().replace("\n", " ")
        expected = [number for number, text in enumerate(folded) if inside in text]
        assert sorted(index.containing(wanted).tolist()) == expected
        assert all(folded[n].startswith(inside) for n in index.containing(wanted).tolist()[:1]) or not any(
            text.startswith(inside) for text in folded
        )


def rated(rows, least=None):
    """What is served of ratings, by a model of popularity."""
    frame = pd.DataFrame(rows, columns=["user", "item", "value"])
    data = Interactions.from_frame(frame, value="value")
    data = data if least is None else data.at_least(least)
    return Served(Recommender.train(data, "popularity", verbose=0), Path("shop.keras"), "1")


def test_a_hit_is_what_the_model_takes_for_a_like(tmp_path):
    later = [("a", "z", 1.0), ("a", "y", 4.0), ("b", "x", -1.0), ("b", "z", 3.0)]
    pd.DataFrame(later, columns=["user", "item", "value"]).to_parquet(tmp_path / "t.parquet")
    held_out = HeldOut(tmp_path / "t.parquet")
    rows = [("a", "x", 5.0), ("b", "y", 4.0), ("b", "z", 5.0), ("a", "z", -2.0)]
    four, any_above_0 = rated(rows, 4), rated(rows)
    assert held_out.of("a", four) == {"y"} and held_out.of("b", four) == frozenset()
    assert held_out.of("a", any_above_0) == {"y", "z"} and held_out.of("b", any_above_0) == {"z"}
    test, unknown = held_out.interactions(four)
    assert test.to_frame()[["user", "item"]].values.tolist() == [["a", "y"]] and unknown == 0
    pd.DataFrame(later[:1], columns=["user", "item", "value"]).to_parquet(tmp_path / "low.parquet")
    assert HeldOut(tmp_path / "low.parquet").interactions(four) == (None, 0)
    pd.DataFrame(later, columns=["user", "item", "value"])[["user", "item"]].to_parquet(
        tmp_path / "u.parquet"
    )
    assert HeldOut(tmp_path / "u.parquet").of("a", four) == {"y", "z"}


def test_popularity_counts_likes():
    served = rated([("a", "x", 5.0), ("b", "x", 1.0), ("a", "y", -3.0), ("b", "y", 2.0), ("c", "z", -1.0)])
    found = dict(zip(served.recommender.item_ids, served.popularity, strict=True))
    assert found == {"x": 2, "y": 1, "z": 0}
