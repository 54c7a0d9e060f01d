"""A map of the items, along the two directions in which their vectors vary most."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kerasrec.serving._served import Served

# Maximum number of points; more would be slow to draw and hard to read.
_POINTS = 1500
_NAMED = 25
WIDTH, HEIGHT, _EDGE = 1000, 640, 30


class Point(NamedTuple):
    """A point of the map, in the map's units.

    Attributes:
        code: item code.
        x: float.
        y: float.
        found: whether it was searched for.
        named: whether its title is shown next to it.
    """

    code: int
    x: float
    y: float
    found: bool
    named: bool


class Map:
    """The positions of the items of one file.

    Args:
        served: `Served`.
    """

    def __init__(self, served: Served) -> None:
        self.served = served

    @cached_property
    def places(self) -> np.ndarray | None:
        """Coordinates `[I, 2]` from 0 to 1; `None` if the model does not represent items."""
        try:
            frame = self.served.recommender.item_vectors()
        except ValueError:
            return None
        table = frame.drop(columns="bias", errors="ignore").to_numpy(np.float64)
        table = table - table.mean(axis=0)
        _, directions = np.linalg.eigh(table.T @ table)
        points = table @ directions[:, ::-1][:, :2]
        if points.shape[1] < 2:
            return None
        # A direction has no sign of its own; fixing it makes every start draw the same map.
        points *= np.sign(points[np.abs(points).argmax(axis=0), [0, 1]])
        low, high = points.min(axis=0), points.max(axis=0)
        placed: np.ndarray = (points - low) / np.where(high > low, high - low, 1)
        return placed

    def points(self, found: list[Any], around: Any = None, zoom: int = 1) -> list[Point]:
        """The points to draw: the most popular items, and the items found by a search.

        Args:
            found: raw ids of the items that were searched for.
            around: raw id of the item in the middle. Defaults to `None`: the whole map.
            zoom: int, magnification. Defaults to `1`.
        """
        places = self.places
        if places is None:
            return []
        middle = np.array([0.5, 0.5]) if around is None else places[self.served.code("item", around)]
        view = (places - middle) * zoom + 0.5
        inside = ((view >= 0) & (view <= 1)).all(axis=1)
        popular = np.argsort(-self.served.popularity, kind="stable")
        popular = popular[inside[popular]]
        wanted = [code for code in (self.served.code("item", raw) for raw in found) if inside[code]]
        named = {*wanted, *popular[:_NAMED].tolist()}
        chosen = [*(code for code in popular[:_POINTS].tolist() if code not in wanted), *wanted]
        size = np.array([WIDTH - 2 * _EDGE, HEIGHT - 2 * _EDGE])
        on_paper = (view[chosen] * size + _EDGE).round(1).tolist()
        return [
            Point(code, x, y, code in wanted, code in named)
            for code, (x, y) in zip(chosen, on_paper, strict=True)
        ]
