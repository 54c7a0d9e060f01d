"""Templates, in which every value is text and never markup."""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).resolve().parents[1] / "templates"
_SHOWN = 70


@cache
def environment() -> Environment:
    """The one place that knows how templates are filled."""
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
    """A filled template."""
    return environment().get_template(name).render(**values)


def style() -> str:
    """The style sheet."""
    return (FOLDER / "style.css").read_text(encoding="utf-8")


def short(value: Any, length: int = _SHOWN) -> str:
    """A text that fits; longer ones end in dots."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def number(value: Any) -> str:
    """A number for people; nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.1f} %"


def address(value: Any) -> str:
    """A piece of a query."""
    return quote(str(value), safe="")
