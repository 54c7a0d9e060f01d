import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# A busy machine is no fault, and a case that fails once must fail again.
settings.register_profile("kerasrec", deadline=None, derandomize=True)
settings.load_profile("kerasrec")


def pytest_configure(config):
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # this process gives tests to others, which need not wait until it has imported Keras
    # Threads of several processes wait for each other. PyTorch's do so busily, which takes most of the time.
    n_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0))
    n_threads = max(1, (os.cpu_count() or 1) // max(1, n_workers))
    if n_workers:
        os.environ |= {f"TF_NUM_{pool}_THREADS": str(n_threads) for pool in ("INTRAOP", "INTEROP")}
    import keras

    # Graphs and programs are made of many small objects. By default, Python looks for garbage among them, and
    # among all imported modules, so often that it takes a part of the tests' time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    if n_workers and keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(n_threads)


@pytest.fixture(autouse=True)
def seeded():
    import keras

    keras.utils.set_random_seed(1234)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data sets beside a checkout; a test that needs it is skipped where it is missing."""
    folder = Path(os.environ.get("KERASREC_TEST_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
