"""A batch: requests that were asked together, in the order asked, found by position or by labels."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, overload

from seedream_nb.batches.plan import counted
from seedream_nb.batches.results import frame_of, rows_of, save
from seedream_nb.errors import (
    NoSuchItemError,
    OutcomeUnknownError,
    SeedreamError,
    StillGeneratingError,
    StoppedError,
    did_you_mean,
    plain,
)
from seedream_nb.jobs import messages
from seedream_nb.jobs.job import POLL_SECONDS, Job, status_of
from seedream_nb.jobs.waits import read_timeout
from seedream_nb.pickling import NotPicklable
from seedream_nb.storage.generation import Generation, check_index, number_text

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from seedream_nb.batches.member import Member
    from seedream_nb.batches.plan import Estimate, Shape
    from seedream_nb.jobs.line import Line
    from seedream_nb.session import Session
    from seedream_nb.storage.picture import Picture

BY_POSITION = "Write batch[0] for the first, batch[-1] for the last."
AGAIN = "Run it again: only what is missing is sent."
MAX_REASONS = 2


class Batch(NotPicklable, Sequence[Generation]):
    """Requests that were asked together; `len`, iteration and indexing give the generation of each, in order.

    `batch[3]` is by position, `batch["ink", "16:9"]` by labels; fewer labels give a list. One that failed, or has not
    been sent, is a generation too: its `status` and `error` say so.
    """

    instead = "Its generations can: send list(batch)."

    def __init__(  # noqa: PLR0913 - its members, and what is told of all of them
        self,
        members: Sequence[Member],
        *,
        session: Session,
        shape: Shape,
        estimate: Estimate,
        notes: Sequence[str] = (),
        line: Line | None = None,
        frame: object = None,
        shown: Callable[[Batch], dict[str, Any]],
    ) -> None:
        """Hold the members, which `begin` begins; `shown` makes the bundle of what a notebook shows."""
        self.members, self.shape, self.estimate, self.notes = tuple(members), shape, estimate, tuple(notes)
        self._session, self._line, self._shown, self._frame = session, line, shown, frame
        self._is_stopped = False
        self.started = time.monotonic()

    # -- as a sequence -----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many requests it has."""
        return len(self.members)

    @overload
    def __getitem__(self, index: int) -> Generation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Generation]: ...
    @overload
    def __getitem__(self, index: str | tuple[object, ...]) -> Any: ...  # noqa: ANN401 - one generation, or a list
    def __getitem__(self, index: int | slice | str | tuple[object, ...]) -> Any:
        """Return the generation at a position or with these labels, or a list of those with the first few labels.

        Raises:
            NoSuchItemError: there is none; an IndexError.
            WrongIndexError: it is no position, nor labels; a TypeError.
        """
        if isinstance(index, str | tuple):
            return self._by_labels(index if isinstance(index, tuple) else (index,))
        position = check_index(index, BY_POSITION)
        if isinstance(position, slice):
            return [self._generation(member) for member in self.members[position]]
        if not -len(self) <= position < len(self):
            raise NoSuchItemError(
                f"This batch has no request [{number_text(position)}]: it has {len(self)}.", hint=BY_POSITION
            )
        return self._generation(self.members[position])

    def __iter__(self) -> Iterator[Generation]:
        """Yield the generation of each request, in the order asked, as it is now."""
        return map(self._generation, self.members)

    def __bool__(self) -> bool:
        """Return True."""
        return True

    def _by_labels(self, wanted: tuple[object, ...]) -> Generation | list[Generation]:
        labels = tuple(map(str, wanted))
        found = [member for member in self.members if member.labels[: len(labels)] == labels]
        if not found:
            known = {" · ".join(member.labels[: len(labels)]) for member in self.members}
            written = plain(" · ".join(labels), 60)
            guess = did_you_mean(written, known)
            raise NoSuchItemError(f"This batch has no request labelled {written}.{guess}", hint=BY_POSITION)
        is_one = len(found) == 1 and len(labels) == len(found[0].labels)
        return self._generation(found[0]) if is_one else [self._generation(member) for member in found]

    # -- what became of it -------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """`running`; then `done`, `partial` if some are, `stopped`, `failed`, or `unknown` if some may be billed."""
        if not self.over:
            return "running"
        kinds = Counter(member.status for member in self.members)
        if kinds["done"] == len(self):
            return "done"
        if self._is_stopped:
            return "stopped"
        if kinds["done"] or kinds["partial"]:
            return "partial"
        return "unknown" if kinds["unknown"] else "failed"

    @property
    def over(self) -> bool:
        """Whether all its work has ended, however it ended."""
        return all(member.is_over for member in self.members)

    @property
    def failed(self) -> list[Generation]:
        """Those that came to nothing and were not billed: refused, failed, or stopped before they were sent."""
        return [self._generation(member) for member in self.members if member.status in {"failed", "stopped"}]

    @property
    def unknown(self) -> list[Generation]:
        """Those that may have been billed, and of which no picture came."""
        return [self._generation(member) for member in self.members if member.status == "unknown"]

    @property
    def cost(self) -> float:
        """USD for all that is here, as far as it is known; what was there before is counted too."""
        costs = {each.id: each.cost or 0.0 for member in self.members if (each := member.generation) is not None}
        return round(sum(costs.values()), 9)

    @property
    def spent(self) -> float:
        """USD that this run has spent, as far as it is known."""
        own = {member.job.id: member.job for member in self.members if member.job is not None and member.is_own}
        sent = (job.generation for job in own.values() if job.first_sent is not None)
        return round(sum(each.cost or 0.0 for each in sent if each is not None), 9)

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing because the sandbox makes it."""
        return self.estimate.is_free

    # As a reference a batch is all its pictures; while it runs it is refused, as a job is, for some would be left out.

    @property
    def images(self) -> list[Picture]:
        """The pictures of all its requests, in order, once it is over."""
        if not self.over:
            raise AttributeError("images")
        return list({picture.mark: picture for made in self for picture in made}.values())

    @property
    def pictures(self) -> list[Picture]:
        """The pictures that have come so far, while it runs."""
        if self.over:
            raise AttributeError("pictures")
        return [picture for made in self for picture in made]

    @property
    def backend(self) -> str:
        """The service that makes it."""
        first = self.members[0]
        return first.job.backend if first.job is not None else first.made.backend if first.made is not None else ""

    @property
    def version(self) -> int:
        """A number that grows with whatever happens to any of them."""
        return sum(job.version for job in self.jobs)

    @property
    def jobs(self) -> list[Job]:
        """The jobs that make what was not there, each once."""
        return list({id(member.job): member.job for member in self.members if member.job is not None}.values())

    def to_rows(self) -> list[dict[Any, Any]]:
        """Return the rows that came in, or the values of a sweep, each with what became of it.

        That is `picture` (its path), `mark`, `status`, `error`, `cost` and `seconds`, and with several variations
        `variation`. A column of such a name stays as it was; ours is then `seedream_status`, say.
        """
        return rows_of(self.members, self.shape)

    def to_frame(self) -> Any:  # noqa: ANN401 - a DataFrame of pandas
        """Return the same as a DataFrame; one that came in keeps its index."""
        return frame_of(self.members, self.shape, self._frame)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the same to a `.csv` or `.jsonl` file, kept fresh while it runs; return its path.

        Raises:
            SeedreamError: it is the name of no such file, or can't be written.
        """
        return save(self, path)

    # -- waiting and stopping ----------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Batch:
        """Wait until all of it has ended, and return it, failures and all.

        Args:
            timeout: seconds from now, 0 or more; by default as long as any request may take.

        Raises:
            StillGeneratingError: the timeout passed, or a request's own; the work goes on.
            StoppedError: it was stopped, by `cancel()` or by interrupting this call.
        """
        seconds = read_timeout(timeout)
        limit = None if seconds is None else time.monotonic() + seconds
        try:
            while waiting := self._waiting():
                waiting[0].refuse_in_fork()
                if limit is not None and time.monotonic() >= limit:
                    raise self._still_running(f"Not done within {seconds:g} s")
                if limit is None and not self._left_in_time(waiting):
                    raise self._still_running("No answer in time")
                waiting[0].wait_over(POLL_SECONDS)
        except KeyboardInterrupt:
            self.cancel()
        if self._is_stopped:
            raise self.stopped_error()
        return self

    def is_waited_for(self) -> bool:
        """Return whether a wait for it would go on: it is not over, was not stopped, and no time has passed."""
        return bool(self._left_in_time(self._waiting()))

    def _waiting(self) -> list[Job]:
        """Return those that a wait is for: not those that go on after a stop."""
        return [job for job in self.jobs if not job.over and not (job.done() and job.committed)]

    def _left_in_time(self, waiting: Sequence[Job]) -> list[Job]:
        """Return those that are still waited for; one that waited in vain to be sent is withdrawn."""
        late = [job for job in waiting if job.overdue]
        for job in late:
            if job.first_sent is None:
                job.time_out()
        return [job for job in waiting if job not in late]

    def cancel(self) -> None:
        """Stop: withdraw whatever was not sent. What was sent goes on, and its pictures arrive."""
        if self.over:
            return
        self._is_stopped = True
        if self._line is not None:
            self._session.background.call(self._line.stop)

    def __await__(self) -> Generator[Any, None, Batch]:
        """Wait on any event loop until all of it has ended; gives the batch, failures and all."""
        yield from _all_ended(self.jobs).__await__()
        return self

    def stopped_error(self) -> StoppedError:
        """Return the error for a batch that was stopped: what is here, what goes on, what was withdrawn."""
        going_on = [job for job in self.jobs if not job.over and job.committed]
        withdrawn = sum(
            not job.committed and isinstance(job.exception(), StoppedError) for job in self.jobs if job.done()
        )
        billed = "the sandbox bills nothing" if self.is_free else "may be billed"
        sent = f", {len(going_on)} were sent and go on ({billed})" if going_on else ""
        told = f"Stopped: {self.here} of {len(self)} are here{sent}, {withdrawn} were withdrawn before they were sent."
        arrives = [messages.APPEARS_BELOW if going_on[0].followed else messages.IN_THE_HISTORY] if going_on else []
        return StoppedError("\n".join([told, *arrives]), hint=AGAIN)

    def failure(self) -> SeedreamError | None:
        """Return the error with which a cell fails when all has ended and something of it is not here."""
        lacking = [member for member in self.members if member.status != "done" and not _is_whole(member)]
        if not lacking:
            return None
        reasons = Counter(_reason(member) for member in lacking)
        told = [f"{len(lacking)} of {len(self)} are not here, or not complete:"]
        told += [f"{times} × {reason}" if times > 1 else reason for reason, times in reasons.most_common(MAX_REASONS)]
        if len(reasons) > MAX_REASONS:
            told.append(f"and {counted(len(reasons) - MAX_REASONS, 'other reason')}, in the table above.")
        is_unknown = all(member.status == "unknown" for member in lacking)
        hints = Counter(member.error.hint for member in lacking if member.error is not None and member.error.hint)
        hint = hints.most_common(1)[0][0] if len(reasons) == 1 and hints else None
        return (OutcomeUnknownError if is_unknown else SeedreamError)("\n".join(told), hint=hint or AGAIN)

    def _still_running(self, why: str) -> StillGeneratingError:
        going_on = [job for job in self.jobs if not job.done()]
        sent = sum(job.committed for job in going_on)
        billed = "" if self.is_free or not sent else f", of which {sent} were sent and may be billed"
        told = f"{why}: {len(going_on)} of {len(self)} go on{billed}."
        return StillGeneratingError(told, hint=messages.SEE_HISTORY)

    def _generation(self, member: Member) -> Generation:
        return member.generation or self._unsent(member)

    def _unsent(self, member: Member) -> Generation:
        """Return a generation for a request that has no number in the history: it is not sent, yet or ever."""
        job, error = member.job, member.error
        assert job is not None  # noqa: S101 - else something was there before
        return Generation(
            id=0, prompt=job.request.prompt, template=job.template or job.request.prompt, request=job.request,
            images=[], created=datetime.now(UTC), seconds=None, cost=None if job.committed else 0.0,
            backend=job.backend, host=job.host, status=member.status, warnings=[*job.request.warnings],
            error=None if error is None else str(error), links=[], missing={}, sources=[], notebook=job.notebook,
            verbs=self._session,
        )  # fmt: skip

    # -- shown -------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return how far it is in one line."""
        return f"<Batch of {len(self)}: {self.status}, {self.here} here, {self.cost:.2f} USD>"

    def __str__(self) -> str:
        """Return how far it is, and a line for each request."""
        return str(self._shown(self)["text/plain"])

    @property
    def here(self) -> int:
        """How many have their pictures here."""
        return sum(member.status in {"done", "partial"} for member in self.members)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the table in a notebook."""
        return self._shown(self)


def _is_whole(member: Member) -> bool:
    """Return whether all the pictures of a partial result are here: the service refused the others."""
    made = member.generation
    return made is not None and made.status == "partial" and not made.missing and member.error is None


def _reason(member: Member) -> str:
    error = member.error
    if error is not None:
        return f"{type(error).__name__}: {error.message.splitlines()[0]}"
    made = member.generation
    return (made.error or made.status).splitlines()[0] if made is not None else status_of(None)


async def _all_ended(jobs: Sequence[Job]) -> None:
    """Return when all waits have ended, however they did."""
    await asyncio.gather(*map(_await, jobs), return_exceptions=True)


async def _await(job: Job) -> Generation:
    return await job
