"""What is public says what it takes: names and defaults as in the signature, and examples that run."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re

import keras
import pytest

import kerasrec


def public_objects():
    """Classes and functions with a public path, by the shortest; the command line has its own help."""
    found = {}
    for info in pkgutil.walk_packages(kerasrec.__path__, "kerasrec."):
        parts = info.name.split(".")
        if any(part.startswith("_") for part in parts) or parts[1] == "cli":
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            # A package publishes what stands in its modules, a module what it defines.
            if value.__module__ == info.name or (info.ispkg and value.__module__.startswith(info.name + ".")):
                found.setdefault(value, f"{info.name}.{name}")
    return {path: value for value, path in found.items()}


def public_methods():
    """Methods, class methods and functions with names of their own (not Keras's) in those classes."""
    found = {}
    for path, cls in PUBLIC.items():
        if not inspect.isclass(cls):
            continue
        for name, value in vars(cls).items():
            function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if not name.startswith("_") and inspect.isfunction(function):
                found[f"{path}.{name}"] = function
    return found


PUBLIC = public_objects()
METHODS = public_methods()


def section(docstring, title):
    """The entries of a section by name, `None` where there is no such section."""
    match = re.search(rf"^{title}:\n((?:    .*\n|\n)*)", docstring + "\n", re.MULTILINE)
    if match is None:
        return None
    entries, names = {}, []
    for line in match[1].splitlines():
        entry = re.match(r"    (\*{0,2}\w+(?:, \*{0,2}\w+)*):(.*)", line)
        if entry:
            names = entry[1].split(", ")
            entries |= dict.fromkeys(names, entry[2])
        elif line.strip():
            entries |= {name: f"{entries[name]} {line.strip()}" for name in names}
    return entries


def parameters(function):
    """Parameters by the name that a docstring gives them."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = inspect.signature(function).parameters.values()
    return {stars.get(p.kind, "") + p.name: p for p in found if p.name not in ("self", "cls")}


def check_arguments(entries, expected):
    assert list(entries) == list(expected)
    for name, parameter in expected.items():
        documented = re.search(r"Defaults to\s+`([^`]*)`", entries[name])
        if parameter.default is inspect.Parameter.empty:
            assert documented is None, f"`{name}` has no default"
        else:
            assert documented is not None, f"`{name}` has the default {parameter.default!r}"
            assert ast.literal_eval(documented[1]) == parameter.default, name


def takes(value):
    """What the docstring of a class or function has to describe."""
    found = parameters(value.__init__ if inspect.isclass(value) else value)
    for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = found[field.name].replace(default=field.default_factory())
    return found


@pytest.mark.parametrize("path", PUBLIC)
def test_docstring_agrees_with_the_signature(path):
    value = PUBLIC[path]
    docstring = inspect.cleandoc(value.__doc__ or "")  # its own, not a base class's
    assert docstring, "no docstring"
    assert re.match(r"\S.*\.(\n\n|$)", docstring), "the first line is no sentence of its own"
    entries = section(docstring, "Args")
    if entries is None and dataclasses.is_dataclass(value):
        entries = section(docstring, "Attributes")
    own_init = not inspect.isclass(value) or "__init__" in vars(value)
    if own_init and (takes(value) or entries is not None):
        assert entries is not None, "no `Args`"
        check_arguments(entries, takes(value))
    layer = inspect.isclass(value) and issubclass(value, keras.Layer) and not issubclass(value, keras.Model)
    if layer and "call" in vars(value):
        assert list(section(docstring, "Call arguments") or ()) == list(parameters(value.call))


@pytest.mark.parametrize("path", METHODS)
def test_docstrings_of_methods_agree_with_the_signature(path):
    function = METHODS[path]
    docstring = inspect.getdoc(function)
    assert docstring, "no docstring"
    entries = section(docstring, "Args")
    owner = PUBLIC[path.rpartition(".")[0]]
    overrides = any(function.__name__ in vars(base) for base in owner.__mro__[1:])
    overrides |= function.__name__ in ("save_assets", "load_assets")  # Keras calls them where they exist
    if entries is not None or (parameters(function) and not overrides):
        assert entries is not None, "no `Args`"
        check_arguments(entries, parameters(function))


@pytest.mark.parametrize("path", PUBLIC)
def test_examples_run(path):
    finder = doctest.DocTestFinder(recurse=True, exclude_empty=True)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for case in finder.find(PUBLIC[path], path, globs={}):
        runner.run(case, out=report.append)
    assert not runner.failures, "".join(report)
