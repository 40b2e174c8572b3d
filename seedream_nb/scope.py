"""What a notebook offers to a request: the values of its variables, and what it displayed. A script has neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from seedream_nb.errors import Problem, RequestError, describe_value, shorten
from seedream_nb.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WORD = lazy_pattern(r"[^\W\d]\w*")
_OWN = frozenset({str, bool, int, float})


class Scope(Protocol):
    """Where the names in a template or a reference get their values; a test passes a dict."""

    has_builtins: bool
    """Whether expressions may call Python's builtins (a notebook's may)."""

    def names(self) -> Iterable[str]:
        """Return the names that exist."""

    def evaluate(self, expression: str) -> object:
        """Return the value of a Python expression; whatever it raises comes out."""

    def namespace(self) -> Mapping[str, object]:
        """Return all that expressions see, as a dict that is not to be changed."""

    def offers(self, word: str) -> Sequence[str]:
        """Return completions of a reference that begins with this word: names, marks, files."""

    def shown(self, mark: str) -> Sequence[object]:
        """Return the pictures that `@out` (shown last) or `@[5]` (by cell 5) stand for; raises Problem."""

    def attached(self, name: str) -> bytes:
        """Return the content of the notebook's attachment of this name; raises Problem."""


class NamesScope:
    """Exactly the names given, and no builtins: the scope of `sd.generate(…, values={…})`."""

    has_builtins = False

    def __init__(self, values: Mapping[str, object]) -> None:
        """Offer these values by their names.

        Raises:
            RequestError: they are not a mapping, or a name is not a string.
        """
        self._values = _named(values)

    def names(self) -> Iterable[str]:
        """Return the names that were given."""
        return self._values.keys()

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression over the names given, and nothing else."""
        if expression.isascii() and expression.isidentifier() and expression in self._values:
            return self._values[expression]  # most are no more than a name, in each row of a table anew
        return eval(expression, {"__builtins__": {}, **self._values})  # noqa: S307 - the user's own expression

    def namespace(self) -> Mapping[str, object]:
        """Return the names given, and no builtins."""
        return {"__builtins__": {}, **self._values}

    def offers(self, word: str) -> Sequence[str]:
        """Return the names that begin with this word."""
        return [name for name in self._values if name.startswith(word)]

    def shown(self, mark: str) -> Sequence[object]:
        """Raise Problem: only a notebook has cells."""
        raise Problem(f"{mark} is what a notebook's cell showed, and this is not a notebook.", reference=True)

    def attached(self, name: str) -> bytes:
        """Raise Problem: only a notebook has attachments."""
        message = f"attachment:{shorten(name, 60)} needs a notebook, and this is not one; write a path."
        raise Problem(message, reference=True)


class EmptyScope(NamesScope):
    """No names at all: what a script offers."""

    def __init__(self) -> None:
        """Offer nothing."""
        super().__init__({})


class OverlaidScope(NamesScope):
    """Some names before those of another scope: a sweep's, or a row, before the variables of the notebook."""

    def __init__(self, values: Mapping[str, object], below: Scope) -> None:
        """Offer these values, and what is below."""
        super().__init__(values)
        self.has_builtins, self._below = below.has_builtins, below

    def names(self) -> Iterable[str]:
        """Return all names, each once."""
        return dict.fromkeys([*self._values, *self._below.names()])

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression; one without any of our names is the other scope's own matter."""
        if not mentions(expression, self._values):
            return self._below.evaluate(expression)
        return eval(expression, {**self._below.namespace(), **self._values})  # noqa: S307 - the user's own expression

    def offers(self, word: str) -> Sequence[str]:
        """Return the names that begin with this word."""
        return [*super().offers(word), *self._below.offers(word)]

    def shown(self, mark: str) -> Sequence[object]:
        """Return the pictures that `@out` or `@[5]` stands for; raises Problem."""
        return self._below.shown(mark)

    def attached(self, name: str) -> bytes:
        """Return the content of an attachment of the notebook; raises Problem."""
        return self._below.attached(name)


def mentions(expression: str, names: Iterable[str]) -> bool:
    """Return whether a text has any of these names as a word."""
    return any(word in names for word in _WORD.findall(expression))


def scalar(value: Any) -> Any:
    """Return a scalar of numpy or a similar library as Python's own; any other value as it is."""
    if type(value) in _OWN:
        return value
    try:
        shape, item = getattr(value, "shape", None), getattr(value, "item", None)
        if isinstance(shape, tuple) and not shape and callable(item) and not is_masked(value):
            return item()
    except Exception:  # noqa: BLE001 - foreign code
        return value
    return value


def unwrapped(value: Any) -> Any:
    """Return what a scalar of Arrow holds, which may be bytes or None; any other value as it is."""
    kind = type(value)
    is_wrapper = kind not in _OWN and hasattr(kind, "is_valid") and callable(getattr(kind, "as_py", None))
    return value.as_py() if is_wrapper else value


def is_masked(value: Any) -> bool:
    """Return whether a value is masked in its array, even if there is a number behind the mask."""
    return getattr(value, "shape", None) == () and getattr(value, "mask", None) is not None and bool(value.mask)


def _named(values: Any) -> dict[str, object]:
    """Return a dict of anything that has keys, such as a row of a table."""
    try:
        named = dict(values) if hasattr(values, "keys") else None
    except Exception:  # noqa: BLE001 - foreign code
        named = None
    if named is None:
        raise RequestError(
            f'values: found {describe_value(values)}; write a dictionary, such as values={{"style": "ink"}}.'
        )
    for name in named:
        if not isinstance(name, str):
            raise RequestError(
                f"values: found the name {describe_value(name)}; a name must be a string, as in the prompt."
            )
    return named
