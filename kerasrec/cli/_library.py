"""Loading of Keras and kerasrec without messages."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasrec.cli._report import Report


def load_library(report: "Report") -> None:
    """Import Keras and kerasrec, which takes seconds, and hide TensorFlow's messages."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _standard_error_held_back(), report.waiting("Loading Keras"):
        import kerasrec

        kerasrec._load()


def set_seed(seed: int) -> None:
    """Seed everything random. Keras seeds every installed backend, and may load TensorFlow for that."""
    import keras

    if "tensorflow" in sys.modules:
        keras.utils.set_random_seed(seed)
        return
    with _standard_error_held_back():
        keras.utils.set_random_seed(seed)


@contextlib.contextmanager
def _standard_error_held_back() -> Iterator[None]:
    """Show what C code writes to standard error only if an error follows; Python's output is shown."""
    real = os.dup(2)
    with tempfile.TemporaryFile() as held, os.fdopen(real, "w") as python:
        os.dup2(held.fileno(), 2)
        try:
            with contextlib.redirect_stderr(python):
                yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
