"""Disks that are full or read-only: the file that was there stays whole, and the error says what to do."""

import errno
import os
import subprocess
from pathlib import Path

import keras
import pytest

import kerasrec
from faults import works
from faults.children import outcomes
from kerasrec import Recommender
from kerasrec.cli.app import app

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*ParquetWriter")]

SIZE = 600_000


def lists(recommender, folder):
    recommender.recommend_to_parquet(folder / "x.parquet", k=3, verbose=False)


def search(recommender, folder):
    kerasrec.tuning.search(works.data(), "item_knn", directory=folder / "search", **works.SEARCH)


WRITERS = {
    "save": lambda recommender, folder: recommender.save(folder / "x.keras"),
    "export": lambda recommender, folder: recommender.export(folder / "x"),
    "lists": lists,
    "search": search,
}
FILES = {
    "save": "x.keras",
    "export": "x/saved_model.pb",
    "lists": "x.parquet",
    "search": "search/search.json",
}


@pytest.fixture(scope="module")
def popular():
    return Recommender.train(works.data(), "popularity")


@pytest.fixture
def disk(tmp_path):
    """A small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("this machine has no `mount`")
    if done.returncode:
        pytest.skip(f"a disk for tests cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder, left):
    """Take the room of a disk but for so many bytes."""
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    size = (folder / "filler").stat().st_size
    os.truncate(folder / "filler", max(0, size - left))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def skip_what_this_backend_has_not(name):
    if name == "export" and keras.backend.backend() != "tensorflow":
        pytest.skip("a SavedModel is TensorFlow's")


@pytest.mark.parametrize(
    ("name", "left"),
    [("save", 0), ("save", 8192), ("export", 8192), ("lists", 0), ("search", 0), ("search", 8192)],
)
def test_a_full_disk(popular, disk, name, left):
    skip_what_this_backend_has_not(name)
    if name in ("save", "lists"):
        WRITERS[name](popular, disk)
    before = contents(disk)
    fill(disk, left)
    with pytest.raises(OSError, match=r"No space left.*; make room .*: '.*'$") as caught:
        WRITERS[name](popular, disk)
    assert Path(caught.value.filename).is_relative_to(disk) and "\n" not in str(caught.value)
    (disk / "filler").unlink()
    after = contents(disk)
    if name == "search":  # it keeps what it had come to
        assert not [path for path in after if ".search" in path.name]
    else:
        assert after == before and not list(disk.glob(".*"))
    WRITERS[name](popular, disk)
    assert (disk / FILES[name]).is_file()


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_is_read_only(popular, disk, name):
    skip_what_this_backend_has_not(name)
    if name in ("save", "lists"):
        WRITERS[name](popular, disk)
    before = contents(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(OSError, match=r"Read-only file system") as caught:
        WRITERS[name](popular, disk)
    assert Path(caught.value.filename).is_relative_to(disk) and "\n" not in str(caught.value)
    assert contents(disk) == before
    if name == "save":
        assert Recommender.load(disk / "x.keras").recommend(k=3).equals(popular.recommend(k=3))


@pytest.mark.parametrize("name", WRITERS)
def test_a_limit_of_the_size_of_files(popular, tmp_path, name):
    """What stands for a full disk where none can be mounted."""
    skip_what_this_backend_has_not(name)
    out = tmp_path / "out"
    out.mkdir()
    popular.save(tmp_path / "model.keras")
    if name in ("save", "lists"):
        WRITERS[name](popular, out)
    before = contents(out)
    for limit in (0, 500):
        (said,) = outcomes(works.write, tmp_path, name, limit)
        number, text = said
        assert number == errno.EFBIG and "File too large; make room " in text, text
        if name != "search":
            assert contents(out) == before and not list(out.glob(".*"))
    assert list(outcomes(works.write, tmp_path, name, 1 << 24)) == [None]
    assert (out / FILES[name]).is_file()


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        app(list(map(str, arguments)), prog_name="kerasrec")
    return ended.value.code, capsys.readouterr()


def test_the_command_on_a_full_disk(popular, disk, tmp_path, capsys):
    works.table().to_csv(tmp_path / "table.csv", index=False)
    popular.save(disk / "x.keras")
    before = contents(disk)
    fill(disk, 4096)
    train = ["train", tmp_path / "table.csv", "--model", "item_knn", "--out", disk / "x.keras"]
    status, said = command(capsys, *train)
    assert status == 2 and "Traceback" not in said.err
    assert said.err.splitlines()[-1].startswith("Error: No space left")
    assert said.err.rstrip().endswith(f"make room or write elsewhere: {disk / 'x.keras'}")
    (disk / "filler").unlink()
    assert contents(disk) == before
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    status, said = command(capsys, *train)
    assert status == 2 and f"The folder '{disk}' must be writable" in said.err
