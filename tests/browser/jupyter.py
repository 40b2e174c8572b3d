"""A real JupyterLab or Notebook 7 for tests: its server, and a notebook opened in a browser.

def test_it(lab):                                   # or `notebook7`: the fixtures in conftest.py
    page = lab.open(path_of_a_notebook)             # copied into the server's folder
    page.run(0)                                     # the first code cell; returns its outputs
    page.output(0).locator("img").wait_for()        # a Playwright locator
    page.screenshot(path)
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, Request

Host = Literal["lab", "notebook"]

HERE = ("127.0.0.1", "localhost")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # No other machine is found, by name or by number. A page's requests need not come by Python for that: a browser
    # whose requests are looked at one by one keeps nothing of them, and each page would load JupyterLab anew.
    f"--host-resolver-rules={', '.join(['MAP * ~NOTFOUND', *(f'EXCLUDE {host}' for host in HERE)])}",
)

# Typing Shift+Enter once the kernel is "idle" loses keystrokes: ready is when all of this is true.
READY = """async () => {
  const app = window.jupyterapp
  if (!app) return false
  await app.started
  await app.restored
  const widget = app.shell.currentWidget
  if (!widget || !widget.context) return false
  await widget.context.ready
  await widget.revealed
  const session = widget.sessionContext || widget.context.sessionContext
  await session.ready
  const kernel = session.session && session.session.kernel
  return !!(kernel && kernel.status === "idle" && kernel.connectionStatus === "connected")
}"""

# Cells that are out of sight are not in the page, so outputs are read from the notebook's model.
OUTPUTS = """index => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells
  const code = Array.from({length: cells.length}, (_, i) => cells.get(i)).filter(cell => cell.type === "code")
  return code[index].outputs.toJSON()
}"""

SELECT = """async index => {
  const notebook = window.jupyterapp.shell.currentWidget.content
  const code = notebook.widgets.filter(cell => cell.model.type === "code")
  const position = notebook.widgets.indexOf(code[index])
  notebook.activeCellIndex = position
  await notebook.scrollToItem(position, "center")
  code[index].node.dataset.codeCell = index
}"""

RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
COMMAND = "name => window.jupyterapp.commands.execute(name).then(() => null)"
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => null)"
# The command ends before the theme is there, and what JupyterLab lays over the page meanwhile goes later still.
THEMED = "theme => document.body.dataset.jpThemeName === theme && !document.getElementById('jupyterlab-splash')"


class Notebook:
    """A notebook that is open in a browser."""

    def __init__(self, page: Page) -> None:
        """Read and run the notebook that this page shows."""
        self.page = page
        self.beyond: list[str] = []
        """What the page wanted from other machines, in vain; the fixtures fail for it."""
        self.problems: list[str] = []
        """Errors that no script of the page caught."""
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, request: Request) -> None:
        if urllib.parse.urlsplit(request.url).hostname not in {None, *HERE}:
            self.beyond.append(request.url)

    def ready(self, seconds: float = 60) -> None:
        """Wait until the notebook is shown and its kernel can be used."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=seconds * 1000)
        self.page.wait_for_function(READY, timeout=seconds * 1000)

    def restart(self) -> None:
        """Restart the kernel: what ran in it is gone."""
        self.page.evaluate(RESTART)
        self.ready()

    def nap(self, seconds: float) -> None:
        """Let so many seconds pass, while the page goes on."""
        self.page.wait_for_timeout(seconds * 1000)

    def command(self, name: str) -> None:
        """Execute a JupyterLab command, such as "notebook:run-cell", to its end."""
        self.page.evaluate(COMMAND, name)

    def theme(self, name: Literal["JupyterLab Light", "JupyterLab Dark"]) -> None:
        """Change the theme, and wait until the page has it."""
        self.page.evaluate(THEME, name)
        self.page.wait_for_function(THEMED, arg=name)

    def select(self, index: int) -> None:
        """Make the code cell of this number (from 0) the active one, and bring it into view."""
        self.page.evaluate(SELECT, index)

    def run(self, index: int) -> list[dict[str, Any]]:
        """Run a code cell to its end and return its outputs, as a notebook file would hold them."""
        self.select(index)
        self.command("notebook:run-cell")
        return self.outputs(index)

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """Return what a code cell shows now, as a notebook file would hold it."""
        found: list[dict[str, Any]] = self.page.evaluate(OUTPUTS, index)
        return found

    def output(self, index: int) -> Locator:
        """Return where a code cell's output is on the page."""
        self.select(index)
        return self.page.locator(f'[data-code-cell="{index}"]').locator(".jp-OutputArea").first

    def screenshot(self, path: Path) -> None:
        """Take a picture of the page."""
        self.page.screenshot(path=path)


class Server:
    """A Jupyter server on loopback, with a folder, settings and a token of its own."""

    def __init__(self, host: Host, root: Path, address: str, token: str, browser: Browser | BrowserContext) -> None:
        """Open notebooks of this running server in this browser, or in what it keeps for one person: see `profile`."""
        self.host = host
        self.root = root
        self.top = root
        """The folder that the server shows; `root` is in it."""
        self.address = address
        self.token = token
        self.browser = browser
        self.opened: list[Notebook] = []

    def open(self, notebook: Path, *, width: int = 1400, height: int = 1000) -> Notebook:
        """Open a notebook, ready to run; one that isn't in the server's folder is copied there."""
        if not notebook.is_relative_to(self.root):
            notebook = Path(shutil.copy(notebook, self.root))
        opened = Notebook(self.browser.new_page())
        opened.page.set_viewport_size({"width": width, "height": height})
        self.opened.append(opened)
        tree = "lab/tree" if self.host == "lab" else "notebooks"
        reset = "&reset" if self.host == "lab" else ""
        path = notebook.relative_to(self.top).as_posix()
        opened.page.goto(f"{self.address}/{tree}/{path}?token={self.token}{reset}")
        opened.ready()
        return opened

    def within(self, name: str) -> Server:
        """Make a folder, and return the same server with that as its root."""
        own = Server(self.host, self.root / name, self.address, self.token, self.browser)
        own.root.mkdir()
        own.top = self.top
        return own

    def close(self) -> None:
        """Close the notebooks opened here, and end the kernels of this root."""
        for opened in self.opened:
            opened.page.close()
        below = f"{self.root.relative_to(self.top).as_posix()}/"
        for session in json.loads(self._ask("GET", "sessions")):
            if session["path"].startswith(below):
                self._ask("DELETE", f"sessions/{session['id']}")

    def _ask(self, method: str, what: str) -> bytes:
        address = f"{self.address}/api/{what}?token={self.token}"
        with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=30) as answer:
            return bytes(answer.read())


def profile(playwright: Playwright, executable: str, folder: Path) -> BrowserContext:
    """Start a browser that keeps what its pages loaded, and that compiled, in a folder, as a person's does.

    The third page that loads JupyterLab takes two thirds of the time of the first.
    """
    return playwright.chromium.launch_persistent_context(folder, executable_path=executable, args=[*FLAGS])


@contextlib.contextmanager
def serve(host: Host, folder: Path, browser: Browser | BrowserContext) -> Iterator[Server]:
    """Start a server whose notebooks are in `folder`/notebooks; end it, its kernels too, afterwards."""
    root = folder / "notebooks"
    root.mkdir()
    port, token = _free_port(), secrets.token_hex(16)
    log = folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            _command(host, root, port, token),
            cwd=root,
            env=_environment(folder),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(host, root, f"http://127.0.0.1:{port}", token, browser)
    try:
        _wait_for(process, server, log)
        yield server
    finally:
        for opened in server.opened:
            opened.page.close()
        _end(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _command(host: Host, root: Path, port: int, token: str) -> list[str]:
    module, app = {"lab": ("jupyterlab", "LabApp"), "notebook": ("notebook", "JupyterNotebookApp")}[host]
    server = {"ip": "127.0.0.1", "port": port, "port_retries": 0, "root_dir": root, "open_browser": False}
    return [
        *(sys.executable, "-m", module, "--allow-root"),
        *(f"--ServerApp.{name}={value}" for name, value in server.items()),
        f"--IdentityProvider.token={token}",
        f"--{app}.expose_app_in_browser=True",
    ]


def _environment(folder: Path) -> dict[str, str]:
    news = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    # Else the first thing that a page shows is a question, and the server asks the network for news.
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}), "utf-8")
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    return {**os.environ, **{name: str(folder / place) for name, place in own.items()}}


def _wait_for(process: subprocess.Popen[bytes], server: Server, log: Path, seconds: float = 60) -> None:
    until(lambda: process.poll() is not None or _answers(server), seconds, told=log.read_text)
    if process.poll() is not None:
        raise RuntimeError(f"the Jupyter server did not start:\n{log.read_text()[-3000:]}")


def _answers(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.address}/api/status?token={server.token}", timeout=5):
            return True
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server as Ctrl-C would, so that it ends its kernels; if it takes too long, all at once."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
