"""Runs requests through the pipeline as a session does, with timeouts of the test's own, so that waits are short."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio

from seedream_nb.background import Background
from seedream_nb.budget import Budget
from seedream_nb.http.client import Client
from seedream_nb.jobs.job import Job
from seedream_nb.jobs.pipeline import PipelineContext, recover, run_pipeline
from seedream_nb.keys import Key
from seedream_nb.request import make_request
from seedream_nb.settings import Settings
from seedream_nb.storage.journal import Journal
from seedream_nb.workspace import Workspaces
from tests.posting import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.http.client import Timeouts
    from seedream_nb.storage.generation import Verbs

PRICE = 0.03


class Procedure:
    """The procedure in a folder, for a service; to be closed."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        timeouts: Timeouts,
        concurrency: int = 4,
        journal: Callable[[Path], Journal] = Journal,
    ) -> None:
        """Send nothing yet."""
        settings, nobody = Settings(environ={}, folder=folder), cast("Verbs", None)
        self.background = Background()
        self.budget = Budget(limit=None)
        self.host = url.partition("://")[2]
        self._client = Client(base_url=url, key=Key(KEY, source="a test"), timeouts=timeouts)
        self._workspaces = Workspaces(settings=settings, journal=journal, verbs=nobody, running=lambda _: [])
        self._workspaces.open()
        self.home = self._workspaces.current
        self._turn = self.background.call(lambda: anyio.CapacityLimiter(concurrency))
        self._verbs = nobody

    def start(self, prompt: str, *, timeout: float = 60.0, **options: Any) -> Job:
        """Begin to fulfil a request."""
        request = make_request(prompt, **options)
        job = Job(request, backend="novita", host=self.host, price=PRICE, timeout=timeout, home=self.home.store.home)
        job.start(self.background, lambda: run_pipeline(job, self._tools()))
        return job

    def recover(self) -> None:
        """Fetch every picture that is missing."""
        for each in self.home.history:
            if each.links and each.status != "done":
                self.background.start(partial(recover, each, self._tools(), service=self.host)).result(30)

    def _tools(self) -> PipelineContext:
        return PipelineContext(
            store=self.home.store, journal=self.home.journal, history=self.home.history, budget=self.budget,
            client=self._client, limiter=self._turn, verbs=self._verbs,
        )  # fmt: skip

    def close(self) -> None:
        """Give back threads, connections and the journal."""
        self.background.start(self._client.aclose).result(5)
        self.background.stop()
        self._workspaces.close()
