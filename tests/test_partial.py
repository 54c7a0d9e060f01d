"""Files and folders that are there whole or not at all."""

import errno
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import pytest
import scipy.sparse
from keras.src.saving import saving_lib

import kerasrec
from kerasrec._partial import replacing, replacing_within
from kerasrec._temporary import temporary
from kerasrec.compat import TensorRec, input_utils

ROOM = "make room or write elsewhere"
RIGHT = "write elsewhere, or make the folder writable"


@pytest.fixture(scope="module")
def popular():
    data = kerasrec.datasets.synthetic(20, 30, 100).interactions
    return kerasrec.Recommender.train(data, "popularity")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_comes_when_it_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with replacing(path) as partial:
        partial.write_text("after")
        partial.with_name("beside").write_text("of the writer")
        assert path.read_text() == "before" and len(names(tmp_path)) == 2
    assert path.read_text() == "after" and names(tmp_path) == ["a.txt"]


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="half way"), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError("half way")
    assert path.read_text() == "before" and names(tmp_path) == ["a.txt"]


def test_folders(tmp_path):
    (tmp_path / "model").mkdir()
    with replacing(tmp_path / "model") as partial:
        partial.mkdir()
        (partial / "x").write_text("1")
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["x"]


def left_by(path, process, age=0.0, machine=None):
    """What a writer of `path` left: a folder with half a file."""
    with replacing(path) as partial:
        partial.write_text("whole")
        own = partial.parent.name
    name = own.replace(f"-{os.getpid()}-", f"-{process}-")
    folder = path.with_name(name if machine is None else re.sub(r"\.\w+-", f".{machine}-", name))
    folder.mkdir()
    (folder / path.name).write_text("half")
    os.utime(folder, (time.time() - age,) * 2)
    return folder.name


def test_files_of_a_folder_come_together_and_beside_others(tmp_path):
    folder = tmp_path / "map"
    for content in ("1", "2"):
        with replacing_within(folder) as partial:
            (partial / "a").write_text(content)
            (partial / "b").write_text(content)
            assert not folder.exists() or (folder / "a").read_text() == "1"
        (folder / "somebody's").write_text("")
    with pytest.raises(RuntimeError, match="half way"), replacing_within(folder) as partial:
        (partial / "a").write_text("3")
        raise RuntimeError("half way")
    assert names(tmp_path) == ["map"] and names(folder) == ["a", "b", "somebody's"]
    assert [(folder / name).read_text() for name in "ab"] == ["2", "2"]


def test_what_a_killed_process_unpacked_goes(tmp_path, monkeypatch):
    """Keras unpacks what it saves and loads in folders that nobody could tell from others'."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    with temporary() as folder:
        assert Path(saving_lib.get_temp_dir()).parent == folder
        left = tmp_path / folder.name.replace(f"-{os.getpid()}-", f"-{done.pid}-")
        (left / "unpacked").mkdir(parents=True)
        with temporary() as other:
            assert names(tmp_path) == sorted([folder.name, other.name])
    assert names(tmp_path) == []
    own = Path(saving_lib.get_temp_dir())  # of who saves a model of Keras alone
    assert own.parent == tmp_path and not own.name.startswith("kerasrec")


def test_what_dead_and_forgotten_writers_left_goes(tmp_path):
    path = tmp_path / "a.keras"
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    for _ in range(2):  # each removes what the ones before it left
        left_by(path, done.pid)
        left_by(path, os.getpid(), age=7200)
        left_by(path, done.pid, age=7200, machine="0")
    writes = left_by(path, os.getpid())
    elsewhere = left_by(path, done.pid, machine="0")
    (tmp_path / ".a.keras.backup").write_text("somebody's")
    with replacing(path) as partial:
        partial.write_text("whole")
    assert names(tmp_path) == sorted([writes, elsewhere, "a.keras", ".a.keras.backup"])


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, ROOM),
        (errno.EDQUOT, ROOM),
        (errno.EFBIG, ROOM),
        (errno.EROFS, RIGHT),
        (errno.EACCES, RIGHT),
    ],
)
@pytest.mark.parametrize("raised", [OSError, RuntimeError])
def test_why_nothing_can_be_written(tmp_path, number, remedy, raised):
    error = OSError(number, os.strerror(number)) if raised is OSError else raised(f"x: {os.strerror(number)}")
    message = f"{os.strerror(number)}; {remedy}: '{tmp_path / 'a'}'"
    with pytest.raises(OSError, match=re.escape(message)) as caught, replacing(tmp_path / "a"):
        raise error
    assert caught.value.errno == number and caught.value.filename == str(tmp_path / "a")
    assert not names(tmp_path)


def test_other_errors_stay_what_they_are(tmp_path):
    error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output error") as caught, replacing(tmp_path / "a"):
        raise error
    assert caught.value is error


def save(recommender, folder):
    recommender.save(folder / "x.keras")


def export(recommender, folder):
    recommender.export(folder / "x")


def lists(recommender, folder):
    recommender.recommend_to_parquet(folder / "x.parquet", k=3, verbose=False)


def matrix(recommender, folder):
    one = input_utils.create_tensorrec_dataset_from_sparse_matrix(scipy.sparse.eye(3))
    input_utils.write_tfrecord_from_tensorrec_dataset(folder / "x.tfrecord", one)


def tensorrec(recommender, folder):
    model = TensorRec(n_components=2)
    eye = scipy.sparse.eye(5, format="csr")
    model.fit_partial(eye, eye, eye, epochs=0)
    model.save_model(folder)


def figures(recommender, folder):
    data = recommender.interactions
    kerasrec.evaluation.evaluate(recommender.model, data, data, exclude_seen=False).to_json(folder / "x.json")


WRITERS = {
    save: "x.keras",
    export: "x",
    lists: "x.parquet",
    matrix: "x.tfrecord",
    tensorrec: "tensorrec.keras",
    figures: "x.json",
}


@pytest.mark.parametrize("write", WRITERS)
def test_every_writer_puts_its_file_in_place_at_once(popular, tmp_path, monkeypatch, write):
    if write is export and keras.backend.backend() != "tensorflow":
        pytest.skip("a SavedModel is TensorFlow's")
    seen = []
    replace = os.replace

    def watched(source, target):
        seen.append((names(tmp_path), Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write(popular, tmp_path)
    name = WRITERS[write]
    (before, target), *others = [x for x in seen if x[1] == name]
    assert not others and target == name
    # Until then there is one hidden folder of this process.
    assert len(before) == 1 and re.fullmatch(
        rf"\.{re.escape(name)}\.[0-9a-f]{{8}}-{os.getpid()}-\d+", before[0]
    )
    assert names(tmp_path) == [name]


def test_large_weights_are_unpacked_nowhere_beside_the_file(popular, tmp_path, monkeypatch):
    """Keras does so where weights take more than half of the memory; what is killed leaves them there."""
    from keras.src.saving import saving_lib

    made = []
    for kind in ("NamedTemporaryFile", "TemporaryDirectory"):
        make = getattr(saving_lib.tempfile, kind)

        def watched(*args, make=make, **how):
            made.append(how.get("dir"))
            return make(*args, **how)

        monkeypatch.setattr(saving_lib.tempfile, kind, watched)
    monkeypatch.setattr(saving_lib, "is_memory_sufficient", lambda _: False)
    path = tmp_path / "x.keras"
    popular.save(path)
    found = kerasrec.Recommender.load(path)
    assert found.recommend(k=3).equals(popular.recommend(k=3))
    written, *read = [Path(folder) for folder in made if folder is not None]
    assert written.parent == tmp_path and written.name.startswith(".x.keras.")
    assert len(read) == 1 and tmp_path not in (read[0], *read[0].parents)
