"""Paths as people write and paste them: in quotes, with characters that nobody sees, with accents written apart."""

from __future__ import annotations

import glob
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seedream_nb.errors import nearest
from seedream_nb.references.limits import wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LISTED = 10_000
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
            return [entry.name for entry, _ in zip(entries, range(_MOST_LISTED), strict=False)]
    except (OSError, ValueError):
        return []
