"""What the journal is told about one request: each line before the next step, and none lost if the disk fails."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from seedream_nb.generation import fold

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.generation import Generation, Verbs
    from seedream_nb.journal import Journal


class Record:
    """The lines about one generation. One that can't be written is an error before sending; later, tried again."""

    def __init__(self, journal: Journal, *, home: Path, verbs: Verbs | None) -> None:
        """Write to this journal; nothing is written yet."""
        self.number = 0
        self.trouble: OSError | None = None
        self._journal, self._home, self._verbs = journal, home, verbs
        self._lines: list[dict[str, Any]] = []
        self._unwritten: list[tuple[str, dict[str, Any]]] = []

    async def begin(self, number: int, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write down what is about to be asked, as generation `number`.

        Raises:
            OSError: it can't be written; then it must not be sent.
        """
        self.number = number
        await self._write("intent", self._remembered("intent", fields))

    async def note(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write down what happened; what the disk refuses is kept and tried again with the next line."""
        if not self.number:
            return
        self._unwritten.append((event, self._remembered(event, fields)))
        self.trouble = None
        while self._unwritten:
            line = self._unwritten.pop(0)
            try:
                await self._write(*line)
            except OSError as error:
                self.trouble = error
                self._unwritten.insert(0, line)
                return

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

    async def _write(self, event: str, fields: dict[str, Any]) -> None:
        # Shielded: a stop must not overtake the line that it interrupts.
        writing = asyncio.ensure_future(
            anyio.to_thread.run_sync(lambda: self._journal.append(event, self.number, **fields))
        )
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await _ended(writing)
            if writing.exception() is not None:
                self._unwritten.insert(0, (event, fields))
            raise


async def _ended(writing: asyncio.Future[None]) -> None:
    """Wait for the end of what is being written, however often this is cancelled meanwhile."""
    while not writing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([writing])
