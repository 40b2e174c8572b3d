"""After a crash: one line in the first cell or verb, and `recover` brings what can be had and settles the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import journals
from tests.faults import POST, Links, Reply, Stall
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.server import FaultServer

pytestmark = pytest.mark.kernel

UNKNOWN = "Unfinished since a kernel ended: @1 (unknown). See: %seedream recover\n"
PARTIAL = "Unfinished since a kernel ended: @1 (partial). See: %seedream recover\n"


@pytest.fixture
def kernel(tmp_path: Path, fault_server: FaultServer) -> Iterator[Kernel]:
    """Start a kernel whose requests go to the fault server."""
    environment = {"SEEDREAM_BASE_URL": fault_server.url, "NOVITA_API_KEY": "sk_test"}
    with Kernel(tmp_path, env=environment) as started:
        started.execute("%load_ext seedream_nb")
        yield started


def crash(kernel: Kernel, fault_server: FaultServer, *, when: str) -> None:
    """Let the kernel die while the service works, or while the picture is fetched; begin another."""
    running = kernel.start("%%seedream\na fox")
    if when == "generating":
        kernel.until(lambda: fault_server.posts and "Generating" in running.text)
    else:
        kernel.until(lambda: fault_server.gets)
    kernel.kill()
    kernel.restart()
    assert kernel.execute("%load_ext seedream_nb").text == ""


def test_the_first_cell_says_what_is_unfinished(kernel: Kernel, fault_server: FaultServer) -> None:
    """Loading stays silent; the first cell tells it in one line beside its result, the second no more."""
    fault_server.on(POST, Stall(when="body"), Links())
    crash(kernel, fault_server, when="generating")
    assert [kernel.execute("%%seedream\na fox").printed for _ in range(2)] == [UNKNOWN, ""]


def test_the_first_verb_says_what_is_unfinished(kernel: Kernel, fault_server: FaultServer) -> None:
    """So does a verb; one that tells of it anyway does not tell it twice."""
    fault_server.on(POST, Stall(when="body"))
    crash(kernel, fault_server, when="generating")
    assert kernel.execute("%seedream history").printed == UNKNOWN
    kernel.restart()
    kernel.execute("%load_ext seedream_nb")
    status = kernel.execute("%seedream").printed
    assert "Unfinished" in status
    assert UNKNOWN not in status


def test_recover_brings_it_and_the_line_goes(kernel: Kernel, fault_server: FaultServer) -> None:
    """What had links comes home, without another request; from then on nothing is unfinished."""
    link = fault_server.picture(64, 64, Stall(when="body"))
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    crash(kernel, fault_server, when="downloading")
    assert kernel.execute("%seedream history").printed == PARTIAL
    assert kernel.execute("%seedream recover").printed == "Everything is here now.\n"
    assert len(fault_server.posts) == 1
    kernel.restart()
    kernel.execute("%load_ext seedream_nb")
    assert kernel.execute("%seedream history").printed == ""


def test_recover_names_what_may_have_been_billed(kernel: Kernel, fault_server: FaultServer) -> None:
    """With time and prompt, at each call; but the line is not said for ever."""
    fault_server.on(POST, Stall(when="body"))
    crash(kernel, fault_server, when="generating")
    for _ in range(2):
        told = kernel.execute("%seedream recover").printed
        assert told.startswith("@1 may have been billed; no answer came. 20")
        assert told.endswith("a fox\n")
        kernel.restart()
        kernel.execute("%load_ext seedream_nb")
    assert kernel.execute("%seedream history").printed == ""


def test_recover_does_not_deny_an_answer_that_came(kernel: Kernel, fault_server: FaultServer) -> None:
    """Of a reply that makes no sense it says that no picture came, not that there was no answer."""
    fault_server.on(POST, Reply(body=b"{}"))
    kernel.execute("%%seedream\na fox")
    assert kernel.execute("%seedream recover").printed.startswith("@1 may have been billed; no picture came. 20")


def test_what_was_refused_is_told_as_not_billed(kernel: Kernel, fault_server: FaultServer, tmp_path: Path) -> None:
    """A kernel that died while it waited for a busy service owes nothing: the line and recover say so, once."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "60"}))
    kernel.start("%%seedream\na fox")
    kernel.until(lambda: any('"refused"' in path.read_text() for path in tmp_path.glob("seedream/journal/*.jsonl")))
    kernel.kill()
    kernel.restart()
    kernel.execute("%load_ext seedream_nb")
    told = kernel.execute("%seedream history").printed
    assert told == "Unfinished since a kernel ended: @1 (not billed). See: %seedream recover\n"
    first, second = (kernel.execute("%seedream recover").printed for _ in range(2))
    assert first.startswith("@1 was not billed: the service refused it for now. 20")
    assert first.endswith("a fox\n")
    assert second == "Nothing is missing.\n"


def test_recover_says_why_a_picture_can_not_be_had(kernel: Kernel, fault_server: FaultServer, tmp_path: Path) -> None:
    """A file that somebody deleted and whose link is dead is missing, and recover says why."""
    link = fault_server.picture(64, 64)
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    kernel.execute("%%seedream\na fox")
    fault_server.on(link.removeprefix(fault_server.url), Reply(status=403))
    for picture in (tmp_path / "seedream").glob("0001-1*"):
        picture.unlink()
    told = kernel.execute("%seedream recover").printed
    assert told.startswith("@1, picture 1: ")
    assert "403" in told


def test_the_sandbox_bills_nothing(kernel: Kernel, tmp_path: Path) -> None:
    """A kernel that died while the imitation worked owes nothing: the line, recover and usage say so."""
    dead = journals.Kernel(tmp_path / "seedream")
    dead.ask(1, backend="sandbox", price=0.0)
    dead.journal.close()
    assert kernel.execute("%seedream history").printed == UNKNOWN.replace("unknown", "not billed")
    assert kernel.execute("%seedream recover").printed.startswith("@1 was not billed, as it went to the sandbox; no ")
    assert "1 with unknown outcome, in the sandbox: not billed" in kernel.execute("%seedream usage").printed
