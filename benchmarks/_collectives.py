"""What a compiled training step sends between devices."""

import math
import re
from typing import Any

_OF = re.compile(r"= (.*?) (all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")
_ARRAY = re.compile(r"(f32|s32|u32|pred|f16|bf16|s8|u8)\[([\d,]*)\]")
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "f16": 2, "bf16": 2}


def sent(model: Any, mode: str = "train") -> dict[str, int]:
    """Bytes of the results of each kind of collective operation in a model's program of a step."""
    program = next(future for key, (_, future) in model._engine._programs.items() if key[0] == mode).result()
    totals: dict[str, int] = {}
    for line in program.as_text().splitlines():
        if match := _OF.search(line):
            arrays = _ARRAY.findall(match[1])
            size = sum(
                _BYTES.get(kind, 4) * math.prod(map(int, filter(None, dims.split(","))))
                for kind, dims in arrays
            )
            totals[match[2]] = totals.get(match[2], 0) + size
    return totals
