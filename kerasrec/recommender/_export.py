"""A recommender in a format that other programs serve: ONNX, or a TensorFlow SavedModel."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec._inputs import input_names
from kerasrec._partial import replacing
from kerasrec.data._columns import shown
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._models import item_outputs, user_outputs
from kerasrec.layers import Catalogue
from kerasrec.recommender import _vectors
from kerasrec.recommender._new_user_scores import takes_lists
from kerasrec.recommender._state import SEED, State


def export(state: State, path: str | os.PathLike[str]) -> None:
    """Write one ONNX file, or a folder with a SavedModel.

    Args:
        state: `State`.
        path: a file ending in `.onnx`, or a new folder.
    """
    if state.rules is not None and state.rules.names:
        raise ValueError(
            f"Rules cannot be exported: set `rules = None` first. Received: {', '.join(state.rules.names)}."
        )
    if state.order is not None:
        raise ValueError(
            "An export holds one model: export the stages one by one, `recommender.candidates.export(...)`. "
            "Received: two stages."
        )
    if Path(path).suffix == ".onnx":
        from kerasrec.recommender._onnx import export_onnx

        export_onnx(state, path)
    else:
        _export_saved_model(state, path)


def _export_saved_model(state: State, folder: str | os.PathLike[str]) -> None:
    """Write the SavedModel to a new folder, which appears when it is complete."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "`export` writes TensorFlow's format and needs that backend: load the file with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}."
        )
    path = Path(folder)
    if path.exists() and (path.is_file() or any(path.iterdir())):
        raise ValueError(f"`path` must be new or empty. Received: {os.fspath(folder)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; make {path.parent} first.")
    import tensorflow as tf

    ids = {"user": _tensor(state.users.raw, "user"), "item": _tensor(state.items.raw, "item")}
    module = _module(state, ids)
    signature = module.recommend.get_concrete_function(
        user=tf.TensorSpec([None], ids["user"].dtype, "user"), k=tf.TensorSpec([], tf.int32, "k")
    )
    with replacing(path) as partial:
        tf.saved_model.save(module, partial, signatures={"serving_default": signature})


def check_inputs(state: State) -> None:
    """Refuse a model that needs a history or other inputs for each score.

    Args:
        state: `State` of a model that does not represent users.
    """
    others = [name for name in input_names(state.model) if name not in ("user", "item")]
    if others:
        raise ValueError(
            "A model with more inputs than `user` and `item` can be exported only if a score of "
            "`kerasrec.layers` compares a user's vector with an item's; `save` writes any model to a file. "
            f"Received: {state.name!r}, which has the input {others[0]!r} and no such score."
        )


def _tensor(ids: np.ndarray, side: str) -> Any:
    import tensorflow as tf

    if all(isinstance(raw, str) for raw in ids):
        return tf.constant(ids.tolist(), tf.string)
    if ids.dtype.kind != "i":
        first = next(raw for raw in ids if not isinstance(raw, str))
        raise ValueError(
            f"Ids of {side}s must be all text or all whole numbers to be exported. Received: {shown(first)} "
            "among others."
        )
    return tf.constant(ids, tf.int64)


def _module(state: State, ids: dict[str, Any]) -> Any:
    import tensorflow as tf

    # Columns are in the order that breaks ties: TensorFlow's top-k takes the first of equal scores.
    order = tie_order(state.n_items, SEED)
    column_of = np.argsort(order)
    scores_of, finished = _scores(state, order)

    class Exported(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            codes = tf.range(state.n_users, dtype=tf.int32)
            rows = tf.lookup.KeyValueTensorInitializer(ids["user"], codes)
            self.codes = tf.lookup.StaticHashTable(rows, -1)
            self.items = tf.gather(ids["item"], order)
            self.nobody = tf.constant("" if ids["item"].dtype == tf.string else -1, ids["item"].dtype)
            history = state.history
            self.seen = tf.RaggedTensor.from_row_splits(
                tf.constant(column_of[history.items], tf.int32), tf.constant(history.starts, tf.int64)
            )
            self.scores_of = scores_of  # tracks the variables
            self.finished = finished

        @tf.function
        def recommend(self, user: Any, k: Any) -> dict[str, Any]:
            codes = self.codes.lookup(user)
            known = tf.debugging.Assert(tf.reduce_all(codes >= 0), ["Unknown user ids:", user[codes < 0]])
            with tf.control_dependencies([known]):
                codes = tf.identity(codes)
            scores = self.scores_of(codes)
            seen = tf.gather(self.seen, codes)
            places = tf.stack([tf.cast(seen.value_rowids(), tf.int32), seen.values], axis=1)
            hidden = tf.fill([tf.shape(places)[0]], tf.constant(-np.inf, tf.float32))
            scores = tf.tensor_scatter_nd_update(scores, places, hidden)
            best, columns = tf.math.top_k(scores, tf.minimum(k, len(order)))
            there = best > -np.inf
            items = tf.where(there, tf.gather(self.items, columns), self.nobody)
            return {"items": items, "scores": tf.where(there, self.finished(codes, best), best)}

    return Exported()


def _scores(state: State, order: np.ndarray) -> tuple[Any, Any]:
    """A function that scores the catalogue for codes, and one that finishes the scores of lists."""
    import tensorflow as tf

    sides = _vectors.sides(state)
    towers = None if sides is None else sides.towers

    class Towers(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            found: Any = towers
            everybody = np.arange(state.n_users, dtype=np.int32)
            users = user_outputs(found, everybody, _vectors.inputs(state))
            nothing = np.zeros((state.n_users, 1), np.float32)
            self.bias = tf.Variable(users.pop("user_bias", nothing), trainable=False)
            self.users = {name: tf.Variable(x, trainable=False) for name, x in users.items()}
            self.item_rows = {
                name: tf.Variable(x, trainable=False) for name, x in item_outputs(found, order).items()
            }

        def __call__(self, codes: Any) -> Any:
            found: Any = towers
            user = {name: tf.gather(table, codes) for name, table in self.users.items()}
            items = {name: tf.convert_to_tensor(x) for name, x in self.item_rows.items()}
            return tf.cast(found.score.all_pairs(**user, **items), tf.float32)

        def finish(self, codes: Any, scores: Any) -> Any:
            scores = scores + tf.gather(self.bias, codes)
            for layer in towers.transforms if towers else ():
                if not isinstance(layer, Catalogue):
                    scores = layer(scores)
            return scores

    class Graph(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = state.model

        def __call__(self, codes: Any) -> Any:
            n = tf.shape(codes)[0]
            if takes_lists(self.model):
                inputs = {"user": codes[:, None], "item": tf.tile(tf.constant(order)[None], [n, 1])}
            else:
                inputs = {
                    "user": tf.repeat(codes, len(order))[:, None],
                    "item": tf.tile(tf.constant(order), [n])[:, None],
                }
            return tf.reshape(tf.cast(self.model(inputs, training=False), tf.float32), [n, len(order)])

    if towers is None:
        check_inputs(state)
        return Graph(), lambda codes, scores: scores
    scores_of = Towers()
    return scores_of, scores_of.finish
