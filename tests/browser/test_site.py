"""The documentation as it is built: links lead somewhere, no other host is asked, and it reads well on a phone too."""

from __future__ import annotations

import http.server
import importlib.util
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import seedream_nb
from tests.docs import README, repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

DOCS = README.parent / "docs"
LOADS = {"src", "srcset", "poster", "data", "action"}
LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
NAMES_ANOTHER = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"]?)(?:https?:)?//")
HERE = "https://here/seedream-nb/"
"""Stands for the host that serves the site, and the folder there."""
ROOMS = {"desk": (1280, 900), "phone": (390, 844)}
# Code may be scrolled, and a matrix; a page or a table of words may not.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".md-typeset > .md-typeset__scrollwrap")]
  .some(each => each.scrollWidth > each.clientWidth)"""


@dataclass
class Read(HTMLParser):
    """A page as a browser takes it: what it loads, where it leads, and which anchors it has."""

    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        told = {name: value or "" for name, value in attrs}
        self.anchors |= {told[name] for name in ("id", "name") if name in told}
        self.loads += [told[name] for name in LOADS if name in told]
        if tag == "link" and LOADING_LINKS & set(told.get("rel", "").split()):
            self.loads.append(told["href"])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, as `make docs` does: a warning, as of a link that leads nowhere, fails it."""
    if importlib.util.find_spec("mkdocs") is None:
        assert "CI" not in os.environ, "`make test` installs what the documentation is built with"
        pytest.skip("`make docs` installs what the documentation is built with")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(DOCS / "mkdocs.yml"), "-d", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Read]:
    """Read every page, by its address."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        read = found[urljoin(HERE, path.relative_to(site).as_posix().removesuffix("index.html"))] = Read()
        read.feed(path.read_text("utf-8"))
    return found


@pytest.mark.slow
def test_every_link_leads_somewhere(site: Path, pages: dict[str, Read]) -> None:
    """Each page, file and anchor of the site that a page names is there."""
    lost = []
    for address, page in pages.items():
        for link in (urljoin(address, each) for each in (*page.links, *page.loads)):
            target, _, anchor = link.partition("#")
            if not target.startswith(HERE):
                continue
            there = pages.get(target)
            is_file = (site / unquote(urlsplit(target.removeprefix(HERE)).path)).is_file()
            if (there is None and not is_file) or (there and anchor and unquote(anchor) not in there.anchors):
                lost.append((address, link))
    assert lost == []


def test_a_link_to_the_repository_leads_to_a_file(pages: dict[str, Read]) -> None:
    """What is said to lie in the repository lies there."""
    ours = re.compile(rf"https://github\.com/{repository()}/(?:blob|tree)/main/([^#]*)")
    named = {match[1] for page in pages.values() for link in page.links if (match := ours.fullmatch(link))}
    assert named
    assert [name for name in sorted(named) if not (DOCS.parent / name).exists()] == []


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, Read]) -> None:
    """No picture, style, script or font that a page or a style names lies elsewhere."""
    elsewhere = [(address, each) for address, page in pages.items() for each in page.loads if _is_elsewhere(each)]
    styles = [path for kind in ("*.css", "*.html") for path in site.rglob(kind)]
    elsewhere += [(path.name, "a style") for path in styles if NAMES_ANOTHER.search(path.read_text("utf-8"))]
    assert elsewhere == []


def _is_elsewhere(address: str) -> bool:
    return not address.startswith("data:") and urlsplit(urljoin(HERE, address)).netloc != urlsplit(HERE).netloc


def test_every_public_name_is_in_the_reference(pages: dict[str, Read]) -> None:
    """Whatever the package offers is told, and so are the members that the pages speak of."""
    anchors = pages[f"{HERE}python/"].anchors
    assert {f"seedream_nb.{name}" for name in seedream_nb.__all__} - {"seedream_nb.history"} <= anchors
    told = {"Generation.edit", "Picture.to_pil", "Job.cancel", "History.search", "ReferenceTray.value"}
    assert {f"seedream_nb.{name}" for name in told} <= anchors


def test_each_tutorial_shows_what_came_of_it(site: Path) -> None:
    """Its page has the pictures that its cells showed, and the gallery has a card for it."""
    gallery = (site / "tutorials" / "index.html").read_text("utf-8")
    for notebook in (DOCS.parent / "notebooks").glob("*.ipynb"):
        page = (site / "tutorials" / notebook.stem / "index.html").read_text("utf-8")
        assert 'class="shown"' in page
        assert "data:image/" in page
        assert f'href="{notebook.stem}/"' in gallery


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """Serve the site, and give its address."""
    handler = partial(_Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _opened(browser: Browser, room: str, beyond: list[str], served: str, *, dark: bool = False) -> Page:
    width, height = ROOMS[room]
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    near = (served, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(near) else beyond.append(request.url))
    return page


@pytest.mark.slow
def test_every_page_has_room_and_asks_no_other_host(browser: Browser, served: str, pages: dict[str, Read]) -> None:
    """On a desk and on a phone: nothing runs out at its side, and the browser asks only the host that serves it."""
    beyond: list[str] = []
    page = _opened(browser, "desk", beyond, served)
    too_wide = []
    for address in pages.keys() - {f"{HERE}404.html"}:  # which has to find its styles from any folder
        page.goto(address.replace(HERE, served))
        for room, (width, height) in ROOMS.items():
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate(TOO_WIDE):
                too_wide.append((address, room))
    page.close()
    assert (too_wide, beyond) == ([], [])


def test_pictures_in_a_tutorial_fit_a_phone(browser: Browser, served: str) -> None:
    """Each is seen whole, without scrolling sideways."""
    page = _opened(browser, "phone", [], served)
    page.goto(f"{served}tutorials/01-first-picture/")
    edges = page.evaluate(
        "[...document.querySelectorAll('.shown img')].map(each => each.getBoundingClientRect().right)"
    )
    page.close()
    assert len(edges) > 5
    assert max(edges) <= ROOMS["phone"][0]


def test_search_finds_what_the_pages_say(browser: Browser, served: str) -> None:
    """A word typed into the search box leads to the page that tells of it."""
    beyond: list[str] = []
    page = _opened(browser, "desk", beyond, served)
    page.goto(served)
    page.get_by_role("textbox", name="Search").press_sequentially("budget")  # it listens to keys
    page.locator(".md-search-result__link[href*='settings/']").first.wait_for()
    page.close()
    assert beyond == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_follows_the_readers_theme(browser: Browser, served: str, *, dark: bool) -> None:
    """Dark where the reader's system is dark, results of cells too."""
    page = _opened(browser, "desk", [], served, dark=dark)
    page.goto(f"{served}tutorials/01-first-picture/")
    light = "(color) => { const [r, g, b] = color.match(/[\\d.]+/g); return +r + +g + +b > 384 }"
    ground = page.evaluate(f"({light})(getComputedStyle(document.body).backgroundColor)")
    text = page.evaluate(f"({light})(getComputedStyle(document.querySelector('.shown td')).color)")
    page.close()
    assert (ground, text) == (not dark, dark)
