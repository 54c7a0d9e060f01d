"""Pages that `mkdocs build` generates from the code: one per model, one per package, and the changelog."""

import ast
import importlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "data",
    "datasets",
    "layers",
    "losses",
    "trainers",
    "evaluation",
    "recommender",
    "zoo",
    "tuning",
    "serving",
    "compat",
)


def on_config(config: Any) -> Any:
    """Add the generated pages to the navigation."""
    from kerasrec import zoo

    for section in config.nav:
        if "Models" in section:
            section["Models"] = ["models/index.md", *(f"models/{name}.md" for name in zoo.names())]
        if "Reference" in section:
            section["Reference"] += [{f"kerasrec.{name}": f"api/{name}.md"} for name in PACKAGES]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    from kerasrec import zoo

    made = {"models/index.md": _models(), "changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8")}
    made |= {f"models/{name}.md": _model(zoo.card(name)) for name in zoo.names()}
    made |= {f"api/{name}.md": _package(name) for name in PACKAGES}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def _models() -> str:
    from kerasrec import zoo

    cards = [zoo.card(name) for name in zoo.names()]
    rows = [f"| [`{card.name}`]({card.name}.md) | {card.task} | {_cell(card.summary)} |" for card in cards]
    head = (
        "# Models\n\n`kerasrec.zoo` has these models. Pass a name to `kerasrec.Recommender.train`, "
        "`kerasrec.zoo.create` or `kerasrec train --model`; names of the task `click` go to "
        "`kerasrec.Ranker.train`.\n\n| model | task | what it computes |\n|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def _model(card: Any) -> str:
    loss = getattr(card.loss, "name", card.loss)
    training = f"trained with {card.optimizer} and the loss `{loss}`"
    if not card.optimizer:
        training = "fitted in closed form"
    example = f'recommender = kerasrec.Recommender.train(interactions, "{card.name}")'
    if card.task == "click":
        example = f'ranker = kerasrec.Ranker.train(impressions, model="{card.name}")'
    parts = [
        f"# {card.name}",
        card.summary,
        f"Factory: `kerasrec.zoo.{card.factory.__name__}`. Task: {card.task}. The model is {training}.",
        f"Reference: {card.reference}",
        f"```python\n{example}\n```",
    ]
    if card.hyperparameters:
        rows = [f"| `{x.name}` | {_cell(x.default)} | {_cell(x.range)} |" for x in card.hyperparameters]
        parts.append(
            "## Settings\n\n| setting | default | range of a search |\n|---|---|---|\n" + "\n".join(rows)
        )
    for title, recipe in card.recipes().items():
        rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in recipe.facts().items()]
        parts.append(f"## {title}\n\n| setting | value |\n|---|---|\n" + "\n".join(rows))
    if card.results:
        parts.append(f"## Results\n\n```text\n{card.results}\n```")
    return "\n\n".join([*parts, f"## Factory\n\n::: kerasrec.zoo.{card.factory.__name__}\n"])


def _package(name: str) -> str:
    """Every public name of a package, as its `__init__` lists them."""
    module = importlib.import_module(f"kerasrec.{name}")
    found = [public for public in _public(Path(module.__file__ or "")) if not public.startswith("_")]
    if name == "zoo":
        from kerasrec import zoo

        factories = {zoo.card(model).factory.__name__ for model in zoo.names()}
        found = [public for public in found if public not in factories]
    blocks = [f"::: kerasrec.{name}.{public}\n" for public in found if not _is_module(module, public)]
    return f"# kerasrec.{name}\n\n{module.__doc__ or ''}\n\n" + "\n".join(blocks)


def _public(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return [
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    ]


def _is_module(module: Any, name: str) -> bool:
    return type(getattr(module, name)).__name__ == "module"


def _cell(value: Any) -> str:
    """Text in a cell of a table."""
    return str(value).replace("|", "\\|").replace("\n", " ")
