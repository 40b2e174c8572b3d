"""Ten references of 10 MB: what they cost in memory, and whether they hold up the background loop."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import TIMES, Row, median
from benchmarks.service import child, service

CODE = """
import asyncio, json, sys, time
from benchmarks.service import peak_kilobytes
from pathlib import Path
from seedream_nb.session import Session
from seedream_nb.settings import Settings

url, folder = sys.argv[1], Path(sys.argv[2])
settings = Settings(environ={}, folder=folder)
settings.change(base_url=url, api_key="sk_test")
session = Session(settings=settings, lingers=False)
session.start("warm up", images=folder / "small.png").result()
late = 0.0
async def heartbeat():
    global late
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        late = max(late, time.perf_counter() - began - 0.005)
before = peak_kilobytes()
beating = session.background.start(heartbeat)
session.start("ten", images=[folder / f"{number}.png" for number in range(10)]).result()
beating.cancel()
after = peak_kilobytes()
print(json.dumps({"late": 1000 * late, "kilobytes": after - before}))
"""
SIDE = 1820
"""Noise of 1820x1820 pixels is a PNG of 9.9 MB: just within the service's limit."""


def run() -> list[Row]:
    """Measure in fresh processes against one service."""
    with service("--width", "64", "--height", "64") as url, tempfile.TemporaryDirectory() as pictures:
        _draw(Path(pictures))
        told: list[dict[str, Any]] = [_measured(url, Path(pictures)) for _ in range(TIMES)]
    memory = median(t["kilobytes"] / 1000 for t in told)
    return [
        Row(name="ten references of 10 MB: added to peak memory", value=memory, unit="MB", bound=40),
        Row(name="ten references of 10 MB: heartbeat late", value=median(t["late"] for t in told), unit="ms", bound=50),
    ]


def _measured(url: str, pictures: Path) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        for picture in pictures.iterdir():
            (Path(folder) / picture.name).hardlink_to(picture)
        return child(CODE, url, folder)


def _draw(folder: Path) -> None:
    from PIL import Image

    for number in range(10):
        noise = Image.frombytes("RGB", (SIDE, SIDE), os.urandom(3 * SIDE * SIDE))
        noise.save(folder / f"{number}.png", compress_level=1)
    Image.new("RGB", (64, 64)).save(folder / "small.png")
