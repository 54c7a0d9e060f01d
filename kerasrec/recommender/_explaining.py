"""Why a pair has its score."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.evaluation._models import SourceScorer
from kerasrec.evaluation._names import unknown_name
from kerasrec.recommender import _contributions
from kerasrec.recommender._contributions import Part
from kerasrec.recommender._newcomers import Newcomers
from kerasrec.recommender._similar import unit_rows
from kerasrec.recommender.explanation import Explanation

if TYPE_CHECKING:
    import pandas as pd

BY = ("item", "user", "component")


class Explaining(Newcomers):
    """Scores taken apart."""

    def explain(self, user: Any, item: Any, by: str | None = None, n_neighbors: int = 5) -> Explanation:
        """What gives a pair its score, and what in the user's own history is nearest to the item.

        Exact, and summing to the score, are the parts of a factorised model (its components, and the features
        of a side whose representation is a sum over them), and those of models that add up a history. Through
        deep parts a contribution is gradient times input, and the last row says what those leave.

        Args:
            user: raw user id.
            item: raw item id.
            by: the features to tell apart, those of the `"item"` or of the `"user"`, or `"component"`.
                Defaults to `None`: the item's where the model reads any, else the user's, else components.
            n_neighbors: int, items of the history to name. Defaults to `5`.

        Returns:
            `Explanation`.

        Raises:
            ValueError: if the user or the item is unknown or not a single one, or `by` is none of these.
        """
        import pandas as pd

        if by is not None and by not in BY:
            raise ValueError(unknown_name("by", by, BY))
        users, items = self._user_codes(user)[0], self._item_codes(item)
        if len(users) != 1 or len(items) != 1:
            raise ValueError(
                "`user` and `item` must be one raw id each. "
                f"Received: {len(users)} users and {len(items)} items."
            )
        (user_code,), (item_code,) = users, items
        score = float(self.score([(user, item)])[0])
        parts = self._parts(int(user_code), int(item_code), by, score)
        frame = pd.DataFrame(parts, columns=list(Part._fields))
        frame["name"] = frame["name"].astype(object)
        order = np.argsort(-frame["contribution"].abs().to_numpy(), kind="stable")
        frame = frame.iloc[order].reset_index(drop=True)
        raw = float(frame["contribution"].sum())
        return Explanation(
            user, item, score, raw, frame, self._own_neighbors(user_code, item_code, n_neighbors)
        )

    def _parts(self, user: int, item: int, by: str | None, score: float) -> list[Part]:
        sides = self._sides()
        if sides is not None and sides.towers is None:
            return _contributions.of_head(sides, user, item)
        if sides is not None:
            if by is None:
                by = next((s for s in ("item", "user") if _contributions.lookup_of(sides, s)), "component")
            features = self.item_features if by == "item" else self.user_features
            names = None if features is None or by == "component" else features.names
            return _contributions.of_towers(sides, user, item, by, names)
        scorer = self._scorer()
        source: Any = scorer.source if isinstance(scorer, SourceScorer) else None
        if hasattr(source, "contributions"):
            kind, codes, values = source.contributions(user, item)
            ids = self.item_ids if kind == "item" else self.user_ids
            return [
                Part(f"{kind} {'had' if kind == 'item' else 'alike'}", ids[code], float(value), True)
                for code, value in zip(codes, values, strict=True)
            ]
        return [Part("model", self.model.name, score, True)]

    def _own_neighbors(self, user: int, item: int, n: int) -> "pd.DataFrame":
        own = slice(self._history.starts[user], self._history.starts[user + 1])
        codes, values = self._history.items[own], self._history.values[own]
        codes, values = codes[codes != item], values[codes != item]
        table = self._once("explained_items", lambda: unit_rows(self._comparable()))
        near = table[codes] @ table[item].T
        near = np.asarray(near.todense()).ravel() if hasattr(near, "todense") else np.asarray(near).ravel()
        best = np.argsort(-near, kind="stable")[:n]
        frame = self._frame(None, codes[best][None], None)
        frame.insert(2, "similarity", near[best])
        frame.insert(3, "value", values[best])
        return frame

    def _comparable(self) -> Any:
        table = self._table("item")
        return self._matrix("item") if table is None else table
