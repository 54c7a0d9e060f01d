import json
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._partial import replacing


class Written:
    """An object with a `to_dict` that can be written as JSON."""

    def to_dict(self) -> dict[str, Any]:
        """The content as dicts and lists."""
        raise NotImplementedError(f"{type(self).__name__} must define `to_dict`.")

    def to_json(self, path: str | Path | None = None) -> str:
        """The content of `to_dict` as JSON.

        Args:
            path: file to write the JSON to. Defaults to `None`.

        Returns:
            The text; NaN is `null`.
        """
        text = json.dumps(_plain(self.to_dict()), indent=2)
        if path is not None:
            with replacing(path) as partial:
                partial.write_text(text, encoding="utf-8")
        return text


def _plain(value: Any) -> Any:
    """A value in a form that JSON can store, without NumPy numbers and NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(x) for x in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
