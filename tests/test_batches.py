"""Batches: checked and reserved as a whole, sent once, and run again for what is missing only."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import (
    BudgetError,
    NoSuchItemError,
    OutcomeUnknownError,
    RequestError,
    SeedreamError,
    StillGeneratingError,
    StoppedError,
)
from tests.batches import ask
from tests.faults import POST, Cut, Links, Reply
from tests.waiting import until

if TYPE_CHECKING:
    from tests.conftest import NewSession
    from tests.faults import FaultServer, Seen

REFUSED = Reply(status=400, body=b'{"code":400,"message":"bad","reason":"INVALID"}')


@pytest.fixture
def gate(fault_server: FaultServer) -> threading.Event:
    """Let the service answer only once this is set."""
    opened = threading.Event()

    def answer(_: Seen) -> Links:
        assert opened.wait(60)
        return Links()

    fault_server.on(POST, answer)
    return opened


def test_variations_are_independent_requests(new_session: NewSession, fault_server: FaultServer) -> None:
    """Each is sent on its own and has a generation of its own."""
    batch = ask(new_session(), repeat=3).result()
    assert {made.id for made in batch} == {1, 2, 3}
    assert [made.status for made in batch] == ["done"] * 3
    assert (batch.status, batch.cost, len(batch), len(fault_server.posts)) == ("done", 0.09, 3, 3)


def test_one_is_found_by_position_and_by_label(new_session: NewSession) -> None:
    """As in a list, and by the number of the variation."""
    batch = ask(new_session(), repeat=3).result()
    assert (batch[1], batch[-1], batch["3"]) == (list(batch)[1], list(batch)[2], list(batch)[2])
    assert batch[:2] == list(batch)[:2]
    for wrong in (7, "9"):
        with pytest.raises(NoSuchItemError):
            batch[wrong]


def test_running_it_again_sends_nothing(new_session: NewSession, fault_server: FaultServer) -> None:
    """What is there counts, in the order in which it was made; it is said, and nothing is spent."""
    ask(new_session(), repeat=3).result()
    again = ask(new_session(), repeat=3).result()
    assert [made.id for made in again] == [1, 2, 3]
    assert len(fault_server.posts) == 3
    assert (again.spent, again.cost) == (0, 0.09)
    assert again.estimate.lines() == ["Nothing is sent.", "3 were here (--no-once makes 3 new ones)."]


def test_more_variations_add_to_those_that_are_there(new_session: NewSession, fault_server: FaultServer) -> None:
    """Also one that a plain request has made."""
    session = new_session()
    session.start("a fox").result()
    ask(session, repeat=2).result()
    batch = ask(session, repeat=4).result()
    assert {made.id for made in batch} == {1, 2, 3, 4}
    assert len(fault_server.posts) == 4


def test_new_ones_can_be_asked_for(new_session: NewSession, fault_server: FaultServer) -> None:
    """With `once=False` what is there does not count."""
    session = new_session()
    ask(session, repeat=2).result()
    assert {made.id for made in ask(session, repeat=2, once=False).result()} == {3, 4}
    assert len(fault_server.posts) == 4


def test_the_same_batch_in_two_kernels_is_bought_once(new_session: NewSession, fault_server: FaultServer) -> None:
    """The second waits for the first, and takes what that has made."""
    batches = [ask(new_session(), repeat=4) for _ in range(2)]
    for batch in batches:
        batch.result()
    assert {made.id for made in batches[0]} == {made.id for made in batches[1]} == {1, 2, 3, 4}
    assert len(fault_server.posts) == 4


def test_the_same_batch_twice_in_a_session_is_bought_once(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """What is under way counts, whether it has a number yet or not."""
    session = new_session()
    first = ask(session, repeat=6)
    until(lambda: len(fault_server.posts) == 4)
    second = ask(session, repeat=6)
    gate.set()
    assert {made.id for made in first.result()} == {made.id for made in second.result()}
    assert len(fault_server.posts) == 6
    assert second.spent == 0


def test_the_whole_is_reserved_or_nothing_is_sent(new_session: NewSession, fault_server: FaultServer) -> None:
    """A budget for most of it is not enough; the message says for how many it is."""
    session = new_session()
    session.settings.change(budget=0.10)
    with pytest.raises(BudgetError, match=r"up to 4 pictures, at most 0\.12 USD, and 0\.10 USD is left") as refused:
        ask(session, repeat=4)
    assert "ask for at most 3 pictures" in str(refused.value)
    assert (fault_server.posts, session.budget.reserved) == ([], 0)


def test_a_second_batch_finds_the_budget_reserved(new_session: NewSession, gate: threading.Event) -> None:
    """All of the first counts from the moment when it begins, and what is not bought is given back."""
    session = new_session()
    session.settings.change(budget=0.20)
    first = ask(session, repeat=6)
    assert session.budget.reserved == 0.18
    with pytest.raises(BudgetError):
        ask(session, "a cat")
    first.cancel()
    gate.set()
    until(lambda: first.over)
    assert session.budget.reserved == 0
    assert session.budget.spent == first.cost


def test_many_pictures_need_a_yes(new_session: NewSession, fault_server: FaultServer) -> None:
    """More than `confirm` are refused, with the estimate; what is there already does not count."""
    session = new_session()
    session.settings.change(confirm=3)
    with pytest.raises(RequestError, match=r"4 requests, 4 pictures, at most 0\.12 USD.*\n.*confirm.*\n.*yes=True"):
        ask(session, repeat=4)
    assert fault_server.posts == []
    ask(session, repeat=3).result()
    assert ask(session, repeat=6).result().status == "done"
    assert ask(session, "a cat", repeat=4, yes=True).result().status == "done"


def test_one_refusal_does_not_stop_the_rest(new_session: NewSession, fault_server: FaultServer) -> None:
    """The others come; the refused one says why, costs nothing, and is what is sent again."""
    fault_server.on(POST, REFUSED, Links())
    session = new_session()
    session.settings.change(concurrency=1)
    batch = ask(session, repeat=3).result()
    assert sorted(made.status for made in batch) == ["done", "done", "failed"]
    assert [made.cost for made in batch.failed] == [0]
    assert batch.status == "partial"
    error = batch.failure()
    assert error is not None
    assert "1 of 3" in str(error)
    assert ask(session, repeat=3).result().status == "done"
    assert len(fault_server.posts) == 4


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refusal_of_the_account_stops_what_was_not_sent(
    new_session: NewSession, fault_server: FaultServer, status: int
) -> None:
    """All others would be refused too: they are not sent, and say why."""
    fault_server.on(POST, Links(), Reply(status=status, body=b'{"message":"no"}'))
    session = new_session()
    session.settings.change(concurrency=1)
    batch = ask(session, repeat=20).result()
    assert len(fault_server.posts) == 2
    assert len(batch.failed) == 19
    assert "Not sent, because @2 was refused" in str(batch[15].error)
    assert session.budget.reserved == 0


def test_what_may_have_been_billed_is_left_out(new_session: NewSession, fault_server: FaultServer) -> None:
    """It is named, and sent again only when somebody says so."""
    fault_server.on(POST, Cut(when="body"), Links())
    session = new_session()
    session.settings.change(concurrency=1)
    first = ask(session, repeat=2).result()
    assert [made.status for made in first.unknown] == ["unknown"]
    again = ask(session, repeat=2).result()
    assert [made.id for made in again.unknown] == [1]
    assert isinstance(again.failure(), OutcomeUnknownError)
    assert "--retry-unknown" in str(again.failure())
    assert "1 may have been billed before, and left out" in again.estimate.lines()[-1]
    assert len(fault_server.posts) == 2
    assert ask(session, repeat=2, retry_unknown=True).result().status == "done"
    assert len(fault_server.posts) == 3


def test_a_picture_that_did_not_arrive_is_fetched_and_not_bought_again(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """Running the batch again tries its link; as long as that fails, it is left out."""
    link = fault_server.picture(64, 64, Reply(status=404), Reply(status=404), name="late.jpg")
    fault_server.on(POST, Reply(status=200, body=b'{"images":["%s"]}' % link.encode()))
    session = new_session()
    assert ask(session).result()[0].status == "partial"
    again = ask(session).result()
    assert "@1 made the same request and was billed and lacks its pictures" in str(again.failure())
    assert ask(session).result().status == "done"
    assert len(fault_server.posts) == 1


def test_stopping_withdraws_what_was_not_sent(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """What was sent arrives; the message counts both, and running it again sends the rest."""
    session = new_session()
    batch = ask(session, repeat=12)
    until(lambda: len(fault_server.posts) == 4)
    batch.cancel()
    with pytest.raises(StoppedError, match=r"0 of 12 are here, 4 were sent and go on .*, 8 were withdrawn"):
        batch.result()
    gate.set()
    until(lambda: batch.over)
    assert [made.status for made in batch].count("done") == 4
    assert len(fault_server.posts) == 4
    assert ask(session, repeat=12).result().status == "done"
    assert len(fault_server.posts) == 12


def test_a_wait_can_end_before_the_work(new_session: NewSession, gate: threading.Event) -> None:
    """The work goes on."""
    batch = ask(new_session(), repeat=2)
    with pytest.raises(StillGeneratingError, match=r"Not done within 0\.2 s: 2 of 2 go on"):
        batch.result(timeout=0.2)
    gate.set()
    assert batch.result().status == "done"


def test_it_can_be_awaited(new_session: NewSession) -> None:
    """On any loop."""

    async def wait() -> object:
        return (await ask(new_session(), repeat=2)).status

    assert asyncio.run(wait()) == "done"


def test_few_wait_for_a_place_at_a_time(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """The others have not begun: a thousand of them would keep the loop busy with waiting."""
    session = new_session()
    batch = ask(session, repeat=40, yes=True)
    until(lambda: len(fault_server.posts) == 4)
    assert sum(job.has_begun for job in batch.jobs) <= 8
    assert [made.status for made in batch].count("waiting") >= 32
    gate.set()
    assert batch.result().status == "done"


def test_its_jobs_are_futures(new_session: NewSession) -> None:
    """Who wants each as it comes takes them."""
    batch = ask(new_session(), repeat=3)
    ended = [job.result().id for job in concurrent.futures.as_completed(batch.jobs, timeout=30)]
    assert sorted(ended) == [1, 2, 3]


@pytest.mark.parametrize("repeat", [0, 101, "many", 2.5, None])
def test_a_wrong_number_of_variations_is_refused(new_session: NewSession, repeat: object) -> None:
    """Each with what may be."""
    with pytest.raises(RequestError, match=r"repeat: found .* (from|range is) 1 to 100"):
        ask(new_session(), repeat=repeat)  # type: ignore[arg-type]


def test_it_is_not_pickled(new_session: NewSession) -> None:
    """Its generations can be."""
    import copy

    with pytest.raises(SeedreamError, match=r"send list\(batch\)"):
        copy.deepcopy(ask(new_session()).result())


def test_as_a_reference_it_is_all_its_pictures(new_session: NewSession, gate: threading.Event) -> None:
    """In the list of references and in braces; one that still runs is refused, as a job is."""
    session = new_session()
    batch = ask(session, repeat=3)
    with pytest.raises(RequestError, match=r"is a job; for its pictures write \{x\.result\(\)\}"):
        session.compose("like {x}", values={"x": batch})
    gate.set()
    batch.result()
    assert session.compose("like {x}", values={"x": batch}).prompt == "like image 1, image 2 and image 3"
    assert len(session.compose("like these", images=[batch]).images) == 3


def test_a_price_of_nothing_is_not_free(new_session: NewSession, fault_server: FaultServer) -> None:
    """Whoever sets it so does not know what the service bills: many still need a yes, and nothing says otherwise."""
    session = new_session()
    session.settings.change(price=0, confirm=2)
    with pytest.raises(RequestError, match=r"3 requests, 3 pictures, at most 0\.00 USD"):
        ask(session, repeat=3)
    assert not fault_server.posts
    assert "nothing charged" not in str(ask(session, repeat=2).result())


def test_a_wrong_value_of_once_is_refused(new_session: NewSession, fault_server: FaultServer) -> None:
    """A text such as "no" is off, and others are neither."""
    session = new_session()
    ask(session).result()
    ask(session, once="no").result()
    with pytest.raises(RequestError, match="once"):
        ask(session, once="perhaps")
    assert len(fault_server.posts) == 2
