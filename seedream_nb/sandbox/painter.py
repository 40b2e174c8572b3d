"""Paints the sandbox's pictures: prints in a paper margin, composed from a hash of the prompt and references."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from random import Random
from typing import IO, TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

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
    """Return the rows of a table of words that occur in a prompt, in the prompt's order."""
    either = {row: "|".join(w if w > "\xff" else rf"\b{w}(?:d?ish|e?s)?\b" for w in row.split()) for row in table}
    positions = {row: match.start() for row in either if (match := re.search(either[row], prompt, re.IGNORECASE))}
    return sorted(positions, key=positions.__getitem__)


def choose_colours(prompt: str, references: Images, lot: int) -> list[Colour]:
    """Return the colours of the paper, the sky (high and low), the sun, and the land (four, from far to near)."""
    named = [tuple(bytes.fromhex(COLOURS[row])) for row in spoken(prompt, COLOURS)[:2]]
    if references and not named:
        few = references[0].resize((12, 12), Image.Resampling.BOX).tobytes()
        named = [max(zip(few[::3], few[1::3], few[2::3], strict=True), key=lambda colour: max(colour) - min(colour))]
    if not named:
        return [*(MOODS[row] for row in spoken(prompt, MOODS)), DAYS[lot % len(DAYS)]][0]
    main, *others = sorted(named, key=lambda colour: colour[0] - colour[2])
    sun = CORAL if max(main) < min(main) + 40 else CREAM if main[0] > main[2] else GOLD
    sky, ink = [mix(main, WHITE, share) for share in (0.9, 0.42, 0.8)], mix(main, INK, 0.72)
    return [*sky, [*others, sun][0], mix(main, WHITE, 0.3), main, mix(main, ink, 0.45), ink]


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    File = IO[bytes]
    Line = Callable[[float], float]  # a height, -1 (up) to 1, for an x; lengths are in units: a picture's side, about
    Scene = tuple[
        Callable[[Random, float], Line], int, float, float, Callable[..., Iterable[list[tuple[float, float]]]]
    ]

WORK_PIXELS = 1_600_000  # scenes are drawn no larger than this, then enlarged: 4096x4096 stays quick
PANE, GRAIN = 0.013, [115 + value // 10 for value in range(256)]


def peaks(rng: Random, long: float, count: int, rough: float) -> Line:
    """Return a line of pointed waves upon waves, each half as long as the one before and `rough` times as high."""
    many = [(math.pi / long * 1.93**n, rng.uniform(0, 7), 0.7 * rough**n) for n in range(count)]
    return lambda x: sum(high * (2 * abs(math.sin(x * often + lag)) - 1) for often, lag, high in many)


def ridge(rng: Random, share: float) -> Line:
    """Return a ridge of mountains, far (`share` 0) to near (1), with pines on the near ones."""
    rocks = peaks(rng, 0.8 - 0.2 * share, 7 - round(3 * share), 0.53 - 0.2 * share)
    pines, groves = peaks(rng, 0.012 + 0.01 * share, 2, 0.6), peaks(rng, 0.5, 3, 0.6)
    return lambda x: rocks(x) * (1.2 - 0.6 * share) + (pines(x) - 1) * max(0, groves(x)) * max(0, 0.8 * share - 0.4)


def swell(rng: Random, share: float) -> Line:
    """Return a long wave of the sea, from level at the horizon (`share` 0) to high at the shore (1)."""
    often, lag = math.tau / (0.4 + share), rng.uniform(0, 7)
    return lambda x: share**0.7 * (0.7 * math.sin(x * often + lag) + 0.2 * math.sin(x * often * 1.9 + 2 * lag))


def roofs(rng: Random, share: float) -> Line:
    """Return the roofs of a row of towers, few of them tall."""
    towers, panes = [rng.random() ** 2.2 for _ in range(997)], 4 + round(share)
    return lambda x: -towers[int(x / PANE) // panes % 997]


def glints(rng: Random, _: Line, sun: float, tall: float) -> Iterable[list[tuple[float, float]]]:
    """Yield the sun's road on the water."""
    for share in (number / 26 for number in range(1, 27)):
        x, y, half = sun + rng.uniform(-0.07, 0.07), tall * (0.47 + 0.4 * share**1.4), rng.uniform(0.02, 0.11)
        yield [(x - half, y), (x, y - 0.001 - 0.004 * share), (x + half, y), (x, y + 0.001 + 0.004 * share)]


def windows(rng: Random, roof: Line, _: float, tall: float) -> Iterable[list[tuple[float, float]]]:
    """Return the lit windows of the nearest towers."""
    spots = ((PANE * (room // 40 + 0.27), tall - 0.02 * (room % 40) - 0.09) for room in rng.sample(range(28000), 9000))
    return ([(x, y), (x + 0.006, y), (x + 0.006, y + 0.012), (x, y + 0.012)] for x, y in spots if y > roof(x) + 0.01)


SCENES: dict[str, Scene] = {  # by what a prompt speaks of: the land's lines, their number, horizon, reach, and the lit
    "mountain hill valley forest tree garden fox deer bear 山 森林 树 狐": (ridge, 6, 0.5, 0.09, lambda *_: ()),
    "sea ocean wave lake river boat ship fish beach island 海 浪 湖 河 船 鱼": (swell, 8, 0.47, 0.024, glints),
    "city street tower building house town skyline car robot 城 楼 街 房": (roofs, 4, 0.62, 0.3, windows),
}


def landscape(size: tuple[int, int], colours: list[Colour], rng: Random, scene: str) -> Image.Image:
    """Return a scene: a sun with two faint halos, and land behind land, from a hazy far to a dark near."""
    (line, count, horizon, reach, lit), (_, high, low, sun, *ramp), (wide, tall) = SCENES[scene], colours, size
    slope, unit = Image.linear_gradient("L"), min(math.sqrt(wide * tall), 2.2 * wide, 1.8 * tall)
    image, lands = ImageOps.colorize(slope, high, low).resize(size), [line(rng, n / (count - 1)) for n in range(count)]
    pen, radius = ImageDraw.Draw(image, "RGBA"), unit * rng.uniform(0.1, 0.14)
    x, y = wide * rng.choice([0.33, 0.5, 0.67]), tall * horizon - unit * rng.uniform(0.08, 0.2)
    for halo, alpha in ((2 * radius, 24), (1.45 * radius, 40), (radius, 255)):
        pen.ellipse((x - halo, y - halo, x + halo, y + halo), (*sun, alpha))
    for number, land in enumerate(lands):
        share, at = number / (count - 1), min(3 * number / (count - 1), 2.99)
        base, colour = tall * (horizon + (0.88 - horizon) * share**1.25), mix(ramp[int(at)], ramp[int(at) + 1], at % 1)
        crest = [(across, base + unit * reach * land(across / unit)) for across in range(0, wide + 3, 3)]
        start = int(min(height for _, height in crest))
        mask = Image.new("L", (wide, tall - start))
        ImageDraw.Draw(mask).polygon([(0, tall), *((x, y - start) for x, y in crest), (wide, tall)], fill=255)
        fade = ImageOps.colorize(slope, colour, mix(colour, low, 0.6 - 0.5 * share))
        image.paste(fade.resize(mask.size), (0, start), mask)
    for spot in lit(rng, lambda x: 0.88 * tall / unit + reach * lands[-1](x), x / unit, tall / unit):
        pen.polygon([(unit * x, unit * y) for x, y in spot], (*mix(sun, WHITE, 0.4), 190))
    return image


def paint(  # noqa: PLR0913 - a picture has these six sides
    file: File, prompt: str, size: tuple[int, int], *, references: Images = (), watermark: bool = True, number: int = 1
) -> None:
    """Write the JPEG that answers a request: picture `number` of its series, of exactly this width and height."""
    told = [prompt.encode("utf-8", "surrogatepass"), *(image.tobytes() for image in references)]
    lot, scale = int(hashlib.sha256(b"".join(told)).hexdigest(), 16), min(1, math.sqrt(WORK_PIXELS / math.prod(size)))
    colours = choose_colours(prompt, references, lot)
    scene = [*spoken(prompt, SCENES), [*SCENES][lot % len(SCENES)]][0]
    variation, grain = Random(lot + number), Random(0)
    drawn = landscape((2 * round(size[0] * scale), 2 * round(size[1] * scale)), colours, variation, scene).reduce(2)
    noise = Image.frombytes("L", drawn.size, grain.randbytes(drawn.width * drawn.height)).point(GRAIN)
    picture = ImageChops.overlay(drawn, Image.merge("RGB", [noise] * 3)).resize(size, Image.Resampling.BICUBIC)
    hang(picture, references, colours[0], colours[-1])
    mount(picture, prompt, colours[0], colours[-1], "AI generated" if watermark else "")
    picture.save(file, "JPEG", quality=90)


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


def letters(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """Return what of a text fits into one line of `room` pixels, less what the font lacks (of é, the accent).

    What does not fit is shown by dots.
    """
    plain, lacking = unicodedata.normalize("NFKD", text[:240]).split(), (bytes(font.getmask("\uffff")), b"")
    words = ("".join(letter for letter in word if bytes(font.getmask(letter)) not in lacking) for word in plain)
    line, dots = " ".join(filter(None, words)), "" if bytes(font.getmask("…")) in lacking else "…"
    cuts = ("", line, *(line[:n].rstrip(" ,") + dots for n in range(1, len(line))))
    return max((cut for cut in cuts if font.getlength(cut) <= room), key=len, default="")


def hang(picture: Image.Image, references: Images, paper: Colour, ink: Colour) -> None:
    """Hang the references into the picture as framed prints, numbered in their order."""
    (width, height), short, count = picture.size, min(picture.size), len(references)
    wide, tall = width - 0.07 * short, 0.94 * (height - 0.11 * short)
    columns = max(range(1, count + 1), key=lambda n: min(wide / n, tall / math.ceil(count / n)), default=1)
    rows = math.ceil(count / columns)
    side = min(wide / columns, tall / max(1, rows), 0.72 * math.sqrt(wide * tall))
    frame, font = max(1, int(side / 40)), ImageFont.load_default(max(7, side * 0.042))
    for index, reference in enumerate(references):
        row, column = divmod(index, columns)
        card = ImageOps.expand(ImageOps.contain(reference, (32 * frame, 30 * frame)), 2 * frame, paper)
        ImageDraw.Draw(card).text((card.width / 2, card.height - frame), str(index + 1), ink, font, anchor="mm")
        x = width / 2 + side * (column - (min(columns, count - row * columns) - 1) / 2) - card.width / 2
        y = height / 2 - 0.02 * short + side * (row - (rows - 1) / 2) - card.height / 2
        picture.paste(ink, (round(x + side / 50), round(y + side / 40)), Image.new("L", card.size, 90))
        picture.paste(card, (round(x), round(y)))
