"""Makes a reference image meet a model's limits without changing what it shows, and notes what was done.

Files of an accepted format within the limits are sent as they are, without private metadata; everything else is
decoded, turned upright, converted to sRGB, scaled down if needed, and encoded again. All of it blocks: call it in a
thread.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from seedream_nb.errors import ReferenceImageError, shorten
from seedream_nb.files import open_regular
from seedream_nb.frozen import frozen
from seedream_nb.needs import imports
from seedream_nb.references.limits import dim_warning
from seedream_nb.references.load import (
    ANIMATED,
    LEFT_OUT,
    NotAPicture,
    brightest,
    digest,
    open_picture,
    orientation,
    stamp,
    unsupported_reason,
)
from seedream_nb.references.metadata import WALKS, Damaged, Hollow, Stripped, kept_bytes, strip
from seedream_nb.request import SHOWN
from seedream_nb.storage.store import Draft, TooBig
from seedream_nb.storage.structure import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from PIL.ImageFile import ImageFile

    from seedream_nb.request import Reference
    from seedream_nb.service import ReferenceLimits
    from seedream_nb.storage.store import Input


LOSSY = frozenset({"JPEG", "MPO", "WEBP", "AVIF", "HEIF", "JPEG2000"})
"""Formats of photos, encoded as JPEG: a PNG of a photo is several times as large and looks no better."""

_QUALITIES = ((95, 0), (90, 0), (90, 2))
"""JPEG quality and chroma subsampling; all of these are less visible than scaling down."""

_BAND_ROWS = 256

_SHRINK = 0.8
_STEPS = 24
_JPEG, _PNG = "image/jpeg", "image/png"
_JPEG_END = b"\xff\xd9"
BRIGHTER = "brighten it, or save a mask with 0 and 255"
_UNMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_WITH_ALPHA = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_BYTE, _SIXTEEN_BITS = 255, 65_535


@frozen
class Recipient:
    """What a reference must fit: the limits of the request's model; and the folder for what is sent."""

    limits: ReferenceLimits
    inputs: Path

    def draft(self) -> Draft:
        """Return a file in that folder, to be written, that may be no larger than the model takes."""
        return Draft(self.inputs, self.limits.max_bytes)


def encode(image: Image.Image, *, name: str, lossless: bool, recipient: Recipient) -> Input:
    """Write a picture as PNG or JPEG within the limits; the note says what was changed.

    Args:
        image: as it was opened; its first frame is used.
        name: what the user wrote.
        lossless: whether to try PNG first; pictures with alpha are always PNG.
        recipient: the limits, and where to write it.

    Raises:
        Damaged: it can't be decoded.
        SettingsError: the folder can't be written.
    """
    written_as, limits = getattr(image, "format", None), recipient.limits
    changes: list[str] = []
    decoded = _decoded(image, changes)
    try:
        shown = _plain(_upright(decoded, changes), changes)
    except Damaged:
        raise
    except Exception as error:
        detail = str(error) or type(error).__name__
        problem = f"can't be converted to RGB ({detail}): convert it, or save it as PNG or JPEG"
        raise Damaged(problem) from error
    dim = dim_warning(brightest(shown), BRIGHTER) if written_as else ""
    with contextlib.ExitStack() as stack:
        for shape, formats in _attempts(shown, limits, lossless=lossless):
            if shape != shown.size:
                stack.enter_context(_scaling_lock(os.getpid()))
            smaller = shown if shape == shown.size else resized(shown, shape)
            for media_type, options in formats:
                with recipient.draft() as draft:
                    try:
                        _write(smaller, draft, options)
                    except TooBig:
                        continue
                    changes += [*_changes(shown.size, shape, written_as, media_type, limits), *filter(None, [dim])]
                    return draft.keep(media_type, f"{name}: {', '.join(changes)}" if changes else None)
    raise Damaged(f"is larger than {_megabytes(limits)} however small it is made: use another picture")


def _write(image: Image.Image, draft: Draft, options: dict[str, Any]) -> None:
    """Write a picture; raises TooBig."""
    if options["format"] == "JPEG":
        draft.fill(lambda file: image.save(file, **options), end=_JPEG_END)
    else:  # PNG is slow: stop as soon as it is too big
        image.save(cast("Any", draft), **options)


def _attempts(
    image: Image.Image, limits: ReferenceLimits, *, lossless: bool
) -> Iterator[tuple[tuple[int, int], list[tuple[str, dict[str, Any]]]]]:
    """Yield shapes, each smaller than the last, with the formats that may fit in each."""
    shape = _shape_within(*image.size, limits)
    sample = Sample(image, limits.max_bytes)
    for step in range(_STEPS):
        formats = _encodings(image.mode, limits, lossless=lossless and step == 0)
        hopeful = [option for option in formats if not sample.is_hopeless(shape, option[1])]
        if hopeful:
            yield shape, hopeful
        shape = _shrunk(*shape, _SHRINK, limits.max_ratio)


def _decoded(image: Image.Image, changes: list[str]) -> Image.Image:
    """Decode the first frame."""
    try:
        frames = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
        left_out = image.info.get(LEFT_OUT)
        image.load()
    except Exception as error:
        detail = str(error) or type(error).__name__
        problem = unsupported_reason(error) or f"is damaged or cut off ({detail}): use a complete copy"
        raise Damaged(problem) from error
    if left_out:
        changes.append(left_out)
    if frames > 1:
        changes.append(f"only the first of its {frames} frames was sent")
    return image


def _upright(image: Image.Image, changes: list[str]) -> Image.Image:
    from PIL import ImageOps

    try:
        if image.getexif().get(0x0112, 1) not in range(2, 9):
            return image
        turned = ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - cameras often write broken EXIF, and the picture is fine without it
        return image
    changes.append("turned upright")
    return turned


def _plain(image: Image.Image, changes: list[str]) -> Image.Image:
    """Return a picture in L, RGB or RGBA and in sRGB, with nothing attached."""
    from PIL import ImageFile

    image = image.convert(_UNMULTIPLIED[image.mode]) if image.mode in _UNMULTIPLIED else image
    shown = _in_srgb(image)
    if shown is not None:
        changes.append("colours converted to sRGB")
    shown = shown or _in_eight_bits(image, changes)
    mode = _mode_for(shown)
    if shown.mode != mode or "transparency" in shown.info:
        shown = shown.convert(mode)
    if shown is image and image.info and not isinstance(image, ImageFile.ImageFile):  # a file's image is ours to change
        shown = image.copy()
    if image.mode == "CMYK":
        changes.append("converted from CMYK to RGB")
    shown.info = {}  # Pillow would write it into the file
    return shown


def _mode_for(image: Image.Image) -> str:
    """Return the mode in which a picture is written."""
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return "RGBA"
    return "L" if image.mode in {"1", "L"} else "RGB"


def _in_srgb(image: Image.Image) -> Image.Image | None:
    """Return the picture converted to sRGB by its colour profile, or None if that is not needed."""
    content = image.info.get("icc_profile")
    if not content:
        return None
    try:
        with imports.going_on():
            from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(profile.profile.xcolor_space.strip(), "")
        if "srgb" in ImageCms.getProfileDescription(profile).lower() or not _speaks_of(image.mode, mode):
            return None
        with_alpha = image.mode in _WITH_ALPHA or "transparency" in image.info
        colours = (image.convert("RGBA") if with_alpha else image).convert(mode)
        shown = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if shown is None:
            return None
        if with_alpha:
            shown.putalpha(image.convert("RGBA").getchannel("A"))
    except Exception:  # noqa: BLE001 - without its broken profile, the picture is fine
        return None
    shown.info = {}
    return shown


def _speaks_of(mode: str, profile_mode: str) -> bool:
    """Return whether a profile for one kind of colours can apply to a picture of this mode."""
    if mode == "CMYK" or profile_mode == "CMYK":
        return mode == profile_mode
    if profile_mode == "L":
        return mode in {"1", "L", "LA"}
    return profile_mode == "RGB" and mode in {"RGB", "RGBA", "RGBX", "P", "PA", "L", "LA"}


def _in_eight_bits(image: Image.Image, changes: list[str]) -> Image.Image:
    """Return a picture of more than 8 bits per band in 8; the brightest value stays the brightest."""
    if image.mode not in {"I", "F"} and not image.mode.startswith("I;"):
        return image
    wide = _native_order(image).convert("F")
    if image.mode == "F" and not _is_finite(wide):
        raise Damaged("has values that are NaN or infinite: fill them in, and save it again")
    low, high = cast("tuple[float, float]", wide.getextrema())
    if image.mode == "F" and low >= 0 and high <= 1:
        factor, offset = 255.0, 0.0
    elif low >= 0 and high <= _BYTE and image.mode in {"I", "F"}:
        factor, offset = 1.0, 0.0
    elif low >= 0 and high <= _SIXTEEN_BITS and image.mode != "F":
        factor, offset = 255 / _SIXTEEN_BITS, 0.0
    else:
        low = low if low < high else 0.0
        factor = 255 / (high - low or 1)
        offset = -low * factor
        changes.append(f"its values from {low:.6g} to {high:.6g} were stretched from black to white")
    return wide.point(lambda value: value * factor + offset).convert("L")


def _native_order(image: Image.Image) -> Image.Image:
    """Return 16 bits in this machine's byte order under a name that every Pillow can convert."""
    from PIL import Image

    if image.mode != "I;16N":
        return image
    return Image.frombytes("I;16" if sys.byteorder == "little" else "I;16B", image.size, image.tobytes())


def _is_finite(image: Image.Image) -> bool:
    """Return whether all values of a float picture are finite: zero times any other value is not zero."""
    ones = image.point(lambda value: value * 0 + 1).convert("L")
    return ones.getextrema() == (1, 1)


def _encodings(mode: str, limits: ReferenceLimits, *, lossless: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the possible formats with their options, the most faithful first; every model accepts PNG."""
    may_be_jpeg = mode != "RGBA" and _JPEG in limits.formats.values()
    if lossless or not may_be_jpeg:
        yield _PNG, {"format": "PNG"}
    if may_be_jpeg:
        for quality, subsampling in _QUALITIES:
            yield _JPEG, {"format": "JPEG", "quality": quality, "subsampling": subsampling}


def _shape_within(width: int, height: int, limits: ReferenceLimits) -> tuple[int, int]:
    """Return the largest shape of the same ratio within the limit of pixels."""
    return _shrunk(width, height, min(1.0, (limits.max_pixels / (width * height)) ** 0.5), limits.max_ratio)


def _shrunk(width: int, height: int, factor: float, max_ratio: int) -> tuple[int, int]:
    """Return a smaller shape of the same ratio; rounding never takes it beyond the limit."""
    across, down = max(1, int(width * factor)), max(1, int(height * factor))
    return min(across, max_ratio * down), min(down, max_ratio * across)


def resized(image: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """Return a smaller picture, made in bands: at once it would take half as much memory again."""
    from PIL import Image

    width, height = shape
    scale = image.height / height
    smaller = Image.new(image.mode, shape)
    for top in range(0, height, _BAND_ROWS):
        rows = min(_BAND_ROWS, height - top)
        box = (0, top * scale, image.width, min(image.height, (top + rows) * scale))
        smaller.paste(image.resize((width, rows), Image.Resampling.LANCZOS, box=box), (0, top))
    return smaller


def _changes(
    before: tuple[int, int], after: tuple[int, int], written_as: str | None, media_type: str, limits: ReferenceLimits
) -> Iterator[str]:
    """Yield what was done to a picture, in words."""
    if before != after:
        most = f"{limits.max_pixels / 1e6:g} million pixels and {_megabytes(limits)}"
        yield "scaled down from {}x{} to {}x{} (at most {})".format(*before, *after, most)
    was, now = "JPEG" if written_as == "MPO" else written_as, media_type.removeprefix("image/").upper()
    if was not in {now, None}:
        yield f"converted from {was} to {now}"


def _megabytes(limits: ReferenceLimits) -> str:
    return f"{limits.max_bytes / 1e6:g} MB"


@functools.cache
def _scaling_lock(_process: int) -> threading.RLock:
    """Return a process's lock: only one picture at a time is in memory twice, while it is scaled down.

    A forked child needs its own: nobody would release the parent's.
    """
    return threading.RLock()


_JPEG_MODES = ("L", "RGB")
_USUAL_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
_AT_ONCE = 2
"""How many pictures are in memory at once: a photo takes 100 MB."""


def fit(reference: Reference, recipient: Recipient) -> Input:
    """Return the file to send for a reference, writing it once for each content.

    Raises:
        ReferenceImageError: the content changed since the request was made, is damaged, or is gone.
        SettingsError: the folder can't be written.
    """
    return _threads(os.getpid()).submit(_fit, reference, recipient).result()


@functools.cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Return a process's threads for this, always the same ones: each keeps the memory that it once used."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seedream pictures")


def _fit(reference: Reference, recipient: Recipient) -> Input:
    name = shorten(reference.name, SHOWN)
    try:
        if isinstance(reference.source, Path | bytes):
            with _stream(reference.source) as stream:
                return _fit_stream(name, reference, stream, recipient)
        if reference.source is None:
            raise ReferenceImageError(f"{name}: no copy of this picture was kept; pass it again.")
        return encode(reference.source, name=name, lossless=True, recipient=recipient)
    except (Damaged, NotAPicture) as error:
        raise ReferenceImageError(f"{name} {error}.") from error
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise ReferenceImageError(f"{name} can't be read: {reason}. Check the file, or use another copy.") from error


@contextlib.contextmanager
def _stream(source: Path | bytes) -> Iterator[BinaryIO]:
    with open_regular(source) if isinstance(source, Path) else io.BytesIO(source) as stream:
        yield stream


def _fit_stream(name: str, reference: Reference, stream: BinaryIO, recipient: Recipient) -> Input:
    """Use a file as it is, if possible; else encode it again."""
    image, limits = open_picture(stream), recipient.limits
    fits = _has_usual_colours(image)
    is_taken = limits.formats.get(str(image.format)) in WALKS
    if is_taken and fits and image.width * image.height <= limits.max_pixels:
        fitting = _stripped(name, reference, stream, image, recipient)
        if fitting is not None:
            return fitting
    _check_unchanged(name, reference, stream)
    # Drawings keep their exact pixels; those too big for that are encoded like photos.
    lossless = image.format not in LOSSY and (reference.size_bytes or 0) <= limits.max_bytes
    return encode(open_picture(stream), name=name, lossless=lossless, recipient=recipient)


def _has_usual_colours(image: ImageFile) -> bool:
    """Return whether every program shows a file in the same colours."""
    if image.format in {"JPEG", "MPO"}:
        return image.mode in _JPEG_MODES
    is_usual = image.format == "PNG" or image.mode in _USUAL_MODES
    return is_usual and len(image.info.get("icc_profile") or b"") <= MAX_TEXT


def _stripped(
    name: str, reference: Reference, stream: BinaryIO, image: ImageFile, recipient: Recipient
) -> Input | None:
    """Use a file without its private metadata; None if it must be encoded again."""
    limits, content = recipient.limits, cast("BinaryIO", image.fp)
    media_type = limits.formats[str(image.format)]
    if media_type == _PNG and kept_bytes(content) > limits.max_bytes:
        return None
    content.seek(0)
    with recipient.draft() as draft:
        try:
            stripped = strip(content, draft, media_type)
        except Hollow:
            raise
        except Damaged:
            return None  # decoding will show: some cameras write files that only look damaged
        except TooBig:
            return None
        _check_unchanged(name, reference, stream)
        if orientation(stripped.exif) != 1:
            return None
        notes = ["animated, its first frame was sent"] if stripped.animated else []
        notes += filter(None, [_dim_warning(stream, stripped)])
        return draft.keep(media_type, f"{name}: {', '.join(notes)}" if notes else None)


def _dim_warning(stream: BinaryIO, stripped: Stripped) -> str:
    """Return a warning if a PNG is almost black; only those are checked that are small or have 16 bits per band."""
    image = open_picture(stream)
    may_be = image.format == "PNG" and image.mode not in {"1", "RGB", "RGBA"}
    if not may_be or (image.mode in {"L", "LA", "P"} and stripped.kept_bytes * 4 > image.width * image.height):
        return ""
    image.load()
    return dim_warning(brightest(image), BRIGHTER)


def _check_unchanged(name: str, reference: Reference, stream: BinaryIO) -> None:
    """Refuse a file that changed since it was described; a large one is not hashed again without need."""
    may_differ = isinstance(reference.source, Path) and stamp(stream) != reference.stamp
    if may_differ and digest(stream)[0] != reference.sha256:
        raise ReferenceImageError(f"{name} changed while the request was being prepared. Run it again.")


_SAMPLED_PIXELS = 4_000_000
_STRIPS, _STRIP_ROWS = 8, 16
_HOPELESS = 1.1
"""A format is skipped if a sample predicts a size this many times the limit."""


class Sample:
    """A few strips of a large picture, to predict the size of its file; small pictures are just written."""

    def __init__(self, image: Image.Image, max_bytes: int) -> None:
        """Copy the strips; larger than `max_bytes` is too large."""
        self._size, self._max_bytes = image.size, max_bytes
        self._strips: Image.Image | None = None
        self._bytes_per_row: dict[str, float] = {}
        if image.width * image.height >= _SAMPLED_PIXELS and image.mode != "RGBA":
            self._strips = _strips(image)

    def is_hopeless(self, shape: tuple[int, int], options: dict[str, Any]) -> bool:
        """Return whether the picture in this shape and format would surely be too large."""
        if self._strips is None or options["format"] != "JPEG":
            return False
        key = str(options)
        if key not in self._bytes_per_row:
            self._bytes_per_row[key] = _size_bytes(self._strips, options) / self._strips.height
        # A smaller picture has more detail per pixel, never less.
        return (
            self._bytes_per_row[key] * self._size[1] * shape[0] * shape[1]
            > _HOPELESS * self._max_bytes * self._size[0] * self._size[1]
        )


def _strips(image: Image.Image) -> Image.Image:
    """Return strips from the whole height of a picture, one below the other."""
    from PIL import Image

    strips = Image.new(image.mode, (image.width, _STRIPS * _STRIP_ROWS))
    for index in range(_STRIPS):
        top = (image.height - _STRIP_ROWS) * index // (_STRIPS - 1)
        strips.paste(image.crop((0, top, image.width, top + _STRIP_ROWS)), (0, index * _STRIP_ROWS))
    return strips


def _size_bytes(image: Image.Image, options: dict[str, Any]) -> int:
    with io.BytesIO() as stream:
        image.save(stream, **options)
        return stream.tell()
