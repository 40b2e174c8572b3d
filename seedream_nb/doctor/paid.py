"""`doctor --paid`: one real picture with one reference, and before it a request that is refused, both looked at.

The refused request has no prompt. Of all that the reference pages forbid that is the one which can't be billed: the
prompt is the only field that they call required, and without it there is nothing that a picture could be made of. A
size out of range, too many references or a series of 16 could be put right by a service in silence, and made and
billed. It goes first, so that no more is ever spent than was said: were it accepted, the picture that is made is the
one that was to be looked at; and what nobody knows the outcome of is not followed by another.
"""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from seedream_nb.budget import describe
from seedream_nb.compose import NO_PROMPT
from seedream_nb.doctor.blocks import file_facts
from seedream_nb.doctor.expected import Seen, expectations
from seedream_nb.doctor.harmless import Harmless, secrets_of
from seedream_nb.doctor.transcript import REHEARSAL, transcript
from seedream_nb.errors import ApiError, SeedreamError, SettingsError, StoppedError
from seedream_nb.files import read_regular
from seedream_nb.http.exchange import Inspection
from seedream_nb.service.reply import salvage_results
from seedream_nb.storage.store import PRIVATE_FILE, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seedream_nb.http.exchange import Exchange
    from seedream_nb.jobs.job import Job
    from seedream_nb.request import ImageRequest
    from seedream_nb.service.endpoint import Endpoint
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.picture import Picture

PROMPT = "A red paper boat on a still pond, in the colours of image 1."
REFERENCE = "a small picture made by the doctor"
WITHOUT = "Sent without its prompt, on purpose: %seedream doctor --paid looks at how the service refuses that."
FIRST = (
    "First it sends a request without a prompt, which the service refuses by its own rule: there is nothing to make a "
    "picture of, and what is refused is not billed."
)
ACCEPTED = "The service took the request without a prompt and made a picture of it, so no other was asked for."
ISSUES = "https://github.com/seedream-nb/seedream-nb/issues"
GOES_ON_AFTER = frozenset({400, 413, 415, 422, 451, 500})
"""Refusals, or failures, that say nothing about the next request; nothing was billed."""
CHANGED = "The settings were changed meanwhile: requests would go elsewhere, or cost something else, than was said."
RUN_AGAIN = "So the next one was not sent, and not billed. Run it again."
MAX_PICTURE_BYTES = 64_000_000


class Look:
    """One look at the service, from what it will cost to the transcript."""

    def __init__(
        self,
        session: Session,
        *,
        wait: Callable[[Job], Generation],
        tell: Callable[[str], None],
        write: Callable[[Path, bytes], None] = write_private,
    ) -> None:
        """Look with this session; `wait` waits for a job, in view, `tell` says a text, `write` makes a private file."""
        self._session, self._wait, self._say, self._write_file = session, wait, tell, write
        self._refused, self._asked = Inspection(without=("prompt",)), Inspection()
        self._ended: dict[str, str] = {}
        self._made: Generation | None = None
        self._said: tuple[object, ...] = ()

    def run(self) -> Generation:
        """Say what it costs, send both requests, write the transcript of what was seen; return what was made.

        Raises:
            SeedreamError: whatever `Session.submit` and `Job.result` raise; what was seen by then is written down.
        """
        endpoint = self._session.endpoint()
        refused, asked = self._requests()
        self._said = self._terms(asked)
        self._announce(endpoint, asked)
        if trouble := self._session.budget.refusal_of(asked, self._session.price(asked.model)):
            raise trouble
        try:
            self._made = self._see_it_refused(refused)
            if self._made is None:
                self._made = self._generate("asked", asked, self._asked)
            return self._made
        finally:
            self._report(endpoint)

    def _requests(self) -> tuple[ImageRequest, ImageRequest]:
        """Return both requests, whatever the settings say: the first is valid but for what will be left out."""
        plain = {"size": self._tier, "defaults": False}
        refused = self._session.compose(NO_PROMPT, **plain)
        asked = self._session.compose(PROMPT, images=[reference()], **plain)
        images = tuple(replace(image, name=REFERENCE) for image in asked.images)
        return replace(refused, warnings=(WITHOUT,)), replace(asked, images=images)

    @property
    def _tier(self) -> str:
        """The model's smallest."""
        return self._session.settings.model.tiers[0]

    def _announce(self, endpoint: Endpoint, request: ImageRequest) -> None:
        if endpoint.key is None:
            self._say(f"{REHEARSAL} Nothing is charged.")
        else:
            cost = describe(request, self._session.price(request.model))
            self._say(
                f"This makes one picture in {self._tier} with one reference at {endpoint.host}: {cost}, "
                f"with the key from {endpoint.key.source}."
            )
        self._say(FIRST)

    def _terms(self, request: ImageRequest) -> tuple[object, ...]:
        """Return where a request would go now, and what a picture of it would cost."""
        endpoint = self._session.endpoint()
        return endpoint.service.name, endpoint.base_url, self._session.price(request.model)

    def _see_it_refused(self, request: ImageRequest) -> Generation | None:
        """Return nothing when it was refused; else what was made of it after all."""
        try:
            made = self._generate("refused", request, self._refused)
        except ApiError as error:
            if _is_refused(error):
                return None
            raise
        with suppress(OSError, ValueError):  # as in `_report`
            self._say(ACCEPTED)
        return made

    def _generate(self, name: str, request: ImageRequest, inspection: Inspection) -> Generation:
        try:
            made = self._result(request, inspection)
        except SeedreamError as error:
            self._ended[name] = f"It ended with {type(error).__name__}."
            if name == "refused" and _is_refused(error):
                self._ended[name] = f"It was refused ({type(error).__name__}), and not billed."
            self._made = self._made or self._generation(request)
            raise
        self._ended[name] = f"It ended as {made.status}, with {len(made)} picture{'s' * (len(made) != 1)}."
        return made

    def _result(self, request: ImageRequest, inspection: Inspection) -> Generation:
        if self._terms(request) != self._said:  # a login in another kernel is enough to end a rehearsal
            raise SettingsError(CHANGED, hint=RUN_AGAIN)
        try:
            job = self._session.submit(request, inspection=inspection, once=False)
            return self._wait(job)
        except StoppedError:
            raise
        except KeyboardInterrupt:  # wherever it struck: what the message says must be true
            begun = self._job(request)
            if begun is None:
                raise
            begun.cancel()
            return begun.result()

    def _job(self, request: ImageRequest) -> Job | None:
        return next((job for job in self._session.jobs if job.request is request), None)

    def _generation(self, request: ImageRequest) -> Generation | None:
        """Return what came of a request that failed; of the refused one there is nothing to look at."""
        job = self._job(request)
        return job.generation if job is not None and job.generation is not None and len(job.generation) else None

    # -- what was seen -----------------------------------------------------------------------------

    def _report(self, endpoint: Endpoint) -> None:
        """Tell what differs, and write the transcript, if anything was sent."""
        seen = self._seen(endpoint)
        if not any(each is not None and (each.status or "sent" in each.times) for each in (seen.refused, seen.asked)):
            return
        known = [row for row in expectations(seen) if row.state != "not seen"]
        text = transcript(seen, host=_host(endpoint), ended=self._ended)
        written = self._write(text)
        with suppress(OSError, ValueError):  # an output that is closed loses neither the transcript nor the picture
            self._say(
                f"{sum(row.state == 'ok' for row in known)} of {len(known)} things that were seen are as expected."
            )
            for row in known:
                if row.state == "differs":
                    self._say(f"differs: {row.what}: expected {row.expected}, seen {row.seen}.")
            self._tell_where(written, text, endpoint)

    def _seen(self, endpoint: Endpoint) -> Seen:
        refused, asked = (next(iter(each.observer.posts), None) for each in (self._refused, self._asked))
        downloads = [*self._refused.observer.gets, *self._asked.observer.gets]
        picture = next(iter(self._made or ()), None)
        content = _content_of(picture)
        secrets = [
            PROMPT,
            NO_PROMPT,
            *(text for link in _links(asked, refused, downloads) for text in secrets_of(link)),
        ]
        return Seen(
            service=endpoint.service, tier=self._tier, refused=refused, asked=asked, downloads=downloads,
            width=picture.width if picture else None, height=picture.height if picture else None,
            size_bytes=None if content is None else len(content),
            file=None if content is None else file_facts(content),
            clock=next((ahead for each in (refused, asked) if each and (ahead := _clock(each)) is not None), None),
            harmless=Harmless(secrets=secrets),
        )  # fmt: skip

    def _write(self, text: str) -> Path | OSError:
        """Write the transcript; return where it is, or why it can't be written."""
        try:
            path = _free_name(self._session.history.home)
        except OSError as error:
            return error
        try:
            self._write_file(path, text.encode())
        except OSError as error:
            with suppress(OSError):
                path.unlink()
            return error
        return path

    def _tell_where(self, written: Path | OSError, text: str, endpoint: Endpoint) -> None:
        """Say where the transcript is; show it if it could not be written."""
        if isinstance(written, OSError):
            reason = written.strerror or type(written).__name__
            self._say(f"The transcript can't be written ({reason}), so here it is:")
            print(text)  # noqa: T201 - its lines are a table's, so they are not wrapped
            return
        self._say(f"Transcript: {written}")
        if not endpoint.service.is_free:
            self._say(
                f"It has no key, no signature of a link, no prompt and no path. Read it, then attach it at {ISSUES}: "
                "nobody who works on seedream_nb has a key."
            )


def _is_refused(error: SeedreamError) -> bool:
    """Return whether that is what a service says to a request that it can't understand."""
    return isinstance(error, ApiError) and error.status in GOES_ON_AFTER


def reference() -> bytes:
    """Return the reference: a PNG of 64x64 pixels, blue above orange."""
    rows = b"".join(b"\0" + (b"\x20\x40\xa0" if row < 32 else b"\xf0\x90\x20") * 64 for row in range(64))  # noqa: PLR2004
    chunks = (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _host(endpoint: Endpoint) -> str:
    """Return the service's host; one of somebody's own need not be known to others."""
    if endpoint.service.is_free:
        return "the sandbox"
    is_usual = endpoint.base_url.rstrip("/") == endpoint.service.base_url
    return endpoint.host if is_usual else "another address than the service's"


def _links(asked: Exchange | None, refused: Exchange | None, downloads: list[Exchange]) -> Iterator[str]:
    yield from (each.link.decode(errors="replace") for each in downloads)
    for each in (asked, refused):
        if each is not None and each.content:
            yield from salvage_results(each.content, 15)[0].links


def _clock(exchange: Exchange) -> float | None:
    """Return how many seconds the other side's clock is ahead."""
    with suppress(ValueError, OverflowError, KeyError):
        return parsedate_to_datetime(exchange.headers["date"][:100]).timestamp() - exchange.at
    return None


def _content_of(picture: Picture | None) -> bytes | None:
    """Return what the picture's file holds; None if it is not there any more."""
    try:
        return None if picture is None else read_regular(picture.path, MAX_PICTURE_BYTES)
    except OSError:
        return None


def _free_name(home: Path) -> Path:
    """Take a name that no other look has, be it in another kernel and the same second; the file is empty."""
    name = f"seedream-doctor-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for number in itertools.count():
        path = home / f"{name}{f'-{number}' if number else ''}.md"
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
            return path
    raise AssertionError  # count() never ends
