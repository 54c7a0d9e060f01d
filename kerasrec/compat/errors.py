"""TensorRec's exceptions; each is a `ValueError`."""


class TensorRecException(ValueError):
    """The base class of TensorRec's exceptions."""


class ModelNotFitException(TensorRecException):
    """A method that needs weights was called before the first fit.

    Args:
        method: str, name of the method.
    """

    def __init__(self, method: str) -> None:
        super().__init__(f"`{method}` needs a fitted model; call `fit` or `fit_partial` first.")


class ModelNotBiasedException(TensorRecException):
    """Biases were requested from a model without them.

    Args:
        actor: str, `"user"` or `"item"`.
    """

    def __init__(self, actor: str) -> None:
        super().__init__(f"`predict_{actor}_bias` needs a model with biased=True. Received: biased=False.")


class ModelWithoutAttentionException(TensorRecException):
    """Attention was requested from a model without it."""

    def __init__(self) -> None:
        super().__init__(
            "`predict_user_attention_representation` needs a model with an `attention_graph`. "
            "Received: attention_graph=None."
        )


class BatchNonSparseInputException(TensorRecException):
    """Users cannot be split into batches because they are not one matrix.

    Args:
        name: str, name of the argument.
        received: str, its type.
    """

    def __init__(self, name: str, received: str) -> None:
        super().__init__(
            f"`{name}` must be one SciPy sparse matrix if `user_batch_size` splits users into batches; pass "
            f"a list of batches instead. Received: {received}."
        )
