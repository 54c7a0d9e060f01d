"""Writes a folder of arrays that workers of a cluster engine memory-map to make lists."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._partial import replacing
from kerasrec.evaluation._layout import Layout
from kerasrec.recommender import _request, _vectors, _worker
from kerasrec.recommender._state import SEED, State


def save(
    state: State,
    folder: str | os.PathLike[str],
    k: int = 10,
    exclude_seen: bool = True,
    only: Any = None,
    exclude: Any = None,
) -> Path:
    """Write the folder.

    Args:
        state: `State`.
        folder: the folder.
        k: as `Recommender.recommend` takes it.
        exclude_seen: as `k`.
        only: as `k`.
        exclude: as `k`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    factors = _vectors.factors(state)
    if factors is None:
        raise ValueError(
            "For lists on workers without Keras the model must factorise, as `hybrid` and "
            "`matrix_factorization` do; otherwise, load the recommender's file on each worker and call its "
            f"`recommend`. Received: {state.name!r}."
        )
    k = positive_integer("k", k)
    ruled = _request.rules_of(state, None)
    if ruled is not None and ruled.chooses:
        raise ValueError(
            "Rules that choose among items need the recommender itself; set `recommender.rules` to `None`, "
            f"or use `recommend_to_parquet`. Received: {', '.join(ruled.rules.names)}."
        )
    candidates = _request.candidates_of(state, only, exclude, ruled)
    layout = Layout.of(state.n_items, SEED, candidates)
    arranged = np.maximum(layout.items, 0)
    users = state.users.raw.tolist()
    if len({isinstance(entry, str) for entry in users}) > 1:
        raise ValueError("Ids of users must be of one type for workers, text or numbers. Received: both.")
    keys = _worker.keys_of(users)
    order = np.argsort(keys, kind="stable")
    arrays = {
        "user": factors.user,
        "item": factors.item[arranged],
        "user_bias": factors.user_bias,
        "item_bias": None if factors.item_bias is None else factors.item_bias[arranged],
        "columns": layout.items,
        "column_of": layout.columns,
        "user_keys": keys[order],
        "user_codes": order,
        "seen_starts": state.history.starts if exclude_seen else None,
        "seen_items": state.history.items if exclude_seen else None,
    }
    text = keys.dtype.kind == "S"
    about = {"form": _worker.FORM, "k": k, "scales": factors.scales, "text": text, "name": state.name}
    about["n_groups"] = layout.n_groups
    with replacing(folder) as place:
        place.mkdir()
        for name, array in arrays.items():
            if array is not None:
                np.save(place / f"{name}.npy", array, allow_pickle=False)
        pq.write_table(pa.table({"item": pa.array(state.items.raw.tolist())}), place / "items.parquet")
        shutil.copyfile(_worker.__file__, place / "worker.py")
        (place / "lists.json").write_text(json.dumps(about))
    return Path(folder)
