"""The sandbox's pictures: exact, repeatable, quick, and made of what the request says."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat

from seedream_nb.sandbox.lettering import letters, title_of, typeset
from seedream_nb.sandbox.motifs import ANYBODY, MOTIFS, extent, find_motif, shapes
from seedream_nb.sandbox.painter import SCENES, paint
from seedream_nb.sandbox.palette import MOODS, PALETTES

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


def first_word(words: object) -> str | None:
    """Return the name of a row of words."""
    return words.partition(" ")[0] if isinstance(words, str) else None


@pytest.mark.parametrize("size", [(640, 480), (481, 1013), (1600, 100), (100, 1600), (1024, 1024)])
@pytest.mark.parametrize("words", SCENES, ids=first_word)
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


motif = pytest.mark.parametrize("words", MOTIFS, ids=first_word)


@motif
def test_a_motif_is_found_by_each_of_its_words(words: str) -> None:
    """A motif is found by every one of its words, in English and Chinese, alone and in a sentence."""
    english, chinese = (
        [word for word in words.split() if word.isascii() is is_english] for is_english in (True, False)
    )
    assert english
    assert chinese
    asked = [f"{word}, screen print" for word in english] + [f"一幅{word}的画" for word in chinese]
    assert {find_motif(prompt) for prompt in asked} == {words}


@pytest.mark.slow
@pytest.mark.parametrize("size", [(481, 1013), (1600, 100), (100, 1600), (1024, 1024)])
@motif
def test_every_motif_fills_every_shape(words: str, size: tuple[int, int]) -> None:
    """Each motif is painted in exactly the size asked for, from 1:16 to 16:1."""
    picture = painted(first_word(words) or "", size)
    assert (picture.size, picture.format, picture.mode) == (size, "JPEG", "RGB")


@pytest.mark.slow
def test_each_motif_is_a_picture_of_its_own() -> None:
    """No two motifs look alike, in the same light: a tenth of what is within the margin differs much."""
    kinds = [words for words in MOTIFS if words != ANYBODY]
    pictures = [painted(f"{first_word(words)} at night").crop((100, 60, 380, 300)).convert("L") for words in kinds]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            changed = ImageChops.difference(one, other).point(lambda shade: 255 if shade > 30 else 0)
            assert mean(changed)[0] > 25


@motif
def test_a_motif_stands_in_its_square(words: str) -> None:
    """A motif's feet are at the bottom of its square, its head is at the top, and it is about in the middle."""
    heights = [y for shape in shapes(words) if shape.letter not in "de" for _, y in shape.points]
    left, right = extent(words)
    assert 97 <= max(heights) <= 105
    assert -8 <= min(heights) <= 35
    assert 30 < (left + right) / 2 < 70


def test_the_subject_is_what_is_named_first() -> None:
    """Of two motifs, the one that is named first is shown; "a portrait of a cat" shows a cat, and "category" none."""
    assert find_motif("a cat beside a lighthouse").startswith("cat")
    assert find_motif("a lighthouse with a cat").startswith("lighthouse")
    assert find_motif("a portrait of a cat").startswith("cat")
    assert find_motif("a category of foxgloves") == ""


def test_a_motif_has_the_colour_that_is_named() -> None:
    """A colour and a light together: the motif has the one, the picture the other."""
    red, blue = (mean(painted(f"a {colour} robot at night"), (200, 110, 280, 250)) for colour in ("red", "blue"))
    assert red[0] > blue[0] + 20
    assert blue[2] > red[2] + 20
    assert painted("a red robot at night").getpixel((3, 3)) == painted("a blue robot at night").getpixel((3, 3))


@pytest.mark.parametrize("words", MOODS, ids=first_word)
def test_light_is_honoured(words: str) -> None:
    """Each word of time and light, in English and Chinese, has the palette of its row: paper and sky tell."""
    paper, high = PALETTES[MOODS.index(words)][:2]
    for word in (words.split(maxsplit=1)[0], words.rsplit(maxsplit=1)[-1]):
        picture = painted(f"a cat, {word}", (200, 200), watermark=False)
        assert max(abs(a - b) for a, b in zip(mean(picture, (1, 1, 5, 5)), paper, strict=True)) < 8, word
        assert max(abs(a - b) for a, b in zip(mean(picture, (9, 9, 19, 19)), high, strict=True)) < 16, word


def test_the_seasons_take_turns() -> None:
    """A series of "the four seasons" has a light for each, the fifth picture that of the first again."""
    papers = [
        painted("a fox in the four seasons", (200, 200), number=number).getpixel((2, 2)) for number in range(1, 6)
    ]
    assert len(set(papers)) == 4
    assert papers[4] == papers[0]


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["a fox", "a typewriter", "a mountain lake"])
def test_pictures_of_a_series_differ_visibly(prompt: str) -> None:
    """A twentieth of the picture differs much between any two pictures of a series."""
    pictures = [painted(prompt, number=number).convert("L") for number in range(1, 5)]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            changed = ImageChops.difference(one, other).point(lambda shade: 255 if shade > 16 else 0)
            assert mean(changed)[0] > 255 / 20


# -- words set large ---------------------------------------------------------------------------------


def contrast(picture: Image.Image, box: tuple[float, float, float, float]) -> int:
    """Return how much darker than the lightest the darkest is, in a part of a picture."""
    shades = [shade for shade, count in enumerate(picture.convert("L").crop(box).histogram()) if count]
    return shades[-1] - shades[0]


@pytest.mark.parametrize("size", [SMALL, (320, 180), (180, 320)])
@pytest.mark.parametrize("prompt", ["a typewriter", "a typewriter at night", "a dragon above the city"])
def test_words_without_a_motif_are_set_large(prompt: str, size: tuple[int, int]) -> None:
    """A subject that is no motif stands in large letters that can be read, and they stay off the margin."""
    picture, short = painted(prompt, size), min(size)
    assert contrast(picture, (0.09 * short, 0.09 * short, size[0] / 2, size[1] / 3)) > 90
    for left in (0.045 * short, size[0] - 0.085 * short):
        assert contrast(picture, (left, 0.05 * short, left + 0.04 * short, size[1] / 2)) < 75


@pytest.mark.parametrize("prompt", ["a fox", "a mountain lake", "夜晚的龙", "🐉"])
def test_what_needs_no_words_has_none(prompt: str) -> None:
    """Where there is a motif, or the prompt is of a scene, or the font lacks its letters, the sky is left alone."""
    assert contrast(painted(prompt, (180, 320)), (20, 15, 160, 60)) < 75


@pytest.mark.parametrize(
    ("prompt", "title", "rest"),
    [
        ("an astronaut playing chess, oil on canvas", "An astronaut playing chess", "oil on canvas"),
        ("a typewriter", "A typewriter", ""),
        ("Dr. No: a café", "Dr", "No: a cafe"),
        ("中国的龙 dragon!", "Dragon", ""),
        ("一条龙飞过山谷 dragon", "", ""),
        ("🐉🐉", "", ""),
        ("تنين فوق المدينة", "", ""),
        (" ", "", ""),
        (", ,", "", ""),
    ],
)
def test_a_title_is_what_stands_before_the_first_comma(prompt: str, title: str, rest: str) -> None:
    """The words before the first comma are set large, the rest small; none where the font lacks most of the letters."""
    assert title_of(prompt) == (title, rest)


def test_a_long_title_ends_with_dots_after_a_word_that_counts() -> None:
    """A title of more than 64 characters is cut between words, and not after "of the"."""
    title, _ = title_of("A very long prompt that goes on and on about a giant turtle of the sea")
    assert title == "A very long prompt that goes on and on about a giant turtle…"


@pytest.mark.parametrize("room", [(900.0, 500.0), (300.0, 1000.0), (1500.0, 80.0)])
@pytest.mark.parametrize(
    "text", ["A typewriter", "The grand opening of the museum of forgotten inventions", "Q", "word" * 16]
)
def test_a_title_fits_into_its_room(text: str, room: tuple[float, float]) -> None:
    """All lines of a title fit into their room, and no letter is lost."""
    lines, size = typeset(text, room, 300)
    font = ImageFont.load_default(size)
    assert max(font.getlength(line) for line in lines) <= room[0]
    assert 1.1 * size * len(lines) <= room[1] + 0.01
    assert "".join(lines).replace("-", "").replace(" ", "") == text.replace(" ", "")


def test_an_article_stays_with_its_word() -> None:
    """No line of a title ends with an article, a number or "of"."""
    lines, _ = typeset("The grand opening of the museum of 300 forgotten inventions", (300, 1000), 300)
    assert len(lines) > 2
    assert not {line.split()[-1] for line in lines} & {"The", "the", "of", "300"}


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


def test_an_edit_shows_its_reference_in_the_light_that_is_asked_for() -> None:
    """A lone reference fills the picture in the light that is asked for, and hangs small in its corner as it is."""
    reference = Image.new("RGB", (480, 360), (250, 240, 200))
    reference.paste((180, 40, 30), (240, 0, 480, 360))
    night, noon = (painted(f"the same {light}", references=[reference]) for light in ("at night", "at noon"))
    for picture in (night, noon):
        assert mean(picture, (160, 100, 220, 260))[0] > mean(picture, (280, 100, 440, 260))[0] + 40
        small = mean(picture, (76, 42, 90, 62))
        assert small[0] > small[1] + 60
    assert mean(night, (280, 100, 440, 260))[2] > mean(night, (280, 100, 440, 260))[1] + 10
    assert mean(ImageChops.difference(night, noon).convert("L"), (280, 100, 440, 260))[0] > 20


@pytest.mark.parametrize("shape", [(90, 270), (270, 90)])
def test_a_reference_of_another_shape_is_shown_whole(shape: tuple[int, int]) -> None:
    """A reference of another shape than the picture's keeps its ends: nothing of it is cut off."""
    reference = Image.new("RGB", shape, (200, 200, 200))
    ends = [(0, 0, 30, 30), (shape[0] - 30, shape[1] - 30, *shape)]
    for end in ends:
        reference.paste((0, 0, 0), end)
    whole = painted("as a poster", (400, 400), references=[reference]).convert("L")
    dark = whole.crop((25, 120, 375, 360) if shape[0] > shape[1] else (120, 20, 375, 365)).point(
        lambda v: 255 * (v < 75)
    )
    box = dark.getbbox()
    assert box is not None
    assert max(box[2] - box[0], box[3] - box[1]) > 290


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
