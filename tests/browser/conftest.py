"""A browser, and the Jupyter servers that it looks at. Every test in this folder is marked `browser`."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium, jupyter
from tests.browser.panel import fill, notebook, open_panel
from tests.conftest import empty_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser, BrowserContext, Playwright

    from tests.browser.panel import Open


LANES = (
    # These look at Notebook 7 too.
    ("test_background", "test_completion", "test_panel_hosts", "test_panel_looks", "test_panel_everyone"),
    # These need pages that are strangers to each other too: a second browser.
    ("test_payloads", "test_site", "test_voila", "test_panel", "test_panel_newcomer"),
    ("test_panel_history", "test_panel_queue", "test_panel_tray", "test_renderers"),
)
"""What each process that has a browser and a JupyterLab tests, one module after the other: about as long as the others,
and as few servers as may be. The other modules go where the fewest tests are."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run those of a module one after the other, in one process."""
    folder = Path(__file__).parent
    here = [item for item in items if item.path.parent == folder]
    lane_of = lanes(Counter(item.path.stem for item in here))
    for item in here:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.xdist_group(f"browser-{lane_of[item.path.stem]}"))


def lanes(tests: Mapping[str, int]) -> dict[str, int]:
    """Return the lane of each module, by how many tests it has."""
    lane_of = {name: number for number, names in enumerate(LANES) for name in names if name in tests}
    counts = [sum(tests[name] for name in names if name in tests) for names in LANES]
    for name in sorted(tests.keys() - lane_of.keys()):
        lane_of[name] = counts.index(min(counts))
        counts[lane_of[name]] += tests[name]
    return lane_of


@pytest.fixture(scope="session")
def executable() -> str:
    """Find a Chromium; without one, fail on a machine that is there for tests (CI), and skip elsewhere."""
    found = chromium.find()
    if found is None and os.environ.get("CI"):
        pytest.fail(chromium.ABSENT)
    if found is None:
        pytest.skip(chromium.ABSENT)
    return found


# Not for the whole session: while Playwright is open it keeps an event loop on this thread,
# and tests of other folders could not run one of their own.
@pytest.fixture(scope="package")
def driver() -> Iterator[Playwright]:
    """Open Playwright for the tests of this folder."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(driver: Playwright, executable: str) -> Iterator[Browser]:
    """Start a browser in which each page is a stranger's: it has nothing of another."""
    launched = driver.chromium.launch(executable_path=executable, args=[*jupyter.FLAGS])
    yield launched
    launched.close()


@pytest.fixture(scope="package")
def profile(driver: Playwright, executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Start a browser for the pages of Jupyter servers."""
    context = jupyter.profile(driver, executable, tmp_path_factory.mktemp("profile"))
    yield context
    context.close()


@contextlib.contextmanager
def opened(host: jupyter.Host, folder: Path, browser: Browser | BrowserContext) -> Iterator[jupyter.Server]:
    """Serve, and fail afterwards if a page wanted anything from another machine."""
    with jupyter.serve(host, folder, browser) as server:
        yield server
        assert [url for notebook in server.opened for url in notebook.beyond] == []


def shared(host: jupyter.Host, folder: Path, browser: BrowserContext) -> Iterator[jupyter.Server]:
    """Serve for more than one test: its environment is as empty as theirs."""
    with contextlib.ExitStack() as stack:
        with empty_environment(folder / "home"):
            server = stack.enter_context(opened(host, folder, browser))
        yield server


def within(server: jupyter.Server) -> Iterator[jupyter.Server]:
    """Give a new folder of a server; close its notebooks and end its kernels afterwards."""
    own = server.within(uuid.uuid4().hex[:8])
    yield own
    own.close()
    assert [url for notebook in own.opened for url in notebook.beyond] == []


# Starting a JupyterLab, and opening a notebook in it, takes longer than most tests: they share them.
@pytest.fixture(scope="package")
def shared_lab(tmp_path_factory: pytest.TempPathFactory, profile: BrowserContext) -> Iterator[jupyter.Server]:
    """Start one JupyterLab for all."""
    yield from shared("lab", tmp_path_factory.mktemp("lab"), profile)


@pytest.fixture(scope="package")
def shared_notebook7(tmp_path_factory: pytest.TempPathFactory, profile: BrowserContext) -> Iterator[jupyter.Server]:
    """Start one Notebook 7 for all."""
    yield from shared("notebook", tmp_path_factory.mktemp("notebook7"), profile)


@pytest.fixture(scope="package")
def shared_page(shared_lab: jupyter.Server) -> jupyter.Notebook:
    """Open one notebook, in the server's own folder, for all that fill it anew: see `panel.fill`."""
    return shared_lab.open(notebook(shared_lab.root / "shared.ipynb", *[""] * 4))


@pytest.fixture(scope="module")
def page(shared_page: jupyter.Notebook) -> Iterator[jupyter.Notebook]:
    """Give that notebook to a module, with a kernel in which nothing ran.

    It is restarted for the next one, and not for the first: a page whose kernel restarts while it connects speaks in
    the wrong protocol from then on, and each message with bytes ends the connection.
    """
    shared_page.page.set_viewport_size({"width": 1400, "height": 1000})
    shared_page.page.evaluate("getSelection().removeAllRanges()")
    yield shared_page
    shared_page.theme("JupyterLab Light")
    shared_page.restart()


@pytest.fixture(scope="module")
def wide_page(page: jupyter.Notebook) -> Iterator[jupyter.Notebook]:
    """Give it to a module without the file browser at its side."""
    page.command("application:toggle-left-area")
    yield page
    page.command("application:toggle-left-area")


@pytest.fixture
def lab(shared_lab: jupyter.Server) -> Iterator[jupyter.Server]:
    """Give a folder of its own in a JupyterLab."""
    yield from within(shared_lab)


@pytest.fixture
def notebook7(shared_notebook7: jupyter.Server) -> Iterator[jupyter.Server]:
    """Give a folder of its own in a Notebook 7."""
    yield from within(shared_notebook7)


@pytest.fixture
def show(page: jupyter.Notebook, tmp_path: Path) -> Iterator[Open]:
    """Give a function that shows a new panel on the shared page, with a home of its own."""
    page.problems.clear()
    yield partial(fill, page, tmp_path)
    assert page.problems == []


@pytest.fixture
def show_alone(lab: jupyter.Server, tmp_path: Path) -> Iterator[Open]:
    """Give a function that shows a panel on a page and in a kernel of its own."""
    yield partial(open_panel, lab, tmp_path)
    assert [problem for notebook in lab.opened for problem in notebook.problems] == []
