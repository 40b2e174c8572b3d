"""Processes that run a few requests and are killed: by themselves at a line of the journal, or from outside.

One process imports everything and forks a child for each run, so that two hundred runs take seconds.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.storage.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

ROOT = Path(__file__).parents[1]
FORMS = ("Bmp", "Gif", "Jpeg", "Png", "Ppm")
IMPORTED_LATE = (
    *("httpcore", "httpx", "anyio._backends._asyncio", *(f"PIL.{form}ImagePlugin" for form in FORMS)),
    *("seedream_nb.budget", "seedream_nb.http.client", "seedream_nb.jobs.pipeline"),
)
PICTURES = 2
"""Pictures that each request asks for."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a child does and when it dies: after some seconds, or `before`, `within` or `after` a line it journals."""

    url: str
    folder: str
    prompts: list[str]
    seconds: float | None = None
    line: int = 0
    moment: str = ""


class Doomed:
    """The process that forks the children; they are killed as told."""

    def __enter__(self) -> Self:
        """Start it."""
        command = [sys.executable, "-m", "tests.doomed"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Let it end."""
        self._process.communicate(timeout=30)

    def run(self, run: Run) -> float | None:
        """Run a child; return how many seconds it took to do all of its work, or None if it was killed.

        Raises:
            RuntimeError: it ended otherwise.
        """
        self.start(run)
        return self.wait()

    def start(self, run: Run) -> int:
        """Start a child, which can be killed from here as well until it is waited for; return its number."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(run)) + "\n")
        number: int = self._told()
        return number

    def wait(self) -> float | None:
        """Wait for the child that was started; return what `run` returns."""
        status, seconds = self._told()
        if status not in {0, -signal.SIGKILL}:
            raise RuntimeError(f"The child ended with {status}.")
        return seconds if status == 0 else None

    def _told(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def dying(run: Run) -> Callable[[Path], Journal]:
    """Return a journal that kills its process just before, or just after, its n-th line is on disk."""
    numbers = itertools.count(1)  # several threads tell it something

    class DyingJournal(Journal):
        def append(self, event: str, number: int, /, **fields: Any) -> None:
            deadly = next(numbers) == run.line
            if deadly and run.moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if deadly and run.moment == "within":
                vars(os)["write"] = half_a_line
            super().append(event, number, **fields)
            if deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    return DyingJournal


def half_a_line(descriptor: int, content: bytes, write: Callable[[int, bytes], int] = os.write) -> int:
    """Write half of it and die; stands in for the system's own `write`."""
    written = write(descriptor, content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
    return written


def work(run: Run) -> None:
    """Do what a notebook does: several requests side by side, to their end."""
    settings = Settings(environ={}, folder=Path(run.folder))
    settings.change(base_url=run.url, api_key="sk_test", concurrency=2)
    session = Session(settings=settings, journal=dying(run), lingers=False)
    jobs = [session.start(prompt, max_images=PICTURES) for prompt in run.prompts]
    for job in jobs:
        job.result()


def child(run: Run) -> int:
    """Fork a process that does the work of a run; return its number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        work(run)
        status = 0
    finally:
        os._exit(status)


def ended(number: int, seconds: float | None) -> tuple[int, float]:
    """Wait for a child, or kill it after so many seconds; return its exit code and how long it lived."""
    began = time.monotonic()
    if seconds is not None:
        time.sleep(seconds)
        os.kill(number, signal.SIGKILL)  # it was not waited for yet, so its number is still its own
    _, status = os.waitpid(number, 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - began


def main() -> None:
    """Import what a run needs, then fork a child for each line that is read."""
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    for line in sys.stdin:
        run = Run(**json.loads(line))
        number = child(run)
        print(number, flush=True)  # noqa: T201 - that is how it answers
        print(json.dumps(ended(number, run.seconds)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
