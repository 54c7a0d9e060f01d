import json
from pathlib import Path
from typing import Any

import numpy as np


def json_text(content: Any, path: str | Path | None) -> str:
    """Content as JSON, NaN as `null`; written to a file as well where a path is given."""
    text = json.dumps(_plain(content), indent=2)
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _plain(value: Any) -> Any:
    """What JSON can hold: no NumPy numbers, no NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(x) for x in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
