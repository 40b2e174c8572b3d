"""The daily budget: what all kernels of a folder may spend in a day, by the journal."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import BudgetError
from seedream_nb.jobs.daily import midnight
from tests.batches import ask
from tests.faults import POST, Cut, Links, Reply

if TYPE_CHECKING:
    from tests.conftest import NewSession
    from tests.faults import FaultServer


LEFT = "0.01 USD is left of 0.07 USD (0.06 USD today by the journal)."


def test_it_outlives_a_restart(new_session: NewSession, fault_server: FaultServer) -> None:
    """Another session of the same folder has what is left."""
    new_session().start("a fox", max_images=1).result()
    fault_server.on(POST, Links(count=1))
    second = new_session()
    second.settings.change(daily_budget=0.07)
    second.start("a cat").result()
    with pytest.raises(BudgetError) as refused:
        second.start("a dog").result()
    assert str(refused.value).splitlines() == [
        f"This could exceed the daily budget: 1 picture, 0.03 USD, and {LEFT}",
        "Nothing was sent, nothing was billed. Allow more: %seedream config daily_budget=0.09",
    ]
    assert len(fault_server.posts) == 2


def test_a_batch_is_refused_as_a_whole(new_session: NewSession, fault_server: FaultServer) -> None:
    """What is left for half of it is not enough; nothing stays reserved."""
    session = new_session()
    session.settings.change(daily_budget=0.10)
    ask(session, repeat=1).result()
    with pytest.raises(BudgetError, match=r"up to 3 pictures, at most 0\.09 USD, and 0\.07 USD is left of 0\.10 USD"):
        ask(session, "a cat", repeat=3)
    assert session.budget.reserved == 0
    assert ask(session, "a cat", repeat=2).result().status == "done"
    assert len(fault_server.posts) == 3


def test_what_may_have_been_billed_counts(new_session: NewSession, fault_server: FaultServer) -> None:
    """With the most that it can have cost; what was refused costs nothing."""
    fault_server.on(POST, Reply(status=400), Cut(when="body"), Links())
    session = new_session()
    for _ in range(2):
        session.start("a fox").wait_over(60)
    assert session.history.spent_since(midnight()) == 0.03
    session.settings.change(daily_budget=0.05)
    with pytest.raises(BudgetError):
        session.start("a fox").result()


def test_yesterday_does_not_count(new_session: NewSession) -> None:
    """A day begins at midnight here."""
    session = new_session()
    session.start("a fox").result()
    assert session.history.spent_since(datetime.now(UTC) + timedelta(seconds=1)) == 0
    assert session.history.spent_since(datetime.now(UTC) - timedelta(days=1)) == 0.03


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows can't change its time zone in a process")
@pytest.mark.parametrize(
    ("noon", "begins"),
    [
        ("2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00"),
        ("2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00"),
        ("2026-07-01T12:00+02:00", "2026-07-01T00:00+02:00"),
    ],
)
def test_a_day_on_which_the_clocks_change_begins_at_midnight_too(
    monkeypatch: pytest.MonkeyPatch, noon: str, begins: str
) -> None:
    """Not an hour before or after: what was spent in that hour would count on the wrong day."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        began = midnight(datetime.fromisoformat(noon))
    time.tzset()
    assert began == datetime.fromisoformat(begins)


def test_two_kernels_share_it(new_session: NewSession, fault_server: FaultServer) -> None:
    """However they race, together they send no more than it allows."""
    sessions = [new_session(), new_session()]
    for session in sessions:
        session.settings.change(daily_budget=0.20, concurrency=8)
    jobs = [session.start(f"a fox {number}") for number in range(8) for session in sessions]
    for job in jobs:
        job.wait_over(60)
    assert len(fault_server.posts) <= 6
    assert sum(job.status == "done" for job in jobs) == len(fault_server.posts) >= 3


def test_the_sandbox_is_free(new_session: NewSession) -> None:
    """It spends nothing of it."""
    session = new_session()
    session.settings.change(daily_budget=0, backend="sandbox")
    assert session.start("a fox", size="1K").result().status == "done"
