"""What the pipeline works with, and what it tells the journal: each line before the next step, none lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from seedream_nb.frozen import frozen
from seedream_nb.keys import Secrets
from seedream_nb.service.echoes import blotted, blotted_content, blotted_message
from seedream_nb.storage.folding import fold
from seedream_nb.storage.journal import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seedream_nb.budget import Budget
    from seedream_nb.http.client import Client
    from seedream_nb.storage.generation import Generation, Verbs
    from seedream_nb.storage.history import History
    from seedream_nb.storage.journal import Journal
    from seedream_nb.storage.store import Store

Result = TypeVar("Result")


@frozen
class PipelineContext:
    """What the procedure works with."""

    store: Store
    journal: Journal
    history: History
    budget: Budget
    client: Client
    turn: anyio.CapacityLimiter
    verbs: Verbs
    secrets: Secrets = field(default_factory=Secrets)

    def blotted(self, text: str) -> str:
        """Return what somebody else wrote, or may have, without any key of this session."""
        return blotted(text, self.all_secrets())

    def blotted_message(self, text: str) -> str:
        """Return a message of our own, in which what others wrote is blotted already, without any key all the same."""
        return blotted_message(text, self.all_secrets())

    def blotted_content(self, content: bytes) -> bytes:
        """Return what a server sent as it may be kept, without any key of this session; megabytes are for a thread."""
        return blotted_content(content, self.all_secrets())

    def all_secrets(self) -> list[str]:
        """Return what is blotted out of what others wrote: the keys of this session, and the logins of proxies."""
        secrets = self.client.secret(), *self.client.proxy_secrets(), *self.secrets.keys()
        return list(dict.fromkeys(filter(None, secrets)))

    def claim(self, asked: str) -> Claim:
        """Return the claim of exactly this request, for who asks for it only once."""
        return Claim(self.store.journal / "claims" / hashlib.sha256(asked.encode()).hexdigest()[:32])


async def in_thread(function: Callable[[], Result]) -> Result:
    """Run blocking work away from the loop."""
    return await anyio.to_thread.run_sync(function)


class JournalEntry:
    """The lines about one generation. What can't be written is an error before sending; later, kept by the journal."""

    def __init__(self, journal: Journal, *, home: Path, verbs: Verbs | None, number: int = 0) -> None:
        """Write to this journal; nothing is written yet. A `number` is that of a generation that was begun before."""
        self.number = number
        self.trouble: OSError | None = None
        self._journal, self._home, self._verbs = journal, home, verbs
        self._lines: list[dict[str, Any]] = []
        self._is_begun = bool(number)

    async def begin(self, number: int, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write down what is about to be asked, as generation `number`.

        Raises:
            OSError: it can't be written; then it must not be sent.
        """
        self.number = number
        told = self._remembered("intent", fields)

        def begin() -> None:
            self._journal.append("intent", number, **told)
            self._is_begun = True

        await _to_its_end(begin)

    async def note(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write down what happened; what the disk refuses is kept, `trouble` says why, and it is written later."""
        if not self.number:
            return
        told = self._remembered(event, fields)

        def note() -> None:
            self.trouble = self._journal.note(event, self.number, **told)

        if self._is_begun:  # of what could not even be begun the history has nothing to tell
            await _to_its_end(note)

    # -- which lines there are, in the order in which they are written; `begin` comes before them ----------

    async def refused(self, *, tries: int, status: int) -> None:
        """Tell that the service refused it for now: nothing was billed, and it waits."""
        await self.note("refused", tries=tries, status=status)

    async def again(self, *, tries: int) -> None:
        """Tell that it is about to be sent once more: from here on it may be billed."""
        await self.note("again", tries=tries)

    async def came(self, *, links: list[str], seconds: float, cut_off: bool, refused: list[dict[str, Any]]) -> None:
        """Tell what a reply gives, before anything of it is fetched; a whole reply, and pictures made, are not told."""
        more = {"cut_off": True} if cut_off else {}
        await self.note("links", links=links, **more, **({"refused": refused} if refused else {}), seconds=seconds)

    async def kept_reply(self, raw: str) -> None:
        """Tell a reply that makes no sense, as it came but for the key."""
        await self.note("reply", raw=raw)

    async def landed(self, *, index: int, path: str, facts: Mapping[str, Any]) -> None:
        """Tell that a picture is here, under its name."""
        await self.note("file", index=index, path=path, **facts)

    async def missed(self, *, index: int, reason: str) -> None:
        """Tell why a picture is not here; its link is kept."""
        await self.note("missing", index=index, reason=reason)

    async def ended(
        self, *, status: str, cost: float | None, seconds: float | None, error: dict[str, str] | None = None
    ) -> None:
        """Tell how it ended, and what it cost."""
        await self.note("end", status=status, cost=cost, seconds=seconds, **({} if error is None else {"error": error}))

    @property
    def links(self) -> list[str]:
        """The links that were told."""
        return [link for told in self._lines if told["event"] == "links" for link in told["links"]]

    def generation(self) -> Generation | None:
        """Return the generation as far as it has come; from what was told, not from the disk."""
        return fold(self._lines, home=self._home, alive=True, verbs=self._verbs)

    def _remembered(self, event: str, fields: dict[str, Any]) -> dict[str, Any]:
        told = {"at": datetime.now(UTC).isoformat(timespec="microseconds"), **fields}
        self._lines.append({"event": event, "id": self.number, **told})
        return told


async def _to_its_end(write: Callable[[], None]) -> None:
    """Write in a thread, to the end even when this is cancelled: a stop must not overtake the line it interrupts."""
    writing = asyncio.ensure_future(anyio.to_thread.run_sync(write))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await _ended(writing)
        if not writing.cancelled():
            writing.exception()  # it was looked at: what could not be begun is not sent anyway
        raise


async def _ended(writing: asyncio.Future[None]) -> None:
    """Wait for the end of what is being written, however often this is cancelled meanwhile."""
    while not writing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([writing])
