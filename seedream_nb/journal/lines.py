"""How a line of a journal is spelled, and read, whoever wrote it and however damaged it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from seedream_nb.files import read_ordinary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1
EVENTS = frozenset({"intent", "refused", "again", "links", "reply", "file", "missing", "end", "once", "star"})

MOST_RAW = 64_000
"""Characters of a senseless reply that are kept: enough to see what it was."""

MOST_BYTES = 512_000_000
"""Of a journal file, read at once: a thousand times what a busy kernel writes in its life."""

MOST_ID = 10**9 - 1
"""Ids count requests: a line about a larger one is damage."""

_EVENTS = {event.encode(): event for event in EVENTS}
_LINE = re.compile(rb'\{"event":"([a-z]+)","id":([0-9]{1,9}),"at":".*,"v":1\}\n')
_NO_OBJECTS = re.compile(rb"(?:[^{\n]*+\n|[^\n]{0,6}+\n){1,1000}+")
_NOT_BLANK = re.compile(rb"\S[^\n]*+")

Record = dict[str, Any]


class Line(NamedTuple):
    """One whole line of a journal, not parsed yet."""

    event: str
    id: int
    content: bytes

    def record(self) -> Record | None:
        """Parse the line; None where it is damaged."""
        return parsed(self.content)


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What a journal file holds from one offset to the next."""

    lines: list[Line]
    offset: int
    damaged: int
    newer: int


def read_lines(path: Path, offset: int = 0) -> Lines:
    """Return the lines that a journal file has from `offset` on; what is damaged is counted and left out.

    A line without its end may still be growing: it is left for the next time, unless it is whole as it is.
    """
    content = read_ordinary(path, MOST_BYTES, start=offset)
    lines: list[Line] = []
    damaged = newer = 0
    whole = content.rfind(b"\n") + 1
    for text in _texts(content, whole, lines):
        found = _object(text)
        if (record := _whole(found)) is not None:
            lines += _known(record)
        elif _is_newer(found):
            newer += 1
        else:
            damaged += len(_NOT_BLANK.findall(text))
    if (record := parsed(content[whole:])) is not None:
        lines += _known(record)
        whole = len(content)
    return Lines(lines=lines, offset=offset + whole, damaged=damaged, newer=newer)


def read(path: Path, offset: int = 0) -> tuple[list[Record], int]:
    """Return the records that a journal file has from `offset` on, and the offset to go on from."""
    found = read_lines(path, offset)
    records = (line.record() for line in found.lines)
    return [record for record in records if record is not None], found.offset


def _texts(content: bytes, end: int, lines: list[Line]) -> Iterator[bytes]:
    """Put the lines that look as we write them into `lines`; give those that need a closer look.

    Lines that can't be any, of which a damaged file may have millions, are given a thousand at once.
    """
    position = 0
    while position < end:
        match = _LINE.match(content, position)
        if match is None:
            unread = _NO_OBJECTS.match(content, position, end)
            after = unread.end() if unread else content.index(b"\n", position) + 1
            yield content[position:after]
        else:
            after = match.end()
            text, event, number = match.group(0, 1, 2)
            if event in _EVENTS:
                lines.append(Line(_EVENTS[event], int(number), text))
        position = after


def parsed(text: bytes) -> Record | None:
    """Return a line as a record that has our version, event, id and time; None where it has not."""
    return _whole(_object(text))


def _whole(record: Record) -> Record | None:
    fields = (("v", int), ("event", str), ("id", int), ("at", str))
    whole = all(type(record.get(name)) is kind for name, kind in fields) and record["v"] == VERSION
    return record if whole and 0 <= record["id"] <= MOST_ID else None


def _known(record: Record) -> list[Line]:
    """Return a record as a line, spelled as we do; an event that we don't know is none, and passes in silence."""
    if record["event"] not in EVENTS:
        return []
    return [Line(event=record["event"], id=record["id"], content=spelled(record))]


def _is_newer(record: Record) -> bool:
    """Return whether a line is of a later version, which may have other fields altogether."""
    version = record.get("v")
    return type(version) is int and version > VERSION


def _object(text: bytes) -> Record:
    """Return a line's JSON object; an empty one where it is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def spelled(record: Record) -> bytes:
    """Return a record as one line of UTF-8; half characters (lone surrogates) as escapes."""
    raw = record.get("raw")
    if isinstance(raw, str):
        record["raw"] = raw[:MOST_RAW]
    seconds = record.get("seconds")
    if isinstance(seconds, float):
        record["seconds"] = round(seconds, 3)
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"
