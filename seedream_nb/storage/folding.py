"""How a generation is read from what the journal tells, whoever wrote it and however damaged it is."""

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
UNREAD = frozenset({"OutcomeUnknownError", "ReplyError"})
"""The errors that end a request of whose reply not all could be read."""
ENDS = ("done", "partial", "failed", "stopped", "unknown")
LONGEST_SIDE = 100_000
"""Pixels. What a journal says of a picture beyond that is damage: no result comes near it."""
MAX_NUMBER, MAX_INDEX = 1e12, 9999
MAX_LINKS = 100
"""Several times what the service gives; to fetch a million would keep the others waiting for days."""
LONGEST_NAME, LONGEST_PATH = 255, 1000
"""Bytes of a name that no disk has longer, and of what is within a folder."""

Record = Mapping[str, Any]


def arrived(links: int) -> str:
    """Say, in an error, that there is something to be fetched; `fold` takes it out again when that was done."""
    return f"{links} {'link' if links == 1 else 'links'} had arrived: %seedream recover. "


def fold(records: Iterable[Record], *, home: Path, alive: bool, verbs: Verbs | None = None) -> Generation | None:
    """Read one generation from its records, of one journal file or of several, in whatever order.

    Args:
        records: the journal's records of one id.
        home: the folder that the files' paths start from.
        alive: whether the process that began it still lives.
        verbs: the session, where there is one.

    Returns:
        The generation; None if what was asked can't be read.
    """
    told = _told(records)
    intent = told.intent
    try:
        request = ImageRequest.from_record(intent["request"], home)
        created = _moment(intent["at"])
    except (RequestError, KeyError, TypeError, ValueError, AttributeError):
        return None
    number: int = intent["id"]
    backend = _text(intent.get("backend")) or ""
    pictures = {}
    for index, file in sorted(told.files, key=lambda each: each[0]):
        picture = _picture(file, home, mark=f"@{number}.{index}", backend=backend, verbs=verbs)
        if picture is not None:  # the latest that can be read
            pictures[index] = picture
    missing = _missing(told, have=set(pictures))
    lacks_links = told.is_cut_off and len(told.links) < request.max_pictures
    status = _status(told, have=set(pictures), alive=alive, lacks_links=lacks_links)
    return Generation(
        id=number,
        prompt=request.prompt,
        template=_text(intent.get("template")) or request.prompt,
        request=request,
        images=list(pictures.values()),
        created=created,
        seconds=_amount(told.end.get("seconds")) or told.seconds,
        cost=_cost(told, status),
        backend=backend,
        host=_text(intent.get("host")) or "",
        status=status,
        warnings=[*_texts(intent.get("warnings")), *told.refusals],
        error=_error(told, status, complete=not missing) or (CUT_OFF if lacks_links else None),
        links=told.links,
        missing=missing,
        sources=_texts(intent.get("sources")),
        notebook=_text(intent.get("notebook")),
        starred=told.starred,
        verbs=verbs,
    )


@dataclass(kw_only=True)
class _Fields:
    """What the journal tells about one generation, the latest word on each point."""

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

    @property
    def was_refused(self) -> bool:
        """Whether the service surely took none of it on: each time that it was sent was refused for now."""
        return self.refused >= self.sent and not self.links

    @property
    def is_cut_off(self) -> bool:
        """Whether the reply broke off, or made no sense, among its links: they may not be all that were made."""
        error = self.end.get("error")
        return self.cut_off or (isinstance(error, Mapping) and error.get("kind") in UNREAD)


def _told(records: Iterable[Record]) -> _Fields:
    """Sort the records by what they are about; later ones (by their clocks) replace earlier ones.

    Clocks jump and differ: so nothing hangs on their order that money or a picture hangs on.
    """
    told = _Fields()
    for record in sorted(records, key=lambda record: str(record.get("at"))):
        match record:
            case {"event": "intent"}:
                told.intent = told.intent or record
            case {"event": "refused", "tries": int(tries)}:
                told.refused = max(tries, told.refused)
            case {"event": "again", "tries": int(tries)}:
                told.sent = max(tries, told.sent)
            case {"event": "links", "links": list(links)}:
                told.links = list(dict.fromkeys([*told.links, *_texts(links[:MAX_LINKS])]))[:MAX_LINKS]
                refusals = _refusals(record.get("refused"))
                told.cut_off = told.cut_off or record.get("cut_off") is True
                told.refusals = list(dict.fromkeys([*told.refusals, *refusals]))[:MAX_LINKS]
                told.seconds = _amount(record.get("seconds"))
            case {"event": "file", "index": int(index)} if _is_index(index):
                told.files.append((index, record))
            case {"event": "missing", "index": int(index)} if _is_index(index):
                told.missing[index] = _text(record.get("reason")) or NOT_FETCHED
            case {"event": "end"} if _says_more(record, told.end):
                told.end = record
            case {"event": "star", "on": bool(on)}:
                told.starred = on
    return told


def _is_index(told: int) -> bool:
    """Return whether a number can be a picture's, counted from 1: a mark has up to four digits for it."""
    return told is not True and 1 <= told <= MAX_INDEX


def _says_more(end: Record, than: Record) -> bool:
    """Return whether an end takes the place of another: one whose outcome is known is not undone by one in doubt."""
    known = [each for each in ENDS if each != "unknown"]
    return end.get("status") in known or than.get("status") not in known


def _status(told: _Fields, *, have: set[int], alive: bool, lacks_links: bool) -> str:
    """Tell how it ended, or how far it came; pictures that were recovered later make it whole."""
    complete = bool(told.links) and have.issuperset(range(1, len(told.links) + 1))
    ended = "" if not told.end else status if (status := told.end.get("status")) in ENDS else "unknown"
    if complete and (ended or not alive):
        return "partial" if told.refusals or lacks_links else "done"
    if ended:
        in_doubt = told.end.get("status") == "unknown"  # by another kernel, which did not know of the links
        return "partial" if told.links and (ended == "done" or in_doubt) else ended
    if alive:
        return "downloading" if told.links else "generating"
    if told.links or have:
        return "partial"
    if told.refusals:
        return "failed"
    return "stopped" if told.was_refused else "unknown"


def _error(told: _Fields, status: str, *, complete: bool) -> str | None:
    """Return what went wrong, where it is known, as far as it is still so: nobody is sent to fetch what is here."""
    error = told.end.get("error")
    if isinstance(error, Mapping):  # of what is complete by now nothing is wrong any more
        message = None if status == "done" else _text(error.get("message"))
        return message and (message.replace(arrived(len(told.links)), "") if complete else message)
    if status == "failed" and told.refusals:
        return NONE_MADE
    return NOT_TAKEN if status == "stopped" and told.was_refused else None


def _cost(told: _Fields, status: str) -> float | None:
    """Return what it cost in USD: as settled, else what its links are worth; None where nobody knows."""
    if status in {"stopped", "failed"} and not told.end:
        return 0.0
    if (cost := _amount(told.end.get("cost"))) is not None:
        return cost
    price = _amount(told.intent.get("price"))
    if told.links and price is not None:
        return price * len(told.links)
    return 0.0 if is_free(_text(told.intent.get("backend")) or "") else None


def _refusals(value: object) -> list[str]:
    """Tell of each picture that the service refused, in its words."""
    told = value[:MAX_LINKS] if isinstance(value, list) else []
    return [_refusal(each) for each in told if isinstance(each, Mapping)]


def _refusal(told: Record) -> str:
    picture, of, code, words = (told.get(name) for name in ("picture", "of", "code", "message"))
    which = f"Picture {picture} of {of}" if isinstance(picture, int) and isinstance(of, int) else "A picture"
    name = f" ({code})" if isinstance(code, int | str) else ""
    said = f": “{words}”" if isinstance(words, str) and words else "."
    return without_surrogates(f"{which} was refused by the service, and not billed{name}{said}")


def _missing(told: _Fields, *, have: set[int]) -> dict[int, str]:
    """Tell of each picture that was paid for and is not here why that is so."""
    indexes = {*told.missing, *range(1, len(told.links) + 1)} - have
    return {index: told.missing.get(index, NOT_FETCHED) for index in sorted(indexes)}


def _picture(record: Record, home: Path, *, mark: str, backend: str, verbs: Verbs | None) -> Picture | None:
    """Read a picture; None where the record is damaged or its path leads out of `home`."""
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


def _inside(path: object) -> PurePosixPath | None:
    """Return a relative path that stays in its folder on every system, or None."""
    if not isinstance(path, str) or not path or "\0" in path:
        return None
    inside, windows = PurePosixPath(path), PureWindowsPath(path)
    leads_out = inside.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    return None if leads_out or not _can_be(inside) else inside


def _can_be(path: PurePosixPath) -> bool:
    """Return whether there can be a file of that name anywhere; looking for another would be an error."""
    try:
        names = [os.fsencode(name) for name in path.parts]
        return 0 < len(b"/".join(names)) <= LONGEST_PATH and max(map(len, names)) <= LONGEST_NAME
    except UnicodeError:  # half a character, or one that this locale has not
        return False


def _moment(text: str) -> datetime:
    """Read a time; raises ValueError where it is none, or one that not every clock can show."""
    moment = datetime.fromisoformat(text)
    if not 1900 < moment.year < 9999:  # noqa: PLR2004 - away from the calendar's ends
        raise ValueError(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: object) -> str | None:
    """Return a text that every page and terminal can be told: without half characters."""
    return without_surrogates(value) if isinstance(value, str) else None


def _number(value: object) -> float | None:
    """Return a number that a person could mean; JSON's can be endless, or none at all."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < MAX_NUMBER else None


def _amount(value: object) -> float | None:
    """Return an amount of money or of time, which is never less than nothing."""
    amount = _number(value)
    return amount if amount is not None and amount >= 0 else None


def _texts(value: object) -> list[str]:
    found = map(_text, value) if isinstance(value, list) else ()
    return [each for each in found if each is not None]
