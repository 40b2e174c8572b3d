"""A service of its own process to measure against, whose log tells when its last bytes went out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def service(*options: str) -> Iterator[str]:
    """Serve pictures on loopback for the length of a block; gives the URL. `options` as of `tests.faults`."""
    command = [sys.executable, "-m", "tests.faults", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        yield process.stdout.readline().strip()
        process.kill()


def log(url: str) -> list[dict[str, Any]]:
    """Return what the service has seen; times are `time.monotonic()`, one clock for all processes."""
    with urllib.request.urlopen(f"{url}/log") as reply:  # noqa: S310 - our own service
        seen: list[dict[str, Any]] = json.load(reply)
        return seen


def peak_kilobytes() -> int:
    """Return the most memory that this process has had at once."""
    status = Path("/proc/self/status")
    if status.exists():  # begins with this program; `ru_maxrss` begins with whoever started it
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most


def child(code: str, *arguments: str) -> Any:
    """Run code in a process of its own and return what it prints as JSON in its last line."""
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return json.loads(ran.stdout.splitlines()[-1])
