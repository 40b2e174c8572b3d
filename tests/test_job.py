"""A job: waiting, awaiting, stopping before and after the last byte, and the end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import linecache
import sys
import threading
import time
import warnings
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from seedream_nb.background import Background
from seedream_nb.errors import (
    ConnectionFailedError,
    OutcomeUnknownError,
    SeedreamError,
    StillGeneratingError,
    StoppedError,
)
from seedream_nb.http.client import RetryDelay
from seedream_nb.jobs.job import Job, still_running, timed_out
from seedream_nb.jobs.queue import JobQueue
from seedream_nb.request import make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from tests.conftest import NewSession

Work = "Callable[[Job], Coroutine[Any, Any, None]]"


class Made:
    """Stands for a generation: a job only asks for its status."""

    status = "done"


def begin(work: Callable[[Job], Coroutine[Any, Any, None]], *, timeout: float = 60.0) -> Job:
    """Start a job that does `work`."""
    job = Job(make_request("a fox"), backend="sandbox", host="sandbox", price=0.03, timeout=timeout)
    job.start(Background(), lambda: work(job))
    return job


async def finish(job: Job) -> None:
    """Work that is done at once."""
    job.finish(Made())  # type: ignore[arg-type]


async def sleep_unsent(_job: Job) -> None:
    """Work that stays before sending."""
    await asyncio.sleep(60)


class Struck(Background):
    """A background with another interrupt for whoever asks it anything."""

    def call(self, *_: object, **__: object) -> Any:
        """Interrupt."""
        raise KeyboardInterrupt


def interrupted_at(nth: int, job: Job) -> BaseException | None:
    """Return what `result()` raises when an interrupt strikes at its nth line."""
    left = nth

    def line(_frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        left -= event == "line"
        if event == "line" and left == 0:
            raise KeyboardInterrupt
        return line

    def call(frame: FrameType, _event: str, _: object) -> Any:
        return line if frame.f_code is Job.result.__code__ else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        job.result()
    except BaseException as error:  # noqa: BLE001 - that is asked
        return error
    finally:
        sys.settrace(before)
    return None


@pytest.mark.parametrize("nth", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("kind", [Background, Struck], ids=["once", "twice"])
def test_whenever_a_wait_is_interrupted_it_says_what_goes_on(nth: int, kind: type[Background]) -> None:
    """In its first lines, and again while it stops: the error is ours, and says whether it may be billed."""
    background = kind()
    job = Job(make_request("a fox"), backend="novita", host="novita", price=0.03, timeout=60.0)
    job.start(background, lambda: sleep_unsent(job))
    error = interrupted_at(nth, job)
    assert isinstance(error, StoppedError), error
    assert "billed" in str(error)
    background.stop()


async def sleep_sent(job: Job) -> None:
    """Work that has sent its request and waits 0.3 s for the reply."""
    job.commit()
    await asyncio.sleep(0.3)
    job.finish(Made())  # type: ignore[arg-type]


async def fail(_job: Job) -> None:
    """Work that fails."""
    raise ConnectionFailedError("no way")


async def break_down(_job: Job) -> None:
    """Work that has a fault of its own."""
    raise KeyError("oops")


def ended(job: Job) -> None:
    """Wait until the work has ended."""
    while not job.over:
        time.sleep(0.005)


def sent(job: Job) -> Job:
    """Wait until the job has sent its request."""
    while job.sent is None:
        time.sleep(0.005)
    return job


def test_a_job_gives_its_result() -> None:
    """`result()` returns what was made, and the status is its status."""
    job = begin(finish)
    assert isinstance(job.result(), Made)
    assert (job.status, job.over) == ("done", True)


def test_a_job_can_be_awaited_on_another_loop() -> None:
    """`await job` works on the caller's own event loop."""

    async def main() -> object:
        return await begin(finish)

    assert isinstance(asyncio.run(main()), Made)


def test_awaiting_a_stopped_job_ends_no_loop() -> None:
    """On an event loop a stop is told by an error that is no KeyboardInterrupt: in a task that would end the loop."""

    async def main() -> object:
        job = begin(sleep_unsent)
        job.cancel()
        (outcome,) = await asyncio.gather(job, return_exceptions=True)
        return outcome

    error = asyncio.run(main())
    assert isinstance(error, SeedreamError)
    assert not isinstance(error, KeyboardInterrupt)
    assert "Nothing was billed" in str(error)


def test_giving_up_an_await_does_not_stop_the_job() -> None:
    """A cancelled `await job` leaves the job to go on."""

    async def main() -> Job:
        job = begin(sleep_sent)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job, 0.05)
        return job

    assert isinstance(asyncio.run(main()).result(), Made)


def test_a_failure_is_raised_to_who_waits() -> None:
    """An error of the work comes out of `result()`."""
    job = begin(fail)
    with pytest.raises(ConnectionFailedError, match="no way"):
        job.result()
    assert job.status == "failed"


def test_a_fault_of_our_own_ends_the_wait_too() -> None:
    """An unexpected error is told as one of ours; nobody waits for ever."""
    with pytest.raises(SeedreamError, match="KeyError"):
        begin(break_down).result()


def test_the_wait_ends_after_the_time_given_and_the_work_goes_on() -> None:
    """`result(timeout=)` raises StillGeneratingError; a later `result()` has the result."""
    job = begin(sleep_sent)
    with pytest.raises(StillGeneratingError):
        job.result(timeout=0.05)
    assert isinstance(job.result(timeout=10), Made)


@pytest.mark.slow
def test_the_jobs_own_timeout_counts_from_the_last_byte_sent() -> None:
    """Without an argument the job's timeout holds, and does not run before the request is sent."""

    async def slow_upload(job: Job) -> None:
        await asyncio.sleep(0.4)
        await sleep_sent(job)

    started = time.monotonic()
    with pytest.raises(StillGeneratingError):
        begin(slow_upload, timeout=0.1).result()
    assert time.monotonic() - started >= 0.5


def test_before_sending_a_stop_withdraws() -> None:
    """A job stopped before its last byte ends, and says that nothing was billed."""
    job = begin(sleep_unsent)
    job.cancel()
    with pytest.raises(StoppedError, match="Nothing was billed"):
        job.result()
    ended(job)
    assert job.status == "stopped"


def test_after_sending_a_stop_lets_the_work_go_on() -> None:
    """A job stopped after its last byte says so, and its result still comes."""
    job = sent(begin(sleep_sent))
    job.cancel()
    with pytest.raises(StoppedError, match="goes on"):
        job.result()
    status = [job.status]
    ended(job)
    assert job.generation is not None
    assert [*status, job.status] == ["generating", "done"]


def test_a_stop_after_the_end_changes_nothing() -> None:
    """A job that is done stays done."""
    job = begin(finish)
    job.result()
    job.cancel()
    assert isinstance(job.result(), Made)


def test_a_stop_before_the_loop_came_to_it_is_not_lost() -> None:
    """A job cancelled in the same moment as it was started does not run on."""
    for _ in range(50):
        job = begin(sleep_unsent)
        job.cancel()
        with pytest.raises(StoppedError):
            job.result(timeout=5)


def test_a_stop_before_it_began_ends_it() -> None:
    """Interrupted between its making and its start: nobody would ever work on it, and nobody may wait for it."""
    job = Job(make_request("a fox"), backend="sandbox", host="sandbox", price=0.03, timeout=60.0)
    job.cancel()
    with pytest.raises(StoppedError, match="Nothing was billed"):
        job.result(1)
    assert job.over


def interrupted_while_begun(nth: int, submit: Callable[[], Job]) -> bool:
    """Let an interrupt strike at the nth step in which work is handed to the loop; return whether it came so far."""
    left, handing = nth, {Job.start.__code__, Background.start.__code__}

    def step(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        counts = frame.f_code in handing or text.startswith("job.start(")
        if event == "opcode" and counts and not text.startswith("with "):  # there a lock might be left behind
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return step

    def call(frame: FrameType, _event: str, _: object) -> Any:
        frame.f_trace_opcodes = frame.f_code in handing or frame.f_code.co_name == "_submit"
        return step if frame.f_trace_opcodes else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        submit()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return left <= 0


@pytest.mark.slow
def test_wherever_its_begin_is_interrupted_no_work_is_dropped_in_silence(new_session: NewSession) -> None:
    """Python says "never awaited" of a coroutine that nobody took over, beneath the cell that was interrupted."""
    session, nth = new_session(), 1
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        while interrupted_while_begun(nth, partial(session.start, f"fox {nth}")):
            nth += 1
        gc.collect()
    assert nth > 20
    assert [str(each.message) for each in told] == []


class Deaf(Background):
    """Stands for a loop whose `start` was interrupted before it was handed the work."""

    def start(self, work: object) -> Any:
        """Take nothing over."""


def test_a_stop_of_work_that_was_never_handed_over_ends_it() -> None:
    """Interrupted within its start: nobody would ever end it."""
    job = Job(make_request("a fox"), backend="sandbox", host="sandbox", price=0.03, timeout=60.0)
    job.start(Deaf(), lambda: finish(job))
    job.cancel()
    with pytest.raises(StoppedError, match="Nothing was billed"):
        job.result(1)
    ended(job)


# -- a thread that dies ------------------------------------------------------------------------------


async def die() -> None:
    """End the thread of the loop that this runs on."""
    raise SystemExit


def bury(loop: asyncio.AbstractEventLoop) -> None:
    """End what a dead thread left on its loop, so that nothing of it outlives the test."""
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        with contextlib.suppress(SystemExit):
            loop.run_until_complete(asyncio.wait(tasks))
    loop.close()


@pytest.fixture(params=["sent", "unsent"])
def lost(request: pytest.FixtureRequest) -> Iterator[Job]:
    """Give a job whose thread has died, and could not even cancel what was on it: another such end came upon that."""
    background = Background()
    job = Job(make_request("a fox"), backend="novita", host="a", price=0.03, timeout=60.0)

    async def work() -> None:
        if request.param == "sent":
            job.commit()
        await asyncio.sleep(60)

    job.start(background, work)
    loop, thread = background.call(asyncio.get_running_loop), background.thread
    assert thread is not None
    dying = background.call(lambda: [loop.create_task(die()) for _ in range(3)])
    thread.join(10)
    yield job
    bury(loop)
    assert [type(task.exception()) for task in dying if not task.cancelled()].count(SystemExit) > 1


async def patient(job: Job) -> object:
    """Await a job, but not for ever."""
    return await asyncio.wait_for(job, 10)


def lingering(job: Job) -> None:
    """Let a script end, and raise what came of the job, unless that takes for ever."""
    jobs = JobQueue(lingers=True)
    jobs.add(job)
    ending = threading.Thread(target=jobs._end, daemon=True)  # noqa: SLF001 - what the process's end calls
    ending.start()
    ending.join(10)
    assert job.over
    assert job.error is not None
    raise job.error


def watching(job: Job) -> None:
    """Look at a job as a cell's output does, and raise what came of it."""
    job.wait_for_change(job.version, 0.0)
    assert job.over
    assert job.error is not None
    raise job.error


def told_at_the_end(job: Job) -> None:
    """Be told when it is over, and raise what came of it, unless that takes for ever."""
    over = threading.Event()
    job.when_over(over.set)
    assert over.wait(10)
    assert job.error is not None
    raise job.error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "way", [lambda job: job.result(10), lambda job: asyncio.run(patient(job)), watching, told_at_the_end, lingering],
    ids=["wait", "await", "watch", "be told", "end"],
)  # fmt: skip
def test_who_waits_for_a_dead_thread_is_told(lost: Job, way: Callable[[Job], object]) -> None:
    """In whatever way somebody waits: it is over, and said whether it was sent and may have been billed."""
    committed = lost.committed
    with pytest.raises(OutcomeUnknownError if committed else SeedreamError) as told:
        way(lost)
    assert "The work was ended from outside" in told.value.message
    assert ("may be billed" if committed else "nothing was billed") in told.value.message
    assert lost.status == ("unknown" if committed else "failed")


def test_a_stop_is_an_interrupt_too() -> None:
    """StoppedError is a KeyboardInterrupt, so that code which cleans up after those does so."""
    job = begin(sleep_unsent)
    job.cancel()
    with pytest.raises(KeyboardInterrupt):
        job.result()


def test_who_watches_is_woken_by_a_change() -> None:
    """`wait_for_change` returns as soon as the job has changed."""
    job = begin(sleep_unsent)
    threading.Timer(0.05, lambda: job.update(phase="waiting")).start()
    started = time.monotonic()
    assert job.wait_for_change(job.version, 10) != 0
    assert time.monotonic() - started < 5
    job.cancel()


def test_a_job_reads_as_one_line() -> None:
    """The repr tells the status."""
    job = begin(sleep_unsent)
    assert repr(job) == "<Job: preparing>"
    job.cancel()


def test_what_was_refused_for_now_is_not_sent_any_more() -> None:
    """`defer` takes back that it was sent: a stop withdraws it, and says that it had been refused."""

    async def refused(job: Job) -> None:
        job.commit()
        assert job.defer(30, "Waiting: the service asks for 30 s")
        await asyncio.sleep(60)

    job = begin(refused)
    while job.wait is None:
        time.sleep(0.005)
    assert (job.status, job.committed, job.sent, job.overdue) == ("waiting", False, None, False)
    job.cancel()
    with pytest.raises(StoppedError, match="refused it, so nothing was billed"):
        job.result()


def test_a_pause_before_another_try_to_connect_is_shown() -> None:
    """While it waits the job says how long and which try comes; then it uploads."""
    job = Job(make_request("a fox"), backend="novita", host="a", price=0.03, timeout=10)
    job.hold(RetryDelay(seconds=2.5, reason="no connection", tries=1, max_tries=3))
    assert (job.phase, job.wait) == ("waiting", "Waiting: 3 s, then again (no connection), try 2 of 3")
    job.hold(None)
    assert (job.phase, job.wait) == ("uploading", None)


def test_the_timeout_counts_from_the_first_time_it_was_sent() -> None:
    """What was refused for now and is sent again has no new timeout: nobody waits longer than one."""
    job = Job(make_request("a fox"), backend="novita", host="a", price=0.03, timeout=0.2)
    job.commit()
    assert job.defer(0.1, "Waiting")
    time.sleep(0.1)
    job.commit()
    time.sleep(0.1)
    assert job.overdue


@pytest.mark.parametrize(("seconds", "goes_on"), [(0.0, True), (9.0, True), (10.0, False), (1e300, False)])
def test_no_wait_goes_beyond_the_timeout(seconds: float, goes_on: bool) -> None:
    """`defer` says no where the wait would end later than `timeout` after the first sending."""
    job = Job(make_request("a fox"), backend="novita", host="a", price=0.03, timeout=10)
    job.commit()
    assert job.defer(seconds, "Waiting") is goes_on
    job.commit()
    assert job.defer(10.0, "Waiting") is False


@pytest.mark.parametrize("expected", [None, 1])
@pytest.mark.parametrize("late", [False, True])
def test_a_stop_in_the_sandbox_speaks_of_no_bill(expected: int | None, late: bool) -> None:
    """Whoever stops a request to the sandbox, or waits too long for it, is not told that it may be billed."""
    job = Job(make_request("a fox"), backend="sandbox", host="sandbox", price=0.03, timeout=10)
    job.commit()
    job.update(expected=expected)
    told = str(timed_out(job, 1.0) if late else still_running(job))
    assert "sandbox" in told
    assert "may be billed" not in told
    assert "paid" not in told


@pytest.mark.parametrize(
    "timeout", ["5", -1, -0.5, float("nan"), float("inf"), [1], b"5", True, object(), 1j, "٣", 10**400]
)
def test_a_timeout_that_is_no_number_of_seconds_is_told_in_a_sentence(timeout: Any) -> None:
    """And the job goes on."""
    job = begin(sleep_sent)
    with pytest.raises(
        SeedreamError, match=r"^timeout: found .*; write seconds as a number, 0 or more.*\nThe job goes on"
    ):
        job.result(timeout)
    assert job.result().status == "done"


@pytest.mark.parametrize("timeout", [0, 0.0, np.float32(0.01), np.int64(0), Decimal("0.01"), Fraction(1, 100)])
def test_a_number_of_any_kind_is_a_timeout(timeout: Any) -> None:
    """Zero asks whether it is there."""
    job = begin(sleep_sent)
    with pytest.raises(StillGeneratingError):
        job.result(timeout)
    assert job.result().status == "done"


def test_it_is_a_future() -> None:
    """`concurrent.futures.wait` and `as_completed` take jobs, and give back the same ones."""
    ends = threading.Event()

    async def wait_then_finish(job: Job) -> None:
        await asyncio.to_thread(ends.wait)
        await finish(job)

    first, second = begin(finish), begin(wait_then_finish)
    assert concurrent.futures.wait([first, second], 30, concurrent.futures.FIRST_COMPLETED) == ({first}, {second})
    ends.set()
    assert set(concurrent.futures.as_completed([first, second], timeout=30)) == {first, second}
    assert first.done()
    assert not first.running()


def test_a_failed_one_is_a_future_too() -> None:
    """It is among those that are done, and gives its error."""

    async def fail(_: Job) -> None:
        raise SeedreamError("no")

    job = begin(fail)
    assert concurrent.futures.wait([job], 30).done == {job}
    assert str(job.exception()) == "no"


def test_several_are_awaited_together() -> None:
    """As by `asyncio.gather`."""

    async def both() -> tuple[Any, ...]:
        return await asyncio.gather(begin(finish), begin(finish))

    assert [made.status for made in asyncio.run(both())] == ["done", "done"]


def test_a_stop_says_whether_it_was_withdrawn() -> None:
    """So does the `cancel` of any future."""

    async def never(_: Job) -> None:
        await asyncio.sleep(60)

    job = begin(never)
    assert job.cancel()
    assert not job.cancel()
