"""Journal and history against a simple model: whatever kernels write, however they die, files are cut and copied."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from seedream_nb.storage.history import History
from tests.journals import Kernel
from tests.waiting import tries

NEWER = b'{"v":2,"what":"intent","number":3,"price":{"usd":"0.03"}}\n'
TORN = b'{"event":"intent","id":9,"at":"2026'

REFUSALS = ("refused", "again")
PROMPTS = {1: "a red fox", 2: "a red hare", 3: "a blue fox", 4: "a blue hare"}

WRITERS, IDS, INDEXES = st.integers(0, 2), st.sampled_from(sorted(PROMPTS)), st.integers(1, 3)
# Clocks jump: what the history tells must not hang on the times in its lines.
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
GARBAGE = st.binary(max_size=30).map(lambda content: b"x" + content.replace(b"\n", b"") + b"\n")


@dataclass(frozen=True, kw_only=True)
class Said:
    """A line of a journal file: what it says, and where it ends in its file."""

    event: str
    id: int = 0
    index: int = 0
    status: str = ""
    moment: str = ""
    ends: int = 0


@dataclass(kw_only=True)
class File:
    """A journal file, as the model knows it."""

    path: Path
    said: list[Said] = field(default_factory=list)
    alive: bool = True

    def cut(self, length: int) -> None:
        """Forget what a cut takes away; a line of ours is whole without its line break, any other is not."""
        self.said = [each for each in self.said if each.ends - (each.event not in {"garbage", "newer"}) <= length]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the history must tell of one generation."""

    status: str
    links: int
    here: frozenset[int]
    missing: frozenset[int]
    ended: bool
    alive: bool
    reused: int


class Model:
    """All journal files of a home, and what follows from them by the simplest rules."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.files: list[File] = []

    def count(self, event: str) -> int:
        """Return how many lines of a kind there are."""
        return sum(each.event == event for file in self.files for each in file.said)

    def expected(self) -> dict[int, Expected]:
        """Return what the history must tell, by id."""
        asked = {each.id for file in self.files for each in file.said if each.event == "intent"}
        return {number: self._one(number) for number in sorted(asked)}

    def _one(self, number: int) -> Expected:
        said = [(each, file) for file in self.files for each in file.said if each.id == number]
        lines = [each for each, _ in said]
        links = max((each.index for each in lines if each.event == "links"), default=0)
        here = frozenset(each.index for each in lines if each.event == "file")
        missing = {each.index for each in lines if each.event == "missing"} | set(range(1, links + 1))
        ends = {each.status for each in lines if each.event == "end"}
        alive = any(file.alive for each, file in said if each.event == "intent")
        return Expected(
            status=_status(links, here, ends, alive=alive, refused=_was_refused(lines)),
            links=links,
            here=here,
            missing=frozenset(missing - here),
            ended=bool(ends),
            alive=alive,
            reused=len({each.moment for each in lines if each.event == "once"}),
        )


def _was_refused(lines: list[Said]) -> bool:
    refused, sent = (max((each.index for each in lines if each.event == event), default=0) for event in REFUSALS)
    return refused > 0 and refused >= sent


def _status(links: int, here: frozenset[int], ends: set[str], *, alive: bool, refused: bool) -> str:
    if links and here >= set(range(1, links + 1)) and (ends or not alive):
        return "done"
    if ends and not links:
        return "failed" if "failed" in ends else "unknown"
    if ends:
        return "failed" if "failed" in ends else "partial"
    if alive:
        return "downloading" if links else "generating"
    if links or here:
        return "partial"
    return "stopped" if refused else "unknown"


class HomeOfManyKernels(RuleBasedStateMachine):
    """Kernels that share a home, and the model beside them."""

    files = Bundle("files")

    @initialize()
    def begin(self) -> None:
        """Begin with an empty home and three kernels."""
        self.home = Path(tempfile.mkdtemp())
        self.kernels = [Kernel(self.home) for _ in range(3)]
        self.current: dict[int, File] = {}
        self.open: dict[int, dict[int, list[Said]]] = {0: {}, 1: {}, 2: {}}
        self.model = Model()
        self.history = History(self.home)
        self.lost: set[tuple[int, int]] = set()
        self.numbers = iter(range(1_000_000))

    # -- what kernels do -----------------------------------------------------------------------------

    @rule(target=files, writer=WRITERS, number=IDS, at=TIMES)
    def ask(self, writer: int, number: int, at: str) -> object:
        """Ask for something that nobody has asked for, as its id is allotted once."""
        if any(number in open_ for open_ in self.open.values()) or self._was_asked(number):
            return multiple()
        self.kernels[writer].ask(number, PROMPTS[number], at=at)
        return self._wrote(writer, "intent", number)

    @rule(target=files, writer=WRITERS, number=IDS, event=st.sampled_from(REFUSALS), tries=INDEXES, at=TIMES)
    def put_off(self, writer: int, number: int, event: str, tries: int, at: str) -> object:
        """Be refused for now, or send it again."""
        self.kernels[writer].journal.append(event, number, tries=tries, at=at)
        return self._wrote(writer, event, number, index=tries)

    @rule(target=files, writer=WRITERS, number=IDS, count=INDEXES, at=TIMES)
    def link(self, writer: int, number: int, count: int, at: str) -> object:
        """Get links."""
        self.kernels[writer].link(number, count, at=at)
        return self._wrote(writer, "links", number, index=count)

    @rule(target=files, writer=WRITERS, number=IDS, index=INDEXES, at=TIMES)
    def land(self, writer: int, number: int, index: int, at: str) -> object:
        """Fetch a picture."""
        self.kernels[writer].land(number, index, at=at)
        self.lost.discard((number, index))
        return self._wrote(writer, "file", number, index=index)

    @rule(target=files, writer=WRITERS, number=IDS, index=INDEXES, at=TIMES)
    def miss(self, writer: int, number: int, index: int, at: str) -> object:
        """Fail to fetch a picture."""
        self.kernels[writer].journal.append("missing", number, index=index, reason="expired", at=at)
        return self._wrote(writer, "missing", number, index=index)

    @rule(target=files, writer=WRITERS, number=IDS, status=st.sampled_from(["unknown", "failed"]), at=TIMES)
    def end(self, writer: int, number: int, status: str, at: str) -> object:
        """End it, or say that nobody knows how it ended."""
        self.kernels[writer].end(number, status, at=at)
        return self._wrote(writer, "end", number, status=status)

    @rule(target=files, writer=WRITERS, number=IDS)
    def reuse(self, writer: int, number: int) -> object:
        """Show it again in place of a new request."""
        moment = f"moment {next(self.numbers)}"
        self.kernels[writer].journal.append("once", number, moment=moment)
        return self._wrote(writer, "once", number, moment=moment)

    @rule(writer=WRITERS)
    def close(self, writer: int) -> None:
        """Close the journal; the next line begins another file."""
        self.kernels[writer].journal.close()
        if writer in self.current:
            self.current.pop(writer).alive = False

    @rule(writer=WRITERS, torn=st.integers(0, len(TORN)))
    def die(self, writer: int, torn: int) -> None:
        """Die in the middle of a line; another kernel takes the place."""
        file = self.current.get(writer)
        self.close(writer)
        if file is not None and file.path.exists():
            with file.path.open("ab") as stream:
                stream.write(TORN[:torn])
        self.kernels[writer] = Kernel(self.home)
        self.open[writer] = {}

    # -- what happens to files -------------------------------------------------------------------------

    @rule(file=files, share=st.floats(0, 1))
    def cut(self, file: File, share: float) -> None:
        """Cut the file of a dead kernel at any byte."""
        if file in self.model.files and not file.alive:
            content = file.path.read_bytes()
            length = int(share * len(content))
            file.path.write_bytes(content[:length])
            file.cut(length)

    @rule(file=files)
    def copy(self, file: File) -> None:
        """Make the copy that a cloud drive makes when two machines wrote."""
        if file in self.model.files:
            copy = file.path.with_name(f"{file.path.stem} (conflict {next(self.numbers)}).jsonl")
            shutil.copy(file.path, copy)
            self.model.files.append(File(path=copy, said=list(file.said), alive=False))

    @rule(file=files)
    def delete(self, file: File) -> None:
        """Delete a file, a living kernel's too."""
        if file in self.model.files:
            file.path.unlink()
            self.model.files.remove(file)

    @rule(content=st.one_of(st.just(NEWER), GARBAGE))
    def spoil(self, content: bytes) -> None:
        """Put a file there that a newer version wrote, or nobody."""
        path = self.home / "journal" / f"odd-{next(self.numbers)}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        said = Said(event="newer" if content == NEWER else "garbage", ends=len(content))
        self.model.files.append(File(path=path, said=[said], alive=False))

    @rule(number=IDS, index=INDEXES)
    def lose(self, number: int, index: int) -> None:
        """Delete a picture."""
        path = self.home / f"{number:04}-{index}.jpg"
        if path.exists():
            path.unlink()
            self.lost.add((number, index))

    # -- what must hold --------------------------------------------------------------------------------

    @invariant()
    def history_that_followed_is_right(self) -> None:
        """The history that looked all along tells what the model says."""
        self._check(self.history)

    def teardown(self) -> None:
        """Compare with a history that is read afresh, with all kernels living and with all dead; clean up."""
        self._check(History(self.home))
        for writer in range(3):
            self.close(writer)
        self._check(History(self.home))
        self._check(self.history)
        shutil.rmtree(self.home)

    def _check(self, history: History) -> None:
        expected = self.model.expected()
        self._check_generations(history, expected)
        self._check_finding(history, expected)
        self._check_what_is_left(history, expected)
        used = history.usage()
        assert (used.requests, used.reused) == (len(expected), sum(each.reused for each in expected.values()))
        assert (history.newer, history.damaged) == (self.model.count("newer"), self.model.count("garbage"))

    def _check_generations(self, history: History, expected: dict[int, Expected]) -> None:
        assert len(history) == len(expected)
        told = {
            each.id: (
                each.status,
                len(each.links),
                frozenset(_index(picture.mark) for picture in each),
                frozenset(each.missing),
            )
            for each in history
        }
        assert told == {number: (each.status, each.links, each.here, each.missing) for number, each in expected.items()}

    def _check_finding(self, history: History, expected: dict[int, Expected]) -> None:
        for word in ("fox", "BLUE", "red hare"):
            words = word.lower().split()
            found = [number for number in expected if all(each in PROMPTS[number] for each in words)]
            assert [each.id for each in history.search(word)] == found
        with_pictures = [number for number, each in expected.items() if each.here]
        for number in with_pictures:
            assert {_index(each.mark) for each in history.marked(f"@{number}")} == expected[number].here
        if with_pictures:
            assert history.generation("@last").id == with_pictures[-1]
        if expected:
            assert history[-1].id == max(expected)

    def _check_what_is_left(self, history: History, expected: dict[int, Expected]) -> None:
        at_work = {"done", "generating", "downloading"}
        assert [each.id for each in history.unfinished()] == [
            number
            for number, each in expected.items()
            if each.status not in at_work and (not each.ended or (each.links and each.missing))
        ]
        left_behind = [
            number
            for number, each in expected.items()
            if not each.ended and not each.alive and each.status in {"unknown", "partial", "stopped"}
        ]
        assert [each.id for each in history.left_behind()] == left_behind
        assert [each.id for each in History(self.home).left_behind()] == left_behind
        assert [each.id for each in history.lacking()] == [
            number
            for number, each in expected.items()
            if each.links and (each.missing or any((number, index) in self.lost for index in each.here))
        ]

    # -- within ----------------------------------------------------------------------------------------

    def _was_asked(self, number: int) -> bool:
        return any(each.id == number and each.event == "intent" for file in self.model.files for each in file.said)

    def _wrote(self, writer: int, event: str, number: int, **what: Any) -> object:
        """Tell the model what a kernel wrote: into its file, or into a new one that begins with its open work."""
        path = self.kernels[writer].journal.path
        assert path is not None
        file, open_ = self.current.get(writer), self.open[writer]
        said = [Said(event=event, id=number, **what)]
        if file is None or file.path != path:
            if file is not None:
                file.alive = False
            file = self.current[writer] = File(path=path)
            self.model.files.append(file)
            said = [*(line for lines in open_.values() for line in lines), *said]
        lines = path.read_bytes().splitlines(keepends=True)
        ends = list(accumulate(map(len, lines)))[-len(said) :]
        file.said += [replace(each, ends=end) for each, end in zip(said, ends, strict=True)]
        self._remember(open_, file.said[-1])
        return file

    def _remember(self, open_: dict[int, list[Said]], said: Said) -> None:
        if said.event == "end":
            open_.pop(said.id, None)
        elif said.event == "intent":
            open_[said.id] = [said]
        elif said.id in open_:
            open_[said.id].append(said)


def _index(mark: str) -> int:
    return int(mark.rpartition(".")[2])


TestHomeOfManyKernels = pytest.mark.slow(HomeOfManyKernels.TestCase)
# Not made shorter when it fails: that would take longer than a test may.
TestHomeOfManyKernels.settings = settings(max_examples=tries(20, 200), stateful_step_count=30, phases=[Phase.generate])
