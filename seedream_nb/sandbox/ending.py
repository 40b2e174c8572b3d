"""Ends the sandbox with requests in progress: each is answered, and nothing is written to the terminal."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from .answers import refused
from .refusals import refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNAVAILABLE = 503


class Ending:
    """Wraps an app so that it can be ended at once."""

    def __init__(self, app: ASGIApp) -> None:
        """Know of no request yet."""
        self.app = app
        self.tasks: set[asyncio.Task[object]] = set()
        self.ended = False

    async def end(self) -> None:
        """Stop what is in progress and wait until it is answered."""
        self.ended = True
        logging.getLogger("uvicorn.error").disabled = True  # that a download broke off is no error now
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the app; answer it where the end comes first."""
        task = asyncio.current_task()
        if scope["type"] != "http" or not task:
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self.tasks.add(task)
        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            if not self.ended:
                raise
            if not begun:
                await refused(refusal(UNAVAILABLE, "The sandbox has ended."))(scope, receive, send)
        finally:
            self.tasks.discard(task)
