"""The command-line application. It imports nothing heavy, so `--help` answers at once."""

import signal
import sys
from typing import Annotated

import typer

from kerasrec.cli import (
    compare,
    datasets,
    demo,
    evaluate,
    page,
    prepare,
    recommend,
    serve,
    similar,
    train,
    tune,
    zoo,
)

app = typer.Typer(
    help="Turn a table of ratings into a trained, evaluated and saved recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(prepare.prepare)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(recommend.recommend)
app.command()(similar.similar)
app.command()(serve.serve)
app.command()(page.page)
app.command()(compare.compare)
app.command()(tune.tune)
app.add_typer(zoo.app, name="zoo")
app.add_typer(datasets.app, name="datasets")


def _version(wanted: bool) -> None:
    if wanted:
        from kerasrec._version import __version__

        print(f"kerasrec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    # As an exception, so that half-written files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app(prog_name="kerasrec")
