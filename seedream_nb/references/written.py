"""What people write and paste for a reference, read as a path, a URL or an expression of the notebook."""

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
from seedream_nb.references.foreign import said
from seedream_nb.references.limits import wrong
from seedream_nb.request import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.scope import Scope


_MAX_LISTED = 10_000
_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of characters that nobody sees at the ends of what was pasted: marks of direction, of no width, spaces."""
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u201e": "\u201c", "\u2018": "\u2019", "\xab": "\xbb"}
_OF_WINDOWS = re.compile(r"([A-Za-z]):[\\/]|\\\\")
_FILE_URI = re.compile(r"file:", re.IGNORECASE)
_DRIVE = re.compile(r"/[A-Za-z]:")


def tidied(text: str) -> str:
    """Return a text without what came along as it was pasted: quotes around it, and characters that nobody sees."""
    while True:
        bare = unquoted(seen(text))
        if bare == text:
            return text
        text = bare


def seen(text: str) -> str:
    """Return a text without the characters at its ends that nobody sees."""
    begin, end = 0, len(text)
    while begin < end and unicodedata.category(text[begin]) in _UNSEEN:
        begin += 1
    while begin < end and unicodedata.category(text[end - 1]) in _UNSEEN:
        end -= 1
    return text[begin:end]


def unquoted(text: str) -> str:
    """Return a text without the pair of quotes around it."""
    inner = text[1:-1]
    closing = _QUOTES.get(text[:1])
    return inner if inner and text.endswith(closing or "\0") and not {text[0], closing} & {*inner} else text


def placed(text: str | Path, folder: Path) -> Path:
    """Return where a path leads that is written from a folder; `~` is the home of the user."""
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return folder / text


def exists(path: Path) -> bool:
    """Return whether something is there."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null in it
        return False


def file_meant(text: str | Path, folder: Path) -> Path | None:
    """Return the file that a path means, however it is spelt; None if there is none, or more than one."""
    as_written = placed(text, folder)
    if exists(as_written):
        return as_written
    for reading in dict.fromkeys(_readings(text)) if isinstance(text, str) else ():
        if exists(path := placed(reading, folder)):
            return path
    return None if str(as_written).isascii() else _in_other_form(as_written)


def _readings(text: str) -> Iterator[str]:
    """Yield what a text may say in the spelling of a terminal, of a URL, of Windows."""
    if os.name != "nt" and "\\" in text:
        yield re.sub(r"\\(.)", r"\1", text)
        if not _OF_WINDOWS.match(text):
            yield text.replace("\\", "/")
    if "%" in text:
        yield unquote(text)


def _in_other_form(path: Path) -> Path | None:
    """Return the one file whose path has the same letters, put together or apart: as other systems write accents."""
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if not exists(found / part):
            wanted = unicodedata.normalize("NFC", part)
            alike = [each for each in _names(found) if unicodedata.normalize("NFC", each) == wanted]
            if len(alike) != 1:
                return None
            found /= alike[0]
        else:
            found /= part
    return found


def files_matching(pattern: str, folder: Path) -> list[str]:
    """Return the files that a pattern matches, in sorted order, whichever way their accents are written."""
    forms = dict.fromkeys([pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD"))])
    found: set[str] = set()
    for each in forms:
        # Path.glob takes no absolute patterns, and gives hidden files too.
        found.update(glob.glob(str(placed(each, Path())), root_dir=folder, recursive=True))  # noqa: PTH207
    return [name for name in sorted(found) if not (folder / name).is_dir()]


def path_of_uri(text: str) -> str | None:
    """Return the path in a `file:` URI; None for any other text.

    Raises:
        Problem: it is of another machine.
    """
    if not _FILE_URI.match(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise wrong(text, f"is no URI of a file ({error}); write its path.") from error
    if parts.netloc.lower() not in {"", "localhost"}:
        raise wrong(text, "is a file of another machine; copy it here, and write its path.")
    path = unquote(parts.path)
    return path[1:] if _DRIVE.match(path) else path


def why_elsewhere(text: str) -> str:
    """Return that a path is one of Windows, where this is another system; "" for other paths."""
    found = _OF_WINDOWS.match(text) if os.name != "nt" else None
    if found is None:
        return ""
    mounted = Path("/mnt", found[1].lower(), *re.split(r"[\\/]+", text[3:])) if found[1] else None
    if mounted is not None and exists(mounted):
        return f"is a path of Windows; here it is {mounted}."
    return "is a path of Windows, and this kernel runs on another system; upload the file, or drop it into the panel."


def nearest_file(path: Path) -> str:
    """Return ` Did you mean …?` with the file of that folder that comes nearest, or what is missing before it."""
    try:
        if not path.parent.is_dir():
            return " That folder does not exist."
    except OSError:
        return ""
    by_stem: dict[str, list[str]] = {}
    for each in sorted(_names(path.parent)):
        by_stem.setdefault(Path(each).stem, []).append(each)
    found = nearest(path.stem, by_stem)
    if found is None:
        return ""
    guess = min(by_stem[found], key=lambda each: Path(each).suffix.lower() != path.suffix.lower())
    return f" Did you mean {guess}?"


def _names(folder: Path) -> list[str]:
    """Return the names of what is in a folder, as far as it can be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry, _ in zip(entries, range(_MAX_LISTED), strict=False)]
    except (OSError, ValueError):
        return []


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://|(?:https?|data):", re.IGNORECASE)
_DATA = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),(.*)", re.IGNORECASE | re.DOTALL)
_LONGEST_URL = 8_000


def is_url(text: str) -> bool:
    """Return whether a text is meant as a URL or data URI: a Windows path such as `C:/x` is not."""
    return _SCHEME.match(text) is not None


def is_data(text: str) -> bool:
    """Return whether a URL carries its content itself."""
    return text[:5].lower() == "data:"


def content_of(name: str, text: str) -> bytes:
    """Return the bytes of a data URI.

    Raises:
        Problem: it is not `data:image/<format>;base64,…`, or its base64 is broken.
    """
    found = _DATA.fullmatch(text)
    if found is None or not found[1].lower().startswith("image/") or ";base64" not in found[2].lower():
        raise wrong(name, "is no data URI of a picture; it must read data:image/png;base64,… or jpeg.")
    try:
        return base64.b64decode(b"".join(unquote_to_bytes(found[3]).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(name, f"has broken base64 ({error}); encode the file again.") from error


def checked_url(name: str, text: str) -> str:
    """Return a URL, as written, that somebody can be expected to fetch; no name is looked up.

    Raises:
        Problem: not http(s), no host, or a link-local address: clouds keep secrets there.
    """
    # First, for reading a host of a million combining characters takes hours.
    if len(text) > _LONGEST_URL or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise wrong(name, f"has white space in it, or more than {_LONGEST_URL} characters: it can't be fetched.")
    parts = _parts(name, text)
    if addresses.is_link_local(parts.hostname or ""):
        raise wrong(name, "is a link-local address, which is never fetched; save the picture and hand over its path.")
    return text


def leads_inside(url: str) -> bool:
    """Return whether a URL leads, as written, to this machine or network, where the service can't reach it."""
    return addresses.is_private(urlsplit(url).hostname or "")


def _parts(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise wrong(name, f"is no URL ({error}).") from error
    if parts.scheme.lower() not in {"http", "https"}:
        path = " For a file write its path." if parts.scheme.lower() == "file" else ""
        raise wrong(name, f"is not http or https: the service can't fetch it.{path}")
    if not host:
        raise wrong(name, "has no host: write https://host/picture.png.")
    return parts


NOTHING = object()
_LONGEST_EXPRESSION = 2_000
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
        return NOTHING, f", and there is no variable {plain(chain.name, SHOWN)}"
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
        return f" For several write {plain(' '.join(f'-i {ast.unparse(each)}' for each in node.elts), SHOWN)}."
    return " For the value of an expression make it a variable, and write that."


@frozen
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
    if len(word) > _LONGEST_EXPRESSION:
        return None
    try:
        return ast.parse(word, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
