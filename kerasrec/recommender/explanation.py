import os
from typing import TYPE_CHECKING, Any

from kerasrec.data._columns import shown
from kerasrec.recommender._pictures import check_picture, write_picture

if TYPE_CHECKING:
    import pandas as pd

_MOST_BARS = 20


class Explanation:
    """An explanation of a recommender's score for a user and an item.

    Args:
        user: raw user id.
        item: raw item id.
        score: float, the model's score.
        raw_score: float, the score before any rescaling, such as to the range of ratings.
        contributions: frame with `kind`, `name`, `contribution` and `exact`, largest first; contributions
            sum to `raw_score`.
        neighbors: frame with the items of the user's history that are most similar to the item.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> recommender = kerasrec.Recommender.train(data, model="implicit_als", n_components=2)
        >>> explanation = recommender.explain(data.user_ids[3], data.item_ids[5])
        >>> bool(abs(explanation.contributions["contribution"].sum() - explanation.raw_score) < 1e-6)
        True
    """

    def __init__(
        self,
        user: Any,
        item: Any,
        score: float,
        raw_score: float,
        contributions: "pd.DataFrame",
        neighbors: "pd.DataFrame",
    ) -> None:
        self.user, self.item = user, item
        self.score, self.raw_score = score, raw_score
        self.contributions, self.neighbors = contributions, neighbors

    def __repr__(self) -> str:
        return (
            f"Explanation(user {shown(self.user)}, item {shown(self.item)}, score {self.score:.4g})\n"
            f"{self.contributions.head(_MOST_BARS).to_string(index=False)}\n"
            f"Nearest in the user's history:\n{self.neighbors.to_string(index=False)}"
        )

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Plot the largest contributions as bars.

        Args:
            path: file to write, such as `why.png`. Defaults to `None`: none.

        Returns:
            `matplotlib.figure.Figure`.

        Raises:
            FileNotFoundError: if the folder of `path` does not exist.
        """
        from matplotlib.figure import Figure

        check_picture(path)
        bars = self.contributions.head(_MOST_BARS)[::-1]
        figure = Figure(figsize=(7, 1.2 + 0.28 * len(bars)), layout="constrained")
        axes = figure.add_subplot()
        positive = bars["contribution"] >= 0
        names = [f"{name} ({kind})" for kind, name in zip(bars["kind"], bars["name"], strict=True)]
        axes.barh(range(len(bars)), bars["contribution"], color=positive.map({True: "C0", False: "C3"}))
        axes.set_yticks(range(len(bars)), names, parse_math=False)  # `$` in a name is no formula
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel("contribution to the score")
        axes.set_title(
            f"User {self.user}, item {self.item}: score {self.score:.4g}", fontsize=10, parse_math=False
        )
        if path is not None:
            write_picture(figure, path)
        return figure
