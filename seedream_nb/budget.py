"""What requests may cost and have cost: estimates, reservations made before sending, and the session's tally."""

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

from seedream_nb.errors import BudgetError, SeedreamError, money

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from types import TracebackType
    from typing import Self

_UNITS_PER_DOLLAR = 10**9
"""Money is counted in whole billionths of a dollar: as floats, 0.1 + 0.2 would exceed a budget of 0.3."""

_LOCK_SECONDS = 2.0
"""The longest wait for a process that holds the lock; it does so for microseconds, unless it was suspended."""


class Priced(Protocol):
    """What the budget needs to know of a request."""

    @property
    def max_pictures(self) -> int:
        """The most pictures that can come."""


class Pictures(NamedTuple):
    """What several requests ask for together."""

    max_pictures: int


def estimate(request: Priced, price: float) -> float:
    """Return the most that a request can cost, in USD, at `price` USD per picture."""
    return _dollars(request.max_pictures * _units(price))


def describe(request: Priced, price: float) -> str:
    """Describe what a request can bring and cost: `up to 4 pictures, at most 0.12 USD`."""
    if request.max_pictures == 1:
        return f"1 picture, {money(price)}"
    return f"up to {request.max_pictures} pictures, at most {money(estimate(request, price))}"


class _Counts(NamedTuple):
    """In billionths of a dollar."""

    spent: int = 0
    reserved: int = 0
    unknown: int = 0


class Tally:
    """What requests have cost and can cost, shared by all threads, and by processes forked from this one.

    From the first fork on it is kept in an unnamed file, which the children inherit. Its lock is released when the
    process that holds it ends, however it ends.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.is_cut_off = False
        """Whether this is a forked child that could not be given its parent's tally."""
        self._counts = _Counts()
        self._shared: _SharedFile | None = None
        self._lock = threading.RLock()

    @property
    def is_shared(self) -> bool:
        """Whether other processes use it too, or may."""
        return self._sheet() is not None

    def counts(self) -> _Counts:
        """Return the current counts."""
        sheet = self._sheet()
        return self._counts if sheet is None else sheet.read()

    def _sheet(self) -> _SharedFile | None:
        """Return the shared file, if any; a daemon closes all files that it did not open itself."""
        if self._shared is not None and not self._shared.is_there():
            self._shared, self.is_cut_off = None, True
        return self._shared

    @contextlib.contextmanager
    def changing(self) -> Iterator[bool]:
        """Lock it for a block; gives False if another process does not release it in time."""
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
        """Add to the counts, or subtract; call it within `changing`."""
        now = self.counts()
        counts = _Counts(now.spent + spent, now.reserved + reserved, now.unknown + unknown)
        sheet = self._sheet()
        if sheet is None:
            self._counts = counts
        else:
            sheet.write(counts)

    def before_fork(self) -> None:
        """Move it to a shared file, and lock it until `resume`."""
        self._lock.acquire()
        if self._sheet() is None and not self.is_cut_off:
            with contextlib.suppress(OSError):  # no room for it: the child's budget then refuses
                sheet = _SharedFile(self._counts)
                if _lock(sheet.descriptor):
                    _unlock(sheet.descriptor)
                    self._shared = sheet

    def resume(self) -> None:
        """Go on in the parent."""
        self._lock.release()

    def reset_after_fork(self) -> None:
        """Continue in the child, with the parent's tally if it could be shared."""
        self._lock = threading.RLock()
        self.is_cut_off = self._sheet() is None


class _SharedFile:
    """The counts in an unnamed file, shared by forked processes."""

    def __init__(self, counts: _Counts) -> None:
        """Create it with these counts; raises OSError when the disk is full."""
        with tempfile.TemporaryFile(prefix="seedream-", buffering=0) as file:
            os.pwrite(file.fileno(), _COUNTED.pack(*counts), 0)
            self.descriptor = os.dup(file.fileno())
        self._born = os.fstat(self.descriptor)
        weakref.finalize(self, _close, self.descriptor, self._born)

    def is_there(self) -> bool:
        """Whether it is still open; its descriptor may have been reused for another file, which must not be touched."""
        return _is_that(self.descriptor, self._born)

    def read(self) -> _Counts:
        """Return the counts."""
        return _Counts(*_COUNTED.unpack(os.pread(self.descriptor, _COUNTED.size, 0)))

    def write(self, counts: _Counts) -> None:
        """Replace the counts."""
        os.pwrite(self.descriptor, _COUNTED.pack(*counts), 0)


def _is_that(descriptor: int, load_reference: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), load_reference)
    except OSError:
        return False


def _close(descriptor: int, load_reference: os.stat_result) -> None:
    if _is_that(descriptor, load_reference):
        os.close(descriptor)


def is_worker() -> bool:
    """Return whether `multiprocessing` started this process, as in a pool."""
    known = sys.modules.get("multiprocessing.process")
    return known is not None and known.parent_process() is not None


_COUNTED = struct.Struct("=3q")


def _lock(descriptor: int) -> bool:
    """Lock a file against other processes; return False if that takes too long."""
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
    """What this session may spend, has spent, and has in flight. Thread-safe.

    A request's upper estimate is reserved before it is sent, so that concurrent requests can't exceed the limit
    together.
    """

    def __init__(self, *, limit: float | Callable[[], float | None] | None, tally: Tally | None = None) -> None:
        """Allow `limit` USD in all (None: any amount); that may be changed, and a function is asked each time."""
        self._limit = limit
        self.tally = tally or Tally()

    @property
    def limit(self) -> float | None:
        """USD that may be spent in all, as it stands now; None: any amount."""
        return self._limit() if callable(self._limit) else self._limit

    @limit.setter
    def limit(self, limit: float | None) -> None:
        self._limit = limit

    @property
    def spent(self) -> float:
        """USD for the pictures received."""
        return _dollars(self.tally.counts().spent)

    @property
    def reserved(self) -> float:
        """The most that the requests in flight can cost, in USD."""
        return _dollars(self.tally.counts().reserved)

    @property
    def may_have_been_billed(self) -> float:
        """The most that requests of unknown outcome can have cost, in USD."""
        return _dollars(self.tally.counts().unknown)

    @property
    def left(self) -> float:
        """USD that may still be spent; infinite without a limit."""
        limit = self.limit
        return math.inf if limit is None else _dollars(max(0, self._left(limit)))

    def _left(self, limit: float) -> int:
        return _units(limit) - sum(self.tally.counts())

    def reserve(self, request: Priced, price: float) -> Reservation:
        """Reserve the upper estimate of a request, at `price` USD a picture, until its cost is known.

        Raises:
            BudgetError: it could exceed the limit, together with what was spent, is in flight, or may have been
                billed.
        """
        units = request.max_pictures * _units(price)
        with self.tally.changing() as is_locked:
            if error := self._refusal_of(request, units, price, is_locked=is_locked):
                raise error
            self.tally.add(reserved=units)
        return Reservation(self, units)

    def reserve_all(self, requests: Sequence[tuple[Priced, float]]) -> list[Reservation]:
        """Reserve the upper estimates of several requests, each with its USD a picture: all of them or none.

        Raises:
            BudgetError: together they could exceed the limit; nothing is reserved.
        """
        units = [request.max_pictures * _units(price) for request, price in requests]
        whole = Pictures(sum(request.max_pictures for request, _ in requests))
        average = _dollars(sum(units)) / max(1, whole.max_pictures)
        with self.tally.changing() as is_locked:
            if error := self._refusal_of(whole, sum(units), average, is_locked=is_locked):
                raise error
            self.tally.add(reserved=sum(units))
        return [Reservation(self, each) for each in units]

    def confirm(self, reservation: Reservation, request: Priced, price: float) -> None:
        """Make sure, just before a request is sent, that what was reserved for it still fits.

        While it waited, the limit may have been lowered, or others may have cost more than their estimate.

        Raises:
            BudgetError: it does not; nothing was sent.
        """
        with self.tally.changing() as is_locked:
            if error := self._refusal_of(request, reservation.units, price, is_locked=is_locked, own=reservation.units):
                raise error

    def refusal_of(self, request: Priced, price: float) -> BudgetError | None:
        """Return the error with which a request would be refused now, or None; nothing is reserved."""
        return self._refusal_of(request, request.max_pictures * _units(price), price)

    def _refusal_of(
        self, request: Priced, units: int, price: float, *, is_locked: bool = True, own: int = 0
    ) -> BudgetError | None:
        """Return why `units` can't be had; `own` of them are reserved already."""
        limit = self.limit
        if limit is None or not units:
            return None
        if self.tally.is_cut_off:
            return BudgetError(_CUT_OFF, hint=_USE_THREADS)
        if not is_locked:
            return BudgetError(_HALTED, hint=_END_IT)
        left = self._left(limit) + own
        if units <= left:
            return None
        told = self._refusal(request, left, price, limit=limit, own=own)
        how = " (-n {})" if not isinstance(request, Pictures) else f" picture{'s' * (left // _units(price) != 1)}"
        return BudgetError(told, hint=self._remedy(units - left, left, price, limit=limit, how=how))

    def _refusal(self, request: Priced, left: int, price: float, *, limit: float, own: int) -> str:
        spent, reserved, unknown = self.tally.counts()
        kinds = (spent, "spent"), (reserved - own, "in flight"), (unknown, "that may have been billed")
        taken = [f"{money(_dollars(units))} {what}" for units, what in kinds if units]
        why = f" ({', '.join(taken)})" if taken else ""
        return (
            f"This could exceed the budget: {describe(request, price)}, "
            f"and {money(_dollars(max(left, 0)))} is left of {money(limit)}{why}."
        )

    def _remedy(self, lacking: int, left: int, price: float, *, limit: float, how: str) -> str:
        # Rounded up to a cent, so that the amount named is enough.
        cents = -(-(_units(limit) + lacking) * 100 // _UNITS_PER_DOLLAR)
        affordable = max(left, 0) // _units(price) if _units(price) else 0
        fewer = f", or ask for at most {affordable}{how.format(affordable)}" if affordable else ""
        more = f"%seedream config budget={cents / 100:.2f}"
        return f"Nothing was sent, nothing was billed. Allow more: {more}{fewer}"


_CLOSED = ("released", "unknown", "settled")
_CUT_OFF = "This process was forked from another, and could not share that one's budget."
_USE_THREADS = (
    "Nothing was sent, nothing was billed. Use threads instead of processes, or remove the limit here: "
    "%seedream config budget="
)
_HALTED = "Another process that shares this budget was suspended while using it, so it is unknown how much is left."
_END_IT = "Nothing was sent, nothing was billed. Resume or end that process, then run this again."


class Reservation:
    """What one request can cost, set aside in the budget until its cost is known.

    As a context manager it is released at the end of the block if its outcome is still open; but after an error that
    isn't one of ours, nobody knows what was billed, and it stays counted.
    """

    def __init__(self, budget: Budget, units: int) -> None:
        """Made by `Budget.reserve`, which has added these `units` already."""
        self._tally = budget.tally
        self.units = units
        self._state = "open"
        self._process = os.getpid()

    def settle(self, cost: float) -> None:
        """Replace the estimate with what the request did cost, in USD; also after `unknown`."""
        self._leave("settled", unless={"settled"}, spent=_units(cost))

    def release(self) -> None:
        """Release it: certainly not billed. Without effect once there is another outcome."""
        self._leave("released")

    def unknown(self) -> None:
        """Count the upper estimate as what may have been billed."""
        self._leave("unknown", unknown=self.units)

    def __enter__(self) -> Self:
        """Hold it for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release it, unless there is another outcome or none can be known."""
        if _is_known_outcome(error):
            self.release()
        else:
            self.unknown()

    def _leave(self, state: str, *, unless: Collection[str] = _CLOSED, spent: int = 0, unknown: int = 0) -> None:
        if self._process != os.getpid():  # a fork; the process that sent it counts it
            return
        with self._tally.changing():  # even where another process was suspended: what was paid must be counted
            if self._state in unless:
                return
            was_open, was_unknown = self._state == "open", self._state == "unknown"
            self._tally.add(
                reserved=-self.units if was_open else 0,
                unknown=unknown - (self.units if was_unknown else 0),
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
