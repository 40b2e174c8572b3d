"""One table says which values pictures come from: a kind that is added to it is known at every door."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from seedream_nb.notebook.complete.sources import NotebookSources
from seedream_nb.references.adapters import ADAPTERS, Adapter
from seedream_nb.scope import NamesScope
from seedream_nb.widgets.tray import Tray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.session import Session
    from tests.conftest import NewSession


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A kind of value that no table knows."""

    colour: str


SKETCHES = Adapter(
    is_one=lambda value: isinstance(value, Sketch),
    sources=lambda name, value, _depth: [(name, Image.new("RGB", (40, 30), value.colour))],
    in_braces=lambda _value, _depth: True,
    at_tab=lambda value, _depth: "sketch" if type(value) is Sketch else "",
)


@pytest.fixture
def names() -> Iterator[NamesScope]:
    """Give a name that holds a sketch, which the table knows meanwhile."""
    ADAPTERS.append(SKETCHES)
    yield NamesScope({"sketch": Sketch(colour="teal")})
    ADAPTERS.remove(SKETCHES)


@pytest.fixture
def session(new_session: NewSession, names: NamesScope) -> Session:
    """Give a session in a notebook with that name."""
    return new_session(scope=names)


def test_it_is_a_picture_in_braces(session: Session, names: NamesScope) -> None:
    """And becomes the first reference."""
    request = session.compose("like {sketch}", scope=names, typed=True)
    assert (request.prompt, [each.width for each in request.images]) == ("like image 1", [40])


def test_it_is_a_picture_after_image(session: Session) -> None:
    """By its name."""
    request = session.compose("a fox", images=["sketch"], typed=True)
    assert [(each.name, each.height) for each in request.images] == [("sketch", 30)]


def test_it_is_a_picture_in_python(session: Session) -> None:
    """Handed over as it is, in a list too."""
    assert len(session.compose("a fox", images=[Sketch(colour="red"), [Sketch(colour="blue")]]).images) == 2


def test_it_goes_into_the_tray(session: Session) -> None:
    """By its name."""
    tray = Tray(session, lambda: None)
    tray.add("sketch")
    assert [each["name"] for each in tray.shown()] == ["sketch"]


def test_tab_offers_it(session: Session, names: NamesScope) -> None:
    """With what the table calls it."""
    shell: Any = SimpleNamespace(user_ns={"sketch": names.evaluate("sketch")}, user_ns_hidden={})
    offers = NotebookSources(shell, names, lambda: session).pictures()
    assert [(offer.text, offer.description) for offer in offers] == [("sketch", "sketch")]


def test_without_it_none_of_them_is(new_session: NewSession) -> None:
    """What is in no row of the table is text in braces, and refused elsewhere with what is taken."""
    session = new_session(scope=NamesScope({"sketch": Sketch(colour="teal")}))
    with pytest.raises(Exception, match="pass a path, a URL, bytes"):
        session.compose("a fox", images=["sketch"], typed=True)
