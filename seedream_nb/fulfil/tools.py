"""What the procedure works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

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


async def in_thread(function: Callable[[], Result]) -> Result:
    """Run blocking work away from the loop."""
    return await anyio.to_thread.run_sync(function)
