"""The scores of a model in an ONNX graph, from representations or from item-to-item weights."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.recommender import _vectors
from kerasrec.recommender._export import check_inputs
from kerasrec.recommender._onnx_graph import Graph
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    import scipy.sparse

# From a graph and the name of codes `[B]`: the name of scores `[B, I]`, and a function that finishes lists.
Scores = Callable[[Graph, str], tuple[str, Callable[[str], str]]]
# Least squared length of a vector, as in `CosineScore`.
_SHORT = 1e-12
_NEAR = 1e-16
# Number of entries of a line.
_WIDTH = 32


def scores_of(state: State, order: np.ndarray) -> Scores:
    """The function that adds the scores of a state to a graph.

    Args:
        state: `State`.
        order: item codes `[I]` by column.
    """
    from kerasrec.layers import Catalogue, find_towers

    held = _vectors.factors(state)
    if held is not None:
        item = {"item": held.item}
        if held.item_bias is not None:
            item["item_bias"] = held.item_bias[:, None]
        return _represented(state, "dot", held.users, item, held.scales, order)
    links = getattr(_vectors.source(state), "item_links", None)
    if links is not None and (found := links()) is not None:
        return _linked(_vectors.source(state).matrix(), found, order)
    towers = find_towers(state.model)
    if towers is None:
        check_inputs(state)
        raise ValueError(
            "ONNX supports models that represent users and items, and item-to-item models; export others "
            f"to a folder as TensorFlow's SavedModel. Received: {state.name!r}, which is neither."
        )
    from kerasrec.evaluation._models import item_outputs, user_outputs
    from kerasrec.layers import RatingScale

    scales = [layer for layer in towers.transforms if not isinstance(layer, Catalogue)]
    for layer in scales:
        if type(layer) is not RatingScale:
            raise _foreign(state, layer)
    users = user_outputs(towers, np.arange(state.n_users, dtype=np.int32), _vectors.inputs(state))
    items = item_outputs(towers, np.arange(state.n_items, dtype=np.int32))
    bounds = tuple((layer.minimum, layer.maximum) for layer in scales)
    return _represented(state, _comparison(state, towers.score), users, items, bounds, order)


def _comparison(state: State, score: Any) -> str:
    """The class of the comparison of a score."""
    from kerasrec.layers import CosineScore, DotScore, EuclideanScore, TasteMixture

    inner = score.score if type(score) is TasteMixture else score
    for name, known in (("dot", DotScore), ("cosine", CosineScore), ("euclidean", EuclideanScore)):
        if type(inner) is known:
            return name
    raise _foreign(state, inner)


def _foreign(state: State, layer: Any) -> ValueError:
    return ValueError(
        "ONNX supports the scores and scales of `kerasrec.layers`; export others to a folder as TensorFlow's "
        f"SavedModel. Received: {type(layer).__name__} in {state.name!r}."
    )


def _represented(
    state: State,
    comparison: str,
    user: dict[str, np.ndarray],
    item: dict[str, np.ndarray],
    scales: tuple[tuple[float, float], ...],
    order: np.ndarray,
) -> Scores:
    """Scores of representations, in double precision, so that equal items tie."""
    for table in (*user.values(), *item.values()):
        if not np.isfinite(table).all():
            raise ValueError(
                "Representations must be finite to be exported. "
                f"Received: NaN or infinity in {state.name!r}; the model diverged in training."
            )
    vectors, bias = item["item"][order], item.get("item_bias")
    tastes = [user["user"], *([user["attention"]] if "attention" in user else [])]
    if comparison == "cosine":
        vectors, tastes = _unit(vectors), [_unit(x) for x in tastes]

    def write(graph: Graph, codes: str) -> tuple[str, Callable[[str], str]]:
        items = graph.cast(graph.constant(np.ascontiguousarray(vectors.T)), np.float64)
        found = [_compared(graph, comparison, x, codes, items, vectors) for x in tastes]
        scores = found[0] if user["user"].ndim == 2 else _mixed(graph, found)
        if bias is not None:
            own = graph.constant(bias.reshape(-1)[order])
            scores = graph.node("Add", scores, graph.cast(own, np.float64))

        def finished(best: str) -> str:
            if "user_bias" in user:
                best = graph.node(
                    "Add", best, graph.node("Gather", graph.constant(user["user_bias"].reshape(-1, 1)), codes)
                )
            for low, high in scales:
                share = graph.node("Sigmoid", best)
                wide = graph.node("Mul", share, graph.constant(np.float32(high - low)))
                best = graph.node("Add", wide, graph.constant(np.float32(low)))
            return best

        return graph.cast(scores, np.float32), finished

    return write


def _compared(
    graph: Graph, comparison: str, table: np.ndarray, codes: str, items: str, vectors: np.ndarray
) -> str:
    """Users' vectors compared with all items: `[B, I]`, or `[B, T, I]` of tastes."""
    users = graph.cast(graph.node("Gather", graph.constant(table), codes), np.float64)
    product = graph.node("MatMul", users, items)
    if comparison != "euclidean":
        return product
    squares = graph.constant((vectors.astype(np.float64) ** 2).sum(axis=1))
    own = graph.node("ReduceSumSquare", users, graph.constant(np.array([-1])), keepdims=1)
    twice = graph.node("Mul", product, graph.constant(np.float64(2)))
    square = graph.node("Sub", graph.node("Add", own, squares), twice)
    return graph.node("Neg", graph.node("Sqrt", graph.node("Max", square, graph.constant(np.float64(_NEAR)))))


def _mixed(graph: Graph, found: list[str]) -> str:
    """One score from those of the tastes, `[B, T, I]`: the largest, or a sum weighted by attention."""
    tastes = graph.constant(np.array([1]))
    if len(found) == 1:
        return graph.node("ReduceMax", found[0], tastes, keepdims=0)
    weights = graph.node("Softmax", found[1], axis=1)
    return graph.node("ReduceSum", graph.node("Mul", found[0], weights), tastes, keepdims=0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    square = np.maximum(np.einsum("...c,...c->...", vectors, vectors), np.float32(_SHORT))
    return vectors / np.sqrt(square)[..., None]


def _linked(
    matrix: "scipy.sparse.csr_matrix", links: "np.ndarray | scipy.sparse.csr_matrix", order: np.ndarray
) -> Scores:
    """Scores that sum the links of the items of a user, item after item as SciPy does."""
    starts, own = (np.asarray(x, np.int64) for x in (matrix.indptr, matrix.indices))
    values = np.asarray(matrix.data, np.float32)

    def write(graph: Graph, codes: str) -> tuple[str, Callable[[str], str]]:
        table = graph.constant(starts), graph.constant(own), graph.constant(values)
        scores = _by_rows if isinstance(links, np.ndarray) else _by_entries
        return scores(graph, codes, table, links, order), lambda best: best

    return write


def _by_rows(
    graph: Graph, codes: str, table: tuple[str, str, str], links: np.ndarray, order: np.ndarray
) -> str:
    """One dense row per item; one user at a time, so that memory does not grow with the batch."""
    starts, own, values = table
    weights = graph.constant(links[:, order])
    first = graph.node("Gather", starts, codes)
    last = graph.node("Gather", starts, graph.node("Add", codes, graph.constant(np.int64(1))))
    body = Graph("body")
    places = body.node("Range", "first", "last", body.constant(np.int64(1)))
    worth = body.node("Unsqueeze", body.node("Gather", values, places), body.constant(np.array([1])))
    rows = body.node("Gather", weights, body.node("Gather", own, places))
    body.node(
        "ReduceSum",
        body.node("Mul", rows, worth),
        body.constant(np.array([0])),
        output="sum",
        keepdims=0,
    )
    one_user = body.subgraph("one_user", ["first", "last"], "sum", np.float32)
    return graph.node("Scan", first, last, body=one_user, num_scan_inputs=2)


def _by_entries(
    graph: Graph,
    codes: str,
    table: tuple[str, str, str],
    links: "scipy.sparse.csr_matrix",
    order: np.ndarray,
) -> str:
    """Few entries per item; the entries of all items of all users are added to the scores."""
    starts, own, values = table
    lines, columns, weights = _in_lines(links, np.argsort(order))
    users, places = graph.rows(starts, codes)
    pairs, rows = graph.rows(graph.constant(lines), graph.node("Gather", own, places))
    n_items, last = graph.constant(np.int64(len(order))), graph.constant(np.array([-1]))
    begin = graph.node("Gather", graph.node("Mul", users, n_items), pairs)
    worth = graph.node("Gather", graph.node("Gather", values, places), pairs)
    begin, worth = (graph.node("Unsqueeze", x, last) for x in (begin, worth))
    where = graph.node("Add", graph.node("Gather", graph.constant(columns), rows), begin)
    given = graph.node("Mul", graph.node("Gather", graph.constant(weights), rows), worth)
    where, given = (graph.node("Reshape", x, last) for x in (where, given))
    size = graph.node("Mul", graph.node("Shape", codes), n_items)
    sums = graph.node("ScatterElements", graph.filled(size, np.float32(0)), where, given, reduction="add")
    return graph.node("Reshape", sums, graph.constant(np.array([-1, len(order)])))


def _in_lines(
    links: "scipy.sparse.csr_matrix", column_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of entries as lines of one width, because onnxruntime gathers lines much faster than entries.

    Args:
        links: `[I, I]`.
        column_of: column by item code `[I]`.

    Returns:
        The first line of each item, and the end, `[I + 1]`; columns and weights, both `[n, width]`, 0 after
        the last entry of an item.
    """
    counts = np.diff(links.indptr)
    lines = np.concatenate([[0], np.cumsum(-(-counts // _WIDTH))]).astype(np.int64)
    columns = np.zeros((max(1, lines[-1]), _WIDTH), np.int64)
    weights = np.zeros(columns.shape, np.float32)
    items = np.repeat(np.arange(len(counts)), counts)
    places = lines[items] * _WIDTH + np.arange(len(items)) - links.indptr[items]
    columns.flat[places], weights.flat[places] = column_of[links.indices], links.data
    return lines, columns, weights
