"""A process that is killed at any boundary of the journal loses no picture whose link had reached it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

PICTURES = 3
EVENTS = ["intent", "links", *["file"] * PICTURES, "end"]

# The journal is handed in: it kills its own process just before or just after its n-th line is on disk.
DYING = """
import itertools, os, signal, sys
from pathlib import Path
from seedream_nb.journal import Journal
from seedream_nb.session import Session
from seedream_nb.settings import Settings

url, folder, deadly, moment = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

class DyingJournal(Journal):
    lines = itertools.count(1)
    def append(self, event, number, /, **fields):
        line = next(self.lines)  # files are told by several threads
        if line == deadly and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(event, number, **fields)
        if line == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(environ={}, folder=folder)
settings.change(base_url=url, api_key="sk_test")
session = Session(settings=settings, journal=DyingJournal, lingers=False)
session.start("three views of a fox", max_images=3).result()
print("survived")
"""


def crash(server: FaultServer, folder: Path, *, line: int, moment: str) -> None:
    """Run one request in a process that kills itself before or after a line of the journal."""
    command = [sys.executable, "-c", DYING, server.url, str(folder), str(line), moment]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("line", range(1, len(EVENTS) + 1))
def test_every_picture_whose_link_was_written_is_found_again(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path, line: int, moment: str
) -> None:
    """Killed around any line: what has links is recovered whole, and the service sees no request twice."""
    crash(fault_server, tmp_path, line=line, moment=moment)
    session = new_session()
    written = EVENTS[: line if moment == "after" else line - 1]
    session.recover()
    generations = list(session.history)
    if "links" in written:
        assert [(each.status, len(each)) for each in generations] == [("done", PICTURES)]
        assert all(picture.path.exists() for picture in generations[0])
    else:
        assert [each.status for each in generations] == ["unknown"] * ("intent" in written)
    assert len(fault_server.posts) <= 1


def test_what_may_have_been_billed_is_named(fault_server: FaultServer, new_session: NewSession, tmp_path: Path) -> None:
    """Killed after the intent, the request stands in the history as unknown, at a cost that nobody knows."""
    crash(fault_server, tmp_path, line=2, moment="before")
    (generation,) = new_session().history
    assert (generation.status, generation.cost, generation.prompt) == ("unknown", None, "three views of a fox")


def test_ids_go_on_after_a_crash(fault_server: FaultServer, new_session: NewSession, tmp_path: Path) -> None:
    """The next request does not take the number of the one that died."""
    crash(fault_server, tmp_path, line=2, moment="after")
    assert new_session().start("a hare").result().id == 2
