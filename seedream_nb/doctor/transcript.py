"""The transcript of one look at the service, as Markdown to be read and handed on: nothing private is in it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from seedream_nb.doctor.expected import expectations
from seedream_nb.doctor.harmless import HIDDEN, MAX_NAMES, json_of
from seedream_nb.http.logs import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seedream_nb.doctor.blocks import FileFacts
    from seedream_nb.doctor.expected import Expectation, Seen
    from seedream_nb.doctor.harmless import LinkFacts
    from seedream_nb.http.exchange import Exchange

REHEARSAL = "This is a rehearsal in the sandbox, an imitation of the service: it says nothing about the real one."
PRIVACY = (
    "No key, no signature of a link, no prompt and no path is in it; of what was answered it tells names and kinds."
)
MOMENTS = {
    "connected": "connected", "secured": "TLS", "sent": "sent", "answered": "first byte", "ended": "whole",
}  # fmt: skip
LIBRARIES = ("seedream-nb", "httpx", "httpcore", "h11", "anyio")


def transcript(seen: Seen, *, host: str, ended: Mapping[str, str], at: datetime | None = None) -> str:
    """Return all that was seen, less whatever could be a secret.

    Args:
        seen: what was seen.
        host: the service's, as it is told.
        ended: how each request ended, by its name.
        at: when it was written.
    """
    parts = [_head(seen, host, at or datetime.now(UTC)), _table(expectations(seen))]
    parts += [_section("The request without a prompt", seen.refused, seen, ended.get("refused"))]
    parts += [_section("The request for a picture", seen.asked, seen, ended.get("asked"))]
    parts += [_link(seen.link)] if seen.link else []
    parts += [_section(f"Download {number}", each, seen, None) for number, each in enumerate(seen.downloads, 1)]
    parts += [_file(seen)] if seen.file else []
    return without_secrets("\n\n".join("\n".join(part) for part in parts)) + "\n"


def _head(seen: Seen, host: str, at: datetime) -> list[str]:
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return [
        "# Seedream: one picture, looked at",
        "",
        *([f"**{REHEARSAL}**", ""] if seen.service.is_free else []),
        f"{at:%Y-%m-%d %H:%M} UTC. {seen.service.model.name} at {host}.",
        f"{versions}; Python {platform.python_version()} on {platform.system()}.",
        "",
        PRIVACY,
    ]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _table(rows: Sequence[Expectation]) -> list[str]:
    lines = [f"| {row.state} | {row.what} | {row.expected} | {row.seen or '—'} |" for row in rows]
    return ["## Expected and seen", "", "| | | expected | seen |", "|---|---|---|---|", *lines]


def _section(title: str, exchange: Exchange | None, seen: Seen, ended: str | None) -> list[str]:
    lines = [f"## {title}", ""]
    if exchange is None:
        return [*lines, ended or "Not sent."]
    size = f"{exchange.size_bytes:,} bytes sent. " if exchange.size_bytes else ""
    answered = "No answer was read." if exchange.status is None else f"HTTP {exchange.status}."
    lines += [f"{size}{answered}{f' {ended}' if ended else ''}"]
    times = [f"{told} {exchange.times[name]:.3f} s" for name, told in MOMENTS.items() if name in exchange.times]
    lines += ["", f"Times since it began: {', '.join(times)}."] if times else []
    lines += ["", *_headers(exchange, seen)] if exchange.headers else []
    return [*lines, *_shape(exchange, seen)]


def _headers(exchange: Exchange, seen: Seen) -> Iterator[str]:
    yield from ("| header | value |", "|---|---|")
    told = [(seen.harmless.name(name), seen.harmless.header(name, value)) for name, value in exchange.headers.items()]
    hidden = sum(name == HIDDEN for name, _ in told)
    yield from (f"| {name} | {value} |" for name, value in told[:MAX_NAMES] if name != HIDDEN)
    if hidden or len(told) > MAX_NAMES:
        yield f"| {hidden + max(0, len(told) - MAX_NAMES)} more, which are not shown | |"


def _shape(exchange: Exchange, seen: Seen) -> Iterator[str]:
    if not exchange.content:
        return
    value = json_of(exchange.content)
    yield from ("", f"{len(exchange.content):,} bytes were answered:", "", "```")
    yield from seen.harmless.shape(value) if value is not None else ["no JSON"]
    yield "```"
    fields = value if isinstance(value, dict) else {}
    codes = {name: seen.harmless.code(fields.get(name)) for name in ("code", "reason")}
    if any(codes.values()):
        yield from ("", "; ".join(f"{name} {code}" for name, code in codes.items() if code))


def _link(link: LinkFacts) -> list[str]:
    parameters = ", ".join(link.parameters) or "none"
    return [
        "## The link",
        "",
        f"{link.scheme}, at {link.host}. Its parameters: {parameters}. It holds: {link.holds}.",
    ]


def _file(seen: Seen) -> list[str]:
    file = seen.file
    assert file is not None  # noqa: S101 - it is asked for where there is one
    return [
        "## The file",
        "",
        f"{file.kind}, {seen.width}x{seen.height} pixels, {seen.size_bytes or 0:,} bytes. {_metadata(file)}",
        "",
        *(f"- {block}" for block in file.blocks),
    ]


def _metadata(file: FileFacts) -> str:
    found = {
        "C2PA": file.has_c2pa, "XMP": file.has_xmp, "Exif": file.has_exif,
        "a word for “made by a model”": file.names_model,
    }  # fmt: skip
    return f"{', '.join(f'{name}: {_yes(there)}' for name, there in found.items())}."


def _yes(there: bool) -> str:  # noqa: FBT001 - what is told
    return "yes" if there else "no"
