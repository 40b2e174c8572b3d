"""What the page says to the kernel and hears from it; what comes from the page is checked like any input.

The page asks: `{"id": text, "ask": name, …}`, with buffers where bytes go along. It is always answered:
`{"id": the same, "ok": {…}}`, or `{"id": the same, "error": {"told": [lines], "fields": {field: [problems]}}}`.
A question that comes twice, for a page asks again after its connection broke, is acted on once. What spends is so
however late it comes again: its id is remembered as long as the widget lives. And it is acted on only if the `place`
of the snapshot that the page has seen still holds: a press in the free sandbox buys nothing at the service.
Unasked, the kernel sends `{"snapshot": {…}}`: the whole of what a widget shows, with a version that only grows.
What they tell each other has the same fields in `static/protocol.js`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from seedream_nb.errors import INTERNAL, Problem, RequestError, SeedreamError, plain, without_surrogates
from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

MAX_ANSWERS = 256
"""Answers that are kept, so that a question which comes twice is not acted on twice."""
MAX_SPENT = 100_000
"""Questions that may spend; no more are acted on, for the first would have to be forgotten."""
MAX_ID = 64
MAX_SHORT = 100
MAX_NUMBER = 10**9
"""The largest number, either way, that somebody may type into the form."""
_FIELDS = {
    "prompt": "prompt",
    "the prompt": "prompt",
    "{": "prompt",
    "![": "prompt",
    "size": "size",
    "aspect": "size",
    "max_images": "max_images",
    "sequential": "max_images",
    "model": "model",
}
_LABELS = {"max_images": "Max images", "size": "Size", "prompt": "Prompt", "aspect": "Aspect ratio", "model": "Model"}


class Draft(TypedDict):
    """The form as it is being filled in."""

    prompt: str
    size: str
    aspect: str
    width: int
    height: int
    max_images: int
    watermark: bool
    model: str


class Held(TypedDict):
    """A reference in the tray."""

    number: int
    name: str
    width: int | None
    height: int | None
    url: str | None


class Row(TypedDict):
    """A request that is under way, or has failed and was not dismissed."""

    number: int
    mark: str
    phase: str
    told: str
    prompt: str
    seconds: float
    over: bool
    sent: bool
    free: bool
    share: float | None
    """How much of an upload or of the downloads is done; None while it can't be known."""
    stopped: list[str] | None
    """What to say of one that somebody stopped and that goes on, for it was sent."""
    error: list[str] | None
    refused: bool
    """Whether the safety check refused it: then it must be another request."""
    width: int
    height: int
    """The shape of its pictures; 0 where the service chooses it."""
    pictures: int
    usual: float | None
    """The seconds that such a request usually takes; None while nobody knows."""


class EntryPicture(TypedDict):
    """A picture of an entry."""

    mark: str
    width: int
    height: int


class Entry(TypedDict):
    """A generation of the history: no bytes, no paths."""

    id: int
    mark: str
    prompt: str
    status: str
    runs: bool
    error: str
    seconds: float | None
    starred: bool
    sandbox: bool
    sources: list[str]
    ratio: float
    """Width by height that was asked for; 1 where the service chooses."""
    pictures: list[EntryPicture]


class Result(TypedDict):
    """A generation on the stage, with the request that made it."""

    entry: Entry
    prompt: str
    """The whole of it."""
    size: str
    model: str
    cost: float | None
    """In USD, None if unknown."""
    price: float
    """What it costs at most to run it again, where requests go now."""
    place: str
    """As in the snapshot: where it would go, and at what price."""
    others: list[str]
    """The references that are no pictures of the history."""


class Most(TypedDict):
    """How many of each the model takes, and how many there may be of both together."""

    references: int
    pictures: int


class Spent(TypedDict):
    """What this session has made and spent."""

    pictures: int
    dollars: float


class Unfinished(TypedDict):
    """What was under way when an earlier kernel ended."""

    lines: list[str]
    recoverable: bool
    """Whether pictures may still be downloaded."""


class Offer(TypedDict):
    """What a model offers, and what a picture of it costs."""

    name: str
    title: str
    sizes: Mapping[str, Mapping[str, str]]
    ratios: list[str]
    price: float
    most: Most


class Snapshot(TypedDict):
    """All that a widget shows now, but for the history, of which pages are asked for."""

    version: int
    place: str
    """Another text when requests go elsewhere, cost something else, or the history is of another folder."""
    form: Draft | None
    """None where there is no form."""
    form_number: int
    undo: str
    changes: bool
    """Whether a picture is to be changed: the prompt says how, not what it shows."""
    unkept: str
    """Why what is typed is not kept, if it is not."""
    told: list[str]
    """What an earlier draft held and could not be brought back."""
    unfinished: Unfinished | None
    draft: str
    """The same for all panels that begin with the same draft."""
    models: list[Offer]
    sizes: Mapping[str, Mapping[str, str]]
    """Of the model that is set, as the three below."""
    ratios: list[str]
    host: str
    free: bool
    price: float
    most: Most
    spent: Spent
    tray: list[Held]
    jobs: list[Row]
    more: int
    """How many more are under way."""
    history: int
    """Another number when the history is another."""


class BadMessageError(SeedreamError):
    """A message from the page that makes no sense: a fault of ours, or a page of another version."""


class RefusedError(SeedreamError):
    """Something was refused, and the page can offer what would do."""

    def __init__(self, error: SeedreamError, **offered: Any) -> None:  # noqa: ANN401 - plain values
        """Keep the refusal, and what to offer."""
        super().__init__(error.message, hint=error.hint)
        self.error, self.offered = error, offered


@frozen
class Response:
    """What the kernel says to a question: plain values, and bytes beside them."""

    values: Mapping[str, Any] = field(default_factory=dict)
    buffers: Sequence[bytes] = ()
    is_kept: bool = True
    """Whether it is remembered. What only looks, and answers at length, is rather looked at again; so are bytes."""


class Message:
    """The fields of a question, read one by one, each of the type that is expected."""

    def __init__(self, content: Mapping[str, Any], buffers: Sequence[bytes | memoryview] = ()) -> None:
        """Read the fields of this message, and the bytes that came along."""
        self._content = content
        self.buffers = [bytes(each) for each in buffers]

    def has(self, name: str) -> bool:
        """Return whether a field was sent."""
        return self._content.get(name) is not None

    def text(self, name: str, most: int = 100_000) -> str:
        """Return a text; raises BadMessageError."""
        value = self._content.get(name)
        if not isinstance(value, str) or len(value) > most:
            raise _invalid(name)
        return value

    def number(self, name: str, least: int = 0, most: int = 2**53) -> int:
        """Return a whole number; raises BadMessageError."""
        value = self._content.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _invalid(name)
        return value

    def truth(self, name: str) -> bool:
        """Return true or false; raises BadMessageError."""
        value = self._content.get(name)
        if not isinstance(value, bool):
            raise _invalid(name)
        return value

    def texts(self, name: str, most: int = 100) -> list[str]:
        """Return a short list of short texts; raises BadMessageError."""
        value = self._content.get(name)
        if not isinstance(value, list) or len(value) > most or not all(map(_is_short, value)):
            raise _invalid(name)
        return value

    def numbers(self, name: str, most: int = 100) -> list[int]:
        """Return a list of whole numbers that are not negative; raises BadMessageError."""
        value = self._content.get(name)
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(type(each) is int and each >= 0 for each in value)
        ):
            raise _invalid(name)
        return value

    def form_number(self) -> int | None:
        """Return into which form this was typed, by the number that a snapshot gave it; None if that is not said."""
        form = self._content.get("form")
        return Message(form).number("form_number") if isinstance(form, dict) and "form_number" in form else None

    def draft(self, name: str = "form") -> Draft:
        """Return what stands in the form; raises BadMessageError."""
        value = self._content.get(name)
        if not isinstance(value, dict):
            raise _invalid(name)
        sent = Message(value)
        return {
            "prompt": sent.text("prompt"),
            "size": sent.text("size", 10),
            "aspect": sent.text("aspect", 10),
            "width": sent.number("width", -MAX_NUMBER, MAX_NUMBER),
            "height": sent.number("height", -MAX_NUMBER, MAX_NUMBER),
            "max_images": sent.number("max_images", -MAX_NUMBER, MAX_NUMBER),
            "watermark": sent.truth("watermark"),
            "model": sent.text("model", MAX_SHORT),
        }


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_SHORT


def _invalid(name: str) -> BadMessageError:
    return BadMessageError(f"The page sent an invalid {name}. Reload it.")


Answer: TypeAlias = "Callable[[Message], Response | None]"
"""What answers a question."""
Answers: TypeAlias = "Mapping[str, Answer]"
"""What answers questions, by their names."""


class Dispatcher:
    """Answers the questions of one widget, each once, whatever happens and whatever threads they come on."""

    def __init__(
        self,
        answers: Answers,
        spends: Collection[str] = (),
        max_spent: int = MAX_SPENT,
    ) -> None:
        """Answer questions of these names with these functions; `spends` names those that may cost something."""
        self._answers = answers
        self._spends, self._max_spent = spends, max_spent
        self._spent: dict[str, bool | None] = {}
        """Whether a question that spends was refused, by its id; None: it is being acted on."""
        self._lock = threading.Lock()
        self._given: OrderedDict[str, dict[str, Any] | None] = OrderedDict()
        """The replies by their ids; None: it is being acted on."""

    def hear(self, content: object, buffers: Sequence[bytes | memoryview]) -> tuple[dict[str, Any], Sequence[bytes]]:
        """Return the reply to a message, and the bytes that go along.

        A message heard before is not acted on again. While it is still acted on there is nothing to say, and the
        reply is empty: the first that came is answered.
        """
        fields = content if isinstance(content, dict) else {}
        number = str(fields.get("id", ""))[:MAX_ID]
        spends = str(fields.get("ask")) in self._spends
        with self._lock:
            if number in self._given:
                return self._given[number] or {}, ()
            if spends and (not number or number in self._spent or len(self._spent) >= self._max_spent):
                return self._not_again(number), ()
            if spends:
                self._spent[number] = None
            self._given[number] = None
            while len(self._given) > MAX_ANSWERS:
                self._given.popitem(last=False)
        said, answer = self._act(fields, buffers)
        reply = {"id": number, **said}
        with self._lock:
            if spends:
                self._spent[number] = "error" in said
            if number and answer.is_kept and not answer.buffers:
                self._given[number] = reply
            else:
                self._given.pop(number, None)
        return reply, answer.buffers

    def _not_again(self, number: str) -> dict[str, Any]:
        """Return the reply to a question that spends and is not acted on: it was before, or nobody could tell."""
        was_refused = self._spent.get(number, True)
        if was_refused is None:
            return {}
        if not was_refused:
            return {"id": number, "ok": {}}
        told = "The page can't make this request any more. Nothing was sent: run this cell again."
        if number in self._spent:
            told = "This request was refused before. Nothing was sent now: see the queue."
        return {"id": number, "error": {"told": [told], "fields": {}}}

    def _act(self, fields: Mapping[str, Any], buffers: Sequence[bytes | memoryview]) -> tuple[dict[str, Any], Response]:
        try:
            answer = self._answers.get(str(fields.get("ask")), _unknown)(Message(fields, buffers)) or Response()
        except RefusedError as refused:
            return {"error": {**told(refused.error), **refused.offered}}, Response()
        except SeedreamError as error:
            return {"error": told(error)}, Response()
        except Problem as problem:
            return {"error": {"told": list(problem.texts), "fields": {}}}, Response()
        except KeyboardInterrupt:
            line = "Interrupted. Whatever was sent already is in the queue."
            return {"error": {"told": [line], "fields": {}}}, Response()
        except Exception as error:  # noqa: BLE001 - the page waits for an answer, whatever our fault
            line = f"{INTERNAL}: {type(error).__name__}: {plain(str(error))}"
            return {"error": {"told": [line, "Please report this."], "fields": {}}}, Response()
        return {"ok": dict(answer.values)}, answer


def _unknown(_: Message) -> Response:
    raise BadMessageError("The page asked for something that this version can't do. Reload it.")


def told(error: SeedreamError) -> dict[str, Any]:
    """Return an error for the page: its lines, and the problems by the field that they belong to."""
    fields: dict[str, list[str]] = {}
    for problem in error.problems if isinstance(error, RequestError) else ():
        fields.setdefault(field_of(problem), []).append(_labelled(problem))
    return {"told": [*map(_labelled, error.lines())], "fields": fields, "kind": type(error).__name__}


def _labelled(line: str) -> str:
    """Return a line that begins with the name of an option, with the name that the panel shows instead."""
    name, colon, rest = line.partition(":")
    return f"{_LABELS[name]}{colon}{rest}" if name in _LABELS else line


def sendable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a message whose texts are whole: names of files and what a page sends may have half characters."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, Mapping):
        return {sendable(key): sendable(each) for key, each in value.items()}
    return [sendable(each) for each in value] if isinstance(value, list | tuple) else value


def field_of(problem: str) -> str:
    """Return the field of the form that a problem is about."""
    start = problem.casefold()
    return next((name for words, name in _FIELDS.items() if start.startswith(words)), "images")
