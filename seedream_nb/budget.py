"""What requests may cost and have cost: the estimate, a place kept before sending, the session's tally."""

from __future__ import annotations

import contextlib
import math
import os
import struct
import sys
import tempfile
import threading
import time
import weakref
from typing import TYPE_CHECKING, NamedTuple, Protocol

from seedream_nb.errors import BudgetError, SeedreamError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType
    from typing import Self

_UNITS_PER_DOLLAR = 10**9
"""Money is added up in whole billionths of a dollar: with floats, 0.1 + 0.2 would pass a budget of 0.3."""


_LOCK_SECONDS = 2.0
"""The longest that is waited for a process that has the tally; it takes some microseconds, unless it was halted."""


class Priced(Protocol):
    """What the budget needs to know of a request."""

    @property
    def max_pictures(self) -> int:
        """The most pictures that it can bring."""


def estimate(request: Priced, price: float) -> float:
    """Return the most that a request can cost, in USD, at `price` USD per picture."""
    return _dollars(request.max_pictures * _units(price))


def describe(request: Priced, price: float) -> str:
    """Return what a request can bring and cost, in words: `up to 4 pictures, at most 0.12 USD`."""
    if request.max_pictures == 1:
        return f"1 picture, {money(price)}"
    return f"up to {request.max_pictures} pictures, at most {money(estimate(request, price))}"


def money(dollars: float) -> str:
    """Return an amount as people write it: two decimals, more where it has more (`0.12 USD`, `0.005 USD`)."""
    whole, _, decimals = f"{dollars:.4f}".rstrip("0").partition(".")
    return f"{whole}.{decimals:0<2} USD"


class _Counts(NamedTuple):
    """What was counted, in billionths of a dollar."""

    spent: int = 0
    reserved: int = 0
    unknown: int = 0


class Tally:
    """What requests have cost and can cost, counted by any number of threads, and of processes forked from this one.

    From the first fork on it stands in a file without a name, which the children inherit. Its lock ends with the
    process that holds it, however that ends.
    """

    def __init__(self) -> None:
        """Count nothing yet."""
        self.is_cut_off = False
        """Whether this is a forked child that could not be given its parent's tally."""
        self._counts = _Counts()
        self._shared: _SharedFile | None = None
        self._lock = threading.RLock()

    @property
    def is_shared(self) -> bool:
        """Whether other processes count in it too, or may."""
        return self._sheet() is not None

    def counts(self) -> _Counts:
        """Return what is counted now."""
        sheet = self._sheet()
        return self._counts if sheet is None else sheet.read()

    def _sheet(self) -> _SharedFile | None:
        """Return the file that is counted in, if any; a daemon closes all files that it did not open itself."""
        if self._shared is not None and not self._shared.is_there():
            self._shared, self.is_cut_off = None, True
        return self._shared

    @contextlib.contextmanager
    def changing(self) -> Iterator[bool]:
        """Let nobody else count meanwhile; False where another process does not let go of it."""
        with self._lock:
            sheet = self._sheet()
            if sheet is None:
                yield True
                return
            taken = _lock(sheet.descriptor)
            try:
                yield taken
            finally:
                if taken and sheet.is_there():
                    _unlock(sheet.descriptor)

    def add(self, *, spent: int = 0, reserved: int = 0, unknown: int = 0) -> None:
        """Count some more, or less; by who is `changing` it."""
        now = self.counts()
        counts = _Counts(now.spent + spent, now.reserved + reserved, now.unknown + unknown)
        sheet = self._sheet()
        if sheet is None:
            self._counts = counts
        else:
            sheet.write(counts)

    def before_fork(self) -> None:
        """Put it where a child can count too; it holds still until `resume`."""
        self._lock.acquire()
        if self._sheet() is None and not self.is_cut_off:
            with contextlib.suppress(OSError):  # no room for it: the child is told so
                sheet = _SharedFile(self._counts)
                if _lock(sheet.descriptor):
                    _unlock(sheet.descriptor)
                    self._shared = sheet

    def resume(self) -> None:
        """Go on in the parent."""
        self._lock.release()

    def reset_after_fork(self) -> None:
        """Go on in the child, with the parent's tally if it could be shared."""
        self._lock = threading.RLock()
        self.is_cut_off = self._sheet() is None


class _SharedFile:
    """A file without a name, which forked processes count in; known by more than its number, which others may get."""

    def __init__(self, counts: _Counts) -> None:
        """Make it, with what was counted so far; OSError where there is no room for it."""
        with tempfile.TemporaryFile(prefix="seedream-", buffering=0) as file:
            os.pwrite(file.fileno(), _COUNTED.pack(*counts), 0)
            self.descriptor = os.dup(file.fileno())
        self._born = os.fstat(self.descriptor)
        weakref.finalize(self, _close, self.descriptor, self._born)

    def is_there(self) -> bool:
        """Whether nobody closed it; its number may be another file's by now, which must not be touched."""
        return _is_that(self.descriptor, self._born)

    def read(self) -> _Counts:
        """Return what is counted."""
        return _Counts(*_COUNTED.unpack(os.pread(self.descriptor, _COUNTED.size, 0)))

    def write(self, counts: _Counts) -> None:
        """Replace what is counted."""
        os.pwrite(self.descriptor, _COUNTED.pack(*counts), 0)


def _is_that(descriptor: int, born: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), born)
    except OSError:
        return False


def _close(descriptor: int, born: os.stat_result) -> None:
    if _is_that(descriptor, born):
        os.close(descriptor)


def is_worker() -> bool:
    """Return whether this process was started by `multiprocessing`, as those of a pool are."""
    known = sys.modules.get("multiprocessing.process")
    return known is not None and known.parent_process() is not None


_COUNTED = struct.Struct("=3q")


def _lock(descriptor: int) -> bool:
    """Lock a file against other processes; False where it can't be had in time."""
    import fcntl

    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= until:
                return False
            time.sleep(0.001)
        except OSError:
            return False
        else:
            return True


def _unlock(descriptor: int) -> None:
    import fcntl

    fcntl.lockf(descriptor, fcntl.LOCK_UN)


class Budget:
    """What this session may spend, has spent, and has in flight; any number of threads may use it at once.

    A request's upper estimate is kept before it is sent, so that requests side by side can't pass the limit
    together.
    """

    def __init__(self, *, limit: float | None, price: float, tally: Tally | None = None) -> None:
        """Allow `limit` USD in all (None: any amount), at `price` USD a picture; both may be changed.

        Children that are forked from this process count in the same `tally`.
        """
        self.limit = limit
        self.price = price
        self.tally = tally or Tally()

    @property
    def spent(self) -> float:
        """USD for pictures that came."""
        return _dollars(self.tally.counts().spent)

    @property
    def reserved(self) -> float:
        """USD that the requests in flight can cost at most."""
        return _dollars(self.tally.counts().reserved)

    @property
    def may_have_been_billed(self) -> float:
        """USD that requests of unknown outcome can have cost at most."""
        return _dollars(self.tally.counts().unknown)

    @property
    def left(self) -> float:
        """USD that may still be spent under the limit; endless without one."""
        return math.inf if self.limit is None else _dollars(max(0, self._left(self.limit)))

    def _left(self, limit: float) -> int:
        return _units(limit) - sum(self.tally.counts())

    def reserve(self, request: Priced, price: float | None = None) -> Reservation:
        """Keep the upper estimate of a request, at its own price if it has one, until it is known what it cost.

        Raises:
            BudgetError: it could pass the limit, together with what was spent, is in flight, or may have been
                billed.
        """
        price = self.price if price is None else price
        most = request.max_pictures * _units(price)
        with self.tally.changing() as is_ours:
            if trouble := self._refusal_of(request, most, price, is_counted=is_ours):
                raise trouble
            self.tally.add(reserved=most)
        return Reservation(self, most)

    def refusal_of(self, request: Priced, price: float | None = None) -> BudgetError | None:
        """Return the error with which a request would be refused now, or None; nothing is counted."""
        price = self.price if price is None else price
        return self._refusal_of(request, request.max_pictures * _units(price), price)

    def _refusal_of(self, request: Priced, most: int, price: float, *, is_counted: bool = True) -> BudgetError | None:
        if self.limit is None or not most:
            return None
        if self.tally.is_cut_off:
            return BudgetError(_CUT_OFF, hint=_USE_THREADS)
        if not is_counted:
            return BudgetError(_HALTED, hint=_END_IT)
        left = self._left(self.limit)
        if most <= left:
            return None
        return BudgetError(self._refusal(request, left, price), hint=self._remedy(most - left, left, price))

    def _refusal(self, request: Priced, left: int, price: float) -> str:
        kinds = zip(self.tally.counts(), ("spent", "in flight", "that may have been billed"), strict=True)
        taken = [f"{money(_dollars(units))} {what}" for units, what in kinds if units]
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


_TOLD = ("released", "unknown", "settled")
_CUT_OFF = "This process was forked from another, and could not be given a share in that one's budget."
_USE_THREADS = (
    "Nothing was sent, nothing was billed. Use threads in place of processes, or take the limit off here: "
    "%seedream config budget="
)
_HALTED = "Another process of this budget was stopped while it counted, so nobody knows how much is left."
_END_IT = "Nothing was sent, nothing was billed. Let that process go on, or end it; then run this again."


class Reservation:
    """The place of one request in the budget, until it is known what it cost.

    As a context manager it is given back at the end of the block if nothing was said; but if the block ends
    with an error that isn't one of ours, nobody knows what was billed, and it stays counted.
    """

    def __init__(self, budget: Budget, most: int) -> None:
        """Made by `Budget.reserve`, which has counted `most` units already."""
        self._tally = budget.tally
        self._max = most
        self._state = "open"
        self._process = os.getpid()

    def settle(self, cost: float) -> None:
        """Count what the request did cost, in USD, in place of its estimate; it replaces `unknown`."""
        self._leave("settled", unless={"settled"}, spent=_units(cost))

    def release(self) -> None:
        """Give the place back: certainly not billed. Without effect once another outcome was told."""
        self._leave("released")

    def unknown(self) -> None:
        """Keep the upper estimate counted, apart, as what may have been billed."""
        self._leave("unknown", unknown=self._max)

    def __enter__(self) -> Self:
        """Hold the place for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the place back, unless another outcome was told or can't be known."""
        if _is_known_outcome(error):
            self.release()
        else:
            self.unknown()

    def _leave(self, state: str, *, unless: Collection[str] = _TOLD, spent: int = 0, unknown: int = 0) -> None:
        if self._process != os.getpid():  # a fork of the one that has sent it, which counts it
            return
        with self._tally.changing():  # even where another process was halted: what was paid must be counted
            if self._state in unless:
                return
            was_open, was_unknown = self._state == "open", self._state == "unknown"
            self._tally.add(
                reserved=-self._max if was_open else 0,
                unknown=unknown - (self._max if was_unknown else 0),
                spent=spent,
            )
            self._state = state


def _is_known_outcome(error: BaseException | None) -> bool:
    from asyncio import CancelledError

    return error is None or isinstance(error, (SeedreamError, CancelledError))


def _units(dollars: float) -> int:
    return round(dollars * _UNITS_PER_DOLLAR)


def _dollars(units: int) -> float:
    return units / _UNITS_PER_DOLLAR
