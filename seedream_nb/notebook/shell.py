"""The shell around us, a kernel's or a terminal's: what it can show, and what its notebook is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import SeedreamError, SettingsError
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session


def current_shell() -> InteractiveShell | None:
    """Return the running IPython shell, without importing IPython where there is none."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def notebook_name(ip: InteractiveShell) -> str | None:
    """Return the notebook's file name where the host tells it; the name may be of no file."""
    name = ip.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return Path(str(name)).name if name else None


def notebook_file(ip: InteractiveShell) -> Path | None:
    """Return the notebook's file, where the host tells it and it is there."""
    name = ip.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not name:
        return None
    # The host may tell a path from another folder, or a name that is no file's at all.
    places = (Path(str(name)), PROCESS.folder / Path(str(name)).name)
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
        message = (
            "Python in the browser (JupyterLite) has no threads and no network connections, and seedream_nb needs both."
        )
        raise SettingsError(message, hint="Use Jupyter with a kernel: on your machine, on Binder or on Colab.")


def refuse_in_terminal() -> None:
    """Refuse a panel where it would be shown as text.

    Raises:
        SeedreamError: this is IPython in a terminal.
    """
    ip = current_shell()
    if ip is not None and not in_kernel(ip):
        message = "A panel needs a notebook, such as JupyterLab, and this is a terminal."
        raise SeedreamError(message, hint="Here, write %%seedream cells; %seedream history lists what was made.")


def publish(data: dict[str, Any], *, display_id: str | None = None, update: bool = False) -> None:
    """Publish a bundle as an output of the running cell; or, from any thread, update one of an earlier cell."""
    from IPython.display import display, update_display

    if update:
        update_display(data, display_id=display_id, raw=True)
    else:
        display(data, raw=True, display_id=display_id)


def show_request(request: ImageRequest, session: Session) -> None:
    """Show what would be sent and what it would cost: as an output of the notebook, or printed in a script."""
    from seedream_nb.view import request_bundle

    bundle = request_bundle(request, session.settings.price_of(request.model), session.service.name)
    if current_shell() is None:
        print(bundle["text/plain"])
        return
    from IPython.display import display

    display(bundle, raw=True)
