"""`kerasrec zoo`: the models."""

import dataclasses
from typing import Annotated, Any

import typer

from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, reporting

app = typer.Typer(help="Models by name.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the models."""
    with reporting(as_json, debug) as report:
        load_library(report)
        from kerasrec import zoo

        cards = [zoo.card(name) for name in zoo.names()]
        models = [{"name": card.name, "task": card.task, "what it is": card.summary} for card in cards]
        report.table("Models", models)
        report.result = {"models": models}


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a model or its class.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the card of a model: description, reference, settings and results."""
    with reporting(as_json, debug) as report:
        load_library(report)
        from kerasrec import zoo

        card = zoo.card(name)
        loss = getattr(card.loss, "name", card.loss)
        report.facts(
            f"{card.name} ({card.factory.__name__})",
            {
                "task": card.task,
                "what it is": card.summary,
                "reference": card.reference,
                "training": f"{card.optimizer}, {loss}" if card.optimizer else "closed form",
            },
        )
        settings: list[dict[str, Any]] = [
            {"hyperparameter": h.name, "default": str(h.default), "range": h.range}
            for h in card.hyperparameters
        ]
        if settings:
            report.table("Hyperparameters of the factory", settings)
        for title, recipe in card.recipes().items():
            report.table(title, [{"of training": x, "by default": str(y)} for x, y in recipe.facts().items()])
        if card.results:
            report.line(f"Results\n{card.results}")
        facts = {field.name: getattr(card, field.name) for field in dataclasses.fields(card)}
        facts |= {"recipe": {title: recipe.facts() for title, recipe in card.recipes().items()}}
        report.result = facts | {
            "factory": card.factory.__name__,
            "loss": loss,
            "hyperparameters": [dataclasses.asdict(h) for h in card.hyperparameters],
        }
