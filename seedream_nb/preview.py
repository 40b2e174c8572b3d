"""Small JPEGs of pictures for the notebook and the panel; the files themselves stay on disk."""

from __future__ import annotations

import base64
import math
import os
import struct
import threading
import zlib
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, lru_cache, partial
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seedream_nb.errors import plain
from seedream_nb.files import open_regular
from seedream_nb.frozen import frozen
from seedream_nb.references.load import open_picture
from seedream_nb.service import all_models
from seedream_nb.storage.structure import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image, ImageFile

    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.storage.picture import Picture

QUALITIES = {75: 1.0, 60: 0.6, 40: 0.4, 20: 0.0}
"""From the best down; each with the smallest share of the best one's bytes that it needs, to skip hopeless ones."""
BYTES_A_PIXEL = 0.25
"""A larger preview, as of grain and foliage, is made at the next lower quality: fifteen and their sheet stay below
1.5 MB."""
SHEET_BYTES = 100_000

GAP = 1.0
"""A JPEG is decoded at 1/2, 1/4 or 1/8 if that is at least the requested size."""

MAX_PREVIEWS = 256
"""How many previews stay in memory: the largest has some 140 kB, so all of them at most 36 MB."""

MAX_LARGE, MAX_SHEETS = 8, 64


_SHEET_SIDE, _LABEL, _SPACE = 1024, 22, 8
"""A contact sheet in pixels: the most that its pictures take across and down, the height of a label, the gap.

So a single picture is not scaled at all, and of fifteen each is decoded at half its size, in a quarter of the time.
"""

MAX_PIXELS = max(max(model.references.max_pixels, model.max_pixels) for model in all_models())
"""The most that models accept as a reference, or make: a file with more pixels is not one of ours."""
MAX_SIDE = 100_000
CHEAP_PIXELS = 4_200_000
"""Pixels that are decoded in 0.1 s; a JPEG is decoded at reduced size, which takes less for far more."""

_REDUCIBLE = ("JPEG", "MPO")


@frozen
class PreviewSize:
    """The room that a preview takes on the page at most, and the longest side of its file; in pixels."""

    width: int
    height: int
    side: int

    def shown(self, width: int, height: int) -> tuple[int, int]:
        """Return how wide and high a picture of so many pixels is shown: as large as the room, never larger than it."""
        scale = min(1.0, self.width / max(width, 1), self.height / max(height, 1))  # a journal may tell anything
        return max(1, round(width * scale)), max(1, round(height * scale))


ALONE = PreviewSize(width=900, height=640, side=1024)
FEW = PreviewSize(width=446, height=388, side=640)
MANY = PreviewSize(width=294, height=280, side=512)
THUMBNAIL = PreviewSize(width=112, height=64, side=168)
"""How results and references are shown: sharp on fine screens, none higher than a screen, and in a row of 900 pixels
one picture, two of a few, or three of many. A thumbnail, the size of references, has some 3 kB."""
MAX_FEW = 4
WALL_HEIGHT = 120
"""How high pictures stand in a wall, a list of the history: more in a row that is stretched to fill the page."""
GALLERY_SIDE, TRAY_SIDE = 320, 160
"""The longest sides of the panel's thumbnails, in its history and in its tray; its style sheet says how large they are
shown."""


def size_for(count: int) -> PreviewSize:
    """Return the size of the previews when `count` pictures are shown together."""
    if count <= 1:
        return ALONE
    return FEW if count <= MAX_FEW else MANY


def preview(path: Path, side: int) -> bytes:
    """Return a small JPEG of a picture, its longest side at most `side` pixels, upright, on white.

    Raises:
        ValueError: the file is damaged, or not a JPEG, PNG or WebP.
        OSError: the file is gone.
    """
    return _preview(path, path.stat().st_mtime_ns, side)


def large_preview(path: Path, side: int) -> bytes:
    """Return a JPEG as `preview` does, so large that only the last few stay in memory."""
    return _large_preview(path, path.stat().st_mtime_ns, side)


def try_pillow() -> None:
    """Decode and encode a small picture of each kind, as later with those that are paid for.

    Raises:
        Exception: Pillow is broken; this is whatever it raises.
    """
    from PIL import Image

    for form in ("PNG", "JPEG"):
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, form)
        with Image.open(file, formats=(form,)) as image:
            _encoded_at(4, _decoded(image, file, 4))


def cheap_preview(source: Path | bytes | Image.Image, side: int) -> bytes | None:
    """Return the preview of a picture in any form and format; None if making it would take long.

    Raises:
        ValueError: it is gone, damaged, or not a picture.
    """
    from PIL import Image

    with _damage_named("A reference"):
        if isinstance(source, Image.Image):
            step = max(1, max(source.size) // (2 * side))
            return _encoded_at(side, _small(_scalable(source).reduce(step), side))
        with BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file:
            image = open_picture(file)
            if image.width * image.height > CHEAP_PIXELS and image.format not in _REDUCIBLE:
                return None
            return _encoded_at(side, _decoded(image, file, side))


@lru_cache(maxsize=MAX_PREVIEWS)
def _preview(path: Path, _changed: int, side: int) -> bytes:
    return _made(path, side)


@lru_cache(maxsize=MAX_LARGE)
def _large_preview(path: Path, _changed: int, side: int) -> bytes:
    return _made(path, side)


def _made(path: Path, side: int) -> bytes:
    """Make the preview of a file as it is now."""
    from PIL import Image

    opening = partial(Image.open, formats=("JPEG", "PNG", "WEBP"))
    with open_regular(path) as file, _damage_named(path.name), open_image(file, opening) as image:
        return _encoded_at(side, _decoded(image, file, side))


@contextmanager
def _damage_named(name: str) -> Iterator[None]:
    """Name the picture that Pillow can't read, whatever it raises."""
    from PIL.Image import DecompressionBombError

    try:
        yield
    except (OSError, ValueError, SyntaxError, IndexError, TypeError, struct.error, DecompressionBombError) as error:
        raise ValueError(f"{name} is damaged, or not a picture: {plain(str(error))}") from error


def thumbnail_of(reference: Reference) -> PreviewSize:
    """Return how large a reference is shown among those of its request."""
    width, height = THUMBNAIL.shown(_pixels(reference.width), _pixels(reference.height))
    sharpness = THUMBNAIL.side / THUMBNAIL.width
    return PreviewSize(width=width, height=height, side=max(1, round(max(width, height) * sharpness)))


def warm_references(request: ImageRequest) -> None:
    """Make the thumbnails of the kept references, so that nobody waits for them when the result is shown."""
    for reference in request.images:
        if isinstance(reference.source, Path):
            with suppress(Exception):  # it is shown without them
                preview(reference.source, thumbnail_of(reference).side)


def _pixels(value: object) -> int:
    """Return a side from the journal, which may be anything."""
    return value if isinstance(value, int) and 1 <= value <= MAX_SIDE else THUMBNAIL.width


def sheet(pictures: Sequence[Picture]) -> bytes:
    """Return one small JPEG of a result's pictures, with their marks and the label of the sandbox."""
    labelled = [
        (picture.path, f"{picture.mark} {picture.backend}" if picture.is_free else picture.mark) for picture in pictures
    ]
    return contact_sheet(labelled, size_for(len(pictures)).side)


def contact_sheet(pictures: Sequence[tuple[Path, str]], side: int) -> bytes:
    """Return one small JPEG of the previews of pictures, each above its label; `side` is the previews' longest side.

    Pictures that are gone or damaged are left out; if none is left, nothing is returned.
    """
    readable = [(path, changed, label) for path, label in pictures if (changed := _changed(path, side)) is not None]
    return _contact_sheet(tuple(readable), side) if readable else b""


def _changed(path: Path, side: int) -> int | None:
    """Return when a picture was written, if it has a preview."""
    try:
        changed = path.stat().st_mtime_ns
        _preview(path, changed, side)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the others are shown
        return None
    return changed


@lru_cache(maxsize=MAX_SHEETS)
def _contact_sheet(pictures: tuple[tuple[Path, int, str], ...], side: int) -> bytes:
    from PIL import Image

    images = [Image.open(BytesIO(_preview(path, changed, side))) for path, changed, _ in pictures]
    across, width, height = _boxes([image.size for image in images])
    down = math.ceil(len(images) / across)
    size = (across * (width + _SPACE) + _SPACE, down * (height + _LABEL) + _SPACE)
    sheet = Image.new("RGB", size, "white")
    for position, (image, (_, _, label)) in enumerate(zip(images, pictures, strict=True)):
        x, y = _SPACE + position % across * (width + _SPACE), _SPACE + position // across * (height + _LABEL)
        image.thumbnail((width, height), Image.Resampling.HAMMING, reducing_gap=GAP)
        sheet.paste(image, (x + (width - image.width) // 2, y + height - image.height))
        _write(sheet, label, x + width // 2, y + height + _LABEL // 2)
    return _encoded_within(sheet, SHEET_BYTES)


# What labels consist of, marks and the sandbox's name: beside each other in the font that Pillow brings along, 14
# pixels high, as 13 rows of grey, compressed. To load the font takes 4 ms, half a megabyte, and FreeType, which may be
# broken.
_LETTERS = "@.0123456789 abdnosx"
_WIDTHS = (12, 3, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 3, 8, 9, 9, 8, 9, 7, 7)
_LETTERS_HEIGHT = 13
_DRAWN = (
    "c-qZWeXS=U48%e$U;ztQzycQ5!dk!r7O+qYSf~YVrm*{dmzP{Fx#aTrXP2)sotZX-|26WGKTQ8-TyxFBpQL`dP8%_V*v-Ej4I6V|bU$X"
    "ZNmxECq+!-^PH_JIXK1lakG_#vma;N`IxpuLWoVFji*)rP#jvps%rtX|+V(_m0UqfCzg?nU{|K$v9g*zZZyCce_8t9l!@R7JND#iv#Oj"
    "i`&h1f&?>dnr5i-t2|L#<znP~!+41%w%jOn!`ucF++W00!867l)CQb<<1>7BLvyNf5Qy?G^hrXa_k(u$2Vn}Nt69{sSx?_u|W==!UKHW"
    "3aeid6yuP$M*rE(I5g6}+Bh^dR^haKmW0T36cdd&oofOS!sf#!}8(=SEo-S~i>?e8#br$y97D3NRt)*a5EOvA~h@!*sZMR)C*Su)~B>h"
    "=t_U>1o4R*>HJ7lW)+P9#0Y?-zRHzlbdNv_>%iB$>TAU12o$gYa2=+ahu{z-&Yvy*$LfR+B9ThDL`<IquMt?X$+F#m$7WS6y;!lQgNR="
    "tmB;IX9Z|Sj)g$v6WX)#8?=zyqC`qQ(?a4A1$qqgmcaw9dVSnqW#Ak4I2o9;1`I+M9s5HgrrrAM5eJgDY+KO#3tD&uMTm+=E=5H##x+N"
    "oL?+{-c^qij(vDwY{r*DR^ZT)M-SC2YOjuEUNZMB;Y#Cip-DXEk;Aeh7d&&Sjh1<{r5=sEFZYPnNI6qtNhPDM1Gy<>4cY|}%gs`S194j"
    "LRS}uE}44e5_4JYbCFRF8?pF%eo^#j^x^U&<DP^^H6<{e$2A2%X9;`IZ8{Q|;-=ve"
)


@cache
def _letters() -> dict[str, Image.Image]:
    """Return the letters that labels consist of, each as a mask."""
    from PIL import Image

    size = (sum(_WIDTHS), _LETTERS_HEIGHT)
    strip = Image.frombytes("L", size, zlib.decompress(base64.b85decode(_DRAWN)))
    ends = list(accumulate(_WIDTHS))
    places = zip(_LETTERS, _WIDTHS, ends, strict=True)
    return {letter: strip.crop((end - width, 0, end, _LETTERS_HEIGHT)) for letter, width, end in places}


def _write(image: Image.Image, label: str, x: int, y: int) -> None:
    """Write a label in black, its middle at this point; other letters than those are left out."""
    masks = [_letters()[letter] for letter in label if letter in _letters()]
    left = x - sum(mask.width for mask in masks) // 2
    for mask in masks:
        image.paste("black", (left, y - _LETTERS_HEIGHT // 2), mask)
        left += mask.width


def _boxes(sizes: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """Return how many pictures a row of the sheet has, and the width and height for each."""
    width, height = (max(side) for side in zip(*sizes, strict=True))
    width = max(width, height // 4)  # room for the label of a very narrow one
    rows = math.ceil(len(sizes) / math.ceil(math.sqrt(len(sizes) * height / width)))
    across = math.ceil(len(sizes) / rows)
    scale = min(1.0, _SHEET_SIDE / across / width, _SHEET_SIDE / rows / height)
    return across, max(1, int(width * scale)), max(1, int(height * scale))


def _encoded_at(side: int, image: Image.Image) -> bytes:
    return _encoded_within(image, round(BYTES_A_PIXEL * side * side))


def _encoded_within(image: Image.Image, max_bytes: int) -> bytes:
    """Return a picture as a JPEG of the best quality within the limit; of the lowest if none is."""
    small, best_bytes = b"", 0
    for quality, share in QUALITIES.items():
        if share * best_bytes > max_bytes:
            continue
        small = _encoded(image, quality)
        if len(small) <= max_bytes:
            break
        best_bytes = best_bytes or len(small)
    return small


def _encoded(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.info = {}  # Pillow would write it into the file, and so into the notebook
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _decoded(image: ImageFile.ImageFile, file: BinaryIO, side: int) -> Image.Image:
    """Decode a picture once; a JPEG at the reduced size that its format supports."""
    if image.width * image.height > MAX_PIXELS and image.format not in _REDUCIBLE:
        raise ValueError(f"it has {image.width}x{image.height} pixels")
    # All at once: between blocks the decoder would wait for the interpreter's lock.
    position = file.tell()
    image.decodermaxblock = file.seek(0, os.SEEK_END)
    file.seek(position)
    with nullcontext() if image.format in _REDUCIBLE else _full_decoding_lock(os.getpid()):
        return _small(_scalable(image), side)


@cache
def _full_decoding_lock(_process: int) -> threading.RLock:
    """Return a process's lock for PNG and WebP, which must be decoded in full: 50 MB for 4096x4096 pixels.

    A forked child needs its own: nobody would release the parent's.
    """
    return threading.RLock()


def _small(image: Image.Image, side: int) -> Image.Image:
    """Scale a picture down in place, and return it upright, on white."""
    from PIL import Image, ImageOps

    image.thumbnail((side, side), Image.Resampling.HAMMING, reducing_gap=GAP)  # half of Lanczos's time
    ImageOps.exif_transpose(image, in_place=True)
    return _on_white(image)


def _scalable(image: Image.Image) -> Image.Image:
    """Return a picture in a mode that can be scaled smoothly; most are, and stay undecoded."""
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in {"1", "P", "PA"}:
        return image.convert("RGBA")
    return image


def _on_white(image: Image.Image) -> Image.Image:
    """Return a picture as RGB with its transparent parts white, because a JPEG has no transparency."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")  # always a copy: when saving what it read, Pillow needs the working folder
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")
