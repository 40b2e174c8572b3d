"""How long the sandbox paints at 4096x4096, and the longest that it keeps others from the interpreter."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

from benchmarks.measure import TIMES, Row, median, seconds_of

WORDS = ("mountain", "sea", "city")


def run() -> list[Row]:
    """Paint each scene with three references, beside a thread that wants to run every millisecond."""
    with tempfile.TemporaryDirectory() as folder:
        told = [_measured(Path(folder) / "x.jpg", word) for word in WORDS for _ in range(TIMES)]
    seconds, waits = zip(*told, strict=True)
    return [
        Row(name="sandbox paints 4096x4096", value=median(seconds), unit="s", bound=1.5),
        Row(name="sandbox paints: longest hold of the interpreter", value=1000 * median(waits), unit="ms", bound=50),
    ]


def _measured(path: Path, word: str) -> tuple[float, float]:
    from PIL import Image

    from seedream_nb.sandbox.painter import paint

    references = [Image.new("RGB", (1024, 1024), "red")] * 3
    done, waits = threading.Event(), [0.0]
    heart = threading.Thread(target=_beat, args=(done, waits))
    heart.start()
    try:
        with path.open("wb") as file:
            seconds = seconds_of(lambda: paint(file, word, (4096, 4096), references=references))
    finally:
        done.set()
        heart.join()
    return seconds, max(waits)


def _beat(done: threading.Event, waits: list[float]) -> None:
    while not done.is_set():
        before = time.perf_counter()
        time.sleep(0.001)
        waits.append(time.perf_counter() - before - 0.001)
