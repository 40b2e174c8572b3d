"""From a file, bytes or an image to a reference: recognised by content, its header read, its content hashed."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seedream_nb.errors import Problem, plain, shorten
from seedream_nb.patterns import lazy_pattern
from seedream_nb.references import tiff
from seedream_nb.references.foreign import Foreign, guarded
from seedream_nb.references.limits import check_shape, dim_warning, reference_problem
from seedream_nb.references.written import nearest_file
from seedream_nb.request import SHOWN, Reference
from seedream_nb.storage.structure import has_pixels, open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from PIL import Image, ImageFile

    from seedream_nb.service import ReferenceLimits


REFUSED_FORMATS = frozenset({"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MCIDAS", "MPEG", "PCD", "WMF", "XVTHUMB"})
"""Formats that Pillow only recognises, or that run other programs when read (EPS), or that match anything."""

_HEAD_BYTES, _PREFIX_BYTES = 512, 16
_HEIC_READER = "run `pip install pillow-heif`, then `import pillow_heif` and `pillow_heif.register_heif_opener()`"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"\s*<(?:!doctype html|html)", "a web page: download the picture itself"),
    (rb"(?:\s*<\?xml[^>]*>)?(?:\s|<!--.*?-->|<!DOCTYPE[^>]*>)*+<svg", "an SVG drawing: save it as PNG"),
    (rb"%PDF", "a PDF: save its page as PNG"),
    (rb"....ftyp(?:hei|hev|mif|msf)", f"a HEIC photo: save it as JPEG. Or {_HEIC_READER}"),
    (rb"....ftypavi[fs]", "an AVIF picture, which this Pillow can't read: save it as PNG or JPEG"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture: save it as PNG or JPEG"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture: save it as PNG or JPEG"),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a film: save a frame of it as PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript: save it as PNG"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf", "an archive: unpack it first"),
    (rb"version https://git-lfs", "a Git LFS pointer: fetch the file with `git lfs pull`"),
)


_RAW_STARTS = lazy_pattern(
    rb"(?:II\*\0|MM\0\*)....(?:CR|IIII|MMMM)|IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW|....ftypcrx |\0MRM|FOVb|II....HEAPCCDR",
    re.DOTALL,
)
"""How raw photos of Canon, Phase One, Olympus, Panasonic, Fujifilm, Minolta and Sigma begin."""
_RAW = "is a raw photo: save it as JPEG"
_CANT = lazy_pattern(
    "unsupported|unimplemented|unknown|cannot handle|not (yet )?(supported|implemented|available)", re.IGNORECASE
)
"""How Pillow words that a file is fine, but of a kind that it can't read."""
_SHOWN = 60

_BRIGHT_BANDS = {
    **dict.fromkeys(("1", "L", "F", "I", "I;16", "I;16B", "I;16L", "I;16N", "LA", "La", "LAB", "YCbCr"), slice(0, 1)),
    **dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX"), slice(0, 3)),
    "HSV": slice(2, 3),
}
"""Which bands of a mode show how bright a picture is."""

LEFT_OUT = "left out"
"""The key in an opened picture's `info` for what of the file is not in it."""

ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "FLI", "DCX"})
"""Formats in which all frames are equal; in others they are previews, layers, other sizes."""


class NotAPicture(ValueError):
    """The content is something else, or damaged; the text says what, to follow the reference's name."""


def open_picture(stream: BinaryIO) -> ImageFile.ImageFile:
    """Return the picture in a stream; its header is read, nothing is decoded.

    Not `Image.open`, for three reasons: it warns about big pictures, which we just scale down; it trusts file names;
    and it tries formats that run other programs.

    Raises:
        NotAPicture: says what it is instead.
    """
    from PIL import Image

    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    if not head:
        raise NotAPicture("is empty: use another copy")
    if _RAW_STARTS.match(head):
        raise NotAPicture(_RAW)
    failures: list[str] = []
    tried: set[str] = set()
    for load_plugins in (Image.preinit, Image.init):  # the common formats first: they load much faster
        load_plugins()
        formats = [name for name in Image.ID if name not in tried | REFUSED_FORMATS]
        if picture := _recognised(stream, head, formats, failures):
            return picture
        tried.update(formats)
    if failures:
        raise NotAPicture(failures[0])
    raise NotAPicture(f"is not a picture but {_what_it_is(head)}")


def _recognised(
    stream: BinaryIO, head: bytes, formats: Iterable[str], failures: list[str]
) -> ImageFile.ImageFile | None:
    """Return the picture in the first format that can read it; collect the failures of those that should."""
    from PIL import Image

    for name in formats:
        factory, accepts = Image.OPEN[name]
        if accepts is not None and not _accepted(accepts, head[:_PREFIX_BYTES]):
            continue
        try:
            return _READERS.get(name, open_image)(stream, partial(_made, factory))
        except NotAPicture:
            raise
        except Image.DecompressionBombError:
            raise NotAPicture("has more pixels than can be decoded: scale it down first") from None
        except Exception as error:  # noqa: BLE001 - Pillow's plugins raise anything for a strange file
            if accepts is not None:
                failures.append(
                    unsupported_reason(error) or f"is a damaged {name} file: save it again, or use another copy"
                )
    return None


def _made(factory: Callable[[BinaryIO, str], ImageFile.ImageFile], stream: BinaryIO) -> ImageFile.ImageFile:
    stream.seek(0)
    return factory(stream, "")


def unsupported_reason(error: Exception) -> str:
    """Say that a file is of an unsupported kind, if that is what Pillow's error means; "" if it means damage."""
    detail = plain(str(error), _SHOWN)
    if not isinstance(error, NotImplementedError) and not _CANT.search(detail):
        return ""
    return f"can't be read here ({detail}): save it as PNG or JPEG"


def _opened_png(stream: BinaryIO, make: Callable[[BinaryIO], ImageFile.ImageFile]) -> ImageFile.ImageFile:
    if not has_pixels(stream):
        raise NotAPicture("is a PNG file without a picture: save it again, or use another copy")
    return open_image(stream, make)


def _opened_tiff(stream: BinaryIO, make: Callable[[BinaryIO], ImageFile.ImageFile]) -> ImageFile.ImageFile:
    """Open a TIFF at the page of its picture."""
    pages = tiff.pages_of(stream)
    if not pages:
        return open_image(stream, make)
    if tiff.is_raw(pages):
        raise NotAPicture(_RAW)
    full = tiff.full_page(pages)
    if full is None:
        raise NotAPicture("contains only a smaller copy of its picture: save the picture itself as PNG or JPEG")
    try:
        image = make(stream if full is pages[0] else tiff.with_first_page(stream, full))
    except Exception as error:
        problem = f"is {full.kind()}, which can't be read here: save it as PNG or JPEG, or pass its array"
        raise NotAPicture(problem) from error
    image.info[LEFT_OUT] = ", ".join(tiff.notes_of(pages, full))
    return image


_READERS = {"PNG": _opened_png, "TIFF": _opened_tiff}


def _accepted(accepts: Callable[[bytes], bool | str], prefix: bytes) -> bool:
    """Return whether a format accepts a content; it may answer with a text that says what this Pillow lacks."""
    try:
        return accepts(prefix) is True
    except Exception:  # noqa: BLE001 - some plugins need more bytes than a tiny file has
        return False


def _what_it_is(head: bytes) -> str:
    """Say in words what a content looks like."""
    for pattern, words in _KINDS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return words
    try:
        text = head.decode("utf-8", "strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return "unknown data: save it as PNG or JPEG"
    return "unknown data: save it as PNG or JPEG" if "\0" in text else "text: pass a picture file"


def orientation(exif: bytes | None) -> int:
    """Return the EXIF orientation, 1 to 8; 1 is upright."""
    if not exif:
        return 1
    from PIL import Image

    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(0x0112, 1)
    except Exception:  # noqa: BLE001 - cameras often write broken EXIF, and the picture is fine without it
        return 1
    return value if value in range(1, 9) else 1


def brightest(image: Image.Image) -> int | None:
    """Return the largest value of any colour, of 255; None if the picture is transparent, or if that is unknown."""
    try:
        return None if image.has_transparency_data and not _is_opaque(image) else _brightest(image)
    except Exception:  # noqa: BLE001 - not every Pillow supports this for every mode, and nothing depends on it
        return None


def _is_opaque(image: Image.Image) -> bool:
    """Return whether a picture's alpha is 255 everywhere."""
    return "transparency" not in image.info and image.getchannel("A").getextrema() == (255, 255)


def _brightest(image: Image.Image) -> int | None:
    if image.mode in {"P", "PA"}:
        colours = image.getpalette("RGB") or [255]
        used = [index for index, count in enumerate(image.histogram()[:256]) if count]
        return max((value for index in used for value in colours[3 * index : 3 * index + 3]), default=None)
    bands = _BRIGHT_BANDS.get(image.mode)
    if bands is None:
        return None
    extrema: Any = (image.convert("F") if image.mode.startswith("I;") else image).getextrema()
    highest = max(float(high) for _, high in extrema[bands]) if isinstance(extrema[0], tuple) else float(extrema[1])
    return int(highest * _scale(image.mode, highest))


def _scale(mode: str, highest: float) -> float:
    """Return the factor from a mode's values to 8 bits; for some modes it depends on the values."""
    if mode == "1" or (mode == "F" and highest <= 1):
        return 255 if highest <= 1 else 1
    if mode.startswith("I;") or (mode == "I" and highest > _BYTE):
        return _BYTE / 65_535
    return 1


def preview_reason(image: Image.Image) -> str | None:
    """Say why a picture just opened by Pillow is not the one that the file is about; None if it is."""
    tags = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None or image.tell():
        return None
    page = tiff.page_by(tags)
    if tiff.is_raw([page]):
        return f"{_RAW}, and pass that: Pillow reads only its preview"
    if page.is_reduced:
        return "is a smaller copy that a TIFF has as its first page; pass the path of the file"
    return None


def is_pil(value: object) -> bool:
    """Return whether a value is a PIL image, without importing Pillow."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


_PIECE_BYTES = 1 << 20
_BYTE = 255
_BAND_BYTES = 4 << 20


def load_reference(name: str, source: Path | bytes | Image.Image | Foreign, limits: ReferenceLimits) -> Reference:
    """Return the reference for a picture: its header is read and its content is hashed, no more.

    A PIL image, or the picture of another object, is copied: changing it afterwards changes nothing.

    Raises:
        Problem: not a picture, damaged, too small, or out of ratio; it names the limit, the value and the remedy.
    """
    remedy = "brighten it first, for example with PIL.ImageOps.autocontrast"
    if isinstance(source, Foreign):
        remedy = source.brighter or remedy
        with guarded(name):
            source = source.draw(name, limits)
    if isinstance(source, Path):
        return _from_file(name, source, limits)
    if isinstance(source, bytes):
        return _described(name, io.BytesIO(source), source, limits)
    return _from_pil(name, source, remedy, limits)


def _from_file(name: str, path: Path, limits: ReferenceLimits) -> Reference:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device could take for ever
            raise reference_problem(name, _no_file(path))
        with path.open("rb") as file:
            identity = stamp(file)
            return replace(_described(name, file, path, limits), stamp=identity)
    except FileNotFoundError:
        raise reference_problem(
            name, f"was not found in {shorten(str(path.parent), SHOWN)}.{nearest_file(path)}"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, Problem):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise reference_problem(name, f"can't be read: {reason}. Check the path and its permissions.") from error


def _no_file(path: Path) -> str:
    if path.is_dir():
        return "is a folder; for all its pictures of one kind write FOLDER/*.png."
    return "is not a regular file; save its content as a picture first."


def _described(name: str, stream: BinaryIO, source: Path | bytes, limits: ReferenceLimits) -> Reference:
    try:
        image = open_picture(stream)
    except NotAPicture as error:
        raise reference_problem(name, f"{error}.") from error
    width, height = image.size
    check_shape(name, width, height, limits)
    if orientation(image.info.get("exif")) > 4:  # noqa: PLR2004 - 5 to 8 lie on their side
        width, height = height, width
    sha256, size_bytes = digest(stream)
    return Reference(
        name=name, sha256=sha256, size_bytes=size_bytes, width=width, height=height, source=source,
        media_type=image.get_format_mimetype() or f"image/{(image.format or 'unknown').lower()}",
    )  # fmt: skip


def stamp(file: BinaryIO) -> tuple[int, ...]:
    """Return values that change when a file is written to, as far as its system supports that."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def digest(stream: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 and the size of a stream, from its start."""
    stream.seek(0)
    content, size = hashlib.sha256(), 0
    while piece := stream.read(_PIECE_BYTES):
        content.update(piece)
        size += len(piece)
    return content.hexdigest(), size


def _from_pil(name: str, image: Image.Image, remedy: str, limits: ReferenceLimits) -> Reference:
    check_shape(name, *image.size, limits)
    if (problem := preview_reason(image)) is not None:
        raise reference_problem(name, f"{problem}.")
    try:
        notes = [*_notes(name, image)]
        copy = _copy_upright(image)
        if dim := dim_warning(brightest(copy), remedy):
            notes.append(f"{shorten(name, SHOWN)}: {dim}")
        sha256 = _digest_of_pil(copy)
    except Exception as error:
        raise reference_problem(name, f"can't be read ({error}): open it again, or use another copy.") from error
    width, height = copy.size
    return Reference(
        name=name, sha256=sha256, media_type="image/png", width=width, height=height, source=copy, notes=tuple(notes)
    )


def _notes(name: str, image: Image.Image) -> Iterator[str]:
    """Yield what copying an image leaves out or changes."""
    if image.format in ANIMATED and getattr(image, "is_animated", False):
        yield f"{shorten(name, SHOWN)}: animated, only its current frame was sent"
    elif image.format == "TIFF" and getattr(image, "is_animated", False):
        yield f"{shorten(name, SHOWN)}: has several pages, only the current one was sent"
    if _is_sideways(image):
        yield f"{shorten(name, SHOWN)}: turned upright"


def _copy_upright(image: Image.Image) -> Image.Image:
    """Return a copy that looks the same: an image just opened is turned upright, any other stays as it is."""
    from PIL import ImageOps

    image.load()
    copy = ImageOps.exif_transpose(image) if _is_sideways(image) else image.copy()
    copy.info = {key: image.info[key] for key in ("icc_profile", "transparency") if key in image.info}
    return copy


def _is_sideways(image: Image.Image) -> bool:
    """Return whether an image was just opened, and its EXIF says that it lies on its side."""
    from PIL import ImageFile

    return isinstance(image, ImageFile.ImageFile) and orientation(image.info.get("exif")) != 1


def _digest_of_pil(image: Image.Image) -> str:
    """Return a hash of an image's looks: images with equal hashes look the same."""
    palette = image.getpalette("RGBA") if image.palette else None
    head = (image.mode, image.size, palette, image.info.get("transparency"))
    content = hashlib.sha256(repr(head).encode() + (image.info.get("icc_profile") or b""))
    width, height = image.size
    step = max(1, _BAND_BYTES // (width * 4))
    for top in range(0, height, step):
        content.update(image.crop((0, top, width, min(top + step, height))).tobytes())
    return content.hexdigest()
