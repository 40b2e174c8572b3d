"""How soon an interrupted cell is free, be its request made ready, waiting for a place, or sent."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.measure import TIMES, Row
from benchmarks.service import service
from tests.kernel import Kernel

BEFORE = """
%load_ext seedream_nb
import seedream_nb as sd
from PIL import Image
large = Image.effect_noise((6000, 6100), 90)
"""
CELLS = {"Preparing": "%%seedream -i large\na fox", "Generating": "%%seedream\na fox", "Waiting": "%%seedream\na fox"}
"""What is interrupted in each phase; the last waits for those that generate."""


def run() -> list[Row]:
    """Interrupt cells whose service takes its time; the slowest counts, for it is said to be so always."""
    with service("--delay", "30") as url, tempfile.TemporaryDirectory() as folder:
        env = {"NOVITA_API_KEY": "sk_test", "SEEDREAM_BASE_URL": url, "SEEDREAM_BACKEND": None, "SEEDREAM_HOME": None}
        with Kernel(Path(folder), env=env) as kernel:
            kernel.execute(BEFORE)
            slowest = dict.fromkeys(CELLS, 0.0)
            for phase in CELLS:
                kernel.execute(f"sd.configure(concurrency={1 if phase == 'Waiting' else 64})")
                slowest[phase] = max(_freed(kernel, phase) for _ in range(TIMES))
    return [
        Row(name=f"an interrupted cell is free, {phase.lower()}, the slowest", value=1000 * each, unit="ms", bound=1000)
        for phase, each in slowest.items()
    ]


def _freed(kernel: Kernel, phase: str) -> float:
    ran = kernel.start(CELLS[phase])
    kernel.until(lambda: phase in ran.text)
    began = time.perf_counter()
    kernel.interrupt()
    ran.wait()
    return time.perf_counter() - began
