"""Kernels that write a journal as the procedure does, in this process and in others: for the tests of the history."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from seedream_nb.request import ImageRequest, make_request
from seedream_nb.storage.journal import Journal, write_all

ROOT = Path(__file__).parents[1]


@dataclass
class Kernel:
    """Something that writes a journal as the procedure does."""

    home: Path
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Begin a journal."""
        self.journal = Journal(self.home / "journal")

    def ask(self, number: int, prompt: str = "a fox in the snow", **changes: Any) -> ImageRequest:
        """Write that something was asked."""
        request = make_request(prompt, max_images=15)
        fields = {
            "template": prompt,
            "request": request.to_record(),
            "fingerprint": request.fingerprint,
            "backend": "novita",
            "host": "api.novita.ai",
            "price": 0.03,
        }
        self.journal.append("intent", number, **{**fields, **changes})
        return request

    def link(self, number: int, count: int = 1, **changes: Any) -> None:
        """Write that links came."""
        links = [f"https://pictures.example/{number}/{index}" for index in range(count)]
        self.journal.append("links", number, links=links, seconds=1.0, **changes)

    def land(self, number: int, index: int = 1, **changes: Any) -> None:
        """Write a picture and that it came."""
        path = self.home / f"{number:04}-{index}.jpg"
        path.write_bytes(b"picture")
        fields = {"width": 2, "height": 2, "media_type": "image/jpeg", "sha256": "", "size_bytes": 7}
        self.journal.append("file", number, index=index, path=path.name, **fields, **changes)

    def end(self, number: int, status: str = "done", **changes: Any) -> None:
        """Write how it ended."""
        self.journal.append("end", number, **{"status": status, "seconds": 2.0, "cost": 0.03, "error": None, **changes})

    def make(self, number: int, prompt: str = "a fox in the snow", pictures: int = 1) -> ImageRequest:
        """Write a whole generation."""
        request = self.ask(number, prompt)
        self.link(number, pictures)
        for index in range(1, pictures + 1):
            self.land(number, index)
        self.end(number)
        return request


class Disk:
    """A disk for journals; it can be full, and takes then only the first so many bytes of what is written."""

    def __init__(self) -> None:
        """Begin with room."""
        self.full_after: int | None = None

    def journal(self, folder: Path) -> Journal:
        """Return a journal on this disk."""
        return Journal(folder, write=self._write)

    def _write(self, descriptor: int, content: bytes) -> None:
        if self.full_after is not None:
            write_all(descriptor, content[: self.full_after])
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, content)


# It has begun two, by default 1 and 2, has links for both, and has ended the second.
OTHER_KERNEL = """
import pathlib, sys
from tests.journals import Kernel
kernel = Kernel(pathlib.Path(sys.argv[1]))
first, second = map(int, sys.argv[2:] or (1, 2))
for number in (first, second):
    kernel.ask(number)
    kernel.link(number)
kernel.end(second, "partial")
print("ready", flush=True)
sys.stdin.read()
"""


class OtherKernel:
    """A process that runs `OTHER_KERNEL`, until it is killed."""

    def __init__(self, home: Path, *numbers: str) -> None:
        """Name the home and the generations that it begins."""
        self._command = [sys.executable, "-c", OTHER_KERNEL, str(home), *numbers]

    def __enter__(self) -> Self:
        """Start it, and wait until it has written."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    @property
    def number(self) -> int:
        """The number that the system has given it."""
        return self._process.pid

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def __exit__(self, *_: object) -> None:
        """Kill it, and close what it was spoken to by."""
        with self._process:
            self.kill()
