"""What the history costs in a `home` with 10 000 generations, written by 500 kernels."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import TIMES, Row, median, median_seconds
from seedream_nb.request import make_request
from seedream_nb.storage.history import History

GENERATIONS, A_KERNEL, PICTURES = 10_000, 20, 4

FIRST_ACCESS = """
import pathlib, sys, time
from seedream_nb.storage.history import History
history = History(pathlib.Path(sys.argv[1]))
began = time.perf_counter()
history[-1]
print(time.perf_counter() - began)
"""
# The extension beside such a home: loading looks at none of it.
LOAD = """
import os, sys, time
from IPython.core.interactiveshell import InteractiveShell
os.environ["SEEDREAM_HOME"] = sys.argv[1]
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "seedream_nb")
print(time.perf_counter() - began)
"""


def run() -> list[Row]:
    """Measure what a person waits for: the first look in fresh processes, the others in one that has looked."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        home = Path(folder)
        write(home)
        history = History(home)
        history[-1]
        return [
            _row("%load_ext, more than with none", _loading(home) - _loading(home / "none"), 3),
            _row("the first access", median(_in_fresh_processes(FIRST_ACCESS, home)), 500),
            _row("history[-1] after it", median_seconds(lambda: history[-1]), 20),
            _row("search", median_seconds(lambda: len(history.search("fox 777"))), 200),
            _row("what is unfinished", median_seconds(lambda: len(history.unfinished())), 50),
            _row("what a crash left, before the first access", median_seconds(lambda: _left_behind(home)), 50),
            _row("what is not on disk", median_seconds(lambda: len(history.lacking())), 500),
            _row("the sums of `usage`", median_seconds(history.usage), None),
        ]


def write(home: Path, generations: int = GENERATIONS) -> None:
    """Write journal files as kernels do, and (empty) pictures; not by a journal, which waits for the disk each time."""
    (home / "journal").mkdir()
    for first in range(1, generations + 1, A_KERNEL):
        numbers = range(first, first + A_KERNEL)
        text = "".join(_lines(home, number) for number in numbers)
        (home / "journal" / f"20260101-000000-{first:05}.jsonl").write_text(text, "utf-8")


def _lines(home: Path, number: int) -> str:
    request = make_request(f"a fox in the snow at dawn, number {number}, soft light", max_images=PICTURES)
    links = [f"https://pictures.example/{number}/{index}?{'s' * 300}" for index in range(1, PICTURES + 1)]
    names = [f"{number:05}-{index}-a-fox.jpg" for index in range(1, PICTURES + 1)]
    for name in names:
        (home / name).touch()
    facts = {"width": 2048, "height": 2048, "media_type": "image/jpeg", "sha256": "0" * 64, "size_bytes": 1_234_567}
    asked = {"request": request.to_record(), "fingerprint": request.fingerprint}
    service = {"backend": "novita", "host": "api.novita.ai", "price": 0.03}
    told = [
        ("intent", {"template": request.prompt, **asked, **service, "notebook": None, "sources": [], "warnings": []}),
        ("links", {"links": links, "seconds": 12.3}),
        *(("file", {"index": index, "path": name, **facts}) for index, name in enumerate(names, start=1)),
        ("end", {"status": "done", "cost": 0.12, "seconds": 15.6, "error": None}),
    ]
    at = "2026-11-21T09:30:00.000000+00:00"
    records = [{"event": event, "id": number, "at": at, **fields, "v": 1} for event, fields in told]
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def _loading(home: Path) -> float:
    return min(_in_fresh_processes(LOAD, home))


def _left_behind(home: Path) -> int:
    return len(History(home).left_behind())


def _in_fresh_processes(code: str, home: Path) -> list[float]:
    command = [sys.executable, "-c", code, str(home)]
    return [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
        for _ in range(TIMES + 1)
    ][1:]


def _row(name: str, seconds: float, bound: float | None) -> Row:
    return Row(name=f"history of {GENERATIONS}: {name}", value=1000 * seconds, unit="ms", bound=bound)
