from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer


@keras.saving.register_keras_serializable("kerasrec")
class GaussianSampling(keras.layers.Layer):
    """Samples from a normal distribution with given mean and variance, and penalises its KL divergence.

    With `m` and `v` the halves of an input, the output is `m + exp(v / 2) * noise` in training and `m`
    otherwise. In training the divergence from the standard normal distribution,

        weight * mean_b sum_c (exp(v) + m^2 - 1 - v) / 2

    is added to the loss. Its weight grows by `1 / anneal_steps` per step, from 0 to at most `beta`. The
    number of steps is a weight of the layer. It is saved, so training that is resumed does not start the
    annealing again.

    Args:
        beta: float, the maximum weight of the divergence. Defaults to `0.2`.
        anneal_steps: int, number of steps in which the weight would grow to 1. Defaults to `200_000`.
        seed: int, for the noise. Defaults to `None`: Keras's global generator.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: means, followed by the logarithms of the variances, `[B, 2 C]`.
        training: bool, whether to sample.

    Returns:
        `[B, C]`.

    Raises:
        ValueError: if `beta` is negative or not finite, `anneal_steps` is not a positive integer, or the
            input has an odd size.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.GaussianSampling()
        >>> np.asarray(layer(np.array([[1.0, 2.0, 0.5, 0.5]]))).tolist()
        [[1.0, 2.0]]

    References:
        Liang et al., "Variational autoencoders for collaborative filtering", 2018, eq. 4 to 7 and
        section 2.2.2; Kingma and Welling, "Auto-encoding variational Bayes", 2014, appendix B.
    """

    def __init__(
        self, beta: float = 0.2, anneal_steps: int = 200_000, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= beta < float("inf"):
            raise ValueError(f"`beta` must be a finite number of at least 0. Received: beta={beta}.")
        self.beta = beta
        self.anneal_steps = positive_integer("anneal_steps", anneal_steps)
        self.seed = seed
        self._draws = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Create the step counter."""
        if input_shape[-1] % 2:
            raise ValueError(
                "The input must be means and as many logarithms of variances. "
                f"Received: size {input_shape[-1]}."
            )
        self.steps = self.add_weight(
            shape=(), initializer="zeros", dtype="float32", trainable=False, autocast=False, name="steps"
        )
        self.built = True

    @property
    def weight(self) -> Any:
        """The weight of the divergence after the steps so far."""
        return ops.minimum(ops.convert_to_tensor(self.steps) / self.anneal_steps, self.beta)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Draw samples in training, and return the means otherwise."""
        mean, log_variance = ops.split(inputs, 2, axis=-1)
        if not training:
            return mean
        exact = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
        divergence = 0.5 * ops.sum(ops.exp(exact[1]) + ops.square(exact[0]) - 1 - exact[1], axis=-1)
        self.add_loss(self.weight * ops.mean(divergence))
        self.steps.assign_add(1.0)
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self._draws)
        return mean + ops.exp(0.5 * log_variance) * noise

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, C]`."""
        return (*input_shape[:-1], input_shape[-1] // 2)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = {"beta": self.beta, "anneal_steps": self.anneal_steps, "seed": self.seed}
        return {**super().get_config(), **config}
