"""How fast a session sends: its rate, and the pause that all share after a refusal for now."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import RateLimitError
from seedream_nb.http.client import Timeouts
from seedream_nb.jobs.pace import Pace
from tests.batches import ask
from tests.faults import POST, Links, Reply
from tests.waiting import until

if TYPE_CHECKING:
    from tests.conftest import NewSession
    from tests.faults import FaultServer, Seen


def turns(pace: Pace, *pictures: int) -> list[float]:
    """Return when each request for so many pictures has its turn, if all ask at once; in seconds from now."""

    async def ask_all() -> list[float]:
        begun = time.monotonic()

        async def one(count: int) -> float:
            await pace.turn(count, lambda _: None)
            return time.monotonic() - begun

        return await asyncio.gather(*map(one, pictures))

    return asyncio.run(ask_all())


@pytest.mark.parametrize("pictures", [[1] * 12, [4, 1, 1, 4, 2], [9, 1, 1], [1, 9, 1]])
def test_the_rate_holds_in_any_span(pictures: list[int]) -> None:
    """Counted by pictures; what is more than the rate allows at all is asked for alone."""
    window, rate = 0.3, 4
    when = turns(Pace(lambda: rate, window=window), *pictures)
    assert when == sorted(when)
    for start in when:
        within = [count for at, count in zip(when, pictures, strict=True) if start <= at < start + window * 0.95]
        assert sum(within) <= rate or len(within) == 1


def test_without_a_rate_nobody_waits() -> None:
    """All have their turn at once."""
    assert max(turns(Pace(), *[15] * 50)) < 0.3


def test_what_waits_says_for_what_and_how_long() -> None:
    """For the rate, or for the pause that the service has asked for."""
    pace = Pace(lambda: 2.0)
    turns(pace, 2)
    assert pace.message() == "Waiting 60 s: at most 2 pictures a minute (the setting rate)…"
    pace.refused(5, sent=time.monotonic())
    assert str(pace.message()).endswith(": the service has asked for fewer requests (rate limit)…")


def test_after_a_pause_requests_begin_one_by_one() -> None:
    """So that the service is not asked by all at once again."""
    pace = Pace()
    pace.refused(0.4, sent=time.monotonic())
    first, second, third = turns(pace, 1, 1, 1)
    assert first >= 0.35
    assert second - first >= 0.08
    assert third - second >= 0.08


def test_what_is_accepted_makes_it_fast_again() -> None:
    """After a few there is no gap any more."""
    pace = Pace()
    pace.refused(0.4, sent=time.monotonic())
    for _ in range(5):
        pace.accepted()
    first, _, third = turns(pace, 1, 1, 1)
    assert third - first < 0.08


def test_refusals_of_what_was_in_flight_make_one_pause() -> None:
    """The next pause is longer only after a request that was sent since is refused as well."""
    pace = Pace()
    sent = time.monotonic()
    for _ in range(4):
        pace.refused(0.01, sent=sent)
    assert pace.level == 1
    pace.refused(0.01, sent=time.monotonic())
    assert pace.level == 2
    for _ in range(3):
        pace.accepted()
    assert pace.level == 0


def test_a_429_pauses_all(new_session: NewSession, fault_server: FaultServer) -> None:
    """A batch, a cell and what the panel sends: nothing reaches the service before the time that it has asked for."""
    refusals = iter(range(4))

    def answer(_: Seen) -> Reply | Links:
        return Links() if next(refusals, None) is None else Reply(status=429, headers={"Retry-After": "1"})

    fault_server.on(POST, answer)
    session = new_session(timeouts=Timeouts(refused_pauses=(0.2, 0.4)))
    batch = ask(session, repeat=10)
    until(lambda: len(fault_server.posts) >= 4)
    job = session.start("a cat")
    until(lambda: "rate limit" in (job.wait or ""))
    assert batch.result().status == job.result().status == "done"
    times = [seen.began for seen in fault_server.posts]
    assert len(times) == 4 + 10 + 1
    assert times[4] - times[3] >= 0.9
    assert times[5] - times[4] >= 0.05


def test_the_rate_is_a_setting(new_session: NewSession, fault_server: FaultServer) -> None:
    """What is beyond it waits, and says so; raising it lets it go."""
    session = new_session()
    session.settings.change(rate=2)
    batch = ask(session, repeat=3)
    until(lambda: any("at most 2 pictures a minute" in (job.wait or "") for job in batch.jobs))
    until(lambda: len(fault_server.posts) == 2)
    session.settings.change(rate=None)
    assert batch.result().status == "done"


def test_a_pause_that_nobody_waits_for_holds_up_nothing_else(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """Whoever was asked to come back the next day is told; what is asked later asks the service itself."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "100000"}), Links())
    session = new_session()
    with pytest.raises(RateLimitError, match="28 h"):
        session.start("a fox").result()
    assert session.start("a cat", timeout=20).result().status == "done"
