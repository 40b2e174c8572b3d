"""What the previews of fifteen pictures of 4096x4096 cost: time, memory, and bytes in the notebook."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import Row, median, seconds_of

PICTURES = 15
SIDE = 4096


def run() -> list[Row]:
    """Paint in one process and measure in another, for what painting takes would hide what previews take."""
    with tempfile.TemporaryDirectory() as folder:
        apart("paint", folder)
        told = json.loads(apart("measure", folder))
    return [
        Row(name="preview of 4096x4096, median", value=1000 * median(told["seconds"]), unit="ms", bound=150),
        Row(name="preview of 4096x4096, slowest of 15", value=1000 * max(told["seconds"]), unit="ms", bound=150),
        Row(name="previews of 15 pictures, added peak memory", value=told["peak_bytes"] / 1e6, unit="MB", bound=60),
        Row(name="previews of 15 pictures, as base64", value=told["text_bytes"] / 1e6, unit="MB", bound=1.5),
    ]


def apart(order: str, folder: str) -> bytes:
    """Carry out an order of this module in a process of its own; return what it prints."""
    command = [sys.executable, "-m", "benchmarks.bench_preview", order, folder]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]).stdout


def paint(folder: Path) -> None:
    """Write fifteen JPEGs with as much fine grain as a photograph has."""
    from PIL import Image, ImageChops

    grain = Image.frombytes("L", (1024, 1024), random.Random(4).randbytes(1 << 20))
    noise = Image.new("L", (SIDE, SIDE))
    for place in range(16):
        noise.paste(grain, (place % 4 * 1024, place // 4 * 1024))
    slope = Image.linear_gradient("L").resize((SIDE, SIDE))
    picture = Image.merge("RGB", (slope, slope.rotate(90), slope.rotate(180)))
    mixed = ImageChops.blend(picture, noise.convert("RGB"), 0.15)
    for index in range(PICTURES):
        mixed.rotate(90 * (index % 4)).save(folder / f"{index}.jpg", quality=92)


def measure(folder: Path) -> dict[str, object]:
    """Make each preview once and return seconds, the peak of memory added, and the size in a notebook."""
    from seedream_nb.preview import preview, size_for
    from seedream_nb.storage.picture import inspect

    side = size_for(PICTURES).side
    paths = sorted(folder.glob("*.jpg"))
    inspect(paths[0])  # each landing does this first; it brings Pillow in
    before = peak_bytes()
    seconds = [seconds_of(partial(preview, path, side)) for path in paths]
    text_bytes = sum(4 * math.ceil(len(preview(path, side)) / 3) for path in paths)
    return {"seconds": seconds, "peak_bytes": peak_bytes() - before, "text_bytes": text_bytes}


def peak_bytes() -> int:
    """Return the most memory that this process ever held."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage would start from the parent's peak
        return 1024 * int(status.read_text("ascii").partition("VmHWM:")[2].split()[0])
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    if sys.argv[1] == "paint":
        paint(Path(sys.argv[2]))
    else:
        print(json.dumps(measure(Path(sys.argv[2]))))
