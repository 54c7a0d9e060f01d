"""What a model gives, read off the name of its output."""

from typing import Any

# The output of a click model that gives no probability.
EXPECTED = "expected"


def is_of_watch_time(model: Any) -> bool:
    """Whether a model gives an expected watch time, in place of a probability.

    Args:
        model: any object; a `keras.Model` has `output_names`.
    """
    return list(getattr(model, "output_names", ())) == [EXPECTED]
