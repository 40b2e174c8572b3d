"""Running the cells of a way in a fresh kernel: when its pictures are seen, and what they add to memory and file."""

from __future__ import annotations

import copy
import json
import os
import statistics
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

if TYPE_CHECKING:
    from benchmarks.peers.ways import Way

LOAD = """\
import time
began = time.perf_counter()
{load}
print(time.perf_counter() - began)"""
WHO = "import os\nprint(os.getpid())"
BEFORE = 2
"""Cells before the first picture: WHO and LOAD."""

MANY = 4


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one fresh kernel told: seconds over those of the server, and bytes more than before loading."""

    notebook: nbformat.NotebookNode
    load: float
    pictures: list[float]
    memory: list[int]

    @property
    def first(self) -> float:
        """Seconds until the first picture was seen."""
        return self.pictures[0]

    @property
    def later(self) -> float:
        """Seconds until each later picture was seen."""
        return statistics.median(self.pictures[1:])


class Watched(NotebookClient):
    """Executes a notebook and looks at the clock when a cell begins and when its first picture comes."""

    def __init__(self, notebook: nbformat.NotebookNode, **options: Any) -> None:
        """Look at each cell of this notebook."""
        super().__init__(notebook, on_cell_execute=self._begins, on_cell_executed=self._ended, **options)
        self.began: dict[int, float] = {}
        self.seen: dict[int, float] = {}
        self.uss: list[int] = []

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Look at a message, and let nbclient do what it does."""
        if cell_index not in self.seen and holds_picture(msg["content"].get("data", {})):
            self.seen[cell_index] = time.perf_counter()
        return super().process_message(msg, cell, cell_index)

    def _begins(self, cell_index: int, **_: object) -> None:
        self.began[cell_index] = time.perf_counter()

    def _ended(self, **_: object) -> None:
        kernel = psutil.Process(int(self.nb.cells[0].outputs[0].text))
        self.uss.append(kernel.memory_full_info().uss)


def holds_picture(data: dict[str, Any]) -> bool:
    """Return whether a mime bundle shows a picture."""
    return any(kind.startswith("image/") for kind in data) or "data:image/" in data.get("text/html", "")


def run(way: Way, python: Path, url: str, pictures: int = MANY) -> Run:
    """Run the cells of a way in a fresh kernel of its environment."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = _notebook(way, pictures)
        client = Watched(
            notebook,
            km=_manager(Path(folder), python),
            resources={"metadata": {"path": folder}},
            record_timing=False,
        )
        client.execute(cleanup_kc=True, env=_surroundings(url, folder))
    with urllib.request.urlopen(f"{url}/log") as reply:  # noqa: S310 - our own server
        served = json.load(reply)[-pictures:]
    took = [client.seen[BEFORE + number] - client.began[BEFORE + number] for number in range(pictures)]
    return Run(
        notebook=notebook,
        load=float(notebook.cells[1].outputs[-1].text),
        pictures=[whole - share for whole, share in zip(took, served, strict=True)],
        memory=[each - client.uss[0] for each in client.uss[BEFORE:]],
    )


def bytes_a_picture(notebook: nbformat.NotebookNode) -> float:
    """Return by how much the file grows with the output of one picture."""
    empty = copy.deepcopy(notebook)
    for cell in empty.cells[BEFORE:]:
        cell.outputs = []
    return (len(nbformat.writes(notebook)) - len(nbformat.writes(empty))) / len(notebook.cells[BEFORE:])


def _notebook(way: Way, pictures: int) -> nbformat.NotebookNode:
    prompts = [f"a fox in the snow at dawn, number {number}" for number in range(1, pictures + 1)]
    sources = [WHO, LOAD.format(load=way.load), *(way.cell.replace("PROMPT", prompt) for prompt in prompts)]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def _manager(folder: Path, python: Path) -> AsyncKernelManager:
    spec = folder / "kernels" / "peer" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Peer", "language": "python"}), "utf-8")
    specs = KernelSpecManager(kernel_dirs=[str(spec.parents[1])])
    return AsyncKernelManager(kernel_name="peer", kernel_spec_manager=specs)


def _surroundings(url: str, folder: str) -> dict[str, str]:
    """Return the environment of a kernel: each way finds the server as its documentation says, and nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEEDREAM", "OPENAI"))}
    return {
        **kept,
        "IPYTHONDIR": folder,
        "NO_PROXY": "127.0.0.1",
        "NOVITA_API_KEY": "sk_test",
        "SEEDREAM_BASE_URL": url,
        "OPENAI_API_KEY": "sk_test",
        "OPENAI_BASE_URL": f"{url}/v1",
    }
