"""What all kernels of a folder may spend in a day, by its journal: it outlives a restart."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from seedream_nb.budget import describe
from seedream_nb.errors import BudgetError, money
from seedream_nb.jobs.entries import in_thread
from seedream_nb.storage.locks import Claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from seedream_nb.budget import Priced
    from seedream_nb.jobs.entries import PipelineContext

TRY_SECONDS = 0.02
LOOKS = 10
"""How often to look before a request is refused: a reply of this session that was just written down counts twice, as
spent and as reserved, until its reservation is settled."""
CENTS = 100


def midnight(now: datetime | None = None) -> datetime:
    """Return when this day began here, or that of a moment; on the day when the clocks change, before they did."""
    here = datetime.now().astimezone() if now is None else now.astimezone()
    return here.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0).astimezone()


def refusal(context: PipelineContext, request: Priced, price: float, *, reserved: float) -> BudgetError | None:
    """Return why a request would not be sent today, or None.

    Args:
        context: with the journal, and the limit.
        request: what is asked for.
        price: USD a picture.
        reserved: USD of what this session has in flight or in line, this request included.
    """
    limit = context.daily_budget()
    if limit is None or not price:
        return None
    spent = context.history.spent_since(midnight())
    over = spent + reserved - limit
    if over <= 1e-9:  # noqa: PLR2004 - the rounding of sums
        return None
    own = request.max_pictures * price
    left, others = max(0.0, limit - spent - reserved + own), reserved - own
    counted = [f"{money(spent)} today by the journal", *([f"{money(others)} in flight"] if others > 0 else [])]
    told = (
        f"This could exceed the daily budget: {describe(request, price)}, and {money(left)} is left of {money(limit)} "
        f"({', '.join(counted)})."
    )
    enough = -(-(limit + over) * CENTS // 1) / CENTS
    hint = f"Nothing was sent, nothing was billed. Allow more: %seedream config daily_budget={enough:.2f}"
    return BudgetError(told, hint=hint)


@asynccontextmanager
async def within_the_day(context: PipelineContext, request: Priced, price: float) -> AsyncIterator[None]:
    """Write down an intent in this block: no other kernel can spend what is left meanwhile.

    Raises:
        BudgetError: it could exceed the daily budget.
    """
    if context.daily_budget() is None or not price:
        yield
        return
    claim = Claim(context.store.journal / "claims" / "daily-budget")
    try:
        while await in_thread(claim.take) is False:  # noqa: ASYNC110 - another kernel holds it, and sets no event here
            await asyncio.sleep(TRY_SECONDS)
        for left in reversed(range(LOOKS)):
            error = await in_thread(lambda: refusal(context, request, price, reserved=context.budget.reserved))
            if error is None:
                break
            if not left:
                raise error
            await asyncio.sleep(TRY_SECONDS)
        yield
    finally:
        claim.release()
