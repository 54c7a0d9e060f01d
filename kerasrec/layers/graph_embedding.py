from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from kerasrec._arguments import positive_integer, whole_number
from kerasrec._custom_gradient import custom_gradient
from kerasrec.layers._lookup import lookup
from kerasrec.layers._once import once
from kerasrec.layers._sparse_product import sparse_product
from kerasrec.layers.host_normal import HostNormal


@keras.saving.register_keras_serializable("kerasrec")
class GraphEmbedding(keras.layers.Layer):
    """Vectors of users and items, propagated along the graph of users and items.

    With `E` the stacked tables of users and items, `A` the adjacency matrix and `D` the degree matrix, the
    vectors are

        first_weight E + (1 - first_weight) / n_layers * sum_(k = 1..n_layers) (D^-alpha A D^-beta)^k E

    Nodes without edges keep `first_weight` times their own row. The propagated part, the sum over k, is
    stored, so a model on these vectors factorises, and looking up a vector costs no propagation.
    `kerasrec.Model.fit` recomputes the stored part after every epoch. Call `refresh` after your own training
    loop, or after setting the weights of the tables.

    In training, every step computes the sum and differentiates through it. With `renew_every` above 1, the
    sum is computed only once in that many steps, and only the nodes' own rows get gradients. A step is then
    about as cheap as one of matrix factorisation, but learns less. With equal exponents and weights, the map
    from tables to vectors has no negative eigenvalues, so these gradients are still descent directions.

    Args:
        n_users: int.
        n_items: int.
        n_edges: int, number of edges of the graph, which are passed to `fill`.
        n_components: int, size of a vector.
        n_layers: int, number of propagation steps. Defaults to `3`.
        alpha: float, exponent of the degree of the receiving node. Defaults to `0.5`.
        beta: float, exponent of the degree of the sending node. Defaults to `0.5`.
        first_weight: float from 0 to 1, weight of a node's own row. Defaults to `None`: `1 / (n_layers + 1)`,
            that of every layer.
        l2: float, weight of the L2 penalty (half the squared norm) on the rows that a step reads, averaged
            over the batch. Defaults to `0.0`.
        renew_every: int, number of training steps for which the propagated part is reused. Defaults to `1`.
        embeddings_initializer: of both tables. Defaults to `None`: `HostNormal(0.0, 0.1)`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        ids: codes of users `[B]` or `[B, 1]`, or of lists of items `[B, L]`.
        side: `"user"` or `"item"`, whose codes they are. Defaults to `"user"`.
        training: bool, whether the propagated part is computed (in training) or read.

    Returns:
        Vectors of users `[B, C]`, or of items `[B, L, C]`.

    Raises:
        ValueError: if a size or `renew_every` is not a positive integer, `n_layers` is not a whole number, an
            exponent or weight is out of range, or `side` is unknown.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.GraphEmbedding(2, 2, 3, n_components=4)
        >>> layer.fill([0, 1, 1], [0, 0, 1])
        >>> tuple(layer(np.array([0, 1]), side="user").shape)
        (2, 4)

    References:
        He et al., "LightGCN: simplifying and powering graph convolution network for recommendation", 2020,
        eq. 3 and 4; Lee, Kim and Shin, "Revisiting LightGCN: unexpected inflexibility, inconsistency, and a
        remedy towards improved recommendation", 2024 (the exponents and the weight).
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_edges: int,
        n_components: int,
        n_layers: int = 3,
        alpha: float = 0.5,
        beta: float = 0.5,
        first_weight: float | None = None,
        l2: float = 0.0,
        renew_every: int = 1,
        embeddings_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_users, self.n_items = (
            positive_integer("n_users", n_users),
            positive_integer("n_items", n_items),
        )
        self.n_edges = whole_number("n_edges", n_edges)
        self.n_components = positive_integer("n_components", n_components)
        self.n_layers = whole_number("n_layers", n_layers)
        for name, exponent in (("alpha", alpha), ("beta", beta)):
            if not -10 <= exponent <= 10:
                raise ValueError(f"`{name}` must be an exponent from -10 to 10. Received: {name}={exponent}.")
        if first_weight is not None and not 0 <= first_weight <= 1:
            raise ValueError(
                f"`first_weight` must be a share from 0 to 1. Received: first_weight={first_weight}."
            )
        if not 0 <= l2 < float("inf"):
            raise ValueError(f"`l2` must be a finite number of at least 0. Received: l2={l2}.")
        self.alpha, self.beta, self.first_weight, self.l2 = alpha, beta, first_weight, l2
        self.renew_every = positive_integer("renew_every", renew_every)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer or HostNormal(0.0, 0.1))
        self.autocast = False
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # XLA has no sparse product on TensorFlow

    def id_limit_of(self, side: str = "user", **kwargs: Any) -> int:
        """Ids of a side are below this number.

        Args:
            side: `"user"` or `"item"`. Defaults to `"user"`.
            **kwargs: other arguments of a call.
        """
        return self.n_users if side == "user" else self.n_items

    def build(self, ids_shape: Any) -> None:
        """Create the tables `[n, C]`, the edges from both ends, and the stored vectors."""
        initializer = self.embeddings_initializer
        for side, n in (("user", self.n_users), ("item", self.n_items)):
            own = initializer
            if side == "item":  # with one seed, both tables would have the same rows
                config = initializer.get_config()
                seed = config.get("seed")
                config |= {"seed": seed + 1} if isinstance(seed, int) else {}
                own = type(initializer).from_config(config)
            table = self.add_weight(
                shape=(n, self.n_components), initializer=own, dtype="float32", name=f"{side}_embeddings"
            )
            setattr(self, f"{side}_embeddings", table)
        for side, n in (("user", self.n_users), ("item", self.n_items)):
            for name, shape, dtype in (
                ("starts", (n + 1,), "int32"),
                ("others", (self.n_edges,), "int32"),
                ("passed", (n, self.n_components), "float32"),
            ):
                begin = self._all_of_the_first if name == "starts" else "zeros"
                weight = self.add_weight(
                    shape=shape, initializer=begin, dtype=dtype, trainable=False, name=f"{side}_{name}"
                )
                setattr(self, f"{side}_{name}", weight)
        self.steps = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, autocast=False, name="steps"
        )
        self.built = True

    def fill(self, users: Any, items: Any) -> None:
        """Set the edges, and compute the propagated part.

        Args:
            users: codes `[E]`.
            items: codes `[E]`; a pair that occurs twice counts twice.

        Raises:
            ValueError: if there are more or fewer than `n_edges`, or a code is out of range.
        """
        if not self.built:
            self.build(None)
        users, items = (np.asarray(x, np.int64) for x in (users, items))
        if users.shape != (self.n_edges,) or items.shape != (self.n_edges,):
            raise ValueError(
                f"There must be `n_edges`={self.n_edges} users and items of edges. "
                f"Received: {users.shape} and {items.shape}."
            )
        for side, codes in (("user", users), ("item", items)):
            limit = self.id_limit_of(side)
            if len(codes) and not 0 <= codes.min() <= codes.max() < limit:
                raise ValueError(
                    f"Codes of {side}s must be from 0 to {limit - 1}. "
                    f"Received: {codes.min()} to {codes.max()}."
                )
        for side, own, others in (("user", users, items), ("item", items, users)):
            order = np.lexsort((others, own))
            counts = np.bincount(own, minlength=self.id_limit_of(side))
            getattr(self, f"{side}_starts").assign(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
            getattr(self, f"{side}_others").assign(others[order].astype(np.int32))
        self.refresh()

    def refresh(self) -> None:
        """Compute the propagated part from the tables, and store it."""
        for side, passed in zip(("user", "item"), self._pass_on(self._tables()), strict=True):
            getattr(self, f"{side}_passed").assign(passed)

    def propagate(self) -> tuple[Any, Any]:
        """Vectors of all users `[U, C]` and of all items `[I, C]`, from the tables."""
        tables = self._tables()
        passed = self._pass_on(tables)
        users, items = (self._own_weight * table + x for table, x in zip(tables, passed, strict=True))
        return users, items

    def call(self, ids: Any, side: Literal["user", "item"] = "user", training: bool | None = None) -> Any:
        """Vectors of some users or items."""
        self._check_side(side)
        ids = ops.cast(ids, "int32")
        if side == "user" and len(ids.shape) == 2 and ids.shape[1] == 1:
            ids = ops.squeeze(ids, axis=1)
        table, kept = getattr(self, f"{side}_embeddings"), getattr(self, f"{side}_passed")
        if not training:
            rows = self._own_weight * lookup(table, ids) + lookup(kept, ids)
            return ops.cast(rows, self.compute_dtype)
        place = 0 if side == "user" else 1
        table = ops.convert_to_tensor(table)
        if self.l2 and not (len(ids.shape) == 2 and ids.shape[0] == 1):  # not for items shared by a batch
            n = ops.cast(ops.shape(ids)[0], "float32")
            self.add_loss(0.5 * self.l2 * ops.sum(ops.square(ops.take(table, ids, axis=0))) / n)
        if self.renew_every == 1:
            rows = ops.take(once(self, self.propagate)[place], ids, axis=0)
        else:
            passed = once(self, self._renewed)[place]
            rows = self._own_weight * ops.take(table, ids, axis=0) + ops.take(passed, ids, axis=0)
        return ops.cast(rows, self.compute_dtype)

    def compute_output_spec(self, ids: Any, side: str = "user", training: bool | None = None) -> Any:
        """One vector per user, or a list of vectors per list of items."""
        self._check_side(side)
        single = len(ids.shape) == 1 or (side == "user" and ids.shape[1] == 1)
        shape = (*ids.shape[: 1 if single else 2], self.n_components)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_output_shape(self, ids_shape: Any) -> tuple[int | None, ...]:
        """The shape for users, `[B, C]`."""
        return (*ids_shape[: 1 if len(ids_shape) == 1 or ids_shape[1] == 1 else 2], self.n_components)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        names = ("n_users", "n_items", "n_edges", "n_components", "n_layers", "alpha", "beta", "first_weight")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "l2": self.l2,
            "renew_every": self.renew_every,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }

    def _all_of_the_first(self, shape: Any, dtype: Any = None) -> Any:
        """Initial row starts before `fill`: all edges are between the first user and the first item."""
        return ops.cast(ops.where(ops.arange(shape[0]) > 0, self.n_edges, 0), dtype or "int32")

    @property
    def _own_weight(self) -> float:
        return 1 / (self.n_layers + 1) if self.first_weight is None else self.first_weight

    def _tables(self) -> list[Any]:
        return [ops.convert_to_tensor(x) for x in (self.user_embeddings, self.item_embeddings)]

    def _pass_on(self, tables: list[Any], product: Any = None) -> list[Any]:
        """The propagated vectors of all users `[U, C]` and all items `[I, C]`, computed from the tables."""
        graph = self._graph(product or _product)
        each = (1 - self._own_weight) / max(1, self.n_layers)
        users, items = tables
        sums = [ops.zeros_like(users), ops.zeros_like(items)]
        for _ in range(self.n_layers):
            users, items = (
                graph["to_user"](items * graph["item_gives"]) * graph["user_receives"],
                graph["to_item"](users * graph["user_gives"]) * graph["item_receives"],
            )
            sums = [sums[0] + each * users, sums[1] + each * items]
        return sums

    def _renewed(self) -> list[Any]:
        """The propagated vectors, computed again if this step should do so; constant for gradients."""
        kept = [ops.convert_to_tensor(x) for x in (self.user_passed, self.item_passed)]
        tables = [ops.stop_gradient(x) for x in self._tables()]
        due = ops.equal(ops.convert_to_tensor(self.steps) % self.renew_every, 0)
        passed = ops.cond(due, lambda: self._pass_on(tables, _constant_product), lambda: kept)
        self.user_passed.assign(passed[0])
        self.item_passed.assign(passed[1])
        self.steps.assign_add(1)
        return list(passed)

    def _graph(self, product: Any) -> dict[str, Any]:
        """The two products with the adjacency matrix, and the factors of the vectors."""
        ends = {}
        for side in ("user", "item"):
            starts = ops.convert_to_tensor(getattr(self, f"{side}_starts"))
            others = ops.convert_to_tensor(getattr(self, f"{side}_others"))
            ends[side] = starts, others
        values = ops.ones((self.n_edges,), "float32")
        found: dict[str, Any] = {}
        for side, other in (("user", "item"), ("item", "user")):
            found[f"to_{side}"] = product(ends[side], ends[other], values)
            starts = ends[side][0]
            counts = ops.cast(starts[1:] - starts[:-1], "float32")[:, None]
            logs = ops.log(ops.maximum(counts, 1.0))
            found[f"{side}_receives"] = ops.exp(-self.alpha * logs)
            found[f"{side}_gives"] = ops.exp(-self.beta * logs)
        return found

    @staticmethod
    def _check_side(side: str) -> None:
        if side not in ("user", "item"):
            raise ValueError(f"`side` must be 'user' or 'item'. Received: side={side!r}.")


def _product(own: Any, other: Any, values: Any) -> Any:
    """The sum of neighbours' vectors over each entity's edges; the gradient is the reverse product."""

    @custom_gradient
    def product(vectors: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = args[0] if upstream is None else upstream
            return sparse_product(other[0], other[1], values, upstream)

        return sparse_product(own[0], own[1], values, vectors), gradient

    return product


def _constant_product(own: Any, other: Any, values: Any) -> Any:
    """The same without a gradient."""
    return lambda vectors: sparse_product(own[0], own[1], values, vectors)
