"""What goes on behind a panel: who is told of what, for how long, and what is left when all have gone."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import BudgetError, SeedreamError
from seedream_nb.request import Reference
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.widgets.form import empty_form
from seedream_nb.widgets.gallery import PAGE
from seedream_nb.widgets.panel import Panel
from seedream_nb.widgets.queue import MAX_OVER
from seedream_nb.widgets.state import State
from tests.faults.script import POST, Links, OnceRead, Reply
from tests.faults.server import FaultServer
from tests.test_widgets import ask
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedream_nb.widgets.protocol import Snapshot
    from tests.conftest import NewSession


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server."""
    return new_session()


@pytest.fixture
def state(session: Session) -> State:
    """Give the state of a panel."""
    return State(session)


@pytest.fixture
def held(fault_server: FaultServer) -> Iterator[threading.Event]:
    """Hold every request back at the service, which has read it, until this is set."""
    go = threading.Event()

    def answer(_: object) -> Links:
        go.wait(60)
        return Links()

    fault_server.on(POST, OnceRead(answer))
    yield go
    go.set()


class Heard(State):
    """A state that keeps what it would send."""

    def __init__(self, session: Session) -> None:
        """Send to nobody."""
        self.sent: list[Snapshot] = []
        super().__init__(session, self.sent.append)


@pytest.fixture
def heard(session: Session) -> Heard:
    """Give such a state."""
    return Heard(session)


def looking() -> set[threading.Thread]:
    """Return the threads that look at sessions."""
    return {thread for thread in threading.enumerate() if thread.name == "seedream panel"}


# -- views ---------------------------------------------------------------------------------------------


def test_a_widget_that_nobody_looks_at_sends_nothing(heard: Heard) -> None:
    """A cell that is run again leaves panels behind."""
    heard.change()
    assert heard.sent == []


def test_a_view_that_asks_twice_is_one_view(heard: Heard) -> None:
    """After its connection broke; when it leaves, nobody looks."""
    for _ in range(2):
        ask(heard, "snapshot")
    ask(heard, "leave")
    assert not heard.in_sight


def test_a_page_that_was_closed_is_forgotten(session: Session) -> None:
    """It said no goodbye, and is silent."""

    class Impatient(Heard):
        silent_seconds = 0.0

    ask(impatient := Impatient(session), "snapshot")
    assert not impatient.in_sight


def test_a_view_that_is_there_hears_whether_it_missed_something(heard: Heard) -> None:
    """By the number of the last change; one that was forgotten is known again."""
    heard.change()
    assert ask(heard, "here")["ok"] == {"version": heard.version}
    assert heard.in_sight


def test_a_view_that_asks_is_sent_the_whole(session: Session, heard: Heard) -> None:
    """Form, tray and queue in one snapshot."""
    ask(heard, "snapshot")
    snapshot = heard.sent[0]
    assert (snapshot["form"], snapshot["tray"], snapshot["jobs"]) == (empty_form(session.settings.model), [], [])


def test_what_has_no_form_sends_none(session: Session) -> None:
    """A tray alone, or a gallery: nothing that is typed elsewhere stands in it."""
    assert State(session, has_form=False).snapshot()["form"] is None


def test_the_thread_that_looks_ends_when_nobody_wants_to_know(session: Session) -> None:
    """And begins anew with the next view, of a widget whose page left, and of one that is closed."""
    panel = Panel(session)
    state = panel._state  # noqa: SLF001
    before = looking()
    for leave in (lambda: ask(state, "leave"), panel.close):
        ask(state, "snapshot")
        (mine,) = looking() - before
        leave()
        mine.join(10)
        assert not mine.is_alive()


def test_what_can_not_be_shown_does_not_look_refused(session: Session) -> None:
    """A page that is gone meanwhile, or a host that fails to send: who asked for the change is answered as ever."""

    def show(_: object) -> None:
        raise RuntimeError

    state = State(session, show)
    ask(state, "here")
    state.tray.hold([Reference(name="fox", url="https://x.org/fox.png")])
    assert "ok" in ask(state, "remove", number=1)
    assert state.tray.held() == []


# -- the queue -----------------------------------------------------------------------------------------


def test_what_was_sent_goes_on_after_cancel_and_says_so(
    state: State, fault_server: FaultServer, held: threading.Event
) -> None:
    """It may be billed, and its picture comes."""
    job = state.session.submit(state.session.compose("a fox"))
    until(lambda: fault_server.posts and job.committed)
    (row,) = state.snapshot()["jobs"]
    assert row["stopped"] is None
    assert "ok" in ask(state, "cancel", number=row["number"])
    (row,) = state.snapshot()["jobs"]
    assert "can't be taken back" in (row["stopped"] or [""])[0]
    assert (row["over"], row["phase"]) == (False, "generating")
    held.set()
    until(lambda: job.over)
    assert state.snapshot()["jobs"] == []
    assert state.session.history[-1].status == "done"


def test_who_cancels_what_waits_is_told_that_nothing_was_billed(
    state: State, fault_server: FaultServer, held: threading.Event
) -> None:
    """And it can be tried again, or dismissed."""
    state.session.settings.change(concurrency=1)
    jobs = [state.session.submit(state.session.compose(f"fox {number}")) for number in range(3)]
    until(lambda: len(fault_server.posts) == 1 and [job.phase for job in jobs[1:]] == ["waiting"] * 2)
    for row in state.snapshot()["jobs"][1:]:
        ask(state, "cancel", number=row["number"])
    until(lambda: jobs[1].over and jobs[2].over)
    rows = state.snapshot()["jobs"]
    assert [row["phase"] for row in rows] == ["generating", "stopped", "stopped"]
    assert all("Nothing was billed" in (row["error"] or [""])[0] for row in rows[1:])
    held.set()
    until(lambda: jobs[0].over)
    assert len(fault_server.posts) == 1


def test_two_who_press_try_again_at_once_have_one_request(state: State, fault_server: FaultServer) -> None:
    """The second hears that it is over."""
    fault_server.on(POST, Reply(status=500), Links())
    with pytest.raises(SeedreamError):
        state.session.submit(state.session.compose("a fox")).result()
    number = state.snapshot()["jobs"][0]["number"]
    replies = [ask(state, "again", number=number) for _ in range(2)]
    assert ["ok" in reply for reply in replies] == [True, False]
    until(lambda: all(job.over for job in state.session.jobs))
    assert len(fault_server.posts) == 2


def test_two_panels_that_try_the_same_again_have_one_request(session: Session, fault_server: FaultServer) -> None:
    """However close together they press: the second hears that nothing was sent, and why."""
    fault_server.on(POST, Reply(status=500), Links(delay=0.2))
    panels = [State(session) for _ in range(4)]
    with pytest.raises(SeedreamError):
        session.submit(session.compose("a fox")).result()
    numbers = [panel.snapshot()["jobs"][0]["number"] for panel in panels]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda panel, number: ask(panel, "again", number=number), panels, numbers))
    assert sorted("ok" in reply for reply in replies) == [False, False, False, True]
    told = {reply["error"]["told"][0] for reply in replies if "error" in reply}
    assert [("run again" in text, "Nothing was sent now" in text) for text in told] == [(True, True)]
    until(lambda: all(job.over for job in session.jobs))
    assert len(fault_server.posts) == 2


def test_what_can_not_be_tried_again_stays(state: State, fault_server: FaultServer) -> None:
    """With what is wrong now."""
    fault_server.on(POST, Reply(status=500))
    with pytest.raises(SeedreamError):
        state.session.submit(state.session.compose("a fox")).result()
    number = state.snapshot()["jobs"][0]["number"]
    state.session.settings.change(api_key=None)
    assert "key" in " ".join(ask(state, "again", number=number)["error"]["told"])
    assert [row["number"] for row in state.snapshot()["jobs"]] == [number]


@pytest.mark.slow
def test_failures_that_are_shown_are_bounded(state: State, fault_server: FaultServer) -> None:
    """Of more than a person reads, the oldest go."""
    fault_server.on(POST, Reply(status=500))
    for number in range(MAX_OVER + 2):
        with pytest.raises(SeedreamError):
            state.session.submit(state.session.compose(f"fox {number}")).result()
        state.rows.jobs()
    rows = state.snapshot()["jobs"]
    assert (len(rows), rows[0]["prompt"]) == (MAX_OVER, "fox 2")


def test_a_budget_is_told_beside_the_button(state: State, fault_server: FaultServer) -> None:
    """Before anything is sent or queued."""
    state.session.settings.change(budget=0.01, price=0.03)
    form = {**empty_form(state.session.settings.model), "prompt": "a fox"}
    error = ask(state, "generate", form=form)["error"]
    assert error["kind"] == BudgetError.__name__
    assert (fault_server.posts, state.snapshot()["jobs"]) == ([], [])


# -- the history ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make some more generations than one page, once."""
    settings = Settings(environ={}, folder=tmp_path_factory.mktemp("notebook"))
    with FaultServer() as server:
        server.on(POST, Links())
        settings.change(base_url=server.url, api_key="sk_test")
        session = Session(settings=settings, lingers=False)
        for job in [session.submit(session.compose(f"fox {number}")) for number in range(PAGE + 3)]:
            job.result()
        session.close()
    return session.history.home


@pytest.fixture
def filled(home: Path, session: Session) -> State:
    """Have a copy of them in the history."""
    shutil.copytree(home, session.history.home)
    return State(session)


@pytest.mark.slow
def test_changes_bring_a_page_up_to_date(filled: State) -> None:
    """All ids down to its oldest, all stars, and the newest entries themselves."""
    ask(filled, "star", generation=2, on=True)
    found = ask(filled, "changes", oldest=2, words="", stars=False)["ok"]
    assert found["ids"] == list(range(PAGE + 3, 1, -1))
    assert [entry["id"] for entry in found["entries"]] == found["ids"][:PAGE]
    assert found["stars"] == [2]


@pytest.mark.slow
def test_changes_keep_to_what_is_sought(filled: State) -> None:
    """Words and stars."""
    ask(filled, "star", generation=2, on=True)
    assert ask(filled, "changes", oldest=0, words="", stars=True)["ok"]["ids"] == [2]
    assert ask(filled, "changes", oldest=0, words="hare", stars=False)["ok"]["ids"] == []


@pytest.mark.parametrize("what", ["rerun", "edit", "code", "star"])
@pytest.mark.slow
def test_an_entry_whose_record_is_gone_is_told(filled: State, what: str) -> None:
    """In words for a person, whatever is asked of it."""
    shutil.rmtree(filled.session.history.home / "journal")
    told = ask(filled, what, generation=1, on=True)["error"]["told"]
    assert told == ["@1 is no longer in the history: its journal was removed."]
    assert ask(filled, "changes", oldest=1, words="", stars=False)["ok"]["ids"] == []


@pytest.mark.slow
def test_a_picture_whose_record_is_gone_is_told(filled: State) -> None:
    """Its mark names nothing."""
    assert "there is no such" in ask(filled, "picture", mark="@999.1")["error"]["told"][0]


@pytest.mark.slow
def test_a_star_of_another_panel_is_seen(filled: State) -> None:
    """Of an old generation too."""
    ask(filled, "here")
    until(lambda: filled.stamp > 0)
    before = filled.stamp
    filled.session.star(1, on=True)
    until(lambda: filled.stamp > before)


# -- what is set meanwhile -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"backend": "sandbox"}, {"price": 0.5}, {"base_url": "https://elsewhere.example"}])
def test_who_watches_is_told_of_another_setting(state: State, setting: dict[str, object]) -> None:
    """Where requests go and what they cost stands in the panel, whatever cell has changed it."""
    before = state.version
    ask(state, "snapshot")
    until(lambda: state.version > before)  # the first look
    before = state.version
    state.session.settings.change(**setting)
    until(lambda: state.version > before)
    ask(state, "leave")
