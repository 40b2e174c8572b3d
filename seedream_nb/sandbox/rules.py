"""The rules for fields, and what a prompt asks for besides its subject: how many pictures, and in which shape."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from .body import kind, shown
from .models import SEEDREAM_4_0

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .models import Model
    from .refusals import Problem

WIDEST = 16
MAX_IN_ALL = 15  # "Number of input reference images + Number of generated images <= 15"


class Broken(ValueError):
    """A rule that a field's value breaks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """A valid body without its pictures; `max_images` is None if the client gave none."""

    prompt: str
    references: int = 0
    size: str = "2048x2048"
    sequential_image_generation: str = "disabled"
    max_images: int | None = None
    watermark: bool = True


def make_order(body: Mapping[str, Any], model: Model = SEEDREAM_4_0) -> Order:
    """Return the order for a valid body."""
    named = {field.name for field in dataclasses.fields(Order)}
    fields = {**body, **body.get(SERIES, {})}
    return Order(
        **{name: value for name, value in fields.items() if name in named},
        references=len(body.get(model.references, ())),
    )


def find_problems(body: Mapping[str, Any], model: Model = SEEDREAM_4_0) -> list[Problem]:
    """Return what is wrong with the fields of a body, except for its pictures."""
    problems, rules = [], rules_of(model)
    for name, value in body.items():
        try:
            rules.get(name, _unknown)(value)
        except Broken as broken:
            problems.append((shown(name), f"{shown(name)} {broken}"))
    if "prompt" not in body:
        problems.append(("prompt", "prompt is required"))
    return problems


def _demand(is_kept: bool, rule: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not is_kept:
        raise Broken(rule)


def _prompt(value: object) -> None:
    _demand(isinstance(value, str), f"must be a string, not {kind(value)}")
    _demand(bool(str(value).strip()), "must not be empty")


def _images(model: Model, value: object) -> None:
    if not isinstance(value, list):
        raise Broken(f"must be an array of strings, not {kind(value)}")
    most = model.most_references
    _demand(len(value) <= most, f"must hold at most {most} reference images, not {len(value)}")
    others = [f"{model.references}[{at}] is {kind(item)}" for at, item in enumerate(value) if not isinstance(item, str)]
    _demand(not others, f"must hold strings; {', '.join(others)}")


def _size(model: Model, value: object) -> None:
    if not isinstance(value, str):
        raise Broken(f"must be a string, not {kind(value)}")
    if value in model.tiers:
        return
    match = re.fullmatch(r"([1-9][0-9]{0,7})x([1-9][0-9]{0,7})", value)
    if not match:
        tiers = ", ".join(model.tiers)
        raise Broken(f"must be {tiers} or WIDTHxHEIGHT in pixels (like 2048x2048), not {value[:40]!r}")
    width, height = int(match[1]), int(match[2])
    low, high = model.fewest_pixels, model.most_pixels
    span = f"must have {low} to {high} pixels in all ({_square(low)} to {_square(high)})"
    _demand(low <= width * height <= high, f"{span}; {value} has {width * height}")
    _demand(
        max(width, height) <= WIDEST * min(width, height),
        f"must have an aspect ratio from 1/16 to 16; {value} does not",
    )


def _square(pixels: int) -> str:
    side = math.isqrt(pixels)
    return f"{side}x{side}"


def _sequential(value: object) -> None:
    shown_value = repr(value[:40]) if isinstance(value, str) else kind(value)
    _demand(
        isinstance(value, str) and value in {"auto", "disabled"}, f'must be "auto" or "disabled", not {shown_value}'
    )


def _max_images(value: object) -> None:
    _demand(type(value) is int, f"must be an integer, not {kind(value)}")
    _demand(1 <= int(str(value)) <= MAX_IN_ALL, f"must be from 1 to {MAX_IN_ALL}, not {value}")


def _series_options(value: object) -> None:
    if not isinstance(value, dict):
        raise Broken(f"must be an object, not {kind(value)}")
    _demand(set(value) <= {"max_images"}, "may hold max_images alone")
    if "max_images" in value:
        try:
            _max_images(value["max_images"])
        except Broken as broken:
            raise Broken(f"holds a max_images that {broken}") from None


def _optimization(value: object) -> None:
    _demand(value == {"mode": "standard"}, 'must be {"mode": "standard"}')


def _watermark(value: object) -> None:
    _demand(isinstance(value, bool), f"must be a boolean, not {kind(value)}")


def _unknown(_: object) -> NoReturn:
    raise Broken("is not a field of the reference pages")


SERIES = "sequential_image_generation_options"


def rules_of(model: Model) -> dict[str, Callable[[object], None]]:
    """Return the rule for each field of a model's page."""
    own: dict[str, Callable[[object], None]] = (
        {SERIES: _series_options, "optimize_prompt_options": _optimization}
        if model.has_options
        else {"max_images": _max_images}
    )
    return {
        "prompt": _prompt,
        model.references: functools.partial(_images, model),
        "size": functools.partial(_size, model),
        "sequential_image_generation": _sequential,
        **own,
        "watermark": _watermark,
    }


RATIOS = SEEDREAM_4_0.ratios
SPOKEN = {  # words for ratios in a prompt
    r"\b(?:portrait|upright)\b|竖": (3, 4),
    r"\blandscape\b|横": (4, 3),
    r"\bwidescreen\b|宽屏": (16, 9),
    r"\bpanoram(?:a|ic)\b|全景": (21, 9),
    r"\bsquare\b|方形": (1, 1),
}


def pixels(size: str, prompt: str, first: tuple[int, int] | None, model: Model = SEEDREAM_4_0) -> tuple[int, int]:
    """Return width and height; a tier takes its ratio from the prompt, else from the `first` reference, else 1:1."""
    if size not in model.tiers:
        width, height = size.split("x")
        return int(width), int(height)
    ratio = ratio_asked(prompt) or first or (1, 1)
    if size == "2K" and ratio in model.ratios:
        return model.ratios[ratio]
    side = model.tiers[size]
    root = math.sqrt(ratio[0] / ratio[1])
    if side * side == model.fewest_pixels:  # the smallest allowed: both sides rounded up to a multiple of 8
        return math.ceil(side * root / 8) * 8, math.ceil(side / root / 8) * 8
    return int(side * root / 8) * 8, int(side / root / 8) * 8


def ratio_asked(prompt: str) -> tuple[int, int] | None:
    """Return the ratio that a prompt names ("16:9", "portrait"), if any."""
    for wide, tall in re.findall(r"(?<![\d:：.])(\d{1,2})\s?[:：]\s?(\d{1,2})(?![\d:：.]*\d)", prompt):
        ratio = int(wide), int(tall)
        # Only usual ratios: "at 10:30" is a time of day.
        if ratio in RATIOS or ratio in {
            (5, 4),
            (4, 5),
            (16, 10),
            (10, 16),
            (2, 1),
            (1, 2),
            (9, 21),
            (3, 1),
            (1, 3),
        }:
            return ratio
    return next((ratio for words, ratio in SPOKEN.items() if re.search(words, prompt, re.IGNORECASE)), None)


WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
NUMBERS = {word: number for number, word in enumerate(WORDS.split(), 1)}
HAN = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
PICTURES = (
    "picture|image|photo|photograph|view|variation|variant|version|banner|poster|illustration|icon|frame|scene|panel|"
    "shot|drawing|painting|sketch|design|logo|sticker|card|cover|page|render|angle|option|postcard|wallpaper|portrait|"
    "landscape|print|avatar|step"
)
COUNT = rf"(\d{{1,2}}|{'|'.join(NUMBERS)})"
SOME = r"(?:[\w-]{1,40} ){0,2}?"  # "four small watercolour paintings"
ASKS = (
    rf"\b(?:series|set|sequence|group|collection|batch|storyboard) of {COUNT}\b",
    # Plural only, because a "16:9 image" or a "35 mm photo" is one.
    rf"(?<![\w:：.,])(?:{COUNT}[ -]{SOME}(?:{PICTURES})s|(1|one)[ -]{SOME}(?:{PICTURES}))\b",
    r"(?<!第)(\d{1,2}|[一二两三四五六七八九十]{1,2})\s*(?:张|幅|组图|个(?:视角|版本|角度|画面|场景|变体)|格|款)",
)


def number_asked(prompt: str) -> int | None:
    """Return how many pictures a prompt asks for ("four views of …", "a series of 5", "三张"), if it says so."""
    first = min(
        (match for ask in ASKS if (match := re.search(ask, prompt, re.IGNORECASE))),
        key=lambda match: match.start(),
        default=None,
    )
    if not first:
        return None
    word = next(filter(None, first.groups())).casefold()
    number = int(word) if word.isdigit() else NUMBERS.get(word) or _han(word)
    return max(1, number)


def _han(word: str) -> int:
    if len(word) == 1:
        return HAN[word]
    tens, ones = (1 if word[0] == "十" else HAN[word[0]]), (HAN[word[1]] if word[1] != "十" else 0)
    return tens * 10 + ones


def how_many(order: Order) -> int:
    """Return how many pictures to make: as many as the prompt asks for, at most `max_images`, and 15 with references.

    With `auto` and a prompt that names no number, all of a given `max_images` are made; otherwise one picture.
    """
    if order.sequential_image_generation == "disabled":
        return 1
    wanted = number_asked(order.prompt) or order.max_images or 1
    return min(wanted, order.max_images or MAX_IN_ALL, MAX_IN_ALL - order.references)
