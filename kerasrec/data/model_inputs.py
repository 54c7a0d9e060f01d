from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasrec._inputs import history_is_ordered, history_length, input_names, optional_inputs
from kerasrec.data.interactions import Interactions, check_interactions
from kerasrec.data.sequences import Sequences, by_time, say_that_rows_decide

# Histories are padded to one of these lengths, or a multiple of the last, so few programs are compiled.
_LENGTHS = (8, 16, 32, 64, 128, 256)


class ModelInputs:
    """Supplies the inputs of a model by name, in training, evaluation and recommendation.

    | input | shape | contents |
    |---|---|---|
    | `user` | `[B, 1]` | user codes |
    | `item` | `[B, L]` | item codes, given by the caller |
    | `history` | `[B, H]` | item codes, oldest first, padded on the left with -1 |
    | of `columns` | `[B, 1]`, `[B, W]` | a column of the users, by code |
    | of `context` | `[B, 1]` | a context column of the event |
    | optional | as declared | 0 if it is none of these: `keras.Input(..., optional=True)` |

    A history ends before the event to be predicted. For a row of interactions (`pairs`) it has the user's
    earlier items; for a user (`users`), all items in `interactions`. If these have no times, a warning says
    once that the order of their rows is used, unless the model takes a set (one of its layers has a true
    attribute `unordered_history`).

    Args:
        model: a `keras.Model`, or the names of its inputs.
        interactions: the users' events: `Interactions`, or `Sequences`. Defaults to `None`, for models
            without `history`.
        columns: columns of the users by name, arrays `[U]` or `[U, W]` in the order of the codes.
            Defaults to `None`.
        context: values of context columns by name, for ranking a whole catalogue, where there is no event.
            Defaults to `None`.
        length: int, maximum length of a history. Defaults to `None`: that of the model, or no limit.

    Attributes:
        names: names of the model's inputs except `item`; `("user",)` for a model without a graph.
        length: int or `None`.

    Raises:
        ValueError: when inputs are requested, if an input is none of the above, or if a model with `history`
            has no `interactions`.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import Interactions, ModelInputs
        >>> ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
        >>> x = Interactions([0, 0, 1], [2, 0, 1], times=[1, 2, 3], **ids)
        >>> inputs = ModelInputs(["history", "item"], x, length=2)
        >>> inputs.users([0, 1])["history"].tolist()
        [[2, 0], [-1, 1]]
        >>> inputs.pairs(x)["history"].tolist()
        [[-1, -1], [-1, 2], [-1, -1]]
    """

    def __init__(
        self,
        model: Any,
        interactions: Interactions | Sequences | None = None,
        columns: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        length: int | None = None,
    ) -> None:
        names = input_names(model)
        self.names = tuple(name for name in names if name != "item") if names else ("user",)
        self._ordered = history_is_ordered(model)
        self._optional = optional_inputs(model)
        self.columns = {name: np.asarray(column) for name, column in (columns or {}).items()}
        self.context = dict(context or {})
        self.length = history_length(model) if length is None else length
        self._interactions = interactions
        self._sequences: Sequences | None = None
        self._placed: tuple[Interactions, np.ndarray, np.ndarray, Sequences] | None = None

    @property
    def needs_history(self) -> bool:
        """Whether the model has an input `history`."""
        return "history" in self.names

    @property
    def sequences(self) -> Sequences:
        """The users' sequences."""
        if self._sequences is None:
            given = self._interactions
            if given is None:
                raise ValueError(
                    "A model with an input `history` needs the users' histories: pass `train`, or "
                    "`history` if they are something else. Received: neither, and inputs "
                    f"{', '.join(self.names)}."
                )
            self._sequences = given if isinstance(given, Sequences) else Sequences(given)
            self._say(self._sequences)
        return self._sequences

    def users(self, users: Any, length: int = 1) -> dict[str, np.ndarray]:
        """The inputs of the user side by name, for ranking a whole catalogue for these users.

        Args:
            users: user codes `[B]`.
            length: int, minimum length to which histories are padded, so many calls have one shape. Defaults
                to `1`.

        Returns:
            Arrays with one row per user. Histories are padded to the longest of these users, rounded up to
            one of a few lengths, and to at most the attribute `length`.
        """
        users = np.asarray(users, np.int32)
        found = {name: self._column(name, users) for name in self.names if name != "history"}
        if self.needs_history:
            counts = self.sequences.counts[users]
            found["history"] = self.sequences.latest(users, self._padded(counts.max(initial=length)))
        return found

    def pairs(self, interactions: Interactions, rows: Any = None) -> dict[str, np.ndarray]:
        """The inputs of events by name, except `item`, as they were before each event.

        Args:
            interactions: `Interactions`. Histories consist of the likes among them, not of the interactions
                of this object.
            rows: positions of some interactions. Defaults to `None`: all.

        Returns:
            Arrays with one row per interaction. Histories are padded to the longest of all, and to at most
            `length`.
        """
        check_interactions("interactions", interactions)
        rows = slice(None) if rows is None else rows
        found = {}
        for name in self.names:
            if name in interactions.context:
                found[name] = interactions.context[name][rows][:, None]
            elif name != "history":
                found[name] = self._column(name, interactions.users[rows])
        if self.needs_history:
            if interactions._disk is not None:
                found["history"] = self._before(interactions, rows)
                return found
            if self._placed is None or self._placed[0] is not interactions:
                self._placed = interactions, *_places(interactions)
                self._say(self._placed[-1])
            _, ends, starts, sequences = self._placed
            longest = self._padded((ends - starts).max(initial=1))
            found["history"] = sequences.windows(ends[rows], starts[rows], longest)
        return found

    def _before(self, interactions: Interactions, rows: Any) -> np.ndarray:
        """The histories of rows on disk, which are in the order of time."""
        if not interactions._all_liked:
            raise ValueError(
                "Opened interactions must contain only likes for a model of histories; select them with "
                "`take(interactions.liked)` or `at_least`. Received: others as well."
            )
        sequences = Sequences.of_rows(interactions)
        self._say(sequences)
        every = isinstance(rows, slice)
        ends = np.arange(len(interactions))[rows] if every else np.asarray(rows)
        longest = self._padded(max(1, int(sequences.counts.max(initial=1)) - 1))
        return sequences.windows(ends, sequences.starts[interactions.users[rows]], longest)

    def _say(self, sequences: Sequences) -> None:
        if self._ordered and sequences.by_rows and len(sequences):
            say_that_rows_decide()

    def _padded(self, longest: int) -> int:
        length = max(1, int(longest))
        if self.length is not None and length >= self.length:
            return self.length
        last = _LENGTHS[-1]
        padded = next((x for x in _LENGTHS if x >= length), -(-length // last) * last)
        return padded if self.length is None else min(padded, self.length)

    def _column(self, name: str, users: np.ndarray) -> np.ndarray:
        if name == "user":
            return users[:, None]
        if name in self.columns:
            column = self.columns[name][users]
            return column[:, None] if column.ndim == 1 else column
        if name in self.context:
            return np.full((len(users), 1), self.context[name])
        if name in self._optional:
            return np.zeros((len(users), *self._optional[name]), np.float32)
        raise ValueError(
            f"A model's inputs must be `user`, `item`, `history`, or columns of the users or of the events "
            f"that are given: pass `columns={{{name!r}: ...}}`, an array by user code. "
            f"Received: input {name!r}."
        )


def _places(interactions: Interactions) -> tuple[np.ndarray, np.ndarray, Sequences]:
    """The position of each row in the sequences of likes, the start of its user, and these sequences."""
    sequences = Sequences.of_rows(interactions)
    order, liked = by_time(interactions.users, interactions.times), interactions.liked
    before = np.concatenate([[0], np.cumsum(liked[order])])[:-1]  # likes before each row, in the order
    ends = np.empty(len(order), np.int64)
    ends[order] = before
    return ends, sequences.starts[interactions.users], sequences
