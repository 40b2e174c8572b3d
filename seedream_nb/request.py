"""Requests, which are valid by construction."""

from __future__ import annotations

import contextlib
import hashlib
import json
import operator
import re
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Self, cast

from seedream_nb.errors import Problem, RequestError, describe_value, request_error, shorten, without_surrogates
from seedream_nb.frozen import frozen
from seedream_nb.options import SENT, SentOptions, many_digits, options_of
from seedream_nb.patterns import lazy_pattern
from seedream_nb.scope import scalar
from seedream_nb.service import DEFAULT, SEEDREAM_4_0, Model, model_named, unknown_model
from seedream_nb.sizes import spell_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from dataclasses import Field
    from pathlib import Path
    from typing import Unpack

    from PIL import Image

    from seedream_nb.options import CellOptions
    from seedream_nb.service import ReferenceLimits

SHOWN = 60
"""Characters of a reference's name that a message shows."""
HAN = "[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
"""A pattern, compiled when it is first needed, because that is slow."""
_WORD_CHARACTER = lazy_pattern(r"\w")
_KEPT_FILE = lazy_pattern(r"inputs/([0-9a-f]{64})\.(?:png|jpg|webp|bmp|tif|gif)")
_HALF = lazy_pattern("[\ud800-\udfff]")
_ADDRESS = lazy_pattern(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)


@frozen
class Reference:
    """One reference image: a URL for the service to fetch, or a picture on this machine, known by its content."""

    name: str
    """What the person wrote, for messages."""
    url: str | None = None
    sha256: str | None = None
    """Of the content of `source`."""
    original: str | None = None
    """Of the original content, when `source` is the copy kept with the history."""
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    source: Path | bytes | Image.Image | None = field(default=None, compare=False, repr=False)
    stamp: tuple[int, ...] | None = field(default=None, compare=False, repr=False)
    """Of the file at `source` when it was hashed."""
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Two references are the same picture when this is equal: the URL, or the content wherever it came from."""
        return self.url or f"sha256:{self.original or self.sha256}"

    def to_record(self, kept: str | None = None) -> dict[str, Any]:
        """Return the journal's form; `kept` is the file that was sent, relative to `home`."""
        if self.url is not None:
            return {"name": self.name, "url": self.url}
        record = {
            "name": self.name,
            "file": kept,
            "sha256": self.original or self.sha256,
            "media_type": self.media_type,
            "width": self.width,
            "height": self.height,
            "size_bytes": self.size_bytes,
        }
        return {key: value for key, value in record.items() if value is not None}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], home: Path) -> Reference:
        """Return the reference in a journal record; only files under `inputs/` are trusted."""
        if (url := record.get("url")) is not None:
            # Otherwise a foreign journal could put code, or a path on this machine, into the cell that `code` writes.
            if not _ADDRESS.fullmatch(str(url)) or _HALF.search(str(url)):
                raise TypeError("a reference's URL is not valid")
            return cls(name=_text(record.get("name")) or "", url=str(url))
        kept = _KEPT_FILE.fullmatch(str(record.get("file") or ""))
        original = _text(record.get("sha256"))
        return cls(
            name=_text(record.get("name")) or "",
            sha256=kept[1] if kept else original,
            original=original,
            media_type=_text(record.get("media_type")),
            width=_positive_int(record.get("width")),
            height=_positive_int(record.get("height")),
            size_bytes=_positive_int(record.get("size_bytes")),
            source=home / kept[0] if kept else None,
        )


@frozen
class _Words:
    """What a request has besides its options."""

    prompt: str
    images: tuple[Reference, ...] = ()


@frozen
class ImageRequest(SentOptions, _Words):
    """A valid request, field by field; `make_request` makes them.

    The table of options declares its options, and which of them older records lack.
    """

    model: Model = field(default=DEFAULT.model, repr=False)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            RequestError: lists every rule that is broken.
        """
        if problems := [*_problems_of(vars(self)), *_in_size(self.size, self.model)]:
            raise request_error(problems)

    @property
    def max_pictures(self) -> int:
        """The most pictures that can come."""
        return self.max_images or 1

    @property
    def fingerprint(self) -> str:
        """Equal for two requests exactly when their fields and reference pictures are the same."""
        content = {**self._recorded_fields(), "images": [reference.identity for reference in self.images]}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_record(self, kept: Sequence[str | None] = ()) -> dict[str, Any]:
        """Return the journal's form, without any bytes.

        Args:
            kept: for each reference the file that was sent, relative to `home`, or None for a URL.
        """
        files = [*kept, *[None] * len(self.images)]
        images = [reference.to_record(file) for reference, file in zip(self.images, files, strict=False)]
        return {**self._recorded_fields(), "images": images}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], home: Path) -> Self:
        """Return the request in a journal record.

        Raises:
            RequestError: the record was damaged or tampered with.
        """
        try:
            images = tuple(Reference.from_record(image, home) for image in record["images"])
            names = [known.name for known in _recorded(cls) if known.name in record or not known.metadata.get("since")]
            model = _recorded_model(record)
            return cls(images=images, model=model, **{name: record[name] for name in names})
        except (AttributeError, LookupError, TypeError) as error:
            raise RequestError(f"The journal's record of this request is damaged ({error!r}).") from error

    def _recorded_fields(self) -> dict[str, Any]:
        """Return what is recorded: the fields of the first release, and later ones that are not at their default."""
        values = [(known, getattr(self, known.name)) for known in _recorded(type(self))]
        record = {
            known.name: value for known, value in values if value != known.default or not known.metadata.get("since")
        }
        return record if self.model is SEEDREAM_4_0 else {**record, "model": self.model.name}


def _recorded_model(record: Mapping[str, Any]) -> Model:
    """Return the model of a record; raises LookupError if it can be none, not even of a later version."""
    name, size = record.get("model"), record.get("size")
    with contextlib.suppress(LookupError):
        return model_named(name)
    is_tier = isinstance(size, str) and _TIER.fullmatch(size)
    return unknown_model(str(name), size if is_tier else SEEDREAM_4_0.usual_tier)


_TIER = lazy_pattern("[1-9][0-9]?K")


def _recorded(kind: type[ImageRequest]) -> list[Field[Any]]:
    """Return the fields that a record holds under their own names; references are recorded differently."""
    return [known for known in fields(kind) if known.metadata or known.name == "prompt"]


def make_request(
    prompt: str,
    *,
    of_model: Model = DEFAULT.model,
    problems: Sequence[Problem] = (),
    **options: Unpack[CellOptions],
) -> ImageRequest:
    """Return the valid request that these options mean.

    Args:
        prompt: plain text; surrounding white space is removed.
        of_model: whose limits apply.
        problems: what was already found wrong, to be reported with the rest.
        options: those that make a request; others are ignored. `images` are references, and the same picture twice
            counts once.

    Raises:
        RequestError: lists all problems, each with the value found, the limit and the nearest value.
        ReferenceImageError: the same, when all of them concern reference images.
    """
    found, model = list(problems), of_model
    given = {option.name: scalar(options.get(option.name)) for option in SENT}
    try:
        spelt = spell_size(given["size"], scalar(options.get("aspect")), model)
    except Problem as problem:
        found.append(problem)
        spelt = model.default_size
    pictures = _distinct(cast("Sequence[Reference]", options.get("images", ())))
    mode = _mode(given["sequential"], given["max_images"])
    fields = {
        **{option.name: option.default if (value := given[option.name]) is None else value for option in SENT},
        "prompt": _stripped(prompt),
        "images": pictures,
        "sequential": mode,
        "max_images": _max(mode, given["max_images"], len(pictures), model),
        "model": model,
    }
    found += [*_in_shapes(pictures, model.references), *_problems_of(fields)]
    if found:
        raise request_error(found)
    return ImageRequest(**{**fields, "size": spelt}, warnings=tuple(_warnings(fields["prompt"], model)))


def _stripped(prompt: Any) -> Any:  # noqa: ANN401 - validated later
    return str(prompt.strip()) if isinstance(prompt, str) else prompt


def _distinct(images: Sequence[Reference]) -> tuple[Reference, ...]:
    """Return the references in order of appearance, without duplicates."""
    first = {reference.identity: reference for reference in reversed(images)}
    return tuple(first[identity] for identity in dict.fromkeys(reference.identity for reference in images))


def _max(sequential: object, max_images: object, references: int, model: Model) -> Any:  # noqa: ANN401 - see there
    """Return the `max_images` to send; integers of other libraries become Python's."""
    if max_images is None:
        return max(model.max_images - references, 1) if _is_word(sequential, "auto") else None
    if isinstance(max_images, bool):
        return max_images
    try:
        return operator.index(max_images)  # type: ignore[arg-type]  # it may be anything
    except Exception:  # noqa: BLE001 - arrays have `__index__` too, and raise
        return max_images


def _mode(sequential: Any, max_images: object) -> Any:  # noqa: ANN401 - validated later
    """Return the effective `sequential`: `max_images` alone asks for a series."""
    return sequential if sequential is not None else "disabled" if max_images is None else "auto"


def is_series(options: CellOptions) -> bool:
    """Return whether these options ask for a series."""
    return _is_word(_mode(scalar(options.get("sequential")), options.get("max_images")), "auto")


def _is_word(value: object, word: str) -> bool:
    """Return whether a value is this word; comparing an array would give an array."""
    return isinstance(value, str) and value == word


def _problems_of(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what breaks a rule of the service's reference page, field by field."""
    yield from _in_prompt(fields["prompt"])
    images, model = fields["images"], fields["model"]
    if not isinstance(images, tuple | list) or not all(isinstance(image, Reference) for image in images):
        yield Problem(f"images: found {describe_value(images)}; expected a tuple of references.", reference=True)
        images = ()
    yield from _in_images(images, model.references)
    yield from _in_series(fields["sequential"], fields["max_images"], len(images), model)
    for option in (options_of(model)[option.name] for option in SENT):
        value = fields[option.name]
        if option.name != "max_images" and (value is not None or option.default is not None):
            yield from option.problems(value)


MAX_PROMPT = 2_000_000
"""Characters: a thousand times what a model reads. A longer text is a slip, and would freeze the kernel."""


def overlong_prompt(length: int) -> Problem:
    """Return the problem of a prompt that is longer than any that is sent."""
    told = f"The prompt has {length:,} characters; the most is {MAX_PROMPT:,}"
    return Problem(f"{told}, and a model reads some hundred words. Shorten it.")


def _in_prompt(prompt: object) -> Iterator[Problem]:
    if not isinstance(prompt, str):
        yield Problem(f"prompt: found {describe_value(prompt)}; write a text.")
    elif len(prompt) > MAX_PROMPT:
        yield overlong_prompt(len(prompt))
    elif not prompt.strip():
        yield Problem("The prompt is empty: write what the picture should show.")
    elif _HALF.search(prompt):
        yield Problem("The prompt contains half a character (a lone surrogate), which can't be sent: remove it.")


def _in_images(images: Sequence[Reference], limits: ReferenceLimits) -> Iterator[Problem]:
    over = len(images) - limits.max_count
    if over > 0:
        message = f"images: found {len(images)} references; the most is {limits.max_count}. Leave out {over}."
        yield Problem(message, reference=True)


def _in_shapes(images: Sequence[Reference], limits: ReferenceLimits) -> Iterator[Problem]:
    """Yield what is wrong with references that were found for another model, or are of an earlier request.

    Not asked of a record: what was sent once was taken, whatever the model of that name takes by now.
    """
    for image in images:
        if image.width is not None and image.height is not None:
            told = [*limits.breaches(image.width, image.height)]
            if told:
                yield misshapen(image.name, image.width, image.height, told)


def misshapen(name: str, width: int, height: int, told: Sequence[str]) -> Problem:
    """Return the problem with the shape of a reference: a sentence for each limit that is broken."""
    shape = f"{shorten(name, SHOWN)} has {width}x{height} pixels"
    return Problem(*(f"{shape}; {each}" for each in told), reference=True)


def _in_size(size: object, model: Model) -> Iterator[Problem]:
    try:
        spelt = spell_size(size, None, model) if isinstance(size, str) else None
    except Problem as problem:
        yield problem
    else:
        if spelt is None or spelt != size:
            yield Problem(
                f"size: found {describe_value(size)}; spell it as the service does: {spelt or model.default_size}."
            )


def _in_series(sequential: object, max_images: object, references: int, model: Model) -> Iterator[Problem]:
    if max_images is None:
        if _is_word(sequential, "auto"):
            yield Problem(f"max_images: is needed with sequential auto; the range is 1 to {model.max_images}.")
    elif not isinstance(max_images, int) or isinstance(max_images, bool):
        yield from options_of(model)["max_images"].problems(max_images)
    else:
        references, disabled = min(references, model.references.max_count), _is_word(sequential, "disabled")
        yield from _in_count(max_images, references, model.max_images, disabled=disabled)


def _in_count(count: int, references: int, most: int, *, disabled: bool) -> Iterator[Problem]:
    found = f"found {many_digits(count)}"
    if disabled:
        yield Problem(
            f"max_images: {found} with sequential disabled, which makes one picture. Leave out one of the two."
        )
    high = most - references
    if not 1 <= count <= high:
        beside = f"with {references} reference{'s' * (references > 1)} " if references else ""
        yield Problem(
            f"max_images: {found}; {beside}the range is 1 to {high}. The nearest is {1 if count < 1 else high}."
        )


def _text(value: object) -> str | None:
    """Return a text from the journal, which may hold anything."""
    return without_surrogates(value) if isinstance(value, str) else None


def _positive_int(value: object) -> int | None:
    """Return a number of pixels or bytes from the journal."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53 else None


def _warnings(prompt: str, model: Model) -> Iterator[str]:
    """Warn about what the service's reference page advises against."""
    if len(prompt) <= min(model.advised_words, model.advised_han):
        return
    han = len(re.findall(HAN, prompt))
    words = sum(_WORD_CHARACTER.search(word) is not None for word in re.sub(HAN, " ", prompt).split())
    if words > model.advised_words:
        yield f"The prompt has {words} words; over {model.advised_words} the model may miss details."
    if han > model.advised_han:
        yield f"The prompt has {han} Chinese characters; over {model.advised_han} the model may miss details."
