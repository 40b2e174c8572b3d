"""A process that is killed, at whatever moment, loses no picture whose link had reached it, and asks for none twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.doomed import PICTURES, Doomed, Run
from tests.faults import POST, Reply, jpeg
from tests.resting import wait_for_rest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults import FaultServer, Seen

from tests.waiting import tries

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor fork")

REQUESTS = 4
LINES = REQUESTS * (1 + 1 + PICTURES + 1)
"""What a run writes: for each request its intent, its links, its pictures and its end."""

SEEDS, INSTANTS = 4, tries(15, 50)
"""Together 60 random instants, and 200 at night."""

RESTS = tries(10, 25)
"""Random instants after which the process is let alone until it waits."""

LONG_SECONDS = 20.0
"""Pictures that take so long keep a process from coming to its end before it is killed."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether threads sleep")


@pytest.fixture(scope="module")
def doomed() -> Iterator[Doomed]:
    """Start the process that forks those which are killed."""
    with Doomed() as started:
        yield started


@dataclass(kw_only=True)
class Told:
    """What the journal files say, read line by line with no help from the code that is tested."""

    intents: dict[int, str] = field(default_factory=dict)
    links: dict[int, list[str]] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)


def told_in(home: Path) -> Told:
    """Read the journal of a home; a line that the kill cut in two is none."""
    told = Told()
    lines = [line for path in (home / "journal").glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    for record in [json.loads(line) for line in lines if line.endswith(',"v":1}')]:
        match record["event"]:
            case "intent":
                told.intents[record["id"]] = record["request"]["prompt"]
            case "links":
                told.links[record["id"]] = record["links"]
            case "end":
                told.ended.add(record["id"])
    return told


class Service:
    """What the service knows, whatever a journal says: the links that it gave, and which answers were taken."""

    def __init__(self, server: FaultServer, *, delay: float = 0.0, slow: float = 0.0) -> None:
        """Answer after `delay` seconds; give each picture after `slow` seconds, which can be changed."""
        self._server, self._delay, self.slow = server, delay, slow
        self._given: dict[int, list[str]] = {}
        server.on(POST, self._answer)

    def _answer(self, seen: Seen) -> Reply:
        links = [self._picture(f"/{seen.number}-{index}.jpg", seen.number + index) for index in range(PICTURES)]
        self._given[seen.number] = links
        return Reply(body=json.dumps({"images": links}).encode(), delay=self._delay)

    def _picture(self, path: str, number: int) -> str:
        content = jpeg(64, 64, number=number % 24, size_bytes=100_000)
        return self._server.on(path, lambda _: Reply(body=content, delay=self.slow, ranges=True))

    @property
    def links(self) -> dict[str, list[str]]:
        """The links that it gave, by prompt."""
        posts = [seen for seen in self._server.posts if seen.read is not None]
        return {seen.json()["prompt"]: self._given[seen.number] for seen in posts}

    def taken(self) -> set[str]:
        """Return the prompts whose answer a living client has read: it closes their connections only then."""
        left = {each.number for each in self._server.connections if each.left_by_client}
        answered = (seen for seen in self._server.posts if seen.ended is not None and seen.connection in left)
        return {seen.json()["prompt"] for seen in answered if seen.status == 200}


def check_links(service: Service, told: Told, taken: Collection[str] = ()) -> None:
    """The journal has the links of every answer that was taken, and no others than the service gave."""
    kept = {told.intents[number]: links for number, links in told.links.items()}
    assert kept == {prompt: service.links[prompt] for prompt in {*kept, *taken}}


def check_recovered(session: Session, told: Told) -> None:
    """Whatever has links is whole, byte for byte; whatever has none stands there as one that may have been billed."""
    generations = {each.id: each for each in session.history}
    assert {number: each.prompt for number, each in generations.items()} == told.intents
    for number, each in generations.items():
        if number in told.links:
            assert (each.status, len(each)) == ("done", PICTURES)
        else:
            assert (each.status, each.cost) == ("unknown", None)
    assert {each.id for each in session.history.left_behind()} == told.intents.keys() - told.links.keys() - told.ended


def check_pictures(session: Session, told: Told) -> None:
    """Each picture is the one that its link leads to."""
    for number, links in told.links.items():
        for picture, link in zip(session.history[number], links, strict=True):
            with urlopen(link) as reply:
                assert picture.to_bytes() == reply.read()


def check_server(server: FaultServer, told: list[Told]) -> None:
    """The service saw each request once at most, and none, nor a picture's link, of which no journal knows."""
    posted = [seen.json()["prompt"] for seen in server.posts if seen.read is not None]
    assert len(posted) == len(set(posted))
    assert set(posted) <= {prompt for each in told for prompt in each.intents.values()}
    links = {link for each in told for links in each.links.values() for link in links}
    assert {server.url + seen.path for seen in server.gets} <= links


def prompts(run: int) -> list[str]:
    """Return prompts that no other run has."""
    return [f"a fox, run {run}, request {number}" for number in range(REQUESTS)]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_killed_at_every_boundary_of_the_journal(
    fault_server: FaultServer, doomed: Doomed, new_session: NewSession, tmp_path: Path, moment: str
) -> None:
    """Killed before, within or after any of its lines: whatever has links is recovered, and nothing is sent twice."""
    service, all_told = Service(fault_server), list[Told]()
    for line in range(1, LINES + 1):
        folder = tmp_path / f"{line}"
        folder.mkdir()
        run = Run(url=fault_server.url, folder=str(folder), prompts=prompts(line), line=line, moment=moment)
        assert doomed.run(run) is None
        session = new_session()
        session.settings.change(home=folder / "seedream")
        session.recover()
        told = told_in(folder / "seedream")
        check_links(service, told)
        check_recovered(session, told)
        check_pictures(session, told)
        all_told.append(told)
        session.close()
    check_server(fault_server, all_told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random_instants(
    fault_server: FaultServer, doomed: Doomed, new_session: NewSession, tmp_path: Path, seed: int
) -> None:
    """Kernel after kernel dies in one home, at any instant; the next recovers all that has links."""
    service = Service(fault_server, delay=0.02)
    instants = random.Random(seed)
    longest = doomed.run(Run(url=fault_server.url, folder=str(tmp_path), prompts=prompts(0)))
    assert longest is not None
    for number in range(1, INSTANTS + 1):
        seconds = instants.uniform(0, longest)
        doomed.run(Run(url=fault_server.url, folder=str(tmp_path), prompts=prompts(number), seconds=seconds))
        session = new_session()
        session.recover()
        check_recovered(session, told_in(tmp_path / "seedream"))
        session.close()
    session, told = new_session(), told_in(tmp_path / "seedream")
    check_links(service, told)
    check_pictures(session, told)
    check_server(fault_server, [told])


def killed_when_it_waits(process: int) -> None:
    """Kill a process as soon as it has done with all that has reached it."""
    wait_for_rest(process)
    os.kill(process, signal.SIGKILL)


@linux
@pytest.mark.slow
@pytest.mark.parametrize("answers", range(1, REQUESTS + 1))
def test_killed_as_soon_as_it_waits(
    fault_server: FaultServer, doomed: Doomed, new_session: NewSession, tmp_path: Path, answers: int
) -> None:
    """An answer that was taken is kept before anything is waited for, and its pictures are recovered."""
    service = Service(fault_server, slow=LONG_SECONDS)
    process = doomed.start(Run(url=fault_server.url, folder=str(tmp_path), prompts=prompts(0)))
    assert fault_server.wait_for(lambda _: len(service.taken()) >= answers, 30)
    taken = service.taken()
    killed_when_it_waits(process)
    assert doomed.wait() is None
    session, told = new_session(), told_in(tmp_path / "seedream")
    check_links(service, told, taken)
    service.slow = 0.0
    session.recover()
    check_recovered(session, told_in(tmp_path / "seedream"))
    check_pictures(session, told)
    check_server(fault_server, [told])


@linux
@pytest.mark.slow
def test_killed_as_soon_as_it_waits_after_random_instants(
    fault_server: FaultServer, doomed: Doomed, new_session: NewSession, tmp_path: Path
) -> None:
    """So it is whatever else goes on in the process at that instant."""
    service, taken = Service(fault_server, delay=0.02, slow=LONG_SECONDS), set[str]()
    instants = random.Random(SEEDS)
    for number in range(RESTS):
        process = doomed.start(Run(url=fault_server.url, folder=str(tmp_path), prompts=prompts(number)))
        time.sleep(instants.uniform(0, 0.5))
        taken |= service.taken() & {*prompts(number)}  # a kill closes connections too
        killed_when_it_waits(process)
        assert doomed.wait() is None
    session, told = new_session(), told_in(tmp_path / "seedream")
    assert taken
    check_links(service, told, taken)
    service.slow = 0.0
    session.recover()
    check_recovered(session, told_in(tmp_path / "seedream"))
    check_server(fault_server, [told])


@pytest.mark.slow
def test_what_may_have_been_billed_is_named(
    fault_server: FaultServer, doomed: Doomed, new_session: NewSession, tmp_path: Path
) -> None:
    """Killed after the intent, the request stands in the history as unknown, at a cost that nobody knows."""
    doomed.run(Run(url=fault_server.url, folder=str(tmp_path), prompts=["three views"], line=2, moment="before"))
    (generation,) = new_session().history
    assert (generation.status, generation.cost, generation.prompt) == ("unknown", None, "three views")


@pytest.mark.slow
def test_ids_go_on_after_a_crash(
    fault_server: FaultServer, doomed: Doomed, new_session: NewSession, tmp_path: Path
) -> None:
    """The next request does not take the number of the one that died."""
    doomed.run(Run(url=fault_server.url, folder=str(tmp_path), prompts=["a fox"], line=2, moment="after"))
    assert new_session().start("a hare").result().id == 2


@pytest.mark.parametrize(
    ("where", "told"),
    [((2, "before"), ("unknown", None)), ((2, "after"), ("stopped", 0.0)), ((3, "before"), ("stopped", 0.0)),
     ((3, "after"), ("unknown", None)), ((4, "after"), ("stopped", 0.0))],
)  # fmt: skip
@pytest.mark.slow
def test_what_was_surely_refused_is_not_billed(  # noqa: PLR0913 - where it dies, and what is told
    fault_server: FaultServer,
    doomed: Doomed,
    new_session: NewSession,
    tmp_path: Path,
    *,
    where: tuple[int, str],
    told: tuple[str, float | None],
) -> None:
    """Killed while it waits for the service to take it on, a request is told as not billed; sent again, as in doubt."""
    fault_server.on(POST, Reply(status=429))
    line, moment = where
    assert (
        doomed.run(Run(url=fault_server.url, folder=str(tmp_path), prompts=["a fox"], line=line, moment=moment)) is None
    )
    (left,) = new_session().history.left_behind()
    assert (left.status, left.cost) == told
