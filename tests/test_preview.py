"""Previews: small JPEGs, upright, on white."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.preview import (
    THUMBNAIL,
    cheap_preview,
    contact_sheet,
    preview,
    size_for,
    thumbnail_of,
    warm_references,
)
from seedream_nb.request import Reference, make_request
from seedream_nb.service import backends, is_free
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from pathlib import Path


def painted(path: Path, size: tuple[int, int] = (1600, 800), mode: str = "RGB", **options: object) -> Path:
    """Write a picture, its left half red, its right half blue."""
    image = Image.new(mode, size, "blue")
    image.paste(Image.new(mode, (size[0] // 2, size[1]), "red"), (0, 0))
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def shown(path: Path, side: int) -> Image.Image:
    """Return the preview of a picture, decoded."""
    image = Image.open(io.BytesIO(preview(path, side)))
    image.load()
    return image


@pytest.mark.parametrize(("count", "side"), [(0, 1024), (1, 1024), (2, 640), (4, 640), (5, 512), (15, 512)])
def test_size_for(count: int, side: int) -> None:
    """One picture is shown at 1024 pixels, up to four at 640, more at 512."""
    assert size_for(count).side == side


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_preview_is_a_small_jpeg(tmp_path: Path, name: str) -> None:
    """Each kind of picture gets a JPEG whose longest side is the one asked for."""
    image = shown(painted(tmp_path / name), 512)
    assert (image.format, image.size) == ("JPEG", (512, 256))


@pytest.mark.parametrize("name", ["a.jpg", "a.gif", "a.png"])
def test_a_preview_says_nothing_but_what_is_seen(tmp_path: Path, name: str) -> None:
    """A picture's comment does not get into the notebook: it may say anything, a key that a server echoes too."""
    path = painted(tmp_path / name, (300, 200), comment=b"sk_Zq7XvTgWpLmRkYbN")
    content = cheap_preview(path, 100) if name.endswith("gif") else preview(path, 100)
    assert b"sk_Zq7XvTgWpLmRkYbN" not in (content or b"")


def test_small_pictures_are_not_blown_up(tmp_path: Path) -> None:
    """A picture that is smaller than its preview stays as it is."""
    assert shown(painted(tmp_path / "a.png", (60, 40)), 512).size == (60, 40)


@pytest.mark.parametrize("size", [(3024, 1296), (1000, 3001), (16, 4096)])
def test_preview_keeps_the_shape(tmp_path: Path, size: tuple[int, int]) -> None:
    """A preview has the ratio of its picture, however far from a square."""
    width, height = shown(painted(tmp_path / "a.jpg", size), 512).size
    assert max(width, height) == 512
    assert abs(width - 512 * size[0] / max(size)) <= 1
    assert abs(height - 512 * size[1] / max(size)) <= 1


def test_preview_is_upright(tmp_path: Path) -> None:
    """A picture that its file says is lying on its side is shown upright."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, clockwise
    image = shown(painted(tmp_path / "a.jpg", exif=exif), 512)
    assert image.size == (256, 512)
    red, _, blue = image.getpixel((128, 20))  # type: ignore[misc]
    assert red > blue


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_transparent_parts_are_white(tmp_path: Path, name: str) -> None:
    """What can be seen through is white in the preview."""
    Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(tmp_path / name)
    assert min(shown(tmp_path / name, 512).getpixel((50, 50))) > 250  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["L", "CMYK", "1", "P", "LA", "I;16"])
def test_other_modes(tmp_path: Path, mode: str) -> None:
    """Grey, printed, two-coloured, indexed and deep pictures have previews too."""
    name = "a.jpg" if mode == "CMYK" else "a.png"
    Image.new(mode, (200, 100)).save(tmp_path / name)
    assert shown(tmp_path / name, 100).mode == "RGB"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize("kept", [0, 10, 60, 300])
def test_damaged_files(tmp_path: Path, name: str, kept: int) -> None:
    """A file that is cut off raises ValueError, which names it."""
    path = painted(tmp_path / name)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=name):
        preview(path, 512)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    """Only JPEG, PNG and WebP are opened, whatever a file is called."""
    painted(tmp_path / "a.gif").rename(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg is damaged, or not a picture"):
        preview(tmp_path / "a.jpg", 512)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is gone is no damage: FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        preview(tmp_path / "a.jpg", 512)


def test_changed_file_gets_a_new_preview(tmp_path: Path) -> None:
    """A file that is replaced is looked at again."""
    path = painted(tmp_path / "a.png")
    before = preview(path, 512)
    Image.new("RGB", (100, 100)).save(path)
    os.utime(path, (1, 1))
    assert preview(path, 512) != before


def sheet(paths: list[Path], side: int = 512) -> Image.Image:
    """Return the contact sheet of some pictures, decoded."""
    image = Image.open(io.BytesIO(contact_sheet([(path, f"@3.{place}") for place, path in enumerate(paths)], side)))
    image.load()
    return image


@pytest.mark.parametrize("count", [1, 2, 4, 15])
@pytest.mark.parametrize("size", [(1600, 1200), (900, 1600), (2100, 900), (16, 4096), (4096, 16)])
def test_a_sheet_has_at_most_1024_pixels_of_pictures(tmp_path: Path, count: int, size: tuple[int, int]) -> None:
    """Beside its labels and margins a contact sheet has at most 1024 by 1024 pixels, whatever is on it."""
    path = painted(tmp_path / "a.jpg", size)
    assert max(sheet([path] * count).size) <= 1150


@pytest.mark.slow
def test_a_sheet_shows_every_picture(tmp_path: Path) -> None:
    """Pictures of all shapes are on the sheet, each whole, in their order; below each is room for its mark."""
    paths = [
        painted(tmp_path / f"{place}.png", size) for place, size in enumerate([(800, 800), (900, 1600), (2100, 900)])
    ]
    image = sheet(paths, 640)
    assert image.size[0] > 700
    pixels = [image.getpixel((x, y)) for y in range(0, image.height, 4) for x in range(0, image.width, 4)]
    red = sum(pixel[0] > 200 and pixel[2] < 60 for pixel in pixels)  # type: ignore[index]
    blue = sum(pixel[2] > 200 and pixel[0] < 60 for pixel in pixels)  # type: ignore[index]
    assert red > 0.1 * len(pixels)
    assert abs(red - blue) < 0.02 * len(pixels)


def test_the_label_on_a_sheet_is_whole(tmp_path: Path) -> None:
    """Every letter of a mark, and of a service that is free, is drawn, in the middle below its picture."""
    path = tmp_path / "a.png"
    Image.new("RGB", (300, 60), "white").save(path)
    names = "".join(name for name in backends() if is_free(name))
    widths = {}
    for letter in f"@.0123456789{names}":
        label = Image.open(io.BytesIO(contact_sheet([(path, letter * 10)], 512))).convert("L")
        left, top, right, bottom = label.point(lambda grey: 255 * (grey < 128)).getbbox() or (0, 0, 0, 0)
        widths[letter] = right - left
        assert abs((left + right) - label.width) <= 6, letter
        assert label.height - 22 <= top < bottom < label.height, letter
    assert min(widths.values()) > 20
    assert widths["@"] > widths["0"] > widths["."]


def test_a_sheet_of_nothing_is_nothing(tmp_path: Path) -> None:
    """Where no picture can be shown there is no sheet."""
    assert contact_sheet([(tmp_path / "gone.jpg", "@3.1")], 512) == b""


def test_a_changed_file_gets_a_new_sheet(tmp_path: Path) -> None:
    """A sheet is kept, and made anew when a picture on it is another one."""
    path = painted(tmp_path / "a.png")
    labelled = [(path, "@3.1"), (path, "@3.2")]
    before = contact_sheet(labelled, 512)
    assert contact_sheet(labelled, 512) is before
    Image.new("RGB", (100, 100)).save(path)
    os.utime(path, (1, 1))
    assert contact_sheet(labelled, 512) != before


def test_fifteen_grainy_pictures_stay_in_the_budget(tmp_path: Path) -> None:
    """The previews of fifteen pictures full of grain, and their sheet, are less than 1.5 MB of notebook."""
    path = tmp_path / "a.jpg"
    grain = Image.effect_noise((1024, 1024), 60).convert("RGB")
    Image.blend(grain, gradient(1024, 1024), 0.3).save(path, quality=95)
    whole = 15 * len(preview(path, 512)) + len(contact_sheet([(path, "@3.15")] * 15, 512))
    assert whole * 4 / 3 < 1_450_000


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """A PNG of more pixels than the service takes or makes is not unpacked, however small the file is."""
    Image.new("1", (6100, 6000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 100_000
    with pytest.raises(ValueError, match="6100x6000"):
        preview(tmp_path / "a.png", 512)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_cheap_preview_of_any_format(tmp_path: Path, form: str) -> None:
    """Whatever can be a reference has a small JPEG, from its file or its bytes."""
    content = encoded(gradient(600, 300), form)
    (tmp_path / "a").write_bytes(content)
    for source in (content, tmp_path / "a"):
        small = cheap_preview(source, 168)
        assert small is not None
        image = Image.open(io.BytesIO(small))
        assert (image.format, image.size) == ("JPEG", (168, 84))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "F", "CMYK"])
@pytest.mark.slow
def test_a_cheap_preview_of_an_image(mode: str) -> None:
    """An image in memory, however large, has one too, and stays what it was."""
    source = gradient(3000, 2000).convert("L").convert(mode) if mode != "I;16" else Image.new(mode, (3000, 2000))
    before = source.tobytes()
    small = cheap_preview(source, 168)
    assert small is not None
    assert Image.open(io.BytesIO(small)).size == (168, 112)
    assert (source.size, source.mode, source.tobytes()) == ((3000, 2000), mode, before)


@pytest.mark.parametrize(("form", "cheap"), [("JPEG", True), ("PNG", False), ("BMP", False)])
def test_what_takes_long_has_no_cheap_preview(form: str, cheap: bool) -> None:
    """A large file has one only where it can be decoded at reduced size."""
    content = encoded(Image.new("L", (3000, 2000)), form)
    assert (cheap_preview(content, 168) is not None) == cheap


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff", encoded(gradient(), "PNG")[:200]])
def test_no_cheap_preview_of_damage(content: bytes) -> None:
    """What is damaged, or not a picture, raises ValueError."""
    with pytest.raises(ValueError, match="damaged, or not a picture"):
        cheap_preview(content, 168)


@pytest.mark.parametrize(
    ("width", "height", "room"),
    [
        (4000, 3000, (85, 64)),
        (3000, 4000, (48, 64)),
        (3000, 1000, (112, 37)),
        (1000, 3000, (21, 64)),
        (40, 30, (40, 30)),
    ],
)
def test_thumbnails_keep_their_shape(width: int, height: int, room: tuple[int, int]) -> None:
    """References of all shapes stand in one row of 64 pixels, none wider than 112, small ones as they are."""
    found = thumbnail_of(Reference(name="a", sha256="a", width=width, height=height))
    assert (found.width, found.height) == room
    assert found.side == round(1.5 * max(width, height) * min(1, 112 / width, 64 / height))


@pytest.mark.parametrize("told", [None, 0, -5, "<img>", 10**9])
def test_thumbnails_of_what_a_journal_tells(told: object) -> None:
    """A journal may tell anything of a reference's size: the thumbnail keeps within its room."""
    found = thumbnail_of(Reference(name="a", sha256="a", width=told, height=told))  # type: ignore[arg-type]
    assert 1 <= found.width <= THUMBNAIL.width
    assert 1 <= found.side <= THUMBNAIL.side


def test_grainy_thumbnails_stay_small(tmp_path: Path) -> None:
    """Ten references full of grain add less than 60 kB to a notebook."""
    path = tmp_path / "a.jpg"
    Image.effect_noise((2000, 1500), 80).convert("RGB").save(path, quality=95)
    side = thumbnail_of(Reference(name="a", sha256="a", width=2000, height=1500)).side
    assert 10 * len(preview(path, side)) * 4 / 3 < 60_000


def test_warm_references_are_ready(tmp_path: Path) -> None:
    """Lists what was made beforehand is there when it is asked for; what is gone, damaged or a URL does no harm."""
    path = painted(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"damaged")
    sources = [path, tmp_path / "b.png", tmp_path / "gone.png", None]
    images = [Reference(name="a", sha256=str(source), width=1600, height=800, source=source) for source in sources]
    warm_references(make_request("a fox", images=[*images, Reference(name="u", url="https://x.example/")]))
    changed = path.stat().st_mtime_ns
    path.write_bytes(b"no picture any more")
    os.utime(path, ns=(changed, changed))
    assert preview(path, thumbnail_of(images[0]).side).startswith(b"\xff\xd8")
