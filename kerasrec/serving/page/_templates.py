"""Templates, which insert every value as text and never as markup."""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).resolve().parents[1] / "templates"
_SHOWN = 70


@cache
def environment() -> Environment:
    """The Jinja environment of all templates."""
    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"short": short, "number": number, "share": share, "address": address}
    return found


def render(name: str, **values: Any) -> str:
    """Render a template."""
    return environment().get_template(name).render(**values)


def style() -> str:
    """The style sheet."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")


def short(value: Any, length: int = _SHOWN) -> str:
    """A value as text, shortened with an ellipsis if it is too long."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def number(value: Any) -> str:
    """A number formatted for readers; empty for `None`."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def share(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.1f} %"


def address(value: Any) -> str:
    """A value, quoted for a query string."""
    return quote(str(value), safe="")
