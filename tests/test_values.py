"""What an object can do decides what it is as a reference."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.errors import Problem
from seedream_nb.references.adapters import sources_of
from seedream_nb.references.load import REFUSED_FORMATS
from tests.pictures import bomb, encoded, gradient, noise
from tests.references import load_reference


@dataclass(frozen=True)
class OurPicture:
    """As far as a reference is concerned, one of our pictures."""

    path: Path
    mark: str = "@3.1"


@dataclass(frozen=True)
class OurResult:
    """As far as a reference is concerned, one of our results."""

    images: list[OurPicture] = field(default_factory=list)

    def _repr_png_(self) -> bytes:
        raise AssertionError("that is a preview")


OurResult.__module__ = "seedream_nb.storage.generation"


class Located:
    """Anything that is a path."""

    def __fspath__(self) -> str:
        """Return the path."""
        return "a.png"


IMAGE = gradient()
A, B = Path("a.png"), Path("b.png")
TAKEN = [
    ("a.png", [("x", "a.png")]),
    (A, [("x", A)]),
    (b"abc", [("x", b"abc")]),
    (bytearray(b"abc"), [("x", b"abc")]),
    (memoryview(b"abc"), [("x", b"abc")]),
    (IMAGE, [("x", IMAGE)]),
    (Located(), [("x", A)]),
    (OurPicture(A), [("@3.1", A)]),
    (OurResult([OurPicture(A), OurPicture(B, "@3.2")]), [("@3.1", A), ("@3.2", B)]),
    ([A, "b.png"], [("x[0]", A), ("x[1]", "b.png")]),
    ((A, [B, A]), [("x[0]", A), ("x[1][0]", B), ("x[1][1]", A)]),
    ([A], [("x", A)]),
    (deque([A, B]), [("x[0]", A), ("x[1]", B)]),
    ({"a": A}.values(), [("x", A)]),
    ((each for each in (A, B)), [("x[0]", A), ("x[1]", B)]),
    (np.array(["a.png", "b.png"]), [("x[0]", "a.png"), ("x[1]", "b.png")]),
    (np.array([A, B], object), [("x[0]", A), ("x[1]", B)]),
    ({"name": "up.png", "content": memoryview(b"abc")}, [("up.png", b"abc")]),
    ({"up.png": {"metadata": {}, "content": b"abc"}}, [("up.png", b"abc")]),
    ({"bytes": b"abc", "path": "fox.png"}, [("fox.png", b"abc")]),
    ({"bytes": b"abc", "path": None}, [("x", b"abc")]),
    ({"bytes": None, "path": "fox.png"}, [("x", "fox.png")]),
    ([{"bytes": b"abc", "path": None}, {"bytes": b"abd", "path": None}], [("x[0]", b"abc"), ("x[1]", b"abd")]),
    (np.array([{"bytes": b"abc", "path": None}], object), [("x", b"abc")]),
    (SimpleNamespace(value=b"abc", format="png"), [("x", b"abc")]),
    (SimpleNamespace(value=b"https://x.org/a.png", format="url"), [("x", "https://x.org/a.png")]),
    (SimpleNamespace(image_data=b"abc", sync_image_data=True), [("x", b"abc")]),
    (SimpleNamespace(accept="", multiple=True, value=({"name": "a", "content": b"abc"},)), [("a", b"abc")]),
    (SimpleNamespace(accept="", multiple=True, value={"a": {"content": b"abc"}}), [("a", b"abc")]),
]


@pytest.mark.parametrize(("value", "sources"), TAKEN, ids=lambda value: type(value).__name__)
def test_values_come_down_to_sources(value: object, sources: list[tuple[str, object]]) -> None:
    """Each with a name for messages."""
    assert list(sources_of("x", value)) == sources


REFUSED = [
    (None, ["x is None", "a path, a URL"]),
    (3, ["type int"]),
    (object(), ["type object"]),
    ({"a": A}, ["type dict"]),
    (PurePath, ["is a class, PurePath"]),
    ({A, B}, ["type set", "sorted"]),
    ([[1, 2], [3, 4]], ["x[0][0]", "type int", "numpy.array"]),
    (range(10**12), ["more than 1000 items"]),
    ((A for _ in range(15)), ["more than 14 pictures"]),
    (itertools.repeat(b"abc"), ["more than 14 pictures"]),
    (lambda: A, ["type function"]),
    ([], ["no pictures"]),
    (OurResult([]), ["no pictures"]),
    ([A, None], ["x[1] is None"]),
    ([[[[[[[A]]]]]]], ["deep"]),
]


@pytest.mark.parametrize(("value", "told"), REFUSED, ids=lambda value: type(value).__name__)
def test_other_values_are_told_what_can_be_handed_over(value: object, told: list[str]) -> None:
    """By name, and with the way to get there."""
    with pytest.raises(Problem) as caught:
        list(sources_of("x", value))
    assert caught.value.reference
    assert [each for each in told if each not in str(caught.value)] == []


def test_a_list_that_holds_itself_is_no_hang() -> None:
    """It is too deep."""
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(Problem, match="deep"):
        list(sources_of("x", endless))


def test_birth_describes_a_file(tmp_path: Path) -> None:
    """Its content by hash, its type by what it is and not by its name."""
    content = encoded(gradient(300, 200), "JPEG")
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    reference = load_reference("photo", path)
    assert (reference.name, reference.source, reference.media_type) == ("photo", path, "image/jpeg")
    assert (reference.width, reference.height, reference.size_bytes) == (300, 200, len(content))
    assert reference.sha256 == hashlib.sha256(content).hexdigest()
    assert reference.identity == load_reference("other", content).identity


def test_birth_decodes_nothing(tmp_path: Path) -> None:
    """A picture whose pixels are missing is found out later, off the main thread."""
    path = tmp_path / "half.jpg"
    path.write_bytes(encoded(noise(300, 200), "JPEG")[:5000])
    assert load_reference("half", path).width == 300


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_path_holds_no_file_open(tmp_path: Path) -> None:
    """Otherwise Windows could not remove it."""
    path = tmp_path / "a.png"
    path.write_bytes(encoded(gradient(), "PNG"))
    before = list(Path("/proc/self/fd").iterdir())
    references = [load_reference("a", path) for _ in range(5)]
    assert (len(references), len(list(Path("/proc/self/fd").iterdir()))) == (5, len(before))


def test_a_pil_image_is_copied() -> None:
    """Changing it afterwards changes nothing."""
    image = gradient()
    reference = load_reference("image", image)
    image.paste("red", (0, 0, 300, 200))
    assert isinstance(reference.source, Image.Image)
    assert reference.source.tobytes() == gradient().tobytes()


@pytest.mark.slow
def test_equal_pil_images_are_the_same_picture() -> None:
    """And others are not: by pixels, mode, shape, palette."""
    images = [
        gradient(), gradient(200, 300), gradient(mode="L"), gradient(mode="RGBA"), noise(300, 200),
        gradient().quantize(), gradient().quantize(5),
    ]  # fmt: skip
    assert len({load_reference("x", image).identity for image in images}) == len(images)
    assert load_reference("x", gradient()).identity == load_reference("y", gradient()).identity


def test_a_pil_image_just_opened_is_turned_as_it_says(tmp_path: Path) -> None:
    """What was worked on since is as it looks."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(gradient(), "JPEG", exif=exif))
    with Image.open(tmp_path / "a.jpg") as image:
        assert (load_reference("x", image).width, load_reference("x", image).height) == (200, 300)
        assert (load_reference("x", image.copy()).width, load_reference("x", image.copy()).height) == (300, 200)


def test_a_closed_pil_image_is_told() -> None:
    """It can't be read any more."""
    image = gradient()
    image.close()
    with pytest.raises(Problem, match="x can't be read"):
        load_reference("x", image)


CONTENTS = [
    (b"", ["is empty", "another copy"]),
    (b"hello\nyou", ["not a picture but text"]),
    ("Füchse im Schnee".encode() * 100, ["not a picture but text"]),
    (b"<!DOCTYPE html><html></html>", ["a web page"]),
    (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', ["an SVG drawing", "PNG"]),
    (b"%PDF-1.7", ["a PDF"]),
    (b"\0\0\0\x18ftypheic\0\0\0\0", ["a HEIC photo", "JPEG"]),
    (b"\0\0\0\x18ftypisom\0\0\0\0", ["a film"]),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", ["PostScript"]),
    (b"PK\x03\x04abc", ["an archive"]),
    (os.urandom(7) + b"\0\xff\0", ["is not a picture"]),
    (encoded(gradient(), "PNG")[:20], ["damaged PNG"]),
    (encoded(gradient(), "JPEG")[:20], ["damaged JPEG"]),
    (encoded(Image.new("RGB", (14, 14)), "PNG"), ["14x14", "more than 14"]),
    (encoded(Image.new("RGB", (14, 40)), "PNG"), ["14x40", "more than 14"]),
    (encoded(Image.new("RGB", (61, 20)), "PNG"), ["61x20", "1:3 and 3:1", "60x20"]),
    (encoded(Image.new("RGB", (20, 61)), "PNG"), ["20x61", "20x60"]),
    (encoded(Image.new("1", (60_000, 1)), "PNG"), ["60000x1", "more than 14", "1:3 and 3:1"]),
    (bomb(60_000, 50_000), ["60000x50000", "178 million", "Scale it down"]),
    (bomb(13_500, 13_500), ["13500x13500"]),
]


@pytest.mark.parametrize(("content", "told"), CONTENTS, ids=[str(told) for _, told in CONTENTS])
def test_what_is_no_picture_is_told(content: bytes, told: list[str], tmp_path: Path) -> None:
    """By its content, whatever it is called: its name, the limit, the value found, the remedy."""
    path = tmp_path / "x.png"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(Problem) as caught:
            load_reference("x.png", source)
        assert caught.value.reference
        assert [each for each in ["x.png", *told] if each not in str(caught.value)] == []


@pytest.mark.parametrize("shape", [(15, 15), (45, 15), (15, 45), (6000, 6000), (9000, 9000)])
def test_what_can_be_made_to_fit_is_taken(shape: tuple[int, int]) -> None:
    """Too many pixels are scaled down later."""
    assert load_reference("x", encoded(Image.new("1", shape), "PNG")).width == shape[0]


def test_big_pictures_bring_no_warning() -> None:
    """Pillow's warning about 90 million pixels would frighten for nothing."""
    assert load_reference("x", encoded(Image.new("1", (10_000, 9500)), "PNG")).width == 10_000


def test_nothing_is_started_to_read_a_file() -> None:
    """Pillow reads PostScript by running Ghostscript."""
    assert "EPS" in REFUSED_FORMATS


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, a device: at once."""
    with pytest.raises(Problem, match="is a folder"):
        load_reference("x", tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(Problem, match="not a regular file"):
            load_reference("x", tmp_path / "pipe")
        with pytest.raises(Problem, match="not a regular file"):
            load_reference("x", Path("/dev/zero"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom modes bind")
def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """With the system's own reason."""
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(Problem, match="Permission denied"):
        load_reference("x", tmp_path / "a.png")


@given(st.binary(max_size=600))
def test_no_content_breaks_it(content: bytes) -> None:
    """Any bytes are a picture or a problem."""
    with contextlib.suppress(Problem):
        load_reference("x", content)


def test_values_are_looked_at_without_importing_pillow() -> None:
    """Whoever hands over a path has no need of it yet."""
    code = (
        "import sys, pathlib; from seedream_nb.references.adapters import sources_of; "
        "list(sources_of('x', [pathlib.Path('a'), b'b'])); print('PIL' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    assert ran.stdout == "False\n"
