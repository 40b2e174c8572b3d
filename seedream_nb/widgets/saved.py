"""What a panel leaves in its notebook: the history in pictures, for when no kernel shows the panel itself.

A widget is shown only by the kernel that made it. So the panel's cell has two outputs: this one, plain HTML without
scripts, and the widget. The live panel hides this one, and this one hides what a host shows for a widget that is gone.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import threading
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError, plain
from seedream_nb.files import working_folder
from seedream_nb.preview import PreviewSize
from seedream_nb.view import alternative
from seedream_nb.view.markup import badge, frame, image, link, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import History

    Publish = Callable[..., None]
    """Publishes a bundle as an output, perhaps with a `display_id`; or, with `update=True`, updates that output."""

AGAIN = "Run this cell again to go on."
MAX_BYTES = 90_000
"""Of the HTML: with the state of the widget, which some hosts save too, a notebook gets less than 300 kB more."""
MAX_PICTURES = 40
RENEW_SECONDS = 2.0
"""How long a change is waited with: several often come together."""
_SIZE = PreviewSize(width=180, height=112, side=192)
_PROMPT_CHARACTERS = 200


class SavedView:
    """The static output of one panel, kept up to date while the panel is in sight. Thread-safe."""

    def __init__(self, identity: str, history: Callable[[], History]) -> None:
        """`identity` is the id of the panel's model; `history` returns what is shown."""
        self.identity, self._history = identity, history
        self._lock = threading.Lock()
        self._publish: Publish | None = None
        self._shown: dict[str, str] = {}
        self._timer: threading.Timer | None = None

    def show(self, publish: Publish) -> None:
        """Show it as an output of the running cell."""
        self._publish, self._shown = publish, self.bundle()
        publish(self._shown, display_id=self.identity)

    def renew(self) -> None:
        """Show the history as it is, soon; where this is no output, nothing happens."""
        with self._lock:
            if self._publish is None or self._timer is not None:
                return
            self._timer = threading.Timer(RENEW_SECONDS, self._renew)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Leave it as it is."""
        with self._lock:
            self._publish = None
            if self._timer is not None:
                self._timer.cancel()

    def _renew(self) -> None:
        with self._lock:
            self._timer, publish = None, self._publish
        made = self.bundle()
        if publish is None or made == self._shown:
            return
        self._shown = made
        with contextlib.suppress(Exception):  # the kernel ends, or this host can't: what was shown stays
            publish(made, display_id=self.identity, update=True)

    def bundle(self) -> dict[str, str]:
        """Return what is shown."""
        made: list[Generation] = []
        count = 0
        with contextlib.suppress(OSError, SeedreamError):  # if the folder can't be read, the panel says so
            history = self._history()
            count = len(history)
            made = list(itertools.islice((each for each in reversed(history) if len(each)), MAX_PICTURES))
        return {"text/plain": _as_text(made, count), "text/html": _as_html(made, count, self.identity)}


def _as_text(made: list[Generation], count: int) -> str:
    lines = [plain(f"{each.mark} {each.prompt}", 100) for each in made[:6]]
    return "\n".join([f"The Seedream panel. {AGAIN}", *lines, *_more(count - len(lines))])


def _as_html(made: list[Generation], count: int, identity: str) -> str:
    folder, pictures, size = working_folder(), list[str](), 0
    for each in made:
        picture = _picture(each, folder)
        size += len(picture)
        if size > MAX_BYTES:
            break
        pictures.append(picture)
    lead = f"<div><strong>Seedream</strong> · {AGAIN}</div>"
    row = f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin:8px 0">{"".join(pictures)}</div>' if pictures else ""
    more = "".join(f"<div>{html.escape(words)}</div>" for words in _more(count - len(pictures)))
    return f'<style>{_style(identity)}</style><div class="{_name(identity)}">{frame(lead + row + more)}</div>'


def _more(count: int) -> list[str]:
    return [f"and {count} more in the history"] if count > 0 else []


def _picture(generation: Generation, folder: Path) -> str:
    """Return the first picture of a generation, linked to its file, with a line of the prompt."""
    picture = generation.images[0]
    width = max(_SIZE.shown(picture.width, picture.height)[0], 90)
    several = f" · {len(generation)} pictures" if len(generation) > 1 else ""
    told = text(f"{generation.mark}{several} · {generation.prompt}", _PROMPT_CHARACTERS)
    line = "display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-size:12px"
    return (
        f'<a {link(picture.path, folder)} title="{text(generation.prompt, _PROMPT_CHARACTERS)}" '
        f'style="display:inline-block;width:{width}px;color:inherit;text-decoration:none">'
        f"{image(picture, _SIZE, alternative(generation, picture))}<br>"
        f'<span style="{line}">{badge(generation.backend)}{told}</span></a> '
    )


def _name(identity: str) -> str:
    """Return the class that the page of this panel knows."""
    return f"sd-saved-{identity}"


def _style(identity: str) -> str:
    """Return the rules that show either this or the panel, of JupyterLab's outputs and of those that nbconvert writes.

    Just after the cell has run, the panel needs a moment to be there; until then this is not shown.
    """
    this, child = f".{_name(identity)}", ".jp-OutputArea-child"
    return (
        f"{child}:has({this}):has(+ {child} .sd-live){{display:none}}"
        f"{child}:has({this}) + {child}:not(:has(.sd-live, .jupyter-widgets-error-widget)){{display:none}}"
        f"{this}{{animation:sd-saved 1ms .7s backwards}}"
        "@keyframes sd-saved{from{max-height:0;overflow:hidden;visibility:hidden}}"
        f"@media print{{{this}{{animation:none}}}}"
    )
