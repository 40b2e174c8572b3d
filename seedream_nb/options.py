"""The options of a request, declared once: they feed the cell, its help and the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from seedream_nb.errors import RequestError, UnknownOptionError, nearest, plain, shown
from seedream_nb.scope import scalar
from seedream_nb.sizes import DEFAULT_SIZE, RATIO_SIZES, TIERS

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Mapping

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


class Asked(TypedDict, total=False):
    """What `sd.generate` and `sd.submit` take beside the prompt, for type checkers."""

    values: Mapping[str, object] | None
    images: object
    image: object
    size: str | None
    aspect: str | None
    max_images: int | None
    sequential: str | None
    watermark: bool | None
    once: bool | None
    save: str | os.PathLike[str] | None
    timeout: float | None


# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option(name="size", flags=("-s", "--size"), value="SIZE", kind="text", default=DEFAULT_SIZE,
           choices=(*TIERS, *RATIO_SIZES),
           help="size of the result: 1K, 2K or 4K, WxH in pixels, or a ratio such as 16:9"),
    Option(name="aspect", flags=("-a", "--aspect"), value="W:H", kind="text", choices=tuple(RATIO_SIZES),
           help="ratio of the result, with 1K, 2K or 4K (alone: 2K)"),
    Option(name="images", flags=("-i", "--image"), value="REFERENCE", kind="reference", high=MOST_REFERENCES,
           help="a reference image: a variable, a path or glob, a URL, a history mark such as @3, or @out for what was "
           "shown last; repeat it for up to 10"),
    Option(name="max_images", flags=("-n", "--max-images"), value="N", kind="whole", low=1, high=MOST_IMAGES,
           help="a series of up to so many pictures"),
    Option(name="sequential", flags=("--sequential",), value="MODE", kind="choice", default="disabled",
           choices=SEQUENTIAL,
           help="auto lets the model decide how many pictures it makes, disabled makes one"),
    Option(name="watermark", flags=("--watermark", "--no-watermark"), value=None, kind="switch", default=True,
           help='the "AI generated" mark in the corner, or none'),
    Option(name="out", flags=("-o", "--out"), value="NAME", kind="name",
           help="also stores the result in this variable"),
    Option(name="once", flags=("--once", "--no-once"), value=None, kind="switch", default=False,
           help="if the history holds a complete result of exactly this request, shows that, at no cost; or asks anew"),
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

MEANT = {
    "ratio": "--aspect", "aspect-ratio": "--aspect", "width": "--size", "height": "--size", "resolution": "--size",
    "count": "--max-images", "number": "--max-images", "num-images": "--max-images", "series": "--max-images",
    "reference": "--image", "ref": "--image", "input": "--image", "file": "--image", "variable": "--out",
    "output": "--save", "folder": "--save", "dir": "--save", "estimate": "--dry-run", "cache": "--once",
    "async": "--background", "wait": "--timeout",
}  # fmt: skip
"""What people call an option elsewhere."""


def did_you_mean_option(written: str) -> str:
    """Return ` Did you mean …?` with the option that this name was most likely meant to be, or why there is none."""
    bare = written.lower().replace("_", "-")
    if bare == "seed":
        return NO_SEED
    if bare not in _FLAGS and (unwanted := _FLAGS.get(bare.removeprefix("no-"))) and bare.startswith("no-"):
        return f" Leave {unwanted} out."
    begun = [name for name in _FLAGS if len(name) > 1 and bare and name.startswith(bare)]
    near = bare if bare in _FLAGS else [*begun, nearest(bare, _FLAGS)][0]
    meant = MEANT.get(bare) or _FLAGS.get(near or "")
    return f" Did you mean {meant}?" if meant else ""


def check_options(call: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse options that a call does not have.

    Raises:
        UnknownOptionError: all of them, each with the nearest that it has.
    """
    problems = [
        f"{call}() has no option {plain(repr(name), 60)}.{_guess(name, known)}" for name in given if name not in known
    ]
    if problems:
        raise UnknownOptionError(problems)


def read_flag(name: str, value: object) -> bool:
    """Return an option that is either on or off; None is off.

    Raises:
        RequestError: it is neither; a text such as "no" would count as on.
    """
    own = scalar(value)
    if own is None or (isinstance(own, int | float) and own in {0, 1}):
        return bool(own)
    raise RequestError(f"{name}: found {shown(value)}; write True or False.")


def _guess(written: str, known: Collection[str]) -> str:
    if written == "out":
        return " Assign the result to a variable instead."
    if written == "seed":
        return NO_SEED
    flag = MEANT.get(written.lower().replace("_", "-"), f"-{written}")
    names = {each: option.name for option in OPTIONS for each in option.flags}
    meant = names.get(flag) or nearest(written, known)
    return f" Did you mean {meant}?" if meant in known else ""


NO_SEED = " The service takes no seed: the same request gives new pictures each time."
_FLAGS = {flag.lstrip("-"): flag for option in OPTIONS for flag in option.flags}
