"""What requests may cost and have cost: the estimate, a place kept before sending, the session's tally."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Protocol

from seedream_nb.errors import BudgetError, SeedreamError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_UNITS_PER_DOLLAR = 10**9
"""Money is added up in whole billionths of a dollar: with floats, 0.1 + 0.2 would pass a budget of 0.3."""


class Asked(Protocol):
    """What the budget needs to know of a request."""

    @property
    def most(self) -> int:
        """The most pictures that it can bring."""


def estimate(request: Asked, price: float) -> float:
    """Return the most that a request can cost, in USD, at `price` USD per picture."""
    return _dollars(request.most * _units(price))


def describe(request: Asked, price: float) -> str:
    """Return what a request can bring and cost, in words: `up to 4 pictures, at most 0.12 USD`."""
    if request.most == 1:
        return f"1 picture, {money(price)}"
    return f"up to {request.most} pictures, at most {money(estimate(request, price))}"


def money(dollars: float) -> str:
    """Return an amount as people write it: two decimals, more where it has more (`0.12 USD`, `0.005 USD`)."""
    whole, _, decimals = f"{dollars:.4f}".rstrip("0").partition(".")
    return f"{whole}.{decimals:0<2} USD"


class Budget:
    """What this session may spend, has spent, and has in flight; any number of threads may use it at once.

    A request's upper estimate is kept before it is sent, so that requests side by side can't pass the limit
    together.
    """

    def __init__(self, *, limit: float | None, price: float) -> None:
        """Allow `limit` USD in all (None: any amount), at `price` USD a picture; both may be changed."""
        self.limit = limit
        self.price = price
        self._lock = threading.Lock()
        self._spent = self._reserved = self._unknown = 0

    @property
    def spent(self) -> float:
        """USD for pictures that came."""
        return _dollars(self._spent)

    @property
    def reserved(self) -> float:
        """USD that the requests in flight can cost at most."""
        return _dollars(self._reserved)

    @property
    def may_have_been_billed(self) -> float:
        """USD that requests of unknown outcome can have cost at most."""
        return _dollars(self._unknown)

    @property
    def left(self) -> float:
        """USD that may still be spent under the limit; endless without one."""
        return math.inf if self.limit is None else _dollars(max(0, self._left(self.limit)))

    def _left(self, limit: float) -> int:
        return _units(limit) - self._spent - self._reserved - self._unknown

    def reserve(self, request: Asked, price: float | None = None) -> Reservation:
        """Keep the upper estimate of a request, at its own price if it has one, until it is known what it cost.

        Raises:
            BudgetError: it could pass the limit, together with what was spent, is in flight, or may have been
                billed.
        """
        price = self.price if price is None else price
        most = request.most * _units(price)
        with self._lock:
            if trouble := self._trouble_with(request, most, price):
                raise trouble
            self._reserved += most
        return Reservation(self, most)

    def trouble_with(self, request: Asked, price: float | None = None) -> BudgetError | None:
        """Return the error with which a request would be refused now, or None; nothing is counted."""
        price = self.price if price is None else price
        with self._lock:
            return self._trouble_with(request, request.most * _units(price), price)

    def _trouble_with(self, request: Asked, most: int, price: float) -> BudgetError | None:
        if self.limit is None or not most:
            return None
        left = self._left(self.limit)
        if most <= left:
            return None
        return BudgetError(self._refusal(request, left, price), hint=self._remedy(most - left, left, price))

    def _refusal(self, request: Asked, left: int, price: float) -> str:
        taken = [
            f"{money(_dollars(units))} {what}"
            for units, what in (
                (self._spent, "spent"),
                (self._reserved, "in flight"),
                (self._unknown, "that may have been billed"),
            )
            if units
        ]
        why = f" ({', '.join(taken)})" if taken else ""
        return (
            f"This could pass the budget: {describe(request, price)}, "
            f"and {money(_dollars(max(left, 0)))} is left of {money(self.limit or 0)}{why}."
        )

    def _remedy(self, lacking: int, left: int, price: float) -> str:
        # Rounded up to a cent, so that the amount named is enough.
        cents = -(-(_units(self.limit or 0) + lacking) * 100 // _UNITS_PER_DOLLAR)
        affordable = max(left, 0) // _units(price) if _units(price) else 0
        fewer = f", or ask for at most {affordable} (-n {affordable})" if affordable else ""
        more = f"%seedream config budget={cents / 100:.2f}"
        return f"Nothing was sent, nothing was billed. Allow more: {more}{fewer}"

    def _move(self, *, reserved: int = 0, unknown: int = 0, spent: int = 0) -> None:
        self._reserved += reserved
        self._unknown += unknown
        self._spent += spent


class Reservation:
    """The place of one request in the budget, until it is known what it cost.

    As a context manager it is given back at the end of the block if nothing was said; but if the block ends
    with an error that isn't one of ours, nobody knows what was billed, and it stays counted.
    """

    def __init__(self, budget: Budget, most: int) -> None:
        """Made by `Budget.reserve`, which has counted `most` units already."""
        self._budget = budget
        self._most = most
        self._state = "open"

    def settle(self, cost: float) -> None:
        """Count what the request did cost, in USD, in place of its estimate; it replaces `unknown`."""
        with self._budget._lock:  # noqa: SLF001 - the two halves of one tally
            if self._state != "settled":
                self._leave("settled", spent=_units(cost))

    def release(self) -> None:
        """Give the place back: certainly not billed. Without effect once another outcome was told."""
        with self._budget._lock:  # noqa: SLF001 - the two halves of one tally
            if self._state == "open":
                self._leave("released")

    def unknown(self) -> None:
        """Keep the upper estimate counted, apart, as what may have been billed."""
        with self._budget._lock:  # noqa: SLF001 - the two halves of one tally
            if self._state == "open":
                self._leave("unknown", unknown=self._most)

    def __enter__(self) -> Self:
        """Hold the place for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the place back, unless another outcome was told or can't be known."""
        if _is_understood(error):
            self.release()
        else:
            self.unknown()

    def _leave(self, state: str, *, spent: int = 0, unknown: int = 0) -> None:
        was_open, was_unknown = self._state == "open", self._state == "unknown"
        self._budget._move(  # noqa: SLF001 - the two halves of one tally
            reserved=-self._most if was_open else 0,
            unknown=unknown - (self._most if was_unknown else 0),
            spent=spent,
        )
        self._state = state


def _is_understood(error: BaseException | None) -> bool:
    from asyncio import CancelledError

    return error is None or isinstance(error, (SeedreamError, CancelledError))


def _units(dollars: float) -> int:
    return round(dollars * _UNITS_PER_DOLLAR)


def _dollars(units: int) -> float:
    return units / _UNITS_PER_DOLLAR
