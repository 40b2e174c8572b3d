"""The budget: estimates, places kept before sending, the tally."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.budget import Budget, describe, estimate, money
from seedream_nb.errors import BudgetError, ConnectionFailedError
from seedream_nb.notebook.shell import show_request
from seedream_nb.request import make_request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession

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
