"""The stage: the newest result, or the one that somebody chose, large, with the request that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import NoSuchItemError, SeedreamError, plain
from seedream_nb.preview import ALONE, large_preview, preview
from seedream_nb.storage.generation import written
from seedream_nb.widgets.gallery import entry_of
from seedream_nb.widgets.protocol import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.widgets.gallery import HistoryPages
    from seedream_nb.widgets.protocol import Answers, Message, Result

SHARP_SIDE = 1800
"""The longest side of a preview for a screen of two pixels per point. Others have that of a cell, which is there
as soon as the picture is."""
_LOOK_BACK = 200
"""Generations among which the newest result is looked for: after so many failures there is none."""


class Stage:
    """What stands on the stage, as the page asks for it."""

    def __init__(self, session: Session, pages: HistoryPages, place: Callable[[], str]) -> None:
        """Show results of the history of these pages; `place` returns where a request would go, and at what price."""
        self._session, self._pages, self._place = session, pages, place

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {"result": self._result, "preview": self._preview}

    def _result(self, asked: Message) -> Response:
        """Return a generation with what made it, and a preview of one picture; without a number the newest."""
        number = asked.number("generation") if asked.has("generation") else None
        generation = self._newest() if number is None else self._numbered(number)
        if generation is None:
            return Response(values={"result": None}, is_kept=False)
        at = min(asked.number("at", most=100), len(generation.images) - 1)
        values = {"result": self._shown(generation), "at": at}
        return Response(values=values, buffers=[_look(generation, at)], is_kept=False)

    def _newest(self) -> Generation | None:
        return next((each for each in reversed(self._pages.history[-_LOOK_BACK:]) if each.images), None)

    def _numbered(self, number: int) -> Generation | None:
        """Return a generation that has pictures, if there still is one of this number."""
        try:
            generation = self._pages.history[number]
        except NoSuchItemError:
            return None
        return generation if generation.images else None

    def _shown(self, generation: Generation) -> Result:
        request = generation.request
        marks = {f"{mark}." for mark in generation.sources}
        others = [each for each in request.images if not any(f"{each.name}.".startswith(mark) for mark in marks)]
        return {
            "entry": entry_of(generation),
            "prompt": plain(generation.prompt, len(generation.prompt)),
            "size": request.size,
            "model": request.model.title,
            "cost": generation.cost,
            "price": self._session.price(request.model) * request.max_pictures,
            "place": self._place(),
            "others": [written(each) for each in others],
        }

    def _preview(self, asked: Message) -> Response:
        """Return a picture for a fine screen; nothing where its file is gone or damaged."""
        picture = self._pages.history.marked(asked.text("mark", 40))[0]
        try:
            content = large_preview(picture.path, SHARP_SIDE if asked.truth("sharp") else ALONE.side)
        except (OSError, ValueError):
            content = b""
        return Response(buffers=[content])


def _look(generation: Generation, at: int) -> bytes:
    """Return the preview that a cell has of a picture, too; nothing where its file is gone or damaged."""
    try:
        return preview(generation.images[at].path, ALONE.side)
    except (OSError, ValueError, SeedreamError):
        return b""
