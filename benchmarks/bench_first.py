"""The first picture of a fresh kernel beside a hand-written cell in an equally fresh one, later ones, and memory."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import TIMES, Row, median
from benchmarks.service import service
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

HAND = """
import httpx, pathlib
body = {"prompt": "a fox", "size": "2048x2048", "sequential_image_generation": "disabled", "watermark": True}
headers = {"Authorization": "Bearer sk_test"}
reply = httpx.post(URL + "/v3/seedream-4.0", json=body, headers=headers, timeout=600).raise_for_status()
content = httpx.get(reply.json()["images"][0], timeout=600).raise_for_status().content
pathlib.Path("by-hand.jpg").write_bytes(content)
"""
"""It writes the file and shows nothing, so it needs no Pillow; ours also checks the file, keeps the journal, and makes
and shows a preview. Each of its two calls reads the certificates anew, as httpx's functions do; ours reads none where
it speaks plain HTTP, as it does here."""
OURS = "%%seedream\na fox"
PICTURES = 4
REST_SECONDS = 2.0
"""Between `%load_ext` and the first cell of somebody who writes it."""
SETTLED_SECONDS = 0.3
"""After a picture, until what it needed is given back."""
UNIQUE = """
import pathlib
def unique_bytes():
    lines = pathlib.Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))
"""
STEPS = """
import importlib, json, time
import_module, steps = importlib.import_module, {}
def timed(name, package=None):
    began = time.thread_time()
    try:
        return import_module(name, package)
    finally:
        steps[name] = time.thread_time() - began
importlib.import_module = timed
"""


def run() -> list[Row]:
    """Measure in kernels that take turns, so that whatever disturbs the machine disturbs both."""
    rested, at_once = list(_turns(REST_SECONDS)), list(_turns(0.0))
    later = [(each["hand"][1:], each["ours"][1:]) for each in (*rested, *at_once)]
    longest = [max(each["steps"].items(), key=lambda step: step[1]) for each in rested]
    return [
        Row(name="the first picture, 2 s after %load_ext: more than by hand", value=_more(rested), unit="ms", bound=30),
        Row(name="the first picture, at once: more than by hand", value=_more(at_once), unit="ms", bound=80),
        Row(
            name="each later picture: more than by hand",
            value=1000 * median(sum(ours) / len(ours) - sum(hand) / len(hand) for hand, ours in later),
            unit="ms",
            bound=10,
        ),
        Row(
            name=f"the longest import between cells ({longest[0][0]})",
            value=1000 * median(seconds for _, seconds in longest),
            unit="ms",
            bound=20,
        ),
        Row(name="memory after the first picture", value=_memory(rested, 1), unit="MB", bound=15),
        Row(name=f"memory after {PICTURES} pictures", value=_memory(rested, PICTURES), unit="MB", bound=25),
    ]


def _more(turns: list[dict[str, Any]]) -> float:
    return 1000 * (median(each["ours"][0] for each in turns) - median(each["hand"][0] for each in turns))


def _memory(turns: list[dict[str, Any]], pictures: int) -> float:
    return median(each["memory"][pictures] - each["memory"][0] for each in turns) / 1e6


def _turns(rest_seconds: float) -> Iterator[dict[str, Any]]:
    with service() as url:
        for _ in range(TIMES + 1):
            yield {"hand": _by_hand(url, rest_seconds), **_by_us(url, rest_seconds)}


def _by_hand(url: str, rest_seconds: float) -> list[float]:
    with _kernel(url) as kernel:
        kernel.execute(f"URL = {url!r}")
        time.sleep(rest_seconds)
        return [_settled(kernel, HAND) for _ in range(PICTURES)]


def _by_us(url: str, rest_seconds: float) -> dict[str, Any]:
    with _kernel(url) as kernel:
        kernel.execute(UNIQUE)
        memory = [_number(kernel, "unique_bytes()")]
        kernel.execute(f"{STEPS}\n%load_ext seedream_nb")
        time.sleep(rest_seconds)
        steps: dict[str, float] = {}
        seconds = []
        for number in range(PICTURES):
            seconds.append(_settled(kernel, OURS))
            steps = steps or json.loads(kernel.execute("print(json.dumps(steps))").printed)
            memory.append(_number(kernel, "unique_bytes()") if number in {0, PICTURES - 1} else 0)
        return {"ours": seconds, "memory": memory, "steps": steps}


@contextlib.contextmanager
def _kernel(url: str) -> Iterator[Kernel]:
    # As users have it: compiled modules are kept, although a developer's machine may say otherwise.
    env: dict[str, str | None] = {
        "NOVITA_API_KEY": "sk_test",
        "SEEDREAM_BASE_URL": url,
        "SEEDREAM_BACKEND": None,
        "SEEDREAM_HOME": None,
    }
    env["PYTHONDONTWRITEBYTECODE"] = None
    with tempfile.TemporaryDirectory() as folder, Kernel(Path(folder), env=env) as kernel:
        yield kernel


def _settled(kernel: Kernel, code: str) -> float:
    seconds = _seconds(kernel, code)
    time.sleep(SETTLED_SECONDS)
    return seconds


def _number(kernel: Kernel, code: str) -> int:
    return int(kernel.execute(f"print({code})").printed)


def _seconds(kernel: Kernel, code: str) -> float:
    began = time.perf_counter()
    ran = kernel.execute(code)
    seconds = time.perf_counter() - began
    if ran.error is not None:
        raise RuntimeError(ran.error)
    return seconds
