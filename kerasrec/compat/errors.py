"""TensorRec's exceptions; each is a `ValueError`."""


class TensorRecException(ValueError):
    """What every exception of TensorRec derives from."""


class ModelNotFitException(TensorRecException):
    """A method that needs weights was called before the first fit.

    Args:
        method: str, name of the method.
    """

    def __init__(self, method: str) -> None:
        super().__init__(f"`{method}` needs a model that has been fit; call `fit` or `fit_partial` first.")


class ModelNotBiasedException(TensorRecException):
    """Biases were asked of a model without them.

    Args:
        actor: str, `"user"` or `"item"`.
    """

    def __init__(self, actor: str) -> None:
        super().__init__(
            f"`predict_{actor}_bias` needs a model made with biased=True. Received: biased=False."
        )


class ModelWithoutAttentionException(TensorRecException):
    """Attention was asked of a model without it."""

    def __init__(self) -> None:
        super().__init__(
            "`predict_user_attention_representation` needs a model made with an `attention_graph`. "
            "Received: attention_graph=None."
        )


class BatchNonSparseInputException(TensorRecException):
    """Users were to be cut into batches where they do not come as one matrix.

    Args:
        name: str, name of the argument.
        received: str, its type.
    """

    def __init__(self, name: str, received: str) -> None:
        super().__init__(
            f"`{name}` must be one SciPy sparse matrix if `user_batch_size` splits users into batches; give "
            f"a list of batches instead. Received: {received}."
        )
