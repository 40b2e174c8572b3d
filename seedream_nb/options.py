"""The options of a request, declared once: the doors, their help, the journal and what is sent read them here."""

# ruff: noqa: I002 - the table below is made of annotations; as texts, each process that loads it would compile them anew

import functools
import inspect
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypedDict, TypeVar, cast, get_args

from seedream_nb.errors import Problem, RequestError, UnknownOptionError, describe_value, did_you_mean, nearest, plain
from seedream_nb.frozen import frozen
from seedream_nb.scope import scalar
from seedream_nb.service import DEFAULT, Model, models_beside
from seedream_nb.sizes import either, pixel_range

_Function = TypeVar("_Function", bound=Callable[..., Any])


SEQUENTIAL = ("auto", "disabled")

Kind: TypeAlias = Literal[
    "text",
    "size",
    "aspect",
    "choice",
    "model",
    "whole",
    "seconds",
    "flag",
    "switch",
    "reference",
    "name",
    "names",
    "folder",
    "sweep",
    "table",
]


@frozen
class Option:
    """One option of a request: how it is written, what it means, what it may be."""

    name: str = ""
    """The keyword of `sd.generate`, the field of an `ImageRequest`: the name in `RequestOptions`."""
    flags: tuple[str, ...] = ()
    """How a cell has it; without any, it is for calls only."""
    metavar: str | None = None
    """What stands for its value; None: the flag is all."""
    help: str = ""
    call: str = ""
    """Its help for a call, where that has more to tell."""
    kind: Kind
    default: Any = None
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    """Values that Tab offers where the kind has none of its own; the first is an example too."""
    is_sent: bool = False
    """Whether the service gets it: then it is a field of each request, of its record and its fingerprint."""
    since: str | None = None
    """The version that brought it, where that was after the first release.

    Its default means what was asked before there was the option, and never changes: at its default it is left out of
    records and fingerprints. So what older versions wrote reads as it did, and `once` still finds it.
    """
    has_setting: bool = False
    """Whether it has a plain setting, which says what holds where a request says nothing."""
    may_be_swept: bool = False
    """Whether a batch can have another value of it in each request by its name alone."""
    after: str = ""
    """The option that it follows in the documentation, where that is not the one before."""
    by_model: Callable[[Model], Mapping[str, Any]] = lambda _: {}
    """What of all this another model has otherwise: its help, default, range and choices."""

    @property
    def flag(self) -> str:
        """Its long flag; of a switch the one that turns it on."""
        return next(flag for flag in self.flags if flag.startswith("--"))

    def problems(self, value: object, *, name: str = "", found: str = "") -> Iterator[Problem]:
        """Yield what is wrong with a value by itself; `name` and `found` tell it as it was written elsewhere."""
        told = f"{name or self.name}: found {found or describe_value(value)}"
        if self.kind == "switch" and not isinstance(value, bool):
            yield Problem(f"{told}; write True or False.")
        elif self.kind == "text" and not isinstance(value, str):
            yield Problem(f"{told}; write text.")
        elif self.kind == "choice" and not (isinstance(value, str) and value in self.choices):
            guess = did_you_mean(value, self.choices) if isinstance(value, str) else ""
            yield Problem(f"{told}; write {' or '.join(self.choices)}.{guess}")
        elif self.kind == "whole" and (isinstance(value, bool) or not isinstance(value, int)):
            yield Problem(f"{told}; write a whole number from {self.low} to {self.high}.")
        elif self.kind == "whole" and isinstance(value, int) and not self.low <= value <= self.high:
            told = f"{name or self.name}: found {many_digits(value)}; the range is {self.low} to {self.high}."
            yield Problem(f"{told} The nearest is {min(max(value, self.low), self.high)}.")

    def field(self) -> Any:  # noqa: ANN401 - a dataclass field is of any type
        """Return the field of a request that holds it."""
        return field(default=self.default, metadata={"since": self.since})


def _sizes(model: Model) -> dict[str, Any]:
    return {
        "default": model.default_size,
        "choices": (*model.tiers, *model.ratios),
        "suggestions": (model.tiers[-1],),
        "help": f"size of the result: {either(model.tiers)}, WxH in pixels, or a ratio such as {model.example_ratio}",
        "call": f"`{'`, `'.join(model.tiers)}`, `WxH` in pixels ({pixel_range(model)} in all), or a ratio of the "
        "service's table",
    }


def _aspects(model: Model) -> dict[str, Any]:
    tiers, usual = either(model.tiers), model.usual_tier
    return {
        "choices": tuple(model.ratios),
        "suggestions": (model.example_ratio,),
        "help": f"aspect ratio of the result, with {tiers} ({usual} if no size is given)",
    }


def _references(model: Model) -> dict[str, Any]:
    most = model.references.max_count
    return {
        "high": most,
        "help": "a reference image: a variable, a path or glob, a URL, a history mark such as @3, or @out for the "
        f"picture shown last; repeat it for up to {most}",
        "call": f"up to {most} reference images: paths, globs, URLs, `bytes`, PIL images, pictures and generations",
    }


def _models(model: Model) -> dict[str, Any]:
    names = tuple(known.name for known in models_beside(model))
    return {
        "default": names[0],
        "choices": names,
        "suggestions": names[-1:],
        "help": f"the model: {either(names)}",
    }


def _counts(model: Model) -> dict[str, Any]:
    most = model.max_images
    return {
        "high": most,
        "call": f"1 to {most} pictures in a series; references and pictures together at most {most}",
    }


class RequestOptions(TypedDict, total=False):
    """What may be said of a request beside its prompt, passed whole from any door; what is None was not said."""

    # fmt: off
    values: Annotated[Mapping[str, object] | None, Option(
        kind="names", help="names for `{expressions}` in the prompt; only these names can be used",
    )]
    size: Annotated[str | None, Option(
        flags=("-s", "--size"), metavar="SIZE", kind="size", is_sent=True, has_setting=True, by_model=_sizes,
        may_be_swept=True,
    )]
    aspect: Annotated[str | None, Option(
        flags=("-a", "--aspect"), metavar="W:H", kind="aspect", has_setting=True, by_model=_aspects,
        may_be_swept=True,
    )]
    images: Annotated[object, Option(
        flags=("-i", "--image"), metavar="REFERENCE", kind="reference", by_model=_references,
    )]
    image: Annotated[object, Option(
        kind="reference", may_be_swept=True, help="the same as `images`",
    )]
    sequential: Annotated[str | None, Option(
        flags=("--sequential",), metavar="MODE", kind="choice", default="disabled", choices=SEQUENTIAL, is_sent=True,
        after="max_images",
        help="auto lets the model decide how many pictures to make; disabled makes one",
    )]
    max_images: Annotated[int | None, Option(
        flags=("-n", "--max-images"), metavar="N", kind="whole", low=1, is_sent=True, by_model=_counts,
        help="a series of up to N pictures that belong together; how many, the prompt says (“a series of four …”)",
    )]
    watermark: Annotated[bool | None, Option(
        flags=("--watermark", "--no-watermark"), kind="switch", default=True, suggestions=("false",), is_sent=True,
        has_setting=True, may_be_swept=True, help='the "AI generated" mark in the corner, or none',
    )]
    model: Annotated[str | None, Option(
        flags=("--model",), metavar="NAME", kind="model", default=DEFAULT.model.name, by_model=_models,
        may_be_swept=True,
    )]
    once: Annotated[bool | None, Option(
        flags=("--once", "--no-once"), kind="switch", default=False,
        help="reuses a complete result of exactly this request from the history, at no cost; or always makes a new one",
    )]
    save: Annotated[str | os.PathLike[str] | None, Option(
        flags=("--save",), metavar="FOLDER", kind="folder", help="also copies the full-size files to this folder",
    )]
    timeout: Annotated[float | None, Option(
        flags=("--timeout",), metavar="SECONDS", kind="seconds", default=600.0,
        help="how long the cell waits, counted from the last byte sent",
        call="seconds to wait, counted from the last byte sent (600 if not set otherwise)",
    )]
    # fmt: on


class CellOptions(RequestOptions, total=False):
    """What may be said in a cell; in a call some decide what comes back, so they are parameters of their own."""

    # fmt: off
    out: Annotated[str | None, Option(
        flags=("-o", "--out"), metavar="NAME", kind="name", after="watermark",
        help="also stores the result in this variable",
    )]
    background: Annotated[bool | None, Option(
        flags=("-b", "--background"), kind="flag", default=False, after="once",
        help="returns a job at once; the output keeps itself up to date",
    )]
    dry_run: Annotated[bool | None, Option(
        flags=("--dry-run",), kind="flag", default=False, after="save",
        help="shows the request and the estimate; sends nothing, spends nothing",
    )]
    over: Annotated[Mapping[str, object] | None, Option(
        kind="names", after="values",
        help="lists of values, or dicts whose keys are labels, for names of the prompt or for size, aspect, image, "
        "watermark and model: one request for each combination",
    )]
    rows: Annotated[object, Option(
        kind="table", after="over",
        help="a table, as a DataFrame, a list of dicts, a .csv or .jsonl file: one request for each row, whose prompt "
        'may say `{row.title}`; an option may be a function of the row: `size=lambda row: row["format"]`',
    )]
    repeat: Annotated[int | None, Option(
        flags=("-r", "--repeat"), metavar="N", kind="whole", low=1, high=100, default=1, suggestions=("4",),
        after="max_images",
        help="variations: N independent requests of the same, each a picture of its own",
    )]
    sweep: Annotated[Sequence[str] | None, Option(
        flags=("--sweep",), metavar="NAME=VALUES", kind="sweep", after="repeat",
        help="one request for each of the values, a list, or a dict whose keys are labels; NAME is a {name} of the "
        "prompt, or size, aspect, image, watermark or model; repeat it to cross them",
    )]
    each: Annotated[str | None, Option(
        flags=("--each",), metavar="TABLE", kind="table", after="sweep",
        help="one request for each row of a table: a DataFrame, a list of dicts, a .csv or .jsonl file; {row.title} in "
        "the prompt and in the values of options",
    )]
    yes: Annotated[bool | None, Option(
        flags=("--yes",), kind="flag", default=False, after="dry_run",
        help="buys a batch of more pictures than the setting `confirm` allows without it",
    )]
    retry_unknown: Annotated[bool | None, Option(
        flags=("--retry-unknown",), kind="flag", default=False, after="yes",
        help="in a batch, sends again what may have been billed before; without it that is left out",
    )]
    # fmt: on


def _in_order(options: Iterable[Option]) -> list[Option]:
    """Return options in the order of the documentation."""
    declared = list(options)
    told = [option for option in declared if not option.after]
    for late in filter(lambda option: option.after, declared):
        told.insert([option.name for option in told].index(late.after) + 1, late)
    return told


_TYPES = CellOptions.__annotations__
_DECLARED = tuple(replace(get_args(annotated)[1], name=name) for name, annotated in _TYPES.items())


@functools.cache
def options_of(model: Model) -> Mapping[str, Option]:
    """Return every option by its name, in the order of the documentation, as it is in a request for a model."""
    return {option.name: replace(option, **option.by_model(model)) for option in _in_order(_DECLARED)}


ALL = options_of(DEFAULT.model)
"""Them for the model that is meant where none is named: whatever no model changes can be asked here."""

OPTIONS = tuple(option for option in ALL.values() if option.flags)
"""Those of a cell."""

SENT = tuple(ALL[option.name] for option in _DECLARED if option.is_sent)
"""Those that the service gets, in the order of its page."""

BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}

IN_CALLS = frozenset(RequestOptions.__annotations__)
"""The names of those that every call takes."""

if TYPE_CHECKING:  # what a type checker must know of the fields below; whoever only reads the table needs nothing here

    @frozen
    class SentOptions:
        """The options that the service gets, as a request has them."""

        size: str = ""
        max_images: int | None = None
        sequential: str = ""
        watermark: bool = True
else:
    _body = {"__doc__": "The options that the service gets.", "__annotations__": {each.name: Any for each in SENT}}
    SentOptions = frozen(type("SentOptions", (), {**_body, **{option.name: option.field() for option in SENT}}))

MEANT = {
    "ratio": "--aspect", "aspect-ratio": "--aspect", "width": "--size", "height": "--size", "resolution": "--size",
    "count": "--max-images", "number": "--max-images", "num-images": "--max-images", "series": "--max-images",
    "reference": "--image", "ref": "--image", "input": "--image", "file": "--image", "variable": "--out",
    "output": "--save", "folder": "--save", "dir": "--save", "estimate": "--dry-run", "cache": "--once",
    "async": "--background", "wait": "--timeout", "steps": "", "variations": "--repeat", "batch": "--repeat",
    "grid": "--sweep", "over": "--sweep", "rows": "--each", "table": "--each", "times": "--repeat",
    "copies": "--repeat", "force": "--yes",
}  # fmt: skip
"""What people call an option elsewhere."""


def did_you_mean_option(written: str) -> str:
    """Return ` Did you mean …?` with the option that this name was most likely meant to be, or why there is none."""
    bare = written.lower().replace("_", "-")
    if bare == "seed" and bare not in _FLAGS:
        return NO_SEED
    if bare not in _FLAGS and (unwanted := _FLAGS.get(bare.removeprefix("no-"))) and bare.startswith("no-"):
        return f" Leave {unwanted} out."
    begun = [name for name in _FLAGS if len(name) > 1 and bare and name.startswith(bare)]
    near = bare if bare in _FLAGS else [*begun, nearest(bare, _FLAGS)][0]
    meant = MEANT[bare] if bare in MEANT else _FLAGS.get(near or "")
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


def with_options(function: _Function) -> _Function:
    """Give a call the options of a request, in its signature and its docstring; another one names the nearest."""
    signature = inspect.signature(function)
    own = {name: each for name, each in signature.parameters.items() if each.kind is not each.VAR_KEYWORD}
    told = [option for option in ALL.values() if option.name in {*IN_CALLS, *own}]
    first = [each for name, each in own.items() if name not in ALL]
    options = [own.get(each.name) or _parameter(each.name) for each in told]

    @functools.wraps(function)
    def checked(*args: object, **options: object) -> object:
        names, known = list(options), {*own, *IN_CALLS}
        if not known.issuperset(names):
            options.clear()  # one may be a key, and tools show the variables of each frame
        check_options(function.__name__, names, known)
        return function(*args, **options)

    explained = "\n        ".join(["Args:", _PROMPT, *(f"{each.name}: {each.call or each.help}." for each in told)])
    checked.__doc__ = (function.__doc__ or "").replace("Returns:", f"{explained}\n\n    Returns:", 1)
    checked.__signature__ = signature.replace(parameters=[*first, *options])  # type: ignore[attr-defined]
    return cast("_Function", checked)


def _parameter(name: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=get_args(_TYPES[name])[0])


_MAKE_A_BATCH = ("repeat", "sweep", "each")
_OF_A_BATCH = ("yes", "retry_unknown")


def is_batch(options: Mapping[str, Any]) -> bool:
    """Return whether options ask for several requests at once."""
    return any(options.get(name) is not None for name in _MAKE_A_BATCH)


def without_batch(options: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with options that mean nothing without one of a batch."""
    told = f"is for several requests at once, as with {either([ALL[name].flag for name in _MAKE_A_BATCH])}."
    return [Problem(f"{ALL[name].flags[0]} {told} Leave it out.") for name in _OF_A_BATCH if options.get(name)]


def read_flag(name: str, value: object) -> bool:
    """Return an option that is either on or off; None is off.

    Raises:
        RequestError: it is neither; a text such as "no" would count as on.
    """
    own = scalar(value)
    if own is None or (isinstance(own, int | float) and own in {0, 1}):
        return bool(own)
    raise RequestError(f"{name}: found {describe_value(value)}; write True or False.")


MAX_NUMBER = 1e9
"""Seconds or dollars beyond this are a slip of the hand: 30 years, all that anybody has."""
NUMBER = r"[-+]?(?:[0-9]++(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,9})?"


def read_number(written: object) -> float:
    """Return a number, or what a text is as people write one; NaN for anything else.

    `1_0`, the digits of other scripts and what no float can hold, as `1e-400`, are what a person would not mean.
    """
    try:
        kind = type(written)
        if hasattr(kind, "__float__") and not hasattr(kind, "__len__") and kind is not bool:  # an array is no number
            number, is_zero = float(written), not written  # type: ignore[arg-type]  # what it can't take is caught
        else:
            text = str(written).strip()
            number = float(text) if re.fullmatch(NUMBER, text) else math.nan
            is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
    except (TypeError, ValueError, ArithmeticError):
        return math.nan
    return number + 0.0 if math.isfinite(number) and (number or is_zero) else math.nan


def many_digits(number: int) -> str:
    """Return a number for a message; Python itself does not write out one of thousands of digits."""
    return str(number) if abs(number) < _FIGURES else "a number with many digits"


def _guess(written: str, known: Collection[str]) -> str:
    if written == "out":
        return " Assign the result to a variable instead."
    if written == "seed":
        return NO_SEED
    flag = MEANT.get(written.lower().replace("_", "-"), f"-{written}")
    meant = BY_FLAG[flag].name if flag in BY_FLAG else nearest(written, known)
    return f" Did you mean {meant}?" if meant in known else ""


_FIGURES = 10**12
_PROMPT = "prompt: what to make: plain text, sent as it is, unless `values` is given."
NO_SEED = " The service takes no seed: the same request gives new pictures each time."
_FLAGS = {flag.lstrip("-"): flag for flag in BY_FLAG}
