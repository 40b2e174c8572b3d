"""The sandbox's pictures: exact, repeatable, quick, and made of what the request says."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat

from seedream_nb.sandbox.painter import SCENES, letters, paint

SMALL = (480, 360)
RED, BLUE = (220, 30, 30), (30, 60, 220)


def painted(prompt: str = "a fox", size: tuple[int, int] = SMALL, **options: object) -> Image.Image:
    """Return a painted picture, read from its file."""
    file = io.BytesIO()
    paint(file, prompt, size, **options)  # type: ignore[arg-type]
    with Image.open(file) as picture:
        picture.load()
        return picture


def mean(picture: Image.Image, box: tuple[int, int, int, int] | None = None) -> list[float]:
    """Return the mean red, green and blue of a part of a picture."""
    return ImageStat.Stat(picture.crop(box) if box else picture).mean


@pytest.mark.parametrize("size", [(640, 480), (481, 1013), (1600, 100), (100, 1600), (1024, 1024)])
@pytest.mark.parametrize("words", SCENES, ids=lambda words: words.partition(" ")[0] if isinstance(words, str) else None)
@pytest.mark.slow
def test_every_scene_fills_every_shape(words: str, size: tuple[int, int]) -> None:
    """Each scene is painted in exactly the size asked for, from 1:16 to 16:1."""
    picture = painted(words.split(maxsplit=1)[0], size)
    assert (picture.size, picture.format, picture.mode) == (size, "JPEG", "RGB")


def test_same_request_same_bytes() -> None:
    """The same request gives the same bytes."""
    reference = Image.new("RGB", (80, 60), RED)
    one, two = io.BytesIO(), io.BytesIO()
    for file in (one, two):
        paint(file, "a fox", SMALL, references=[reference])
    assert one.getvalue() == two.getvalue()


@pytest.mark.slow
def test_series_differs() -> None:
    """The pictures of a series differ from each other."""
    pictures = {painted(number=number).tobytes() for number in range(1, 6)}
    assert len(pictures) == 5


@pytest.mark.slow
def test_series_has_one_theme() -> None:
    """The pictures of a series have one palette: their paper is the same."""
    papers = {painted("surprise me", number=number).getpixel((3, 3)) for number in range(1, 5)}
    assert len(papers) == 1


def test_watermark_stands_bottom_right() -> None:
    """The watermark changes the bottom-right corner and nothing else."""
    plain, marked = painted(watermark=False), painted(watermark=True)
    changed = ImageChops.difference(plain, marked).convert("L").point(lambda shade: 255 if shade > 40 else 0).getbbox()
    assert changed is not None
    assert changed[0] > SMALL[0] / 2
    assert changed[1] > SMALL[1] * 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("size", "watermark"), [(SMALL, False), ((256, 1600), True), ((1600, 256), True)])
def test_sandbox_stands_bottom_left(size: tuple[int, int], watermark: bool) -> None:
    """Every picture says "sandbox" in red ink on its paper, with or without the other mark, in any shape."""
    picture = painted("surprise me", size, watermark=watermark)
    foot, room = round(min(size) * 0.075), round(max(9, min(size) * 0.024) * 4.5)
    red, _, blue = picture.crop((0, size[1] - foot, room, size[1])).split()
    assert sum(ImageChops.subtract(red, blue).histogram()[40:]) > 30


def test_a_pixel_of_a_reference_makes_another_picture() -> None:
    """A reference that differs in one pixel gives another picture."""
    one, two = Image.new("RGB", (80, 60), RED), Image.new("RGB", (80, 60), RED)
    two.putpixel((0, 0), BLUE)
    assert painted(references=[one]).tobytes() != painted(references=[two]).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompt", "strongest"),
    [
        ("a red kite", 0),
        ("绿色的东西", 1),
        ("something blue", 2),
        ("蓝色的山", 2),
        ("crimson arches", 0),
        ("a golden city", 0),
    ],
)
def test_colour_words_are_honoured(prompt: str, strongest: int) -> None:
    """A colour that the prompt names, in English or Chinese, is the picture's strongest."""
    channels = mean(painted(prompt, watermark=False))
    assert channels.index(max(channels)) == strongest


def test_part_of_a_word_is_no_colour() -> None:
    """A colour inside another word ("hundred") is not a colour word."""
    assert painted("a hundred").tobytes() != painted("a red").tobytes()
    assert mean(painted("boredom in winter"))[2] > mean(painted("boredom in winter"))[0]


def test_references_hang_in_their_order() -> None:
    """The references are in the picture, the first to the left of the second."""
    red, blue = Image.new("RGB", (90, 90), RED), Image.new("RGB", (90, 90), BLUE)
    picture = painted("both", references=[red, blue])
    left, right = (mean(picture, (x, 150, x + 20, 180)) for x in (120, 340))
    assert left[0] > right[0] + 100
    assert right[2] > left[2] + 100


def test_ten_references_fit() -> None:
    """Ten references of all shapes fit into the narrowest picture."""
    shapes = [Image.new("RGB", shape, BLUE) for shape in [(300, 100), (100, 300), (15, 15), (900, 700), (40, 41)]]
    assert painted(size=(1600, 100), references=shapes * 2).size == (1600, 100)


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["中文提示", "🦊" * 50, "\ud800", "a\x00b\nc", "word " * 5000, "שלום", " "])
def test_any_prompt_can_be_painted(prompt: str) -> None:
    """Prompts of any script and length are painted."""
    assert painted(prompt).size == SMALL


def test_lacking_characters_are_left_out() -> None:
    """Characters that the font lacks are left out, an accent goes and its letter stays."""
    font = ImageFont.load_default(20)
    assert letters("a café for 狐狸 and\n🦊 friends", font, 1000) == "a cafe for and friends"


@pytest.mark.slow
@pytest.mark.parametrize("room", [-5, 0, 40, 200])
def test_letters_stay_in_their_room(room: float) -> None:
    """As much of a prompt is set as fits into a line, with dots for the rest of it."""
    font, text = ImageFont.load_default(20), "averylongprompt" * 20
    kept = letters(text, font, room)
    assert font.getlength(kept) <= max(0, room)
    assert kept == "" or kept.endswith("…")
    assert text.startswith(kept.removesuffix("…"))
    assert font.getlength(f"{text[: len(kept)]}…") > room
