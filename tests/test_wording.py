"""Numbers that a prompt gives to reference images: found in the text, and refused where they point at none."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.compose import Composer, options_again
from seedream_nb.errors import RequestError
from seedream_nb.prompt import code_in, expanded
from seedream_nb.scope import NamesScope
from seedream_nb.settings import Settings
from seedream_nb.wording import renumbered, said_in
from tests.pictures import gradient

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.request import ImageRequest

SAID = [
    ("like image 3", [3]),
    ("Image 3's sky", [3]),
    ("IMAGE 3.", [3]),
    ("image 3, then image 2", [3, 2]),
    ("image 3: the harvest", [3]),
    ("image 3 in red", [3]),
    ("use the image 3 as style", [3]),
    ("the image 2 is too dark", [2]),
    ("image\n3", [3]),
    ("image #3", [3]),
    ("image no. 3 and image number 4", [3, 4]),
    ("like image3", [3]),
    ("the image 3-inspired look", [3]),
    ("images 2 and 3", [2, 3]),
    ("images 1, 2, and 3", [1, 2, 3]),
    ("images 1-3", [1, 3]),
    ("images #2 & #4", [2, 4]),
    ("image 0", [0]),
    ("image 14", [14]),
    ("图3", [3]),
    ("把图 3的风格", [3]),
    ("图片3和图像4", [3, 4]),
    ("图３", [3]),
    ("圖3", [3]),
    ("图2人物的姿势", [2]),
    ("第3张图", [3]),
    ("第 3 張圖", [3]),
    ("image 3的风格", [3]),
    ('a sign that says "open", as in image 3', [3]),
    ('a 5" frame, image 3 on a 6" wall', [3]),
    ("'image 3'", [3]),
    ("swap the faces of image 1 and 2", [1, 2]),
    ("image 1, 2 and 3 together", [1, 2, 3]),
    ("image 1, 2, 3", [1, 2, 3]),
    ("image 1 & 3's colours", [1, 3]),
    ("image 1 and 2 birds", [1]),
    ("images 1+3", [1, 3]),
    ("images 1 — 3", [1, 3]),
    ("把image2的衣服换到image 1", [2, 1]),
    ("将图1-3融合", [1, 3]),
    ("图1、2和3的人", [1, 2, 3]),
    ("图1和2个人", [1]),
    ("the image 2 glasses on the man", [2]),
    ("use the image 2 colors", [2]),
    ("in the style of «Vogue», image 3 in «gold»", [3]),
]


@pytest.mark.parametrize(("text", "numbers"), SAID)
def test_the_number_of_a_reference_is_found(text: str, numbers: list[int]) -> None:
    """In English and in Chinese, as people write it."""
    assert [said.number for said in said_in(text)] == numbers


NOT_SAID = [
    "image 4K",
    "image 4 K",
    "image 3D",
    "image 3:4",
    "image 16:9",
    "image 3x3",
    "image 3 x 3",
    "image 2x",
    "image 1.5",
    "image 1,000 miles wide",
    "image 3/4",
    "image 10%",
    "image 8-bit",
    "image 5 cm wide",
    "image 12 megapixels",
    "image 3 times",
    "image 2 years ago",
    "image 15",
    "image 2026",
    "image 007",
    "image3.png",
    "shots/image3",
    "my_image3",
    "image_3",
    "3 images",
    "an image, 3 cats",
    "add to the image 2 birds",
    "in this image 3 people stand",
    "images of 3 cats",
    "add to the image 3 red balloons",
    "an image 3 m wide",
    "make the image 3-D",
    "make the image 3-dimensional",
    "image 3 by 4 inches",
    "images 2 by 2 in a grid",
    "images 3 in a row",
    "image 12 noon",
    "image 7 a.m.",
    "the image 5 o'clock shadow",
    "»image 3«",
    "图4K",
    "图3:4",
    "图3张",
    "地图3",
    "意图3",
    "3张图",
    '"image 3"',
    "the words “image 3” in gold",
    "„image 3“",
    "写着「图3」",
    "写着“图3”",
    '写着"图3"',
    "",
]


@pytest.mark.parametrize("text", NOT_SAID)
def test_what_is_no_number_of_a_reference_stays(text: str) -> None:
    """Sizes, ratios, counts, names of files, years, and what stands in double quotes."""
    assert list(said_in(text)) == []


WORST = [
    "image ",
    "images 1, ",
    "images 1 and ",
    "image 1, ",
    "image 1,2,3",
    "图1、",
    "»",
    "图",
    '"',
    "“",
    "«",
    "第",
    "image" + " " * 1000,
    '"a" image 1 ',
    "1",
    "#",
]


@pytest.mark.slow
@pytest.mark.parametrize("piece", WORST)
def test_a_megabyte_is_looked_through_in_no_long_time(piece: str) -> None:
    """Whatever it repeats."""
    text = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    list(said_in(text))
    assert time.perf_counter() - began < 30


class Compose:
    """A composer over pictures `a`, `b`, `same` (which is `a` once more) and texts."""

    def __init__(self, folder: Path) -> None:
        """Make them."""
        a, b = gradient(60, 50), gradient(61, 50)
        self.scope = NamesScope({"a": a, "b": b, "same": a, "both": [a, b], "n": 3, "caption": "as in image 7"})
        self.raw = Composer(settings=Settings(environ={}, folder=folder), scope=self.scope, marked=lambda _: []).compose

    def __call__(self, prompt: str, *images: str, **options: Any) -> ImageRequest:
        """Compose what a person typed."""
        return self.raw(prompt, scope=self.scope, typed=True, images=list(images), **options)


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """Give a composer."""
    return Compose(tmp_path)


REFUSED = [
    ("image 3 in the style of image 1", ["a", "b"], "image 3, but there are 2 references (image 1: a, image 2: b)"),
    ("Image 2", ["a"], "image 2, but there is one reference (image 1: a)"),
    ("images 2 and 3", ["a"], "image 2 and image 3"),
    ("把图3放在图1里", ["a", "b"], "图3"),
    ("{a} like image 2", [], "image 2, but there is one reference (image 1: a)"),
    ("{both} like image 3", [], "image 3"),
    ("image 2", ["a", "same"], "image 2, but there is one reference (image 1: a)"),
    ("{a} in {same}, image 2", [], "image 2"),
    ("image {n}", ["a"], "image 3"),
    ("image 0", ["a"], "image 0"),
]


@pytest.mark.parametrize(("prompt", "images", "told"), REFUSED)
def test_a_number_that_points_at_no_reference_is_refused(
    compose: Compose, prompt: str, images: list[str], told: str
) -> None:
    """Before anything is sent; which there are is said."""
    with pytest.raises(RequestError) as caught:
        compose(prompt, *images)
    (problem,) = caught.value.problems
    assert told in problem
    assert problem.startswith("The prompt says ")


FINE = [
    ("image 2 in the style of image 1", ["a", "b"]),
    ("{a} like image 1", []),
    ("image 2 like {b}", ["a"]),
    ("{both}, image 1 and image 2", []),
    ('the words "image 3" in gold', ["a"]),
    ("image 4K, image 3:4, image 2026", ["a"]),
    ("a fox", []),
]


@pytest.mark.parametrize(("prompt", "images"), FINE)
def test_a_number_of_a_reference_is_sent(compose: Compose, prompt: str, images: list[str]) -> None:
    """Those of braces count; nothing is told."""
    assert compose(prompt, *images).warnings == ()


WARNED: list[tuple[str, list[str], dict[str, Any], str]] = [
    ("image 3: the harvest", ["a"], {"max_images": 4}, "image 3, but there is one reference"),
    ("image 3: the harvest", ["a"], {"sequential": "auto"}, "image 3"),
    ("image 3: the harvest", [], {"max_images": 4}, "image 3, but there is no reference image"),
    ("like image 1", [], {}, "image 1, but there is no reference image"),
    ("{a} {caption}", [], {}, "image 7, but there is one reference"),
]


@pytest.mark.parametrize(("prompt", "images", "options", "told"), WARNED)
def test_where_something_else_may_be_meant_it_is_a_warning(
    compose: Compose, prompt: str, images: list[str], options: dict[str, Any], told: str
) -> None:
    """In a series it may be a picture of it, without references a picture that the model imagines; and in a value."""
    (warning,) = compose(prompt, *images, **options).warnings
    assert told in warning


def test_a_series_that_is_switched_off_is_none(compose: Compose) -> None:
    """Then the number is a reference's."""
    with pytest.raises(RequestError, match="image 3"):
        compose("like image 3", "a", sequential="disabled")


def test_it_is_told_with_all_else_that_is_wrong(compose: Compose) -> None:
    """But not beside a reference that can't be used: its number isn't known."""
    with pytest.raises(RequestError) as caught:
        compose("like image 3", "a", size="9K")
    assert [bool(re.search(word, str(caught.value.problems))) for word in ("image 3", "9K")] == [True, True]
    with pytest.raises(RequestError) as caught:
        compose("like image 2", "a", "gone.png")
    assert "image 2" not in str(caught.value.problems)


def test_a_prompt_handed_over_in_python_was_typed_as_well(compose: Compose) -> None:
    """A person wrote it."""
    with pytest.raises(RequestError, match="image 2"):
        compose.raw("like image 2", images=[gradient(60, 50)])


def test_what_was_sent_before_is_sent_again(compose: Compose) -> None:
    """Whatever it says; a new prompt is asked."""
    sent = compose("image 3: the harvest", "a", max_images=4)
    again = compose.raw(**options_again(sent, {"sequential": "disabled"}), defaults=False)
    assert (again.prompt, again.warnings) == ("image 3: the harvest", ())
    with pytest.raises(RequestError, match="image 2"):
        compose.raw(**options_again(sent, {"prompt": "image 2", "sequential": "disabled"}))


def test_what_was_typed_is_known_from_values(compose: Compose) -> None:
    """Wherever values and pictures stand."""
    prompt = expanded("{n}x{caption}{{n}} y{n}", compose.scope)
    assert [prompt.text[start:end] for start, end in prompt.typed] == ["x", "{n}", " y"]


RENUMBERED = [
    ("image 3 beside image 2", "image 2 beside image 1"),
    ("the hat of Image 3's fox", "the hat of Image 2's fox"),
    ("images 2 to 4", "images 1 to 3"),
    ("image 2 and 3.", "image 1 and 2."),
    ("把图3放在图2旁边", "把图2放在图1旁边"),
    ("第3张图", "第2张图"),
    ('a sign that reads "image 3"', 'a sign that reads "image 3"'),
    ("image 4K, image 3:4, image 3x3", "image 4K, image 3:4, image 3x3"),
    ("image 1", "image 1"),
    ("image 03", "image 2"),
    ("3 foxes in image 3", "3 foxes in image 2"),
]


@pytest.mark.parametrize(("text", "after"), RENUMBERED)
def test_references_get_other_numbers(text: str, after: str) -> None:
    """Exactly the words that are read as numbers of references."""
    assert renumbered(text, {2: 1, 3: 2, 4: 3}) == after


def test_expressions_stay_as_they_are_when_numbers_change() -> None:
    """And Markdown images: what is in them is a name or an address."""
    template = """image 3 of {row['image 3']} ![image 3](<image 3.png>) {{image 3}} image 3"""
    after = """image 2 of {row['image 3']} ![image 3](<image 3.png>) {{image 2}} image 2"""
    assert renumbered(template, {3: 2}, code_in(template)) == after
