"""From what was written to reference images: marks, URLs, expressions, paths and globs, in this order."""

from __future__ import annotations

import ast
import builtins
import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, did_you_mean, plain
from seedream_nb.options import MOST_REFERENCES
from seedream_nb.references.limits import wrong
from seedream_nb.references.urls import checked_url, content_of, is_data, is_url
from seedream_nb.references.values import born, nearest_file, sources_of
from seedream_nb.request import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from PIL import Image

    from seedream_nb.scope import Scope

_MARK = re.compile(r"@(?:last|[0-9]+(?:\.[0-9]+)?)")
_NOTHING = object()
_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """Where the parts of a reference are looked up: handed down from above."""

    scope: Scope
    marked: Callable[[str], Sequence[Path]]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One picture that was found and not read yet, or a URL."""

    name: str
    url: str | None = None
    source: Path | bytes | Image.Image | None = None
    known: Reference | None = None

    def born(self) -> Reference:
        if self.known is not None:
            return self.known
        if self.source is None:
            return Reference(name=self.name, url=self.url)
        return born(self.name, self.source)


def resolve(
    written: object,
    *,
    scope: Scope,
    marked: Callable[[str], Sequence[Path]],
    folder: Path,
    room: int = MOST_REFERENCES,
) -> list[Reference]:
    """Return the reference images that something written means: a text of `--image`, or a value.

    Args:
        written: a mark such as `@3`, a URL, a data URI, an expression, a path or glob; or any value that holds
            pictures.
        scope: the names that expressions may use.
        marked: gives the files of a history mark; raises Problem or LookupError if there are none.
        folder: where relative paths begin.
        room: how many references may come at most; more are refused before any is read.

    Raises:
        Problem: with one sentence for each reference that can't be used.
    """
    found = list(_find(written, Lookups(scope=scope, marked=marked, folder=folder)))
    if len(found) > room:
        name = _name_of(written)
        raise wrong(name, f"gives {len(found)} pictures; at most {room} more fit into this request.")
    references, problems = _births(found)
    if problems:
        raise Problem(*(text for problem in problems for text in problem.texts), reference=True)
    return references


def resolve_all(written: Iterable[object], lookups: Lookups) -> tuple[list[Reference], list[Problem]]:
    """Return the references of a whole request, each picture once, and everything that is wrong with them.

    At most one picture beyond the limit is read.
    """
    found: list[_Found] = []
    problems: list[Problem] = []
    for each in written:
        try:
            found += _find(each, lookups)
        except Problem as problem:
            problems.append(problem)
    references, refused = _births(found, room=MOST_REFERENCES)
    return references, [*problems, *refused]


def _births(found: Sequence[_Found], room: int | None = None) -> tuple[list[Reference], list[Problem]]:
    """Read what was found; stop where more different pictures come than there is room for."""
    references: dict[str, Reference] = {}
    problems: list[Problem] = []
    for each in found:
        try:
            reference = each.born()
        except Problem as problem:
            problems.append(problem)
            continue
        if room is not None and len(references) == room and reference.identity not in references:
            told = f"images: found more than {room} references ({len(found)} in all); leave out {len(found) - room}."
            return list(references.values()), [*problems, Problem(told, reference=True)]
        references.setdefault(reference.identity, reference)
    return list(references.values()), problems


def _find(written: object, lookups: Lookups) -> Iterator[_Found]:
    """Yield the pictures that something written means, unread."""
    if isinstance(written, Reference):  # of a request that is run again
        yield _Found(name=written.name, known=written)
        return
    if not isinstance(written, str):
        yield from _of_value(_name_of(written), written, lookups)
        return
    word = written.strip()
    is_plain = _MARK.fullmatch(word) or is_url(word)
    value, tried = (_NOTHING, "") if is_plain else _evaluated(word, lookups.scope)
    if value is _NOTHING:
        yield from _of_text(word, word, lookups, tried)
    else:
        yield from _of_value(word, value, lookups)


def _of_value(name: str, value: object, lookups: Lookups) -> Iterator[_Found]:
    for part, source in sources_of(name, value):
        if isinstance(source, str):
            yield from _of_text(part, source.strip(), lookups)
        else:
            yield _Found(name=part, source=lookups.folder / source if isinstance(source, Path) else source)


def _of_text(name: str, text: str, lookups: Lookups, tried: str = "") -> Iterator[_Found]:
    """Yield what a text means that is no expression: a mark, a URL, a data URI, a path or glob."""
    if not text:
        raise wrong(name or "A reference", "is empty: write a path, a URL, a variable or a mark such as @3.")
    if _MARK.fullmatch(text):
        yield from _of_mark(text, lookups)
    elif is_data(text):
        short = plain(text.partition(",")[0], _SHOWN)
        yield _Found(name=short, source=content_of(short, text))
    elif is_url(text):
        yield _Found(name=text, url=checked_url(text, text))
    else:
        yield from _of_path(text, lookups, tried)


def _of_mark(mark: str, lookups: Lookups) -> Iterator[_Found]:
    try:
        paths = lookups.marked(mark)
    except Problem as problem:
        raise Problem(*problem.texts, reference=True) from problem
    except LookupError as error:
        raise wrong(mark, f"is not in the history ({error}).") from error
    for path in paths:
        yield _Found(name=mark if len(paths) == 1 else f"{mark} ({path.name})", source=path)


def _of_path(text: str, lookups: Lookups, tried: str) -> Iterator[_Found]:
    """Yield the files that a path or glob means; a file whose name looks like a glob is that file."""
    path = _placed(text, lookups.folder)
    if _exists(path):
        yield _Found(name=text, source=path)
    elif text.startswith("@"):
        raise wrong(text, "is no mark; marks are @3, @3.2 and @last. For anything else write its variable or path.")
    elif glob.has_magic(text):
        yield from _of_glob(text, lookups.folder)
    else:
        guess = nearest_file(path) or did_you_mean(text, lookups.scope.names())
        raise wrong(text, f"was not found in {plain(str(path.parent), _SHOWN)}{tried}.{guess}")


def _of_glob(text: str, folder: Path) -> Iterator[_Found]:
    pattern = str(_placed(text, Path()))
    # Path.glob takes no absolute patterns, and gives hidden files too.
    names = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    files = [name for name in names if not (folder / name).is_dir()]
    if not files:
        raise wrong(text, f"matches no file in {folder}; look which there are.")
    for name in files:
        yield _Found(name=name, source=folder / name)


def _placed(text: str, folder: Path) -> Path:
    """Return where a path leads that is written from a folder; `~` is the home of the user."""
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return folder / text


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null in it
        return False


def _evaluated(word: str, scope: Scope) -> tuple[object, str]:
    """Return the value of a word that is an expression, or `_NOTHING` and why it is none.

    Raises:
        Problem: the names in it exist, but it fails.
    """
    chain = _chain(word)
    if chain is None:
        return _NOTHING, ""
    if chain.name not in set(scope.names()) and not (
        scope.has_builtins and chain.calls and hasattr(builtins, chain.name)
    ):
        return _NOTHING, f", and there is no variable {plain(chain.name, _SHOWN)}"
    try:
        return scope.evaluate(word), ""
    except Exception as error:
        if isinstance(error, AttributeError) and error.name in chain.attributes:
            return _NOTHING, f", and {chain.name} has no attribute {error.name}"
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


def _name_of(written: object) -> str:
    """Return what a value is called in messages when it came without a name."""
    if isinstance(written, str):
        return written.strip()
    if isinstance(written, Path):
        return str(written)
    return {"tuple": "list", "bytes": "bytes", "list": "list"}.get(
        type(written).__name__, f"{type(written).__name__} value"
    )
