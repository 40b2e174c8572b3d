"""The panel's kernel side, without a page: what a page may ask, what it is told, and what it can't do."""

from __future__ import annotations

import threading
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from seedream_nb.errors import SeedreamError
from seedream_nb.request import Reference
from seedream_nb.scope import NamesScope
from seedream_nb.service import DEFAULT
from seedream_nb.widgets.form import empty_form
from seedream_nb.widgets.panel import Panel
from seedream_nb.widgets.protocol import MAX_ANSWERS, Dispatcher, Message, Response, field_of
from seedream_nb.widgets.state import State
from seedream_nb.wording import HIGHEST
from tests.faults.script import POST, Links, Reply
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

FORM = empty_form(DEFAULT.model)


def ask(state: State, what: str, buffers: Sequence[bytes] = (), **fields: Any) -> dict[str, Any]:
    """Ask what a page asks, and return the reply."""
    ask.number += 1  # type: ignore[attr-defined]
    message = {"id": f"t-{ask.number}", "ask": what, "view": "t", **fields}  # type: ignore[attr-defined]
    reply, along = state.desk.hear(message, list(buffers))
    return {**reply, "buffers": along}


ask.number = 0  # type: ignore[attr-defined]


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server."""
    return new_session()


@pytest.fixture
def state(session: Session) -> State:
    """Give the state of a panel."""
    return State(session)


# -- messages ------------------------------------------------------------------------------------------


def test_a_question_is_answered_with_its_id() -> None:
    """So that the page knows which answer is which."""
    desk = Dispatcher({"double": lambda asked: Response(values={"twice": 2 * asked.number("it")})})
    assert desk.hear({"id": "7", "ask": "double", "it": 4}, [])[0] == {"id": "7", "ok": {"twice": 8}}


def test_a_question_that_comes_twice_is_acted_on_once() -> None:
    """A click that a host sends again is one click."""
    clicks: list[int] = []
    desk = Dispatcher({"click": lambda _: clicks.append(1)})
    first = desk.hear({"id": "1", "ask": "click"}, [])
    assert desk.hear({"id": "1", "ask": "click"}, []) == first
    assert clicks == [1]


def test_answers_that_are_kept_are_bounded() -> None:
    """A panel that is open for weeks holds no more."""
    desk = Dispatcher({"click": lambda _: None})
    for number in range(2 * MAX_ANSWERS):
        desk.hear({"id": str(number), "ask": "click"}, [])
    assert len(desk._given) == MAX_ANSWERS  # noqa: SLF001


def harmless(desk: Dispatcher, many: int = MAX_ANSWERS + 44) -> None:
    """Have a desk hear more than it keeps answers for."""
    for number in range(many):
        desk.hear({"id": f"look-{number}", "ask": "look"}, [])


def test_what_spends_is_not_bought_again_however_late_it_comes_again() -> None:
    """Three hundred harmless questions later the same message is answered as before, and not acted on."""
    bought: list[int] = []
    desk = Dispatcher({"buy": lambda _: bought.append(1), "look": lambda _: None}, spends=("buy",))
    first = desk.hear({"id": "1", "ask": "buy"}, [])
    harmless(desk)
    assert desk.hear({"id": "1", "ask": "buy"}, []) == first
    assert bought == [1]


def test_what_was_refused_is_not_bought_later() -> None:
    """A message that comes again long after its refusal says that; nobody looks for a purchase any more."""
    replies = iter([SeedreamError("over budget"), None])

    def buy(_: Message) -> None:
        if error := next(replies):
            raise error

    desk = Dispatcher({"buy": buy, "look": lambda _: None}, spends=("buy",))
    desk.hear({"id": "1", "ask": "buy"}, [])
    harmless(desk)
    assert "refused" in desk.hear({"id": "1", "ask": "buy"}, [])[0]["error"]["told"][0]


def test_what_is_being_bought_is_not_bought_beside_it() -> None:
    """Even if three hundred harmless questions are answered while it is acted on."""
    bought: list[int] = []

    def buy(_: Message) -> None:
        bought.append(1)
        harmless(desk)
        assert desk.hear({"id": "1", "ask": "buy"}, []) == ({}, ())

    desk = Dispatcher({"buy": buy, "look": lambda _: None}, spends=("buy",))
    assert "ok" in desk.hear({"id": "1", "ask": "buy"}, [])[0]
    assert bought == [1]


def test_what_spends_has_an_id() -> None:
    """Without one nobody could tell it from the same again."""
    bought: list[int] = []
    desk = Dispatcher({"buy": lambda _: bought.append(1)}, spends=("buy",))
    assert "error" in desk.hear({"ask": "buy"}, [])[0]
    assert bought == []


def test_what_spent_is_bounded() -> None:
    """Once there are too many ids to remember, nothing more is bought, rather than something twice."""
    bought: list[int] = []
    desk = Dispatcher({"buy": lambda _: bought.append(1)}, spends=("buy",), max_spent=2)
    replies = [desk.hear({"id": number, "ask": "buy"}, [])[0] for number in "123"]
    assert ["ok" in each for each in replies] == [True, True, False]
    assert "run this cell again" in replies[2]["error"]["told"][0]
    assert bought == [1, 1]


def test_a_question_that_is_still_acted_on_is_not_acted_on_again() -> None:
    """Whatever thread it comes on: the first that came is answered."""
    begun, go, clicks = threading.Event(), threading.Event(), []

    def click(_: Message) -> None:
        clicks.append(1)
        begun.set()
        go.wait(10)

    desk = Dispatcher({"click": click})
    first = threading.Thread(target=desk.hear, args=({"id": "1", "ask": "click"}, []))
    first.start()
    assert begun.wait(10)
    assert desk.hear({"id": "1", "ask": "click"}, []) == ({}, ())
    go.set()
    first.join()
    assert clicks == [1]


def test_bytes_are_sent_again_to_who_asks_again() -> None:
    """They are not kept, so the question is acted on anew."""
    desk = Dispatcher({"see": lambda _: Response(buffers=[b"picture"])})
    assert [desk.hear({"id": "1", "ask": "see"}, [])[1] for _ in range(2)] == [[b"picture"], [b"picture"]]


@pytest.mark.parametrize(
    "content", [None, [], "text", {}, {"id": 3}, {"id": "1", "ask": "nothing"}, {"id": "1", "ask": ["x"]}]
)
def test_what_makes_no_sense_is_answered_too(content: object) -> None:
    """With an error, never an exception."""
    assert "error" in Dispatcher({}).hear(content, [])[0]


@pytest.mark.parametrize("value", [None, "3", 1.5, True, -1, 10**30])
def test_a_number_is_a_whole_number(value: object) -> None:
    """What comes from the page is checked like any input."""
    with pytest.raises(SeedreamError, match="an invalid it"):
        Message({"it": value}).number("it")


@pytest.mark.parametrize("value", [None, "@1", [1], [None], ["@" * 101], ["@1"] * 101])
def test_a_list_of_texts_is_short(value: object) -> None:
    """What a page sends is checked like any input."""
    with pytest.raises(SeedreamError, match="an invalid marks"):
        Message({"marks": value}).texts("marks")


def test_a_fault_of_ours_is_told() -> None:
    """The page waits for an answer, whatever happens."""
    reply, _ = Dispatcher({"break": lambda _: 1 / 0}).hear({"id": "1", "ask": "break"}, [])  # type: ignore[dict-item, return-value]
    assert "ZeroDivisionError" in reply["error"]["told"][0]


@pytest.mark.parametrize(
    ("problem", "field"),
    [
        ("The prompt is empty: write what the picture should show.", "prompt"),
        ("{stile}: there is no such name.", "prompt"),
        ("size: 1x1 has 1 pixel", "size"),
        ("max_images: found 16", "max_images"),
        ("photo.png: has 9x9 pixels", "images"),
    ],
)
def test_a_problem_belongs_to_a_field(problem: str, field: str) -> None:
    """Where it is shown."""
    assert field_of(problem) == field


# -- the form ------------------------------------------------------------------------------------------


def form(**changes: object) -> dict[str, object]:
    """Return what the page sends of the form."""
    return {**FORM, "prompt": "a fox", **changes}


def test_generate_sends_what_the_form_says(state: State, fault_server: FaultServer) -> None:
    """The same request as the cell's, through the same session."""
    fault_server.on(POST, Links())
    assert ask(state, "generate", form=form(size="1K", aspect="16:9", max_images=3, watermark=False))["ok"] == {}
    until(lambda: all(job.over for job in state.session.jobs))
    request = state.session.history[-1].request
    assert (request.prompt, request.size, request.max_images, request.watermark) == ("a fox", "1368x768", 3, False)


def test_every_size_of_the_table_is_one_that_the_service_makes(state: State) -> None:
    """The page says pixels without asking; they are the magic's."""
    sizes = state.snapshot()["sizes"]
    assert {len(by_ratio) for by_ratio in sizes.values()} == {8}
    assert sizes["2K"]["16:9"] == "2560x1440"


def test_a_refusal_names_the_field(state: State, fault_server: FaultServer) -> None:
    """And sends nothing."""
    error = ask(state, "generate", form=form(max_images=16))["error"]
    assert list(error["fields"]) == ["max_images"]
    assert fault_server.posts == []


def test_the_nearest_size_comes_with_the_refusal(state: State) -> None:
    """So that the page can offer it."""
    error = ask(state, "check", form=form(size="Custom", width=100, height=2048))["error"]
    assert error["nearest"] == (256, 4096)


def test_checking_evaluates_no_expression(session: Session) -> None:
    """Nobody has pressed anything yet: `{cost()}` is left alone."""
    state = State(session)
    assert "ok" in ask(state, "check", form=form(prompt="{surely_not_there()}"))


@pytest.mark.parametrize("what", ["check", "generate"])
def test_a_number_that_points_at_no_reference_is_told_at_the_prompt(
    state: State, fault_server: FaultServer, what: str
) -> None:
    """As it is typed, and when it is pressed; nothing is sent."""
    state.tray.hold([Reference(name="fox", url="https://x.org/fox.png")])
    asked = form(prompt="image 2 in the style of image 1")
    error = ask(state, what, form=asked)["error"]
    assert list(error["fields"]) == ["prompt"]
    assert "image 2, but there is one reference (image 1: https://x.org/fox.png)" in error["fields"]["prompt"][0]
    assert fault_server.posts == []


def test_a_number_is_not_checked_as_long_as_braces_may_be_pictures(state: State) -> None:
    """Nothing is evaluated before it is pressed; without references, and in a series, it may mean something else."""
    fox = [Reference(name="fox", url="https://x.org/fox.png")]
    state.tray.hold(fox)
    assert "ok" in ask(state, "check", form=form(prompt="image 2 in the style of {it}"))
    assert "ok" in ask(state, "check", form=form(prompt="image 2 like ![](a.png)"))
    assert "ok" in ask(state, "check", form=form(prompt="image 2: the harvest", max_images=2))
    assert list(ask(state, "check", form=form(prompt="image 2 in {{braces}}"))["error"]["fields"]) == ["prompt"]


def test_what_is_wrong_in_braces_is_told_at_the_prompt(state: State) -> None:
    """A picture that can't be found as well as what is no text."""
    scope = NamesScope({"gone": Path("gone.png"), "nothing": None})
    state.session.scope = scope
    for name in ("gone", "nothing"):
        error = ask(state, "generate", form=form(prompt=f"a fox like {{{name}}}"))["error"]
        assert list(error["fields"]) == ["prompt"]


@pytest.mark.parametrize("changes", [{"prompt": 3}, {"size": None}, {"width": "1"}, {"watermark": 1}, {"aspect": []}])
def test_a_form_of_wrong_types_is_refused(state: State, fault_server: FaultServer, changes: dict[str, object]) -> None:
    """It sends nothing."""
    assert "error" in ask(state, "generate", form=form(**changes))
    assert fault_server.posts == []


def test_earlier_prompts_come_newest_first_and_once(state: State, fault_server: FaultServer) -> None:
    """As they were written."""
    fault_server.on(POST, Links())
    for prompt in ("first", "second", "first"):
        state.session.submit(state.session.compose(prompt)).result()
    assert ask(state, "prompts")["ok"] == {"prompts": ["first", "second"]}


# -- the queue -----------------------------------------------------------------------------------------


def test_a_failed_request_stays_until_it_is_dismissed(state: State, fault_server: FaultServer) -> None:
    """With the words of the error."""
    fault_server.on(POST, Reply(status=500))
    session = state.session
    with pytest.raises(SeedreamError):
        session.submit(session.compose("a fox")).result()
    (shown,) = state.snapshot()["jobs"]
    assert shown["over"]
    assert shown["error"]
    ask(state, "dismiss", number=shown["number"])
    assert state.snapshot()["jobs"] == []


def test_try_again_sends_it_again(state: State, fault_server: FaultServer) -> None:
    """The failed one goes from the queue."""
    fault_server.on(POST, Reply(status=500), Links())
    session = state.session
    with pytest.raises(SeedreamError):
        session.submit(session.compose("a fox")).result()
    number = state.snapshot()["jobs"][0]["number"]
    assert "ok" in ask(state, "again", number=number)
    until(lambda: len(session.history) == 2 and session.history[-1].status == "done")
    until(lambda: state.snapshot()["jobs"] == [])  # a moment after its end is written down


@pytest.mark.parametrize("kind", ["generate", "rerun", "again"])
def test_no_button_buys_twice(state: State, fault_server: FaultServer, kind: str) -> None:
    """Generate, run again and try again, each with its message coming again after three hundred harmless ones."""
    fault_server.on(POST, Reply(status=500), Links())
    session = state.session
    with pytest.raises(SeedreamError):
        session.start("a fox").result()
    number = state.snapshot()["jobs"][0]["number"]
    about: dict[str, dict[str, Any]] = {
        "generate": {"form": form()}, "rerun": {"generation": 1}, "again": {"number": number},
    }  # fmt: skip
    message = {"id": "page-1", "ask": kind, "view": "t", **about[kind]}
    replies = [state.desk.hear(message, [])[0]]
    for _ in range(MAX_ANSWERS + 44):
        ask(state, "leave")
    replies.append(state.desk.hear(message, [])[0])
    until(lambda: all(job.over for job in session.jobs))
    assert replies == [{"id": "page-1", "ok": {}}] * 2
    assert len(fault_server.posts) == 2  # with the one that failed


@pytest.mark.parametrize("kind", ["generate", "rerun", "again"])
def test_a_press_buys_nothing_that_the_page_did_not_show(state: State, fault_server: FaultServer, kind: str) -> None:
    """It may be heard after a cell has changed the price: it is refused, and the next press is taken."""
    fault_server.on(POST, Reply(status=500), Links())
    session = state.session
    with pytest.raises(SeedreamError):
        session.start("a fox").result()
    about: dict[str, dict[str, Any]] = {
        "generate": {"form": form()}, "rerun": {"generation": 1}, "again": {"number": state.rows.shown()[0]["number"]},
    }  # fmt: skip
    seen = state.snapshot()["place"]
    session.settings.change(price=3)
    assert ask(state, kind, place=seen, **about[kind])["error"]["told"][1].startswith("Nothing was sent")
    assert len(fault_server.posts) == 1
    assert "ok" in ask(state, kind, place=state.snapshot()["place"], **about[kind])
    until(lambda: len(fault_server.posts) == 2)


def test_a_press_in_the_sandbox_buys_nothing_at_the_service(state: State, fault_server: FaultServer) -> None:
    """A cell with `%seedream config backend=novita` ran between the press and its being heard."""
    state.session.settings.change(backend="sandbox")
    seen = state.snapshot()["place"]
    state.session.settings.change(backend="novita")
    assert "error" in ask(state, "generate", form=form(), place=seen)
    assert fault_server.posts == []


def test_run_again_means_the_generation_that_the_page_showed(
    state: State, fault_server: FaultServer, tmp_path: Path
) -> None:
    """In the home that a cell has chosen since, the same number is another."""
    session = state.session
    session.start("a fox").result()
    seen = state.snapshot()["place"]
    session.settings.change(home=tmp_path / "another")
    session.start("a hare", max_images=15).result()
    assert "error" in ask(state, "rerun", generation=1, place=seen)
    assert len(fault_server.posts) == 2


@pytest.mark.slow
def test_cancel_withdraws_what_was_not_sent(state: State, fault_server: FaultServer) -> None:
    """It is told in the queue."""
    fault_server.on(POST, Links(delay=0.5))
    session = state.session
    session.settings.change(concurrency=1)
    jobs = [session.submit(session.compose(f"fox {number}")) for number in range(2)]
    waiting = next(each for each in state.snapshot()["jobs"] if each["prompt"] == "fox 1")
    assert "ok" in ask(state, "cancel", number=waiting["number"])
    until(lambda: all(job.over for job in jobs))
    assert len(fault_server.posts) == 1
    told = [line for each in state.snapshot()["jobs"] for line in each["error"] or ()]
    assert any("Nothing was billed" in line for line in told)


# -- the history ---------------------------------------------------------------------------------------


@pytest.fixture
def filled(state: State, fault_server: FaultServer) -> State:
    """Have three generations in the history."""
    fault_server.on(POST, Links(width=1024, height=1024))
    for prompt in ("a red fox", "a blue whale", "a red kite"):
        state.session.submit(state.session.compose(prompt, size="1024x1024")).result()
    return state


def test_entries_come_newest_first_in_pages(filled: State) -> None:
    """What is older than an id is the next page."""
    found = ask(filled, "entries", before=None, words="", stars=False)["ok"]
    assert [entry["prompt"] for entry in found["entries"]] == ["a red kite", "a blue whale", "a red fox"]
    assert [entry["id"] for entry in ask(filled, "entries", before=3, words="red", stars=False)["ok"]["entries"]] == [1]


def test_thumbnails_come_as_bytes_beside_the_message(filled: State) -> None:
    """Small JPEGs; what is gone is left out."""
    reply = ask(filled, "thumbnails", marks=["@1.1", "@9.1"])
    assert reply["ok"] == {"marks": ["@1.1"]}
    with Image.open(BytesIO(reply["buffers"][0])) as image:
        assert max(image.size) == 320


def test_a_picture_comes_as_it_is_on_disk(filled: State) -> None:
    """Byte for byte, with its type and name."""
    picture = filled.session.history[1][0]
    reply = ask(filled, "picture", mark="@1.1")
    assert bytes(reply["buffers"][0]) == picture.path.read_bytes()
    assert reply["ok"]["name"] == picture.path.name


def test_a_picture_that_is_gone_is_told(filled: State) -> None:
    """In a line."""
    filled.session.history[1][0].path.unlink()
    assert "error" in ask(filled, "picture", mark="@1.1")


def test_a_star_is_kept_for_every_kernel(filled: State, new_session: NewSession) -> None:
    """It is in the journal: another session sees it, and only those with a star can be asked for."""
    ask(filled, "star", generation=2, on=True)
    assert [each.starred for each in new_session().history] == [False, True, False]
    found = ask(filled, "entries", before=None, words="", stars=True)["ok"]
    assert ([entry["id"] for entry in found["entries"]], found["starred"]) == ([2], 1)
    ask(filled, "star", generation=2, on=False)
    assert not any(each.starred for each in new_session().history)


def test_edit_fills_form_and_tray_and_undo_brings_them_back(filled: State) -> None:
    """Nothing of what was there is lost."""
    filled.form.keep({**FORM, "prompt": "half a thought"})
    filled.tray.add("@2")
    ask(filled, "edit", generation=1)
    assert (filled.form.draft["prompt"], filled.tray.held()) == ("a red fox", [])
    ask(filled, "undo")
    assert (filled.form.draft["prompt"], len(filled.tray.held())) == ("half a thought", 1)


def test_undo_keeps_what_was_written_since(filled: State) -> None:
    """The page's newest draft is what Redo brings back; of two edits in a row, the first is not one's own."""
    filled.form.keep({**FORM, "prompt": "my own"})
    for generation in (1, 2):
        ask(filled, "edit", generation=generation, form=filled.form.draft)
    assert filled.snapshot()["undo"] == "Undo"
    ask(filled, "undo", form={**filled.form.draft, "prompt": "more"})
    assert (filled.form.draft["prompt"], filled.snapshot()["undo"]) == ("my own", "Redo")
    ask(filled, "undo", form=filled.form.draft)
    assert (filled.form.draft["prompt"], filled.snapshot()["undo"]) == ("more", "Undo")


# -- the whole -----------------------------------------------------------------------------------------


def test_who_watches_is_told_of_what_another_door_did(filled: State) -> None:
    """Within moments, on a thread of its own."""
    before = filled.stamp
    ask(filled, "snapshot")
    filled.session.submit(filled.session.compose("another")).result()
    until(lambda: filled.stamp > before + 1)


def test_a_panel_is_one_widget(session: Session) -> None:
    """With no other in it but the layout that each widget has: one comm opens, closes and is restored."""
    panel = Panel(session)
    others = [value for value in panel.get_state().values() if str(value).startswith("IPY_MODEL_")]
    assert others == [f"IPY_MODEL_{panel.layout.model_id}"]


# -- numbers and names in the prompt -------------------------------------------------------------------


def test_a_prompt_follows_its_references(state: State, tmp_path: Path) -> None:
    """One that is removed leaves a number that points at nothing, which no picture in braces can have."""
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40, 40 + number), colour).save(tmp_path / f"{colour}.png")
        ask(state, "add", written=str(tmp_path / f"{colour}.png"))
    ask(state, "move", number=1, place=2, form=form(prompt="image 1, image 2, image 3"))
    assert state.form.draft["prompt"] == "image 3, image 1, image 2"
    ask(state, "remove", number=2, form=form(prompt="image 1 and image 2"))
    assert state.form.draft["prompt"] == "image 3 and image 1"
    ask(state, "undo", form=form(prompt="image 3 and image 1"))
    assert state.form.draft["prompt"] == "image 1 and image 2"
    assert len(state.tray.held()) == 3
    ask(state, "remove", number=4, form=form(prompt="image 1 of {sheet}"))
    assert state.form.draft["prompt"] == f"image {HIGHEST} of {{sheet}}"


def test_what_says_no_number_is_not_written_anew(state: State) -> None:
    """Somebody may be typing in it."""
    state.tray.hold([Reference(name="a", url="https://example.com/a.jpg")])
    before = state.snapshot()["form_number"]
    ask(state, "remove", number=1, form=form(prompt="a fox"))
    assert state.snapshot()["form_number"] == before


def test_a_reference_that_no_number_names_comes_back(state: State) -> None:
    """Undo takes back the removal alone, not what was done before it."""
    state.tray.hold([Reference(name=name, url=f"https://example.com/{name}.jpg") for name in "abc"])
    ask(state, "move", number=3, place=1, form=form(prompt="image 1 and image 3"))
    ask(state, "remove", number=2, form=state.form.draft)
    ask(state, "undo", form=state.form.draft)
    assert [each.name for each in state.tray.held()] == ["a", "c", "b"]
    assert state.form.draft["prompt"] == "image 1 and image 2"
    assert state.snapshot()["undo"] == "Undo"


def test_variables_are_offered_for_a_brace(new_session: NewSession) -> None:
    """Text and numbers first, then other values; no code, and nothing hidden unless it is asked for."""
    values = {"row": {"a": 1}, "style": "ink", "size": 4, "stop": print, "Text": str, "_own": "x"}
    state = State(new_session(scope=NamesScope(values)))
    assert ask(state, "names", word="")["ok"]["names"] == ["size", "style", "row"]
    assert ask(state, "names", word="s")["ok"]["names"] == ["size", "style"]
    assert ask(state, "names", word="_")["ok"]["names"] == ["_own"]
