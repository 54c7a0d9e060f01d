"""The file of a trained model: a `.keras` file that also holds the raw ids."""

import contextlib
import math
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import keras

from kerasrec._forks import check_fork
from kerasrec._inputs import input_names
from kerasrec._partial import replacing
from kerasrec._temporary import temporary
from kerasrec.data import ModelInputs
from kerasrec.layers import Catalogue, find_catalogue
from kerasrec.recommender._archive import VECTORS, check_room, keras_path, one_line, opened
from kerasrec.recommender._declared import check_config_fits, check_tables, shapes_of_weights
from kerasrec.recommender._factors import factors_of
from kerasrec.recommender._history import History, sequences_of
from kerasrec.recommender._safety import check_config
from kerasrec.recommender._vector_file import add_vectors
from kerasrec.trainers import Model
from kerasrec.trainers._processes import written_by_the_first

if TYPE_CHECKING:
    from kerasrec.data import Interactions

_UNREADABLE = (
    AttributeError,
    EOFError,
    ImportError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


def save_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    interactions: "Interactions | None" = None,
    seen: bool = False,
    history: bool = True,
) -> None:
    """Write a model, its optimizer and the ids that its codes stand for to one `.keras` file.

    The file is written under another name in the same folder and moved into place, so a failure leaves the
    previous file intact. If several processes train together, all must call this; the first one writes.

    Args:
        model: a functional `keras.Model` with inputs `user` and `item`, or any model with a
            `kerasrec.layers.Catalogue` among its layers (every model of the zoo).
        path: the file, ending in `.keras`.
        interactions: `Interactions`, the training data. Defaults to `None`: the ids that the model already
            carries (`kerasrec.zoo.create` and `load_model` give it some).
        seen: bool, whether to write the items of each user, with values and `kind`, so that recommendations
            can leave them out. Defaults to `False`; without `interactions`, the seen items that the model
            already carries are written in any case.
        history: bool, whether to write what the model carries of a `kerasrec.Recommender`: the users'
            history, features, metadata and rules. `False` writes the model and its ids alone, to be loaded
            by `load_model`. Defaults to `True`.

    Raises:
        ValueError: if `path` does not end in `.keras`, the model has other inputs, there are no ids, or
            `seen=True` comes with `history=False`.
        FileNotFoundError: if the folder does not exist.
        OSError: if there is no room for the file.
        TypeError: if an id is neither text nor a whole number.

    Example:
        >>> import os, tempfile, kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> model = kerasrec.zoo.create("recommender_v2", data, n_components=4)
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> kerasrec.recommender.save_model(model, path, data)
        >>> len(kerasrec.recommender.read_catalogue(path).item_ids)
        30
    """
    path = new_path(path)
    if interactions is None and seen:
        raise ValueError("`interactions` must be given for `seen=True`. Received: interactions=None.")
    if seen and not history:
        raise ValueError("`seen` must be `False` for `history=False`. Received: seen=True, history=False.")
    model = with_catalogue(model)
    catalogue = cast("Catalogue", find_catalogue(model))
    if interactions is not None:
        catalogue.fill(interactions, seen=seen)
        if seen:
            pairs = History(interactions, "history" in input_names(model))
            catalogue.attachments = {"history": pairs.to_arrays()}
    elif not catalogue.filled:
        raise ValueError(
            "`interactions` must be given for a model that was not made by `kerasrec.zoo.create`: its codes "
            "mean nothing without their ids. Received: interactions=None."
        )
    if model.compiled and not model.optimizer.built:
        # Keras builds it when it loads the file, and would warn that the file has no moments for it.
        model.optimizer.build(model.trainable_variables)
    with (
        contextlib.nullcontext() if history else _without_history(catalogue),
        written_by_the_first(path) as place,
    ):
        _write(model, catalogue, Path(place))


@contextlib.contextmanager
def _without_history(catalogue: Catalogue) -> Iterator[None]:
    """Reduce a catalogue for a while to the ids, and the columns that a click model reads."""
    seen, attachments = catalogue.seen, catalogue.attachments
    catalogue.seen = None
    catalogue.attachments = {name: x for name, x in attachments.items() if name == "columns"}
    try:
        yield
    finally:
        catalogue.seen, catalogue.attachments = seen, attachments


def new_path(path: str | os.PathLike[str]) -> Path:
    """The path of a model file to be written, in a folder that is there.

    Args:
        path: as `save_model` takes it.
    """
    path = keras_path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; make {path.parent} first.")
    if path.is_dir():
        raise ValueError(f"`path` must be a file. Received: {path}, a folder.")
    return path


def _write(model: keras.Model, catalogue: Catalogue, path: Path) -> None:
    factors = None
    if catalogue.seen is not None and catalogue.user_ids is not None and catalogue.item_ids is not None:
        n_users, n_items = len(catalogue.user_ids), len(catalogue.item_ids)
        inputs = ModelInputs(model, sequences_of(catalogue.attachments.get("history", {}), n_items))
        factors = factors_of(model, n_users, n_items, inputs)
    with replacing(path, _n_bytes(model) + (0 if factors is None else factors.n_bytes)) as partial:
        with temporary():
            model.save(partial)
        if factors is not None:
            add_vectors(partial, factors, model.name, inputs.names)


def _n_bytes(model: keras.Model) -> int:
    """A lower bound of the bytes that the weights take."""
    optimizer = model.optimizer.variables if model.compiled and model.optimizer is not None else []
    variables = [*model.variables, *optimizer]
    return sum(2 * math.prod(x.shape) for x in variables)  # in half precision; others take more


def load_model(path: str | os.PathLike[str]) -> keras.Model:
    """Read a model that `save_model` wrote, compiled and ready to predict or to train on.

    Args:
        path: the file.

    Returns:
        `keras.Model`; `kerasrec.layers.find_catalogue(model)` has its ids.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file does not fit into memory, is not a complete file of a kerasrec model, comes
            from a newer kerasrec, or holds code, unregistered classes, paths that lead outside the file or a
            zip bomb; nothing is executed.

    Example:
        >>> import os, tempfile, kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> kerasrec.recommender.save_model(kerasrec.zoo.create("recommender_v1", data), path)
        >>> kerasrec.recommender.load_model(path).name
        'recommender_v1'
    """
    path = keras_path(path)
    check_fork()
    with _opened(path) as (archive, _):
        check_room(archive, path, without=VECTORS)
        check_config_fits(archive.read("config.json"), shapes_of_weights(archive, path), path)
    try:
        with _linked(path) as link:
            model = keras.models.load_model(link)
    except Exception as error:  # a backend or a user's class can raise anything
        raise ValueError(f"{path} holds a model that cannot be rebuilt here: {_reason(error)}") from error
    check_tables(model, path)
    return model


@contextlib.contextmanager
def _linked(path: Path) -> Iterator[Path]:
    """A link to the file in another folder, because Keras unpacks large weights next to its path."""
    with temporary() as folder:
        link = folder / path.name
        try:
            link.symlink_to(path.resolve())
        except OSError:  # Windows lets few users make links
            link = path
        yield link


def _reason(error: Exception) -> str:
    """The cause in a Keras error, without the configs of the enclosing layers."""
    text = str(error)
    missing = re.search(r"Could not locate (class|function) '([\w>]+)'", text)
    if missing:
        return (
            f"{missing[1]} {missing[2]!r} is not known. In Python, import the module that defines it before "
            "the file is loaded; it must be decorated with `keras.saving.register_keras_serializable`."
        )
    return one_line(text.rpartition("Exception encountered: ")[2] or type(error).__name__)


def read_catalogue(path: str | os.PathLike[str]) -> Catalogue:
    """Read the ids of a model file without building the model.

    Args:
        path: the file.

    Returns:
        `Catalogue`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a complete file of a kerasrec model, or from a newer kerasrec.

    Example:
        >>> import os, tempfile, kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> kerasrec.recommender.save_model(kerasrec.zoo.create("recommender_v1", data), path)
        >>> kerasrec.recommender.read_catalogue(path).value_range[1] <= 5.0
        True
    """
    catalogue = Catalogue()
    with _opened(keras_path(path)) as (archive, assets), temporary() as folder:
        try:
            for name in archive.namelist():
                if name.startswith(assets):
                    archive.extract(name, folder)
            catalogue.load_assets(str(Path(folder, assets)))
        except _UNREADABLE as error:
            raise ValueError(f"{path} holds ids that cannot be read: {one_line(str(error))}") from error
    return catalogue


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """The archive of a model file and its folder of ids, after checking that the model is safe to build."""
    with opened(path) as (archive, assets):
        check_config(archive.read("config.json"), path)
        yield archive, assets


def with_catalogue(model: keras.Model) -> keras.Model:
    """The model itself, or its layers and optimizer in a model with a catalogue after the output.

    Args:
        model: as `save_model` takes it.

    Returns:
        `keras.Model` with a `kerasrec.layers.Catalogue`.

    Raises:
        ValueError: if the model is not functional, or has other inputs or several outputs.
    """
    if find_catalogue(model) is not None:
        return model
    try:
        inputs, output, names = model.input, model.output, input_names(model)
        named = "item" in names and len(names) > 1 and len(model.outputs) == 1
    except (AttributeError, ValueError):  # subclassed models have no graph
        named = False
    if not named:
        raise ValueError(
            "`model` must be a functional model with inputs `item` and `user` or `history`, and one output, "
            f"or have a `kerasrec.layers.Catalogue` among its layers. Received: {model.name!r} of type "
            f"{type(model).__name__}."
        )
    wrapped = Model(inputs, Catalogue(name="score")(output), name=model.name)
    if model.compiled:
        # A plain Keras model keeps Keras's own dense updates.
        wrapped.compile_from_config({"row_sparse": False, **model.get_compile_config()})
        # Keep the optimizer itself rather than a fresh one, because its moments are part of the file.
        wrapped.optimizer = model.optimizer
    return wrapped
