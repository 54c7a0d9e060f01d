"""Large tables get huge pages; what the system gave is read from its own account of the process's memory."""

import ctypes
import mmap
import platform
import re
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from trainers.problem import backend

import kerasrec
from kerasrec.trainers import _huge_pages

N_ROWS, SIZE = 2**19, 16
N_BYTES = N_ROWS * SIZE * 4  # 32 MB
MB = 2**20


def gives_pages():
    """Whether this machine gives huge pages on request, and at once."""
    release = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    return platform.system() == "Linux" and release >= (6, 1) and _huge_pages.on_request()


on_this_machine = pytest.mark.skipif(not gives_pages(), reason="this machine gives no huge pages on request")


def in_huge_pages():
    """Bytes of this process in huge pages."""
    account = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"AnonHugePages:\s+(\d+) kB", account)[1]) * 1024


def wait():
    for thread in threading.enumerate():
        if thread.name == "kerasrec-huge-pages":
            thread.join()


@on_this_machine
def test_memory_moves_and_holds_what_it_held():
    memory = mmap.mmap(-1, 64 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    array = np.frombuffer(memory, "int32")
    array[:] = np.arange(len(array))
    before = in_huge_pages()
    _huge_pages.move([(array.ctypes.data + 100, array.nbytes - 100)])
    wait()
    assert 32 * MB <= in_huge_pages() - before <= 64 * MB  # the system may not have all of them
    np.testing.assert_array_equal(array, np.arange(len(array)))


@on_this_machine
def test_memory_that_is_gone_is_passed_over():
    gone, there = (mmap.mmap(-1, 64 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(2))
    address = np.frombuffer(gone, "int32").ctypes.data
    gone.close()
    array = np.frombuffer(there, "int32")
    array[:] = np.arange(len(array))
    before = in_huge_pages()
    _huge_pages.move([(address, 64 * MB), (array.ctypes.data, array.nbytes)])
    wait()
    assert 32 * MB <= in_huge_pages() - before <= 64 * MB  # the part behind it was moved all the same


@pytest.fixture
def moved(monkeypatch):
    """Of each part of memory that is to be moved: its bytes, and the first numbers that lie there."""
    seen = []

    def move(parts):
        for address, n_bytes in parts:
            seen.append((n_bytes, list((ctypes.c_float * SIZE).from_address(address))))

    monkeypatch.setattr(_huge_pages, "on_request", lambda: True)
    monkeypatch.setattr(_huge_pages, "move", move)
    return seen


def a_model(xla=False):
    ids = keras.Input((1,), dtype="int32")
    rows = kerasrec.layers.FeatureEmbedding(N_ROWS, SIZE)(ids)
    small = kerasrec.layers.FeatureEmbedding(1000, SIZE)(ids)
    model = kerasrec.Model(ids, keras.layers.Dense(1)(rows + small))
    adagrad = keras.optimizers.Adagrad(initial_accumulator_value=0.25)
    model.compile(adagrad, "mean_squared_error", row_sparse=True, jit_compile=xla)
    return model


def fit(model):
    """Train for an epoch of one block."""
    samples = np.arange(64, dtype="int32")[:, None]
    model.fit(samples, np.ones((64, 1)), batch_size=32, verbose=0)


@pytest.mark.skipif(backend == "torch", reason="steps on PyTorch are Keras's own")
@pytest.mark.parametrize("xla", [False, True])
def test_tables_and_slots_of_a_training(xla, moved):
    model = a_model(xla)
    first_row = list(model.get_weights()[0][0])
    fit(model)
    assert sorted(moved) == sorted([(N_BYTES, first_row), (N_BYTES, [0.25] * SIZE)])
    fit(model)  # what NumPy drew may lie in its memory still, which JAX copies once
    moved.clear()
    fit(model)
    assert moved == []  # they lie where they lay


@pytest.mark.skipif(backend != "jax", reason="JAX alone takes NumPy's memory for its own")
def test_a_table_in_numpys_memory_is_moved_where_its_copy_lies(moved):
    import jax

    model = a_model()
    memory = mmap.mmap(-1, N_BYTES)
    rows = np.frombuffer(memory, "float32").reshape(N_ROWS, SIZE)
    model.weights[0]._value = jax.device_put(rows)
    assert model.weights[0]._value.unsafe_buffer_pointer() == rows.ctypes.data
    fit(model)
    assert sorted(moved) == sorted([(N_BYTES, [0.0] * SIZE), (N_BYTES, [0.25] * SIZE)])
    trained = list(model.get_weights()[0][0])
    assert trained[0] != 0
    fit(model)
    assert moved[2:] == [(N_BYTES, trained)]


@pytest.fixture
def asked_anew(monkeypatch):
    monkeypatch.delenv("KERASREC_HUGE_PAGES", raising=False)
    _huge_pages.on_request.cache_clear()
    yield
    _huge_pages.on_request.cache_clear()


@pytest.mark.skipif(platform.system() != "Linux", reason="Linux's setting")
@pytest.mark.parametrize(
    ("setting", "expected"),
    [("always [madvise] never", True), ("[always] madvise never", False), ("always madvise [never]", False)],
)
def test_the_systems_setting_counts(setting, expected, asked_anew, monkeypatch, tmp_path):
    monkeypatch.setattr(_huge_pages, "SETTING", tmp_path / "enabled")
    assert not _huge_pages.on_request()  # a system without them
    _huge_pages.on_request.cache_clear()
    (tmp_path / "enabled").write_text(setting + "\n")
    assert _huge_pages.on_request() is expected


@pytest.mark.skipif(platform.system() != "Linux", reason="Linux's setting")
def test_a_switch_turns_them_off(asked_anew, monkeypatch, tmp_path):
    monkeypatch.setattr(_huge_pages, "SETTING", tmp_path / "enabled")
    (tmp_path / "enabled").write_text("always [madvise] never\n")
    monkeypatch.setenv("KERASREC_HUGE_PAGES", "0")
    assert not _huge_pages.on_request()
