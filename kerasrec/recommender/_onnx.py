"""A recommender as one ONNX file, which onnxruntime runs without Keras or kerasrec."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._partial import replacing
from kerasrec._version import __version__
from kerasrec.data._columns import shown
from kerasrec.evaluation._layout import tie_order
from kerasrec.recommender._onnx_graph import Graph
from kerasrec.recommender._onnx_scores import scores_of
from kerasrec.recommender._state import SEED, State

if TYPE_CHECKING:
    import onnx

# The oldest versions with all operations used, so that old runtimes can read the file.
_OPERATIONS, _ENCODERS, _FORM = 18, 2, 8
# Limit of protobuf.
_MOST_BYTES = (1 << 31) - (1 << 20)
_NEVER = np.float32(-np.inf)


def export_onnx(state: State, path: str | os.PathLike[str]) -> None:
    """Write the file, which appears when it is complete.

    Args:
        state: `State`.
        path: the file, ending in `.onnx`.
    """
    path = Path(path)
    _require()
    if path.is_dir():
        raise ValueError(f"`path` must be a file. Received: {os.fspath(path)!r}, a folder.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; make {path.parent} first.")
    model = onnx_model(state)
    with replacing(path, model.ByteSize()) as partial:
        partial.write_bytes(model.SerializeToString())


def onnx_model(state: State) -> "onnx.ModelProto":
    """The recommender as an ONNX model.

    Args:
        state: `State`.
    """
    users, items = _ids(state, "user"), _ids(state, "item")
    # Columns are in the order that breaks ties: ONNX's top-k takes the first of equal scores.
    order = tie_order(state.n_items, SEED)
    graph = Graph()
    codes = _codes(graph, users)
    known = graph.node("GreaterOrEqual", codes, graph.constant(np.int64(0)))
    codes = graph.node("Max", codes, graph.constant(np.int64(0)))
    scores, finished = scores_of(state, order)(graph, codes)
    scores = _without_seen(state, graph, scores, codes, order)
    everywhere = graph.node("Unsqueeze", known, graph.constant(np.array([1])))
    scores = graph.node("Where", everywhere, scores, graph.constant(_NEVER))

    most = graph.node("Min", "k", graph.constant(np.int64(state.n_items)))
    length = graph.node("Reshape", most, graph.constant(np.array([1])))
    best, columns = graph.nodes("TopK", 2, scores, length)
    there = graph.node("Greater", best, graph.constant(_NEVER))
    columns = graph.node("Where", there, columns, graph.constant(np.int64(state.n_items)))
    nobody: Any = b"" if items.dtype.kind == "O" else -1
    named = graph.constant(np.append(items[order], np.array([nobody], items.dtype)))
    graph.node("Gather", named, columns, output="items")
    graph.node("Where", there, finished(best), best, output="scores")
    if graph.n_bytes > _MOST_BYTES:
        raise ValueError(
            "An ONNX file holds at most 2 GB; use fewer components, or export to a folder as a SavedModel. "
            f"Received: {state.name!r} of {graph.n_bytes / 1e9:,.1f} GB."
        )
    return _model(state, graph, _type(users), _type(items))


def _codes(graph: Graph, users: np.ndarray) -> str:
    """Codes of the requested raw ids; -1 for unknown ones."""
    keys = {"keys_strings": users.tolist()} if users.dtype.kind == "O" else {"keys_int64s": users.tolist()}
    return graph.node(
        "LabelEncoder",
        "user",
        domain="ai.onnx.ml",
        values_int64s=list(range(len(users))),
        default_int64=-1,
        **keys,
    )


def _without_seen(state: State, graph: Graph, scores: str, codes: str, order: np.ndarray) -> str:
    """Scores with minus infinity for items that users have."""
    if not len(state.history):
        return scores
    column_of = np.argsort(order)
    rows, entries = graph.rows(graph.constant(state.history.starts.astype(np.int64)), codes)
    columns = graph.node("Gather", graph.constant(column_of[state.history.items].astype(np.int64)), entries)
    last = graph.constant(np.array([-1]))
    pairs = [graph.node("Unsqueeze", part, last) for part in (rows, columns)]
    places = graph.node("Concat", *pairs, axis=1)
    return graph.node("ScatterND", scores, places, graph.filled(graph.node("Shape", columns), _NEVER))


def _ids(state: State, side: str) -> np.ndarray:
    """Raw ids as int64, or as an array of UTF-8."""
    ids = state.ids(side).raw
    if all(isinstance(raw, str) for raw in ids):
        return np.array([*(raw.encode() for raw in ids), None], object)[:-1]
    if ids.dtype.kind != "i":
        first = next(raw for raw in ids if not isinstance(raw, str))
        raise ValueError(
            f"Ids of {side}s must be all text or all whole numbers to be exported. Received: {shown(first)} "
            "among others."
        )
    return ids.astype(np.int64)


def _type(ids: np.ndarray) -> int:
    from onnx import TensorProto

    return int(TensorProto.STRING if ids.dtype.kind == "O" else TensorProto.INT64)


def _model(state: State, graph: Graph, user_type: int, item_type: int) -> "onnx.ModelProto":
    from onnx import TensorProto, checker, helper

    lists = ["batch", "length"]
    made = helper.make_graph(
        graph.made,
        "recommend",
        [
            helper.make_tensor_value_info("user", user_type, ["batch"]),
            helper.make_tensor_value_info("k", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("items", item_type, lists),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, lists),
        ],
        graph.constants,
        doc_string="The k best items for each user, without what they have.",
    )
    model = helper.make_model(
        made,
        producer_name="kerasrec",
        producer_version=__version__,
        ir_version=_FORM,
        opset_imports=[
            helper.make_opsetid("", _OPERATIONS),
            helper.make_opsetid("ai.onnx.ml", _ENCODERS),
        ],
    )
    about = {"model": state.name, "n_users": str(state.n_users), "n_items": str(state.n_items)}
    helper.set_model_props(model, about)
    checker.check_model(model)
    return model


def _require() -> None:
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            f"Writing ONNX needs another package: pip install 'kerasrec[onnx]'. Received: no {error.name}."
        ) from error
