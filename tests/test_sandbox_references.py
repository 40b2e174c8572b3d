"""References as files come: every kind of JPEG and PNG, the damaged, and those that only say they are huge."""

from __future__ import annotations

import io
import threading
import warnings
from typing import Any

import pytest
from PIL import Image

from seedream_nb.sandbox.references import PAINTED_SIDE, UnfitError, check_picture, decode_data, is_url
from tests.pictures import bomb, chunk, encoded, gradient, noise

FILES: dict[str, bytes] = {
    "progressive": encoded(gradient(), "JPEG", progressive=True),
    "grey jpeg": encoded(gradient(mode="L"), "JPEG"),
    "cmyk": encoded(gradient(mode="CMYK"), "JPEG"),
    # Phones write a second, smaller picture behind the first; Pillow calls that another format.
    "jpeg of a phone": encoded(gradient(), "MPO", save_all=True, append_images=[gradient(60, 40)]),
    "black and white": encoded(gradient(mode="1"), "PNG"),
    "grey": encoded(gradient(mode="L"), "PNG"),
    "grey with alpha": encoded(gradient(mode="LA"), "PNG"),
    "palette": encoded(gradient(mode="P"), "PNG"),
    "palette with alpha": encoded(gradient(mode="P"), "PNG", transparency=0),
    "alpha": encoded(gradient(mode="RGBA"), "PNG"),
    "16 bits": encoded(gradient(mode="L").convert("I;16"), "PNG"),
    "animated": encoded(gradient(), "PNG", save_all=True, append_images=[gradient(mode="L").convert("RGB")]),
}


@pytest.mark.parametrize("name", FILES)
def test_kinds_of_files(name: str) -> None:
    """Every kind of JPEG and PNG is taken, and its copy for the picture is a plain one."""
    size, small = check_picture(FILES[name])
    assert (size, small.size, small.mode) == ((300, 200), (300, 200), "RGB")


def test_16_bits_are_shown_as_8() -> None:
    """Of 16 bits a pixel the upper eight are shown: dark stays dark, light stays light."""
    deep = Image.new("I;16", (40, 30), 200 * 256)
    _, small = check_picture(encoded(deep, "PNG"))
    assert small.getpixel((5, 5)) == (200, 200, 200)


def test_alpha_is_on_white() -> None:
    """What is transparent is white."""
    _, small = check_picture(encoded(Image.new("RGBA", (40, 30), (0, 0, 0, 0)), "PNG"))
    assert small.getpixel((5, 5)) == (255, 255, 255)


def test_large_pictures_are_made_small() -> None:
    """The copy is no larger than can be seen."""
    size, small = check_picture(encoded(Image.new("L", (4000, 3000)), "JPEG"))
    assert size == (4000, 3000)
    assert max(small.size) <= PAINTED_SIDE


@pytest.mark.parametrize("width", [6001, 9500, 14_000, 60_000, 2**31 - 1])
def test_huge_pictures_are_not_decoded(width: int) -> None:
    """A small file that says it is huge is refused by its header, in the pages' words, and nobody is warned."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnfitError, match="must not exceed 6000x6000 pixels"):
            check_picture(bomb(width, max(6000, width // 2)))


WHOLE = encoded(noise(120, 90), "PNG")
DAMAGED: dict[str, bytes] = {
    "end of a png missing": WHOLE[: len(WHOLE) // 2],
    "a changed byte": WHOLE[:5000] + bytes([WHOLE[5000] ^ 255]) + WHOLE[5001:],
    "end of a jpeg missing": encoded(noise(120, 90), "JPEG")[:3000],
    "start alone": b"\x89PNG\r\n\x1a\n",
    "start of a jpeg alone": b"\xff\xd8\xff",
    "less than it says": bomb(6000, 6000),
    "a text that unpacks to much": WHOLE[:33] + chunk(b"zTXt", b"a\0\0" + b"x" * 50) + WHOLE[33:60],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(name: str) -> None:
    """A file that can't be decoded is refused as damaged."""
    with pytest.raises(UnfitError, match="is damaged"):
        check_picture(DAMAGED[name])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["GIF", "WEBP", "BMP", "TIFF"])
def test_other_formats(form: str) -> None:
    """Any other format is refused, whatever a data URI says."""
    for named in (None, "png", "jpeg"):
        with pytest.raises(UnfitError, match="must be a jpeg or png"):
            check_picture(encoded(gradient(), form), named)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((15, 15), None),
        ((15, 45), None),
        ((45, 15), None),
        ((10392, 3464), None),
        ((14, 14), "above 14"),
        ((14, 40), "above 14"),
        ((40, 14), "above 14"),
        ((15, 46), "from 1/3 to 3"),
        ((46, 15), "from 1/3 to 3"),
        ((3001, 1000), "from 1/3 to 3"),
        ((6001, 6000), "6000x6000"),
    ],
)
def test_sides(shape: tuple[int, int], told: str | None) -> None:
    """Sides, ratio and pixels are held to the pages, each limit included."""
    content = encoded(Image.new("1", shape), "PNG")
    if told is None:
        assert check_picture(content)[0] == shape
    else:
        with pytest.raises(UnfitError, match=told):
            check_picture(content)


def test_bytes() -> None:
    """10 000 000 bytes are taken, one more is not."""
    content = encoded(gradient(), "JPEG")
    most = content + bytes(10_000_000 - len(content))
    assert check_picture(most)[0] == (300, 200)
    with pytest.raises(UnfitError, match="10 MB"):
        check_picture(most + b"\0")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data:image/png;base64,AAAA\n", "Base64"),
        ("data:image/png;base64,AA AA", "Base64"),
        ("data:image/png;base64,AAA", "Base64"),
        ("data:image/png;base64,AA-_", "Base64"),
        ("data:image/png;base64,AAAA=", "Base64"),
        ("data:image/png;base64," + "A" * 13_333_340, "10 MB"),
        ("data:image/PNG;base64,AAAA", "must be a URL or data:"),
        ("DATA:image/png;base64,AAAA", "must be a URL or data:"),
        ("data:image/png;charset=x;base64,AAAA", "must be a URL or data:"),
        ("data:image/png; base64,AAAA", "must be a URL or data:"),
        (" data:image/png;base64,AAAA", "must be a URL or data:"),
        ("AAAA", "must be a URL or data:"),
    ],
    ids=range(12),
)
def test_data_uris(text: str, told: str) -> None:
    """A data URI is spelled as on the pages, its Base64 without white space or other letters."""
    with pytest.raises(UnfitError, match=told):
        decode_data(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("http://x", True), ("HTTPS://x", True), ("ftp://x", False), ("https:/x", False), (" http://x", False)],
)
def test_urls(text: str, is_one: bool) -> None:
    """A URL begins with http:// or https://, in any case."""
    assert is_url(text) == is_one


def test_in_threads() -> None:
    """Files are checked in several threads at once, none in another's way."""
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(check_picture(WHOLE)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(120, 90)] * 4
    assert io.BytesIO(WHOLE).read(4) == b"\x89PNG"
