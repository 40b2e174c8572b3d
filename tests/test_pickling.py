"""Results and errors leave a process and come to another: by record and path, never with the session or the key."""

from __future__ import annotations

import concurrent.futures
import copy
import importlib
import multiprocessing
import os
import pickle
import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import seedream_nb
from seedream_nb.errors import (
    ApiError,
    OutcomeUnknownError,
    ReplyError,
    RequestError,
    SeedreamError,
    SettingsError,
    StoppedError,
)
from seedream_nb.pickling import HERE
from seedream_nb.process import PROCESS
from seedream_nb.view import bundle
from seedream_nb.widgets.protocol import RefusedError
from tests.faults.script import POST, Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

KEY = "sk_test"  # of the fault server's sessions
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
WAYS: dict[str, Callable[[Any], Any]] = {
    **{f"protocol {each}": lambda value, each=each: pickle.loads(pickle.dumps(value, each)) for each in PROTOCOLS},  # type: ignore[misc]  # noqa: S301 - our own
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server, which shows what it makes as a notebook does."""
    return new_session(bundle=bundle)


@pytest.fixture
def generation(session: Session, fault_server: FaultServer) -> Generation:
    """Give a generation of two pictures that a session made."""
    fault_server.on(POST, Links(count=2))
    return session.start("a fox", max_images=2).result()


@pytest.fixture
def here(session: Session) -> Iterator[Session]:
    """Make a session the one of this process."""
    before, PROCESS.session = PROCESS.session, session
    yield session
    PROCESS.session = before


# -- results -------------------------------------------------------------------------------------------


@way
def test_a_result_is_the_same_elsewhere(generation: Generation, way: Callable[[Any], Any]) -> None:
    """Equal, of equal hash and text, its pictures too; the original keeps its session."""
    other = way(generation)
    assert (other, hash(other), str(other)) == (generation, hash(generation), str(generation))
    assert (list(other), list(map(repr, other))) == (list(generation), list(map(repr, generation)))
    assert generation.verbs is not HERE
    assert {id(each.verbs) for each in (other, way(generation[0]))} == {id(HERE)}


def test_a_pickle_has_neither_session_nor_key(generation: Generation) -> None:
    """It holds what the journal tells, and paths."""
    for protocol in PROTOCOLS:
        content = pickle.dumps([generation, *generation], protocol)
        assert KEY.encode() not in content
        assert b"session" not in content
        assert len(content) < 5_000


def test_a_result_from_elsewhere_asks_the_session_here(
    generation: Generation, here: Session, fault_server: FaultServer, tmp_path: Path
) -> None:
    """It shows itself, is edited, run again and saved, as if it had been made here."""
    other: Generation = pickle.loads(pickle.dumps(generation))  # noqa: S301 - our own
    assert other._repr_mimebundle_() == generation._repr_mimebundle_()
    assert other[0]._repr_mimebundle_() == generation[0]._repr_mimebundle_()
    assert [path.name for path in other.save(tmp_path / "saved")] == [each.path.name for each in generation]
    fault_server.on(POST, Links())
    assert other.edit("bluer").sources == ["@1.1", "@1.2"]
    assert other.rerun(size="4K").request.size == "4K"
    assert here.history[-1].id == 3


def test_a_result_is_shown_where_no_session_can_be(generation: Generation) -> None:
    """As plain text: it still says what it is and where its files are."""

    def none() -> Session:
        raise SettingsError("no place for a session")

    before, HERE.session = HERE.session, none
    try:
        assert pickle.loads(pickle.dumps(generation))._repr_mimebundle_() == {"text/plain": str(generation)}  # noqa: S301 - our own
    finally:
        HERE.session = before


@way
def test_a_history_is_read_anew_elsewhere(session: Session, generation: Generation, way: Callable[[Any], Any]) -> None:
    """From the same folder; a part of it is the same part."""
    history, found = way((session.history, session.history.search("fox")))
    assert (history[1], list(found)) == (generation, [generation])
    session.start("an owl").result()
    assert (len(history), len(found)) == (2, 1)


@way
def test_a_job_says_what_to_send_in_its_place(
    session: Session, fault_server: FaultServer, way: Callable[[Any], Any]
) -> None:
    """It goes on in its own process."""
    fault_server.on(POST, Links())
    job = session.start("a fox")
    with pytest.raises(SeedreamError, match=r"can't be pickled[^\n]*\n.*job\.result\(\)"):
        way(job)
    assert job.result().status == "done"


@pytest.mark.parametrize("what", ["session", "settings"])
def test_what_holds_the_key_stays(session: Session, what: str) -> None:
    """A session and its settings can't be pickled, and say so."""
    with pytest.raises(SeedreamError, match=r"A \w+ can't be pickled"):
        pickle.dumps({"session": session, "settings": session.settings}[what])


# -- errors --------------------------------------------------------------------------------------------


def all_errors() -> list[type[SeedreamError]]:
    """Return every class of error that we report, public or not."""
    for module in pkgutil.walk_packages(seedream_nb.__path__, "seedream_nb."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, left = [], [SeedreamError]
    while left:
        kind = left.pop()
        found.append(kind)
        left += kind.__subclasses__()
    return sorted({each for each in found if each.__module__.startswith("seedream_nb")}, key=lambda kind: kind.__name__)


def made(kind: type[SeedreamError]) -> SeedreamError:
    """Return an error of a class with all that one can have: fields, hint, notes, a cause that can't be pickled."""
    fields: dict[str, Any] = {"hint": "do this"}
    if issubclass(kind, ApiError):
        fields = {**fields, "status": 429, "code": "1", "reason": "RATE", "request_id": "r"}
    what: Any = "What happened."
    if issubclass(kind, RefusedError):
        what, fields = SeedreamError("What happened.", hint="do this"), {"nearest": (1, 2)}
    error = kind(what, **fields)
    error.add_note("a note")
    try:
        raise error from OSError(lambda: None)
    except kind as raised:
        return raised


@way
@pytest.mark.parametrize("kind", all_errors())
def test_every_error_is_whole_elsewhere(kind: type[SeedreamError], way: Callable[[Any], Any]) -> None:
    """Its class, lines, fields and notes; one that can't be made again hangs a pool for ever."""
    error = made(kind)
    other = way(error)
    assert (type(other), other.args, other.lines()) == (kind, error.args, error.lines())
    assert {name: repr(value) for name, value in vars(other).items()} == {
        name: repr(value) for name, value in vars(error).items()
    }
    assert other.__notes__ == ["a note"]


def test_problems_are_whole_elsewhere() -> None:
    """Each on its own, as they were found."""
    error = RequestError(["one is wrong\nin two lines", "two is wrong"])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems  # noqa: S301 - our own


@pytest.mark.parametrize("kind", [ReplyError, OutcomeUnknownError])
def test_what_a_server_wrote_stays(kind: Any) -> None:
    """It may echo the key: the pickle of an error has none of it, whatever caused it."""
    error = kind("no sense", content=f'{{"key":"{KEY}"}}'.encode())
    error.__cause__ = OSError(f"refused: {KEY}")
    for protocol in PROTOCOLS:
        assert KEY.encode() not in pickle.dumps(error, protocol)
    assert pickle.loads(pickle.dumps(error)).content == b""  # noqa: S301 - our own


# -- pools ---------------------------------------------------------------------------------------------


def fails(kind: type[SeedreamError]) -> None:
    """Raise an error in another process."""
    raise made(kind)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_error_hangs_a_pool() -> None:
    """Each comes out of `Pool.map` as what it is, also one that is a KeyboardInterrupt."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for kind in all_errors():
            with pytest.raises(kind) as caught:
                pool.map_async(fails, [kind]).get(60)
            assert (type(caught.value), caught.value.__notes__) == (kind, ["a note"])


@pytest.mark.slow
def test_an_executor_returns_errors() -> None:
    """Of a process of its own, as they were raised there."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert type(pool.submit(fails, StoppedError).exception(60)) is StoppedError
        error = pool.submit(fails, ApiError).exception(60)
    assert isinstance(error, ApiError)
    assert (error.status, error.hint) == (429, "do this")


POOL = """
import concurrent.futures, multiprocessing, sys
import seedream_nb as sd

def begin():
    sd.configure(base_url=sys.argv[1], api_key="sk_test", timeout=30, home=sys.argv[2])

def ask(prompt):
    begin()
    return sd.generate(prompt)

def again(generation):
    begin()
    return generation.rerun()

def job(prompt):
    begin()
    job = sd.submit(prompt)
    job.result()
    return job

if __name__ == "__main__":
    begin()
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        print(sorted(each.prompt for each in pool.map(ask, ["a", "b"])))
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        (made,) = pool.map(ask, ["c"])
        (second,) = pool.map(again, [made])
        try:
            pool.submit(job, "d").result(60)
        except sd.SeedreamError as error:
            print("job.result()" in str(error))
    print(made.status, second.prompt, second[0].path.exists(), "image" in str(second._repr_mimebundle_()))
    print(made.rerun().status, len(sd.history))
"""


@pytest.mark.slow
def test_pools_return_results(fault_server: FaultServer, tmp_path: Path) -> None:
    """`Pool.map` and ProcessPoolExecutor give what was paid for; it shows itself and is run again on either side."""
    fault_server.on(POST, Links())
    script = tmp_path / "script.py"
    script.write_text(POOL)
    command = [sys.executable, str(script), fault_server.url, str(tmp_path / "home")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=dict(os.environ))
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["['a', 'b']", "True", "done c True True", "done 6"]
