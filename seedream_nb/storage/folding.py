"""Reads a generation from the journal's records, whoever wrote them and however damaged they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import RequestError, without_surrogates
from seedream_nb.request import ImageRequest
from seedream_nb.service import is_free
from seedream_nb.storage.generation import Generation
from seedream_nb.storage.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seedream_nb.storage.generation import Verbs

NOT_FETCHED = "not fetched yet"
NOT_TAKEN = "The service refused it for now, and it was not sent again: nothing was billed."
NONE_MADE = "The service refused each picture: nothing was billed."
CUT_OFF = "The service's reply broke off: more pictures may have been made, and billed."
MIXED = (
    "Two machines gave this number to two requests before their folders were joined, for example by a cloud drive: the "
    "pictures and links of both are here, below the prompt of the first, and --once shows neither."
)
UNREAD = frozenset({"OutcomeUnknownError", "ReplyError"})
"""The errors of replies that could not be read completely."""
ENDS = ("done", "partial", "failed", "stopped", "unknown")
LONGEST_SIDE = 100_000
"""In pixels. A larger picture in the journal is damage: no result comes near it."""
MAX_NUMBER, MAX_INDEX = 1e12, 9999
MAX_LINKS = 100
"""Several times what the service gives; downloading a million would keep all others waiting for days."""
LONGEST_NAME, LONGEST_PATH = 255, 1000
"""In bytes: the longest name on any disk, and the longest path within a folder."""

Record = Mapping[str, Any]


def links_arrived(links: int) -> str:
    """Return a sentence for an error, saying that links arrived; `fold` removes it once they are fetched."""
    return f"{links} {'link' if links == 1 else 'links'} had arrived: %seedream recover. "


def fold(
    records: Iterable[Record], *, home: Path, alive: bool, deleted: bool = False, verbs: Verbs | None = None
) -> Generation | None:
    """Read one generation from its records, of one or several journal files, in any order.

    Args:
        records: the journal's records of one id.
        home: the folder that the pictures' paths are relative to.
        alive: whether the process that started it is alive.
        deleted: whether it was deleted.
        verbs: the session, if there is one.

    Returns:
        The generation; None if its request can't be read.
    """
    fields = _collect(records)
    intent = fields.intent
    try:
        request = ImageRequest.from_record(intent["request"], home)
        created = _parse_time(intent["at"])
    except (RequestError, KeyError, TypeError, ValueError, AttributeError):
        return None
    number: int = intent["id"]
    backend = _text(intent.get("backend")) or ""
    pictures = {}
    for index, file in sorted(fields.files, key=lambda file: file[0]):
        picture = _picture(file, home, mark=f"@{number}.{index}", backend=backend, verbs=verbs)
        if picture is not None:  # the latest that can be read
            pictures[index] = picture
    missing = _missing(fields, have=set(pictures))
    lacks_links = fields.is_cut_off and len(fields.links) < request.max_pictures
    status = _status(fields, have=set(pictures), alive=alive, lacks_links=lacks_links)
    return Generation(
        id=number,
        prompt=request.prompt,
        template=_text(intent.get("template")) or request.prompt,
        request=request,
        images=list(pictures.values()),
        created=created,
        seconds=_amount(fields.end.get("seconds")) or fields.seconds,
        cost=_cost(fields, status),
        backend=backend,
        host=_text(intent.get("host")) or "",
        status=status,
        warnings=[
            *fields.mixed,
            *_texts(intent.get("warnings")),
            *fields.refusals,
            *_surplus(fields.links, request, backend),
        ],
        error=_error(fields, status, complete=not missing) or (CUT_OFF if lacks_links else None),
        links=fields.links,
        missing=missing,
        sources=_texts(intent.get("sources")),
        notebook=_text(intent.get("notebook")),
        starred=fields.starred,
        deleted=deleted,
        verbs=verbs,
    )


@dataclass(kw_only=True)
class _Fields:
    """The journal's record of one generation; for each field the latest value."""

    intent: Record = field(default_factory=dict)
    sent: int = 1
    refused: int = 0
    links: list[str] = field(default_factory=list)
    cut_off: bool = False
    refusals: list[str] = field(default_factory=list)
    seconds: float | None = None
    files: list[tuple[int, Record]] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)
    end: Record = field(default_factory=dict)
    starred: bool = False
    fingerprints: set[str] = field(default_factory=set)

    @property
    def mixed(self) -> tuple[str, ...]:
        """What to say where two machines, whose folders were joined later, gave one number to two requests."""
        return (MIXED,) if len(self.fingerprints) > 1 else ()

    @property
    def was_refused(self) -> bool:
        """Whether the service certainly accepted nothing: each attempt was refused for now."""
        return self.refused >= self.sent and not self.links

    @property
    def is_cut_off(self) -> bool:
        """Whether the reply broke off or could not be read: there may be more pictures than links."""
        error = self.end.get("error")
        return self.cut_off or (isinstance(error, Mapping) and error.get("kind") in UNREAD)


def _collect(records: Iterable[Record]) -> _Fields:
    """Collect the records' fields; later records (by their clocks) replace earlier ones.

    Clocks jump and differ, so nothing about money or pictures depends on their order.
    """
    fields = _Fields()
    for record in sorted(records, key=lambda record: str(record.get("at"))):
        match record:
            case {"event": "intent"}:
                fields.intent = fields.intent or record
                fields.fingerprints.add(str(record.get("fingerprint")))
            case {"event": "refused", "tries": int(tries)}:
                fields.refused = max(tries, fields.refused)
            case {"event": "again", "tries": int(tries)}:
                fields.sent = max(tries, fields.sent)
            case {"event": "links", "links": list(links)}:
                fields.links = list(dict.fromkeys([*fields.links, *_texts(links[:MAX_LINKS])]))[:MAX_LINKS]
                refusals = _refusals(record.get("refused"))
                fields.cut_off = fields.cut_off or record.get("cut_off") is True
                fields.refusals = list(dict.fromkeys([*fields.refusals, *refusals]))[:MAX_LINKS]
                fields.seconds = _amount(record.get("seconds"))
            case {"event": "file", "index": int(index)} if _is_index(index):
                fields.files.append((index, record))
            case {"event": "missing", "index": int(index)} if _is_index(index):
                fields.missing[index] = _text(record.get("reason")) or NOT_FETCHED
            case {"event": "end"} if _replaces(record, fields.end):
                fields.end = record
            case {"event": "star", "on": bool(on)}:
                fields.starred = on
    return fields


def _is_index(number: int) -> bool:
    """Return whether a number can be a picture's, counted from 1: its mark has up to four digits."""
    return number is not True and 1 <= number <= MAX_INDEX


def _replaces(end: Record, other: Record) -> bool:
    """Return whether an end replaces another: a known outcome is never replaced by an unknown one."""
    known = [status for status in ENDS if status != "unknown"]
    return end.get("status") in known or other.get("status") not in known


def _status(fields: _Fields, *, have: set[int], alive: bool, lacks_links: bool) -> str:
    """Return the status; pictures that were recovered later make it complete."""
    complete = bool(fields.links) and have.issuperset(range(1, len(fields.links) + 1))
    ended = "" if not fields.end else status if (status := fields.end.get("status")) in ENDS else "unknown"
    if complete and (ended or not alive):
        return "partial" if fields.refusals or lacks_links else "done"
    if ended:
        in_doubt = fields.end.get("status") == "unknown"  # written by another kernel, which did not know the links
        return "partial" if fields.links and (ended == "done" or in_doubt) else ended
    if alive:
        return "downloading" if fields.links else "generating"
    if fields.links or have:
        return "partial"
    if fields.refusals:
        return "failed"
    return "stopped" if fields.was_refused else "unknown"


def _error(fields: _Fields, status: str, *, complete: bool) -> str | None:
    """Return what went wrong, as far as it still matters: nobody is told to fetch what is already here."""
    error = fields.end.get("error")
    if isinstance(error, Mapping):  # if it is complete by now, nothing is wrong any more
        message = None if status == "done" else _text(error.get("message"))
        return message and (message.replace(links_arrived(len(fields.links)), "") if complete else message)
    if status == "failed" and fields.refusals:
        return NONE_MADE
    return NOT_TAKEN if status == "stopped" and fields.was_refused else None


def _cost(fields: _Fields, status: str) -> float | None:
    """Return the cost in USD: as settled, else the price of its links; None if it is unknown."""
    if status in {"stopped", "failed"} and not fields.end:
        return 0.0
    if (cost := _amount(fields.end.get("cost"))) is not None:
        return cost
    price = _amount(fields.intent.get("price"))
    if fields.links and price is not None:
        return price * len(fields.links)
    return 0.0 if is_free(_text(fields.intent.get("backend")) or "") else None


def _refusals(value: object) -> list[str]:
    """Return a sentence for each picture that the service refused, with its reason."""
    records = value[:MAX_LINKS] if isinstance(value, list) else []
    return [_refusal(record) for record in records if isinstance(record, Mapping)]


def _refusal(record: Record) -> str:
    picture, total, code, words = (record.get(name) for name in ("picture", "of", "code", "message"))
    which = f"Picture {picture} of {total}" if isinstance(picture, int) and isinstance(total, int) else "A picture"
    name = f" ({code})" if isinstance(code, int | str) else ""
    reason = f": “{words}”" if isinstance(words, str) and words else "."
    return without_surrogates(f"{which} was refused by the service, and not billed{name}{reason}")


def _surplus(links: list[str], request: ImageRequest, backend: str) -> list[str]:
    """Return the warning that more pictures came than were requested: each of them may be billed."""
    if len(links) <= (most := request.max_pictures):
        return []
    counted = "" if is_free(backend) else ", and the cost counts them all: the service may bill each of them"
    were = "was" if most == 1 else "were"
    return [f"{len(links)} pictures came where at most {most} {were} requested. All are kept{counted}."]


def _missing(fields: _Fields, *, have: set[int]) -> dict[int, str]:
    """Return why each picture that was paid for is not here."""
    indexes = {*fields.missing, *range(1, len(fields.links) + 1)} - have
    return {index: fields.missing.get(index, NOT_FETCHED) for index in sorted(indexes)}


def _picture(record: Record, home: Path, *, mark: str, backend: str, verbs: Verbs | None) -> Picture | None:
    """Read a picture; None if the record is damaged or its path leads out of `home`."""
    inside = _inside(record.get("path"))
    width, height, size_bytes = (record.get(name) for name in ("width", "height", "size_bytes"))
    if not (inside and isinstance(width, int) and isinstance(height, int)):
        return None
    if not 1 <= min(width, height) <= max(width, height) <= LONGEST_SIDE:
        return None
    return Picture(
        path=home / inside,
        width=width,
        height=height,
        media_type=_text(record.get("media_type")) or "",
        sha256=_text(record.get("sha256")) or "",
        size_bytes=size_bytes if isinstance(size_bytes, int) and 0 <= size_bytes < MAX_NUMBER else 0,
        mark=mark,
        backend=backend,
        verbs=verbs,
    )


def recorded_pictures(number: int, records: Iterable[Record], home: Path) -> list[Picture]:
    """Return every picture that the records of a generation tell to be saved, replaced ones too."""
    marked = ((record, f"@{number}.{record.get('index')}") for record in records)
    found = (_picture(record, home, mark=mark, backend="", verbs=None) for record, mark in marked)
    return [picture for picture in found if picture is not None]


def _inside(path: object) -> PurePosixPath | None:
    """Return a relative path that stays in its folder on every system, or None."""
    if not isinstance(path, str) or not path or "\0" in path:
        return None
    inside, windows = PurePosixPath(path), PureWindowsPath(path)
    leads_out = inside.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    return None if leads_out or not _is_possible(inside) else inside


def _is_possible(path: PurePosixPath) -> bool:
    """Return whether a file of that name can exist; looking for an impossible one would raise."""
    try:
        names = [os.fsencode(name) for name in path.parts]
        return 0 < len(b"/".join(names)) <= LONGEST_PATH and max(map(len, names)) <= LONGEST_NAME
    except UnicodeError:  # a lone surrogate, or a character that this locale does not have
        return False


def _parse_time(text: str) -> datetime:
    """Parse a time; raises ValueError if it is invalid, or if not every clock can show it."""
    moment = datetime.fromisoformat(text)
    if not 1900 < moment.year < 9999:  # noqa: PLR2004 - time zones must not cross the calendar's ends
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    """Return a text without lone surrogates, so that every page and terminal can show it."""
    return without_surrogates(value) if isinstance(value, str) else None


def _number(value: object) -> float | None:
    """Return a plausible number; JSON's may be infinite, or NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < MAX_NUMBER else None


def _amount(value: object) -> float | None:
    """Return an amount of money or time; it is never negative."""
    amount = _number(value)
    return amount if amount is not None and amount >= 0 else None


def _texts(value: object) -> list[str]:
    texts = map(_text, value) if isinstance(value, list) else ()
    return [text for text in texts if text is not None]
