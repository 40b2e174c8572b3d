"""One request of a batch: a job that runs or has run, or what was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from seedream_nb.batches.plan import Point
    from seedream_nb.errors import SeedreamError
    from seedream_nb.jobs.job import Job
    from seedream_nb.storage.generation import Generation

NOT_BEGUN = "waiting"
"""The status of what has not begun yet."""


@frozen(eq=False)
class Member:
    """One request of a batch: a job that runs or has run, or what was there before."""

    labels: tuple[str, ...]
    point: Point
    template: str | None = None
    job: Job | None = None
    made: Generation | None = None
    is_own: bool = False
    """Whether this batch began its job, and is the first to count it: others may show the same."""
    left_out: SeedreamError | None = None
    """Why nothing was sent, if it may have been billed before."""

    @property
    def status(self) -> str:
        """Where it is: a phase of a job, or how it ended."""
        if self.left_out is not None:
            return "unknown"
        if self.job is None:
            return "done" if self.made is None else self.made.status
        return NOT_BEGUN if self.job.phase == "preparing" and not self.job.has_begun else self.job.phase

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.job is None or self.job.over

    @property
    def error(self) -> SeedreamError | None:
        """What went wrong, if anything did."""
        return self.left_out if self.job is None else self.job.error

    @property
    def generation(self) -> Generation | None:
        """What is in the history of it; None as long as it has no number."""
        return self.made if self.job is None else self.job.generation
