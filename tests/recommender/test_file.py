import io
import itertools
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from contracts.check_model import scores_of
from contracts.elsewhere import BACKENDS
from contracts.models import MODELS

import kerasrec
from kerasrec.data import Interactions, pairs
from kerasrec.layers import Catalogue, DotScore, FeatureEmbedding, find_catalogue
from kerasrec.recommender import load_model, read_catalogue, save_model

ROOT = Path(kerasrec.__file__).resolve().parents[1]
# `import keras, kerasrec` alone must be enough to load a file.
PREDICT = """
import pathlib, sys
import keras, kerasrec
import numpy as np
backend, folder = sys.argv[1], pathlib.Path(sys.argv[2])
program = lambda function: function
if backend == "jax":  # which otherwise compiles every operation for every shape
    from jax import jit as program
for writer in folder.iterdir():
    outputs = {}
    for path in writer.glob("*.keras"):
        x = dict(np.load(path.with_suffix(".x.npz")))
        model = keras.models.load_model(path)
        outputs[path.stem] = keras.ops.convert_to_numpy(program(lambda x: model(x, training=False))(x))
    np.savez(writer / f"read.{backend}.npz", **outputs)
assert backend == "torch" or "torch" not in sys.modules, "files need PyTorch"
"""
WRITE = """
import pathlib, sys
from recommender.test_file import write_every_model
write_every_model(pathlib.Path(sys.argv[2]) / sys.argv[1])
"""


def interactions(n_users=5, n_items=7):
    users, items = np.divmod(np.arange(0, n_users * n_items, 2), n_items)
    values = 1.0 + (np.arange(len(users)) % 4)
    return Interactions(
        users,
        items,
        values,
        user_ids=np.array([f"ü{code}" for code in range(n_users)], object),
        item_ids=np.arange(n_items) * 10**12,
    )


def plain_model(n_users=5, n_items=7, model_class=keras.Model):
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    score = DotScore()(FeatureEmbedding(n_users, 3)(user), FeatureEmbedding(n_items, 3)(item))
    model = model_class({"user": user, "item": item}, keras.layers.Reshape((1,))(score), name="plain")
    model.compile(keras.optimizers.Adam(0.1), "mean_squared_error")
    return model


def trained(model, data, epochs=2):
    x, y = pairs(data)
    model.fit(
        {name: codes[:, None] for name, codes in x.items()},
        y[:, None],
        batch_size=1,  # plain Keras on TensorFlow does not sum the gradients of ids that repeat in a batch
        epochs=epochs,
        verbose=0,
        shuffle=False,
    )
    return model


def assert_catalogue_of(catalogue, data):
    np.testing.assert_array_equal(catalogue.user_ids, data.user_ids)
    np.testing.assert_array_equal(catalogue.item_ids, data.item_ids)
    assert catalogue.item_ids.dtype == np.int64
    assert catalogue.value_range == (1.0, 4.0)


def write_every_model(folder):
    """Every model but those of clicks (`test_ranker.py`) in a file, with its inputs and what it gives."""
    folder.mkdir()
    keras.utils.set_random_seed(1234)
    data, draw = interactions(), np.random.default_rng(0)
    outputs = {}
    for case in MODELS:
        model = case.create(data)
        if kerasrec.zoo.card(case.name).optimizer is not None:
            model.set_weights([w + draw.normal(0, 0.1, w.shape).astype(w.dtype) for w in model.get_weights()])
        x, _ = pairs(data, model=model)
        np.savez(folder / f"{case.name}.x.npz", **x)
        save_model(model, folder / f"{case.name}.keras")
        outputs[case.name] = scores_of(model, x)
    np.savez(folder / "written.npz", **outputs)


@pytest.mark.processes
def test_files_of_every_backend_predict_the_same_on_every_backend(writers, elsewhere, tmp_path):
    writers.run(WRITE, tmp_path)
    elsewhere.run(PREDICT, tmp_path)
    for writer, reader in itertools.product(BACKENDS, BACKENDS):
        written = np.load(tmp_path / writer / "written.npz")
        read = np.load(tmp_path / writer / f"read.{reader}.npz")
        assert set(read) == set(written) == {case.name for case in MODELS}
        for name in written:
            if reader == writer:
                np.testing.assert_array_equal(read[name], written[name])
            else:
                np.testing.assert_allclose(read[name], written[name], atol=1e-5)


def test_ids_range_and_seen_items_come_back(tmp_path):
    data = interactions()
    model = kerasrec.zoo.create("recommender_v1", data)
    save_model(model, tmp_path / "model.keras", data, seen=True)
    catalogue = read_catalogue(tmp_path / "model.keras")
    assert_catalogue_of(catalogue, data)
    assert_catalogue_of(find_catalogue(load_model(tmp_path / "model.keras")), data)
    indptr, items = catalogue.seen
    for user in range(data.n_users):
        assert items[indptr[user] : indptr[user + 1]].tolist() == sorted(data.items[data.users == user])


def test_keras_and_its_callbacks_write_a_complete_file(tmp_path):
    data = interactions()
    model = kerasrec.zoo.create("recommender_v2", data)
    x, y = pairs(data)
    model.fit(x, y, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")])
    assert_catalogue_of(read_catalogue(tmp_path / "best.keras"), data)


@pytest.mark.slow
@pytest.mark.parametrize("model_class", [keras.Model, kerasrec.Model])
def test_any_functional_model_is_wrapped_with_its_optimizer(tmp_path, model_class):
    data = interactions()
    model = trained(plain_model(model_class=model_class), data, epochs=3)
    save_model(model, tmp_path / "model.keras", data)
    assert find_catalogue(model) is None
    loaded = load_model(tmp_path / "model.keras")
    assert loaded.name == "plain"
    assert_catalogue_of(find_catalogue(loaded), data)
    assert loaded.towers is None  # the reshape between score and output may be anything
    # Adam's moments and step count came along: both go on to the same weights.
    trained(model, data), trained(loaded, data)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-6)


@pytest.mark.slow
def test_a_loaded_model_trains_on_and_saves_again(tmp_path):
    data = interactions()
    model = trained(kerasrec.zoo.create("recommender_v2", data, learning_rate=0.1), data)
    save_model(model, tmp_path / "model.keras", data, seen=True)
    loaded = load_model(tmp_path / "model.keras")
    trained(model, data), trained(loaded, data)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-6)
    save_model(loaded, tmp_path / "again.keras")
    assert read_catalogue(tmp_path / "again.keras").seen is not None


def test_an_optimizer_of_pytorch_is_this_backend_s():
    plain = keras.optimizers.Adam(0.1)
    model = kerasrec.zoo.create("recommender_v2", interactions())
    config = model.get_compile_config()
    variant = {"module": "keras.src.backend.torch.optimizers.torch_adam", "registered_name": "Adam"}
    nested = {"inner_optimizer": {**config["optimizer"], **variant}}
    scaled = keras.saving.serialize_keras_object(keras.optimizers.LossScaleOptimizer(plain))
    for optimizer in ({**config["optimizer"], **variant}, {**scaled, "config": scaled["config"] | nested}):
        model.compile_from_config({**config, "optimizer": optimizer})
        assert type(getattr(model.optimizer, "inner_optimizer", model.optimizer)) is type(plain)


def test_a_million_text_ids(tmp_path):
    n = 1_000_000
    data = Interactions(
        np.array([0, n - 1]),
        np.array([0, 0]),
        user_ids=np.array([f"user-{code}" for code in range(n)], object),
        item_ids=np.array(["only"], object),
    )
    catalogue = Catalogue()
    catalogue.fill(data, seen=True)
    catalogue.save_assets(str(tmp_path))
    loaded = Catalogue()
    loaded.load_assets(str(tmp_path))
    assert loaded.user_ids[123_456] == "user-123456"
    assert np.array_equal(loaded.user_ids, data.user_ids)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 26e6
    assert len(json.dumps(loaded.get_config())) < 1000


def test_a_failed_save_leaves_the_previous_file(tmp_path, monkeypatch):
    data = interactions()
    save_model(kerasrec.zoo.create("recommender_v1", data), tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()

    def half_written(self, filepath):
        Path(filepath).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(kerasrec.Model, "save", half_written)
    with pytest.raises(OSError, match="No space left"):
        save_model(kerasrec.zoo.create("recommender_v2", data), tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_saving_refuses_what_cannot_be_read_back(tmp_path):
    data = interactions()
    model = kerasrec.zoo.create("recommender_v1", data)
    with pytest.raises(ValueError, match=r"`path` must end in \.keras\. Received: '.*model\.h5'"):
        save_model(model, tmp_path / "model.h5")
    with pytest.raises(FileNotFoundError, match=r"must be in a folder that exists; make .*nowhere first"):
        save_model(model, tmp_path / "nowhere" / "model.keras")
    with pytest.raises(ValueError, match=r"`interactions` must be given for `seen=True`"):
        save_model(model, tmp_path / "model.keras", seen=True)
    with pytest.raises(ValueError, match=r"not made by `kerasrec\.zoo\.create`"):
        save_model(plain_model(), tmp_path / "model.keras")
    one_input = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with pytest.raises(
        ValueError, match=r"inputs `item` and `user` or `history`, and one output.*of type Sequential"
    ):
        save_model(one_input, tmp_path / "model.keras", data)

    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match=r"or have a `kerasrec\.layers\.Catalogue` among its layers"):
        save_model(Subclassed(), tmp_path / "model.keras", data)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.keras"
    save_model(kerasrec.zoo.create("recommender_v1", interactions()), path)
    return path


@pytest.mark.parametrize("read", [load_model, read_catalogue])
class TestBadFile:
    def test_missing(self, read, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is none at .*model\.keras"):
            read(tmp_path / "model.keras")

    def test_other_suffix(self, read, tmp_path):
        with pytest.raises(ValueError, match=r"must end in \.keras"):
            read(tmp_path / "model.csv")

    def test_not_a_zip(self, read, tmp_path):
        (tmp_path / "model.keras").write_text("user,item\n")
        with pytest.raises(ValueError, match=r"complete model file\. Received: .*not one or was cut off"):
            read(tmp_path / "model.keras")

    def test_truncated(self, read, saved):
        saved.write_bytes(saved.read_bytes()[:-200])
        with pytest.raises(ValueError, match=r"complete model file\. Received: .*was cut off"):
            read(saved)

    def test_other_zip(self, read, tmp_path):
        with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
            archive.writestr("readme.txt", "hello")
        with pytest.raises(ValueError, match=r"must be a Keras model file.*another zip file"):
            read(tmp_path / "model.keras")

    def test_without_ids(self, read, tmp_path):
        plain_model().save(tmp_path / "model.keras")
        with pytest.raises(ValueError, match=r"save_model.*which holds no ids"):
            read(tmp_path / "model.keras")

    def test_newer(self, read, saved):
        rewrite(saved, "catalogue.json", b'{"format": 99, "kerasrec": "7.0.0"}')
        with pytest.raises(
            ValueError, match=r"at most 2; upgrade kerasrec.*format 99, written by kerasrec 7\.0\.0"
        ):
            read(saved)


def test_keras_says_that_a_file_is_newer(saved):
    rewrite(saved, "catalogue.json", b'{"format": 99, "kerasrec": "7.0.0"}')
    with pytest.raises(ValueError, match=r"format 99, written by kerasrec 7\.0\.0"):
        keras.models.load_model(saved)


def test_a_class_unknown_here_is_named(saved):
    with zipfile.ZipFile(saved) as archive:
        config = archive.read("config.json").replace(b"DotScore", b"NewScore")
    rewrite(saved, "config.json", config)
    with pytest.raises(ValueError, match=r"Keras or kerasrec, or registered ones.*kerasrec>NewScore"):
        load_model(saved)


@pytest.mark.parametrize("what", ["class 'Gone'", "function 'elsewhere>gone'"])
def test_what_nobody_imported_is_named_and_nothing_else(tmp_path, what):
    @keras.saving.register_keras_serializable("elsewhere")
    class Gone(keras.layers.Layer):
        __module__ = "__main__"  # of a script

        def call(self, features):
            return features

    @keras.saving.register_keras_serializable("elsewhere")
    def gone(labels, scores):
        return keras.ops.mean(scores, axis=-1)

    data = interactions()
    own = {"item_repr": Gone(), "n_components": data.n_items} if "Gone" in what else {"loss": gone}
    save_model(kerasrec.zoo.create("hybrid", data, **own), tmp_path / "own.keras")
    for name in ("Gone", "gone"):
        del keras.saving.get_custom_objects()[f"elsewhere>{name}"]
    message = (
        f"own.keras holds a model that cannot be rebuilt here: {what} is not known. In Python, import the "
        "module that defines it before the file is loaded; it must be decorated with "
        "`keras.saving.register_keras_serializable`."
    )
    with pytest.raises(ValueError, match=f"{re.escape(message)}$"):
        load_model(tmp_path / "own.keras")


def rewrite(path, name, content):
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, content if member.endswith(name) else data)


@pytest.mark.parametrize("read", [load_model, read_catalogue])
class TestHostileFile:
    """Nothing is executed, nothing is written beside the file, and the message says what is wrong."""

    def test_a_pickle_in_an_array(self, read, saved):
        class Bomb:
            def __reduce__(self):
                return (Path.touch, (saved.with_name("executed"),))

        archive = io.BytesIO()
        np.savez(archive, indptr=np.array([Bomb()], object), items=np.array([0]))
        add(saved, "seen.npz", archive.getvalue())
        with pytest.raises(ValueError, match=r"holds objects in indptr\.npy, which cannot be read without"):
            read(saved)
        assert [file.name for file in saved.parent.iterdir()] == ["model.keras"]

    def test_a_member_that_is_a_pickle(self, read, saved):
        add(saved, "ids.pkl", b"cos\nsystem\n(S'true'\ntR.")
        with pytest.raises(ValueError, match=r"files; others could be code\. Received: .*ids\.pkl"):
            read(saved)

    @pytest.mark.parametrize("name", ["../x.json", "/x.json", "a/../../x.json", "..\\x.json", "C:/x.json"])
    def test_a_name_that_leads_out(self, read, saved, name):
        with zipfile.ZipFile(saved, "a") as archive:
            archive.writestr(name, "{}")
        with pytest.raises(ValueError, match=r"must not lead outside it"):
            read(saved)

    def test_a_zip_bomb(self, read, saved):
        with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("assets/zeros.npy", bytes(50_000_000))
        with pytest.raises(ValueError, match=r"not unpack to more than 100 times its size\. Received: 50"):
            read(saved)

    def test_a_zip_bomb_within(self, read, saved):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("items.npy", bytes(50_000_000))
        add(saved, "seen.npz", inner.getvalue())
        with pytest.raises(ValueError, match=r"must not unpack to more than 100 times its size"):
            read(saved)

    def test_a_lambda_layer(self, read, tmp_path):
        inputs = keras.Input((1,), name="user"), keras.Input((1,), name="item")
        sums = keras.layers.Lambda(lambda x: x[0] + x[1])(list(inputs))
        model = keras.Model(dict(zip(("user", "item"), inputs, strict=True)), sums)
        save_model(model, tmp_path / "model.keras", interactions())
        with pytest.raises(ValueError, match=r"must hold no code; write a Lambda layer as a class"):
            read(tmp_path / "model.keras")

    @pytest.mark.parametrize(
        "foreign", [("os", "system", "os>system"), ("subprocess", "Popen", None), ("mine", "Own", "mine>Own")]
    )
    def test_a_foreign_class(self, read, saved, foreign):
        module, name, registered = foreign
        with zipfile.ZipFile(saved) as archive:
            config = json.loads(archive.read("config.json"))
        config["config"]["layers"][-1] |= {
            "module": module,
            "class_name": name,
            "registered_name": registered,
        }
        rewrite(saved, "config.json", json.dumps(config))
        with pytest.raises(ValueError, match=rf"must name only classes of Keras.*{name}' of '{module}'"):
            read(saved)

    def test_a_config_that_is_none(self, read, saved):
        rewrite(saved, "config.json", "{")
        with pytest.raises(ValueError, match=r"must hold a config in JSON"):
            read(saved)

    def test_a_header_that_is_none(self, read, saved):
        rewrite(saved, "catalogue.json", "[")
        with pytest.raises(ValueError, match=r"must have a header in JSON"):
            read(saved)
        rewrite(saved, "catalogue.json", "{}")
        with pytest.raises(ValueError, match=r"header must name its format\. Received: format=None"):
            read(saved)

    def test_flipped_bits(self, read, saved):
        whole = bytearray(saved.read_bytes())
        place = whole.index(b"item_ids.npy") + 150  # behind its header
        whole[place] ^= 255
        saved.write_bytes(bytes(whole))
        with pytest.raises(ValueError, match=r"Bad CRC-32|cannot be (read|rebuilt)"):
            read(saved)


def test_an_array_of_a_false_size(saved):
    """Its header promises an array that no memory holds."""
    array = io.BytesIO()
    np.save(array, np.arange(4))
    claimed = array.getvalue().replace(b"(4,), }" + b" " * 20, b"(400000000000000,), }" + b" " * 6)
    assert len(claimed) == len(array.getvalue())
    rewrite(saved, "item_ids.npy", claimed)
    for read in (read_catalogue, load_model):
        with pytest.raises(
            ValueError,
            match=r"have the size that their headers declare\. Received: .*item_ids\.npy of shape \(4000",
        ):
            read(saved)


def add(path, name, content):
    """A member beside the ids."""
    with zipfile.ZipFile(path) as archive:
        header = next(member for member in archive.namelist() if member.endswith("catalogue.json"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(header.replace("catalogue.json", name), content)


@pytest.mark.processes
def test_a_crash_in_the_middle_of_a_save_leaves_the_old_file_whole(saved):
    """The process is killed while the new file is being written."""
    script = (
        "import os, sys, keras, kerasrec\n"
        "from kerasrec.recommender import load_model, save_model\n"
        "def die(self, path):\n"
        "    open(path, 'wb').write(b'half')\n"
        "    os._exit(9)\n"
        "model = load_model(sys.argv[1])\n"
        "kerasrec.trainers.Model.save = die\n"
        "save_model(model, sys.argv[1])\n"
    )
    before = saved.read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script, str(saved)], env=environment, capture_output=True)
    assert done.returncode == 9, done.stderr
    assert saved.read_bytes() == before
    assert load_model(saved).name == "recommender_v1"
