"""What a panel leaves in its notebook: the history in pictures, without scripts, small, and kept up to date."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.widgets import saved
from seedream_nb.widgets.modules import joined, styles
from seedream_nb.widgets.panel import Panel
from seedream_nb.widgets.saved import MAX_BYTES, SavedView
from tests.waiting import until

if TYPE_CHECKING:
    from seedream_nb.session import Session
    from tests.conftest import NewSession


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server."""
    return new_session()


class Outputs:
    """The outputs of a notebook that are published."""

    def __init__(self) -> None:
        """Have none yet."""
        self.published: list[tuple[dict[str, Any], str | None, bool]] = []

    def __call__(self, data: dict[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
        """Publish this one."""
        self.published.append((data, display_id, update))


def view_of(session: Session) -> SavedView:
    """Return the saved view of a session's history."""
    return SavedView("id", lambda: session.history)


def make(session: Session, *prompts: str) -> None:
    """Generate these, one after the other."""
    for prompt in prompts:
        session.start(prompt).result()


def test_it_shows_the_history_newest_first_in_pictures(session: Session) -> None:
    """Each generation's first picture with its mark and prompt, below what to do."""
    make(session, "a red kite", "a blue kite")
    shown = view_of(session).bundle()["text/html"]
    assert "Run this cell again to go on." in shown
    assert re.findall(r'alt="(a \w+ kite)', shown) == ["a blue kite", "a red kite"]
    assert shown.count("data:image/jpeg;base64,") == 2


def test_as_text_it_says_what_to_do_and_what_is_there(session: Session) -> None:
    """For LaTeX, and where a host shows no HTML."""
    make(session, "a red kite")
    assert view_of(session).bundle()["text/plain"] == (
        "The Seedream panel. Run this cell again to go on.\n@1 a red kite"
    )


def test_an_empty_history_is_no_gap(session: Session) -> None:
    """Then only what to do is said."""
    assert "<img" not in view_of(session).bundle()["text/html"]


def test_a_prompt_is_text_in_it(session: Session) -> None:
    """No tag that somebody has written becomes one."""
    make(session, "<script>alert(1)</script> & \"quotes\" <img src=x onerror='1'>")
    shown = view_of(session).bundle()["text/html"]
    assert "<script" not in shown
    assert shown.count("<img") == 1
    assert "&lt;script&gt;" in shown


def test_it_stays_small(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is counted; with the widget's own state the notebook gets less than 300 kB more."""
    monkeypatch.setattr(saved, "MAX_BYTES", 12_000)
    make(session, *(f"kite {number}" for number in range(6)))
    shown = view_of(session).bundle()["text/html"]
    assert len(shown) < 14_000
    assert re.search(r"and \d more in the history", shown)
    assert MAX_BYTES + 2_000 + len(joined("panel.js")) + len(styles()) < 300_000


def test_a_history_that_can_not_be_read_is_no_error() -> None:
    """The panel's cell runs all the same."""

    def unreadable() -> Any:
        raise OSError("gone")

    assert "Run this cell again" in SavedView("id", unreadable).bundle()["text/html"]


def test_it_is_renewed_when_the_history_grows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same output, once for several changes, and never before it was shown or when nothing is new."""
    monkeypatch.setattr(saved, "RENEW_SECONDS", 0.05)
    outputs, view = Outputs(), view_of(session)
    view.renew()
    view.show(outputs)
    make(session, "a red kite")
    view.renew()
    view.renew()
    until(lambda: len(outputs.published) == 2)
    view.renew()
    first, second = outputs.published
    assert first[1:] == ("id", False)
    assert second[1:] == ("id", True)
    assert "a red kite" in second[0]["text/html"]


def test_a_closed_panel_renews_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output may be of another day."""
    monkeypatch.setattr(saved, "RENEW_SECONDS", 0.05)
    outputs, view = Outputs(), view_of(session)
    view.show(outputs)
    view.renew()
    view.close()
    view.renew()
    assert view._timer is not None  # noqa: SLF001 - there is nothing else to wait for
    view._timer.join()  # noqa: SLF001 - as above
    assert len(outputs.published) == 1


def test_the_panel_is_two_outputs_of_its_cell(session: Session) -> None:
    """The history as a page without scripts, and the widget, which without a kernel is nothing."""
    outputs = Outputs()
    Panel(session, publish=outputs)._ipython_display_()
    (history, identity, _), (widget, _, _) = outputs.published
    assert "Run this cell again" in history["text/html"]
    assert identity == widget["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert widget["text/html"] == ""


def test_where_nothing_can_be_published_the_panel_is_one_output(session: Session) -> None:
    """With both in it."""
    data, _ = Panel(session)._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


def test_the_page_knows_the_output_by_the_id_of_the_model(session: Session) -> None:
    """Which the widget has from the beginning."""
    panel = Panel(session)
    assert panel.identity == panel.model_id
