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
"""Such a class or one of its values: its attributes are known only at run time."""


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
    makers = [(item.name, item.default_factory) for item in known if item.default_factory is not MISSING]
    kind._defaults, kind._makers = {item.name: item.default for item in known}, makers  # noqa: SLF001 - what its methods share
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
        declared = [(item, field(default=item.default, default_factory=item.default_factory)) for item in fields(kind)]
        return inspect.signature(
            make_dataclass("_", [(item.name, item.type, new) for item, new in declared], kw_only=True)
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
    shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
    return f"{type(self).__qualname__}({shown})"


def _compared(value: _Value) -> tuple[object, ...]:
    return tuple(getattr(value, item.name) for item in fields(value) if item.compare)


def _eq(self: object, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: object) -> int:
    return hash(_compared(self))


_METHODS = {"__init__": _init, "__setattr__": _refuse, "__delattr__": _refuse, "__repr__": _repr}
_EQUALITY = {"__eq__": _eq, "__hash__": _hash}
