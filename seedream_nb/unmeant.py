"""Values that nobody means as text: they are in a prompt only by mistake. For each, what to write instead.

Values are recognised by their abilities; no library is imported to find out.
"""

from __future__ import annotations

import functools
import inspect
import numbers
from collections import UserList, deque
from collections.abc import Coroutine, Iterator, Mapping, MappingView
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import plain
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.references.arrays import is_array
from seedream_nb.references.foreign import is_file, shown_kind
from seedream_nb.request import MAX_PROMPT
from seedream_nb.scope import is_masked, scalar, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 5
_SHOWN = 60
_DIGITS = lazy_pattern("[0-9]{1,9}")
_ADDRESS = lazy_pattern(r" at 0x[0-9A-Fa-f]{4,}>")
_CALL = lazy_pattern(r"[^\W\d][\w.]*[(\[]")
_OPENED, _CLOSED = ("(", "[", "{", "<"), (")", "]", "}", ">")
_GAPS = frozenset({"NAType", "NaTType"})
"""pandas' types of missing values."""
OF_A_GAP = "Give it one; in a table, fillna fills such gaps."
JOIN = "In a list it is written as code. Join the texts first: text = ', '.join(map(str, items))."
_LINKS, _SHOWN_KINDS = frozenset({"FileLink"}), frozenset({"DisplayObject"})
"""Classes of IPython's: links to files, and whatever else is made to be shown."""
_OWN = frozenset({str, int, bool})
_SETS = (set, frozenset)
_LISTS = (list, tuple, deque, UserList)
_PLAIN = frozenset({list, tuple, set, dict})
_WITH_ITEMS = (*_LISTS, *_SETS, Mapping)


@frozen
class Unmeant:
    """Why a value is not meant as text."""

    told: str
    """The rest of a sentence that begins with its name."""
    remedy: str
    """What to do, as a sentence."""
    reads: bool = True
    """Whether its text could be meant all the same; then the message says how to use it."""


def gap(value: object) -> str | None:
    """Return what a missing value is called (None, ..., nan, <NA>, NaT); None for any other value."""
    own = scalar(value)
    is_none = own is None or own is Ellipsis or own is NotImplemented
    if is_none or type(value).__name__ in _GAPS or (own is value and is_masked(value)):
        return plain(str(value), _SHOWN)
    if not isinstance(own, numbers.Number):
        return None
    is_nan = getattr(own, "is_nan", None)  # a Decimal that signals can't be compared
    missing = is_nan() if callable(is_nan) else own != own  # noqa: PLR0124 - True only for NaN
    return plain(str(value), _SHOWN) if missing else None


def unmeant(value: Any, code: str) -> tuple[str, Unmeant] | None:
    """Return what in a value is not meant as text, and why; None if its text may be meant.

    A `str` is text, and so is what has its own `__str__` or `__format__` and is none of the kinds below, unless that
    reads as the code that makes the value. A list is text if each item is, as Python writes it there; so is a
    dictionary, which may contain None.

    Args:
        value: of an expression.
        code: the expression without its braces.
    """
    return _within(value, code, 0)


def overlong(value: object, form: str = "") -> str | None:
    """Return what is too long about the text that a value would give in a format, before it is made; None if nothing.

    A list may hold the same list many times over, so that its text fills any memory.
    """
    if any(int(width) > MAX_PROMPT for width in _DIGITS.findall(form)):
        return f"asks for a width of more than {MAX_PROMPT:,} characters"
    left, within = MAX_PROMPT, [iter((value,))]
    unfinished: dict[int, None] = {}
    while within:
        for each in within[-1]:
            left -= len(each) if isinstance(each, str) else 1
            if left < 0:
                return f"has more than {MAX_PROMPT:,} characters"
            if isinstance(each, _WITH_ITEMS) and id(each) not in unfinished:  # it may lie within itself
                within.append(chain.from_iterable(each.items()) if isinstance(each, Mapping) else iter(each))
                unfinished[id(each)] = None
                break
        else:
            within.pop()
            if unfinished:
                unfinished.popitem()
    return None


def reads_as_object(value: object, text: str) -> bool:
    """Return whether the text of a value is what Python writes for an object that has no text of its own."""
    if isinstance(value, str):
        return False
    if _ADDRESS.search(text) or _describes_scalar(value, text) or _calls_its_class(value, text):
        return True
    return text.startswith("<") and text.endswith(">") and (not _has_own_text(value) or callable(value))


def _calls_its_class(value: object, text: str) -> bool:
    """Return whether a text is the code that makes the value, `Point(x=1)`, or says its class, `Rolling [window=2]`.

    A class that has a text of its own is believed, unless that text begins with its name and a bracket.
    """
    text = text.strip()
    kind = type(value).__name__
    if text[-1:] not in _CLOSED or isinstance(value, str):
        return False
    named = text.startswith(kind) and text[len(kind) :].lstrip(" ")[:1] in _OPENED
    return named or (_CALL.match(text) is not None and not _has_own_text(value))


def _describes_scalar(value: object, text: str) -> bool:
    """Return whether a text describes an array without a dimension, as xarray's does, instead of giving its value."""
    return text.startswith("<") and (own := scalar(value)) is not value and text != str(own)


def _within(value: Any, code: str, depth: int) -> tuple[str, Unmeant] | None:
    if type(value) in _OWN or (isinstance(value, str) and not depth):
        return None
    if reason := _kind_of(value, code):
        return code, reason
    held = unwrapped(value)
    if (own := scalar(held)) is not value:  # what is in an array without a dimension, or in a scalar of Arrow
        inner = _within(own, f"{code}.{'item' if held is value else 'as_py'}()", depth)
        reason = inner[1] if inner else _in_a_list(value) if depth else None
        return (code, reason) if reason else None
    inner = None
    if depth < _DEEPEST and (isinstance(value, MappingProxyType) or not _has_own_text(value)):
        inner = next(filter(None, (_within(item, where, depth + 1) for where, item in _items(value, code))), None)
    if inner is None and depth and type(value) not in _PLAIN and (reason := _in_a_list(value)):
        return code, reason
    return inner


def _in_a_list(value: object) -> Unmeant | None:
    """Return why a value's repr, which is used within a list, is not meant as text."""
    text = repr(value)
    if text.startswith("<") and (text.endswith(">") or _describes_scalar(value, text)):
        return Unmeant(told=f"would read {plain(text, _SHOWN)}", remedy="Write the part of it that you mean.")
    if _CALL.match(text) and text[-1] in _CLOSED:
        return Unmeant(told=f"would read {plain(text, _SHOWN)}", remedy=JOIN)
    return None


def _items(value: object, code: str) -> Iterator[tuple[str, object]]:
    """Yield the items of a list, a set or a dictionary, each with the code for it."""
    if isinstance(value, _LISTS):
        yield from ((f"{code}[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, _SETS):
        yield from ((f"an item of {code}", item) for item in value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            both = ((f"a key of {code}", key), (f"{code}[{key!r}]", item))
            yield from (pair for pair in both if pair[1] is not None)


def _kind_of(value: Any, code: str) -> Unmeant | None:
    """Return why a value itself, not its items, is not meant as text."""
    if name := gap(value):
        return Unmeant(told=f"is {name}, so it has no value", remedy=OF_A_GAP)
    return next((reason for check in _KINDS if (reason := check(value, code))), None)


def _bytes(value: Any, code: str) -> Unmeant | None:
    if not isinstance(value, bytes | bytearray | memoryview):
        return None
    decoded = f"bytes({code}).decode()" if isinstance(value, memoryview) else f"{code}.decode()"
    return Unmeant(told="is bytes", remedy=f"To use them as text, write {{{decoded}}}.", reads=False)


def _path(value: Any, _code: str) -> Unmeant | None:
    return Unmeant(told="is a path", remedy="To attach the picture, write it by itself.") if is_path(value) else None


def _file(value: Any, code: str) -> Unmeant | None:
    if not is_file(value):
        return None
    return Unmeant(told="is an open file", remedy=f"For its contents, write {{{code}.read()}}.", reads=False)


def _widget(value: Any, code: str) -> Unmeant | None:
    kind = type(value)
    if not hasattr(kind, "_model_name") and "widgets" not in kind.__module__.split("."):
        return None
    holds = hasattr(value, "value")
    remedy = f"For its value, write {{{code}.value}}." if holds else "Write text, or a variable that holds text."
    return Unmeant(told=f"is a widget ({kind.__name__})", remedy=remedy, reads=False)


def _shown_object(value: Any, code: str) -> Unmeant | None:
    """Return why what a notebook shows is nobody's text, be it made of one."""
    if shown_kind(value, _LINKS):
        remedy = f"To attach the picture, write --image {code}."
        return Unmeant(told="is a link to a file", remedy=remedy)
    if not shown_kind(value, _SHOWN_KINDS) or _has_own_text(value):
        return None
    holds = isinstance(value.data, str)
    remedy = f"For its source, write {{{code}.data}}." if holds else "Write text, or a variable that holds text."
    return Unmeant(told=f"is what a notebook shows ({type(value).__name__})", remedy=remedy, reads=False)


def _array(value: Any, _code: str) -> Unmeant | None:
    kind = type(value)
    shape = getattr(value, "shape", None)
    if (
        not (is_array(value) or kind.__module__ == "array")
        or shape == ()
        or (shape is None and not hasattr(kind, "__len__"))
    ):
        return None
    size = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    called = "an array" if kind.__name__ in {"ndarray", "array", "Array"} else f"an array ({kind.__name__})"
    return Unmeant(told=f"is {called}{size}", remedy="Write one of its values, or convert it to text.")


def _table(value: Any, _code: str) -> Unmeant | None:
    """Return why a table that is still to be computed is nobody's text: it reads as a plan, or as a query."""
    columns = inspect.getattr_static(type(value), "columns", None)
    if not isinstance(columns, property) or not (hasattr(type(value), "schema") or hasattr(type(value), "dtypes")):
        return None
    return Unmeant(told=f"is a table ({type(value).__name__})", remedy="Write one of its values.")


def _expression(value: Any, _code: str) -> Unmeant | None:
    """Return why an expression over a column, as of polars or Spark, is nobody's text: it is neither true nor false."""
    if not (hasattr(type(value), "__bool__") and hasattr(type(value), "cast")):
        return None
    try:
        bool(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        told = f"is an expression ({kind}) that is still to be computed"
        return Unmeant(told=told, remedy="Compute it, and write the value that you mean.")
    return None


def _function(value: Any, code: str) -> Unmeant | None:
    if isinstance(value, type):
        return Unmeant(told=f"is a class, {value.__qualname__}", remedy="Write an instance of it.", reads=False)
    if not inspect.isroutine(value) and not isinstance(value, functools.partial | functools.partialmethod):
        return None
    owner = getattr(value, "__self__", None)  # for a builtin function this is its module
    return Unmeant(
        told=f"is a {'function' if owner is None or inspect.ismodule(owner) else 'method'} that was not called",
        remedy=f"Write {{{code}()}}, with its arguments in the parentheses.",
        reads=False,
    )


def _generator(value: Any, code: str) -> Unmeant | None:
    if isinstance(value, Coroutine):
        return Unmeant(told="is a coroutine", remedy=f"Await it first: text = await {code}.", reads=False)
    if not isinstance(value, Iterator | MappingView) or (isinstance(value, Iterator) and _has_own_text(value)):
        return None
    kind = type(value).__name__
    remedy = f"Join its items into a text first: text = ', '.join({code})."
    article = "an" if kind[0] in "aeiou" else "a"
    return Unmeant(told=f"is {article} {kind}, which yields its items one by one", remedy=remedy, reads=False)


_KINDS: tuple[Callable[[Any, str], Unmeant | None], ...] = (
    _bytes, _path, _widget, _shown_object, _file, _array, _table, _expression, _function, _generator,
)  # fmt: skip


def is_path(value: object) -> bool:
    """Return whether a value is a path, on this machine or within an archive."""
    return hasattr(type(value), "__fspath__") or (hasattr(type(value), "read_bytes") and hasattr(type(value), "open"))


def _has_own_text(value: object) -> bool:
    """Return whether a value's class defines its text, besides its repr."""
    return type(value).__str__ is not object.__str__ or type(value).__format__ is not object.__format__
