"""Variables that are brought up to date before code other than the trainer reads or changes them."""

import functools
from collections.abc import Iterable
from typing import Any, Literal, Protocol

from kerasrec.trainers._keras import in_stateless_scope

Kind = Literal["weights", "slots"]


class Keeper(Protocol):
    """Knows up to which step the rows of variables are up to date."""

    def before(self, kind: Kind) -> None:
        """Called before other code reads or changes variables of this kind."""


class _Watched:
    """Mixed into the class of a `keras.Variable`."""

    _keepers: dict[int, tuple[Keeper, Kind]]

    @property
    def value(self) -> Any:
        self._tell_keepers()
        return super().value  # type: ignore[misc]

    def _direct_assign(self, value: Any) -> None:
        self._tell_keepers()
        super()._direct_assign(value)  # type: ignore[misc]

    def _tell_keepers(self) -> None:
        if not in_stateless_scope():
            for keeper, kind in tuple(self._keepers.values()):
                keeper.before(kind)


def watch(variables: Iterable[Any], keeper: Keeper, kind: Kind) -> None:
    """Notify `keeper` before these variables are read or changed."""
    for variable in variables:
        if not isinstance(variable, _Watched):
            cls: Any = type(variable)
            variable.__class__ = _watched(cls)
            variable.__dict__["_keepers"] = {}
        variable._keepers[id(keeper)] = keeper, kind


def forget(variables: Iterable[Any], keeper: Keeper) -> None:
    """Stop notifying `keeper`."""
    for variable in variables:
        getattr(variable, "_keepers", {}).pop(id(keeper), None)


def others(variables: Iterable[Any], keeper: Keeper | None) -> list[Keeper]:
    """The keepers of these variables except one."""
    found = {
        id(other): other
        for variable in variables
        for other, _ in getattr(variable, "_keepers", {}).values()
        if other is not keeper
    }
    return list(found.values())


@functools.cache
def _watched(cls: type) -> type:
    return type(cls.__name__, (_Watched, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})
