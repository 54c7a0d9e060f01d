import keras
import pytest

from kerasrec import datasets
from kerasrec.datasets._source import Archive, Files, files

ARCHIVE = Archive("movielens-latest-small", "https://example.org/x/ml-latest-small.zip", "abc")


def place(archive=ARCHIVE, path=None):
    return files(archive, path).place.name


@pytest.mark.parametrize(
    "name",
    [
        "movielens-latest-small",
        "ml-latest-small",
        "ml-latest-small.zip",
        "movielens-latest-small-2018",
    ],
)
def test_a_folder_of_data_sets(write, tmp_path, monkeypatch, name):
    write(name, {"a": b""})
    write("movielens-1m", {"a": b""})
    assert place(path=tmp_path) == name
    monkeypatch.setenv("KERASREC_DATA", str(tmp_path))
    assert place() == name


def test_which_of_several(write, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASREC_DATA", str(tmp_path))
    for name in (
        "ml-latest-small.zip",
        "movielens-latest-small-2016",
        "movielens-latest-small-2018",
        "ml-latest-small",
        "movielens-latest-small",
    ):
        write(name, {"a": b""})
        assert place() == name
    # `path` comes first.
    assert place(path=tmp_path / "movielens-latest-small-2016") == "movielens-latest-small-2016"


def test_a_path_with_the_files_in_it_or_one_below(write):
    for folder in ("a", "a/b"):
        found = write(f"{folder}/x", {"Ratings.CSV": b"1"})
        with Files(found.parent if folder == "a" else found).open("ratings.csv") as file:
            assert file.read() == b"1"


def test_a_zip_is_read_in_place(write, tmp_path):
    zipped = write(
        "a.zip",
        {"__MACOSX/d/._x.csv": b"", "__MACOSX/d/x.csv": b"no", "./d/x.csv": b"yes", "../y.csv": b"out"},
    )
    with Files(zipped).open("missing.csv", "X.csv") as file:
        assert file.read() == b"yes"
    # Nor does a name that points out of the zip's folder lead anywhere.
    with Files(zipped).open("y.csv") as file:
        assert file.read() == b"out"
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    assert not (tmp_path.parent / "y.csv").exists()


def test_downloads_are_kept_and_checked(write, monkeypatch, capsys):
    zipped = write("cache.zip", {"a": b""})

    def fetch(name, origin, **kwargs):
        print("progress")
        assert (name, origin) == ("ml-latest-small.zip", ARCHIVE.url)
        assert kwargs == {"file_hash": "abc", "hash_algorithm": "md5", "cache_subdir": "datasets/kerasrec"}
        return str(zipped)

    monkeypatch.setattr(keras.utils, "get_file", fetch)
    assert place() == "cache.zip"
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "progress\n")


@pytest.mark.parametrize("folder", [None, "nowhere"])
def test_no_network(monkeypatch, folder):
    if folder:
        monkeypatch.setenv("KERASREC_DATA", folder)
    now = "now 'nowhere'" if folder else "not set now"
    message = (
        r"'ml-latest-small.zip' could not be downloaded \(URL fetch failure on the test's network\)\. "
        r"Fetch https://example\.org/x/ml-latest-small\.zip elsewhere and put it, unchanged, into the "
        rf"folder that KERASREC_DATA names \({now}\), or pass its location as `path`\."
    )
    with pytest.raises(FileNotFoundError, match=message):
        place()


def test_no_network_names_each_publishers_file():
    fetched = [name for name in datasets.names() if name != "synthetic"]
    for name in fetched:
        with pytest.raises(FileNotFoundError, match=r"Fetch https?://\S+\.zip elsewhere"):
            datasets.load(name)


def test_bad_paths(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"`path` must be an existing folder or zip.*'.*nothing'\."):
        place(path=tmp_path / "nothing")
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(
        ValueError, match=r"`path` must be a folder or a zip file\..*half\.zip.*fetch it again"
    ):
        place(path=tmp_path / "half.zip")
    with pytest.raises(FileNotFoundError, match=r"'a.csv' or 'b.csv' must be in '.*'\. Received: c\.csv\."):
        with Files(write("x", {"c.csv": b""})).open("a.csv", "b.csv"):
            pass
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Received: nothing"):
        with Files(tmp_path / "empty").open("a.csv"):
            pass
