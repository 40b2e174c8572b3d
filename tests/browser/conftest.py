"""A browser, and the Jupyter servers that it looks at. Every test in this folder is marked `browser`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run them one at a time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


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
# and tests of other modules could not run one of their own.
@pytest.fixture(scope="module")
def browser(executable: str) -> Iterator[Browser]:
    """Start a browser for the tests of a module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=[*jupyter.FLAGS])
        yield launched
        launched.close()


def opened(host: jupyter.Host, folder: Path, browser: Browser) -> Iterator[jupyter.Server]:
    """Serve, and fail afterwards if a page wanted anything from another machine."""
    with jupyter.serve(host, folder, browser) as server:
        yield server
        assert [url for notebook in server.opened for url in notebook.beyond] == []


@pytest.fixture
def lab(tmp_path: Path, browser: Browser) -> Iterator[jupyter.Server]:
    """Start a JupyterLab with a folder and settings of its own."""
    yield from opened("lab", tmp_path, browser)


@pytest.fixture
def notebook7(tmp_path: Path, browser: Browser) -> Iterator[jupyter.Server]:
    """Start a Notebook 7 with a folder and settings of its own."""
    yield from opened("notebook", tmp_path, browser)
