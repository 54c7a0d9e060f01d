import zipfile

import keras
import pytest

from kerasrec.datasets import _notice


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """No folder of data sets, no network, and no licence printed yet."""

    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure on the test's network")

    monkeypatch.delenv("KERASREC_DATA", raising=False)
    monkeypatch.setattr(keras.utils, "get_file", refuse)
    monkeypatch.setattr(_notice, "_said", set())


@pytest.fixture
def write(tmp_path):
    """Write files into a folder of `tmp_path` or, where the name ends in .zip, a zip in it."""

    def write(place, files):
        place = tmp_path / place
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".zip":
            with zipfile.ZipFile(place, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            return place
        for name, content in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        return place

    return write
