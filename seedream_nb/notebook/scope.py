"""What the notebook around us offers: the values of its names, what it showed, and what it is called."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem, SeedreamError, SettingsError, did_you_mean, shorten
from seedream_nb.patterns import lazy_pattern
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session

MAX_BYTES = 256_000_000
"""Of a notebook's file: what is larger takes too long to read."""

_SHOWN = 60
_REMEDY = "Save the picture as a file, and write its path."


def attached(name: str, notebook: Path | None) -> bytes:
    """Return the picture that is attached to any cell of a notebook under this name, as the file was last saved.

    Raises:
        Problem: the file is not known or can't be read, or it holds no such attachment, or several.
    """
    if notebook is None:
        raise _wrong(name, f"the notebook's file is not known here, or it was never saved. {_REMEDY}")
    known = _attachments(name, notebook)
    where = shorten(notebook.name, _SHOWN)
    found = {content for key, content in known if key == name}
    if not found:
        guess = did_you_mean(name, {key for key, _ in known})
        raise _wrong(name, f"{where}, as last saved, has no attachment with this name. Save it, and try again.{guess}")
    if len(found) > 1:
        raise _wrong(name, f"{where} has {len(found)} different pictures with this name. {_REMEDY}")
    try:
        return base64.b64decode(found.pop())
    except (binascii.Error, ValueError) as error:
        raise _wrong(name, f"in {where} it is damaged ({error}). {_REMEDY}") from error


def _attachments(name: str, notebook: Path) -> list[tuple[str, str]]:
    """Return the attachments of all cells, each with its name, in base64."""
    where = shorten(notebook.name, _SHOWN)
    try:
        if notebook.stat().st_size > MAX_BYTES:
            raise _wrong(name, f"{where} is too large to search ({MAX_BYTES // 1_000_000} MB). {_REMEDY}")
        cells = json.loads(notebook.read_bytes())["cells"]
        return [
            (key, "".join(data))
            for cell in cells
            for key, bundle in cell.get("attachments", {}).items()
            for kind, data in bundle.items()
            if kind.startswith("image/")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, Problem):
            raise
        raise _wrong(name, f"{where} can't be read ({type(error).__name__}). {_REMEDY}") from error


def _wrong(name: str, told: str) -> Problem:
    return Problem(f"attachment:{shorten(name, _SHOWN)}: {told}", reference=True)


_PUT_THERE = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
"""What IPython puts into every notebook; the rest of it begins with an underscore."""
_RESULT = lazy_pattern(r"_{1,3}|_[0-9]+")
_NOTHING = object()
_IMAGE = "%%seedream --image "


class NotebookScope:
    """The names of the notebook, as its cells see them, but for what IPython put there."""

    has_builtins = True

    def __init__(self, ip: InteractiveShell) -> None:
        """Offer the user's namespace of this shell."""
        self._ip = ip

    def names(self) -> Iterable[str]:
        """Return the user's names and those of results (`_`, `_3`, `Out`); `In` would send what earlier cells say."""
        return [name for name, value in list(self._ip.user_ns.items()) if self._is_offered(name, value)]

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression, as a cell would have it."""
        if expression == "Out" and self._is_ipythons("Out", self._ip.user_ns.get("Out")):
            raise LookupError("it holds all results: write one of them, such as Out[3]")
        return eval(expression, self._ip.user_ns)  # noqa: S307 - the user's own expression, in the user's own cell

    def offers(self, word: str) -> Sequence[str]:
        """Return what Tab offers for this word after `--image`."""
        from seedream_nb.notebook.complete.lines import complete
        from seedream_nb.notebook.complete.sources import NotebookSources

        line = f"{_IMAGE}{word}"
        found = complete(line, 0, len(line), NotebookSources(self._ip, self, PROCESS.the_session))
        if found is None:
            return []
        start = line[len(_IMAGE) : len(line) - len(found.fragment)]
        return [start + offer.text for offer in found.offers]

    def shown(self, mark: str) -> Sequence[object]:
        """Return the pictures that `@out` or `@[5]` stands for; raises Problem."""
        from seedream_nb.notebook.displayed import shown_by

        listener = shown_by(self._ip)
        if listener is None:
            told = "what cells show is known only after %load_ext seedream_nb; then show it again."
            raise Problem(f"{mark}: {told}", reference=True)
        return listener.pictures(mark)

    def attached(self, name: str) -> bytes:
        """Return the content of an attachment of the notebook, as it was last saved; raises Problem."""
        return attached(name, notebook_file(self._ip))

    def _is_offered(self, name: str, value: object) -> bool:
        if _RESULT.fullmatch(name):
            # Before the first result it is an empty text.
            return not (isinstance(value, str) and value == "")
        return name == "Out" or not self._is_ipythons(name, value)

    def _is_ipythons(self, name: str, value: object) -> bool:
        # IPython hides what startup files set as well, which is the user's.
        its_own = name in _PUT_THERE or name.startswith("_")
        return its_own and self._ip.user_ns_hidden.get(name, _NOTHING) is value


def new_session() -> Session:
    """Return a session for the notebook, or the script, around us.

    Raises:
        SettingsError: this is a place where none can work.
    """
    refuse_in_browser(sys.platform)
    from seedream_nb.hosts import Colab
    from seedream_nb.session import Session
    from seedream_nb.settings import Settings
    from seedream_nb.view import bundle

    settings = Settings(environ=os.environ, folder=PROCESS.folder, home=PROCESS.home, colab=Colab.around())
    # What is shown links to files as seen from the notebook, wherever the kernel has gone meanwhile.
    shown = functools.partial(bundle, folder=settings.folder)
    return Session(settings=settings, bundle=shown, tally=PROCESS.tally, **surroundings())


def surroundings() -> dict[str, Any]:
    """Return what a session is handed: the scope and the name of the notebook; nothing in a script."""
    ip = current_shell()
    if ip is None:
        return {}
    return {
        "scope": NotebookScope(ip),
        "notebook": lambda: notebook_name(ip),
        "lingers": not in_kernel(ip),
    }


def current_shell() -> InteractiveShell | None:
    """Return the running IPython shell, without importing IPython where there is none."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def notebook_name(ip: InteractiveShell) -> str | None:
    """Return the notebook's file name where the host tells it; the name may be of no file."""
    told = ip.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return Path(str(told)).name if told else None


def notebook_file(ip: InteractiveShell) -> Path | None:
    """Return the notebook's file, where the host tells it and it is there."""
    told = ip.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not told:
        return None
    # The host may tell a path from another folder, or a name that is no file's at all.
    places = (Path(str(told)), PROCESS.folder / Path(str(told)).name)
    return next((place for place in places if place.suffix == ".ipynb" and place.is_file()), None)


def frontend(ip: InteractiveShell) -> str:
    """Return what the person sits in front of, in words, as far as a kernel can know."""
    if "google.colab" in sys.modules:
        return "Google Colab"
    if "__vsc_ipynb_file__" in ip.user_ns:
        return "VS Code"
    return "a Jupyter kernel" if in_kernel(ip) else "IPython in a terminal"


def in_kernel(ip: InteractiveShell) -> bool:
    """Return whether outputs can be updated: in a kernel they can, in a terminal they can't."""
    return getattr(ip, "kernel", None) is not None


def refuse_in_browser(platform: str) -> None:
    """Refuse what could only end in a traceback of threads or sockets.

    Raises:
        SettingsError: this Python runs in a browser: https://pyodide.org/en/stable/usage/wasm-constraints.html.
    """
    if platform == "emscripten":
        told = (
            "Python in the browser (JupyterLite) has no threads and no network connections, and seedream_nb needs both."
        )
        raise SettingsError(told, hint="Use Jupyter with a kernel: on your machine, on Binder or on Colab.")


def refuse_in_terminal() -> None:
    """Refuse a panel where it would be shown as text.

    Raises:
        SeedreamError: this is IPython in a terminal.
    """
    ip = current_shell()
    if ip is not None and not in_kernel(ip):
        told = "A panel needs a notebook, such as JupyterLab, and this is a terminal."
        raise SeedreamError(told, hint="Here, write %%seedream cells; %seedream history lists what was made.")


def show_request(request: ImageRequest, session: Session) -> None:
    """Show what would be sent and what it would cost: as an output of the notebook, or printed in a script."""
    from seedream_nb.view import request_bundle

    bundle = request_bundle(request, session.settings.price_of(request.model), session.service.name)
    if current_shell() is None:
        print(bundle["text/plain"])
        return
    from IPython.display import display

    display(bundle, raw=True)
