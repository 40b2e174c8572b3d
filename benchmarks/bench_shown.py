"""Listening to what the notebook shows: what it adds to each display, and how much it holds."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.measure import TIMES, Row, median
from tests.kernel import Kernel

MANY = 600
"""More displays than are kept."""

BEGIN = """
import io, json, os, time
from IPython.display import display
from PIL import Image
stream = io.BytesIO()
Image.effect_noise((640, 480), 90).save(stream, "PNG")
picture = {"image/png": stream.getvalue(), "text/plain": "a plot"}
def milliseconds(times=100):
    began = time.perf_counter()
    for _ in range(times):
        display(picture, raw=True)
    return 1000 * (time.perf_counter() - began) / times
"""
SHOW_MANY = f"""
%load_ext seedream_nb
for _ in range({MANY}):
    display({{"image/png": b"x" * 100}}, raw=True)
"""
BY_TURNS = """
listener = get_ipython()._seedream_nb_shown
listener._listens = False
without = milliseconds()
listener._listens = True
print(json.dumps(milliseconds() - without))
"""
HOLD = """
noise = os.urandom(3_000_000)
for _ in range(40):
    display({"image/png": noise[:-1] + bytes([_])}, raw=True)
outputs = get_ipython()._seedream_nb_shown._outputs.all()
print(json.dumps(sum(each.size_bytes for each in outputs)))
"""


def run() -> list[Row]:
    """Measure in one kernel, with and without by turns, after more displays than are kept."""
    with tempfile.TemporaryDirectory() as folder, Kernel(Path(folder)) as kernel:
        _told(kernel, BEGIN)
        _told(kernel, SHOW_MANY)
        added = [float(_told(kernel, BY_TURNS)) for _ in range(TIMES)]
        held = float(_told(kernel, HOLD))
    return [
        Row(name="a picture is displayed: more than without us", value=median(added), unit="ms", bound=1),
        Row(name="120 MB of pictures were displayed: held", value=held / 1_000_000, unit="MB", bound=64),
    ]


def _told(kernel: Kernel, code: str) -> str:
    """Run a cell and return what it printed, as JSON if anything."""
    ran = kernel.execute(code)
    if ran.error is not None:
        raise RuntimeError(ran.text)
    return json.dumps(json.loads(ran.printed)) if ran.printed else ""
