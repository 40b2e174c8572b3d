"""The gallery: the history as a wall of pictures, each with what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.cell import cell_of
from seedream_nb.errors import SeedreamError, money, plain, plain_but_links
from seedream_nb.options import SENT
from seedream_nb.preview import ALONE, FEW, GALLERY_SIDE, preview
from seedream_nb.sizes import shape_of
from seedream_nb.storage.folding import ENDS
from seedream_nb.storage.generation import reference_names, written
from seedream_nb.widgets.protocol import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import Generations, History
    from seedream_nb.storage.picture import Picture
    from seedream_nb.widgets.protocol import Answers, Entry, Message

PAGE = 48
"""Entries that are sent at once: a few screens, so that each screen is not a question of its own, after each of which
JupyterLab shows twice what its kernel does. The page puts them there a few in each frame."""
MAX_THUMBNAILS = 40
MAX_DELETED = 100_000
SIDES = (GALLERY_SIDE, FEW.side, ALONE.side)
"""The longest sides of the pictures that the page can ask for: two of them are made for cells too."""
NONE_DELETED = "Nothing was deleted."
_PROMPT_CHARACTERS, _NAME_CHARACTERS = 2000, 100


class HistoryPages:
    """The history as the page asks for it, and what can be done with a generation of it."""

    def __init__(
        self,
        session: Session,
        history: History | None,
        *,
        fill: Callable[[ImageRequest, str | None, Message], None],
        change: Callable[[], None],
    ) -> None:
        """Show this history, or the session's own for None; `fill` fills form and tray with a generation."""
        self._session, self._history = session, history
        self._fill, self._change = fill, change

    @property
    def history(self) -> History:
        """The history that is shown."""
        return self._history if self._history is not None else self._session.history

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {
            "entries": self._entries,
            "changes": self._changes,
            "thumbnails": self._thumbnails,
            "picture": self._picture,
            "rerun": self._rerun,
            "edit": lambda asked: self._fill(self._generation(asked).request, None, asked),
            "code": self._code,
            "star": self._star,
            "delete": self._delete,
            "restore": self._restore,
            "details": self._details,
        }

    def _entries(self, asked: Message) -> Response:
        """Return a page of the history, newest first: what comes before an id, and has all the words."""
        before = asked.number("before") if asked.has("before") else None
        found, starred = self._found(asked)
        older = found if before is None else found.before(before)
        entries: list[Entry] = []
        for each in reversed(older):
            if asked.truth("stars") and each.id not in starred:
                continue
            if len(entries) == PAGE:
                break
            entries.append(entry_of(each))
        values = {"entries": entries, "whole": len(entries) < PAGE, **self._counts(starred)}
        return Response(values=values, is_kept=False)

    def _counts(self, starred: set[int]) -> dict[str, int]:
        """Return how many have a star, and how many have failed."""
        return {"starred": len(starred), "failed": len(self.history.failed())}

    def _changes(self, asked: Message) -> Response:
        """Return what a page needs to bring what it shows up to date, down to its oldest entry."""
        oldest = asked.number("oldest")
        found, starred = self._found(asked)
        ids = [each for each in found.ids if each >= oldest and (not asked.truth("stars") or each in starred)]
        newest = [entry_of(self.history[each]) for each in reversed(ids[-PAGE:])]
        values = {"entries": newest, "ids": ids[::-1], "stars": sorted(starred), **self._counts(starred)}
        return Response(values=values, is_kept=False)

    def _found(self, asked: Message) -> tuple[Generations, set[int]]:
        """Return what has all the words, and the ids of what has a star."""
        words = asked.text("words", 1000)
        found = self.history.search(words) if words.strip() else self.history[:]
        return found, set(self.history.starred().ids)

    def _thumbnails(self, asked: Message) -> Response:
        marks = asked.texts("marks", MAX_THUMBNAILS)
        wanted = asked.number("side") if asked.has("side") else GALLERY_SIDE
        side = next((side for side in SIDES if side >= wanted), SIDES[-1])
        made = {mark: self._thumbnail(mark, side) for mark in marks}
        there = [mark for mark, small in made.items() if small]
        return Response(values={"marks": there}, buffers=[made[mark] for mark in there], is_kept=False)

    def _thumbnail(self, mark: str, side: int) -> bytes:
        try:
            return preview(self._marked(mark).path, side)
        except (OSError, ValueError, SeedreamError):  # gone or damaged: the page says that it has none
            return b""

    def _picture(self, asked: Message) -> Response:
        picture = self._marked(asked.text("mark", 40))
        try:
            content = picture.to_bytes()
        except OSError as error:
            why = plain(error.strerror or str(error))
            raise SeedreamError(f"{picture.mark}: its file {picture.path.name} can't be read: {why}.") from None
        return Response(values={"media_type": picture.media_type, "name": picture.path.name}, buffers=[content])

    def _rerun(self, asked: Message) -> None:
        self._session.rerun(self._generation(asked).request)
        self._change()

    def _star(self, asked: Message) -> None:
        generation = self._generation(asked)
        try:
            self._session.star(generation.id, on=asked.truth("on"))
        except OSError as error:
            raise SeedreamError(f"The star can't be saved: {plain(error.strerror or str(error))}.") from None
        self._change()

    def _delete(self, asked: Message) -> Response:
        """Delete generations, or all that failed; the page may have fewer of them in sight than there are."""
        failed = asked.has("failed") and asked.truth("failed")
        ids = self.history.failed().ids if failed else asked.numbers("generations", MAX_DELETED)
        outcome = self._session.deletion.hide(ids)
        self._change()
        return Response(values={"deleted": list(outcome.done), "told": " ".join(outcome.told) or NONE_DELETED})

    def _restore(self, asked: Message) -> None:
        self._session.deletion.restore(asked.numbers("generations", MAX_DELETED))
        self._change()

    def _details(self, asked: Message) -> Response:
        """Return what a generation was made of: the whole prompt, and facts with their names."""
        generation = self._generation(asked)
        values = {"prompt": plain(generation.prompt, len(generation.prompt)), "facts": list(facts_of(generation))}
        return Response(values=values, is_kept=False)

    def _code(self, asked: Message) -> Response:
        cell = cell_of(self._generation(asked), self._session)
        return Response(values={"cell": cell}, is_kept=False)

    def _generation(self, asked: Message) -> Generation:
        number = asked.number("generation")
        try:
            return self.history[number]
        except IndexError as error:
            if isinstance(error, SeedreamError) and "deleted" in error.message:
                raise
            raise SeedreamError(f"@{number} is no longer in the history: its journal was removed.") from None

    def _marked(self, mark: str) -> Picture:
        return self.history.marked(mark)[0]


def entry_of(generation: Generation) -> Entry:
    """Return a generation as the page shows it: no bytes, no paths."""
    return {
        "id": generation.id,
        "mark": generation.mark,
        "prompt": plain(generation.prompt, _PROMPT_CHARACTERS),
        "status": generation.status,
        "runs": generation.status not in ENDS,
        "error": plain_but_links(generation.error or "") if not generation.images else "",
        "seconds": generation.seconds,
        "starred": generation.starred,
        "sandbox": generation.is_free,
        "sources": list(generation.sources),
        "ratio": _ratio(generation.request.size),
        "pictures": [{"mark": each.mark, "width": each.width, "height": each.height} for each in generation.images],
    }


def _ratio(size: str) -> float:
    """Return width by height of a size; 1 for a tier, of which the service chooses the shape."""
    width, height = shape_of(size) or (1, 1)
    return width / height


def facts_of(generation: Generation) -> Iterator[tuple[str, str]]:
    """Yield what there is to tell of a generation beside its prompt, each with a name."""
    request = generation.request
    yield "Size", request.size
    if request.max_images is not None:
        yield "Pictures", f"up to {request.max_images}"
    for name, reference in zip(reference_names(request), request.images, strict=True):
        yield name.capitalize(), written(reference)
    if not {*generation.sources} <= {reference.name for reference in request.images}:
        yield "From", ", ".join(generation.sources)
    for option in SENT:
        if option.kind == "switch":
            yield option.name.replace("_", " ").capitalize(), "yes" if getattr(request, option.name) else "no"
    yield "Model", request.model.title
    yield "Service", generation.host or generation.backend
    yield "Date", f"{generation.created.astimezone():%Y-%m-%d %H:%M}"
    if generation.seconds is not None:
        yield "Took", f"{generation.seconds:.1f} s"
    if generation.cost is not None:
        yield "Cost", "nothing (sandbox)" if generation.is_free else money(generation.cost)
    if generation.notebook:
        yield "Notebook", plain(generation.notebook, _NAME_CHARACTERS)
    for warning in generation.warnings:
        yield "Note", plain_but_links(warning)
