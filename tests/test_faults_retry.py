"""What is sent again after an answer: a rate limit and a surely refused 503, for they are not billed; nothing else."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.errors import OutcomeUnknownError, RateLimitError, ServiceError, StillGeneratingError, StoppedError
from seedream_nb.http.client import Timeouts
from seedream_nb.http.upload import Reply as Answer
from seedream_nb.service.retry import pause_after
from tests.faults import POST, Cut, Links, Reply
from tests.procedure import Procedure
from tests.references import load_reference
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedream_nb.jobs.job import Job
    from tests.faults import FaultServer
    from tests.faults.fixture import Tls
    from tests.kernel import Kernel

SHORT = Timeouts(connect_pauses=(0.01, 0.01), download_pauses=(0.01,), refused_pauses=(0.01, 0.02, 0.03))
LIMITED = Reply(status=429, body=b'{"code": 429, "reason": "RATE_LIMIT", "message": "IPM exceeded"}')
OVERLOADED = Reply(status=503, headers={"Retry-After": "0"}, body=b"try later")


@pytest.fixture
def procedure(fault_server: FaultServer, tmp_path: Path) -> Iterator[Procedure]:
    """Give the procedure with short waits."""
    with procedure_in(tmp_path, fault_server) as begun:
        yield begun


@contextmanager
def procedure_in(folder: Path, server: FaultServer, *, concurrency: int = 4) -> Iterator[Procedure]:
    """Give a procedure for a block."""
    begun = Procedure(folder, server.url, timeouts=SHORT, concurrency=concurrency)
    try:
        yield begun
    finally:
        begun.close()


def waiting(job: Job) -> Job:
    """Return a job when it waits to be sent again."""
    until(lambda: job.wait)
    return job


def events(folder: Path) -> list[str]:
    """Return the events of the one journal in a folder, in order."""
    (path,) = (folder / "seedream" / "journal").glob("*.jsonl")
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


# -- that it is sent again -------------------------------------------------------------------------


def a_date(seconds: float) -> str:
    """Return a moment from now on as servers write it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked", [None, "0", "-5", "0.02", "soon", "", "nan", "past"], ids=lambda asked: f"asked {asked}"
)
def test_a_rate_limit_is_waited_for(
    procedure: Procedure, fault_server: FaultServer, tmp_path: Path, asked: str | None
) -> None:
    """A 429, whatever it says of the wait, is sent again; the intent stands in the journal once, one place is paid."""
    headers = {} if asked is None else {"Retry-After": a_date(-60) if asked == "past" else asked}
    limited = Reply(status=429, headers=headers, body=LIMITED.body)
    fault_server.on(POST, limited, limited, limited, limited, Links())
    generation = procedure.start("a fox").result()
    assert (generation.status, len(generation)) == ("done", 1)
    assert [seen.status for seen in fault_server.posts] == [429, 429, 429, 429, 200]
    assert len({seen.body for seen in fault_server.posts}) == 1
    assert events(tmp_path) == ["intent", *4 * ["refused", "again"], "links", "file", "end"]
    assert (procedure.budget.spent, procedure.budget.reserved) == (0.03, 0)


@pytest.mark.parametrize("own", ["Fri, 20 Nov 1998 12:00:00 GMT", "Fri, 20 Nov 2099 12:00:00 GMT"])
@pytest.mark.slow
def test_a_clock_that_is_wrong_changes_no_wait(procedure: Procedure, fault_server: FaultServer, own: str) -> None:
    """A date in `Retry-After` is a second ahead by the server's clock: a second is waited, whatever ours shows."""
    waits = {"Retry-After": own.replace("12:00:00", "12:00:01"), "Date": own}
    fault_server.on(POST, Reply(status=429, headers=waits), Links())
    job = waiting(procedure.start("a fox"))
    assert (job.wait or "").startswith("Waiting: the service asks for 2 s (rate limit)")  # a little more than asked
    assert job.result(30).status == "done"
    first, second = fault_server.posts
    assert second.began - first.began >= 1.0


def test_an_overloaded_service_is_asked_three_times(procedure: Procedure, fault_server: FaultServer) -> None:
    """A 503 with `Retry-After` took nothing on: it is sent again, and the third time it goes well."""
    fault_server.on(POST, OVERLOADED, OVERLOADED, Links())
    assert procedure.start("a fox").result().status == "done"


def test_an_overloaded_service_is_not_asked_a_fourth_time(procedure: Procedure, fault_server: FaultServer) -> None:
    """After three times it is told, and that nothing was billed."""
    fault_server.on(POST, OVERLOADED)
    with pytest.raises(ServiceError, match=r"tried 3 times .*try later.*\n.*nothing was billed"):
        procedure.start("a fox").result()
    assert len(fault_server.posts) == 3
    assert (procedure.home.history[-1].status, procedure.home.history[-1].cost) == ("failed", 0.0)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": ""}])
def test_a_503_that_may_have_begun_is_not_sent_again(
    procedure: Procedure, fault_server: FaultServer, headers: dict[str, str]
) -> None:
    """Without a `Retry-After` that can be read nobody knows whether work was begun: it is sent once."""
    fault_server.on(POST, Reply(status=503, headers=headers), Links())
    with pytest.raises(ServiceError, match="failed generations are not billed"):
        procedure.start("a fox").result()
    assert len(fault_server.posts) == 1


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 503])
def test_references_are_sent_anew_each_time(
    procedure: Procedure, fault_server: FaultServer, tmp_path: Path, status: int
) -> None:
    """Each try has the whole body, also where the refusal came before the upload's end; the progress begins anew."""
    Image.effect_noise((1500, 1500), 90).save(tmp_path / "a.png")
    reference = load_reference("a.png", tmp_path / "a.png")
    early = Reply(status=status, headers={"Retry-After": "0"}, early=True)
    late = Reply(status=status, headers={"Retry-After": "0"})
    fault_server.on(POST, early, late, Links())
    job = procedure.start("a fox", images=[reference])
    assert job.result().status == "done"
    assert job.uploaded_bytes == job.upload_bytes == fault_server.posts[-1].size_bytes
    assert fault_server.posts[1].body == fault_server.posts[2].body


def test_it_is_shown_how_long_and_why(procedure: Procedure, fault_server: FaultServer) -> None:
    """While it waits, the job says how long the service asks for, why, and which try comes; then no more."""
    told: list[str] = []
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "30"}))
    job = waiting(procedure.start("a fox"))
    told.append(job.wait or "")
    assert (job.status, job.committed, job.sent) == ("waiting", False, None)
    job.cancel()
    assert told[0].startswith("Waiting: the service asks for 3")
    assert told[0].endswith("s (rate limit), try 2")


def test_the_tries_to_connect_are_shown(tls_fault_server: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits to connect again, the job says so and which try comes; a stop then withdraws it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_fault_server.authority))
    server = tls_fault_server.server
    server.cut_connections(9)
    slow = Procedure(tmp_path, server.url, timeouts=Timeouts(connect_pauses=(0.01, 60.0)))
    try:
        job = slow.start("a fox")
        until(lambda: (job.wait or "").endswith("try 3 of 3"))
        assert (job.status, job.committed) == ("waiting", False)
        assert "then again (no connection)" in (job.wait or "")
        job.cancel()
        with pytest.raises(StoppedError, match=r"withdrawn before it was sent\. Nothing was billed"):
            job.result()
        until(lambda: job.over)
    finally:
        slow.close()
    assert (server.posts, len(server.connections)) == ([], 2)


# -- that it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("61", "61 s"), ("600", "10 min"), ("100000", "28 h"), ("1000000000", "more than two days"),
     ("9e99", "more than two days"), ("date", "h")],
)  # fmt: skip
def test_a_wait_beyond_the_timeout_is_not_begun(
    procedure: Procedure, fault_server: FaultServer, asked: str, spoken: str
) -> None:
    """Where the service asks for more than `timeout`, however absurd, the error comes at once and names the wait."""
    headers = {"Retry-After": a_date(90_000) if asked == "date" else asked}
    fault_server.on(POST, Reply(status=429, headers=headers, body=LIMITED.body))
    with pytest.raises(RateLimitError, match=rf"IPM exceeded.*\n.*Nothing was billed.*asks to wait .*{spoken}"):
        procedure.start("a fox", timeout=60).result(30)
    assert len(fault_server.posts) == 1
    assert procedure.budget.reserved == 0


@pytest.mark.slow
def test_waiting_ends_with_the_timeout(procedure: Procedure, fault_server: FaultServer) -> None:
    """A rate limit that never ends is told when `timeout` has passed since it was first sent, with the tries."""
    fault_server.on(POST, LIMITED)
    with pytest.raises(RateLimitError, match=r"tried \d+ times \(429 RATE_LIMIT\): “IPM exceeded”"):
        procedure.start("a fox", timeout=2.0).result(60)
    assert len(fault_server.posts) > 2
    assert procedure.home.history[-1].status == "failed"
    assert procedure.budget.may_have_been_billed == 0


def test_no_money_is_not_waited_for(procedure: Procedure, fault_server: FaultServer) -> None:
    """A 429 that speaks of the balance will not pass by itself: it is sent once, and the remedy is told."""
    fault_server.on(POST, Reply(status=429, body=b'{"message": "insufficient balance"}'), Links())
    with pytest.raises(RateLimitError, match="Top it up"):
        procedure.start("a fox").result()
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("step", [Cut(when="body"), Reply(status=504)], ids=["broken", "504"])
def test_a_try_that_breaks_after_a_refusal_is_the_last(
    procedure: Procedure, fault_server: FaultServer, step: Cut | Reply
) -> None:
    """Once a later try may have been billed, it is not sent again."""
    fault_server.on(POST, LIMITED, step, Links())
    with pytest.raises(OutcomeUnknownError):
        procedure.start("a fox").result()
    assert len(fault_server.posts) == 2
    assert procedure.home.history[-1].status == "unknown"
    assert procedure.budget.may_have_been_billed == 0.03


# -- stopping --------------------------------------------------------------------------------------


def test_stopping_during_the_wait_withdraws(procedure: Procedure, fault_server: FaultServer) -> None:
    """Stopped between two tries, it is not sent again; the message says that the service had refused it."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "30"}))
    job = waiting(procedure.start("a fox"))
    job.cancel()
    with pytest.raises(StoppedError, match="refused it, so nothing was billed"):
        job.result()
    until(lambda: job.over)
    generation = procedure.home.history[-1]
    assert (generation.status, generation.cost, len(fault_server.posts)) == ("stopped", 0.0, 1)
    assert (procedure.budget.reserved, procedure.budget.may_have_been_billed) == (0, 0)


def test_stopped_before_the_refusal_it_is_not_sent_again(procedure: Procedure, fault_server: FaultServer) -> None:
    """Stopped while the service works: where that ends in a rate limit, nothing is sent behind the user's back."""
    fault_server.on(POST, Reply(status=429, delay=0.3), Links())
    job = procedure.start("a fox")
    until(lambda: job.sent)
    job.cancel()
    with pytest.raises(StoppedError, match="goes on"):
        job.result()
    until(lambda: job.over)
    assert isinstance(job.error, RateLimitError)
    assert len(fault_server.posts) == 1
    assert procedure.home.history[-1].cost == 0


def test_a_wait_for_the_result_may_end_before(procedure: Procedure, fault_server: FaultServer) -> None:
    """`result(timeout=)` during the wait says that it is not sent yet, and goes on."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "30"}))
    job = waiting(procedure.start("a fox"))
    with pytest.raises(StillGeneratingError, match="waiting, not sent yet"):
        job.result(timeout=0.05)
    assert not job.over
    job.cancel()


@pytest.mark.kernel
def test_interrupting_the_wait_frees_the_cell(kernel: Kernel, fault_server: FaultServer) -> None:
    """A cell that waits for a rate limit is free at once; nothing was billed, and nothing is sent any more."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "30"}, delay=2.0))
    begin = f"%load_ext seedream_nb\nimport seedream_nb as sd\nsd.configure(base_url={fault_server.url!r}, api_key='k')"
    assert kernel.execute(begin).error is None
    ran = kernel.start("%%seedream\na fox")
    kernel.until(lambda: "Generating" in ran.text)  # before that it may wait for a place
    kernel.until(lambda: "Waiting" in ran.text)
    kernel.interrupt()
    ran.wait(10)
    assert ran.error is not None
    assert ran.error["ename"] == "StoppedError"
    assert "nothing was billed" in ran.error["evalue"].lower()
    assert len(fault_server.posts) == 1


# -- side by side ----------------------------------------------------------------------------------


def test_who_waits_keeps_the_place(fault_server: FaultServer, tmp_path: Path) -> None:
    """With one place, the next request is not sent before the refused one got through: a limit slows all down."""
    fault_server.on(POST, LIMITED, LIMITED, Links())
    with procedure_in(tmp_path, fault_server, concurrency=1) as procedure:
        jobs = [procedure.start(f"fox {number}") for number in range(2)]
        for job in jobs:
            job.result()
    prompts = [seen.json()["prompt"] for seen in fault_server.posts]
    assert len(prompts) == 4
    assert prompts[0] == prompts[1] == prompts[2] != prompts[3]


def test_the_budget_keeps_the_place(procedure: Procedure, fault_server: FaultServer) -> None:
    """While it waits, its upper estimate stays reserved."""
    fault_server.on(POST, Reply(status=429, headers={"Retry-After": "30"}))
    job = waiting(procedure.start("a fox", max_images=3))
    assert procedure.budget.reserved == pytest.approx(0.09)
    job.cancel()
    until(lambda: job.over)
    assert procedure.budget.reserved == 0


# -- how long --------------------------------------------------------------------------------------


def pauses(status: int, asked: str | None, tries: int) -> list[float]:
    """Return many pauses after so many refusals."""
    headers = {} if asked is None else {"retry-after": asked}
    answer = Answer(status=status, headers=headers, content=b"")
    found = [pause_after(answer, tries, Timeouts()) for _ in range(200)]
    return [pause.seconds for pause in found if pause is not None]


@pytest.mark.parametrize(
    ("tries", "least", "most"), [(1, 1, 2), (2, 2, 4), (3, 4, 8), (4, 8, 16), (5, 16, 32), (6, 30, 60), (99, 30, 60)]
)
def test_unasked_waits_grow(tries: int, least: float, most: float) -> None:
    """Without a word of the service the waits double up to a minute, and no two are alike."""
    found = pauses(429, None, tries)
    assert least <= min(found) < max(found) <= most


@pytest.mark.parametrize("asked", ["3", "45", "300"])
def test_asked_waits_are_kept(asked: str) -> None:
    """What the service asks for is waited, and up to a tenth more, so that not all come back at one moment."""
    found = pauses(429, asked, 4)
    assert float(asked) <= min(found) < max(found) <= float(asked) * 1.1


def test_a_short_wait_that_is_asked_again_and_again_grows() -> None:
    """A service that asks for a second or less each time is not asked without end in a hurry."""
    assert min(pauses(429, "1", 5)) >= 16


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 408, 409, 413, 425, 500, 502, 504, 524, 302])
def test_nothing_else_is_sent_again(status: int) -> None:
    """However an answer asks for it: only a 429 and a 503 with `Retry-After` are sent again."""
    assert pauses(status, "1", 1) == []
