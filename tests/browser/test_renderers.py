"""Results in a real JupyterLab: on a narrow page, and in a notebook that is not trusted and has no kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError
from seedream_nb.job import Job
from seedream_nb.request import make_request
from seedream_nb.view import bundle, history_bundle, job_bundle, request_bundle
from tests.test_renderers import mixed, session, shown, written

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.session import Session
    from seedream_nb.view import Bundle
    from tests.browser.jupyter import Notebook, Server

__all__ = ["session"]  # a fixture

# How far each output is wider than the room that it has, in pixels.
OVERFLOW = """() => [...document.querySelectorAll(".jp-OutputArea-output")]
  .map(output => output.scrollWidth - output.clientWidth)"""

ALL_SHOWN = """count => {
  const images = [...document.querySelectorAll(".jp-OutputArea-output img")]
  return images.length === count && images.every(image => image.complete && image.naturalWidth > 0)
}"""

# Else the file browser leaves 20 pixels to the notebook.
WITHOUT_FILES = """() => {
  window.jupyterapp.shell.collapseLeft()
}"""

ROOM = """() => [...document.querySelectorAll(".jp-OutputArea-output")].every(output => output.clientWidth > 100)"""

# Whether JupyterLab shows the HTML as it is: of a notebook that is not trusted it takes the roles away.
ROLES = """() => document.querySelectorAll(".jp-OutputArea-output [role]").length > 0"""

# Where each picture of the first output begins, from the left and from the top.
PLACES = """() => [...document.querySelector(".jp-OutputArea-output").querySelectorAll("img")]
  .map(image => image.getBoundingClientRect()).map(box => [Math.round(box.left), Math.round(box.top)])"""

TRUSTED = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells
  return Array.from({length: cells.length}, (_, i) => cells.get(i).trusted)
}"""


TRUST = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells
  for (let i = 0; i < cells.length; i++) cells.get(i).trusted = true
}"""


def views(session: Session, folder: Path) -> list[Bundle]:
    """Return one of each: a result of mixed shapes, the history, a dry run, a failure, and a file far away."""
    generation = mixed(session, "a fox in the snow " * 40)
    far = folder / ("a-folder-with-a-name-of-many-words-" * 3) / ("x" * 120 + ".jpg")
    far.parent.mkdir()
    far.write_bytes(generation[0].path.read_bytes())
    request = make_request("https://x.example/" + "y" * 300)
    failed = Job(request, backend="sandbox", host="sandbox", price=0.0, timeout=60.0)
    failed.finish(None, SeedreamError("It failed.", hint="z" * 300))
    return [
        bundle(generation),
        history_bundle([generation]),
        request_bundle(request, 0.03, "sandbox"),
        job_bundle(failed),
        bundle(replace(generation[0], path=far)),
    ]


def opened(server: Server, folder: Path, views: list[Bundle], *, width: int) -> Notebook:
    """Open a saved notebook that shows these, tall enough to have all of it on the page."""
    return server.open(written(shown(*views), folder), width=width, height=6000)


def test_nothing_is_wider_than_a_narrow_page(lab: Server, session: Session, tmp_path: Path) -> None:
    """At 360 pixels every view keeps within its output, sanitised or not: pictures shrink, long names break."""
    shown_here = views(session, tmp_path)

    page = opened(lab, tmp_path, shown_here, width=360).page
    page.evaluate(WITHOUT_FILES)

    page.wait_for_function(ROOM)
    for trusted in (False, True):
        if trusted:
            page.evaluate(TRUST)
            page.wait_for_function(ROLES)
        page.wait_for_function(ALL_SHOWN, arg=6)
        assert page.evaluate(OVERFLOW) == [0] * len(shown_here)


def test_an_untrusted_notebook_shows_its_pictures(lab: Server, session: Session, tmp_path: Path) -> None:
    """A notebook from elsewhere, whose HTML JupyterLab sanitises, shows each picture beside the other; no cell ran."""
    notebook = opened(lab, tmp_path, [bundle(mixed(session))], width=1400)

    notebook.page.wait_for_function(ALL_SHOWN, arg=4)
    assert notebook.page.evaluate(TRUSTED) == [False]
    first, second, *_ = notebook.page.evaluate(PLACES)
    assert first[0] < second[0]
    assert first[1] == second[1]
    assert notebook.outputs(0)[0]["data"].keys() == {"text/plain", "text/html", "image/jpeg"}
