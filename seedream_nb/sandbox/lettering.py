"""Sets what stands in letters in the sandbox's pictures: the words of a poster, and the line at its foot."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING

from PIL import ImageDraw, ImageFont

from .palette import mix

if TYPE_CHECKING:
    from PIL import Image

    from .palette import Colour

MAX_LETTERS, LONGEST_TITLE, LONGEST_WORD, LEADING = 240, 64, 16, 1.1
CLINGING = re.compile(r"(?<!\S)(an?|the|of|[0-9]{1,4}) ", re.IGNORECASE)  # they stay with the word that follows
DANGLING = re.compile(r"( (an?|the|of|in|on|to|at|by|and|with|for|from|that|or))+$", re.IGNORECASE)


def mount(picture: Image.Image, prompt: str, paper: Colour, ink: Colour, mark: str) -> None:
    """Put a paper margin round the picture: 'sandbox', the prompt and the mark of the API stand at its foot."""
    (width, height), edge, foot = picture.size, round(min(picture.size) * 0.035), round(min(picture.size) * 0.075)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(max(9, min(picture.size) * 0.024))
    pen.rectangle((0, 0, width, height), outline=paper, width=edge)
    pen.rectangle((0, height - foot, width, height), paper)
    left, right = edge + font.getlength("sandbox   "), width - edge - font.getlength("AI generated")
    told = letters(prompt, font, right - left - edge)
    for x, text, colour in ((edge, "sandbox", mix(ink, (214, 60, 40), 0.65)), (left, told, ink), (right, mark, ink)):
        pen.text((x, height - foot / 2), text, colour, font, anchor="lm")


def legible(text: str) -> str:
    """Return the words of a text, less what the font lacks (of é, the accent)."""
    font = ImageFont.load_default(10)
    plain, lacking = unicodedata.normalize("NFKD", text[:MAX_LETTERS]).split(), (bytes(font.getmask("\uffff")), b"")
    words = ("".join(letter for letter in word if bytes(font.getmask(letter)) not in lacking) for word in plain)
    return " ".join(filter(None, words))


def letters(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """Return what of a text fits into one line of `room` pixels, less what the font lacks (of é, the accent).

    What does not fit is shown by dots.
    """
    line, dots = legible(text), "…"
    cuts = ("", line, *(line[:n].rstrip(" ,") + dots for n in range(1, len(line))))
    return max((cut for cut in cuts if font.getlength(cut) <= room), key=len, default="")


def title_of(prompt: str) -> tuple[str, str]:
    """Return what a poster says of a prompt: large, what stands before its first comma; small, what follows.

    Both are empty where the font lacks most of the prompt's letters.
    """
    kept, asked = legible(prompt), "".join(prompt[:MAX_LETTERS].split())
    if 2 * len(kept.replace(" ", "")) < len(asked):
        return "", ""
    title, rest = [*re.split(r"[,.;:!?]+(?= |$)", kept, maxsplit=1), ""][:2]
    return shortened(title.strip()[:1].upper() + title.strip()[1:]), rest.strip(" .,;:!?")


def shortened(title: str) -> str:
    """Return a title that is not too long, ended by dots where it was."""
    if len(title) <= LONGEST_TITLE:
        return title
    words = title[:LONGEST_TITLE].rpartition(" ")[0] or title[:LONGEST_TITLE]
    return DANGLING.sub("", words) + "…"


def hyphenated(word: str) -> list[str]:
    """Return a word in pieces that fit into a line: words of a common length are one piece."""
    count = math.ceil(len(word) / LONGEST_WORD)
    step = math.ceil(len(word) / max(1, count))
    pieces = [word[start : start + step] for start in range(0, len(word), step)]
    return [*(f"{piece}-" for piece in pieces[:-1]), *pieces[-1:]]


def wrapped(words: list[str], widths: list[float], space: float, room: float) -> list[str]:
    """Return words in lines no wider than `room`, where each fits alone."""
    lines: list[str] = []
    used = room
    for word, width in zip(words, widths, strict=True):
        if lines and used + space + width <= room:
            lines[-1], used = f"{lines[-1]} {word}", used + space + width
        else:
            lines, used = [*lines, word], width
    return lines


def typeset(text: str, room: tuple[float, float], largest: float) -> tuple[list[str], float]:
    """Return a text in lines of about the same length, and the size at which they fill a room (wide, high) best."""
    font = ImageFont.load_default(100)
    words = [piece for word in CLINGING.sub("\\1\u00a0", text).split(" ") for piece in hyphenated(word)]
    widths, space = [font.getlength(word.replace("\u00a0", " ")) for word in words], font.getlength(" ")
    found: list[tuple[float, float, list[str]]] = []
    longest = max(widths)
    while not found or len(found[-1][2]) > 1:
        lines = wrapped(words, widths, space, longest)
        wide = [font.getlength(line.replace("\u00a0", " ")) for line in lines]
        size = min(97 * room[0] / max(wide), room[1] / (LEADING * len(lines)), largest)
        found.append((size * (0.8 + 0.2 * min(wide) / max(wide)), size, lines))
        longest *= 1.05
    _, size, lines = max(found)
    return [line.replace("\u00a0", " ") for line in lines], size


def headline(picture: Image.Image, prompt: str, ink: Colour) -> None:
    """Set the words of a prompt into the sky."""
    (width, height), short = picture.size, min(picture.size)
    title, rest = title_of(prompt)
    left, top, pen = 0.095 * short, 0.1 * short, ImageDraw.Draw(picture)
    lines, size = typeset(title, (width - 2 * left, 0.57 * height - top - 0.08 * short * bool(rest)), 0.25 * short)
    less = max(9, min(0.05 * short, 0.5 * size))
    font, small = ImageFont.load_default(size), ImageFont.load_default(less)
    for number, line in enumerate(lines):
        at = (left - 0.05 * size, top + LEADING * size * number)
        pen.text(at, line, ink, font, anchor="la", stroke_width=max(1, round(0.017 * size)), stroke_fill=ink)
    below = top + LEADING * size * len(lines) + 0.35 * less
    pen.text((left, below), letters(rest, small, width - 2 * left), ink, small)
