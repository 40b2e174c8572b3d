"""The colours of the sandbox's pictures: the prompt's, else the first reference's, else a set that goes together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from PIL import Image

Colour = tuple[int, ...]
Images = Sequence[Image.Image]
WHITE, INK, CORAL, GOLD, CREAM = (252, 248, 240), (16, 14, 28), (231, 111, 81), (246, 189, 96), (255, 236, 200)
NIGHT, WINTER, *DAYS = ([tuple(bytes.fromhex(code)) for code in row.split()] for row in re.findall(r"\S+(?: \S+)+", """
ece7da 141d42 4a5688 f4d58d 414f86 2c3968 1c264f 0e1434  f7f7f4 b9d0e2 f4f1ec e76f51 b3c9da 8aa7c2 5c7d9f 2f4a6b
f6efe2 f0ab92 fbe3c2 e4572e d98b74 a85d5d 6a4058 33283f  f4f1e6 a9d3d0 eef0dc f2836b 7fb7b5 4a8f99 2b6278 173b53
f7ecdb f0c987 fbe9c9 d1495b e3a45e c9733f 97482f 4f2a2c  f2eee0 c3dabd f3efd3 e9a03b 9dbf9a 5f9272 33664f 173c35
f5efee b3a0d3 f6d9d5 f4a259 a38fc4 7a66a6 524882 2b2a55  f5f0e6 f6bdb4 fdf0d5 ff5a4e 8fb8de 3f7cac 2d5a8c 1b2f4e
f5eddd f5d19a fcefd6 e76f51 8ab3a5 2a9d8f 21707a 264653  f8efe9 f2bcc0 fbe9e1 b5314c e59aa0 c96a7c 8f4460 4a2743
"""))  # fmt: skip
MOODS = {"night midnight moon star space galaxy 夜 月 星": NIGHT, "snow winter ice frost 雪 冬 冰": WINTER}
COLOURS = {
    "red crimson scarlet 红 赤": "d2352b", "orange 橙 橘": "e8762c", "yellow gold golden 黄 金": "e9b824",
    "green emerald 绿": "3f8f4f", "teal turquoise cyan 青": "1f8f8a", "blue azure cobalt 蓝": "2f6cc0",
    "navy indigo 靛": "1d2f6f", "purple violet lavender 紫": "7a4fb0", "pink magenta rose 粉": "e3719b",
    "brown 棕 褐": "8a5a3a", "black 黑": "26262e", "white ivory 白": "f4f1ea", "grey gray silver 灰 银": "8b8d93",
}  # fmt: skip


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour between two: `share` of the other (0 to 1)."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def spoken(prompt: str, table: Iterable[str]) -> list[str]:
    """Return the rows of a table of words that a prompt has words of, in its order."""
    either = {row: "|".join(w if w > "\xff" else rf"\b{w}(?:d?ish|e?s)?\b" for w in row.split()) for row in table}
    found = {row: match.start() for row in either if (match := re.search(either[row], prompt, re.IGNORECASE))}
    return sorted(found, key=found.__getitem__)


def choose_colours(prompt: str, references: Images, lot: int) -> list[Colour]:
    """Return the colours of the paper, the sky (high and low), the sun, and the land (four, from far to near)."""
    asked = [tuple(bytes.fromhex(COLOURS[row])) for row in spoken(prompt, COLOURS)[:2]]
    if references and not asked:
        few = references[0].resize((12, 12), Image.Resampling.BOX).tobytes()
        asked = [max(zip(few[::3], few[1::3], few[2::3], strict=True), key=lambda colour: max(colour) - min(colour))]
    if not asked:
        return [*(MOODS[row] for row in spoken(prompt, MOODS)), DAYS[lot % len(DAYS)]][0]
    main, *others = sorted(asked, key=lambda colour: colour[0] - colour[2])
    sun = CORAL if max(main) < min(main) + 40 else CREAM if main[0] > main[2] else GOLD
    sky, ink = [mix(main, WHITE, share) for share in (0.9, 0.42, 0.8)], mix(main, INK, 0.72)
    return [*sky, [*others, sun][0], mix(main, WHITE, 0.3), main, mix(main, ink, 0.45), ink]
