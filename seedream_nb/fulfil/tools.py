"""What the procedure works with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from seedream_nb.journal import Claim
from seedream_nb.keys import Secrets
from seedream_nb.service.echoes import blotted, blotted_content, blotted_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.archive import History
    from seedream_nb.budget import Budget
    from seedream_nb.client import Client
    from seedream_nb.generation import Verbs
    from seedream_nb.journal import Journal
    from seedream_nb.store import Store

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Tools:
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
