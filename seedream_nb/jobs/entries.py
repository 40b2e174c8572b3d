"""The pipeline's context, and its journal entries: each is written before the next step, and none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from seedream_nb.frozen import frozen
from seedream_nb.jobs.pace import Pace
from seedream_nb.keys import Secrets
from seedream_nb.service.redaction import redact, redact_content, redact_message
from seedream_nb.storage.folding import fold
from seedream_nb.storage.journal import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seedream_nb.budget import Budget
    from seedream_nb.http.client import Client
    from seedream_nb.http.exchange import Inspection
    from seedream_nb.jobs.line import PreparedReferences
    from seedream_nb.storage.generation import Generation, Verbs
    from seedream_nb.storage.history import History
    from seedream_nb.storage.journal import Journal
    from seedream_nb.storage.store import Store

Result = TypeVar("Result")


@frozen
class PipelineContext:
    """What the pipeline works with."""

    store: Store
    journal: Journal
    history: History
    budget: Budget
    client: Client
    limiter: anyio.CapacityLimiter
    verbs: Verbs
    secrets: Secrets = field(default_factory=Secrets)
    pace: Pace = field(default_factory=Pace)
    daily_budget: Callable[[], float | None] = lambda: None
    """Returns the USD that all kernels of this folder may spend in a day; None: any amount."""
    prepared: PreparedReferences | None = None
    """The references that the requests of a batch share."""
    without: tuple[str, ...] = ()
    """Fields that are left out of what is sent, to see how the service refuses that."""

    def inspected(self, inspection: Inspection | None) -> PipelineContext:
        """Return it for a request that somebody looks at on its way, if anybody does."""
        if inspection is None:
            return self
        client = self.client.observed_by(inspection.observer, retries=not inspection.without)
        return replace(self, client=client, without=inspection.without)

    def redact(self, text: str) -> str:
        """Return foreign text, or text that may quote some, without any key of this session."""
        return redact(text, self.all_secrets())

    def redact_message(self, text: str) -> str:
        """Return a message of ours, in which foreign text is redacted already, without any key all the same."""
        return redact_message(text, self.all_secrets())

    def redact_content(self, content: bytes) -> bytes:
        """Return what a server sent without any key of this session; for megabytes, call this in a thread."""
        return redact_content(content, self.all_secrets())

    def all_secrets(self) -> list[str]:
        """Return what to redact in foreign text: the keys of this session, and the logins of proxies."""
        secrets = self.client.secret(), *self.client.proxy_secrets(), *self.secrets.keys()
        return list(dict.fromkeys(filter(None, secrets)))

    def claim(self, key: str) -> Claim:
        """Return the claim for exactly this request, which `once` takes."""
        return Claim(self.store.journal / "claims" / hashlib.sha256(key.encode()).hexdigest()[:32])


async def in_thread(function: Callable[[], Result]) -> Result:
    """Run blocking work in a thread."""
    return await anyio.to_thread.run_sync(function)


class JournalEntry:
    """The journal lines of one generation. Failing to write is an error before sending; later the line is kept."""

    def __init__(self, journal: Journal, *, home: Path, verbs: Verbs | None, number: int = 0) -> None:
        """Write nothing yet; `number` is that of an existing generation."""
        self.number = number
        self.trouble: OSError | None = None
        self._journal, self._home, self._verbs = journal, home, verbs
        self._lines: list[dict[str, Any]] = []
        self._is_begun = bool(number)

    async def begin(self, number: int, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write down the intent, as generation `number`.

        Raises:
            OSError: it can't be written; then nothing must be sent.
        """
        self.number = number
        line = self._line("intent", fields)

        def begin() -> None:
            self._journal.append("intent", number, **line)
            self._is_begun = True

        await _uncancelled(begin)

    async def note(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write down an event; what the disk refuses is kept and written later, and `trouble` says why."""
        if not self.number:
            return
        line = self._line(event, fields)

        def note() -> None:
            self.trouble = self._journal.note(event, self.number, **line)

        if self._is_begun:  # a generation without an intent has no history
            await _uncancelled(note)

    # -- the lines, in the order in which they are written; `begin` comes first ----------------------------

    async def refused(self, *, tries: int, status: int) -> None:
        """Note that the service refused it for now: it was not billed, and waits."""
        await self.note("refused", tries=tries, status=status)

    async def retrying(self, *, tries: int) -> None:
        """Note that it is about to be sent again: from here on it may be billed."""
        await self.note("again", tries=tries)

    async def replied(self, *, links: list[str], seconds: float, cut_off: bool, refused: list[dict[str, Any]]) -> None:
        """Note what a reply has, before anything is downloaded."""
        more = {"cut_off": True} if cut_off else {}
        await self.note("links", links=links, **more, **({"refused": refused} if refused else {}), seconds=seconds)

    async def kept_reply(self, raw: str) -> None:
        """Note a reply that can't be understood, redacted but otherwise unchanged."""
        await self.note("reply", raw=raw)

    async def picture_saved(self, *, index: int, path: str, facts: Mapping[str, Any]) -> None:
        """Note that a picture is saved, and under which name."""
        await self.note("file", index=index, path=path, **facts)

    async def picture_missing(self, *, index: int, reason: str) -> None:
        """Note why a picture is missing; its link is kept."""
        await self.note("missing", index=index, reason=reason)

    async def ended(
        self, *, status: str, cost: float | None, seconds: float | None, error: dict[str, str] | None = None
    ) -> None:
        """Note how it ended, and what it cost."""
        await self.note("end", status=status, cost=cost, seconds=seconds, **({} if error is None else {"error": error}))

    @property
    def links(self) -> list[str]:
        """The links noted so far."""
        return [link for line in self._lines if line["event"] == "links" for link in line["links"]]

    def generation(self) -> Generation | None:
        """Return the generation so far, from these lines, not from the disk."""
        return fold(self._lines, home=self._home, alive=True, verbs=self._verbs)

    def _line(self, event: str, fields: dict[str, Any]) -> dict[str, Any]:
        line = {"at": datetime.now(UTC).isoformat(timespec="microseconds"), **fields}
        self._lines.append({"event": event, "id": self.number, **line})
        return line


async def _uncancelled(write: Callable[[], None]) -> None:
    """Write in a thread, and finish even when cancelled: a stop must not overtake the line being written."""
    writing = asyncio.ensure_future(anyio.to_thread.run_sync(write))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await _done(writing)
        if not writing.cancelled():
            writing.exception()  # retrieved; a request that could not be journaled is not sent anyway
        raise


async def _done(writing: asyncio.Future[None]) -> None:
    """Wait until the write is done, however often this is cancelled meanwhile."""
    while not writing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([writing])
