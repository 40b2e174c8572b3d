"""Many requests through a service that fails one time in five: every count adds up, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import json
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import psutil
import pytest

from seedream_nb.client import Patience
from seedream_nb.errors import SeedreamError, ServiceError
from tests.faults import POST, Cut, FaultServer, Reply
from tests.procedure import PRICE, Procedure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seedream_nb.job import Job
    from tests.faults.script import Seen, Step

REQUESTS = 500
SEED = 20261121
SHORT = Patience(
    stall=20.0, connect_pauses=(0.01, 0.02), download_pauses=(0.01, 0.02, 0.03), refused_pauses=(0.01, 0.02, 0.04)
)

REFUSED_FOR_NOW: Mapping[str, Step] = {
    "429": Reply(status=429, body=b"slow down"),
    "429 with a wait": Reply(status=429, headers={"Retry-After": "0.02"}),
    "503 with a wait": Reply(status=503, headers={"Retry-After": "0"}),
}
REFUSED: Mapping[str, Step] = {
    "400": Reply(status=400, body=b'{"message": "no"}'),
    "safety": Reply(status=400, body=b'{"message": "sensitive content"}'),
    "401": Reply(status=401),
    "500": Reply(status=500),
    "503": Reply(status=503),
    "redirect": Reply(status=307, headers={"Location": "http://127.0.0.1:1/"}),
}
UNKNOWN: Mapping[str, Step] = {
    "502": Reply(status=502),
    "504": Reply(status=504),
    "reset": Cut(when="body"),
    "closed": Cut(when="body", reset=False),
    "half": Reply(body=b'{"images": ["https://a/1"]}', send=9, then="close"),
    "garbled": Reply(raw=b"nonsense\r\n\r\n", then="close"),
    "no JSON": Reply(body=b"{"),
    "no pictures": Reply(body=b'{"images": []}'),
}
FAULTS: Mapping[str, Step] = {**REFUSED_FOR_NOW, **REFUSED, **UNKNOWN}
OF_PICTURES: tuple[Step, ...] = (
    Reply(status=500), Reply(status=429), Cut(when="body"), Reply(body=b"short", length=900, then="close"),
    Reply(status=404), Reply(body=b"<html>"),
)  # fmt: skip

ROOMS = ("seedream_nb.", "httpx", "httpcore", "h11", "anyio", "asyncio", "_asyncio", "ssl", "socket")


class Service:
    """Decides, by the number of a request, what becomes of it; remembers what it decided."""

    def __init__(self, server: FaultServer) -> None:
        """Answer the server's POST requests."""
        self._server, self._lock = server, threading.Lock()
        self.made: Counter[str] = Counter()
        server.on(POST, self._decide)

    def _decide(self, seen: Seen) -> Step:
        chance = random.Random(SEED + seen.number)  # noqa: S311 - no secret
        name = chance.choice(sorted(FAULTS)) if chance.random() < 0.2 else "done"
        with self._lock:
            self.made[name] += 1
        return FAULTS[name] if name in FAULTS else self._reply(chance)

    def _reply(self, chance: random.Random) -> Reply:
        faults = [chance.choice(OF_PICTURES)] if chance.random() < 0.2 else []
        return Reply(body=json.dumps({"images": [self._server.picture(16, 16, *faults)]}).encode())

    def count(self, names: Mapping[str, Step]) -> int:
        """Return how often one of these was the answer."""
        return sum(self.made[name] for name in names)


def until(fact: Callable[[], object], seconds: float = 30.0) -> bool:
    """Wait until a fact holds; return whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def outcome(job: Job) -> str:
    """Wait for a job; return its status."""
    with contextlib.suppress(SeedreamError):
        job.result(100)
    assert until(lambda: job.over)
    return job.status


def held_objects() -> Counter[str]:
    """Return how many objects of ours, and of what moves bytes for us, are alive, by their type."""
    gc.collect()
    types = (type(each) for each in gc.get_objects())
    names = Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in types)
    return Counter({name: count for name, count in names.items() if name.startswith(ROOMS)})


def open_things() -> tuple[int, int]:
    """Return how many files and sockets are open, and how many threads run."""
    gc.collect()
    return len(psutil.Process().net_connections()) + len(psutil.Process().open_files()), threading.active_count()


def soak(folder: Path, server: FaultServer, requests: int) -> None:
    """Send so many requests, look at every count, and fetch what is missing."""
    service, procedure = Service(server), Procedure(folder, server.url, patience=SHORT, concurrency=32)
    before = len(server.posts)
    jobs = [procedure.start(f"fox {number}") for number in range(requests)]
    statuses = Counter(outcome(job) for job in jobs)
    given_up = sum(isinstance(job.error, ServiceError) and "tried 3 times" in str(job.error) for job in jobs)
    assert sum(service.made.values()) == len(server.posts) - before
    assert service.count(REFUSED_FOR_NOW) - given_up == len(server.posts) - before - requests
    assert statuses["done"] + statuses["partial"] == service.made["done"]
    assert statuses["unknown"] == service.count(UNKNOWN)
    assert statuses["failed"] == service.count(REFUSED) + given_up
    assert sum(statuses.values()) == requests
    history = list(procedure.home.history)
    assert Counter(each.status for each in history) == statuses
    assert [each.id for each in history] == list(range(1, requests + 1))
    assert sorted(each.prompt for each in history) == sorted(f"fox {number}" for number in range(requests))
    assert procedure.budget.spent == pytest.approx(PRICE * service.made["done"])
    assert procedure.budget.may_have_been_billed == pytest.approx(PRICE * service.count(UNKNOWN))
    assert procedure.budget.reserved == 0
    assert sum(each.cost or 0 for each in history) == pytest.approx(procedure.budget.spent)
    procedure.recover()
    history = list(procedure.home.history)
    assert Counter(each.status for each in history)["done"] == service.made["done"]
    assert len(list(folder.glob("seedream/*.jpg"))) == service.made["done"]
    procedure.close()


@pytest.mark.slow
def test_every_count_adds_up_and_nothing_is_left_behind(tmp_path: Path) -> None:
    """The service's log, the journal and the budget agree; sockets, files, threads and memory are as they were."""
    with FaultServer() as server:
        soak(tmp_path / "first", server, 40)  # what is made once and kept
        held = held_objects()
        assert until(lambda: all(each.closed for each in server.connections))
        things = open_things()
        soak(tmp_path / "second", server, REQUESTS)
        assert until(lambda: open_things() <= things), (open_things(), things)
        assert until(lambda: (held_objects() - held).total() < 50), held_objects() - held
