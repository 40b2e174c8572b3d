"""A cell beside what a user would write by hand: the same POST, downloads side by side, the files written."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import TIMES, Row, median
from benchmarks.service import service
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_HAND = """
import concurrent.futures, httpx, pathlib
def by_hand(prompt):
    series = {"sequential_image_generation": "auto", "max_images": 4}
    body = {"prompt": prompt, "size": "2048x2048", **series, "watermark": True}
    reply = httpx.post(URL + "/v3/seedream-4.0", json=body, headers={"Authorization": "Bearer sk_test"}, timeout=600)
    links = reply.raise_for_status().json()["images"]
    with httpx.Client() as client, concurrent.futures.ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(lambda link: client.get(link).raise_for_status().content, links))
    for number, content in enumerate(contents):
        pathlib.Path(f"by-hand-{number}.jpg").write_bytes(content)
"""
HAND, OURS = "by_hand('a fox')", "%%seedream -n 4\na fox"


def run() -> list[Row]:
    """Measure both in one kernel, turn and turn about, at two latencies of the service."""
    slow_hand, slow_ours = _medians(latency=2.0)
    quick_hand, quick_ours = _medians(latency=0.0)
    return [
        Row(
            name="a cell, service 2 s, 4 pictures 2048: over by hand", value=slow_ours / slow_hand, unit="x", bound=1.05
        ),
        Row(name="by hand, service at once", value=1000 * quick_hand, unit="ms"),
        Row(
            name="a cell, service at once: more than by hand",
            value=1000 * (quick_ours - quick_hand),
            unit="ms",
            bound=60,
        ),
    ]


def _medians(latency: float) -> tuple[float, float]:
    with service("--delay", str(latency)) as url, tempfile.TemporaryDirectory() as folder:
        env = {"NOVITA_API_KEY": "sk_test", "SEEDREAM_BASE_URL": url, "SEEDREAM_BACKEND": None, "SEEDREAM_HOME": None}
        with Kernel(Path(folder), env=env) as kernel:
            kernel.execute(f"%load_ext seedream_nb\nURL = {url!r}{BY_HAND}")
            times = list(_turns(kernel))
    hand, ours = zip(*times[1:], strict=True)  # the first turn imports and warms up both
    return median(hand), median(ours)


def _turns(kernel: Kernel) -> Iterator[tuple[float, float]]:
    for _ in range(TIMES + 1):
        yield _seconds(kernel, HAND), _seconds(kernel, OURS)


def _seconds(kernel: Kernel, code: str) -> float:
    began = time.perf_counter()
    ran = kernel.execute(code)
    seconds = time.perf_counter() - began
    if ran.error is not None:
        raise RuntimeError(ran.error)
    return seconds
