"""Every mode of Pillow and every type of array is sent as it looks, and what is all but black is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageCms

from seedream_nb.errors import ReferenceImageError
from seedream_nb.references.adapters import sources_of
from seedream_nb.request import Reference
from tests.pictures import encoded, gradient
from tests.references import fit, load_reference
from tests.test_encode import distance, fitted, opened

if TYPE_CHECKING:
    from pathlib import Path


MODES = [
    *("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "HSV", "LAB", "YCbCr"),
    *("F", "I", "I;16", "I;16B", "I;16L", "I;16N"),
]


def in_mode(mode: str) -> Image.Image:
    """Return the gradient in a mode of Pillow, made by way of another where it must be."""
    ways = {"La": ("LA",), "RGBa": ("RGBA",), "PA": ("P",), "I;16B": ("I",), "I;16L": ("I",), "I;16N": ("I",)}
    picture = gradient(60, 40)
    if mode.startswith("I;16"):
        wide = gradient(60, 40, "L").convert("I").point(lambda value: value * 257)
        order = {"I;16B": ">u2", "I;16L": "<u2", "I;16": "<u2", "I;16N": "=u2"}[mode]
        import numpy as np

        return Image.frombytes(mode, (60, 40), np.asarray(wide).astype(order).tobytes())
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        made = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert made is not None
        return made
    for way in ways.get(mode, ()):
        picture = picture.convert(way)
    return picture.convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow_shows_the_same(mode: str, tmp_path: Path) -> None:
    """However odd: it is converted to what the service takes."""
    picture = in_mode(mode)
    assert picture.mode == mode
    grey = gradient(60, 40, "L" if mode[0] in "LFI" and mode != "LAB" else "RGB")
    expected = grey.convert("1") if mode == "1" else grey
    shown = opened(fitted(picture, tmp_path))
    assert shown.mode in {"L", "RGB", "RGBA"}
    assert distance(shown, expected) <= (16 if mode in {"P", "PA", "LAB"} else 6)  # few colours, or fewer


def test_a_mode_that_nobody_can_convert_is_refused(tmp_path: Path) -> None:
    """In a sentence."""

    class Strange(Image.Image):
        """A picture whose pixels stay with it."""

        def convert(self, *_args: object, **_options: object) -> Image.Image:
            """Refuse to."""
            raise ValueError("conversion from XYZ to RGB not supported")

    picture = Strange()
    picture._mode, picture._size, picture.im = "HSV", (60, 40), in_mode("HSV").im  # noqa: SLF001 - as none can be made else
    with pytest.raises(ReferenceImageError, match="can't be converted to RGB"):
        fit(Reference(name="odd", sha256="0" * 64, source=picture), tmp_path)


def array(value: float, dtype: str, *bands: int) -> Any:
    """Return an array with this as its largest value."""
    import numpy as np

    values = np.zeros((40, 60, *bands), dtype)
    values[10:20] = value
    return values


DIM = [
    *(array(1, "uint8"), array(20, "uint8", 3), array(1, "int64")),
    *(array(4095, "uint16"), array(0.05, "float32"), array(5.0, "float64")),
]


@pytest.mark.parametrize("dim", DIM, ids=[f"{each.dtype} {each.shape}" for each in DIM])
def test_an_array_that_is_all_but_black_is_told(dim: Any) -> None:
    """It is sent, with how to make a mask of it; what is written there is taken, and bright."""
    (note,) = noted("mask", dim)
    assert note.startswith("mask: its brightest value is ")
    assert "of 255, so it is nearly black; for a mask of 0 and 1 write mask * 255, " in note
    assert noted("mask", dim * (255 / dim.max())) == ()


def noted(name: str, value: object) -> tuple[str, ...]:
    """Return what is said about a value as a reference."""
    ((_, source),) = sources_of(name, value)
    assert not isinstance(source, str)
    return load_reference(name, source).notes


BRIGHT = [
    *(array(1, "bool"), array(26, "uint8"), array(1.0, "float32"), array(30_000, "uint16")),
    Image.new("1", (40, 40), 1),
]


@pytest.mark.parametrize("bright", BRIGHT, ids=lambda each: f"{getattr(each, 'dtype', 'Pillow')}")
def test_nothing_is_said_of_what_is_bright(bright: Any) -> None:
    """A mask of booleans, whatever has the whole range of its type."""
    assert noted("mask", bright) == ()


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "I", "P", "PA"])
def test_an_image_of_pillow_that_is_all_but_black_is_told(mode: str) -> None:
    """In its own modes, with palettes too."""
    picture = Image.new("L" if mode.startswith("P") else mode, (60, 40), 3 if mode != "RGB" else (3, 0, 0))
    picture = picture.convert("P").convert(mode) if mode.startswith("P") else picture
    (note,) = load_reference("mask", picture).notes
    assert "black; " in note
    assert "brighten it first" in note


def test_what_is_transparent_may_be_black() -> None:
    """As a drawing in ink is."""
    assert load_reference("ink", Image.new("LA", (60, 40), (0, 80))).notes == ()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_a_file_that_is_all_but_black_is_told(form: str, mode: str, tmp_path: Path) -> None:
    """A PNG is sent as it is all the same."""
    content = encoded(Image.new(mode, (60, 40), 1 if mode == "L" else 300), form)
    note = fitted(content, tmp_path, "mask.png").note
    assert note is not None
    assert "of 255, so it is nearly black; brighten it, or save a mask with 0 and 255" in note


def test_layers_are_no_animation(tmp_path: Path) -> None:
    """Nor are pages: only what moves is called animated."""
    pages = encoded(gradient(), "TIFF", save_all=True, append_images=[gradient()])
    path = tmp_path / "pages.tif"
    path.write_bytes(pages)
    with Image.open(path) as image:
        assert load_reference("scan", image).notes == ("scan: has several pages, only the current one was sent",)
