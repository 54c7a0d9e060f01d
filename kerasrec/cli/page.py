from pathlib import Path
from typing import Annotated

import typer

from kerasrec.cli._files import check_writable
from kerasrec.cli._form import Form, reads_table
from kerasrec.cli._held_out import AtLeast, Test, held_out
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, reporting
from kerasrec.cli.serve import Beside, Picture, Title, check_models


@reads_table
def page(
    model: Annotated[Path, typer.Argument(help="File of a recommender.", metavar="MODEL")],
    out: Annotated[Path, typer.Argument(help="HTML file to write.", metavar="OUT")],
    *,
    test: Test = None,
    at_least: AtLeast = None,
    form: Form,
    title: Title = None,
    picture: Picture = None,
    beside: Beside = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the page of `kerasrec serve` as one self-contained HTML file."""
    with reporting(as_json, debug) as report:
        from kerasrec.serving._extra import require
        from kerasrec.serving.settings import Settings

        require(("jinja2",))
        check_writable(out, ".html")
        check_models(Settings(model, beside=beside))
        load_library(report)
        with held_out(test, model, form, at_least, report) as later:
            from kerasrec.serving import write_page

            settings = Settings(model, beside=beside, held_out=later, title=title, picture=picture)
            with report.waiting("Making lists"):
                write_page(settings, out)
        report.line(f"Page: {out}")
        report.result = {"file": str(out)}
