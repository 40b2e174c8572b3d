"""What the notebook offers to a request: the values of its names. A script has none, a test passes a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Scope(Protocol):
    """Where the names in a template or a reference get their values."""

    has_builtins: bool
    """Whether expressions may call Python's builtins (a notebook's may)."""

    def names(self) -> Iterable[str]:
        """Return the names that exist."""

    def evaluate(self, expression: str) -> object:
        """Return the value of a Python expression; whatever it raises comes out."""


class NamesScope:
    """Exactly the names given, and no builtins: the scope of `sd.generate(…, values={…})`."""

    has_builtins = False

    def __init__(self, values: Mapping[str, object]) -> None:
        """Offer these values by their names."""
        self._values = dict(values)

    def names(self) -> Iterable[str]:
        """Return the names that were given."""
        return self._values.keys()

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression over the names given, and nothing else."""
        return eval(expression, {"__builtins__": {}, **self._values})  # noqa: S307 - the user's own expression


class EmptyScope(NamesScope):
    """No names at all: what a script offers."""

    def __init__(self) -> None:
        """Offer nothing."""
        super().__init__({})
