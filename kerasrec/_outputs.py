"""The kind of a model's predictions, found from the name of its output."""

from typing import Any

# Name of the output of a click model that predicts no probability.
EXPECTED = "expected"


def is_of_watch_time(model: Any) -> bool:
    """Whether a model predicts an expected watch time instead of a probability.

    Args:
        model: any object; a `keras.Model` has `output_names`.
    """
    return list(getattr(model, "output_names", ())) == [EXPECTED]
