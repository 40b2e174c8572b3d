"""Frozen, keyword-only values: `dataclass(frozen=True, kw_only=True)` in a tenth of its time.

What takes a dataclass so long is the code that it writes and compiles for each class. Here all classes share their
methods; `fields`, `replace` and `asdict` of `dataclasses` know them as they know its own.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature

_Class = TypeVar("_Class", bound=type)
_Value: TypeAlias = Any
"""Such a class or one of its values: what attributes it has, is known while running."""


@overload
def frozen(kind: _Class, /) -> _Class: ...
@overload
def frozen(*, eq: bool) -> Callable[[_Class], _Class]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(kind: _Value = None, /, *, eq: bool = True) -> _Value:
    """Let values of a class be made by keywords and never change; with `eq=False` each equals only itself."""
    if kind is None:
        return lambda kind: _freeze(kind, eq=eq)
    return _freeze(kind, eq=eq)


def _freeze(kind: _Value, *, eq: bool) -> _Value:
    dataclass(init=False, repr=False, eq=False, kw_only=True)(kind)
    known = fields(kind)
    kind._defaults = {each.name: each.default for each in known}  # noqa: SLF001 - as a class that they share would do
    kind._makers = [(each.name, each.default_factory) for each in known if each.default_factory is not MISSING]  # noqa: SLF001
    kind.__signature__ = _Signature()
    methods = _METHODS | _EQUALITY if eq else _METHODS
    for name, method in methods.items():
        if name not in vars(kind):
            setattr(kind, name, method)
    return kind


class _Signature:
    """What a call of the class takes, worked out when somebody asks."""

    def __get__(self, value: object, kind: type) -> Signature:
        import inspect

        if value is not None:
            raise AttributeError("__signature__")
        asked = [(each, field(default=each.default, default_factory=each.default_factory)) for each in fields(kind)]
        return inspect.signature(
            make_dataclass("_", [(each.name, each.type, new) for each, new in asked], kw_only=True)
        )


def _init(self: _Value, /, **given: object) -> None:
    values = {**self._defaults, **given}
    for name, make in self._makers:
        if name not in given:
            values[name] = make()
    if len(values) > len(self._defaults):
        raise TypeError(f"{type(self).__qualname__} has no {', '.join(given.keys() - self._defaults.keys())}")
    for name, value in values.items():
        if value is MISSING:
            raise TypeError(f"{type(self).__qualname__} lacks {name}")
        object.__setattr__(self, name, value)
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _refuse(_: object, name: str, *__: object) -> None:
    raise FrozenInstanceError(f"{name!r} never changes")


def _repr(self: _Value) -> str:
    told = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({told})"


def _compared(value: _Value) -> tuple[object, ...]:
    return tuple(getattr(value, each.name) for each in fields(value) if each.compare)


def _eq(self: object, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: object) -> int:
    return hash(_compared(self))


_METHODS = {"__init__": _init, "__setattr__": _refuse, "__delattr__": _refuse, "__repr__": _repr}
_EQUALITY = {"__eq__": _eq, "__hash__": _hash}
