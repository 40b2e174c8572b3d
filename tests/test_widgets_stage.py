"""What stands on the panel's stage, as the kernel answers for it: results, previews, what is usual, what failed."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.widgets.state import State
from seedream_nb.widgets.usual import usual_seconds
from tests.browser.bare import sandboxed
from tests.faults.script import POST, Links, OnceRead, Reply
from tests.test_widgets import FORM, ask
from tests.waiting import until

if TYPE_CHECKING:
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session in the sandbox."""
    return sandboxed(new_session())


@pytest.fixture
def state(session: Session) -> State:
    """Give the state of its panel."""
    return State(session)


# -- results -------------------------------------------------------------------------------------------


def test_nothing_stands_there_before_anything_was_made(state: State) -> None:
    """The page invites then."""
    assert ask(state, "result", at=0)["ok"] == {"result": None}


def test_the_newest_result_comes_with_its_picture(state: State, session: Session) -> None:
    """The request that made it, and a preview, in one answer."""
    session.start("a fox", size="1024x1024").result()
    session.start("a fox at night", size="1536x864", images=["@1"]).result()
    reply = ask(state, "result", at=0)
    result = reply["ok"]["result"]
    assert (result["entry"]["id"], result["prompt"], result["size"]) == (2, "a fox at night", "1536x864")
    assert (result["entry"]["sources"], result["others"]) == (["@1.1"], [])
    assert (result["cost"], result["price"], result["place"]) == (0.0, 0.0, state.place())
    assert Image.open(BytesIO(reply["buffers"][0])).size == (1024, 576)


def test_one_that_is_asked_for_comes(state: State, session: Session) -> None:
    """By its number, and of its series the picture that was chosen; past its end the last."""
    session.start("foxes", size="1024x1024", max_images=3).result()
    session.start("a hare", size="1024x1024").result()
    reply = ask(state, "result", generation=1, at=7)
    assert (reply["ok"]["result"]["entry"]["id"], reply["ok"]["at"]) == (1, 2)


def test_one_that_has_gone_is_none(state: State, session: Session) -> None:
    """Its journal was removed, or somebody has deleted it."""
    session.start("a fox", size="1024x1024").result()
    assert ask(state, "result", generation=9, at=0)["ok"]["result"] is None


def test_a_picture_whose_file_is_gone_has_no_preview(state: State, session: Session) -> None:
    """But what is known of it is told."""
    session.start("a fox", size="1024x1024").result().images[0].path.unlink()
    reply = ask(state, "result", at=0)
    assert (reply["ok"]["result"]["prompt"], reply["buffers"]) == ("a fox", [b""])
    assert ask(state, "preview", mark="@1.1", sharp=True)["buffers"] == [b""]


def test_a_sharp_preview_has_the_pixels_of_a_fine_screen(state: State, session: Session) -> None:
    """As many as the picture has, or 1 800."""
    session.start("a fox", size="2048x2048").result()
    sizes = [
        Image.open(BytesIO(ask(state, "preview", mark="@1.1", sharp=sharp)["buffers"][0])).size
        for sharp in (False, True)
    ]
    assert sizes == [(1024, 1024), (1800, 1800)]


def test_running_it_again_has_its_price(new_session: NewSession) -> None:
    """Of all pictures that may come, where requests go now."""
    session = new_session()
    session.settings.change(price=0.05)
    session.start("foxes", size="1024x1024", max_images=3).result()
    result = ask(State(session), "result", at=0)["ok"]["result"]
    assert result["price"] == pytest.approx(0.15)


# -- what is usual -------------------------------------------------------------------------------------


def test_what_is_usual_is_told_only_where_it_is_known(session: Session) -> None:
    """Of requests with as many pictures, about as large, made from references or not, at the same service."""
    for _ in range(2):
        session.start("a fox", size="1024x1024").result()
    known = [*session.history]
    request = session.compose("a hare", size="1024x1024")
    assert usual_seconds(request, "sandbox", known) == pytest.approx(sum(each.seconds or 0 for each in known) / 2)
    assert usual_seconds(request, "sandbox", known[:1]) is None
    assert usual_seconds(request, "novita", known) is None
    for other in ({"size": "4096x4096"}, {"max_images": 2}, {"images": ["@1"]}):
        assert usual_seconds(session.compose("a hare", **{"size": "1024x1024", **other}), "sandbox", known) is None


def test_of_many_under_way_a_few_are_sent_to_the_page(new_session: NewSession, fault_server: FaultServer) -> None:
    """Those at the service and the newest, and how many more there are: a batch has hundreds."""
    go = threading.Event()

    def answer(_: object) -> Links:
        go.wait(60)
        return Links()

    fault_server.on(POST, OnceRead(answer))
    session = new_session()
    session.settings.change(concurrency=2)
    state = State(session)
    for number in range(20):
        session.start(f"fox {number}")
    until(lambda: sum(job.committed for job in session.jobs) == 2)
    snapshot = state.snapshot()
    prompts = [row["prompt"] for row in snapshot["jobs"]]
    assert (len(prompts), snapshot["more"], prompts[-1]) == (12, 8, "fox 19")
    assert sum(row["sent"] for row in snapshot["jobs"]) == 2
    for job in session.jobs:
        job.cancel()
    go.set()


# -- failures ------------------------------------------------------------------------------------------


def test_what_is_dismissed_stays_so_in_every_panel(new_session: NewSession, fault_server: FaultServer) -> None:
    """Also in one that is shown later, or was there before."""
    fault_server.on(POST, Reply(status=500))
    session = new_session()
    session.start("a fox")
    one, other = State(session), State(session)
    until(lambda: one.rows.shown() and one.rows.shown()[0]["over"])
    (row,) = other.rows.shown()
    ask(one, "dismiss_all")
    assert (one.rows.shown(), other.rows.shown(), State(session).rows.shown()) == ([], [], [])
    assert row["error"]


def test_a_failure_goes_with_a_success_of_the_same_request(new_session: NewSession, fault_server: FaultServer) -> None:
    """Nobody has to dismiss it; another one stays."""
    fault_server.on(POST, Reply(status=500), Reply(status=500), Links(width=1024, height=1024))
    session = new_session()
    state = State(session)
    for prompt in ("a fox", "a hare"):
        job = session.start(prompt)
        until(lambda job=job: job.over)  # type: ignore[misc]
        state.rows.shown()
    session.start("a fox").result()
    assert [row["prompt"] for row in state.rows.shown()] == ["a hare"]


def test_a_failed_request_is_put_into_the_form(new_session: NewSession, fault_server: FaultServer) -> None:
    """With its braces as they were written, and a way back."""
    fault_server.on(POST, Reply(status=500))
    session = new_session()
    state = State(session)
    job = session.start("a {colour} fox", values={"colour": "red"}, size="1536x864")
    until(lambda: job.over)
    (row,) = state.rows.shown()
    ask(state, "amend", number=row["number"], form={**FORM, "prompt": "before"})
    snapshot = state.snapshot()
    assert snapshot["form"] is not None
    assert snapshot["form"]["prompt"] == "a {colour} fox"
    assert snapshot["undo"] == "Undo"


# -- changing a picture --------------------------------------------------------------------------------


def test_a_picture_to_change_is_the_only_reference(state: State, session: Session) -> None:
    """In its own shape, one picture, and nothing is in the prompt yet; what was there comes back."""
    session.start("a fox", size="1536x864").result()
    session.start("a hare", size="1024x1024").result()
    before = {**FORM, "prompt": "two of them", "max_images": 4}
    ask(state, "use", mark="@2.1")
    ask(state, "change", mark="@1.1", form=before)
    changing = state.snapshot()
    assert changing["form"] is not None
    form = changing["form"]
    assert (form["prompt"], form["size"], form["width"], form["max_images"]) == ("", "Custom", 1536, 1)
    assert ([held["name"] for held in changing["tray"]], changing["changes"]) == (["@1.1"], True)
    assert changing["undo"] == "Back to “two of them”"
    ask(state, "undo", form=form)
    back = state.snapshot()
    assert back["form"] == before
    assert ([held["name"] for held in back["tray"]], back["changes"]) == (["@2.1"], False)


def test_changing_another_before_a_word_is_written_keeps_the_way_back(state: State, session: Session) -> None:
    """To what was written, not to the first picture."""
    session.start("foxes", size="1024x1024", max_images=2).result()
    ask(state, "change", mark="@1.1", form={**FORM, "prompt": "two of them"})
    form = state.snapshot()["form"]
    ask(state, "change", mark="@1.2", form=form)
    assert state.snapshot()["undo"] == "Back to “two of them”"
