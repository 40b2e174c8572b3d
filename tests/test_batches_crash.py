"""A batch whose process is killed, at whatever moment: run again, it sends nothing twice that may have been billed."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.batches import ask
from tests.faults import POST, FaultServer, Links
from tests.waiting import tries

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.batches.batch import Batch
    from tests.faults import Seen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor fork"),
]

ANIMALS = ["fox", "cat", "dog", "owl", "hen", "ant"]
INSTANTS = tries(4, 100)
LONGEST_SECONDS = 0.6
"""From the fork to the kill, at most: about as long as the whole takes."""


def begun(server: FaultServer, folder: Path, *, retry_unknown: bool = False) -> tuple[Session, Batch]:
    """Begin the batch in a session of its own."""
    settings = Settings(environ={}, folder=folder)
    settings.change(base_url=server.url, api_key="sk_test", concurrency=3)
    session = Session(settings=settings, lingers=False)
    batch = ask(session, "a {animal}", over={"animal": ANIMALS}, repeat=1, retry_unknown=retry_unknown)
    return session, batch


def die(server: FaultServer, folder: Path, seconds: float) -> bool:
    """Run the batch in a child that is killed after some seconds; return whether it had ended by then."""
    child = os.fork()
    if not child:
        try:
            begun(server, folder)[1].result()
            os._exit(0)
        finally:
            os._exit(1)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def prompts(server: FaultServer) -> Counter[str]:
    """Return how often each prompt was asked; a body that broke off counts as well."""
    bodies = [seen.body for seen in server.posts]
    return Counter(animal for body in bodies for animal in ANIMALS if f"a {animal}".encode() in body)


def test_killed_and_run_again_nothing_is_sent_twice(tmp_path: Path) -> None:
    """Whenever it happens; what may have been billed is sent again only with `retry_unknown`, and then all is there."""
    chances = random.Random(int(time.time()))
    for number in range(INSTANTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with FaultServer() as server:

            def answer(_: Seen) -> Links:
                time.sleep(chances.random() * 0.1)
                return Links()

            server.on(POST, answer)
            for _ in range(chances.randint(1, 3)):
                if die(server, folder, chances.random() * LONGEST_SECONDS):
                    break
            session, batch = begun(server, folder)
            batch.result()
            session.close()
            assert max(prompts(server).values()) == 1, server.posts
            assert {made.status for made in batch} <= {"done", "unknown"}
            session, whole = begun(server, folder, retry_unknown=True)
            assert whole.result().status == "done", [made.status for made in whole]
            session.close()
            assert max(prompts(server).values()) <= 2
