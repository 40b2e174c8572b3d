"""The sandbox's pictures: exact, repeatable, quick, and made of what the request says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat

from seedream_nb.sandbox.painter import SCENES, letters, paint

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (480, 360)
RED, BLUE = (220, 30, 30), (30, 60, 220)


def painted(folder: Path, prompt: str = "a fox", size: tuple[int, int] = SMALL, **options: object) -> Image.Image:
    """Return a painted picture, read from its file."""
    path = folder / f"{len(list(folder.iterdir()))}.jpg"
    paint(path, prompt, size, **options)  # type: ignore[arg-type]
    with Image.open(path) as picture:
        picture.load()
        return picture


def mean(picture: Image.Image, box: tuple[int, int, int, int] | None = None) -> list[float]:
    """Return the mean red, green and blue of a part of a picture."""
    return ImageStat.Stat(picture.crop(box) if box else picture).mean


@pytest.mark.parametrize("size", [(640, 480), (481, 1013), (1600, 100), (100, 1600), (1024, 1024)])
@pytest.mark.parametrize("words", SCENES, ids=lambda words: words.partition(" ")[0] if isinstance(words, str) else None)
def test_every_scene_fills_every_shape(tmp_path: Path, words: str, size: tuple[int, int]) -> None:
    """Each scene is painted in exactly the size asked for, from 1:16 to 16:1."""
    picture = painted(tmp_path, words.split(maxsplit=1)[0], size)
    assert (picture.size, picture.format, picture.mode) == (size, "JPEG", "RGB")


def test_same_request_same_bytes(tmp_path: Path) -> None:
    """The same request gives the same bytes."""
    reference = Image.new("RGB", (80, 60), RED)
    paint(tmp_path / "one.jpg", "a fox", SMALL, references=[reference])
    paint(tmp_path / "two.jpg", "a fox", SMALL, references=[reference])
    assert (tmp_path / "one.jpg").read_bytes() == (tmp_path / "two.jpg").read_bytes()


def test_series_differs(tmp_path: Path) -> None:
    """The pictures of a series differ from each other."""
    pictures = {painted(tmp_path, number=number).tobytes() for number in range(1, 6)}
    assert len(pictures) == 5


def test_series_has_one_theme(tmp_path: Path) -> None:
    """The pictures of a series have one palette: their paper is the same."""
    papers = {painted(tmp_path, "surprise me", number=number).getpixel((3, 3)) for number in range(1, 5)}
    assert len(papers) == 1


def test_watermark_stands_bottom_right(tmp_path: Path) -> None:
    """The watermark changes the bottom-right corner and nothing else."""
    plain, marked = painted(tmp_path, watermark=False), painted(tmp_path, watermark=True)
    changed = ImageChops.difference(plain, marked).convert("L").point(lambda shade: 255 if shade > 40 else 0).getbbox()
    assert changed is not None
    assert changed[0] > SMALL[0] / 2
    assert changed[1] > SMALL[1] * 0.9


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
def test_colour_words_are_honoured(tmp_path: Path, prompt: str, strongest: int) -> None:
    """A colour that the prompt names, in English or Chinese, is the picture's strongest."""
    channels = mean(painted(tmp_path, prompt, watermark=False))
    assert channels.index(max(channels)) == strongest


def test_part_of_a_word_is_no_colour(tmp_path: Path) -> None:
    """A colour inside another word ("hundred") is not a colour word."""
    assert painted(tmp_path, "a hundred").tobytes() != painted(tmp_path, "a red").tobytes()
    assert mean(painted(tmp_path, "boredom in winter"))[2] > mean(painted(tmp_path, "boredom in winter"))[0]


def test_references_hang_in_their_order(tmp_path: Path) -> None:
    """The references are in the picture, the first to the left of the second."""
    red, blue = Image.new("RGB", (90, 90), RED), Image.new("RGB", (90, 90), BLUE)
    picture = painted(tmp_path, "both", references=[red, blue])
    left, right = (mean(picture, (x, 150, x + 20, 180)) for x in (120, 340))
    assert left[0] > right[0] + 100
    assert right[2] > left[2] + 100


def test_ten_references_fit(tmp_path: Path) -> None:
    """Ten references of all shapes fit into the narrowest picture."""
    shapes = [Image.new("RGB", shape, BLUE) for shape in [(300, 100), (100, 300), (15, 15), (900, 700), (40, 41)]]
    assert painted(tmp_path, size=(1600, 100), references=shapes * 2).size == (1600, 100)


@pytest.mark.parametrize("prompt", ["中文提示", "🦊" * 50, "\ud800", "a\x00b\nc", "word " * 5000, "שלום", " "])
def test_any_prompt_can_be_painted(tmp_path: Path, prompt: str) -> None:
    """Prompts of any script and length are painted."""
    assert painted(tmp_path, prompt).size == SMALL


def test_lacking_characters_are_left_out() -> None:
    """Characters that the font lacks are left out, an accent goes and its letter stays."""
    font = ImageFont.load_default(20)
    assert letters("a café for 狐狸 and\n🦊 friends", font, 1000) == "a cafe for and friends"


@pytest.mark.parametrize("room", [-5, 0, 40, 200])
def test_letters_stay_in_their_room(room: float) -> None:
    """As much of a prompt is set as fits into a line."""
    font, text = ImageFont.load_default(20), "a very long prompt " * 20
    kept = letters(text, font, room)
    assert text.startswith(kept)
    assert font.getlength(kept) <= max(0, room) < font.getlength(text[: len(kept) + 1])
