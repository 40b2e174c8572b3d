"""What a person waits for in the panel, in Chromium and JupyterLab, with nothing and with 1 000 generations before."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks import bench_history
from benchmarks.measure import Row, median
from tests.browser import chromium, jupyter
from tests.browser.panel import SET_SOURCE, notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

GENERATIONS, TIMES = 1000, 9
PACES = {"rushing through all, worst of 5 times": (240, 5), "reading through all": (30, 1)}
"""Pixels of a scroll in a frame, and how many times one scrolls so: reading takes more than a minute."""
SHOW = """async () => {
  const began = performance.now()
  void window.jupyterapp.commands.execute("notebook:run-cell")
  const shown = () => {
    const button = document.querySelector(".sd-generate")
    const told = document.querySelector(".sd-caption, .sd-lead")
    return button && button.textContent.includes("picture") && told && button.getBoundingClientRect().height > 0
  }
  while (!shown()) await new Promise(requestAnimationFrame)
  return performance.now() - began
}"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
TWICE = 700
"""Milliseconds after which Generate takes a press for one that is meant, not for the rest of a double click."""
CLEAR = "() => window.jupyterapp.commands.execute('notebook:clear-cell-output').then(() => null)"
SCROLL = """async ([count, step]) => {
  const scroller = document.querySelector(".sd-scroll")
  const seen = new Set()
  let slowest = 0, last = performance.now(), still = 0
  while (seen.size < count || still < 30) {
    for (const card of scroller.querySelectorAll(".sd-card")) seen.add(card.dataset.entry)
    const before = scroller.scrollTop
    scroller.scrollTop += step
    await new Promise(requestAnimationFrame)
    const now = performance.now()
    slowest = Math.max(slowest, now - last)
    last = now
    still = scroller.scrollTop === before ? still + 1 : 0
    if (still > 600) break
  }
  return [slowest, seen.size]
}"""
MAKE = """async number => {
  const before = new Set([...document.querySelectorAll(".sd-card img")].map(each => each.dataset.picture))
  document.querySelector(".sd-generate").click()
  for (;;) {
    const image = [...document.querySelectorAll(".sd-card img")].find(each => !before.has(each.dataset.picture))
    if (image && image.complete && image.naturalWidth) return Date.now()
    await new Promise(requestAnimationFrame)
  }
}"""
STAGE = """async () => {
  const shown = () => document.querySelector("img.sd-canvas")
  const before = shown()?.dataset.picture
  document.querySelector(".sd-generate").click()
  for (;;) {
    const image = shown()
    const isNew = image?.dataset.picture !== before && image?.naturalWidth
    if (isNew && image.getBoundingClientRect().height) return Date.now()
    await new Promise(requestAnimationFrame)
  }
}"""


def run() -> list[Row]:
    """Measure on one page, the panel shown anew each time."""
    found = chromium.find()
    if found is None:
        raise RuntimeError(chromium.ABSENT)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        browser = playwright.chromium.launch(executable_path=found, args=[*jupyter.FLAGS])
        with jupyter.serve("lab", Path(folder), browser) as server:
            opened = server.open(notebook(server.root / "panel.ipynb", "", "sd.panel()"))
            few = _shown(opened, Path(folder) / "few", write=False)
            late = median(_late(opened.page, Path(folder) / "few", MAKE) for _ in range(TIMES))
            large = median(_late(opened.page, Path(folder) / "few", STAGE) for _ in range(TIMES))
            many = _shown(opened, Path(folder) / "many", write=True)
            slow = {name: max(_scrolled(opened, step) for _ in range(times)) for name, (step, times) in PACES.items()}
            received = _received(opened)
        browser.close()
    return [
        Row(name="panel: on screen, nothing made yet", value=few, unit="ms", bound=500),
        Row(name=f"panel: on screen, {GENERATIONS} generations", value=many, unit="ms", bound=800),
        Row(name="panel: sent before the first scroll", value=received / 1e6, unit="MB", bound=3),
        *(Row(name=f"panel: slowest frame, {name}", value=each, unit="ms", bound=100) for name, each in slow.items()),
        Row(name="panel: a picture in sight after its last byte", value=late, unit="ms", bound=300),
        Row(name="panel: 2048x2048 on the stage after its last byte", value=large, unit="ms", bound=250),
    ]


def _shown(opened: jupyter.Notebook, home: Path, *, write: bool) -> float:
    if write:
        _fill(home)
    code = f"import seedream_nb as sd\nsd.configure(backend='sandbox', home={str(home)!r})\nlen(sd.history)"
    opened.page.evaluate(SET_SOURCE, [0, code])
    opened.run(0)
    opened.select(1)
    times: list[float] = []
    for _ in range(TIMES + 1):
        opened.page.evaluate(CLEAR)
        times.append(opened.page.evaluate(SHOW))
    return median(times[1:])


def _scrolled(opened: jupyter.Notebook, step: int) -> float:
    """Return the milliseconds of the slowest frame while one scrolls so many pixels in each through a new panel."""
    opened.page.evaluate(CLEAR)
    opened.page.evaluate(SHOW)
    slowest, cards = opened.page.evaluate(SCROLL, [GENERATIONS, step])
    if cards < GENERATIONS:
        raise RuntimeError(f"only {cards} generations came into sight")
    return float(slowest)


def _received(opened: jupyter.Notebook) -> int:
    """Return how many bytes the page gets from the kernel for a panel; page and kernel begin anew for that.

    Else the page would get, with its first look at the kernel, all the panels that were shown and cleared before.
    """
    received: list[int] = []

    def count(socket: Any) -> None:
        socket.on("framereceived", lambda frame: received.append(len(frame)))

    opened.page.on("websocket", count)
    opened.page.evaluate(CLEAR)
    opened.command("docmanager:save")
    opened.page.evaluate(RESTART)
    opened.page.reload()
    opened.ready()
    opened.run(0)
    opened.select(1)
    before = sum(received)
    opened.page.evaluate(SHOW)
    opened.page.wait_for_timeout(2000)
    return sum(received) - before


def _late(page: Page, home: Path, look: str) -> float:
    """Return how many milliseconds after its file was whole a picture is in sight, as a script looks for it."""
    page.locator(".sd-piece textarea").fill(f"a fox {len(list(home.glob('*')))}")  # always another picture
    page.wait_for_timeout(TWICE)
    shown = page.evaluate(look)
    newest = max(home.glob("*-1-a-fox*"), key=os.path.getmtime)
    return float(shown - 1000 * newest.stat().st_mtime)


def _fill(home: Path) -> None:
    """Write the journal of many generations, and a real picture for each."""
    home.mkdir()
    bench_history.write(home, GENERATIONS)
    picture = home.parent / "picture.jpg"
    Image.effect_noise((96, 96), 60).convert("RGB").resize((2048, 2048), Image.Resampling.BICUBIC).save(picture)
    for path in home.glob("*.jpg"):
        path.unlink()
        try:
            os.link(picture, path)
        except OSError:
            shutil.copy(picture, path)
