"""Requests that outlive their cell in a real page: each picture comes to the cell that asked for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import nbformat

from tests.faults.script import POST, Links, OnceRead

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.jupyter import Notebook, Server
    from tests.faults.server import FaultServer

from tests.waiting import until

LOAD = '%load_ext seedream_nb\nimport seedream_nb as sd, time\nsd.configure(base_url="{url}", api_key="sk_test")'
CELLS = ("%%seedream -b\na fox", 'for _ in range(20):\n    time.sleep(0.1)\nprint("other")', "%%seedream\na hare")
GOES_ON = "If this line stays, the kernel ended first"
BEGIN = "() => { window.jupyterapp.commands.execute('notebook:run-cell') }"


def opened(server: Server, folder: Path, service: FaultServer) -> Notebook:
    """Open a notebook whose first cell has sent the requests to the fault server."""
    sources = [LOAD.format(url=service.url), *CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    document = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)), metadata=kernel)
    nbformat.write(document, folder / "background.ipynb")
    page = server.open(folder / "background.ipynb")
    assert page.run(0) == []
    return page


def text_of(page: Notebook, index: int) -> str:
    """Return the plain text of a cell's displays, and the names of its errors."""
    shown = [output.get("data", {}).get("text/plain") or output.get("ename", "") for output in page.outputs(index)]
    return "\n".join("".join(each) for each in shown)


def picture_comes(page: Notebook, index: int) -> None:
    """Wait for the picture in a cell's output, which then says no more that it goes on."""
    until(lambda: " done " in text_of(page, index), nap=page.nap)
    page.output(index).locator("img").wait_for(timeout=30_000)
    assert GOES_ON not in text_of(page, index)


def held_back(service: FaultServer) -> threading.Event:
    """Let the service answer the next request only when this is set, however long a page takes to be looked at."""
    go = threading.Event()

    def answer(_: object) -> Links:
        go.wait(60)
        return Links()

    service.on(POST, OnceRead(answer))
    return go


def outlive_their_cells(page: Notebook, service: FaultServer) -> None:
    """Run a cell in the background and another one meanwhile; then interrupt one."""
    go = held_back(service)
    page.run(1)
    assert GOES_ON in text_of(page, 1)
    threading.Timer(1.0, go.set).start()  # while the other one runs
    assert [output.get("text") for output in page.run(2)] == ["other\n"]
    picture_comes(page, 1)
    assert len(page.outputs(1)) == 1

    go = held_back(service)
    page.select(3)
    page.page.evaluate(BEGIN)
    until(lambda: len(service.posts) == 2 and "Generating" in text_of(page, 3), nap=page.nap)
    page.command("notebook:interrupt-kernel")
    until(lambda: "StoppedError" in text_of(page, 3), nap=page.nap)
    assert GOES_ON in text_of(page, 3)
    go.set()
    picture_comes(page, 3)
    until(lambda: "StoppedError" not in text_of(page, 3), nap=page.nap)
    assert len(page.outputs(3)) == 1
    page.output(3).locator("img").wait_for(timeout=30_000)


def test_pictures_come_to_their_cells_in_jupyterlab(lab: Server, fault_server: FaultServer, tmp_path: Path) -> None:
    """In JupyterLab a background cell and an interrupted one keep their own outputs up to date."""
    page = opened(lab, tmp_path, fault_server)
    outlive_their_cells(page, fault_server)
    assert page.problems == []


def test_pictures_come_to_their_cells_in_notebook_7(
    notebook7: Server, fault_server: FaultServer, tmp_path: Path
) -> None:
    """In Notebook 7 too."""
    outlive_their_cells(opened(notebook7, tmp_path, fault_server), fault_server)
