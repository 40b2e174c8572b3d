"""Words that are expressions: a name of the notebook followed by attributes, subscripts and calls."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.references.foreign import said
from seedream_nb.references.limits import wrong

if TYPE_CHECKING:
    from seedream_nb.scope import Scope

NOTHING = object()
_SHOWN = 60
_LONGEST = 2_000
"""Characters of one expression, as in a prompt."""


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
        raise wrong(word, f"raises {said(error)}. For a file of that name write ./{word}.") from error


def hint_for(word: str, scope: Scope) -> str:
    """Return what to write in place of a word that is more of an expression than can stand there; "" for others."""
    node = None if _chain(word) else _parsed(word)
    if node is None or isinstance(node, ast.Set | ast.Dict):  # braces are of a prompt
        return ""
    if {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}.isdisjoint(scope.names()):
        return ""
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        return f" For several write {plain(' '.join(f'-i {ast.unparse(each)}' for each in node.elts), _SHOWN)}."
    return " For the value of an expression make it a variable, and write that."


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """A name followed by attributes, subscripts and calls."""

    name: str
    attributes: frozenset[str]
    calls: bool


def _chain(word: str) -> _Chain | None:
    """Return the shape of an expression as a template may have it, or None for any other text."""
    node = _parsed(word)
    if node is None:
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


def _parsed(word: str) -> ast.expr | None:
    """Return what Python reads in a word, or None."""
    if len(word) > _LONGEST:
        return None
    try:
        return ast.parse(word, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
