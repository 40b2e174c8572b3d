"""Many requests, one in five of which meets a fault, of every kind: all adds up, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import random
import shutil
import socket
import struct
import sys
import threading
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psutil
import pytest
from PIL import Image

from seedream_nb import errors
from seedream_nb.http.client import Timeouts
from tests.faults import POST, Cut, FaultServer, OnceRead, Reply, Stall, jpeg
from tests.procedure import PRICE, Procedure
from tests.references import load_reference
from tests.waiting import tries, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from seedream_nb.jobs.job import Job
    from seedream_nb.request import Reference
    from tests.faults.fixture import Tls
    from tests.faults.script import Script, Seen, Step

REQUESTS, AT_ONCE = tries(350, 500), 32
SEED = 20261121
LARGE_UPLOAD = 1_000_000

SHORT = Timeouts(
    stall=20.0, connect_pauses=(0.01, 0.02), download_pauses=(0.01, 0.02, 0.03), refused_pauses=(0.01, 0.02, 0.04)
)
HASTY = replace(SHORT, silence=0.3, stall=0.3)
ROOMS = ("seedream_nb.", "httpx", "httpcore", "h11", "anyio", "asyncio", "_asyncio", "ssl", "socket")

# -- what can happen --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a request meets, and what must come of it.

    Attributes:
        steps: the answers to its tries, one by one; when they are used up, all goes well.
        picture: what its picture meets, in the same way.
        ends: the status that it ends with; more than one where a download may or may not get through.
        kind: the error that is raised to who waits.
        posts: how often it reaches the service.
        paid: pictures that are paid for; None: nobody knows.
        after: the status once what is missing was fetched, if that is another.
        way: by whom it is sent.
        act: what its user does.
    """

    steps: tuple[Step, ...] = ()
    picture: tuple[Script, ...] = ()
    ends: tuple[str, ...] = ("failed",)
    kind: tuple[type[errors.SeedreamError] | None, ...] = (errors.ApiError,)
    posts: int = 1
    paid: int | None = 0
    after: str | None = None
    way: str = "service"
    act: str = "wait"


def refused(status: int, kind: type[errors.SeedreamError], words: str = "no", **headers: str) -> Fault:
    """Return a refusal that is final."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(steps=(Reply(status=status, headers=named, body=words.encode()),), kind=(kind,))


def put_off(*steps: Step) -> Fault:
    """Return what is refused for now, and goes well then."""
    return replace(GOOD, steps=steps, posts=len(steps) + 1)


def unknown(step: Step, kind: type[errors.SeedreamError] = errors.OutcomeUnknownError) -> Fault:
    """Return what may have been billed."""
    return Fault(steps=(step,), ends=("unknown",), kind=(kind,), paid=None)


def unreachable(way: str) -> Fault:
    """Return what never comes to the service."""
    return Fault(kind=(errors.ConnectionFailedError,), posts=0, way=way)


def broken(*picture: Script, way: str = "service") -> Fault:
    """Return a picture that can be had, at once or later."""
    may = replace(GOOD, picture=picture, after="done", way=way)
    return replace(may, ends=("done", "partial"), kind=(None, errors.DownloadError))


def gone(picture: Script) -> Fault:
    """Return a picture that can't be had, now or later: the script goes on as it began."""
    return replace(GOOD, picture=(picture,) * 99, ends=("partial",), kind=(errors.DownloadError,))


def stopped(act: str, *steps: Step) -> Fault:
    """Return what its user stops before it is sent, or while it waits to be sent again."""
    return Fault(steps=steps, ends=("stopped",), kind=(errors.StoppedError,), act=act)


def items(*links: object) -> Reply:
    """Return a reply with these items."""
    return Reply(body=json.dumps({"images": links}).encode())


def bomb() -> bytes:
    """Return a small PNG that says it has 900 million pixels."""
    file = io.BytesIO()
    Image.new("1", (1, 1)).save(file, "PNG")
    head = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    whole = file.getvalue()
    return whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]


GOOD = Fault(ends=("done",), kind=(None,), paid=1)
LONG_AGO = "Fri, 20 Nov 1998 12:00:00 GMT"
SLOW_DOWN = Reply(status=429, body=b"slow down")
OVERLOADED = Reply(status=503, headers={"Retry-After": "0"})
FAULTS: Mapping[str, Fault] = {
    "a name that can't be found": unreachable("nowhere"),
    "a connection refused": unreachable("closed"),
    "a connection that is never taken": unreachable("full"),
    "a certificate nobody trusts": unreachable("untrusted"),
    "429": put_off(SLOW_DOWN, SLOW_DOWN),
    "429 with seconds": put_off(Reply(status=429, headers={"Retry-After": "0.02"})),
    "429 with a date": put_off(Reply(status=429, headers={"Retry-After": LONG_AGO, "Date": LONG_AGO})),
    "429 for too long": refused(429, errors.RateLimitError, Retry_After="9999"),
    "503 with a wait": put_off(OVERLOADED),
    "503 with a wait, three times": Fault(steps=(OVERLOADED,) * 3, kind=(errors.ServiceError,), posts=3),
    "400": refused(400, errors.ApiError, "size out of range"),
    "safety of the prompt": refused(400, errors.ContentRefusedError, "the input text may be sensitive"),
    "safety of the result": refused(400, errors.ContentRefusedError, "the output image may be sensitive"),
    "401": refused(401, errors.AuthenticationError),
    "402": refused(402, errors.ApiError),
    "balance": refused(403, errors.PermissionDeniedError, "not enough balance"),
    "403": refused(403, errors.PermissionDeniedError),
    "404": refused(404, errors.ApiError),
    "413": refused(413, errors.ApiError),
    "500": refused(500, errors.ServiceError),
    "503": refused(503, errors.ServiceError),
    "redirect": refused(307, errors.ApiError, Location="https://other.example/"),
    "redirect to http": refused(308, errors.ApiError, Location="http://127.0.0.1:1/"),
    "502": unknown(Reply(status=502)),
    "504": unknown(Reply(status=504)),
    "reset": unknown(Cut(when="body")),
    "closed": unknown(Cut(when="body", reset=False)),
    "half a reply": unknown(replace(items("https://a/1"), send=9, then="close")),
    "broken headers": unknown(Reply(raw=b"nonsense\r\n\r\n", then="close")),
    "silence": replace(unknown(Stall(when="body")), way="hasty"),
    "no answer in time": replace(GOOD, kind=(errors.StillGeneratingError,), act="wait in vain"),
    "no JSON": unknown(Reply(body=b"{"), errors.ReplyError),
    "another shape": unknown(Reply(body=b'{"task_id": 1}'), errors.ReplyError),
    "no pictures": unknown(items(), errors.ReplyError),
    "more pictures than asked": replace(GOOD, paid=2),
    "the same link twice": GOOD,
    "download: reset": broken(Cut(when="body")),
    "download: stall": broken(Reply(body=jpeg(16, 16), send=99, then="stall"), way="hasty"),
    "download: short": broken(Reply(body=b"short", length=900, then="close")),
    "download: 500": broken(Reply(status=500)),
    "download: 429": broken(Reply(status=429)),
    "download: 500 without end": replace(
        broken(*[Reply(status=500)] * 4), ends=("partial",), kind=(errors.DownloadError,)
    ),
    "download: 403": gone(Reply(status=403)),
    "download: 404": gone(Reply(status=404)),
    "download: no picture": gone(Reply(body=b"<html>")),
    "download: damaged": gone(Reply(body=jpeg(16, 16)[:-40])),
    "download: over 64 MB": gone(Reply(length=64_000_001, then="close")),
    "download: a bomb": gone(Reply(body=bomb())),
    "no web address": replace(gone(Reply()), steps=(items("ftp://a.example/1.jpg"),)),
    "a private address": replace(gone(Reply()), steps=(items("http://169.254.169.254/1.jpg"),)),
    "stopped at once": replace(stopped("stop at once"), posts=0, ends=("stopped", "done")),
    "stopped while waiting": stopped("stop while waiting", Reply(status=429, headers={"Retry-After": "30"})),
    "stopped while uploading": replace(stopped("stop while uploading"), posts=0),
    "stopped while generating": replace(GOOD, kind=(errors.StoppedError,), act="stop while generating"),
    "stopped while downloading": replace(GOOD, kind=(errors.StoppedError,), act="stop while downloading"),
    "a home that vanishes": replace(GOOD, way="vanishing"),
    "a home that can't be had again": replace(
        GOOD, ends=("partial",), kind=(errors.DownloadError,), way="blocked", after="lost"
    ),
}

READY: Mapping[str, Callable[[Job], object]] = {
    "stop at once": lambda _: True,
    "stop while waiting": lambda job: job.wait,
    "stop while uploading": lambda job: job.phase == "uploading" and job.uploaded_bytes,
    "stop while generating": lambda job: job.sent,
    "stop while downloading": lambda job: job.phase == "downloading",
}

# -- the service ------------------------------------------------------------------------------------


class Service:
    """Does to each request what its prompt says, and remembers how often it came."""

    def __init__(self, server: FaultServer) -> None:
        """Answer the server's POST requests."""
        self._server, self._lock = server, threading.Lock()
        self.came: Counter[str] = Counter()
        self.homes: dict[str, Path] = {}
        self._uploads = self._stopped_uploads = 0
        self._gates: dict[str, threading.Event] = {}
        server.on(POST, self._begin)

    def gate(self, prompt: str) -> threading.Event:
        """Return what an answer waits for: that the user has acted."""
        with self._lock:
            return self._gates.setdefault(prompt, threading.Event())

    def _begin(self, seen: Seen) -> Step | OnceRead:
        if int(seen.headers["content-length"]) < LARGE_UPLOAD:
            return OnceRead(self._choose)
        with self._lock:
            self._uploads += 1
        # Nobody knows whose upload this is before it is read: so each stands still until all were stopped.
        until(lambda: self._stopped_uploads >= self._uploads)
        return Cut(when="headers")

    def acted(self, prompt: str, fault: Fault) -> None:
        """Note that a user has done what its fault says: now the answer may come."""
        with self._lock:
            self._stopped_uploads += fault.act == "stop while uploading"
        self.gate(prompt).set()

    def _choose(self, seen: Seen) -> Step:
        prompt = str(seen.json()["prompt"])
        fault = FAULTS.get(name_in(prompt), GOOD)
        with self._lock:
            self.came[prompt] += 1
            tries = self.came[prompt]
        if tries <= len(fault.steps):
            return fault.steps[tries - 1]
        if fault.act in {"wait in vain", "stop while generating"}:
            assert self.gate(prompt).wait(60)
        if prompt in self.homes:
            self._spoil(self.homes[prompt], block=fault.way == "blocked")
        return self._reply(prompt, fault)

    def _spoil(self, home: Path, *, block: bool) -> None:
        shutil.rmtree(home)
        if block:
            home.write_text("in the way")

    def _reply(self, prompt: str, fault: Fault) -> Reply:
        faults = fault.picture
        if fault.act == "stop while downloading":
            faults = (lambda _: Reply(status=503) if self.gate(prompt).wait(60) else Reply(),)
        given = [self._server.picture(16, 16, *faults) for _ in range(fault.paid or 1)]
        return items(*given, *(given if name_in(prompt) == "the same link twice" else []))


def name_in(prompt: str) -> str:
    """Return the name of the fault that a prompt speaks of."""
    return prompt.partition(" #")[0]


# -- its users --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A request that has ended, and what was told to who waited for it."""

    prompt: str
    fault: Fault
    job: Job
    told: type[errors.SeedreamError] | None


class Users:
    """Those who send requests: most to the service, from one home that they share; some to where nobody answers."""

    def __init__(self, service: Service, folder: Path, places: Mapping[str, str], large: list[Reference]) -> None:
        """Begin a procedure for each way, all in one home."""
        self.service, self.folder, self._large, self._lock = service, folder, large, threading.Lock()
        self.ways = {way: self._begin(way, folder, url) for way, url in places.items()}
        self._url = places["service"]
        self.begun = list(self.ways.values())

    def _begin(self, way: str, folder: Path, url: str) -> Procedure:
        timeouts = HASTY if way == "hasty" else replace(SHORT, connect=0.2) if way == "full" else SHORT
        return Procedure(folder, url, timeouts=timeouts, concurrency=AT_ONCE)

    def send(self, name: str, number: int) -> Ran:
        """Send a request, do with it what its fault says, and wait until it is over."""
        fault, prompt = FAULTS.get(name, GOOD), f"{name} #{number}"
        if fault.way in self.ways:
            return self._tend(self.ways[fault.way], prompt, fault)
        folder = self.folder / str(number)
        folder.mkdir()
        self.service.homes[prompt] = folder / "seedream"
        alone = self._begin(fault.way, folder, self._url)
        with self._lock:
            self.begun.append(alone)
        ran = self._tend(alone, prompt, fault)
        alone.close()
        return ran

    def _tend(self, procedure: Procedure, prompt: str, fault: Fault) -> Ran:
        images = self._large if fault.act == "stop while uploading" else []
        in_vain = fault.act == "wait in vain"
        job, told = procedure.start(prompt, timeout=0.05 if in_vain else 60.0, images=images), None
        if fault.act in READY:
            until(lambda: job.over or READY[fault.act](job))
            job.cancel()
        try:
            job.result(None if in_vain else 100)
        except errors.SeedreamError as error:
            told = type(error)
        self.service.acted(prompt, fault)
        until(lambda: job.over)
        return Ran(prompt=prompt, fault=fault, job=job, told=told)

    def close(self) -> None:
        """Close what is shared."""
        for each in self.ways.values():
            each.close()


# -- what must add up -------------------------------------------------------------------------------


def check_each(ran: Ran, came: int) -> None:
    """Look at what a request's user was told, how it ended, and how often it reached the service."""
    if ran.fault.act == "stop at once" and ran.job.status == "done":
        assert (ran.told, came) == (errors.StoppedError, 1)  # the stop came too late, and said that it goes on
        return
    assert ran.told in ran.fault.kind, (ran.prompt, ran.told, ran.job.error)
    assert ran.job.status in ran.fault.ends, (ran.prompt, ran.job.error)
    assert came == ran.fault.posts, ran.prompt


def paid(ran: Ran) -> int | None:
    """Return how many pictures of a request are paid for; None: nobody knows."""
    return 1 if ran.fault.act == "stop at once" and ran.job.status == "done" else ran.fault.paid


def check_history(users: Users, all_ran: list[Ran]) -> None:
    """Every request stands once in the history, with its status and cost, before and after what is missing came."""
    procedure = users.ways["service"]
    shared = {ran.prompt: ran for ran in all_ran if ran.prompt not in users.service.homes}
    unsent = {prompt for prompt, ran in shared.items() if ran.fault.act == "stop at once"}
    history = list(procedure.home.history)
    assert len({each.id for each in history}) == len(history)
    assert max(Counter(each.prompt for each in history).values()) == 1
    assert {each.prompt for each in history} | unsent == shared.keys()
    for each in history:
        ran = shared[each.prompt]
        pictures = paid(ran)
        assert each.status == ran.job.status
        assert each.cost == (None if pictures is None else pytest.approx(PRICE * pictures))
    procedure.recover()
    ends = {each.prompt: each.status for each in procedure.home.history}
    assert {prompt: shared[prompt].fault.after or shared[prompt].job.status for prompt in ends} == ends
    here = [paid(shared[prompt]) or 0 for prompt, status in ends.items() if status == "done"]
    assert len(list(procedure.home.store.home.glob("*.jpg"))) == sum(here)


def check_money(users: Users, all_ran: list[Ran]) -> None:
    """What all budgets counted is what the service asks for, and what nobody knows."""
    counts = [paid(ran) for ran in all_ran]
    budgets = [each.budget for each in users.begun]
    assert sum(each.spent for each in budgets) == pytest.approx(PRICE * sum(count or 0 for count in counts))
    assert sum(each.may_have_been_billed for each in budgets) == pytest.approx(PRICE * counts.count(None))
    assert {each.reserved for each in budgets} == {0}


def soak(users: Users, names: list[str]) -> None:
    """Send a request for each name, many at once, and look at every count."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        all_ran = list(pool.map(users.send, names, range(len(names))))
    came = users.service.came
    for ran in all_ran:
        check_each(ran, came[ran.prompt])
    assert came.keys() <= {ran.prompt for ran in all_ran}
    check_history(users, all_ran)
    check_money(users, all_ran)
    users.close()


# -- what must not be left --------------------------------------------------------------------------


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


@pytest.fixture
def places(fault_server: FaultServer, tls_fault_server: Tls) -> Iterator[Mapping[str, str]]:
    """Give the address of the service, and others at which nothing can be reached, each for a reason of its own."""
    with contextlib.ExitStack() as held:
        full = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # what stands in line keeps everybody else out
            other = held.enter_context(socket.socket())
            other.setblocking(False)  # noqa: FBT003 - the standard library's
            other.connect_ex(full.getsockname())
        closed = held.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        yield {
            "service": fault_server.url,
            "hasty": fault_server.url,
            "untrusted": tls_fault_server.server.url,
            "closed": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "full": f"http://127.0.0.1:{full.getsockname()[1]}",
            "nowhere": "http://[::1%25nowhere]:9",
        }


@pytest.fixture
def large(tmp_path: Path) -> list[Reference]:
    """Give references that no socket takes in at once."""
    noise = [Image.frombytes("RGB", (1500, 1500), os.urandom(6_750_000)) for _ in range(3)]
    for number, picture in enumerate(noise):
        picture.save(tmp_path / f"{number}.png", compress_level=0)
    return [load_reference(f"{number}.png", tmp_path / f"{number}.png") for number in range(len(noise))]


@pytest.mark.slow
def test_every_count_adds_up_and_nothing_is_left_behind(
    tmp_path: Path, fault_server: FaultServer, places: Mapping[str, str], large: list[Reference]
) -> None:
    """What users were told, the service's log, the journal and the budgets agree; all that was opened is closed."""
    chance = random.Random(SEED)
    faults = [name for name, fault in FAULTS.items() if fault.way != "full" or sys.platform == "linux"]
    names = faults + chance.choices(faults, k=REQUESTS // 5 - len(faults)) + ["good"] * (REQUESTS - REQUESTS // 5)
    chance.shuffle(names)
    for each in ("first", "second"):
        (tmp_path / each).mkdir()
    soak(Users(Service(fault_server), tmp_path / "first", places, large), faults)  # what is made once and kept
    held = held_objects()
    until(lambda: all(each.closed for each in fault_server.connections))
    things = open_things()
    soak(Users(Service(fault_server), tmp_path / "second", places, large), names)
    until(lambda: open_things() <= things, told=lambda: (open_things(), things))
    until(lambda: (held_objects() - held).total() < 50, told=lambda: held_objects() - held)
