"""What memory is left, as the system's files say, and models that it does not hold."""

import os
import resource

import keras
import pytest

import kerasrec
from kerasrec import Recommender, _memory, zoo

GB = 1 << 30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A system of made-up files, without limits."""
    monkeypatch.setattr(_memory, "_ROOT", tmp_path)
    limits = dict.fromkeys((resource.RLIMIT_AS, resource.RLIMIT_DATA), resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (limits[limit], limits[limit]))

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:    8388608 kB\nSwapFree: 0 kB\n")
    write("proc/self/status", "Name:\tpython\nVmSize:\t 2097152 kB\nVmData:\t 1048576 kB\n")
    write.limits = limits
    return write


def test_of_the_machine(system):
    assert _memory.memory_left() == 8 * GB


def test_of_address_space_and_data(system, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    system.limits[resource.RLIMIT_AS] = 7 * GB
    # 5 of 7 GB, less what libraries reserve: a quarter, or one and a quarter and an eighth for each core.
    assert _memory.memory_left() == 5 * GB - GB // 4
    assert _memory.memory_left(trains=True) == 5 * GB - GB - GB // 4 - 2 * GB // 8
    system.limits[resource.RLIMIT_DATA] = 3 * GB
    assert _memory.memory_left() == 2 * GB - GB // 4
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")  # compiles whatever it computes
    assert _memory.memory_left() == _memory.memory_left(trains=True) == 2 * GB - GB - GB // 4 - 2 * GB // 8
    system.limits[resource.RLIMIT_DATA] = GB
    assert _memory.memory_left() == 0


@pytest.mark.parametrize("place", ["/", "/shop/nightly"])
def test_of_control_groups(system, place):
    system("proc/self/cgroup", f"0::{place}\n")
    folder = f"sys/fs/cgroup{place}"
    system(f"{folder}/memory.max", "max\n")
    system(f"{folder}/memory.current", f"{GB}\n")
    system(f"{folder}/memory.stat", "anon 5\ninactive_file 0\n")
    assert _memory.memory_left() == 8 * GB
    system(f"{folder}/memory.max", f"{4 * GB}\n")
    assert _memory.memory_left() == 3 * GB
    system(f"{folder}/memory.stat", f"inactive_anon 7\ninactive_file {GB // 2}\n")
    assert _memory.memory_left() == 3 * GB + GB // 2
    # What the group around it has left may be less.
    system("sys/fs/cgroup/memory.max", f"{2 * GB}\n")
    system("sys/fs/cgroup/memory.current", f"{GB}\n")
    system("sys/fs/cgroup/memory.stat", "inactive_file 0\n")
    assert _memory.memory_left() == GB


def test_of_control_groups_of_the_first_version(system):
    system("proc/self/cgroup", "3:cpu,cpuacct:/\n2:memory:/job\n1:freezer:/\n")
    system("sys/fs/cgroup/memory/job/memory.limit_in_bytes", f"{3 * GB}")
    system("sys/fs/cgroup/memory/job/memory.usage_in_bytes", f"{GB}")
    system("sys/fs/cgroup/memory/job/memory.stat", f"inactive_file 5\ntotal_inactive_file {GB // 4}\n")
    assert _memory.memory_left() == 2 * GB + GB // 4


def test_where_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "_ROOT", tmp_path)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert _memory.memory_left() == 4_096_000


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (12_345_678, "12.3 MB"),
        (6e9, "6 GB"),
        (6e15, "6e+03 TB"),
    ],
)
def test_sizes_in_words(n_bytes, said):
    assert _memory.in_words(n_bytes) == said


@pytest.fixture(scope="module")
def data():
    return kerasrec.datasets.synthetic(20, 30, 100).interactions


@pytest.mark.parametrize(
    ("name", "settings", "n_bytes"),
    [
        # A vector of each of 50 users and items, their weights and two moments, of 4 bytes.
        ("matrix_factorization", {"n_components": 10**9}, 50 * 10**9 * 12),
        ("recommender_v2", {"n_components": 1e12}, 50 * 10**12 * 12),
        ("implicit_als", {"n_components": 10**9}, 50 * 10**9 * 4),
    ],
)
def test_sizes_beyond_every_memory(data, name, settings, n_bytes):
    message = (
        rf"There must be memory for the weights of {name}.*: use smaller sizes .* {n_bytes:,} bytes needed"
    )
    with pytest.raises(ValueError, match=message):
        zoo.create(name, data, **settings)
    with pytest.raises(ValueError, match=message):
        Recommender.train(data, name, verbose=0, **settings)


def test_every_table_counts(data, monkeypatch):
    """Vectors and biases of users and items, as `RecommenderV2` says."""
    monkeypatch.setattr(_memory, "_of_machine", lambda: 3_059)
    needed = (20 + 30) * (5 + 1) * 12
    assert needed == 3_600
    with pytest.raises(ValueError, match="3,600 bytes needed, and 3,059 left for this process"):
        zoo.create("recommender_v2", data, n_components=5)
    monkeypatch.setattr(_memory, "_of_machine", lambda: 3_600)
    assert zoo.create("recommender_v2", data, n_components=5).count_params() == 300


def test_pairs_of_items(data, monkeypatch):
    monkeypatch.setattr(_memory, "_of_machine", lambda: 10_000)
    with pytest.raises(ValueError, match=r"memory for every pair of items.* 10,800 bytes needed"):
        zoo.create("ease", data)


def test_looking_at_sizes_changes_no_name_and_no_seed(data):
    """A model made after the look at its tables is the model made without one."""
    import numpy as np

    made = []
    for make in (zoo.create, lambda name, data, **settings: zoo.card(name).factory(20, 30, **settings)):
        keras.backend.clear_session()
        keras.utils.set_random_seed(7)
        made.append([make("recommender_net", data, n_components=3) for _ in range(2)])
    for one, other in zip(*made, strict=True):
        assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
        for x, y in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(x, y)


def test_large_models_are_said(data, capsys, monkeypatch):
    from kerasrec.recommender import _training

    how = {"model": "recommender_v2", "n_components": 5, "epochs": 0}
    Recommender.train(data, **how)
    assert "Memory" not in capsys.readouterr().out
    monkeypatch.setattr(_training, "_LARGE", 2000)
    Recommender.train(data, **how)
    said = capsys.readouterr().out
    assert (
        "Memory for the weights of recommender_v2 and the moments of its optimizer: 3.6 kB, "
        "and as much disk space for its file." in said
    )


class ResourceExhaustedError(Exception):
    """As TensorFlow's is called."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3.73 GiB for an array with shape (1000, 1000000)"),
        ResourceExhaustedError("OOM when allocating tensor with shape[256,1000000]"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4000000000 bytes."),
        RuntimeError("INTERNAL: Error dispatching computation: Out of memory allocating 4000000000 bytes."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 3.73 GiB"),
    ],
)
def test_memory_that_ends_in_a_batch(error, data):
    class Ends(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise error

    model = zoo.create("popularity", data)
    model.compile("sgd", "mse")
    message = (
        r"There must be memory for the batches of popularity: use a smaller `batch_size`, .* "
        r"Received: [\d,]+ bytes left for this process\.$"
    )
    x, y = kerasrec.data.pairs(data)
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(x, y, verbose=0, callbacks=[Ends()])
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("a wheel came off"), ValueError("out of memory of names")])
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, _memory.memory_ends("x"):
        raise error
    assert caught.value is error
