"""What a prompt asks for besides what it shows: how many pictures, and in which shape."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from .rules import MOST_IN_ALL, TIERS

if TYPE_CHECKING:
    from .rules import Order

RATIOS = {  # the table of the pages, for 2K
    (1, 1): (2048, 2048), (4, 3): (2304, 1728), (3, 4): (1728, 2304), (16, 9): (2560, 1440),
    (9, 16): (1440, 2560), (3, 2): (2496, 1664), (2, 3): (1664, 2496), (21, 9): (3024, 1296),
}  # fmt: skip
SPOKEN = {  # how a prompt may ask for a ratio in words
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
    if size == "1K":  # the smallest that the range allows: both sides up to a multiple of 8
        return math.ceil(side * root / 8) * 8, math.ceil(side / root / 8) * 8
    return int(side * root / 8) * 8, int(side / root / 8) * 8


def ratio_asked(prompt: str) -> tuple[int, int] | None:
    """Return the ratio that a prompt names ("16:9", "portrait"), if any."""
    for wide, tall in re.findall(r"(?<![\d:：.])(\d{1,2})\s?[:：]\s?(\d{1,2})(?![\d:：.]*\d)", prompt):
        found = int(wide), int(tall)
        # Only ratios that pictures have: "at 10:30" is a time of day.
        if found in RATIOS or found in {
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
            return found
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
    # In the plural, for a "16:9 image" or a "35 mm photo" is one.
    rf"(?<![\w:：.,])(?:{COUNT}[ -]{SOME}(?:{PICTURES})s|(1|one)[ -]{SOME}(?:{PICTURES}))\b",
    r"(?<!第)(\d{1,2}|[一二两三四五六七八九十]{1,2})\s*(?:张|幅|组图|个(?:视角|版本|角度|画面|场景|变体)|格|款)",
)


def number_asked(prompt: str) -> int | None:
    """Return how many pictures a prompt asks for ("four views of …", "a series of 5", "三张"), if it says."""
    found = min(
        (match for ask in ASKS if (match := re.search(ask, prompt, re.IGNORECASE))),
        key=lambda match: match.start(),
        default=None,
    )
    if not found:
        return None
    word = next(filter(None, found.groups())).casefold()
    number = int(word) if word.isdigit() else NUMBERS.get(word) or _han(word)
    return max(1, number)


def _han(word: str) -> int:
    if len(word) == 1:
        return HAN[word]
    tens, ones = (1 if word[0] == "十" else HAN[word[0]]), (HAN[word[1]] if word[1] != "十" else 0)
    return tens * 10 + ones


def how_many(order: Order) -> int:
    """Return how many pictures to make: what the prompt asks for, within `max_images` and 15 less the references.

    Where `auto` meets a prompt that names no number, a `max_images` that was given is made in full; else one picture.
    """
    if order.sequential_image_generation == "disabled":
        return 1
    wanted = number_asked(order.prompt) or order.max_images or 1
    return min(wanted, order.max_images or MOST_IN_ALL, MOST_IN_ALL - order.references)
