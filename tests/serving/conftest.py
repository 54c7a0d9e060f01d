import shutil

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.serving import Settings, create_app

# Ids that an address, a page or a file could mistake for something else.
ODD = ["a/b", "100%", "%2F", "😀", "x" * 10_000, "<script>alert(1)</script>", "?k=3#top", "ü ö", "7", "../up"]
HOSTILE = "<script>alert('title')</script>"


def made(user_ids, item_ids, seed=0, share=0.3):
    """Who has what at random, without anybody who has nothing."""
    draw = np.random.default_rng(seed)
    has = draw.random((len(user_ids), len(item_ids))) < share
    has[np.arange(len(user_ids)), np.arange(len(user_ids)) % len(item_ids)] = True
    users, items = np.nonzero(has)
    return Interactions(users, items, user_ids=user_ids, item_ids=item_ids)


def trained(seed, user_ids, item_ids, **kwargs):
    data = made(user_ids, item_ids, seed)
    return Recommender.train(data, "implicit_als", n_components=4, iterations=3, verbose=0, **kwargs)


@pytest.fixture(scope="session")
def films():
    """A row an item: titles of which one is markup, and pictures of which one is code."""
    n = 30
    titles = [f"Film {code}" for code in range(n)]
    titles[3] = HOSTILE
    pictures = [f"https://pictures.example/{code}.png" for code in range(n)]
    pictures[4] = "javascript:alert(1)"
    return pd.DataFrame({"title": titles, "picture": pictures, "year": [1990.0, *[np.nan] * (n - 1)]})


@pytest.fixture(scope="session")
def files(tmp_path_factory, films):
    """Model files by name: text ids, whole numbers, and another model of the same ids."""
    folder = tmp_path_factory.mktemp("served")
    users = ODD + [f"user {n}" for n in range(30)]
    items = ODD + [f"item {n}" for n in range(20)]
    metadata = films.set_axis(items, axis=0)
    trained(0, users, items, item_metadata=metadata).save(folder / "shop.keras")
    trained(1, users, items, item_metadata=metadata).save(folder / "other.keras")
    trained(2, list(range(20)), list(range(100, 130))).save(folder / "numbers.keras")
    return {path.stem: path for path in folder.glob("*.keras")}


@pytest.fixture(scope="session")
def recommender(files):
    return Recommender.load(files["shop"])


@pytest.fixture
def serve(files, tmp_path):
    """Start the application on a copy of a model file; the client of the last one is closed at the end."""
    clients = []

    def serve(name="shop", **settings):
        model = tmp_path / f"{name}.keras"
        if not model.exists():
            shutil.copy(files[name], model)
        client = TestClient(create_app(Settings(model, watch=0, **settings)))
        client.model = model
        client.__enter__()
        clients.append(client)
        return client

    yield serve
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(files, tmp_path_factory):
    """A server of the shop that nobody sends anything to."""
    model = shutil.copy(files["shop"], tmp_path_factory.mktemp("client"))
    with TestClient(create_app(Settings(model, watch=0))) as client:
        client.model = model
        yield client
