"""The options of a request, declared once: they feed the cell, its help and the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seedream_nb.sizes import DEFAULT_SIZE, RATIO_SIZES, TIERS

MOST_REFERENCES = 10
"""Reference images in one request, from the service's reference page."""

MOST_IMAGES = 15
"""Highest `max_images`, and the most that references and pictures may be together (same page)."""

SEQUENTIAL = ("auto", "disabled")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a request: how it is written, what it means, what it may be."""

    name: str
    """The keyword of `sd.generate`; the field of the parsed cell."""
    flags: tuple[str, ...]
    value: str | None
    help: str
    kind: Literal["text", "choice", "whole", "seconds", "flag", "switch", "reference", "name"]
    default: object = None
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()


# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option(name="size", flags=("-s", "--size"), value="SIZE", kind="text", default=DEFAULT_SIZE,
           choices=(*TIERS, *RATIO_SIZES),
           help="size of the result: 1K, 2K or 4K, WxH in pixels, or a ratio such as 16:9"),
    Option(name="aspect", flags=("-a", "--aspect"), value="W:H", kind="text", choices=tuple(RATIO_SIZES),
           help="ratio of the result, with 1K, 2K or 4K (alone: 2K)"),
    Option(name="images", flags=("-i", "--image"), value="REFERENCE", kind="reference", high=MOST_REFERENCES,
           help="a reference image: a variable, a path or glob, a URL, or a history mark such as @3; "
           "repeat it for up to 10"),
    Option(name="max_images", flags=("-n", "--max-images"), value="N", kind="whole", low=1, high=MOST_IMAGES,
           help="a series of up to so many pictures"),
    Option(name="sequential", flags=("--sequential",), value="MODE", kind="choice", default="disabled",
           choices=SEQUENTIAL,
           help="auto lets the model decide how many pictures it makes, disabled makes one"),
    Option(name="watermark", flags=("--watermark", "--no-watermark"), value=None, kind="switch", default=True,
           help='the "AI generated" mark in the corner, or none'),
    Option(name="out", flags=("-o", "--out"), value="NAME", kind="name",
           help="also stores the result in this variable"),
    Option(name="once", flags=("--once",), value=None, kind="flag", default=False,
           help="if the history holds a complete result of exactly this request, shows that, at no cost"),
    Option(name="background", flags=("-b", "--background"), value=None, kind="flag", default=False,
           help="returns a job at once; the output keeps itself up to date"),
    Option(name="save", flags=("--save",), value="FOLDER", kind="text",
           help="also copies the full-size files to this folder"),
    Option(name="dry_run", flags=("--dry-run",), value=None, kind="flag", default=False,
           help="shows the request and the estimate; sends nothing, spends nothing"),
    Option(name="timeout", flags=("--timeout",), value="SECONDS", kind="seconds", default=600.0,
           help="how long the cell waits, counted from the last byte sent"),
)
# fmt: on
"""Every option of a cell, in the order of the documentation."""
