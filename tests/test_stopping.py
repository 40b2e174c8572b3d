"""Stopping a cell in a real kernel: it is free while its request goes on, and nothing that was paid is thrown away."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.script import POST, Links, Reply, Stall
from tests.kernel import Kernel
from tests.waiting import tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.server import FaultServer
    from tests.kernel import Ran

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all tests here; each gives it a folder and a service of its own."""
    with Kernel(tmp_path_factory.mktemp("notebook"), env={"NOVITA_API_KEY": "sk_test"}) as kernel:
        kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd")
        yield kernel


@pytest.fixture
def stoppable(shared: Kernel, fault_server: FaultServer, tmp_path: Path) -> Kernel:
    """Let the kernel's requests go to the fault server, its files to an empty folder."""
    code = f"sd.configure(base_url={fault_server.url!r}, home={str(tmp_path / 'home')!r}, concurrency=4, timeout=600)"
    assert shared.execute(code).error is None
    return shared


def interrupted(kernel: Kernel, code: str, when: Callable[[Ran], object]) -> Ran:
    """Run a cell, interrupt it as soon as a fact holds, and wait until it is free; `benchmarks` has how soon it is."""
    ran = kernel.start(code)
    kernel.until(lambda: when(ran))
    kernel.interrupt()
    return ran.wait(10)


def told(ran: Ran) -> str:
    """Return the error of a stopped cell, which has no traceback."""
    assert ran.error is not None
    assert ran.error["ename"] == "StoppedError"
    assert len("\n".join(ran.error["traceback"]).splitlines()) <= 5
    return "\n".join(ran.error["traceback"])


def test_while_generating_the_pictures_come_later(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Interrupted after sending: the message says that it goes on, and the picture comes to that cell's output."""
    fault_server.on(POST, Links(delay=1.5))
    ran = interrupted(stoppable, "%%seedream\na fox", lambda ran: fault_server.posts and "Generating" in ran.text)
    assert "goes on" in told(ran)
    assert stoppable.execute("len(sd.history), sd.history[-1].status").result == "(1, 'generating')"
    stoppable.until(lambda: "<img" in ran.shown[0]["text/html"])
    assert stoppable.execute("len(sd.history[-1]), sd.history[-1].status").result == "(1, 'done')"
    assert len(fault_server.posts) == 1


def test_the_error_of_a_stopped_cell_becomes_what_went_wrong(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Where no picture comes after a stop, the cell ends as one that was not stopped does: with the error alone."""
    fault_server.on(POST, Reply(status=402, delay=1.0))
    ran = interrupted(stoppable, "%%seedream\na fox", lambda ran: fault_server.posts and "Generating" in ran.text)
    assert "goes on" in told(ran)
    stoppable.until(lambda: ran.error and ran.error["ename"] != "StoppedError")
    assert [(output["output_type"], output.get("ename")) for output in ran.outputs] == [("error", "ApiError")]


def test_what_a_stopped_cell_printed_stays(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Where a cell does more than make pictures its output stays, with the error, and the picture comes beside it."""
    fault_server.on(POST, Links(), Links(delay=1.0))
    assert stoppable.execute("first = sd.generate('a fox')").error is None
    code = "print('mine')\n%seedream rerun @last"
    ran = interrupted(stoppable, code, lambda ran: len(fault_server.posts) == 2 and "Generating" in ran.text)
    assert "goes on" in told(ran)
    stoppable.until(lambda: "<img" in ran.shown[0]["text/html"])
    assert stoppable.execute("import time; time.sleep(1)").error is None
    assert (ran.printed, told(ran).count("StoppedError")) == ("mine\n", 1)


def test_while_downloading_the_pictures_come_later(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Interrupted between two pictures: the first stays in sight, the second comes to the same output."""
    slow = fault_server.on("/slow.jpg", Reply(status=503, delay=1.0), Reply(status=404))
    quick = fault_server.picture(64, 64)
    late = fault_server.picture(64, 48, Reply(status=503, delay=1.0))
    assert slow
    fault_server.on(POST, Reply(body=json.dumps({"images": [quick, late]}).encode()))
    ran = interrupted(stoppable, "%%seedream -n 2\na fox", lambda ran: "Downloading 1 of 2" in ran.text)
    assert "goes on" in told(ran)
    stoppable.until(lambda: ran.shown[0]["text/html"].count("<img") == 2)
    assert stoppable.execute("len(sd.history[-1]), sd.history[-1].status").result == "(2, 'done')"


def test_while_waiting_the_request_is_withdrawn(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Interrupted while another request has the only place: nothing of it is sent or billed."""
    fault_server.on(POST, Links(delay=5.0))
    stoppable.execute("sd.configure(concurrency=1)\njob = sd.submit('first')")
    stoppable.until(lambda: fault_server.posts)
    ran = interrupted(stoppable, "%%seedream\nsecond", lambda ran: "Waiting" in ran.text)
    assert (
        stoppable.execute("job.over").result == "False"
    )  # what it waited for is there still: it was freed, not let in
    assert "Nothing was billed" in told(ran)
    stoppable.until(lambda: [output["output_type"] for output in ran.outputs] == ["error"])
    assert stoppable.execute("job.result().status").result == "'done'"
    assert [seen.json()["prompt"] for seen in fault_server.posts] == ["first"]


def test_while_uploading_the_request_is_withdrawn(stoppable: Kernel, fault_server: FaultServer, tmp_path: Path) -> None:
    """Interrupted before the last byte is sent: the service never has the whole request, nothing is billed."""
    # More than the system's buffers between two sockets take, so that the upload stands still.
    make = f"""
import os
from PIL import Image
for number in range(4):
    noise = Image.frombytes("RGB", (1700, 1700), os.urandom(8670000))
    noise.save({str(tmp_path)!r} + f"/big-{{number}}.png", compress_level=0)
"""
    assert stoppable.execute(make).error is None
    fault_server.on(POST, Stall(when="headers"))
    code = f"%%seedream -i {tmp_path}/big-*.png\na fox"
    ran = interrupted(stoppable, code, lambda ran: "Uploading" in ran.text)
    assert "Nothing was billed" in told(ran)
    assert stoppable.execute("sd.history[-1].status, sd.history[-1].cost").result == "('stopped', 0.0)"


def test_while_preparing_the_request_is_withdrawn(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Interrupted while a large picture is made to fit: nothing of it is sent or billed."""
    assert stoppable.execute("from PIL import Image; large = Image.effect_noise((6000, 6100), 90)").error is None
    ran = interrupted(stoppable, "%%seedream -i large\na fox", lambda ran: "Preparing" in ran.text)
    assert "Nothing was billed" in told(ran)
    assert stoppable.execute("len(sd.history)").result == "0"
    assert fault_server.posts == []


def test_while_composing_nothing_was_sent(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Interrupted while an expression of the prompt still computes: nothing was sent."""
    slow = "import time\ndef slow():\n    print('started')\n    while True:\n        time.sleep(0.05)"
    assert stoppable.execute(slow).error is None
    ran = interrupted(stoppable, "%%seedream\na {slow()} fox", lambda ran: "started" in ran.printed)
    assert "before anything was sent" in told(ran)
    assert fault_server.seen == []


def test_when_the_timeout_passes_the_cell_is_free(stoppable: Kernel, fault_server: FaultServer) -> None:
    """`--timeout` frees the cell; the picture comes to its output and the history later."""
    fault_server.on(POST, Links(delay=1.5))
    ran = stoppable.execute("%%seedream --timeout 0.3\na fox")
    assert ran.error is not None
    assert ran.error["ename"] == "StillGeneratingError"
    stoppable.until(lambda: "<img" in ran.shown[0]["text/html"])
    assert stoppable.execute("sd.history[-1].status").result == "'done'"


def test_every_late_picture_is_kept(stoppable: Kernel, fault_server: FaultServer) -> None:
    """20 cells that waited in vain: 20 of 20 get their picture, each in its own output."""
    assert stoppable.execute("sd.configure(concurrency=20)").error is None
    fault_server.on(POST, Links(delay=2.0))
    cells = []
    for number in range(20):
        cells.append(stoppable.execute(f"%%seedream --timeout 0.01\nfox {number}"))
        errors = [output["evalue"] for output in cells[-1].history if output["output_type"] == "error"]
        assert errors[0].startswith("No answer within 0.01 s.")
    pictures = [f'alt="fox {number} (' for number in range(20)]
    stoppable.until(lambda: all(p in ran.shown[0]["text/html"] for p, ran in zip(pictures, cells, strict=True)))
    stoppable.until(lambda: stoppable.execute("all(job.over for job in sd._default_session().jobs)").result == "True")
    assert stoppable.execute("[g.status for g in sd.history] == ['done'] * 20").result == "True"
    assert len(fault_server.posts) == 20


def test_a_late_picture_reaches_its_own_cell(stoppable: Kernel, fault_server: FaultServer) -> None:
    """The picture of a stopped cell appears in that cell although another is running."""
    fault_server.on(POST, Links(delay=1.0))
    ran = stoppable.execute("%%seedream --timeout 0.2\na fox")
    other = stoppable.start("import time; time.sleep(2); print('other')")
    stoppable.until(lambda: "<img" in ran.shown[0]["text/html"])
    assert not other.ended.is_set()
    assert other.wait().shown == []


def test_what_arrived_is_in_the_variable_though_the_cell_fails(stoppable: Kernel, fault_server: FaultServer) -> None:
    """One of two pictures can't be had: the cell fails, shows the other, and `--out` has it."""
    links = [fault_server.picture(64, 64), fault_server.on("/gone.jpg", Reply(status=404))]
    fault_server.on(POST, Reply(body=json.dumps({"images": links}).encode()))
    ran = stoppable.execute("%%seedream -n 2 -o kept\na fox")
    assert ran.error is not None
    assert ran.error["ename"] == "DownloadError"
    assert "<img" in ran.shown[0]["text/html"]
    assert stoppable.execute("len(kept), kept.status").result == "(1, 'partial')"


def test_a_failed_request_leaves_only_its_error(stoppable: Kernel, fault_server: FaultServer) -> None:
    """A refusal fails the cell with a few lines; the progress is gone."""
    fault_server.on(POST, Reply(status=400, body=json.dumps({"code": 400, "message": "bad size"}).encode()))
    ran = stoppable.execute("%%seedream\na fox")
    stoppable.until(lambda: [output["output_type"] for output in ran.outputs] == ["error"])
    assert ran.error is not None
    assert "bad size" in "\n".join(ran.error["traceback"])


def test_a_background_job_is_stopped(stoppable: Kernel, fault_server: FaultServer) -> None:
    """`job.cancel()` after sending: `result()` says that it goes on, and the output still gets the picture."""
    fault_server.on(POST, Links(delay=1.0))
    ran = stoppable.execute("%%seedream -b -o job\na fox")
    stoppable.until(lambda: fault_server.posts)
    assert "goes on" in stoppable.execute("job.cancel(); job.result()").text
    stoppable.until(lambda: "<img" in ran.shown[0]["text/html"])


def test_a_variable_gets_what_comes_after_the_cell_was_freed(stoppable: Kernel, fault_server: FaultServer) -> None:
    """`--out` of a cell whose timeout passed holds the generation as it stands, and at the end the whole of it."""
    fault_server.on(POST, Links(delay=1.0))
    stoppable.execute("%%seedream --timeout 0.2 -o later\na fox")
    assert stoppable.execute("later.status, len(later)").result == "('generating', 0)"
    stoppable.until(lambda: stoppable.execute("later.status").result == "'done'")
    assert stoppable.execute("len(later)").result == "1"


def check_the_truth(stoppable: Kernel, fault_server: FaultServer, ran: Ran, prompt: str) -> None:
    """Make sure that what an interrupted cell says is so, and that what was sent has come to the history, once."""
    stoppable.until(lambda: stoppable.execute("all(job.over for job in sd._default_session().jobs)").result == "True")
    sent = [seen for seen in fault_server.posts if prompt in seen.body.decode()]
    done = stoppable.execute(f"[len(g) for g in sd.history if g.prompt == {prompt!r} and g.status == 'done']").result
    assert done == ("[1]" if sent else "[]"), ran
    if "Nothing was billed" in ran.text:
        assert sent == [], ran
    elif ran.error is None or ran.error["ename"] != "KeyboardInterrupt":  # that is IPython's own, and claims nothing
        assert len(sent) == 1, ran
        assert ran.error is None or "goes on" in ran.text or "in the history" in ran.text, ran
    else:
        assert len(sent) <= 1, ran


@pytest.mark.slow
def test_at_whatever_instant_it_is_stopped_the_message_is_true(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Interrupts at random instants: what is said not to be billed was never sent, the rest once."""
    fault_server.on(POST, Links(delay=0.1))
    instants = random.Random(7)
    for number in range(tries(10, 30)):
        ran = stoppable.start(f"%%seedream\nfox number {number}.")
        time.sleep(instants.uniform(0, 0.4))
        stoppable.interrupt()
        check_the_truth(stoppable, fault_server, ran.wait(10), f"fox number {number}.")


STRIKE = """
import linecache, sys

class Strike:
    "Interrupts this thread at a line of ours, the nth that it comes to; not where a lock is taken, as Python."

    def __init__(self, nth):
        self.left, self.struck = nth, False

    def __call__(self, frame, event, value):
        return self.line if frame.f_globals.get("__name__", "").startswith("seedream_nb") else None

    def line(self, frame, event, value):
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not text.startswith("with "):
            self.left -= 1
            if self.left == 0:
                self.struck = True
                raise KeyboardInterrupt
        return self.line
"""


@pytest.mark.slow
def test_at_whatever_line_it_is_stopped_the_message_is_true(stoppable: Kernel, fault_server: FaultServer) -> None:
    """An interrupt at one line in many of all that a cell runs through; the cell always ends."""
    fault_server.on(POST, Links(delay=0.02))
    assert stoppable.execute(STRIKE).error is None
    assert stoppable.execute("%%seedream\nthe first fox").error is None
    for nth in range(2, 100_000, tries(97, 31)):
        stoppable.execute(f"strike = Strike({nth})\nsys.settrace(strike)")
        ran = stoppable.start(f"%%seedream\nfox number {nth}.").wait(20)
        if stoppable.execute("sys.settrace(None)\nstrike.struck").result == "False":
            break
        check_the_truth(stoppable, fault_server, ran, f"fox number {nth}.")
    assert nth > 1000


def test_what_an_interrupted_cell_awaited_is_withdrawn_if_it_was_not_sent(
    stoppable: Kernel, fault_server: FaultServer
) -> None:
    """One of five was sent and goes on; the cell says so of both."""
    fault_server.on(POST, Links(delay=3.0))
    stoppable.execute("sd.configure(concurrency=1)")
    code = "import asyncio\njobs = [sd.submit(f'fox {n}') for n in range(5)]\nawait asyncio.gather(*jobs)"
    ran = interrupted(stoppable, code, lambda _: fault_server.posts)
    assert ran.error is not None
    assert (
        "4 times: Stopped while waiting: the request was withdrawn before it was sent. Nothing was billed."
        in ran.printed
    )
    assert "the request was sent and can't be taken back, so it may be billed" in ran.printed
    assert stoppable.execute("(await jobs[0]).status, [job.status for job in jobs[1:]]").result == (
        "('done', ['stopped', 'stopped', 'stopped', 'stopped'])"
    )
    assert [seen.json()["prompt"] for seen in fault_server.posts] == ["fox 0"]


def test_a_wait_that_a_cell_gave_up_by_itself_stops_nothing(stoppable: Kernel, fault_server: FaultServer) -> None:
    """Not even when a later cell is interrupted."""
    fault_server.on(POST, Links(delay=2.0))
    stoppable.execute("sd.configure(concurrency=1)\nfirst = sd.submit('first')")
    stoppable.until(lambda: fault_server.posts)
    waits = (
        "second = sd.submit('second')\ntry: await asyncio.wait_for(second, 0.1)\nexcept TimeoutError: print('later')"
    )
    assert stoppable.execute(f"import asyncio\n{waits}").printed == "later\n"
    ran = interrupted(stoppable, "print('on')\nawait asyncio.sleep(60)", lambda ran: "on" in ran.printed)
    assert "Stopped" not in ran.printed
    assert stoppable.execute("second.result().status").result == "'done'"
