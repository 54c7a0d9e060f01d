import math
from typing import Any, Literal

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec._inputs import PADDING
from kerasrec.layers.fast_dropout import FastDropout

# Below every score but finite, so that a row without visible positions attends to all equally.
_HIDDEN = -1e9


@keras.saving.register_keras_serializable("kerasrec")
class SelfAttentionBlock(keras.layers.Layer):
    """A transformer block: self-attention over a history and a network at each position, with residuals.

    With `norm="pre"`: `x + attention(norm(x))`, then `x + network(norm(x))`; with `"post"`:
    `norm(x + attention(x))`, then `norm(x + network(x))`. `network(x) = W2 activation(W1 x + b1) + b2`.

    With `norm="sasrec"`, as in SASRec's published code, the norm is before the residual:
    `z = norm(x)`, `z + attention(z, x)`, with queries from `z`, and keys and values from `x`; then
    `z = norm(x)`, `z + network(z)`.

    A position attends to itself and those before it (`causal=True`) or to all positions, never to padding.

    Args:
        n_heads: int, number of attention heads, among which the components are divided. Defaults to `1`.
        hidden: int, size of the network's hidden layer. Defaults to `None`: that of the input.
        dropout: float, dropout rate of the attention weights and of both branches. Defaults to `0.0`.
        attention_dropout: float, dropout rate of the attention weights. Defaults to `None`: `dropout`.
        causal: bool. Defaults to `True`.
        norm: `"pre"`, `"post"` or `"sasrec"`. Defaults to `"pre"`.
        activation: of the network. Defaults to `"relu"`.
        kernel_initializer: initializer of all kernels. Defaults to `"glorot_uniform"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: `[B, H, C]`.
        history: item codes `[B, H]`; -1 is padding.
        training: as in Keras.

    Returns:
        `[B, H, C]`.

    Raises:
        ValueError: if a size is not a positive integer, the number of components is not divisible by
            `n_heads`, or `norm` is unknown.

    Example:
        >>> import numpy as np, kerasrec
        >>> block = kerasrec.layers.SelfAttentionBlock(n_heads=2)
        >>> block(np.ones((1, 3, 4)), np.array([[-1, 5, 7]])).shape[2]
        4

    References:
        Vaswani et al., "Attention is all you need", 2017, section 3; Kang and McAuley, "Self-attentive
        sequential recommendation", 2018, sections 3.2 and 3.3; Xiong et al., "On layer normalization in the
        transformer architecture", 2020.
    """

    def __init__(
        self,
        n_heads: int = 1,
        hidden: int | None = None,
        dropout: float = 0.0,
        attention_dropout: float | None = None,
        causal: bool = True,
        norm: Literal["pre", "post", "sasrec"] = "pre",
        activation: Any = "relu",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads = positive_integer("n_heads", n_heads)
        self.hidden = None if hidden is None else positive_integer("hidden", hidden)
        self.dropout, self.causal, self.norm = float(dropout), bool(causal), norm
        self.attention_dropout = attention_dropout
        self.activation = keras.activations.get(activation)
        # Made anew for each kernel: two kernels of one initializer would begin with the same numbers.
        self.kernel_initializer = kernel_initializer
        if norm not in ("pre", "post", "sasrec"):
            raise ValueError(f"`norm` must be 'pre', 'post' or 'sasrec'. Received: norm={norm!r}.")

    def build(self, inputs_shape: Any, history_shape: Any = None) -> None:
        """Create the inner layers."""
        size = inputs_shape[-1]
        if size % self.n_heads:
            raise ValueError(
                "The components must be a multiple of `n_heads`. "
                f"Received: {size} components, n_heads={self.n_heads}."
            )
        shape, hidden = (None, None, size), self.hidden or size

        def layer(made: keras.layers.Layer, input_shape: Any = shape) -> keras.layers.Layer:
            made.build(input_shape)
            return made

        dtype = self.dtype_policy

        def dense(units: int, name: str, activation: Any = None) -> keras.layers.Layer:
            made = keras.initializers.get(self.kernel_initializer)
            made = made.clone() if made is self.kernel_initializer else made
            return keras.layers.Dense(units, activation, kernel_initializer=made, name=name, dtype=dtype)

        if self.norm == "sasrec":
            self.queries = layer(dense(size, "queries"))
            self.keys_values = layer(dense(2 * size, "keys_values"))
        else:
            self.looked_for = layer(dense(3 * size, "queries_keys_values"))
        self.found = layer(dense(size, "attended"))
        self.inner = layer(dense(hidden, "inner", self.activation))
        self.outer = layer(dense(size, "outer"), (None, None, hidden))
        self.norms = [
            layer(keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{i}", dtype=dtype))
            for i in range(2)
        ]
        of_weights = self.dropout if self.attention_dropout is None else self.attention_dropout
        self.drop = FastDropout(self.dropout, dtype=dtype)
        self.drop_weights = FastDropout(of_weights, dtype=dtype)
        self.built = True

    def call(self, inputs: Any, history: Any, training: Any = None) -> Any:
        """Attend, then transform."""
        x = inputs
        for branch, norm in zip((self._attend, self._transform), self.norms, strict=True):
            if self.norm == "pre":
                x = x + self.drop(branch(norm(x), history, training), training=training)
            elif self.norm == "post":
                x = norm(x + self.drop(branch(x, history, training), training=training))
            else:
                z = norm(x)
                x = z + self.drop(branch(z, history, training, x), training=training)
        return x

    def _attend(self, x: Any, history: Any, training: Any, attended: Any = None) -> Any:
        n_rows, length, size = ops.shape(x)
        n_heads = self.n_heads
        each = size // n_heads
        # [3, B, heads, H, C / heads], then one matrix per row and head: products of four axes are slow.
        if self.norm == "sasrec":
            made = ops.concatenate([self.queries(x), self.keys_values(attended)], axis=-1)
        else:
            made = self.looked_for(x)
        parts = ops.reshape(made, (n_rows, length, 3, n_heads, each))
        parts = ops.reshape(ops.transpose(parts, (2, 0, 3, 1, 4)), (3, n_rows * n_heads, length, each))
        queries, keys, values = parts[0], parts[1], parts[2]
        scores = ops.matmul(queries * (1 / math.sqrt(each)), ops.transpose(keys, (0, 2, 1)))
        scores = ops.cast(scores, "float32")  # in half precision, hidden scores would overflow
        visible = ops.not_equal(history, PADDING)[:, None, :]
        if self.causal:
            places = ops.arange(length)
            visible = ops.logical_and(visible, (places[:, None] >= places[None, :])[None])
        if n_heads > 1:
            visible = ops.repeat(visible, n_heads, axis=0)
        weights = ops.softmax(ops.where(visible, scores, _HIDDEN), axis=-1)
        weights = self.drop_weights(ops.cast(weights, values.dtype), training=training)
        found = ops.reshape(ops.matmul(weights, values), (n_rows, n_heads, length, each))
        found = ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (n_rows, length, size))
        return self.found(found)

    def _transform(self, x: Any, history: Any, training: Any, _: Any = None) -> Any:
        return self.outer(self.drop(self.inner(x), training=training))

    def compute_output_shape(self, inputs_shape: Any, history_shape: Any = None) -> Any:
        """The shape of the input."""
        return tuple(inputs_shape)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {
            **super().get_config(),
            "n_heads": self.n_heads,
            "hidden": self.hidden,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "causal": self.causal,
            "norm": self.norm,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": (
                keras.initializers.serialize(self.kernel_initializer)
                if isinstance(self.kernel_initializer, keras.initializers.Initializer)
                else self.kernel_initializer
            ),
        }
