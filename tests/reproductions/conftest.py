import importlib.util
import os
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def quick():
    """Whether one seed and a part of the budget are to do, as in CI, with limits of their own."""
    return os.environ.get("KERASREC_REPRODUCTION") == "quick"


@pytest.fixture(scope="session")
def example():
    """A function that imports an example by its name."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
