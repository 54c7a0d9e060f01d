from collections.abc import Callable
from functools import partial
from typing import Any

from kerasrec.datasets.book_crossing import book_crossing
from kerasrec.datasets.dataset import Dataset
from kerasrec.datasets.lastfm import lastfm
from kerasrec.datasets.movielens import EDITIONS, movielens
from kerasrec.datasets.synthetic import synthetic

_LOADERS: dict[str, Callable[..., Dataset]] = {
    "book-crossing": book_crossing,
    "lastfm": lastfm,
    **{f"movielens-{edition}": partial(movielens, edition) for edition in EDITIONS},
}


def names() -> list[str]:
    """The names that `load` takes.

    Returns:
        List of strings.

    Example:
        >>> import kerasrec
        >>> "movielens-1m" in kerasrec.datasets.names()
        True
    """
    return [*_LOADERS, "synthetic"]


def load(name: str, path: Any = None) -> Dataset:
    """Load a data set by name; the function with its name has the details.

    Args:
        name: str, one of `names()`.
        path: a folder or zip file to read instead of `KERASREC_DATA` or a download. Defaults to `None`.

    Returns:
        `Dataset`.

    Raises:
        ValueError: if the name is unknown, or `path` is given for `"synthetic"`, which reads no files.
        FileNotFoundError: if there are no files and they cannot be downloaded.

    Example:
        >>> import kerasrec
        >>> kerasrec.datasets.load("synthetic").name
        'synthetic'
    """
    if name == "synthetic":
        if path is not None:
            raise ValueError(
                f"`path` must be None for 'synthetic', which is generated. Received: path={str(path)!r}."
            )
        return synthetic()
    if name not in _LOADERS:
        raise ValueError(f"`name` must be one of {', '.join(names())}. Received: name={name!r}.")
    return _LOADERS[name](path=path)
