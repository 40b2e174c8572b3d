"""Results in a real JupyterLab: on a narrow page, and in a notebook that is not trusted and has no kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError
from seedream_nb.jobs.job import Job
from seedream_nb.request import Reference, make_request
from seedream_nb.view import bundle, history_bundle, job_bundle, request_bundle
from tests.test_renderers import edited, mixed, session, shown, written

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.request import ImageRequest
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

# Where each picture of the first output ends, from the top.
BOTTOMS = """() => [...document.querySelector(".jp-OutputArea-output").querySelectorAll("img")]
  .map(image => Math.round(image.getBoundingClientRect().bottom))"""

# The top, height, ratio and own ratio of each picture of the first output.
TILES = """() => [...document.querySelector(".jp-OutputArea-output").querySelectorAll("img")]
  .map(image => [image, image.getBoundingClientRect()])
  .map(([image, box]) => [Math.round(box.top), box.height, box.width / box.height,
    image.naturalWidth / image.naturalHeight])"""

HEIGHTS = """() => [...document.querySelectorAll(".jp-OutputArea-output")]
  .map(output => output.getBoundingClientRect().height)"""

TRUSTED = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells
  return Array.from({length: cells.length}, (_, i) => cells.get(i).trusted)
}"""


TRUST = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells
  for (let i = 0; i < cells.length; i++) cells.get(i).trusted = true
}"""


def views(session: Session, folder: Path) -> list[Bundle]:
    """Return one of each: a result of mixed shapes, the history, a dry run, a failure, a file far away, references."""
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
        bundle(replace(edited(session), request=with_names(edited(session).request))),
        request_bundle(with_names(edited(session).request), 0.03, "sandbox"),
    ]


def with_names(request: ImageRequest) -> ImageRequest:
    """Return a request whose references have long names, one of them a URL."""
    named = [replace(each, name="w" * 300) for each in request.images]
    return replace(request, images=(*named, Reference(name="a URL", url="https://x.example/" + "v" * 300)))


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
        page.wait_for_function(ALL_SHOWN, arg=11)
        assert page.evaluate(OVERFLOW) == [0] * len(shown_here)


def test_references_stand_side_by_side(lab: Server, session: Session, tmp_path: Path) -> None:
    """Below a result its references stand in one row, as they do in a notebook that is not trusted."""
    notebook = opened(lab, tmp_path, [bundle(edited(session, count=5))], width=1400)

    for trusted in (False, True):
        if trusted:
            notebook.page.evaluate(TRUST)
            notebook.page.wait_for_function(ROLES)
        notebook.page.wait_for_function(ALL_SHOWN, arg=6)
        (_, top), *small = notebook.page.evaluate(PLACES)
        assert [left for left, _ in small] == sorted({left for left, _ in small})
        assert small[0][1] > top
        bottoms = notebook.page.evaluate(BOTTOMS)[1:]
        assert max(bottoms) - min(bottoms) <= 1


def test_the_page_does_not_jump_when_pictures_come(lab: Server, session: Session, tmp_path: Path) -> None:
    """What waits for one high or wide picture, four portraits or a long series is as high as what comes, to a pixel."""
    pairs = []
    for size, count in (("768x1366", 1), ("1568x672", 1), ("768x1366", 4), ("1K", 2), ("1K", 7)):
        made = session.start(f"{count} foxes in the snow", size=size, max_images=count).result()
        waits = Job(made.request, backend="sandbox", host="sandbox", price=0.0, timeout=60.0)
        pairs += [job_bundle(waits), bundle(made)]
    page = opened(lab, tmp_path, pairs, width=1400).page
    page.evaluate(TRUST)
    page.wait_for_function(ROLES)
    page.wait_for_function(ALL_SHOWN, arg=15)

    heights = page.evaluate(HEIGHTS)

    assert len(heights) == 10
    assert [abs(waiting - come) <= 1 for waiting, come in zip(heights[::2], heights[1::2], strict=True)] == [True] * 5


def test_a_wall_has_rows_of_equal_height(lab: Server, session: Session, tmp_path: Path) -> None:
    """Whatever their shapes, the pictures of the history stand in rows, each equally high and none of it cut off."""
    shapes = ("1024x1024", "2048x1152", "1152x2048", "3024x1296", "1296x864")
    made = [session.start(f"a fox {size}", size=size).result() for size in shapes * 2]
    notebook = opened(lab, tmp_path, [history_bundle(made)], width=1400)

    for trusted in (False, True):
        if trusted:
            notebook.page.evaluate(TRUST)
            notebook.page.wait_for_function(ROLES)
        notebook.page.wait_for_function(ALL_SHOWN, arg=10)
        tiles = notebook.page.evaluate(TILES)
        rows = {top for top, *_ in tiles}
        assert 1 < len(rows) < 5
        for row in rows:
            heights = [height for top, height, *_ in tiles if top == row]
            assert max(heights) - min(heights) <= 2 or not trusted
        assert all(abs(ratio - own) < 0.06 for _, _, ratio, own in tiles)


def test_an_untrusted_notebook_shows_its_pictures(lab: Server, session: Session, tmp_path: Path) -> None:
    """A notebook from elsewhere, whose HTML JupyterLab sanitises, shows each picture beside the other; no cell ran."""
    notebook = opened(lab, tmp_path, [bundle(mixed(session))], width=1400)

    notebook.page.wait_for_function(ALL_SHOWN, arg=4)
    assert notebook.page.evaluate(TRUSTED) == [False]
    first, second, *_ = notebook.page.evaluate(PLACES)
    assert first[0] < second[0]
    assert first[1] == second[1]
    assert notebook.outputs(0)[0]["data"].keys() == {"text/plain", "text/html", "image/jpeg"}
