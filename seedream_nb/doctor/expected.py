"""What this version expects of the service, each beside what was seen: from the reference pages, or found elsewhere."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from seedream_nb.doctor.harmless import HIDDEN, Harmless, LinkFacts, json_of, link_facts
from seedream_nb.frozen import frozen
from seedream_nb.service import DEFAULT
from seedream_nb.service.refusals import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedream_nb.doctor.blocks import FileFacts
    from seedream_nb.http.exchange import Exchange
    from seedream_nb.service import Service

OK_STATUS, REFUSED_STATUS = 200, 400
DAY_SECONDS, ABOUT_SECONDS = 86_400.0, 7_200.0
CLOCK_SECONDS = 60.0
LARGEST, SMALLEST = 1.25, 0.8
"""A tier fixes about how many pixels there are; the service chooses width and height."""
ERROR_FIELDS, MORE_ERROR_FIELDS = ("code", "reason", "message"), ("metadata",)


@frozen
class Seen:
    """What was seen of the service, as far as it went."""

    service: Service
    tier: str = DEFAULT.model.tiers[0]
    """What was asked for."""
    refused: Exchange | None = None
    asked: Exchange | None = None
    """The request for a picture."""
    downloads: Sequence[Exchange] = ()
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    file: FileFacts | None = None
    clock: float | None = None
    """Seconds that the service's clock is ahead of this machine's."""
    harmless: Harmless = field(repr=False)

    @property
    def link(self) -> LinkFacts | None:
        """What the first link says."""
        first = next(iter(self.downloads), None)
        return link_facts(first.link.decode(errors="replace"), self.harmless, now=first.at) if first else None

    @property
    def reply(self) -> Any:  # noqa: ANN401 - whatever was answered
        """What was answered to the request for a picture, if it is JSON."""
        return json_of(self.asked.content) if self.asked is not None else None


@frozen
class Expectation:
    """One thing that this version expects, and what was seen."""

    what: str
    expected: str
    seen: str
    state: Literal["ok", "differs", "not seen"]


def expectations(seen: Seen) -> list[Expectation]:
    """Return all that is expected, in the order in which it is seen."""
    return [
        *_of_the_refusal(seen),
        *_of_the_reply(seen),
        *_of_the_link(seen),
        *_of_the_file(seen),
        *_of_the_clock(seen),
    ]


def _row(what: str, expected: str, seen: object, *, ok: bool) -> Expectation:
    """Return one row; nothing (None) was not seen."""
    if seen is None:
        return Expectation(what=what, expected=expected, seen="", state="not seen")
    return Expectation(what=what, expected=expected, seen=str(seen), state="ok" if ok else "differs")


def _of_the_refusal(seen: Seen) -> Iterator[Expectation]:
    got = seen.refused if seen.refused is not None and seen.refused.status is not None else None
    status = got.status if got else None
    yield _row("a request without a prompt is refused", f"HTTP {REFUSED_STATUS}", _http(status), ok=status == 400)  # noqa: PLR2004
    body = json_of(got.content) if got else None
    fields = list(body) if isinstance(body, dict) else []
    told = None if got is None else _names(fields, seen.harmless) if isinstance(body, dict) else "no JSON object"
    lacks, more = set(ERROR_FIELDS) - {*fields}, {*fields} - {*ERROR_FIELDS, *MORE_ERROR_FIELDS}
    yield _row("what a refusal says", "code, reason, message, metadata", told, ok=not lacks and not more)


def _of_the_reply(seen: Seen) -> Iterator[Expectation]:
    got = seen.asked if seen.asked is not None and seen.asked.status is not None else None
    status = got.status if got else None
    yield _row("a request for a picture", f"HTTP {OK_STATUS}", _http(status), ok=status == OK_STATUS)
    kind = None if got is None else _media_type(got, seen.harmless)
    yield _row("its reply's type", "application/json", kind, ok=kind == "application/json")
    reply = seen.reply if got is not None and status == OK_STATUS else None
    is_read = got is not None and status == OK_STATUS
    wanted = seen.service.pictures_field
    fields = _names(list(reply), seen.harmless) if isinstance(reply, dict) else "no JSON object" if is_read else None
    yield _row("its reply's fields", wanted, fields, ok=isinstance(reply, dict) and list(reply) == [wanted])
    pictures = reply.get(wanted) if isinstance(reply, dict) else None
    number = len(pictures) if isinstance(pictures, list) else None
    yield _row("pictures in it", "1", number, ok=number == 1)
    forms = [seen.harmless.shape(each)[0] for each in pictures[:1]] if isinstance(pictures, list) else []
    form = forms[0].partition(",")[0] if forms else None
    yield _row("a picture in it is", "text", form, ok=form == "text")


def _of_the_link(seen: Seen) -> Iterator[Expectation]:
    link, free = seen.link, seen.service.is_free
    scheme = None if link is None or free else link.scheme  # an imitation in this process needs no TLS
    yield _row("the link's scheme", "https", scheme, ok=scheme == "https")
    seconds = link.seconds if link else None
    holds = link.holds if link else None
    is_about = seconds is not None and abs(seconds - DAY_SECONDS) <= ABOUT_SECONDS
    yield _row("how long the link holds", f"about {format_duration(DAY_SECONDS)}", holds, ok=is_about)
    last = next(reversed(seen.downloads), None)
    status = last.status if last else None
    yield _row("the download", f"HTTP {OK_STATUS}", _http(status), ok=status == OK_STATUS)
    gets = len(seen.downloads) or None
    yield _row("requests for it", "1", gets, ok=gets == 1)
    kind = None if last is None or status is None else _media_type(last, seen.harmless)
    yield _row("the download's type", "image/jpeg", kind, ok=kind == "image/jpeg")
    length = None if last is None or status is None else last.headers.get("content-length")
    told = "not told" if length is None else seen.harmless.header("content-length", length) or HIDDEN
    is_right = length == str(seen.size_bytes)
    told = told if is_right or not length or told == HIDDEN else f"{told}, and {seen.size_bytes} came"
    yield _row("the download's length", "told, and right", told if status and seen.size_bytes else None, ok=is_right)


def _of_the_file(seen: Seen) -> Iterator[Expectation]:
    file = seen.file
    yield _row("the file", "JPEG", file.kind if file else None, ok=file is not None and file.kind == "JPEG")
    behind = f"{file.behind:,}" if file and file.blocks else None
    yield _row("bytes behind the picture's end", "0", behind, ok=behind == "0")
    side = 1024 * int(seen.tier.removesuffix("K"))
    pixels = (seen.width or 0) * (seen.height or 0)
    size = f"{seen.width}x{seen.height}" if pixels else None
    is_about = SMALLEST * side * side <= pixels <= LARGEST * side * side
    yield _row(f"its pixels, for {seen.tier}", f"about {side}x{side} in all", size, ok=is_about)


def _of_the_clock(seen: Seen) -> Iterator[Expectation]:
    ahead = None if seen.clock is None else f"{seen.clock:+.0f} s"
    yield _row(
        "the service's clock, beside this one", f"within {CLOCK_SECONDS:.0f} s", ahead,
        ok=abs(seen.clock or 0.0) <= CLOCK_SECONDS,
    )  # fmt: skip


def _http(status: int | None) -> str | None:
    return None if status is None else f"HTTP {status}"


def _names(names: Sequence[object], harmless: Harmless) -> str:
    return ", ".join(harmless.name(str(name)) for name in names) or "none"


def _media_type(exchange: Exchange, harmless: Harmless) -> str:
    told = exchange.headers.get("content-type")
    if told is None:
        return "not told"
    return (harmless.header("content-type", told) or HIDDEN).partition(";")[0].strip().lower()
