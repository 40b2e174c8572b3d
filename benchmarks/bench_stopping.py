"""How soon an interrupted cell is free, while its request goes on."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.measure import TIMES, Row
from benchmarks.service import service
from tests.kernel import Kernel


def run() -> list[Row]:
    """Interrupt cells whose service takes its time; the slowest counts, for it is said to be so always."""
    with service("--delay", "30") as url, tempfile.TemporaryDirectory() as folder:
        env = {"NOVITA_API_KEY": "sk_test", "SEEDREAM_BASE_URL": url, "SEEDREAM_BACKEND": None, "SEEDREAM_HOME": None}
        with Kernel(Path(folder), env=env) as kernel:
            kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd\nsd.configure(concurrency=64)")
            slowest = max(_freed(kernel) for _ in range(TIMES))
    return [Row(name="an interrupted cell is free, the slowest", value=1000 * slowest, unit="ms", bound=1000)]


def _freed(kernel: Kernel) -> float:
    ran = kernel.start("%%seedream\na fox")
    kernel.until(lambda: "Generating" in ran.text)
    began = time.perf_counter()
    kernel.interrupt()
    ran.wait()
    return time.perf_counter() - began
