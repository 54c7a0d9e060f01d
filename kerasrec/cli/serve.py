import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kerasrec.cli._form import Form, reads_table
from kerasrec.cli._held_out import AtLeast, Test, held_out
from kerasrec.cli._library import load_library
from kerasrec.cli._report import Debug, Report, reporting

if TYPE_CHECKING:
    from kerasrec.serving import Settings

Title = Annotated[
    str | None,
    typer.Option(help="Metadata column with the items' titles. Default: the first column of text."),
]
Picture = Annotated[str | None, typer.Option(help="Metadata column with the URLs of the items' pictures.")]
Beside = Annotated[Path | None, typer.Option(help="File of a second model, shown next to the first.")]
TOKEN = "KERASREC_TOKEN"


@reads_table
def serve(
    model: Annotated[Path, typer.Argument(help="File of a recommender.", metavar="MODEL")],
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 accepts other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes; each loads the model.")] = 1,
    token: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"File with the token that writing requests must send; or set the variable {TOKEN}.",
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="Event log, ending in .jsonl. Default: next to MODEL, shop.events.jsonl."),
    ] = None,
    title: Title = None,
    picture: Picture = None,
    beside: Beside = None,
    test: Test = None,
    at_least: AtLeast = None,
    form: Form,
    max_k: Annotated[int, typer.Option(min=1, help="Maximum length of a list.")] = 1000,
    max_ids: Annotated[int, typer.Option(min=1, help="Maximum number of ids in a request.")] = 10_000,
    max_body: Annotated[int, typer.Option(min=1, help="Maximum size of a request in bytes.")] = 1 << 20,
    debug: Debug = False,
) -> None:
    """Serve a trained model over HTTP, with a web page to inspect it; see docs/serving.md."""
    with reporting(False, debug) as report:
        from kerasrec.serving import _server
        from kerasrec.serving._extra import require
        from kerasrec.serving.settings import Settings

        require()
        secret = _token(token)
        settings = Settings(
            model,
            beside=beside,
            events=events,
            title=title,
            picture=picture,
            token=secret,
            writes=secret is not None or _server.is_loopback(host),
            max_k=max_k,
            max_ids=max_ids,
            max_body=max_body,
        )
        check_models(settings)
        with _server.bound(host, port) as listening:
            load_library(report)
            with held_out(test, model, form, at_least, report) as later:
                settings = dataclasses.replace(settings, held_out=later)
                _server.run(settings, listening, workers, lambda address: _tell(report, settings, address))
        report.line("Stopped.")


def check_models(settings: "Settings") -> None:
    """Refuse missing files before Keras is loaded, which takes seconds."""
    for path in (settings.model, settings.beside):
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"There must be a model file at {str(path)!r}. Received: no file.")
    if not settings.log.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(settings.log.parent)!r} for the events: create it.")


def _token(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN) or None
    if not path.is_file():
        raise FileNotFoundError(
            "`--token` must name a file with the token, because others can see the command line; "
            f"or set {TOKEN}. Received: {str(path)!r}, and there is no such file."
        )
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"`--token` must name a file with the token. Received: {path}, which is empty.")
    return token


def _tell(report: Report, settings: "Settings", address: str) -> None:
    report.line(f"kerasrec serves {settings.model.name} at {address}")
    if not settings.writes:
        report.line(f"Events and reloads are refused: give a `--token` or set {TOKEN}.")
    elif settings.token is None:
        report.line("Every program on this machine can send events; use `--token` to restrict this.")
    report.line(f"Events: {settings.log}")
    sys.stdout.flush()  # the caller waits for the address
