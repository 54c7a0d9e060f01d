import pandas as pd
import pytest

import kerasrec


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("KERASREC_DATA", raising=False)


def test_list(run, run_json):
    assert run_json("datasets", "list") == {"datasets": kerasrec.datasets.names()}
    assert "movielens-1m" in run("datasets", "list").out


def test_describe(run, run_json):
    described = run_json("datasets", "describe", "synthetic")
    assert (described["name"], described["interactions"], described["users"]) == ("synthetic", 100_000, 1000)
    assert sum(described["histogram"].values()) == 100_000
    done = run("datasets", "describe", "synthetic")
    assert "100,000" in done.out and "Ratings of each value" in done.out


def test_fetch_writes_what_train_reads(run_json, tmp_path):
    result = run_json("datasets", "fetch", "synthetic", "--out", "ratings.csv")
    assert result == {"name": "synthetic", "interactions": 100_000, "file": "ratings.csv"}
    frame = pd.read_csv(tmp_path / "ratings.csv")
    pd.testing.assert_frame_equal(
        frame, kerasrec.datasets.synthetic().interactions.to_frame(), check_dtype=False
    )


def test_a_folder_of_real_data(run_json, shared_data):
    folder = shared_data / "movielens-latest-small-2018"
    described = run_json("datasets", "describe", "movielens-latest-small", "--path", folder)
    assert (described["interactions"], described["users"], described["items"]) == (100_836, 610, 9_724)


def test_mistakes(fails, tmp_path):
    assert fails("datasets", "fetch", "nothing").startswith("`name` must be one of")
    assert fails("datasets", "describe", "lastfm", "--path", "none").startswith("`path` must be an existing")
    assert fails("datasets", "fetch", "synthetic", "--out", "x.json") == (
        "The file to write must end in .csv. Received: 'x.json'."
    )


def test_fetch_without_a_network(fails, monkeypatch):
    def get_file(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr("keras.utils.get_file", get_file)
    message = fails("datasets", "fetch", "lastfm")
    assert "could not be downloaded (no route to host)" in message
    assert "KERASREC_DATA" in message
