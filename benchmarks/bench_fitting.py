"""Ten photos of 24 megapixels: what preparing them costs, beside what one would do by hand."""

from __future__ import annotations

import base64
import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import TIMES, Row, median, seconds_of
from benchmarks.service import child
from tests.references import fit, load_reference

if TYPE_CHECKING:
    from seedream_nb.request import Reference

PHOTOS, WIDTH, HEIGHT = 10, 6000, 4000
PIXELS_BYTES = 4 * WIDTH * HEIGHT
"""One decoded picture: Pillow takes four bytes for a pixel."""

SIDE_BY_SIDE = 2
"""References that a job prepares at once. The memory is measured with more, as when several jobs do."""

MEMORY = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
from benchmarks.service import peak_kilobytes
from tests.references import born, fit

Image.init()
photos = sorted(Path(sys.argv[1]).glob("*.png"))
before = peak_kilobytes()
references = [born(photo.name, photo) for photo in photos]
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda each: fit(each, Path(sys.argv[2])), references))
print(json.dumps({"kilobytes": peak_kilobytes() - before}))
"""


def run() -> list[Row]:
    """Measure by turns with the plain way, so that both meet the same machine."""
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder)
        _draw(photos)
        jpegs, pngs = sorted(photos.glob("*.jpg")), sorted(photos.glob("*.png"))
        load_reference, plain = _born(jpegs), [seconds_of(lambda: _encoded(jpegs)) for _ in range(TIMES)]
        phase = [seconds_of(lambda: _fitted(load_reference)) / seconds for seconds in plain]
        whole = [seconds_of(lambda: _fitted(_born(jpegs))) / seconds for seconds in plain]
        converted = [
            seconds_of(lambda: _fitted(_born(pngs))) / seconds_of(lambda: _converted(pngs)) for _ in range(TIMES)
        ]
        with tempfile.TemporaryDirectory() as inputs:
            kilobytes = child(MEMORY, folder, inputs)["kilobytes"]
    return [
        Row(name="ten JPEGs that fit: preparing, beside base64 of them", value=median(phase), unit="times", bound=1.3),
        Row(name="ten JPEGs that fit: the same, and describing them", value=median(whole), unit="times"),
        Row(name="ten PNGs over 10 MB, beside Pillow alone", value=median(converted), unit="times", bound=0.65),
        Row(name="ten PNGs: added memory", value=kilobytes * 1000 / PIXELS_BYTES, unit="pictures", bound=3),
    ]


def _born(photos: list[Path]) -> list[Reference]:
    """Describe photos, as a request does when it is made."""
    return [load_reference(photo.name, photo) for photo in photos]


def _fitted(references: list[Reference]) -> None:
    """Prepare references, as a job does."""
    with tempfile.TemporaryDirectory() as inputs, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(lambda each: fit(each, Path(inputs)), references))


def _encoded(photos: list[Path]) -> None:
    for photo in photos:
        base64.b64encode(photo.read_bytes())


def _converted(photos: list[Path]) -> None:
    from PIL import Image

    for photo in photos:
        with Image.open(photo) as image:
            image.convert("RGB").save(io.BytesIO(), "JPEG", quality=95)


def _draw(folder: Path) -> None:
    """Draw what compresses as a photo does: the JPEGs have 4 to 8 MB, the PNGs 40."""
    from PIL import Image, ImageChops

    slope = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    for number in range(PHOTOS):
        clouds = Image.effect_noise((WIDTH // 8, HEIGHT // 8), 90).resize((WIDTH, HEIGHT))
        grain = Image.effect_noise((WIDTH, HEIGHT), 5)
        bands = [ImageChops.add(band, grain, 2) for band in (clouds, slope, ImageChops.invert(clouds))]
        photo = Image.merge("RGB", bands)
        photo.save(folder / f"{number}.jpg", quality=90)
        photo.save(folder / f"{number}.png", compress_level=1)
