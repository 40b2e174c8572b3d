"""How a prompt names its reference images, "image 1 and image 2" or "图1和图2": writing and recognising it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.request import HAN
from seedream_nb.service import all_models

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_LATIN_WORD = lazy_pattern(f"[{_LATIN}]+(?:['\u2019-][{_LATIN}]+)*")
_RUNS_ON = lazy_pattern(r"[.,:/–-]?\d")
"""A space prevents digits from joining: "image 1" and "2" are not "image 12"."""

HIGHEST = max(model.max_images for model in all_models()) - 1
"""No reference has a higher number: there is at least one picture, and the limit is for both together."""

_UNITS = (
    "k|px|pix|pixels?|mpx?|megapixels?|[kmg]b|mm|cm|km|m|inch(?:es)?|ft|foot|feet|met(?:er|re)s?|pt|bits?|bytes?|"
    "[dp]pi|fps|percent|times|degrees?|steps?|sec(?:ond)?s?|minutes?|hours?|days?|weeks?|months?|years?|"
    "d|dimensional|noon|midnight|o['\u2019]clock|[ap]\\.?m"
)
_FILES = r"\.(?:png|jpe?g|webp|gif|tiff?|heic|avif|bmp|svg|pdf)"
_ENDS = (
    rf"(?![\d{_LATIN}_%°]|{_FILES}|[.,:：/–-]\d|\s?[x×*]\s?\d|\sby\s\d"
    rf"|[\s-]?(?:{_UNITS})(?![{_LATIN}]))"
)
"""What must not follow a reference's number: more of a number, a ratio or a name, or a unit."""

_ONE_OF = "|".join(rf"(?<=\b{word}\s)" for word in ("an", "each", "every"))
_WITHIN = "|".join(
    rf"(?<=\b{before}\s{the}\s)"
    for before in ("to", "in", "into", "on", "onto", "give", "make", "of", "at", "inside")
    for the in ("the", "this")
)
_VERBS = "is|as|has|was|does|its|this|plus|across|versus|shows|looks|contains|depicts|becomes|serves|gives"
_LOOKS = (
    "red|blue|green|yellow|orange|purple|pink|brown|black|white|gr[ae]y|gold|golden|silver|small|little|tiny|big|large|"
    "huge|giant|tall|short|long|round|old|young|new|bright|dark|colou?rful|happy|flying|wooden|identical|different"
)
_COUNTS = (
    rf"(?!(?:{_ONE_OF}|{_WITHIN})image\s\d{{1,2}}\s(?!(?:{_VERBS})\b)"
    rf"(?:people|men|women|children|more|other|(?:{_LOOKS})\s[a-z]{{2,20}}|[a-z]{{2,20}}s)\b)"
)
"""Not as in "add to the image 2 birds"; but "the image 2 glasses" are those of a reference."""

_AND = r"(?:\s{0,2}(?:[,&+–—-]|,?\s(?:and|or|to|through))\s{0,2}#?\d{1,2})"
_AND_ONE = (
    r"(?:(?:(?:,\s?\d{1,2}){0,9},?\s(?:and|or|&)\s#?\d{1,2}|(?:,\s?\d{1,2}){2,9})"
    r"(?=['\u2019]s?\b|\s{0,2}(?:[.,;:!?)\]]|\Z|\n)|\s(?:and|or|in|into|onto|on|with|to|as|at|for|from|together|by|so)\b))?"
)
"""The rest of "image 1 and 2", unless it counts things: "image 1 and 2 birds"."""

_HAN_AND = r"(?:\s?[-–—~～、至到和与與及]\s?\d{1,2}(?!\s?[\d个個只隻位名条條辆輛朵棵把件头頭匹座]))"  # noqa: RUF001 - Chinese
_MENTION = lazy_pattern("image|[图圖]", re.IGNORECASE)
"""What is in each of the following."""


@functools.cache
def _said() -> re.Pattern[str]:
    """Return the pattern of all mentions, made when there may be one: it takes as long as a whole room's import."""
    return re.compile(
        rf"(?<![\d{_LATIN}_./\\-]){_COUNTS}image\s{{0,2}}(?:(?:number|no\.?)\s)?#?(?P<one>\d{{1,2}}{_AND_ONE}){_ENDS}"
        rf"|(?<![\d{_LATIN}_./\\-])images\s{{1,2}}(?:(?:numbers?|nos?\.?)\s)?#?(?P<several>\d{{1,2}}{_AND}+){_ENDS}"
        rf"|(?<![地构意蓝版企试力贪草])[图圖][片像]?\s?#?(?P<han>\d{{1,2}}{_HAN_AND}{{0,9}}){_ENDS}"
        r"(?!\s?[张張幅個个種种套組组份倍页頁])"
        r"|第\s?(?P<ordinal>\d{1,2})\s?[张張幅][图圖]",
        re.IGNORECASE,
    )


_QUOTED = lazy_pattern(r'(?<!\d)"[^"]*"|“[^“”]*”|„[^„“”]*[“”]|＂[^＂]*＂|«[^«»]*»|»[^«»]*«|「[^「」]*」|『[^『』]*』')  # noqa: RUF001 - quotes of many languages


@frozen
class ImageNumber:
    """A number that a prompt gives to a reference image."""

    number: int
    words: str
    """As written: "image 3", "图3"."""
    start: int
    end: int
    """The position in the text."""


def worded(parts: Sequence[str | tuple[int, ...]]) -> str:
    """Return texts and numbers of references as one prompt, in the language of its texts."""
    return "".join(pieces(parts))


def pieces(parts: Sequence[str | tuple[int, ...]]) -> list[str]:
    """Return the text of each part of the prompt; adjacent pictures are joined into a list at the first of them."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):  # no picture needs a word, so nobody asks for the language
        return texts
    text = " ".join(texts)
    called = _in_chinese if len(re.findall(HAN, text)) > len(_LATIN_WORD.findall(text)) else _in_english
    made: list[str] = []
    side_by_side: dict[int, None] = {}
    first = 0
    for part in parts:
        if isinstance(part, str):
            made.append(f" {part}" if side_by_side and _RUNS_ON.match(part) else part)
            side_by_side = {} if part else side_by_side
            continue
        first = first if side_by_side else len(made)
        side_by_side |= dict.fromkeys(part)
        made.append("")
        made[first] = called(tuple(side_by_side))
    return made


def said_in(text: str) -> Iterator[ImageNumber]:
    """Yield the numbers that a text gives to reference images, but for those in double quotes.

    What is no number of one stays out: "image 4K", "image 3:4", "image 3x3", "images 20 years ago".
    """
    for found in _mentions(text):
        call = "image " if found["one"] or found["several"] else "图"
        for number in sorted(_numbers(found)):
            if number <= HIGHEST:
                yield ImageNumber(number=number, words=f"{call}{number}", start=found.start(), end=found.end())


def renumbered(text: str, numbers: Mapping[int, int], apart: Sequence[tuple[int, int]] = ()) -> str:
    """Return a text in which reference images have other numbers.

    Args:
        text: what names them as `said_in` reads it; all else in it stays.
        numbers: the new number for each old one that is another now.
        apart: the parts of the text, from and to, that stay as they are.
    """
    parts, start = list[str](), 0
    for found in _mentions(text):
        if any(first < found.end() and found.start() < last for first, last in apart):
            continue
        at, end = found.span(str(found.lastgroup))
        parts += [text[start:at], re.sub(r"\d+", lambda written: _new_number(written[0], numbers), text[at:end])]
        start = end
    return "".join([*parts, text[start:]])


def _new_number(written: str, numbers: Mapping[int, int]) -> str:
    number = numbers.get(int(written))
    return written if number is None else str(number)


def _mentions(text: str) -> Iterator[re.Match[str]]:
    """Yield where a text names reference images by number, but for what is in double quotes."""
    if not _MENTION.search(text):
        return
    quoted, place = [found.span() for found in _QUOTED.finditer(text)], 0
    for found in _said().finditer(text):
        while place < len(quoted) and quoted[place][1] <= found.start():
            place += 1
        if place == len(quoted) or found.start() < quoted[place][0]:
            yield found


def _numbers(found: re.Match[str]) -> set[int]:
    """Return the numbers of one mention; of "images 2 to 4" only the ends: one of them is wrong if any is."""
    written = found["one"] or found["several"] or found["han"] or found["ordinal"]
    return {int(number) for number in re.findall(r"\d+", written)}


def _in_english(numbers: Sequence[int]) -> str:
    *first, last = [f"image {number}" for number in numbers]
    return f"{', '.join(first)} and {last}" if first else last


def _in_chinese(numbers: Sequence[int]) -> str:
    *first, last = [f"图{number}" for number in numbers]
    return f"{'、'.join(first)}和{last}" if first else last
