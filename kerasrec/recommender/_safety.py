"""Checks of a config before a model is built from it, so that reading a file executes nothing."""

import json
from pathlib import Path
from typing import Any

import keras

# Names in a config that are neither classes of Keras nor registered ones.
_PLAIN = ("__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__typespec__")
_KERAS = ("keras", "keras_rs", "builtins")


def check_config(text: bytes, path: Path) -> None:
    """Refuse a config that names code (Lambda layers) or a class that is neither Keras's nor registered."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must hold a config in JSON. Received: {error}.") from error
    todo: list[Any] = [config]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo.extend(part)
        elif isinstance(part, dict):
            todo.extend(part.values())
            if isinstance(part.get("class_name"), str):
                _check_class(part, path)


def _check_class(part: dict[str, Any], path: Path) -> None:
    name = part["class_name"]
    if name in ("__lambda__", "Lambda"):
        raise ValueError(
            f"A model file must hold no code; write a Lambda layer as a class of its own. Received: {path}, "
            "with a Lambda."
        )
    module, registered = part.get("module"), part.get("registered_name")
    package = str(module or "keras").split(".")[0]
    known = name in _PLAIN or package in _KERAS
    for key in (registered, part.get("config") if name == "function" else None):
        known = known or (isinstance(key, str) and keras.saving.get_registered_object(key) is not None)
    if not known:
        raise ValueError(
            "A model file must name only classes of Keras or kerasrec, or registered ones; import the module "
            "that defines and registers the class (`@keras.saving.register_keras_serializable()`) first. "
            f"Received: {registered or name!r} of {module!r} in {path}."
        )
