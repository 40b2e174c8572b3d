"""Fifteen pictures of 4096x4096: how soon each is seen, what they cost in memory and, with ten references, on disk."""

from __future__ import annotations

import tempfile
from typing import Any

from benchmarks.measure import TIMES, Row, median
from benchmarks.service import child, log, service

CODE = """
import json, sys, time
from dataclasses import replace
from PIL import Image
from benchmarks.service import peak_kilobytes
from pathlib import Path
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.view import bundle, generation_bundle

url, folder = sys.argv[1:]
settings = Settings(environ={}, folder=Path(folder))
settings.change(base_url=url, api_key="sk_test")
session = Session(settings=settings, bundle=bundle, lingers=False)
generation_bundle(session.start("warm up").result())
before = peak_kilobytes()
job, seen, shown, version = session.start("fifteen foxes", max_images=15), {}, 0, -1
while not job.over:  # as the output below a cell does
    version = job.wait_for_change(version, 0.1)
    if len(job.pictures) > shown:
        marks = [picture.mark for picture in job.pictures]
        bundle(job)
        shown = len(marks)
        seen.update({mark: time.monotonic() for mark in marks if mark not in seen})
generation = job.result()
for picture in generation:
    seen.setdefault(picture.mark, time.monotonic())
generation_bundle(generation)
after = peak_kilobytes()
photos = [Image.effect_noise((1600, 1200), 40 + index).convert("RGB") for index in range(10)]
edited = session.start("with ten photos", images=photos).result()
began = time.perf_counter()
generation_bundle(edited)
seconds = time.perf_counter() - began
shown = generation_bundle(replace(generation, request=edited.request))  # more than may be asked for
told = {"seen": seen, "kilobytes": after - before, "notebook": len(json.dumps(shown)), "links": generation.links}
print(json.dumps({**told, "references": seconds}))
"""


def run() -> list[Row]:
    """Measure in fresh processes against one service; of each run, the picture that was seen last after its bytes."""
    with service("--width", "4096", "--height", "4096", "--delay", "0.2") as url:
        told = [_measured(url) for _ in range(TIMES)]
    return [
        Row(
            name="15 pictures 4096: latest preview after its last byte",
            value=median(t["late"] for t in told),
            unit="ms",
            bound=150,
        ),
        Row(
            name="15 pictures 4096: added to peak memory", value=median(t["memory"] for t in told), unit="MB", bound=60
        ),
        Row(
            name="15 pictures 4096, 10 references: added to the notebook",
            value=median(t["notebook"] for t in told),
            unit="MB",
            bound=1.5,
        ),
        Row(
            name="a result with 10 references of 1600x1200: shown for the first time",
            value=median(t["references"] for t in told),
            unit="ms",
            bound=None,
        ),
    ]


def _measured(url: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        told: dict[str, Any] = child(CODE, url, folder)
    ended = {seen["path"]: seen["ended"] for seen in log(url)}
    sent = [ended[link.removeprefix(url)] for link in told["links"]]
    late = [told["seen"][f"@2.{index}"] - time for index, time in enumerate(sent, start=1)]
    return {
        "late": 1000 * max(late),
        "memory": told["kilobytes"] / 1000,
        "notebook": told["notebook"] / 1e6,
        "references": 1000 * told["references"],
    }
