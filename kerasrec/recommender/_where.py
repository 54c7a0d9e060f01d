"""Conditions on columns in pandas' query syntax, read as data: nothing in them is ever executed."""

import ast
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_MAX_LENGTH = 2000
_MAX_DEPTH = 50
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
# Text in quotes, a name in backticks, or one of pandas' other spellings of `and` and `or`.
_TOKENS = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]+)`|&|\|""")
_KNOWN = "columns, numbers, text, lists of these, comparisons, `in`, `and`, `or` and `not`"


def mask_of(condition: str, frame: "pd.DataFrame", rule: str = "where") -> np.ndarray:
    """Which rows meet a condition, as a bool array.

    A comparison with a missing entry is false, other than `!=` and `not in`.

    Args:
        condition: such as `"price < 20 and category == 'garden'"`.
        frame: frame of the columns.
        rule: name of the condition, for messages. Defaults to `"where"`.

    Raises:
        ValueError: if it holds anything but columns, literals and comparisons, or an impossible comparison.
    """
    return _Condition(condition, frame, rule).mask()


class _Condition:
    def __init__(self, text: str, frame: "pd.DataFrame", rule: str) -> None:
        self.text, self.frame, self.rule = text, frame, rule
        self.quoted: dict[str, str] = {}

    def mask(self) -> np.ndarray:
        if len(self.text) > _MAX_LENGTH:
            raise self.error(f"at most {_MAX_LENGTH:,} characters", f"{len(self.text):,}", quote=False)
        try:
            tree = ast.parse(_TOKENS.sub(self._token, self.text).strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            what = getattr(error, "msg", None) or "too deep"
            raise self.error("a condition such as \"price < 20 and category == 'garden'\"", what) from None
        found: np.ndarray = self.truth(tree.body, 0)
        return found

    def _token(self, match: re.Match[str]) -> str:
        text = match[0]
        if text == "&":
            return " and "
        if text == "|":
            return " or "
        if match[1] is None:
            return text
        name = f"_quoted_{len(self.quoted)}"
        self.quoted[name] = match[1]
        return name

    def error(self, must: str, received: str, quote: bool = True) -> ValueError:
        tail = f" in {self.text!r}" if quote else ""
        return ValueError(f"`{self.rule}` must be {must}. Received: {received}{tail}.")

    def truth(self, node: ast.AST, depth: int) -> np.ndarray:
        """The rows for which a part of the condition is true."""
        if depth > _MAX_DEPTH:
            raise self.error(f"at most {_MAX_DEPTH} levels deep", "a deeper one", quote=False)
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(part, depth + 1) for part in node.values]
            joined = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return np.asarray(joined.reduce(parts))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
            return ~self.truth(node.operand, depth + 1)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return np.logical_and.reduce([self.compare(left, op, right) for left, op, right in pairs])
        if isinstance(node, ast.Name):
            return truth_of(self.column(node), self.rule, self.quoted.get(node.id, node.id))
        raise self.error(f"made of {_KNOWN} alone", f"`{ast.unparse(node)}`")

    def compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> np.ndarray:
        said = f"`{ast.unparse(ast.Compare(left, [op], [right]))}`"
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self.member(left, right, said)
            return ~found if isinstance(op, ast.NotIn) else found
        if type(op) not in _COMPARISONS:
            raise self.error(f"made of {_KNOWN} alone", said)
        columns = [self.column(side) if isinstance(side, ast.Name) else None for side in (left, right)]
        values: list[Any] = [
            self.literal(side) if column is None else column
            for side, column in zip((left, right), columns, strict=True)
        ]
        if columns[0] is None and columns[1] is None:
            raise self.error("a comparison of a column", said)
        if any(isinstance(value, list) for value in values):
            raise self.error("`in` where a column is compared with a list", said)
        kinds = [_kind(value) for value in values]
        if "time" in kinds and "text" in kinds:
            dates: Any = values[kinds.index("time")]
            values = [self.time(value, dates, said) if isinstance(value, str) else value for value in values]
        elif "mixed entries" in kinds:
            raise self.error("a comparison of columns of numbers, text or dates", said)
        elif kinds[0] != kinds[1]:
            raise self.error("a comparison of like with like", f"{kinds[0]} and {kinds[1]} in {said}", False)
        try:
            met: pd.Series[Any] = _COMPARISONS[type(op)](*values)
        except TypeError:
            raise self.error("a comparison of like with like", said, quote=False) from None
        return met.to_numpy(bool, na_value=isinstance(op, ast.NotEq))

    def time(self, text: Any, column: "pd.Series[Any]", said: str) -> Any:
        """A date from text, in the time zone of a column unless the text names one."""
        import pandas as pd

        zone = column.dt.tz
        try:
            if not isinstance(text, str):
                raise TypeError(text)
            found = pd.Timestamp(text)
        except (ValueError, TypeError):
            raise self.error("a comparison of dates with dates", said) from None
        return found.tz_localize(zone) if zone is not None and found.tz is None else found

    def member(self, left: ast.expr, right: ast.expr, said: str) -> np.ndarray:
        """`column in [...]`, or `"x" in column` if the entries of the column are lists."""
        if isinstance(left, ast.Name) and isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            column, listed = self.column(left), self.literal(right)
            if _kind(column) == "time":
                listed = [self.time(x, column, said) for x in listed]
                return np.asarray(column.isin(listed), bool)
            wrong = [x for x in listed if _kind(x) != _kind(column)]
            if wrong:
                kind = _kind(column)
                raise self.error(
                    "a comparison of like with like", f"{kind} and {wrong[0]!r} in {said}", False
                )
            return np.asarray(column.isin(listed), bool)
        if isinstance(right, ast.Name) and isinstance(left, ast.Constant):
            column, value = self.column(right), self.literal(left)
            entries = column.tolist()
            if not any(isinstance(entry, (list, tuple)) for entry in entries):
                raise self.error("`in` with a list, or with a column whose entries are lists", said)
            return np.array([isinstance(x, (list, tuple)) and value in x for x in entries], bool)
        raise self.error("`in` with a list of literals", said)

    def column(self, node: ast.Name) -> "pd.Series[Any]":
        name = self.quoted.get(node.id, node.id)
        if name not in self.frame.columns:
            listed = ", ".join(map(repr, self.frame.columns)) or "none"
            raise ValueError(
                f"`{self.rule}` must name columns of the metadata. Received: {name!r}; there are {listed}."
            )
        found: pd.Series[Any] = self.frame[name]
        categories = getattr(found.dtype, "categories", None)
        # Categories without an order of their own are compared by their values.
        return found if categories is None or found.cat.ordered else found.astype(categories.dtype)

    def literal(self, node: ast.expr) -> Any:
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.literal(part) for part in node.elts]
        sign = isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd))
        value = node.operand if sign and isinstance(node, ast.UnaryOp) else node
        plain = isinstance(value, ast.Constant) and isinstance(value.value, (bool, int, float, str))
        if not plain or (sign and isinstance(value, ast.Constant) and not _is_number(value.value)):
            raise self.error(f"made of {_KNOWN} alone", f"`{ast.unparse(node)}`")
        return ast.literal_eval(node)


def truth_of(column: "pd.Series[Any]", rule: str, name: str) -> np.ndarray:
    """Which entries of a column of truth values are true; missing ones count as false."""
    import pandas as pd

    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "b":
        return column.to_numpy()
    entries = column.astype(object).to_numpy()
    there = ~pd.isna(column).to_numpy()
    bad = [x for x in entries[there] if not isinstance(x, (bool, int, float, np.generic)) or x not in (0, 1)]
    if bad:
        raise ValueError(
            f"`{rule}` must name a column of truth values, or compare it, as in \"{name} == 'x'\". "
            f"Received: {name!r}, which holds {bad[0]!r}."
        )
    found = np.zeros(len(entries), bool)
    found[there] = entries[there].astype(bool)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """The kind of a column or literal: `"number"`, `"text"`, `"time"` or `"mixed entries"`."""
    import pandas as pd

    if not isinstance(value, pd.Series):
        return "text" if isinstance(value, str) else "number"
    if pd.api.types.is_numeric_dtype(value.dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(value.dtype):
        return "time"
    entries = value.dropna()
    if all(isinstance(entry, str) for entry in entries):
        return "text"
    return "number" if all(isinstance(x, (bool, int, float)) for x in entries) else "mixed entries"
