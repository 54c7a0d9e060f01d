"""The report of a search as one HTML page."""

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec import __version__
from kerasrec.tuning._files import write

if TYPE_CHECKING:
    from kerasrec.evaluation import ClickComparison, Comparison
    from kerasrec.tuning.search_result import SearchResult

_STYLE = """
body { font-family: sans-serif; margin: 2em auto; max-width: 70em; color: #222; }
table { border-collapse: collapse; font-size: 90%; }
th, td { padding: .2em .6em; text-align: right; border-bottom: 1px solid #ddd; }
img { max-width: 100%; }
"""


def write_page(result: "SearchResult", path: Any) -> None:
    """Write it completely or not at all."""
    path = Path(path)
    if path.suffix != ".html":
        raise ValueError(f"`path` must end in .html. Received: {str(path)!r}.")
    picture = io.BytesIO()
    result.plot().savefig(picture, format="png", dpi=110)
    encoded = base64.b64encode(picture.getvalue()).decode()
    ascending = result.direction == "min"
    frame = result.frame().sort_values("score", ascending=ascending)
    frame["started"] = frame["started"].dt.strftime("%Y-%m-%d %H:%M:%S")
    trials = frame.to_html(index=False, na_rep="", border=0, float_format="{:.4g}".format)
    best = "".join(
        f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(_text(value))}</td></tr>"
        for name, value in result.best_hyperparameters.items()
    )
    reasons = "".join(
        f"<li>{html.escape(trial)}: {html.escape(why)}</li>" for trial, why in result.reasons().items()
    )
    tested = "" if result.tested is None else _test(result.tested)
    title = f"Search for {html.escape(result.objective)}"
    text = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p>Best: {result.best_score:.5g} in trial {html.escape(result.best_trial)}.
{result.overhead:.0%} of the time was spent neither on training nor on evaluation.</p>
<table>{best}</table>
{tested}<img alt="history, trials and importances" src="data:image/png;base64,{encoded}">
<h2>Trials</h2>
{trials}
{f"<h2>Failed trials</h2><ul>{reasons}</ul>" if reasons else ""}
<p>kerasrec {__version__}</p>
</body></html>
"""
    write(path, lambda file: file.write(text.encode()))


def _test(table: "Comparison | ClickComparison") -> str:
    """The section on rows that the search has not seen."""
    figures = (
        table.to_frame().reset_index().to_html(index=False, na_rep="", border=0, float_format="{:.4f}".format)
    )
    protocol = "; ".join(f"{key}: {value}" for key, value in table.protocol.items())
    said = "".join(f"<p>{html.escape(line)}</p>\n" for line in (table.verdict(), *table.notes, protocol))
    return f"<h2>On rows that the search has not seen</h2>\n{figures}\n{said}"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
