from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.data import Interactions


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set: interactions, metadata of users and items, and the terms of use.

    Args:
        name: str, e.g. `"movielens-1m"`.
        interactions: `kerasrec.data.Interactions`; times, if there are any, in seconds since 1970 UTC.
        items: frame with the metadata of the items, indexed by raw id. It may have items without ratings, and
            lack items with ratings: `items.reindex(interactions.item_ids)` puts it in code order.
        users: the same for the users; without columns if there are no metadata.
        licence: str, a summary of the terms of use.
        citation: str, the citation that the publisher asks for.

    Example:
        >>> import kerasrec
        >>> kerasrec.datasets.synthetic(n_users=50, n_items=80, n_interactions=900)
        Dataset('synthetic', 900 interactions of 50 users with 80 items)
    """

    name: str
    interactions: "Interactions"
    items: "pd.DataFrame"
    users: "pd.DataFrame"
    licence: str
    citation: str

    def __repr__(self) -> str:
        data = self.interactions
        return (
            f"Dataset({self.name!r}, {len(data):,} interactions of {data.n_users:,} users "
            f"with {data.n_items:,} items)"
        )

    def describe(self) -> "pd.DataFrame":
        """Statistics of the data set.

        Returns:
            Frame with one column, `value`, and one row per fact: name, counts, density, range and mean of
            the values, first and last time (a date, or `None`), metadata columns, licence and citation.

        Example:
            >>> import kerasrec
            >>> data = kerasrec.datasets.synthetic(n_users=50, n_items=80, n_interactions=900)
            >>> data.describe().loc["density", "value"]
            0.225
        """
        import pandas as pd

        data = self.interactions
        first = last = None
        if data.times is not None and len(data):
            first, last = (str(np.datetime64(int(t), "s"))[:10] for t in (data.times.min(), data.times.max()))
        facts = {
            "name": self.name,
            "interactions": len(data),
            "users": data.n_users,
            "items": data.n_items,
            "density": len(data) / max(1, data.n_users * data.n_items),
            "lowest value": float(data.values.min()) if len(data) else None,
            "mean value": float(data.values.mean(dtype="float64")) if len(data) else None,
            "highest value": float(data.values.max()) if len(data) else None,
            "first time": first,
            "last time": last,
            "item columns": ", ".join(map(str, self.items.columns)),
            "user columns": ", ".join(map(str, self.users.columns)),
            "licence": self.licence,
            "citation": self.citation,
        }
        return pd.DataFrame({"value": pd.Series(facts, dtype=object)}).rename_axis("fact")
