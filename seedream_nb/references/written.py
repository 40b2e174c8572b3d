"""Reads what people write and paste for a reference: as a path, a URL or an expression of the notebook."""

from __future__ import annotations

import ast
import base64
import binascii
import builtins
import glob
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urlsplit

from seedream_nb import hosts as addresses
from seedream_nb.errors import nearest, plain
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.references.foreign import describe_error
from seedream_nb.references.limits import reference_problem
from seedream_nb.request import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.scope import Scope


_MAX_LISTED = 10_000
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of characters that are invisible at the ends of pasted text: direction marks, zero width, spaces."""
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u201e": "\u201c", "\u2018": "\u2019", "\xab": "\xbb"}
_WINDOWS_PATH = lazy_pattern(r"([A-Za-z]):[\\/]|\\\\")
_FILE_URI = lazy_pattern(r"file:", re.IGNORECASE)
_DRIVE = lazy_pattern(r"/[A-Za-z]:")


def clean_pasted(text: str) -> str:
    """Return a text without what was pasted along with it: quotes around it, and invisible characters."""
    while True:
        bare = strip_quotes(strip_invisible(text))
        if bare == text:
            return text
        text = bare


def strip_invisible(text: str) -> str:
    """Return a text without invisible characters at its ends."""
    begin, end = 0, len(text)
    while begin < end and unicodedata.category(text[begin]) in _INVISIBLE:
        begin += 1
    while begin < end and unicodedata.category(text[end - 1]) in _INVISIBLE:
        end -= 1
    return text[begin:end]


def strip_quotes(text: str) -> str:
    """Return a text without the pair of quotes around it."""
    inner = text[1:-1]
    closing = _QUOTES.get(text[:1])
    return inner if inner and text.endswith(closing or "\0") and not {text[0], closing} & {*inner} else text


def resolve_path(text: str | Path, folder: Path) -> Path:
    """Return a path relative to a folder; `~` is the user's home."""
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return folder / text


def exists(path: Path) -> bool:
    """Return whether a path exists."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or contains a null
        return False


def find_file(text: str | Path, folder: Path) -> Path | None:
    """Return the file that a path means, however it is spelled; None if there is none, or more than one."""
    as_written = resolve_path(text, folder)
    if exists(as_written):
        return as_written
    for reading in dict.fromkeys(_readings(text)) if isinstance(text, str) else ():
        if exists(path := resolve_path(reading, folder)):
            return path
    return None if str(as_written).isascii() else _in_other_form(as_written)


def _readings(text: str) -> Iterator[str]:
    """Yield what a text may mean in the spelling of a shell, of a URL, of Windows."""
    if os.name != "nt" and "\\" in text:
        yield re.sub(r"\\(.)", r"\1", text)
        if not _WINDOWS_PATH.match(text):
            yield text.replace("\\", "/")
    if "%" in text:
        yield unquote(text)


def _in_other_form(path: Path) -> Path | None:
    """Return the only file whose path differs just in Unicode normalization, as other systems write accents."""
    path_so_far = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if not exists(path_so_far / part):
            wanted = unicodedata.normalize("NFC", part)
            alike = [name for name in _names(path_so_far) if unicodedata.normalize("NFC", name) == wanted]
            if len(alike) != 1:
                return None
            path_so_far /= alike[0]
        else:
            path_so_far /= part
    return path_so_far


def files_matching(pattern: str, folder: Path) -> list[str]:
    """Return the files that a pattern matches, sorted, in either normalization of accents."""
    forms = dict.fromkeys([pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD"))])
    names: set[str] = set()
    for form in forms:
        # Path.glob takes no absolute patterns, and gives hidden files too.
        names.update(glob.glob(str(resolve_path(form, Path())), root_dir=folder, recursive=True))  # noqa: PTH207 - see above
    return [name for name in sorted(names) if not (folder / name).is_dir()]


def path_of_uri(text: str) -> str | None:
    """Return the path in a `file:` URI; None for any other text.

    Raises:
        Problem: it belongs to another machine.
    """
    if not _FILE_URI.match(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise reference_problem(text, f"is not a valid file URI ({error}); write its path.") from error
    if parts.netloc.lower() not in {"", "localhost"}:
        raise reference_problem(text, "is a file on another machine; copy it here, and write its path.")
    path = unquote(parts.path)
    return path[1:] if _DRIVE.match(path) else path


def windows_path_reason(text: str) -> str:
    """Say that a path is a Windows path, if this is another system; "" for other paths."""
    match = _WINDOWS_PATH.match(text) if os.name != "nt" else None
    if match is None:
        return ""
    mounted = Path("/mnt", match[1].lower(), *re.split(r"[\\/]+", text[3:])) if match[1] else None
    if mounted is not None and exists(mounted):
        return f"is a Windows path; here it is {mounted}."
    return "is a Windows path, and this kernel runs on another system; upload the file, or drop it into the panel."


def nearest_file(path: Path) -> str:
    """Return ` Did you mean …?` with the nearest file of that folder, or say that the folder is missing."""
    try:
        if not path.parent.is_dir():
            return " That folder does not exist."
    except OSError:
        return ""
    by_stem: dict[str, list[str]] = {}
    for name in sorted(_names(path.parent)):
        by_stem.setdefault(Path(name).stem, []).append(name)
    stem = nearest(path.stem, by_stem)
    if stem is None:
        return ""
    guess = min(by_stem[stem], key=lambda name: Path(name).suffix.lower() != path.suffix.lower())
    return f" Did you mean {guess}?"


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, as far as it can be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry, _ in zip(entries, range(_MAX_LISTED), strict=False)]
    except (OSError, ValueError):
        return []


_SCHEME = lazy_pattern(r"[a-z][a-z0-9+.-]+://|(?:https?|data):", re.IGNORECASE)
_DATA = lazy_pattern(r"data:([^,;]*)((?:;[^,;]*)*),(.*)", re.IGNORECASE | re.DOTALL)
_LONGEST_URL = 8_000


def is_url(text: str) -> bool:
    """Return whether a text is meant as a URL or data URI; a Windows path such as `C:/x` is not."""
    return _SCHEME.match(text) is not None


def is_data(text: str) -> bool:
    """Return whether a URL is a data URI."""
    return text[:5].lower() == "data:"


def decode_data_uri(name: str, text: str) -> bytes:
    """Return the bytes of a data URI.

    Raises:
        Problem: it is not `data:image/<format>;base64,…`, or its base64 is broken.
    """
    match = _DATA.fullmatch(text)
    if match is None or not match[1].lower().startswith("image/") or ";base64" not in match[2].lower():
        raise reference_problem(name, "is not the data URI of a picture; it must be data:image/png;base64,… or jpeg.")
    try:
        return base64.b64decode(b"".join(unquote_to_bytes(match[3]).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise reference_problem(name, f"has broken base64 ({error}); encode the file again.") from error


def check_url(name: str, text: str) -> str:
    """Return a URL unchanged, if it can be fetched; no name is looked up.

    Raises:
        Problem: not http(s), no host, or a link-local address, where clouds keep secrets.
    """
    # First of all: parsing a host of a million combining characters takes hours.
    if len(text) > _LONGEST_URL or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise reference_problem(
            name, f"contains white space, or more than {_LONGEST_URL} characters: it can't be fetched."
        )
    parts = _parts(name, text)
    if addresses.is_link_local(parts.hostname or ""):
        raise reference_problem(
            name, "is a link-local address, which is never fetched; save the picture and pass its path."
        )
    return text


def is_private_url(url: str) -> bool:
    """Return whether a URL leads, as written, to this machine or network, where the service can't reach it."""
    return addresses.is_private(urlsplit(url).hostname or "")


def _parts(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise reference_problem(name, f"is not a URL ({error}).") from error
    if parts.scheme.lower() not in {"http", "https"}:
        path = " For a file write its path." if parts.scheme.lower() == "file" else ""
        raise reference_problem(name, f"is not http or https: the service can't fetch it.{path}")
    if not host:
        raise reference_problem(name, "has no host: write https://host/picture.png.")
    return parts


NOTHING = object()
_LONGEST_EXPRESSION = 2_000
"""The longest expression, as in a prompt."""


def evaluate_word(word: str, scope: Scope) -> tuple[object, str]:
    """Return the value of a word that is an expression, or `NOTHING` and why it is none.

    Raises:
        Problem: its names exist, but it fails.
    """
    chain = _chain(word)
    if chain is None:
        return NOTHING, ""
    if chain.name not in set(scope.names()) and not (
        scope.has_builtins and chain.calls and hasattr(builtins, chain.name)
    ):
        return NOTHING, f", and there is no variable {plain(chain.name, SHOWN)}"
    try:
        return scope.evaluate(word), ""
    except Exception as error:
        if isinstance(error, AttributeError) and error.name in chain.attributes:
            return NOTHING, f", and {chain.name} has no attribute {error.name}"
        raise reference_problem(
            word, f"raises {describe_error(error)}. For a file of that name write ./{word}."
        ) from error


def hint_for(word: str, scope: Scope) -> str:
    """Return what to write instead of a word that is too complex an expression; "" for others."""
    node = None if _chain(word) else _parsed(word)
    if node is None or isinstance(node, ast.Set | ast.Dict):  # braces belong to a prompt
        return ""
    if {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}.isdisjoint(scope.names()):
        return ""
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        return f" For several write {plain(' '.join(f'-i {ast.unparse(item)}' for item in node.elts), SHOWN)}."
    return " For the value of an expression, assign it to a variable, and write its name."


@frozen
class _Chain:
    """A name followed by attributes, subscripts and calls."""

    name: str
    attributes: frozenset[str]
    calls: bool


def _chain(word: str) -> _Chain | None:
    """Return the parts of an expression that a template may have, or None for any other text."""
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
    """Return the parsed expression, or None."""
    if len(word) > _LONGEST_EXPRESSION:
        return None
    try:
        return ast.parse(word, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
