"""Model files that are damaged or made up, each from a seed."""

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

KINDS = (
    *("flip", "cut", "flip a member", "cut a member", "JSON", "header", "array", "swap", "drop"),
    *("class", "foreign", "outside", "pickled", "bomb"),
)
# What stands in place of a setting.
_ODD = (None, -1, 2**40, 2**63, "x", "../x", [], {}, 1e308, True)
_OTHERS = (
    "Dense",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "InputLayer",
    "Catalogue",
    "DotScore",
    "eval",
    "x",
)
_CALLS = (
    ("os", "mkdir"),
    ("os", "system"),
    ("builtins", "eval"),
    ("subprocess", "run"),
    ("shutil", "rmtree"),
)


def damaged(whole: bytes, seed: int, target: Path) -> tuple[str, bytes]:
    """What was done to a file, and the file.

    Args:
        whole: a file of `Recommender.save`.
        seed: int.
        target: what a hostile file tries to make.
    """
    draw = random.Random(seed)
    kind = draw.choice(KINDS)
    if kind == "class":
        return kind, foreign(whole, target, None, draw.choice(_OTHERS), draw)
    if kind == "foreign":
        return kind, foreign(whole, target, *draw.choice(_CALLS), draw)
    if kind == "outside":
        return kind, outside(whole, target, draw.choice(("/", "../" * 9, "a/../../", "..\\..\\", "C:/")))
    if kind == "pickled":
        return kind, pickled(whole, target, draw)
    if kind == "bomb":
        return kind, bomb(whole, draw)
    if kind == "flip":
        return kind, _flipped(whole, draw)
    if kind == "cut":
        return kind, whole[: draw.randrange(len(whole))]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    endings = {"JSON": ".json", "header": ".npz", "array": ".npz"}
    name = draw.choice([name for name in members if name.endswith(endings.get(kind, ""))])
    content = members[name]
    if kind == "flip a member":
        members[name] = _flipped(content, draw)
    elif kind == "cut a member":
        members[name] = content[: draw.randrange(len(content))]
    elif kind == "JSON":
        members[name] = _json(content, draw)
    elif kind in ("header", "array"):
        members[name] = _arrays(content, draw, kind == "header")
    elif kind == "swap":
        other = draw.choice(list(members))
        members[name], members[other] = members[other], content
    else:
        del members[name]
    return f"{kind}, {name}", _zipped(members)


def bomb(whole: bytes, draw: random.Random) -> bytes:
    """A file with an array of 256 MB of zeros in a member, or an archive of such in it."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as file:
        for _ in range(16):
            file.write(bytes(1 << 24))
    if draw.random() < 0.5:
        return _with(whole, _some_arrays(whole, draw), inner.getvalue())
    unpacked = io.BytesIO(whole)
    with zipfile.ZipFile(unpacked, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/layers/catalogue/more.npy", bytes(1 << 28))
    return unpacked.getvalue()


def outside(whole: bytes, path: Path, way: str) -> bytes:
    """A file with a member that would be written outside of it."""
    return _with(whole, f"{way}{str(path).lstrip('/')}", b"written")


def pickled(whole: bytes, path: Path, draw: random.Random) -> bytes:
    """A file with an array that makes a file when it is unpickled."""

    class Touch:
        def __reduce__(self) -> Any:
            return Path.touch, (path,)

    content, name = io.BytesIO(), _some_arrays(whole, draw)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, np.load(io.BytesIO(archive.read(name))) as arrays:
        chosen = draw.choice(arrays.files)
        np.savez(
            content, **{x: np.array([Touch()], object) if x == chosen else arrays[x] for x in arrays.files}
        )
    return _with(whole, name, content.getvalue())


def foreign(whole: bytes, path: Path, module: str | None, name: str, draw: random.Random) -> bytes:
    """A file of which a layer, or the model, is of another class, or a function; `None` leaves the module."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        config = json.loads(archive.read("config.json"))
    part = draw.choice([config, *config["config"]["layers"]])
    part["class_name"] = name
    if module is not None:
        part |= {"module": module, "registered_name": None, "config": {"path": str(path)}}
    return _with(whole, "config.json", json.dumps(config).encode())


def _some_arrays(whole: bytes, draw: random.Random) -> str:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return draw.choice([name for name in archive.namelist() if name.endswith(".npz")])


def _with(whole: bytes, name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return _zipped({**members, name: content})


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _flipped(content: bytes, draw: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(draw.randrange(1, 8)):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def _json(content: bytes, draw: random.Random) -> bytes:
    """One setting, of any depth, taken away or replaced."""
    found = json.loads(content)
    places: list[tuple[Any, Any]] = []
    todo = [found]
    while todo:
        part = todo.pop()
        keys = part.keys() if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        places += [(part, key) for key in keys]
        todo += [part[key] for key in keys]
    part, key = draw.choice(places)
    if draw.random() < 0.2:
        del part[key]
    else:
        part[key] = draw.choice(_ODD)
    return json.dumps(found).encode()


def _arrays(content: bytes, draw: random.Random, header: bool) -> bytes:
    """One array of an archive, or the JSON in it, changed."""
    with np.load(io.BytesIO(content)) as found:
        arrays = dict(found)
    headers = [name for name, array in arrays.items() if array.tobytes()[:1] == b"{"]
    if header and headers:
        name = draw.choice(headers)
        arrays[name] = np.frombuffer(_json(arrays[name].tobytes(), draw), np.uint8)
    else:
        name = draw.choice(list(arrays))
        array = arrays[name].copy()
        change = draw.choice(("entry", "shorter", "longer", "floats", "axes", "reversed", "none"))
        if change == "entry" and array.size:
            array.flat[draw.randrange(array.size)] = draw.choice((-1, 0, 127)) % 256
        changed = {
            "shorter": array[:-1],
            "longer": np.concatenate([array, array[:1]]),
            "floats": array.astype(float),
            "axes": array[None],
            "reversed": array[::-1],
        }
        arrays[name] = changed.get(change, array)
        if change == "none":
            del arrays[name]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
