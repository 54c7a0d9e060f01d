"""Compares the sizes that a file declares with its contents before anything of these sizes is allocated."""

import json
import math
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import keras

from kerasrec.layers import find_catalogue, find_id_limits
from kerasrec.recommender._archive import WEIGHTS
from kerasrec.trainers._shapes import shapes_of

# Weights that a file may omit (counters, seeds) are smaller.
_SMALL = 1024


def shapes_of_weights(archive: zipfile.ZipFile, path: Path) -> "Counter[tuple[int, ...]]":
    """The number of weights of each shape; data outside the file and data not stored are refused."""
    import h5py

    shapes: Counter[tuple[int, ...]] = Counter()
    if WEIGHTS not in archive.namelist():
        return shapes
    seen: set[Any] = set()
    try:
        with archive.open(WEIGHTS) as file, h5py.File(file, "r") as weights:
            groups: list[Any] = [weights]
            while groups:
                group = groups.pop()
                for name in group:
                    inside = isinstance(group.get(name, getlink=True), h5py.HardLink)
                    found = group[name] if inside else None
                    address = None if found is None else h5py.h5o.get_info(found.id).addr
                    if isinstance(found, h5py.Group) and address not in seen:
                        groups.append(found)
                    elif isinstance(found, h5py.Dataset):
                        stored = not (found.chunks or found.external or found.is_virtual)
                        inside = stored and found.id.get_storage_size() == found.nbytes
                        shapes[found.shape] += address not in seen
                    seen.add(address)
                    if not inside:
                        raise _NotInside(f"{group.name.rstrip('/')}/{name}")
    except _NotInside as error:
        raise ValueError(
            "Weights of a model file must be stored in it directly, neither compressed nor linked. Received: "
            f"{error} in {path}."
        ) from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} must hold weights in HDF5. Received: {' '.join(str(error).split())[:200]}."
        ) from error
    return shapes


class _NotInside(Exception):
    """The data of a name are not stored in the file."""


def check_config_fits(text: bytes, shapes: "Counter[tuple[int, ...]]", path: Path) -> None:
    """Refuse a config whose tables are not among the weights; the check allocates no memory for them."""
    config = json.loads(text)
    if isinstance(config, dict):
        config.pop("compile_config", None)
    made = shapes_of(lambda: keras.saving.deserialize_keras_object(config, safe_mode=True))
    missing = Counter(shape for shape in made if math.prod(shape) > _SMALL) - shapes
    if missing:
        shape = max(missing, key=math.prod)
        raise ValueError(
            "Tables that a model file declares must be among its weights. "
            f"Received: a table of shape {shape}, {math.prod(shape):,} numbers, which {path} does not hold."
        )


def check_tables(model: keras.Model, path: Path) -> None:
    """Refuse ids that do not fit the tables of the model."""
    catalogue = find_catalogue(model)
    if catalogue is None or catalogue.user_ids is None or catalogue.item_ids is None:
        return
    from kerasrec import zoo

    of_zoo = model.name in zoo.names()
    for side, ids in (("user", catalogue.user_ids), ("item", catalogue.item_ids)):
        for limit, layer in filter(None, [find_id_limits(model).get(side)]):
            if limit < len(ids) or (of_zoo and limit != len(ids)):
                raise ValueError(
                    f"A model file must have one {side} id for each row of its tables. "
                    f"Received: {len(ids):,} ids for {limit:,} rows of layer {layer!r} in {path}."
                )
