"""The budget: estimates, places kept before sending, the tally."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.budget import Budget, describe, estimate
from seedream_nb.errors import BudgetError, ConnectionFailedError, money
from seedream_nb.notebook.shell import show_request
from seedream_nb.request import make_request
from tests.faults.script import POST, Links, Reply
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.script import Seen
    from tests.faults.server import FaultServer

ONE = make_request("a fox")
FOUR = make_request("a fox", max_images=4)


@pytest.mark.parametrize(("request_", "dollars"), [(ONE, 0.03), (FOUR, 0.12)], ids=["one", "four"])
def test_estimate(request_: object, dollars: float) -> None:
    """The estimate is the price of the most pictures that can come."""
    assert estimate(request_, 0.03) == dollars  # type: ignore[arg-type]


def test_described() -> None:
    """The estimate reads as people say it."""
    assert describe(FOUR, 0.03) == "up to 4 pictures, at most 0.12 USD"
    assert describe(ONE, 0.03) == "1 picture, 0.03 USD"


@pytest.mark.parametrize(
    ("dollars", "words"),
    [(0.0, "0.00 USD"), (0.1, "0.10 USD"), (0.045, "0.045 USD"), (12.0, "12.00 USD"), (1234.5, "1234.50 USD")],
)
def test_money(dollars: float, words: str) -> None:
    """Amounts have two decimals, and more only where they need more."""
    assert money(dollars) == words


def test_a_place_is_counted_until_it_is_settled() -> None:
    """What is in flight counts at the upper estimate, what came at what it cost."""
    budget = Budget(limit=1.0)
    reservation = budget.reserve(FOUR, 0.03)
    assert (budget.spent, budget.reserved) == (0.0, 0.12)
    reservation.settle(0.06)
    assert (budget.spent, budget.reserved) == (0.06, 0.0)


def test_the_limit_can_be_used_up_exactly() -> None:
    """Ten times 0.1 fit into 1.0, as they do with money."""
    budget = Budget(limit=1.0)
    for _ in range(10):
        budget.reserve(ONE, 0.1).settle(0.1)
    assert budget.spent == 1.0


def test_beyond_the_limit_is_refused() -> None:
    """A request whose upper estimate would pass the limit is refused, and the tally stays as it was."""
    budget = Budget(limit=0.10)
    budget.reserve(ONE, 0.03).settle(0.03)
    budget.reserve(ONE, 0.03)
    with pytest.raises(BudgetError) as refused:
        budget.reserve(FOUR, 0.03)
    assert str(refused.value).splitlines() == [
        (
            "This could exceed the budget: up to 4 pictures, at most 0.12 USD, and 0.04 USD is left of 0.10 USD "
            "(0.03 USD spent, 0.03 USD in flight)."
        ),
        "Nothing was sent, nothing was billed. Allow more: %seedream config budget=0.18, or ask for at most 1 (-n 1)",
    ]
    assert (budget.spent, budget.reserved) == (0.03, 0.03)


def test_the_amount_that_the_refusal_names_is_enough() -> None:
    """Who raises the budget as the message says can send the request."""
    budget = Budget(limit=0.01)
    with pytest.raises(BudgetError, match=r"budget=0\.04$"):
        budget.reserve(ONE, 0.0333)
    budget.limit = 0.04
    budget.reserve(ONE, 0.0333)


def test_released() -> None:
    """What was certainly not billed is given back."""
    budget = Budget(limit=0.03)
    budget.reserve(ONE, 0.03).release()
    assert budget.reserved == 0.0
    budget.reserve(ONE, 0.03)


def test_unknown_stays_counted() -> None:
    """What may have been billed stays counted at the upper estimate, against the limit too."""
    budget = Budget(limit=0.15)
    reservation = budget.reserve(FOUR, 0.03)
    reservation.unknown()
    reservation.release()
    assert (budget.reserved, budget.may_have_been_billed) == (0.0, 0.12)
    with pytest.raises(BudgetError, match=r"0\.12 USD that may have been billed"):
        budget.reserve(FOUR, 0.03)


def test_a_late_answer_replaces_unknown() -> None:
    """When the answer comes after all, what it cost is counted in place of the estimate."""
    budget = Budget(limit=None)
    reservation = budget.reserve(FOUR, 0.03)
    reservation.unknown()
    reservation.settle(0.09)
    assert (budget.may_have_been_billed, budget.spent) == (0.0, 0.09)


def test_settled_once() -> None:
    """Saying it twice counts it once, and the first word holds."""
    budget = Budget(limit=None)
    reservation = budget.reserve(FOUR, 0.03)
    reservation.settle(0.03)
    reservation.settle(0.12)
    reservation.unknown()
    reservation.release()
    assert (budget.spent, budget.reserved, budget.may_have_been_billed) == (0.03, 0.0, 0.0)


def test_a_block_gives_back_what_was_not_billed() -> None:
    """A block that ends with an error of ours, with nothing said about the bill, was not billed."""
    budget = Budget(limit=None)
    with pytest.raises(ConnectionFailedError), budget.reserve(ONE, 0.03):
        raise ConnectionFailedError("no way")
    assert (budget.reserved, budget.may_have_been_billed) == (0.0, 0.0)


def test_a_block_that_breaks_keeps_its_estimate() -> None:
    """A block that ends with an error that nobody foresaw may have been billed."""
    budget = Budget(limit=None)
    with pytest.raises(ZeroDivisionError), budget.reserve(ONE, 0.03):
        raise ZeroDivisionError
    assert (budget.reserved, budget.may_have_been_billed) == (0.0, 0.03)


def test_requests_side_by_side_cannot_pass_the_limit_together() -> None:
    """Of 64 requests at the same moment exactly as many get a place as the limit has places for."""
    budget = Budget(limit=0.30)
    gate = threading.Barrier(64)

    def ask(_: int) -> bool:
        gate.wait()
        try:
            budget.reserve(ONE, 0.03)
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(64) as threads:
        placed = list(threads.map(ask, range(64)))
    assert sum(placed) == 10
    assert budget.reserved == pytest.approx(0.30)


@given(
    limit=st.none() | st.integers(0, 100).map(lambda cents: cents / 100),
    steps=st.lists(st.tuples(st.integers(1, 15), st.sampled_from(["settle", "release", "unknown", "wait"]))),
)
def test_the_limit_holds_whatever_happens(limit: float | None, steps: list[tuple[int, str]]) -> None:
    """Spent, in flight and maybe billed never pass the limit together, and add up to what was let through."""
    budget = Budget(limit=limit)
    let_through = 0
    for most, outcome in steps:
        try:
            reservation = budget.reserve(make_request("a fox", max_images=most), 0.03)
        except BudgetError:
            continue
        let_through += 0 if outcome == "release" else most
        if outcome == "settle":
            reservation.settle(most * 0.03)
        elif outcome != "wait":
            getattr(reservation, outcome)()
    counted = budget.spent + budget.reserved + budget.may_have_been_billed
    assert counted == pytest.approx(let_through * 0.03)
    assert limit is None or counted <= limit + 1e-9


def test_what_would_be_refused_can_be_known_before() -> None:
    """The words are those of the refusal, and nothing is counted for asking."""
    budget = Budget(limit=0.10)
    with pytest.raises(BudgetError) as refused:
        budget.reserve(FOUR, 0.03)
    foreseen = budget.refusal_of(FOUR, 0.03)
    assert foreseen is not None
    assert foreseen.lines() == refused.value.lines()
    assert budget.refusal_of(ONE, 0.03) is None
    assert budget.reserved == 0.0


def test_the_budget_counts_whatever_home_the_pictures_go_to(new_session: NewSession, tmp_path: Path) -> None:
    """Another `home` is no way around the limit."""
    session = new_session()
    session.settings.change(budget=0.05)
    session.start("a fox").result()
    session.settings.change(home=tmp_path / "another")
    with pytest.raises(BudgetError, match=r"0\.02 USD is left"):
        session.start("a hare").result()


@pytest.mark.slow
def test_the_sandbox_is_free(new_session: NewSession, capsys: pytest.CaptureFixture[str]) -> None:
    """What costs nothing passes any budget, even one that is used up, and takes nothing of it."""
    session = new_session()
    session.settings.change(budget=0.03)
    session.start("a fox").result()
    session.settings.change(budget=0.02, backend="sandbox")
    show_request(session.rehearsed(session.compose("a hare", max_images=4)), session)
    assert "refused" not in capsys.readouterr().out
    assert session.start("a hare", size="1024x1024", max_images=2).result().cost == 0.0
    assert (session.budget.spent, session.budget.reserved) == (0.03, 0.0)


def test_a_dry_run_tells_that_the_budget_would_be_passed(
    new_session: NewSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the estimate it says that the request would be refused, and what to do; within the budget it does not."""
    session = new_session()
    session.settings.change(budget=0.05)
    for most in (1, 4):
        show_request(session.rehearsed(session.compose("a fox", max_images=most)), session)
    within, beyond = capsys.readouterr().out.split("Not sent. Estimate:")[1:]
    assert "refused" not in within
    assert "It would be refused. This could exceed the budget" in beyond
    assert "%seedream config budget=0.12, or ask for at most 1 (-n 1)" in beyond


# -- a limit that is lowered while requests wait -------------------------------------------------------------


def test_what_was_reserved_is_looked_at_again() -> None:
    """It is refused once the limit is below what is counted; its own part is not counted against it."""
    budget = Budget(limit=0.06)
    place = budget.reserve(ONE, 0.03)
    budget.limit = 0.03
    budget.confirm(place, ONE, 0.03)
    budget.limit = 0.02
    with pytest.raises(BudgetError, match=r"and 0\.02 USD is left of 0\.02 USD\.\n"):
        budget.confirm(place, ONE, 0.03)
    assert budget.reserved == 0.03


@pytest.fixture
def gate(fault_server: FaultServer) -> threading.Event:
    """Let the service answer its first request, with a failure, only once this is set."""
    opened = threading.Event()

    def answer(_: Seen) -> Reply:
        assert opened.wait(60)
        return Reply(status=500)

    fault_server.on(POST, answer, Links())
    return opened


def test_a_limit_that_is_lowered_holds_for_what_waits_for_a_place(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """It was not sent yet, so that can still be kept back; what is refused is not billed."""
    session = new_session()
    session.settings.change(concurrency=1)
    sent, waiting = (session.start(name) for name in ("a fox", "a hare"))
    until(lambda: sent.sent and waiting.wait)
    session.settings.change(budget=0)
    gate.set()
    with pytest.raises(BudgetError, match=r"left of 0\.00 USD"):
        waiting.result()
    assert len(fault_server.posts) == 1
    until(lambda: session.budget.reserved == 0.0)


def test_a_limit_that_is_lowered_holds_for_what_waits_for_another_kernel(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """With `once` that may take minutes."""
    first, session = new_session(), new_session()
    sent = first.start("a fox", once=True)
    until(lambda: sent.sent)
    waiting = session.start("a fox", once=True)
    until(lambda: waiting.wait)
    session.settings.change(budget=0)
    gate.set()
    with pytest.raises(BudgetError, match=r"left of 0\.00 USD"):
        waiting.result()
    assert len(fault_server.posts) == 1


@pytest.mark.slow
def test_a_limit_that_is_lowered_holds_for_what_is_sent_again(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """What the service refused for now was not billed, and is not sent again beyond the limit."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "1"}), Links())
    session = new_session()
    job = session.start("a fox")
    until(lambda: job.phase == "waiting")
    session.settings.change(budget=0)
    with pytest.raises(BudgetError, match=r"left of 0\.00 USD"):
        job.result()
    assert len(fault_server.posts) == 1
    assert (session.history[-1].status, session.history[-1].cost) == ("failed", 0.0)


def test_more_pictures_than_were_asked_for_leave_less_to_those_that_wait(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """They cost more than was reserved, and what waits for a place is refused if it does not fit any more."""
    opened = threading.Event()

    def answer(_: Seen) -> Links:
        assert opened.wait(60)
        return Links(count=2)

    fault_server.on(POST, answer, Links())
    session = new_session()
    session.settings.change(concurrency=1, budget=0.06)
    sent, waiting = (session.start(name) for name in ("a fox", "a hare"))
    until(lambda: sent.sent and waiting.wait)
    opened.set()
    with pytest.raises(BudgetError, match=r"0\.06 USD spent"):
        waiting.result()
    assert len(sent.result()) == 2
    assert session.budget.spent == 0.06
