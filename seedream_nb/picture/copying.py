"""Copies of a picture's file, where somebody wants them."""

from __future__ import annotations

import filecmp
import itertools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import MOST_CHARACTERS, SeedreamError, plain, shortened
from seedream_nb.files import is_refused_name, is_there, open_ordinary, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.picture import Picture

_SUFFIXES = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/webp": (".webp",),
}
_OTHER_SUFFIXES = (".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jp2")
_PIECE_BYTES = 1 << 20


def copied(picture: Picture, written: str | os.PathLike[str]) -> Path:
    """Copy a picture's file into a folder or to a file name, over no other file; return where it is.

    Raises:
        SeedreamError: the name asks for another format, or nothing can be written there.
    """
    try:
        target = _target(picture, written)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _copied(picture.path, target)
        except (OSError, UnicodeError) as error:
            # Another disk may refuse what ours has taken; a name that somebody wrote is told, and not changed.
            if not is_refused_name(error) or target.name != picture.path.name:
                raise
            return _copied(picture.path, target.with_name(plain_name(target.name)))
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name, a user that doesn't exist
        if not is_there(picture.path):
            raise gone(picture) from None
        raise unwritable(picture.mark, written, error) from None


def made_folder(mark: str, written: str | os.PathLike[str]) -> Path:
    """Return the folder for copies of a generation's pictures, made if need be; raises SeedreamError."""
    try:
        folder = Path(written).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise unwritable(mark, written, error) from None
    return folder


def gone(picture: Picture) -> SeedreamError:
    """Return the error for a picture whose file somebody took away."""
    told = f"The file of {picture.mark} is not there any more: {shortened(str(picture.path), MOST_CHARACTERS)}"
    return SeedreamError(told, hint="As long as its link lives, this brings it back: %seedream recover")


def unwritable(mark: str, written: str | os.PathLike[str], error: Exception) -> SeedreamError:
    """Return the error for a place where no copy can be made."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    told = f"{mark} can't be copied to {shortened(os.fspath(written), MOST_CHARACTERS)}: {plain(reason)}."
    return SeedreamError(told, hint="Choose a place where you may write. The pictures themselves are untouched.")


def _copied(source: Path, target: Path) -> Path:
    for candidate in _names(target):
        if candidate.is_file() and filecmp.cmp(source, candidate, shallow=False):
            return candidate
        try:
            _copy(source, candidate)
        except FileExistsError:
            continue
        return candidate
    raise AssertionError


def _target(picture: Picture, written: str | os.PathLike[str]) -> Path:
    """Return the file that is meant: the one of that name, or the picture's own name in that folder."""
    target = Path(written).expanduser()
    if target.is_dir() or os.fspath(written).endswith(("/", os.sep)):
        return target / picture.path.name
    fitting = _SUFFIXES.get(picture.media_type, (picture.path.suffix,))
    suffix = target.suffix.lower()
    if suffix in fitting:
        return target
    if suffix in {*_OTHER_SUFFIXES, *(known for names in _SUFFIXES.values() for known in names)}:
        raise SeedreamError(
            f"{picture.mark} is {picture.media_type}, copied as it is: it can't be saved as {target.name}.",
            hint=f"Save it as {target.stem}{fitting[0]}, or picture.to_pil().save({target.name!r})",
        )
    return target.with_name(target.name + fitting[0])


def _names(target: Path) -> Iterator[Path]:
    """Give `fox.jpg`, then `fox-2.jpg`, `fox-3.jpg` and so on."""
    yield target
    for number in itertools.count(2):
        yield target.with_name(f"{target.stem}-{number}{target.suffix}")


def _copy(source: Path, target: Path) -> None:
    """Copy a file to a new one; a copy that fails half way leaves nothing behind."""
    with open_ordinary(source) as original, target.open("xb") as copy:
        try:
            shutil.copyfileobj(original, copy, _PIECE_BYTES)
        except OSError:
            target.unlink(missing_ok=True)
            raise
