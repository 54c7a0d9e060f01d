"""Files that declare what they do not hold, or hold what no recommender has."""

import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from keras.src.backend.common import global_state

import kerasrec
from kerasrec import Recommender
from kerasrec.recommender import load_model

WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data, films, item_features):
    path = tmp_path_factory.mktemp("whole") / "x.keras"
    model = kerasrec.zoo.create("hybrid", data, item_features=item_features, n_components=3)
    Recommender(model, data, item_features=item_features, item_metadata=films).save(path)
    return path


@pytest.fixture
def saved(whole, tmp_path):
    return shutil.copy(whole, tmp_path / "x.keras")


def rewrite(path, ending, change):
    """Replace one member by what `change` makes of it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith(ending))
    members[name] = change(members[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def rewrite_json(path, ending, change):
    def changed(content):
        found = json.loads(content)
        change(found)
        return json.dumps(found).encode()

    rewrite(path, ending, changed)


def rewrite_arrays(path, ending, change):
    def changed(content):
        with np.load(io.BytesIO(content)) as found:
            arrays = dict(found)
        change(arrays)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    rewrite(path, ending, changed)


def rewrite_header(path, ending, change):
    """The JSON in an archive of arrays."""

    def changed(arrays):
        header = json.loads(arrays["header"].tobytes())
        change(header)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    rewrite_arrays(path, ending, changed)


def rewrite_weights(path, change):
    def changed(content):
        buffer = io.BytesIO(content)
        with h5py.File(buffer, "r+") as weights:
            change(weights["layers/sparse_linear_repr/vars"])
        return buffer.getvalue()

    rewrite(path, WEIGHTS, changed)


def test_the_file_itself_is_fine(saved, films):
    rewrite_json(saved, "config.json", lambda _: None)
    rewrite_arrays(saved, "seen.npz", lambda _: None)
    pd.testing.assert_series_equal(
        Recommender.load(saved).item_metadata["title"], films["title"].reset_index(drop=True)
    )


@pytest.mark.parametrize("setting", ["n_components", "n_features"])
def test_a_table_that_is_not_among_the_weights(saved, setting):
    """64 million rows or columns: 8 GB that nobody has trained."""

    def enlarge(config):
        for layer in config["config"]["layers"]:
            if setting in layer["config"]:
                layer["config"][setting] = 2**26
                layer.pop("build_config", None)

    rewrite_json(saved, "config.json", enlarge)
    message = r"must be among its weights\. Received: a table of shape \(.*67108864"
    with pytest.raises(ValueError, match=message):
        load_model(saved)
    # Nor does anything that is loaded afterwards make it.
    assert not global_state.get_global_attribute("uninitialized_variables", [])


def compressed(group):
    del group["0"]
    group.create_dataset("0", (2**20, 2**10), "float32", compression="gzip", fillvalue=0.0)


def linked(group):
    del group["0"]
    group["0"] = h5py.ExternalLink("/etc/hostname", "/0")


def soft(group):
    group["1"] = h5py.SoftLink("/layers")


def unwritten(group):
    del group["0"]
    group.create_dataset("0", (2**28, 3), "float32")


@pytest.mark.parametrize("change", [compressed, linked, soft, unwritten])
def test_weights_that_do_not_stand_in_the_file(saved, change):
    rewrite_weights(saved, change)
    message = r"neither compressed nor linked\. Received: /layers/.*/vars/\d in .*x\.keras"
    with pytest.raises(ValueError, match=message):
        load_model(saved)


def test_weights_that_are_none(saved):
    rewrite(saved, WEIGHTS, lambda content: content[:200])
    with pytest.raises(ValueError, match="must hold weights in HDF5. Received: .*truncated"):
        load_model(saved)


def starts(value):
    def change(arrays):
        arrays["indptr"] = arrays["indptr"].astype(np.int64)
        arrays["indptr"][-1] = value

    return change


@pytest.mark.parametrize("end", [600_000_000, 10_000_000_000, -1])
def test_seen_items_that_end_elsewhere(saved, end):
    rewrite_arrays(saved, "seen.npz", starts(end))
    with pytest.raises(ValueError, match=r"Seen items must be a list of items for each user\. Received"):
        Recommender.load(saved)


def test_seen_items_that_do_not_ascend(saved):
    rewrite_arrays(saved, "seen.npz", lambda arrays: arrays.update(items=arrays["items"] * 0))
    with pytest.raises(ValueError, match="Seen items of a user must be in ascending order"):
        Recommender.load(saved)


@pytest.mark.parametrize("found", [[float("nan"), 1.0], ["a", "b"], [5, 1], [1], None, [True, 2]])
def test_a_range_of_values_that_is_none(saved, found):
    rewrite_json(saved, "catalogue.json", lambda header: header.update(value_range=found))
    for read in (Recommender.load, kerasrec.recommender.read_catalogue):
        with pytest.raises(ValueError, match="range of values must be two numbers, the lower one first"):
            read(saved)


@pytest.mark.parametrize("n", [19, 21])
def test_more_or_fewer_ids_than_rows_of_the_tables(saved, n):
    def change(content):
        buffer = io.BytesIO()
        np.save(buffer, np.arange(n) * 10)
        return buffer.getvalue()

    def fewer(arrays):
        arrays["indptr"][:], arrays["items"] = 0, arrays["items"][:0]

    rewrite_arrays(saved, "seen.npz", fewer)
    rewrite(saved, "item_ids.npy", change)
    message = (
        rf"one item id for each row of its tables\. Received: {n} ids for 20 rows of layer 'item_features'"
    )
    with pytest.raises(ValueError, match=message):
        load_model(saved)


@pytest.mark.parametrize("name", ["item", "score", "genres", 5])
def test_metadata_with_the_columns_of_a_list(saved, name):
    """A list would show other items than those that were ranked."""
    rewrite_header(saved, "item_metadata.npz", lambda header: header["columns"][0].update(name=name))
    with pytest.raises(ValueError, match="columns of their own names, not user, item, .*; received 20 rows"):
        Recommender.load(saved)


@pytest.mark.parametrize("rows", [-1, 10**12, 19])
def test_metadata_of_other_rows(saved, rows):
    rewrite_header(saved, "item_metadata.npz", lambda header: header.update(rows=rows))
    with pytest.raises(ValueError, match=rf"metadata must have one row per item .* received {rows} rows"):
        Recommender.load(saved)


def test_metadata_with_a_short_column(saved):
    def change(arrays):
        arrays["column_0"] = np.frombuffer(b'["one"]', np.uint8)

    rewrite_arrays(saved, "item_metadata.npz", change)
    with pytest.raises(ValueError, match="must have one entry per item; column 'title' has others"):
        Recommender.load(saved)


@pytest.mark.parametrize("column", [-1, 99, 2**31 - 1])
def test_features_of_columns_that_are_not_there(saved, column):
    rewrite_arrays(saved, "item_features.npz", lambda arrays: arrays["indices"].__setitem__(0, column))
    with pytest.raises(ValueError, match="Rows of features must hold valid column numbers"):
        Recommender.load(saved)


def test_features_of_other_items(saved):
    rewrite_header(saved, "item_features.npz", lambda header: header["ids"].reverse())
    with pytest.raises(ValueError, match="item_features must have a row for each of the 20 ids"):
        Recommender.load(saved)
    rewrite_header(saved, "item_features.npz", lambda header: header.update(n_features=10**9))
    with pytest.raises(ValueError, match="one name per column. Received: 23 names for 1000000000 columns"):
        Recommender.load(saved)


def test_brackets_without_end(saved):
    deep = b"[" * 200_000 + b"]" * 200_000
    rewrite_arrays(saved, "item_metadata.npz", lambda x: x.update(header=np.frombuffer(deep, np.uint8)))
    with pytest.raises(ValueError, match="holds a recommender that cannot be read: maximum recursion"):
        Recommender.load(saved)


def test_what_others_say_is_one_line(saved):
    def change(config):
        config["config"]["layers"][2]["config"]["n"] = "many\n" * 9999

    rewrite_json(saved, "config.json", change)
    with pytest.raises(ValueError, match="holds a model that cannot be rebuilt here") as caught:
        load_model(saved)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
