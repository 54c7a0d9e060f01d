"""Another file takes the place of the one that is served, whole or not at all."""

import asyncio
import gc
import os
import shutil

import pytest

from kerasrec import Recommender
from kerasrec.serving import Settings, create_app
from kerasrec.serving._current import Current, _signature


def items(client):
    found = client.get("/v1/recommend/user 1", params={"k": 5}).json()
    return found["version"], [row["item"] for row in found["items"]]


def place(source, target):
    shutil.copy(source, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)


def test_reload_serves_the_new_file(serve, files):
    client = serve()
    old = items(client)
    place(files["other"], client.model)
    assert items(client) == old
    state = client.post("/v1/reload").json()
    new = items(client)
    assert new[0] == state["version"] != old[0] and state["refused"] is None
    assert new[1] == Recommender.load(files["other"]).recommend("user 1", k=5)["item"].tolist() != old[1]
    metrics = client.get("/metrics").text
    assert "kerasrec_swaps 1.0" in metrics and "kerasrec_refused 0.0" in metrics


def broken(client, how):
    path = client.model
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "no file":
        path.unlink()
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_text("not a model")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut off", "must be a complete model file"),
        ("no file", "There must be a model file"),
        ("a folder", "There must be a model file"),
        ("text", "must be a complete model file"),
    ],
)
def test_a_broken_file_is_refused_while_the_old_one_serves_on(serve, files, how, said):
    client = serve()
    old = items(client)
    broken(client, how)
    answer = client.post("/v1/reload")
    assert answer.status_code == 422 and said in answer.json()["detail"]
    assert items(client) == old
    state = client.get("/readyz").json()
    assert said in state["refused"] and state["version"] == old[0]
    assert "kerasrec_refused 1.0" in client.get("/metrics").text
    if client.model.is_dir():
        client.model.rmdir()
    place(files["other"], client.model)
    assert client.post("/v1/reload").json()["refused"] is None
    assert items(client)[0] != old[0]


def test_a_file_without_the_column_of_titles_is_refused(serve, files, tmp_path):
    client = serve(title="title")
    place(files["numbers"], client.model)
    answer = client.post("/v1/reload")
    assert answer.status_code == 422
    assert (
        answer.json()["detail"]
        == "`title` must be a column of the metadata. Received: 'title'; there are none."
    )
    with pytest.raises(
        ValueError, match="`picture` must be a column of the metadata. Received: 'x'; there are 'ti"
    ):
        create_app(Settings(files["shop"], picture="x"))
    with pytest.raises(FileNotFoundError, match="There must be a model file at .*gone.keras"):
        create_app(Settings(tmp_path / "gone.keras"))


def test_a_change_of_the_file_is_seen(files, tmp_path):
    path = tmp_path / "shop.keras"
    shutil.copy(files["shop"], path)
    swaps = []
    current = Current(path, swapped=lambda: swaps.append(current.served.version))
    first = current.served.version

    async def change():
        watching = asyncio.create_task(current.watch(0.01))
        path.write_bytes(b"half of a file")
        while current.refused is None:
            await asyncio.sleep(0.01)
        assert current.served.version == first
        place(files["other"], path)
        while not swaps:
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(change(), 60))
    assert swaps == [current.served.version] and current.served.version != first
    assert (current.n_swaps, current.n_refused) == (1, 1)


def test_what_is_there_for_long_is_not_collected_in_each_round(files, tmp_path):
    path = tmp_path / "shop.keras"
    shutil.copy(files["shop"], path)
    gc.unfreeze()
    current = Current(path)
    before = gc.get_freeze_count()
    assert before > 100_000  # Keras and its backend alone are that many objects
    place(files["other"], path)
    current.reload()
    assert gc.get_freeze_count() == pytest.approx(before, rel=0.2)
    gc.unfreeze()


def test_an_index_that_comes_after_its_file_is_a_change(files, tmp_path):
    path = tmp_path / "shop.keras"
    shutil.copy(files["shop"], path)
    before = _signature(path)
    (tmp_path / "shop.index").write_bytes(b"1")
    assert _signature(path) != before == _signature(path)[:3]
