"""Makes a reference image fit the service's limits, where that does not change what it shows.

JPEG and PNG files within the limits go as they are, less what must stay home; everything else is decoded, turned
upright, converted to sRGB, scaled down where it must be, and encoded again. All of it blocks: wait for it in a thread.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from seedream_nb.errors import ReferenceImageError, shortened
from seedream_nb.files import open_ordinary
from seedream_nb.picture.structure import MOST_TEXT
from seedream_nb.references.birth import digest, stamp
from seedream_nb.references.encode import BRIGHTER, LOSSY, encode
from seedream_nb.references.kept import Draft, TooBig
from seedream_nb.references.limits import MOST_BYTES, MOST_PIXELS, SHOWN, told_dim
from seedream_nb.references.opening import NotAPicture, brightest, open_picture, orientation
from seedream_nb.references.strip import Damaged, Hollow, Stripped, kept_bytes, strip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

    from seedream_nb.request import Reference
    from seedream_nb.store import Input

_MEDIA_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"}
_JPEG_MODES = ("L", "RGB")
_AT_ONCE = 2
"""Pictures that are in memory at once, whoever asks: a photo takes 100 MB there."""


def fit(reference: Reference, inputs: Path) -> Input:
    """Return the file under `inputs` that is sent for a reference; it is written now, once for each content.

    Raises:
        ReferenceImageError: the content changed since the request was made, is damaged, or is gone.
        SettingsError: the folder can't be written.
    """
    return _threads(os.getpid()).submit(_fit, reference, inputs).result()


@functools.cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Return the threads of a process that do this, always the same ones: each keeps for itself what memory it had."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seedream pictures")


def _fit(reference: Reference, inputs: Path) -> Input:
    name = shortened(reference.name, SHOWN)
    try:
        if isinstance(reference.source, Path | bytes):
            with _stream(reference.source) as stream:
                return _fit_stream(name, reference, stream, inputs)
        if reference.source is None:
            raise ReferenceImageError(f"{name}: no copy of this picture was kept; hand it over again.")
        return encode(reference.source, name=name, lossless=True, inputs=inputs)
    except (Damaged, NotAPicture) as error:
        raise ReferenceImageError(f"{name} {error}.") from error
    except OSError as error:
        told = error.strerror or str(error) or type(error).__name__
        raise ReferenceImageError(f"{name} can't be read: {told}. Check the file, or use another copy.") from error


@contextlib.contextmanager
def _stream(source: Path | bytes) -> Iterator[BinaryIO]:
    with open_ordinary(source) if isinstance(source, Path) else io.BytesIO(source) as stream:
        yield stream


def _fit_stream(name: str, reference: Reference, stream: BinaryIO, inputs: Path) -> Input:
    """Send a file as it is, if that can be; else encode it again."""
    image = open_picture(stream)
    fits = image.mode in _JPEG_MODES if image.format in {"JPEG", "MPO"} else _has_usual_profile(image)
    if image.format in _MEDIA_TYPES and fits and image.width * image.height <= MOST_PIXELS:
        fitting = _stripped(name, reference, stream, image, inputs)
        if fitting is not None:
            return fitting
    _check_unchanged(name, reference, stream)
    # What was drawn stays exactly as it is; what is too big for that goes as a photo does.
    lossless = image.format not in LOSSY and (reference.size_bytes or 0) <= MOST_BYTES
    return encode(open_picture(stream), name=name, lossless=lossless, inputs=inputs)


def _has_usual_profile(image: ImageFile) -> bool:
    """Return whether the colour profile of a PNG is one that every program reads."""
    return len(image.info.get("icc_profile") or b"") <= MOST_TEXT


def _stripped(name: str, reference: Reference, stream: BinaryIO, image: ImageFile, inputs: Path) -> Input | None:
    """Keep a file as it is, less what must stay home; None if it must be encoded again."""
    media_type, opened = _MEDIA_TYPES[str(image.format)], cast("BinaryIO", image.fp)
    if media_type == "image/png" and kept_bytes(opened) > MOST_BYTES:
        return None
    opened.seek(0)
    with Draft(inputs, MOST_BYTES) as draft:
        try:
            found = strip(opened, draft, media_type)
        except Hollow:
            raise
        except Damaged:
            return None  # decoding tells whether it is: some cameras write files that only look it
        except TooBig:
            return None
        _check_unchanged(name, reference, stream)
        if orientation(found.exif) != 1:
            return None
        told = ["animated, its first frame was sent"] if found.animated else []
        told += filter(None, [_told_dim(stream, found)])
        return draft.keep(media_type, f"{name}: {', '.join(told)}" if told else None)


def _told_dim(stream: BinaryIO, found: Stripped) -> str:
    """Return that a PNG is all but black, if it is one that may be: such take few bytes, or 16 bits for each pixel."""
    image = open_picture(stream)
    may_be = image.format == "PNG" and image.mode not in {"1", "RGB", "RGBA"}
    if not may_be or (image.mode in {"L", "LA", "P"} and found.kept_bytes * 4 > image.width * image.height):
        return ""
    image.load()
    return told_dim(brightest(image), BRIGHTER)


def _check_unchanged(name: str, reference: Reference, stream: BinaryIO) -> None:
    """Refuse a file that was written to since it was described; a large one is not hashed again without need."""
    may_have = isinstance(reference.source, Path) and stamp(stream) != reference.stamp
    if may_have and digest(stream)[0] != reference.sha256:
        raise ReferenceImageError(f"{name} changed while the request was being prepared. Run it again.")
