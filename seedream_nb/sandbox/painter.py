"""Paints the sandbox's pictures: prints in a paper margin, composed from a hash of the prompt and references."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from random import Random
from typing import IO, TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from .lettering import headline, mount, title_of
from .motifs import MOTIFS, draw, extent, find_motif
from .palette import DAYS, INK, INKS, WHITE, around, backing, dyes, inked, lit, mix, named, spoken

Images = Sequence[Image.Image]

if TYPE_CHECKING:
    from collections.abc import Callable

    from .palette import Colour

    File = IO[bytes]
    Size = tuple[int, int]
    Line = Callable[[float], float]  # a height, -1 (up) to 1, for an x; lengths are in units: a picture's side, about
    Lit = Callable[[Random, Line, float, float, float], Iterable[list[tuple[float, float]]]]
    Scene = tuple[Callable[[Random, float], Line], int, float, float, Lit]

WORK_PIXELS = 1_600_000  # scenes are drawn no larger than this, then enlarged: 4096x4096 stays quick
PANE, GRAIN = 0.013, [115 + value // 10 for value in range(256)]
ALIKE = 1.43  # a reference of about the shape of the picture fills it
DARK = 330  # a sky with less red, green and blue than this takes light letters
POSES = ((0, 1.0, 0.56), (-1, 0.8, 0.74), (1, 1.08, 0.5), (0, 0.66, 0.92))
"""How the pictures of a series show a motif, in turns: where from the middle, how large, and how large its sun."""
GROUNDS = ((0.74, 0.75, 1.0), (0.6, 0.81, 0.75), (0.68, 0.74, 1.15), (0.8, 0.78, 0.9))
"""The same for a poster with words: where its sun is, its horizon, and how large that sun is."""
HEIGHTS = {"ground": 0.8, "water": 0.8, "table": 0.83, "air": 0.67}
"""Where a motif's feet are, by what it stands on."""


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


def glints(rng: Random, _: Line, sun: float, top: float, foot: float) -> Iterable[list[tuple[float, float]]]:
    """Yield the sun's road on the water."""
    for share in (number / 26 for number in range(1, 27)):
        x, y, half = sun + rng.uniform(-0.07, 0.07), top + 0.98 * (foot - top) * share**1.4, rng.uniform(0.02, 0.11)
        yield [(x - half, y), (x, y - 0.001 - 0.004 * share), (x + half, y), (x, y + 0.001 + 0.004 * share)]


def windows(rng: Random, roof: Line, _: float, __: float, foot: float) -> Iterable[list[tuple[float, float]]]:
    """Return the lit windows of the nearest towers."""
    spots = (
        (PANE * (room // 40 + 0.27), 1.136 * foot - 0.02 * (room % 40) - 0.09)
        for room in rng.sample(range(28000), 9000)
    )
    return ([(x, y), (x + 0.006, y), (x + 0.006, y + 0.012), (x, y + 0.012)] for x, y in spots if y > roof(x) + 0.01)


SCENES: dict[str, Scene] = {  # by what a prompt speaks of: the land's lines, their number, horizon, reach, and the lit
    "mountain hill valley forest wood landscape canyon desert 山 森林 谷": (ridge, 6, 0.5, 0.09, lambda *_: ()),
    "sea ocean wave lake river beach island coast 海 浪 湖 河 滩 岛": (swell, 8, 0.47, 0.024, glints),
    "city street tower building skyline metropolis 城 楼 街": (roofs, 4, 0.62, 0.3, windows),
}
PLACES = {words.split()[0]: words for words in SCENES}


class View(NamedTuple):
    """A picture while it is painted, with its palette and its chance."""

    image: Image.Image
    pen: ImageDraw.ImageDraw
    palette: list[Colour]
    rng: Random

    @property
    def unit(self) -> float:
        """Return the length that lands and suns are measured in."""
        wide, tall = self.image.size
        return min(math.sqrt(wide * tall), 2.2 * wide, 1.8 * tall)


def sky(size: Size, palette: list[Colour], rng: Random) -> View:
    """Return a view of nothing but sky."""
    image = ImageOps.colorize(Image.linear_gradient("L"), palette[1], palette[2]).resize(size)
    return View(image, ImageDraw.Draw(image, "RGBA"), palette, rng)


def rise(view: View, at: tuple[float, float], radius: float, colour: Colour, halos: tuple[float, float]) -> None:
    """Let a sun rise, with two faint halos that are so many times as large."""
    for halo, alpha in ((halos[0] * radius, 24), (halos[1] * radius, 40), (radius, 255)):
        view.pen.ellipse((at[0] - halo, at[1] - halo, at[0] + halo, at[1] + halo), (*colour, alpha))


def lay(view: View, land: Line, colour: Colour, haze: float) -> None:
    """Lay a land up to its height (in pixels) at each x, hazier towards its foot."""
    wide, tall = view.image.size
    crest = [(across, land(across)) for across in range(0, wide + 3, 3)]
    start = int(min(height for _, height in crest))
    mask = Image.new("L", (wide, max(1, tall - start)))
    ImageDraw.Draw(mask).polygon([(0, tall), *((x, y - start) for x, y in crest), (wide, tall)], fill=255)
    fade = ImageOps.colorize(Image.linear_gradient("L"), colour, mix(colour, view.palette[2], haze))
    view.image.paste(fade.resize(mask.size), (0, start), mask)


def raised(line: Line, base: float, high: float, unit: float) -> Line:
    """Return a line in pixels: so high about its base."""
    return lambda x: unit * (base + high * line(x / unit))


def lands(view: View, scene: str, span: tuple[float, float], sun: float, depth: tuple[float, float] = (1, 1)) -> None:
    """Lay land behind land, from a hazy far to a dark near, and light what is lit there.

    They stand between two heights, given as shares of the picture's; `depth` is how far they reach and how near they
    come, beside what they could.
    """
    (line, count, _, reach, lights), tall, ramp, unit = SCENES[scene], view.image.height, view.palette[4:], view.unit
    (top, foot), high = (tall / unit * share for share in span), reach * depth[0]
    lines = [line(view.rng, number / (count - 1)) for number in range(count)]
    for number, each in enumerate(lines):
        share, at = number / (count - 1), min(3 * depth[1] * number / (count - 1), 2.99)
        land = raised(each, top + (foot - top) * share**1.25, high, unit)
        lay(view, land, mix(ramp[int(at)], ramp[int(at) + 1], at % 1), 0.6 - 0.5 * share)
    for spot in lights(view.rng, lambda x: foot + high * lines[-1](x), sun / unit, top, foot):
        view.pen.polygon([(unit * x, unit * y) for x, y in spot], (*mix(view.palette[3], WHITE, 0.4), 190))


def landscape(view: View, scene: str) -> None:
    """Paint a scene: a sun, and land behind land."""
    (wide, tall), horizon, rng, unit = view.image.size, SCENES[scene][2], view.rng, view.unit
    radius, x = unit * rng.uniform(0.1, 0.14), wide * rng.choice([0.33, 0.5, 0.67])
    rise(view, (x, tall * horizon - unit * rng.uniform(0.08, 0.2)), radius, view.palette[3], (2, 1.45))
    lands(view, scene, (horizon, 0.88), x)


def backdrop(view: View, scene: str, number: int) -> None:
    """Paint a scene that leaves the sky to a poster's words."""
    (wide, tall), rng, (across, horizon, scale) = view.image.size, view.rng, GROUNDS[(number - 1) % len(GROUNDS)]
    x, radius = wide * (across + rng.uniform(-0.03, 0.03)), scale * min(0.15 * wide, 0.11 * tall)
    rise(view, (x, tall * (horizon - 0.03)), radius, view.palette[3], (1.5, 1.24))
    lands(view, scene, (horizon, 0.9), x, (0.22 if scene == PLACES["city"] else 0.55, 1))


def show(view: View, motif: str, scene: str, dyes: dict[str, Colour], number: int) -> None:
    """Paint a motif before its sun, in a scene or in its usual one."""
    (usual, stands, *_), (wide, tall), rng, (left, right) = MOTIFS[motif], view.image.size, view.rng, extent(motif)
    aside, scale, sun = POSES[(number - 1) % len(POSES)]
    whole = min(0.57 * tall, 76 * wide / (right - left), 0.74 * wide)
    size = whole * (1.18 if stands == "bust" else 1) * scale * rng.uniform(0.96, 1.02)
    x = wide / 2 + aside * min(0.16 * wide, (0.86 * wide - whole * (right - left) / 100) / 2)
    y = tall * HEIGHTS[stands] if stands in HEIGHTS else tall - 0.07 * min(wide, tall)
    spot = (x + size * rng.uniform(-0.1, 0.1), y - size * rng.uniform(0.5, 0.6))
    rise(view, spot, size * sun, backing(view.palette, dyes["c"]), (1.5, 1.24))
    place, side = scene or PLACES.get(usual), rng.choice([-1, 1])
    if place:
        far = stands == "air"
        lands(view, place, (0.62, 0.88 if far else 0.8), x, (0.75, 1 if far else 0.62))
    ground(view, stands, x, y)
    at = (x - side * ((left + right) / 2 - 50) * size / 100, y)
    draw(view.pen, motif, at, (side * size / 100, size / 100), dyes)
    if stands == "water":
        waves(view, y - 0.012 * size)


def ground(view: View, stands: str, x: float, y: float) -> None:
    """Lay what a motif stands on at a place: a hill or a table."""
    ramp, unit = view.palette[4:], view.unit
    if stands == "ground":
        hill = raised(lambda at: 1 - math.cos(1.6 * (at - x / unit)), y / unit - 0.02, 0.045, unit)
        lay(view, hill, mix(ramp[2], ramp[3], 0.6), 0.1)
    elif stands == "table":
        lay(view, lambda _: 0.7 * view.image.height, mix(ramp[0], ramp[1], 0.7), 0.15)


def waves(view: View, y: float) -> None:
    """Lay the water before a motif that stands in it."""
    ramp, unit = view.palette[4:], view.unit
    for number in range(3):
        base = (y + 0.035 * number * view.image.height) / unit
        lay(view, raised(ripples(view.rng), base, 0.012, unit), mix(ramp[2], ramp[3], number / 2), 0.1)


def ripples(rng: Random) -> Line:
    """Return short waves."""
    lag = rng.uniform(0, 7)
    return lambda x: math.sin(12.6 * x + lag)


def reprint(reference: Image.Image, size: Size, palette: list[Colour]) -> Image.Image:
    """Return a reference that fills the picture, printed anew in the picture's colours."""
    wider = reference.width * size[1] / (reference.height * size[0])
    if not 1 / ALIKE < wider < ALIKE:
        return with_sky(reference, size, palette)
    return toned(ImageOps.fit(reference, size), palette)


def with_sky(reference: Image.Image, size: Size, palette: list[Colour]) -> Image.Image:
    """Return a reference of another shape than the picture's: all of it is shown, with sky around."""
    back, short = sky(size, palette, Random(0)).image, min(size)
    printed = toned(
        ImageOps.contain(reference, (round(size[0] - 0.07 * short), round(size[1] - 0.13 * short))), palette
    )
    back.paste(printed, ((size[0] - printed.width) // 2, (size[1] - printed.height - round(0.04 * short)) // 2))
    return back


def toned(image: Image.Image, palette: list[Colour]) -> Image.Image:
    """Return an image whose dark, middle and light parts have turned to the colours of a palette, for the most part."""
    paper, _, low, _, *land = palette
    tones, steps = [mix(land[3], INK, 0.3), *land[2::-1], low, mix(paper, WHITE, 0.5)], 255 / 5
    table = [mix(tones[int(v / steps)], tones[min(5, int(v / steps) + 1)], v / steps % 1) for v in range(256)]
    grey = ImageOps.autocontrast(image.convert("L"), cutoff=1)
    channels = [grey.point([colour[channel] for colour in table]) for channel in range(3)]
    return Image.blend(image, Image.merge("RGB", channels), 0.68)


def subject(prompt: str) -> str:
    """Return what a prompt begins with: what it is a picture of, not where that is."""
    return re.split(r"[,.;:]|\b(?:in|on|at|by|with|under|above|over|near|behind|before|from)\b", prompt, maxsplit=1)[0]


class Theme(NamedTuple):
    """What a prompt speaks of, by the words of the tables: a motif and a scene, "" where there is none."""

    motif: str
    scene: str
    is_told: bool
    """Whether the prompt's words are set large, because its subject is neither."""


def theme_of(prompt: str) -> Theme:
    """Return what a prompt speaks of."""
    motif, scene = find_motif(prompt), [*spoken(prompt, SCENES), ""][0]
    return Theme(motif, scene, not motif and not spoken(subject(prompt), SCENES) and bool(title_of(prompt)[0]))


def choose_palette(prompt: str, references: Images, lot: int, number: int) -> list[Colour]:
    """Return the palette of the colours or the light that a prompt speaks of, else the first reference's, or any.

    A colour is a motif's, where there are both.
    """
    colours, light = named(prompt), lit(prompt, number)
    if light and (not colours or (not references and find_motif(prompt))):
        return light
    if references and not colours:
        few = references[0].resize((12, 12), Image.Resampling.BOX).tobytes()
        colours = [max(zip(few[::3], few[1::3], few[2::3], strict=True), key=lambda colour: max(colour) - min(colour))]
    return around(colours) if colours else DAYS[lot % len(DAYS)]


def coat_of(motif: str, prompt: str, palette: list[Colour]) -> Colour:
    """Return the colour of a motif: the one that the prompt names, its own, or a leaf's in this light."""
    own = MOTIFS[motif][2]
    usual = tuple(bytes.fromhex(own)) if own else mix(palette[5], palette[6], 0.4)
    return [*named(prompt), inked(usual, palette) if palette is INKS else usual][0]


def compose(prompt: str, theme: Theme, view: View, lot: int, number: int) -> Image.Image:
    """Return a picture without its margin and its words: a motif, a scene, or the ground of a poster."""
    palette, scene = view.palette, theme.scene
    if theme.motif:
        show(view, theme.motif, scene, dyes(palette, coat_of(theme.motif, prompt, palette), lot), number)
    elif theme.is_told:
        backdrop(view, scene or [*SCENES][(lot + number) % 2], number)
    else:
        landscape(view, scene or [*SCENES][lot % len(SCENES)])
    return view.image.reduce(2)


def paint(  # noqa: PLR0913 - a picture has these six sides
    file: File, prompt: str, size: Size, *, references: Images = (), watermark: bool = True, number: int = 1
) -> None:
    """Write the JPEG that answers a request: picture `number` of its series, of exactly this width and height."""
    told = [prompt.encode("utf-8", "surrogatepass"), *(image.tobytes() for image in references)]
    lot, scale = int(hashlib.sha256(b"".join(told)).hexdigest(), 16), min(1, math.sqrt(WORK_PIXELS / math.prod(size)))
    palette, small = choose_palette(prompt, references, lot, number), (round(size[0] * scale), round(size[1] * scale))
    theme, chance = Theme("", theme_of(prompt).scene, is_told=False) if references else theme_of(prompt), lot + number
    if len(references) == 1:  # the grain of an edit of an edit would add up
        picture = reprint(references[0], small, palette).resize(size, Image.Resampling.BICUBIC)
    else:
        wide, tall = small
        drawn = compose(prompt, theme, sky((2 * wide, 2 * tall), palette, Random(chance)), lot, number)
        picture = print_on_paper(drawn, size)  # what it was drawn on, four times as large, is free again
    paper, ink = palette[0], palette[-1]
    if theme.is_told:
        headline(picture, prompt, paper if sum(palette[1]) < DARK else ink)
    hang(picture, references, paper, ink)
    mount(picture, prompt, paper, ink, "AI generated" if watermark else "")
    picture.save(file, "JPEG", quality=90)


def print_on_paper(drawn: Image.Image, size: Size) -> Image.Image:
    """Return a picture in its full size, with the grain of a print."""
    noise = Image.frombytes("L", drawn.size, Random(0).randbytes(drawn.width * drawn.height)).point(GRAIN)
    return ImageChops.overlay(drawn, Image.merge("RGB", [noise] * 3)).resize(size, Image.Resampling.BICUBIC)


def hang(picture: Image.Image, references: Images, paper: Colour, ink: Colour) -> None:
    """Hang the references into the picture as framed prints, numbered in their order."""
    (width, height), short, count = picture.size, min(picture.size), len(references)
    wide, tall = width - 0.07 * short, 0.94 * (height - 0.11 * short)
    if count == 1:
        pin(picture, card(references[0], 1, 0.3 * short, paper, ink), (0.075 * short, 0.075 * short), 0.3 * short, ink)
        return
    columns = max(range(1, count + 1), key=lambda n: min(wide / n, tall / math.ceil(count / n)), default=1)
    rows = math.ceil(count / columns)
    side = min(wide / columns, tall / max(1, rows), 0.72 * math.sqrt(wide * tall))
    for index, reference in enumerate(references):
        row, column = divmod(index, columns)
        print_ = card(reference, index + 1, side, paper, ink)
        x = width / 2 + side * (column - (min(columns, count - row * columns) - 1) / 2) - print_.width / 2
        y = height / 2 - 0.02 * short + side * (row - (rows - 1) / 2) - print_.height / 2
        pin(picture, print_, (x, y), side, ink)


def card(reference: Image.Image, number: int, side: float, paper: Colour, ink: Colour) -> Image.Image:
    """Return a reference as a framed print with its number."""
    frame, font = max(1, int(side / 40)), ImageFont.load_default(max(7, side * 0.042))
    framed = ImageOps.expand(ImageOps.contain(reference, (32 * frame, 30 * frame)), 2 * frame, paper)
    ImageDraw.Draw(framed).text((framed.width / 2, framed.height - frame), str(number), ink, font, anchor="mm")
    return framed


def pin(picture: Image.Image, framed: Image.Image, at: tuple[float, float], side: float, ink: Colour) -> None:
    """Pin a print to a picture, with its shadow."""
    x, y = at
    picture.paste(ink, (round(x + side / 50), round(y + side / 40)), Image.new("L", framed.size, 90))
    picture.paste(framed, (round(x), round(y)))
