"""What would leave a recommender, or a file, half changed."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.layers import find_catalogue
from kerasrec.recommender import load_model


@pytest.fixture
def made(data):
    return Recommender.train(data, "matrix_factorization", epochs=0, n_components=2, verbose=0)


def state(recommender):
    return recommender.recommend("u0", 3), recommender.interactions.to_frame(), recommender.model


def check_same(recommender, before):
    after = state(recommender)
    for old, new in zip(before[:2], after[:2], strict=True):
        pd.testing.assert_frame_equal(old, new)
    assert after[2] is before[2]
    assert recommender.n_items == 20


class TestGrowingFailsWhole:
    def test_items(self, made):
        before = state(made)
        with pytest.raises(ValueError, match=r"ids given for 'new items' must not be fractions.* 1000\.5"):
            made.add_items([1000.5])
        check_same(made, before)

    def test_update(self, made):
        before = state(made)
        events = pd.DataFrame({"user": ["new"], "item": [5000], "value": [-1.0]})
        with pytest.raises(ValueError, match="must have positives"):
            made.update(Interactions.from_frame(events, value="value"), replay=0.0, verbose=0)
        check_same(made, before)

    def test_an_id_known_as_another_type(self, made):
        with pytest.raises(ValueError, match="must not be known yet. Received: 1 that are, first 10"):
            made.add_items(np.array([10], np.uint32))


class TestIds:
    def test_sets_and_generators(self, factorised):
        expected = factorised.recommend(["u1"], 3, only=[0, 20, 40, 60], exclude=[40], exclude_seen=False)
        for several in (set, iter):
            found = factorised.recommend(
                several(["u1"]), 3, only=several([0, 20, 40, 60]), exclude=several([40]), exclude_seen=False
            )
            pd.testing.assert_frame_equal(found, expected)
        found = factorised.recommend_for_history(iter([0, 20]), k=2)
        pd.testing.assert_frame_equal(found, factorised.recommend_for_history([0, 20], k=2))

    def test_what_is_no_list(self, factorised):
        with pytest.raises(TypeError, match=r"Ids must be given .* `frame\['user'\]`. Received: DataFrame"):
            factorised.recommend(pd.DataFrame({"user": ["u1"]}))
        with pytest.raises(TypeError, match="Ids must be given .* Received: dict"):
            factorised.recommend({"u1": 1})
        with pytest.raises(TypeError, match="`users` must be one raw id or a flat list of them"):
            factorised.recommend([["u1"]])

    def test_histories(self, factorised):
        with pytest.raises(ValueError, match="at least one history. Received: an empty dict"):
            factorised.recommend_for_history({})
        with pytest.raises(TypeError, match="`values` must be a dict .* Received: list"):
            factorised.recommend_for_history({"x": [0]}, values=[1.0])
        with pytest.raises(ValueError, match="one finite number per item. Received: nan for 1 items"):
            factorised.recommend_for_history([0], values=[np.nan])
        with pytest.raises(ValueError, match=r"one finite number per item. Received: \(1,\) of <U1 for"):
            factorised.recommend_for_history([0], values=["a"])


@pytest.mark.parametrize(
    "argument", [{"epochs": -1}, {"epochs": 1.5}, {"epochs": "3"}, {"patience": -1}, {"patience": 1.5}]
)
def test_training_for_no_number_of_epochs(data, argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=rf"`{name}` must be a whole number .* Received: {name}={value!r}"):
        Recommender.train(data, "matrix_factorization", **argument)


@pytest.mark.parametrize("batch_size", [0, -3, "8"])
def test_training_in_no_batches(data, batch_size):
    with pytest.raises(ValueError, match=f"`batch_size` must be a positive .*: batch_size={batch_size!r}"):
        Recommender.train(data, "matrix_factorization", batch_size=batch_size)


class TestFiles:
    def test_threads_that_save_to_one_path(self, data, factorised, tmp_path):
        """Whoever comes last is there whole."""
        others = [factorised, Recommender.train(data, "popularity")]
        with ThreadPoolExecutor(4) as pool:
            for saved in [pool.submit(others[i % 2].save, tmp_path / "a.keras") for i in range(12)]:
                saved.result()
        assert [path.name for path in tmp_path.iterdir()] == ["a.keras"]
        found = Recommender.load(tmp_path / "a.keras")
        expected = next(other for other in others if other.model.name == found.model.name)
        pd.testing.assert_frame_equal(found.recommend(k=3), expected.recommend(k=3))

    def test_no_room_is_said_before_anything_is_written(self, factorised, tmp_path, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
        monkeypatch.setattr(kerasrec.Model, "save", lambda *_: pytest.fail("it was written"))
        message = r"No space left: [\d,]+ bytes are needed and 10 free; make room .*a\.keras"
        with pytest.raises(OSError, match=message):
            factorised.save(tmp_path / "a.keras")

    def test_room_that_ends_is_said_with_the_path(self, factorised, tmp_path, monkeypatch):
        def full(self, path):
            raise OSError("Can't write data (errno = 28, error message = 'No space left on device')")

        monkeypatch.setattr(kerasrec.Model, "save", full)
        with pytest.raises(OSError, match=r"No space left on device; make room or write elsewhere.*a\.keras"):
            factorised.save(tmp_path / "a.keras")
        assert not list(tmp_path.iterdir())

    def test_a_folder_in_the_place(self, factorised, tmp_path):
        for name, write in (("a.keras", factorised.save), ("a.parquet", factorised.recommend_to_parquet)):
            (tmp_path / name).mkdir()
            with pytest.raises(ValueError, match=f"`path` must be a file. Received: .*{name}, a folder"):
                write(tmp_path / name)

    @pytest.mark.parametrize(
        ("ids", "message"),
        [
            (np.zeros(20, int), r"`item_ids` must be a list without repeats"),
            (np.arange(20)[:, None], r"`item_ids` must be a list without repeats"),
            (np.arange(20) + 0.5, r"`item_ids` must be text or whole numbers"),
        ],
    )
    def test_ids_that_are_none(self, factorised, tmp_path, monkeypatch, ids, message):
        monkeypatch.setattr(
            kerasrec._assets,
            "_write_ids",
            lambda folder, name, own: np.save(folder / f"{name}.npy", ids if name == "item_ids" else own),
        )
        monkeypatch.setattr(find_catalogue(factorised.model), "user_ids", np.arange(12))
        factorised.save(tmp_path / "a.keras")
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path / "a.keras")
