"""Model files that are damaged or made up, each from a seed."""

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("flip", "cut", "flip a member", "cut a member", "JSON", "header", "array", "swap", "drop")
# What stands in place of a setting.
_ODD = (None, -1, 2**40, 2**63, "x", "../x", [], {}, 1e308, True)


def damaged(whole: bytes, seed: int) -> tuple[str, bytes]:
    """What was done to a file, and the file.

    Args:
        whole: a file of `Recommender.save`.
        seed: int.
    """
    draw = random.Random(seed)
    kind = draw.choice(KINDS)
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


def bomb(whole: bytes) -> bytes:
    """A file with an archive inside that unpacks to 256 MB of zeros."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as file:
        for _ in range(16):
            file.write(bytes(1 << 24))
    return _with(whole, "assets/layers/catalogue/seen.npz", inner.getvalue())


def outside(whole: bytes, path: Path) -> bytes:
    """A file with a member that would be written outside of it."""
    return _with(whole, f"../../../..{path}", b"written")


def pickled(whole: bytes, path: Path) -> bytes:
    """A file with an array that makes a file when it is unpickled."""

    class Touch:
        def __reduce__(self) -> Any:
            return Path.touch, (path,)

    content = io.BytesIO()
    np.savez(content, indptr=np.array([Touch()], object), items=np.zeros(1, int))
    return _with(whole, "assets/layers/catalogue/seen.npz", content.getvalue())


def foreign(whole: bytes, path: Path) -> bytes:
    """A file whose config names a function of the operating system."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1] |= {"module": "os", "class_name": "mkdir", "config": {"path": str(path)}}
    return _with(whole, "config.json", json.dumps(config).encode())


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
