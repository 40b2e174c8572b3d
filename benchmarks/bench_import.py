"""What importing and loading cost over bare IPython."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measure import Row, median

TIMES = 15

CODE = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
import seedream_nb
imported = time.perf_counter()
shell.run_line_magic("load_ext", "seedream_nb")
loaded = time.perf_counter()
print(imported - began, loaded - began)
"""


def run() -> list[Row]:
    """Measure in fresh processes; the first one, which may compile, is thrown away."""
    told = [_measured() for _ in range(TIMES + 1)][1:]
    imports, loads = zip(*told, strict=True)
    return [
        Row(name="import seedream_nb, over bare IPython", value=1000 * median(imports), unit="ms", bound=10),
        Row(name="%load_ext, import included", value=1000 * median(loads), unit="ms", bound=15),
    ]


def _measured() -> tuple[float, float]:
    # As users have it: compiled modules are kept, although a developer's machine may say otherwise.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=env)
    imported, loaded = ran.stdout.split()[-2:]
    return float(imported), float(loaded)
