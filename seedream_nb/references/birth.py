"""The birth of a reference: its header is read, its content hashed; what a person hands over is copied."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seedream_nb.errors import Problem, shortened
from seedream_nb.references.foreign import Foreign, guarded
from seedream_nb.references.limits import SHOWN, check_shape, told_dim, wrong
from seedream_nb.references.opening import ANIMATED, NotAPicture, brightest, open_picture, orientation, why_reduced
from seedream_nb.references.paths import nearest_file
from seedream_nb.request import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

_PIECE_BYTES = 1 << 20
_BAND_BYTES = 4 << 20


def born(name: str, source: Path | bytes | Image.Image | Foreign) -> Reference:
    """Return the reference that a picture makes: its header is read and its content is hashed, no more.

    A PIL image is copied, and so is what another object shows: changing it afterwards changes nothing.

    Raises:
        Problem: not a picture, damaged, too small, out of ratio: the limit, the value found, the remedy.
    """
    remedy = "brighten it first, for instance with PIL.ImageOps.autocontrast"
    if isinstance(source, Foreign):
        remedy = source.brighter or remedy
        with guarded(name):
            source = source.draw(name)
    if isinstance(source, Path):
        return _born_of_file(name, source)
    if isinstance(source, bytes):
        return _described(name, io.BytesIO(source), source)
    return _born_of_pil(name, source, remedy)


def _born_of_file(name: str, path: Path) -> Reference:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or device would keep us waiting
            raise wrong(name, _no_file(path))
        with path.open("rb") as file:
            seen = stamp(file)
            return replace(_described(name, file, path), stamp=seen)
    except FileNotFoundError:
        raise wrong(name, f"was not found in {shortened(str(path.parent), SHOWN)}.{nearest_file(path)}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, Problem):
            raise
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise wrong(name, f"can't be read: {told}. Check the path and its permissions.") from error


def _no_file(path: Path) -> str:
    if path.is_dir():
        return "is a folder; for all its pictures of one kind write FOLDER/*.png."
    return "is no ordinary file; save its content as a picture first."


def _described(name: str, stream: BinaryIO, source: Path | bytes) -> Reference:
    try:
        image = open_picture(stream)
    except NotAPicture as error:
        raise wrong(name, f"{error}.") from error
    width, height = image.size
    check_shape(name, width, height)
    if orientation(image.info.get("exif")) > 4:  # noqa: PLR2004 - the upper four lie on their side
        width, height = height, width
    sha256, size_bytes = digest(stream)
    return Reference(
        name=name, sha256=sha256, size_bytes=size_bytes, width=width, height=height, source=source,
        media_type=image.get_format_mimetype() or f"image/{(image.format or 'unknown').lower()}",
    )  # fmt: skip


def stamp(file: BinaryIO) -> tuple[int, ...]:
    """Return what changes when a file is written to, as far as its system tells."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def digest(stream: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 of a stream, from its start, and how many bytes it has."""
    stream.seek(0)
    content, size = hashlib.sha256(), 0
    while piece := stream.read(_PIECE_BYTES):
        content.update(piece)
        size += len(piece)
    return content.hexdigest(), size


def _born_of_pil(name: str, image: Image.Image, remedy: str) -> Reference:
    check_shape(name, *image.size)
    if (told := why_reduced(image)) is not None:
        raise wrong(name, f"{told}.")
    try:
        notes = [*_notes(name, image)]
        copied = _copied(image)
        if dim := told_dim(brightest(copied), remedy):
            notes.append(f"{shortened(name, SHOWN)}: {dim}")
        sha256 = _digest_of_pil(copied)
    except Exception as error:
        raise wrong(name, f"can't be read ({error}): open it again, or use another copy.") from error
    width, height = copied.size
    return Reference(
        name=name, sha256=sha256, media_type="image/png", width=width, height=height, source=copied, notes=tuple(notes)
    )


def _notes(name: str, image: Image.Image) -> Iterator[str]:
    """Yield what copying an image leaves out or changes."""
    if image.format in ANIMATED and getattr(image, "is_animated", False):
        yield f"{shortened(name, SHOWN)}: animated, only the frame that it shows was sent"
    elif image.format == "TIFF" and getattr(image, "is_animated", False):
        yield f"{shortened(name, SHOWN)}: has several pages, only the one that it shows was sent"
    if _lies(image):
        yield f"{shortened(name, SHOWN)}: turned upright"


def _copied(image: Image.Image) -> Image.Image:
    """Return a copy that shows the same: a file just opened is turned as it says, what was worked on is as it looks."""
    from PIL import ImageOps

    image.load()
    copied = ImageOps.exif_transpose(image) if _lies(image) else image.copy()
    copied.info = {key: image.info[key] for key in ("icc_profile", "transparency") if key in image.info}
    return copied


def _lies(image: Image.Image) -> bool:
    """Return whether an image is a file just opened that says it lies on its side."""
    from PIL import ImageFile

    return isinstance(image, ImageFile.ImageFile) and orientation(image.info.get("exif")) != 1


def _digest_of_pil(image: Image.Image) -> str:
    """Return a hash of what an image shows: two images with equal hashes look the same."""
    palette = image.getpalette("RGBA") if image.palette else None
    head = (image.mode, image.size, palette, image.info.get("transparency"))
    content = hashlib.sha256(repr(head).encode() + (image.info.get("icc_profile") or b""))
    width, height = image.size
    step = max(1, _BAND_BYTES // (width * 4))
    for top in range(0, height, step):
        content.update(image.crop((0, top, width, min(top + step, height))).tobytes())
    return content.hexdigest()
