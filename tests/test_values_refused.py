"""Bad input, as a person hands it over: the error names the reference, what was found, the limit and the remedy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seedream_nb.compose import Composer
from seedream_nb.errors import Problem, ReferenceImageError
from seedream_nb.scope import NamesScope
from seedream_nb.settings import Settings
from tests.pictures import bomb, encoded, gradient
from tests.references import fit

PNG, JPEG = encoded(gradient(), "PNG"), encoded(gradient(), "JPEG")
CLOSED = io.BytesIO(PNG)
CLOSED.close()


class Blank:
    """A figure with nothing drawn."""

    def get_axes(self) -> list[object]:
        """Return none."""
        return []

    def savefig(self, _stream: object) -> None:
        """Never be asked to."""
        raise AssertionError


FILES = {
    "cut.png": PNG[: len(PNG) // 2],
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "head.png": PNG[:20],
    "flipped.png": PNG[:200] + bytes((PNG[200] ^ 255,)) + PNG[201:],
    "empty.png": b"",
    "text.png": b"hello, I am no picture\n",
    "page.png": b"<!doctype html><html>",
    "bomb.png": bomb(60_000, 50_000),
    "strip.png": encoded(Image.new("1", (60_000, 1)), "PNG"),
    "tiny.png": encoded(Image.new("RGB", (14, 14)), "PNG"),
    "wide.png": encoded(Image.new("RGB", (100, 20)), "PNG"),
}
NAMES: dict[str, Any] = {
    "nan": np.full((40, 40), np.nan),
    "endless": np.full((40, 40), np.inf),
    "pairs": np.zeros((40, 40, 2)),
    "batch": np.zeros((8, 40, 40, 3)),
    "waves": np.zeros((40, 40), complex),
    "closed": CLOSED,
    "blank": Blank(),
}
REFUSED = [
    # written, what was found, the limit, the remedy
    ("cut.png", "truncated", "cut off", "use a complete copy"),
    ("cut.jpg", "truncated", "cut off", "use a complete copy"),
    ("head.png", "PNG file", "damaged", "save it again, or use another copy"),
    ("flipped.png", "broken data", "damaged", "use a complete copy"),
    ("empty.png", "empty", "", "use another copy"),
    ("text.png", "text", "not a picture", "pass a picture file"),
    ("page.png", "a web page", "not a picture", "download the picture itself"),
    ("bomb.png", "60000x50000 pixels", "at most 178 million", "for example to 6000x6000"),
    ("strip.png", "60000x1 pixels", "more than 14", "Use a larger picture"),
    ("tiny.png", "14x14 pixels", "more than 14", "Use a larger picture or scale it up"),
    ("wide.png", "100x20 pixels", "between 1:3 and 3:1", "for example to 60x20"),
    ("nan", "1600 values", "not finite (NaN or infinite)", "numpy.nan_to_num(nan)"),
    ("endless", "1600 values", "not finite (NaN or infinite)", "numpy.nan_to_num(endless)"),
    ("pairs", "shape (40, 40, 2)", "1, 3 or 4 channels", "take a part of it"),
    ("batch", "shape (8, 40, 40, 3)", "height x width", "write batch[0]"),
    ("waves", "complex128", "is not for pictures", "convert it to uint8"),
    ("closed", "a closed file", "", "open it again"),
    ("blank", "nothing drawn", "", "draw first"),
    ("ftp://x.org/a.png", "ftp:", "not http or https", "fetch it"),
    ("file:///a.png", "file:", "not http or https", "write its path"),
    ("data:image/png;base64,A*A=", "Only base64 data is allowed", "broken base64", "encode the file again"),
    (".", "a folder", "", "write FOLDER/*.png"),
    ("http://127.0.0.1:9/a.png", "nobody there", "can't be fetched", "write its path"),
]


def fetch(_url: str) -> bytes:
    """Find nobody there."""
    raise Problem("http://127.0.0.1:9/a.png can't be fetched: nobody there. Save it, and write its path.")


@pytest.mark.parametrize(("written", "found", "limit", "remedy"), REFUSED, ids=[row[0] for row in REFUSED])
def test_bad_input_is_told(written: str, found: str, limit: str, remedy: str, tmp_path: Path) -> None:
    """When the request is made, or when it is prepared: before anything is sent."""
    told = " ".join(refusal(written, tmp_path).split())
    name = written.partition(",")[0]
    assert [each for each in (name, found, limit, remedy) if each not in told] == []


def refusal(written: str, folder: Path) -> str:
    """Return what a person is told of a reference that can't be used."""
    for name, content in FILES.items():
        Path(name).write_bytes(content)
    scope = NamesScope(NAMES)
    composer = Composer(settings=Settings(environ={}, folder=folder), scope=scope, marked=lambda _: [], fetch=fetch)
    with pytest.raises(ReferenceImageError) as caught:
        prepare(composer, written, folder / "inputs")
    assert not [*folder.glob("inputs/*")]
    return str(caught.value)


def prepare(composer: Composer, written: str, inputs: Path) -> None:
    """Make a request, and prepare its references as a job does."""
    for reference in composer.compose("a fox", typed=True, images=[written]).images:
        fit(reference, inputs)


MISLABELLED = [("photo.png", JPEG, "image/jpeg"), ("plot.jpg", PNG, "image/png"), ("plot.txt", PNG, "image/png")]


@pytest.mark.parametrize(("name", "content", "media_type"), MISLABELLED)
def test_a_mislabelled_file_is_what_it_holds(name: str, content: bytes, media_type: str, tmp_path: Path) -> None:
    """Whatever it is called: the service is told what it is."""
    Path(name).write_bytes(content)
    settings = Settings(environ={}, folder=tmp_path)
    composer = Composer(settings=settings, scope=NamesScope({}), marked=lambda _: [])
    (reference,) = composer.compose("a fox", images=[name]).images
    sent = fit(reference, tmp_path / "inputs")
    assert (sent.media_type, sent.path.read_bytes()) == (media_type, content)
