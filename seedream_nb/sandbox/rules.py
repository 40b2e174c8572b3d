"""The rules for fields, and what a prompt asks for besides its subject: how many pictures, and in which shape."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from .body import kind, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .refusals import Problem

TIERS = ("1K", "2K", "4K")
FEWEST_PIXELS, MAX_PIXELS = 1024 * 1024, 4096 * 4096
WIDEST = 16
MAX_REFERENCES = 10
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


def make_order(body: Mapping[str, Any]) -> Order:
    """Return the order for a valid body."""
    return Order(**{name: body[name] for name in body if name != "images"}, references=len(body.get("images", ())))


def find_problems(body: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the fields of a body, except for its pictures."""
    problems = []
    for name, value in body.items():
        try:
            RULES.get(name, _unknown)(value)
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


def _images(value: object) -> None:
    if not isinstance(value, list):
        raise Broken(f"must be an array of strings, not {kind(value)}")
    _demand(
        len(value) <= MAX_REFERENCES,
        f"must hold at most {MAX_REFERENCES} reference images, not {len(value)}",
    )
    others = [f"images[{at}] is {kind(item)}" for at, item in enumerate(value) if not isinstance(item, str)]
    _demand(not others, f"must hold strings; {', '.join(others)}")


def _size(value: object) -> None:
    if not isinstance(value, str):
        raise Broken(f"must be a string, not {kind(value)}")
    if value in TIERS:
        return
    match = re.fullmatch(r"([1-9][0-9]{0,7})x([1-9][0-9]{0,7})", value)
    if not match:
        raise Broken(f"must be 1K, 2K, 4K or WIDTHxHEIGHT in pixels (like 2048x2048), not {value[:40]!r}")
    width, height = int(match[1]), int(match[2])
    span = f"must have {FEWEST_PIXELS} to {MAX_PIXELS} pixels in all (1024x1024 to 4096x4096)"
    _demand(FEWEST_PIXELS <= width * height <= MAX_PIXELS, f"{span}; {value} has {width * height}")
    _demand(
        max(width, height) <= WIDEST * min(width, height),
        f"must have an aspect ratio from 1/16 to 16; {value} does not",
    )


def _sequential(value: object) -> None:
    shown_value = repr(value[:40]) if isinstance(value, str) else kind(value)
    _demand(
        isinstance(value, str) and value in {"auto", "disabled"}, f'must be "auto" or "disabled", not {shown_value}'
    )


def _max_images(value: object) -> None:
    _demand(type(value) is int, f"must be an integer, not {kind(value)}")
    _demand(1 <= int(str(value)) <= MAX_IN_ALL, f"must be from 1 to {MAX_IN_ALL}, not {value}")


def _watermark(value: object) -> None:
    _demand(isinstance(value, bool), f"must be a boolean, not {kind(value)}")


def _unknown(_: object) -> NoReturn:
    raise Broken("is not a field of the reference pages")


RULES: dict[str, Callable[[object], None]] = {
    "prompt": _prompt,
    "images": _images,
    "size": _size,
    "sequential_image_generation": _sequential,
    "max_images": _max_images,
    "watermark": _watermark,
}


RATIOS = {  # the reference pages' table for 2K
    (1, 1): (2048, 2048), (4, 3): (2304, 1728), (3, 4): (1728, 2304), (16, 9): (2560, 1440),
    (9, 16): (1440, 2560), (3, 2): (2496, 1664), (2, 3): (1664, 2496), (21, 9): (3024, 1296),
}  # fmt: skip
SPOKEN = {  # words for ratios in a prompt
    r"\b(?:portrait|upright)\b|竖": (3, 4),
    r"\blandscape\b|横": (4, 3),
    r"\bwidescreen\b|宽屏": (16, 9),
    r"\bpanoram(?:a|ic)\b|全景": (21, 9),
    r"\bsquare\b|方形": (1, 1),
}


def pixels(size: str, prompt: str, first: tuple[int, int] | None) -> tuple[int, int]:
    """Return width and height; a tier takes its ratio from the prompt, else from the `first` reference, else 1:1."""
    if size not in TIERS:
        width, height = size.split("x")
        return int(width), int(height)
    ratio = ratio_asked(prompt) or first or (1, 1)
    if size == "2K" and ratio in RATIOS:
        return RATIOS[ratio]
    side = {"1K": 1024, "2K": 2048, "4K": 4096}[size]
    root = math.sqrt(ratio[0] / ratio[1])
    if size == "1K":  # the smallest allowed: both sides rounded up to a multiple of 8
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
