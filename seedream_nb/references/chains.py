"""Words that are expressions: a name of the notebook followed by attributes, subscripts and calls."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.references.limits import wrong

if TYPE_CHECKING:
    from seedream_nb.scope import Scope

NOTHING = object()
_SHOWN = 60


def evaluated(word: str, scope: Scope) -> tuple[object, str]:
    """Return the value of a word that is an expression, or `NOTHING` and why it is none.

    Raises:
        Problem: the names in it exist, but it fails.
    """
    chain = _chain(word)
    if chain is None:
        return NOTHING, ""
    if chain.name not in set(scope.names()) and not (
        scope.has_builtins and chain.calls and hasattr(builtins, chain.name)
    ):
        return NOTHING, f", and there is no variable {plain(chain.name, _SHOWN)}"
    try:
        return scope.evaluate(word), ""
    except Exception as error:
        if isinstance(error, AttributeError) and error.name in chain.attributes:
            return NOTHING, f", and {chain.name} has no attribute {error.name}"
        told = f"{type(error).__name__}: {plain(str(error))}".removesuffix(": ")
        raise wrong(word, f"raises {told}. For a file of that name write ./{word}.") from error


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """A name followed by attributes, subscripts and calls."""

    name: str
    attributes: frozenset[str]
    calls: bool


def _chain(word: str) -> _Chain | None:
    """Return the shape of an expression as a template may have it, or None for any other text."""
    try:
        node = ast.parse(word, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    attributes, calls = set(), False
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            attributes.add(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call):
            calls, node = True, node.func
        else:
            return None
    return _Chain(name=node.id, attributes=frozenset(attributes), calls=calls)
