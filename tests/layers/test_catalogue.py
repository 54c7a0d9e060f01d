import json

import keras
import numpy as np
import pytest

from kerasrec.data import Interactions
from kerasrec.layers import Catalogue, find_catalogue


def interactions(user_ids=("ann", "bob"), item_ids=(7, 9, 11)):
    return Interactions(
        [1, 0, 1],
        [2, 1, 0],
        [2.0, 4.0, 3.0],
        user_ids=np.array(user_ids, object),
        item_ids=np.array(item_ids),
    )


def through_a_folder(catalogue, folder):
    catalogue.save_assets(str(folder))
    loaded = Catalogue()
    loaded.load_assets(str(folder))
    return loaded


def test_scores_pass_through_with_their_dtype():
    catalogue = Catalogue(dtype="mixed_float16")
    scores = keras.ops.convert_to_tensor(np.array([[1.5], [2.0]], "float32"))
    passed = catalogue(scores)
    assert keras.backend.standardize_dtype(passed.dtype) == "float32"
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(passed), [[1.5], [2.0]])


def test_it_comes_back_as_it_was(tmp_path):
    catalogue = Catalogue()
    assert not catalogue.filled
    catalogue.fill(interactions(), seen=True)
    loaded = through_a_folder(catalogue, tmp_path)
    assert loaded.filled
    assert loaded.user_ids.tolist() == ["ann", "bob"]
    assert loaded.item_ids.tolist() == [7, 9, 11]
    assert loaded.item_ids.dtype == np.int64
    assert loaded.value_range == (2.0, 4.0)
    indptr, items = loaded.seen
    assert indptr.tolist() == [0, 1, 3]
    assert items.tolist() == [1, 0, 2]
    assert items.dtype == np.int32


def test_seen_items_are_kept_only_where_asked(tmp_path):
    catalogue = Catalogue()
    catalogue.fill(interactions())
    assert through_a_folder(catalogue, tmp_path).seen is None


@pytest.mark.parametrize(
    "ids",
    [("", "line\nbreak"), ("naïve", "日本"), ('"', "\\"), ("\x00", "\U0001f600"), ("7", 7), (-1, 2**62)],
)
def test_any_text_and_any_integer_comes_back(tmp_path, ids):
    catalogue = Catalogue()
    catalogue.fill(interactions(user_ids=ids))
    loaded = through_a_folder(catalogue, tmp_path).user_ids.tolist()
    assert loaded == list(ids)
    assert [type(raw) for raw in loaded] == [type(raw) for raw in ids]


def test_an_empty_one_writes_nothing_and_loads_as_empty(tmp_path):
    loaded = through_a_folder(Catalogue(), tmp_path)
    assert not loaded.filled
    assert not list(tmp_path.iterdir())
    loaded.load_assets(None)
    assert not loaded.filled


@pytest.mark.parametrize(
    ("bad", "kind"), [(("a", 2.5), "float"), ((("x", 1), "a"), "tuple"), ((True, "a"), "bool")]
)
def test_other_ids_are_refused(bad, kind):
    ids = np.empty(2, object)
    ids[:] = bad
    with pytest.raises(
        TypeError, match=rf"`user_ids` must be text or whole numbers.*astype\(str\).*of type {kind}"
    ):
        Catalogue().fill(interactions(user_ids=ids))


def test_no_interactions_are_refused():
    with pytest.raises(ValueError, match=r"`interactions` must not be empty\. Received: 0 interactions"):
        Catalogue().fill(interactions().take([]))


def test_a_newer_format_is_refused_by_name(tmp_path):
    catalogue = Catalogue()
    catalogue.fill(interactions())
    catalogue.save_assets(str(tmp_path))
    header = json.loads((tmp_path / "catalogue.json").read_text())
    (tmp_path / "catalogue.json").write_text(json.dumps({**header, "format": 3, "kerasrec": "9.1"}))
    with pytest.raises(
        ValueError, match=r"at most 2; upgrade kerasrec.*Received: format 3, written by kerasrec 9\.1"
    ):
        Catalogue().load_assets(str(tmp_path))


def test_it_is_found_in_a_model():
    inputs = keras.Input((1,))
    catalogue = Catalogue()
    assert find_catalogue(keras.Model(inputs, catalogue(inputs))) is catalogue
    assert find_catalogue(keras.Model(inputs, keras.layers.Dense(1)(inputs))) is None
