"""The packages that only the extra `serve` installs."""

import importlib
from collections.abc import Sequence

NEEDED = ("fastapi", "uvicorn", "jinja2", "prometheus_client")


def require(names: Sequence[str] = NEEDED) -> None:
    """Say which extra to install if a package is missing."""
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(
                "The server and the page need additional packages: pip install 'kerasrec[serve]'. "
                f"Received: no {error.name}."
            ) from error
