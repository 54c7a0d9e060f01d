"""Optional parts of a recommender's file: the second stage, as a file in the file, and context columns."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._temporary import temporary
from kerasrec.recommender._order import Order
from kerasrec.recommender._state import State
from kerasrec.recommender._vector_file import SECOND as SECOND
from kerasrec.trainers._processes import written_by_each

_NAME = "second.keras"


def to_arrays(order: Order) -> dict[str, np.ndarray]:
    """A second stage as arrays.

    Args:
        order: `Order`.
    """
    of_clicks = not isinstance(order.second, State)
    with temporary() as folder, written_by_each():
        path = Path(folder, _NAME)
        if isinstance(order.second, State):
            from kerasrec.recommender._saved import save

            save(order.second, path)
        else:
            order.second.save(path)
        content = np.frombuffer(path.read_bytes(), np.uint8)
    about = json.dumps({"n_candidates": order.n_candidates, "clicks": of_clicks}).encode()
    return {"about": np.frombuffer(about, np.uint8), "content": content}


def from_arrays(arrays: Mapping[str, np.ndarray], load: Callable[[Path], State]) -> Order:
    """The inverse of `to_arrays`.

    Args:
        arrays: by name.
        load: reads a state from a recommender's file.
    """
    from kerasrec.recommender.ranker import Ranker

    about: Any = json.loads(arrays["about"].tobytes())
    with temporary() as folder:
        path = Path(folder, _NAME)
        path.write_bytes(arrays["content"].tobytes())
        second = Ranker.load(path) if about["clicks"] else load(path)
    return Order(second, positive_integer("n_candidates", about["n_candidates"]))


def ids_to_arrays(ids: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Categories of context columns as arrays.

    Args:
        ids: by the name of the column.
    """
    text = json.dumps({name: np.asarray(x).tolist() for name, x in ids.items()})
    return {"ids": np.frombuffer(text.encode(), np.uint8)}


def ids_from_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inverse of `ids_to_arrays`.

    Args:
        arrays: by name.
    """
    return {name: np.array(x, object) for name, x in json.loads(arrays["ids"].tobytes()).items()}
