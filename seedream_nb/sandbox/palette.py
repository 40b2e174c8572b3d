"""The colours of the sandbox's pictures: those that a prompt names, of the light that it speaks of, or by chance."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Colour = tuple[int, ...]
WHITE, INK, CORAL, GOLD, CREAM = (252, 248, 240), (16, 14, 28), (231, 111, 81), (246, 189, 96), (255, 236, 200)
# A palette: the paper, the sky (high and low), the sun, and the land (four, from far to near).
_ROWS = """
ece7da 141d42 4a5688 f4d58d 414f86 2c3968 1c264f 0e1434  f7f7f4 b9d0e2 f4f1ec e76f51 b3c9da 8aa7c2 5c7d9f 2f4a6b
f9efea d7a9b8 fde3cf f7a072 d3a0ae a97f9f 705f8c 3a3a66  f4f3e4 6fb7d6 e6f3ee fff3c4 9cc9b0 69a886 3d7f6b 1f4f4f
f6e9dd 6d4a7c f3a56b ffd27a c9737a 97507a 633a69 35234d  f7f3ea bfdcd6 fdf1e6 f7a6b4 b7d6a8 8bbd86 5a9670 2f5f55
f6ecdc ecc58a fbeed2 d9582f dba45a c07a3c 8f4a2c 4b2a26  f3efe6 ded9cc f6f2e8 c8402f c2bcb0 938d84 5b5752 22201f
eeeeea a9b6be dfe3e2 f0e2b8 a6b2b8 7f8e98 566773 2d3b47
f6efe2 f0ab92 fbe3c2 e4572e d98b74 a85d5d 6a4058 33283f  f4f1e6 a9d3d0 eef0dc f2836b 7fb7b5 4a8f99 2b6278 173b53
f7ecdb f0c987 fbe9c9 d1495b e3a45e c9733f 97482f 4f2a2c  f2eee0 c3dabd f3efd3 e9a03b 9dbf9a 5f9272 33664f 173c35
f5efee b3a0d3 f6d9d5 f4a259 a38fc4 7a66a6 524882 2b2a55  f5f0e6 f6bdb4 fdf0d5 ff5a4e 8fb8de 3f7cac 2d5a8c 1b2f4e
f5eddd f5d19a fcefd6 e76f51 8ab3a5 2a9d8f 21707a 264653  f8efe9 f2bcc0 fbe9e1 b5314c e59aa0 c96a7c 8f4460 4a2743
"""
PALETTES: list[list[Colour]] = [
    [tuple(bytes.fromhex(code)) for code in row.split()] for row in re.findall(r"\S+(?: \S+)+", _ROWS)
]
MOODS = (
    "night midnight nocturnal moon star space galaxy 夜 月 星", "winter snow snowy ice frost 雪 冬 冰",
    "dawn sunrise morning daybreak 黎明 清晨 早晨 日出", "noon midday summer daylight sunny 正午 中午 夏 晴",
    "dusk sunset sundown evening twilight 黄昏 傍晚 日落 夕阳", "spring springtime cherry blossom 春 樱",
    "autumn autumnal 秋", "ink monochrome woodcut sumi charcoal 墨", "rain fog mist storm 雨 雾",
)  # fmt: skip
NIGHT, WINTER, DAWN, NOON, DUSK, SPRING, AUTUMN, INKS, RAIN, *DAYS = PALETTES
SEASONS, YEAR = "season 四季", (SPRING, NOON, AUTUMN, WINTER)
FAR_ENOUGH, BEAM, SKINS = 75, (255, 244, 205, 84), ("efbf9c", "d9a27a", "b57a54", "8a5a40")
COLOURS = {
    "red crimson scarlet 红 赤": "d2352b", "orange 橙 橘": "e8762c", "yellow gold golden 黄 金": "e9b824",
    "green emerald 绿": "3f8f4f", "teal turquoise cyan 青": "1f8f8a", "blue azure cobalt 蓝": "2f6cc0",
    "navy indigo 靛": "1d2f6f", "purple violet lavender 紫": "7a4fb0", "pink magenta rose 粉": "e3719b",
    "brown 棕 褐": "8a5a3a", "black 黑": "26262e", "white ivory 白": "f4f1ea", "grey gray silver 灰 银": "8b8d93",
}  # fmt: skip


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour between two: `share` of the other (0 to 1)."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def apart(one: Colour, other: Colour) -> float:
    """Return how far two colours are from each other: 441 from black to white."""
    return math.dist(one, other)


def spoken(prompt: str, table: Iterable[str]) -> list[str]:
    """Return the rows of a table of words that occur in a prompt, in the prompt's order."""
    either = {row: "|".join(w if w > "\xff" else rf"\b{w}(?:d?ish|e?s)?\b" for w in row.split()) for row in table}
    positions = {row: match.start() for row in either if (match := re.search(either[row], prompt, re.IGNORECASE))}
    return sorted(positions, key=positions.__getitem__)


def named(prompt: str) -> list[Colour]:
    """Return the first two colours that a prompt names."""
    return [tuple(bytes.fromhex(COLOURS[row])) for row in spoken(prompt, COLOURS)[:2]]


def lit(prompt: str, number: int) -> list[Colour] | None:
    """Return the palette of the time and the light that a prompt speaks of; the seasons take turns in a series."""
    if spoken(prompt, [SEASONS]):
        return YEAR[(number - 1) % 4]
    return next((PALETTES[MOODS.index(row)] for row in spoken(prompt, MOODS)), None)


def around(colours: list[Colour]) -> list[Colour]:
    """Return the palette of one or two colours."""
    main, *others = sorted(colours, key=lambda colour: colour[0] - colour[2])
    sun = CORAL if max(main) < min(main) + 40 else CREAM if main[0] > main[2] else GOLD
    sky, ink = [mix(main, WHITE, share) for share in (0.9, 0.42, 0.8)], mix(main, INK, 0.72)
    return [*sky, [*others, sun][0], mix(main, WHITE, 0.3), main, mix(main, ink, 0.45), ink]


def inked(colour: Colour, palette: list[Colour]) -> Colour:
    """Return a colour as it is where everything is drawn in ink."""
    return mix(palette[-1], palette[0], (0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]) / 255)


def backing(palette: list[Colour], coat: Colour) -> Colour:
    """Return the colour of the sun behind a motif: the palette's own, unless motif or sky would be lost in it."""
    sun, sky = palette[3], mix(palette[1], palette[2], 0.6)
    suns = {
        each: min(0.8 * apart(each, coat), 1.4 * apart(each, sky))
        for each in (sun, mix(sun, WHITE, 0.5), CREAM, GOLD, CORAL)
    }
    return next((each for each in suns if suns[each] > FAR_ENOUGH), max(suns, key=suns.__getitem__))


def dyes(palette: list[Colour], coat: Colour, lot: int) -> dict[str, Colour]:
    """Return the colours of a motif's shapes by their letters; `lot` chooses a skin."""
    paper, _, low, _, *land = palette
    dark, white, face = mix(land[3], INK, 0.45), mix(paper, WHITE, 0.5), tuple(bytes.fromhex(SKINS[lot % len(SKINS)]))
    plain = {
        "c": coat, "s": mix(coat, dark, 0.3), "t": mix(coat, WHITE, 0.4), "k": dark, "l": mix(dark, WHITE, 0.4),
        "w": white, "h": mix(white, dark, 0.16), "a": max([CORAL, GOLD], key=lambda each: apart(each, coat)),
        "y": (246, 200, 96), "p": (217, 118, 108), "f": face, "v": mix(face, dark, 0.45),
        "n": (190, 140, 90), "g": (63, 110, 80),
        **{f"{number}": colour for number, colour in enumerate(land, 1)},
    }  # fmt: skip
    if palette is INKS:
        plain |= {letter: inked(plain[letter], palette) for letter in "pfvng"}
    return {letter: mix(colour, low, 0.06) for letter, colour in plain.items()} | {"d": (*dark, 46), "e": BEAM}
