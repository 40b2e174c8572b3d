"""The wiring: one session per kernel, which turns what was asked into a job and remembers what came of it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from seedream_nb.background import Background
from seedream_nb.clients import Clients
from seedream_nb.compose import ASKED, Composer, as_list, changed, options_of
from seedream_nb.endpoint import Endpoint, Told, find_endpoint, for_links, host_of
from seedream_nb.errors import SettingsError, StoppedError
from seedream_nb.homes import Homes, need_room, writable_folder
from seedream_nb.job import POLL_SECONDS, Job
from seedream_nb.jobs import Jobs
from seedream_nb.journal import Journal
from seedream_nb.keys import Login, Unseen
from seedream_nb.options import check_options
from seedream_nb.scope import EmptyScope, NamesScope
from seedream_nb.settings import read_setting, user_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from seedream_nb.archive import History, Usage
    from seedream_nb.budget import Budget
    from seedream_nb.client import Patience
    from seedream_nb.fulfil import Tools
    from seedream_nb.generation import Generation
    from seedream_nb.picture import Picture
    from seedream_nb.request import ImageRequest
    from seedream_nb.scope import Scope
    from seedream_nb.settings import Settings

Result = TypeVar("Result")


class Session:
    """Everything that one kernel or script shares: settings, history, budget, the jobs that run."""

    def __init__(  # noqa: PLR0913 - what is wired
        self,
        *,
        settings: Settings,
        scope: Scope | None = None,
        bundle: Callable[[object], dict[str, Any]] | None = None,
        notebook: Callable[[], str | None] = lambda: None,
        journal: Callable[[Path], Journal] = Journal,
        lingers: bool = True,
        patience: Patience | None = None,
    ) -> None:
        """Wire a session.

        Args:
            settings: where requests go and what holds by default.
            scope: what the notebook offers; a script has nothing to offer.
            bundle: how a generation or picture shows itself.
            notebook: the name of the notebook, where it can be known.
            journal: makes the journal of a folder.
            lingers: whether the process, at its end, waits for all that was sent: a script does, a kernel can wait
                two seconds at most.
            patience: how long to wait before giving up a connection or a download; tests are less patient.
        """
        self.settings, self._environ = settings, Unseen(os.environ)
        self.scope: Scope = scope or EmptyScope()
        self.background = Background()
        self.login = Login(user_folder("config", os.environ))
        self.jobs = Jobs(lingers=lingers)
        self.compose = Composer(
            settings=settings, scope=self.scope, marked=self._marked,
            fetch=lambda url: self._clients.fetch(url, self.background),
        ).compose  # fmt: skip
        self._bundle, self._notebook, self._told = bundle, notebook, Told()
        self._homes = Homes(settings=settings, journal=journal, verbs=self, running=self.jobs.ids)
        self._clients = Clients(patience=patience)
        self._budget: Budget | None = None
        self._lock = threading.RLock()

    # -- asking ------------------------------------------------------------------------------------

    def submit(
        self,
        request: ImageRequest,
        *,
        template: str | None = None,
        once: bool | None = None,
        save: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Start to fulfil a request; return at once. All that can be known to fail before sending fails here.

        Raises:
            SettingsError: no key, a folder that can't be written, no room on the disk.
        """
        from seedream_nb.fulfil import fulfil

        endpoint = self.endpoint()
        folder = writable_folder(save) if save is not None else None
        timeout = self.settings.get("timeout") if timeout is None else read_setting("timeout", timeout)
        once = self.settings.get("once") if once is None else read_setting("once", once)
        bought = self.budget.spent or self.budget.reserved
        notices = self._homes.open(first_paid=endpoint.backend != "sandbox" and not bought)
        notices += self._told.due(endpoint.notices, self.settings.changes)
        tools = self._tools(endpoint)
        job: Job | None = None
        try:
            with self.jobs.lock:  # of two that ask for the same at one moment, one sees the other
                others = self.jobs.under_way(tools.store.home)
                need_room(tools.store, request, others, folder)
                job = Job(
                    request,
                    backend=endpoint.backend,
                    host=endpoint.host,
                    price=self._price(endpoint.backend),
                    timeout=timeout,
                    once=once,
                    save=folder,
                    home=tools.store.home,
                    template=template,
                    notebook=self._notebook(),
                    notices=notices,
                )
                self.jobs.add(job)
            job.start(self.background, fulfil(job, tools, others=others))
        except KeyboardInterrupt:  # it may have begun: what the message says must be true
            if job is None:
                raise
            job.cancel()
            job.result()
        return job

    def start(
        self,
        prompt: str,
        *,
        values: Mapping[str, object] | None = None,
        once: bool | None = None,
        save: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
        **options: Any,  # noqa: ANN401 - those of `compose`
    ) -> Job:
        """Compose and submit: what `sd.submit` does."""
        scope = None if values is None else NamesScope(values)
        request = self.compose(prompt, scope=scope, **options)
        return self.submit(request, template=None if values is None else prompt, once=once, save=save, timeout=timeout)

    def rehearsed(self, request: ImageRequest) -> ImageRequest:
        """Return a request that will only be shown: what would keep it from being sent is among its warnings."""
        trouble = self.budget.trouble_with(request, self._price(self.backend))
        told = [f"It would be refused. {trouble.message}", *trouble.lines()[1:]] if trouble else []
        return replace(request, warnings=(*request.warnings, *told))

    def endpoint(self) -> Endpoint:
        """Return where requests go now, and with whose key.

        Raises:
            SettingsError: the service needs a key and there is none.
        """
        return find_endpoint(self.settings, login=self.login, environ=self._environ)

    @property
    def backend(self) -> str:
        """The backend that a request would go to now, whether there is a key for it or not."""
        try:
            return self.endpoint().backend
        except SettingsError:
            return "novita"

    @property
    def service_host(self) -> str:
        """The host that a key is for under these settings."""
        return host_of(self.settings.get("base_url"))

    # -- remembering -------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """The generations of this `home`, of all sessions."""
        return self._homes.current.history

    @property
    def budget(self) -> Budget:
        """What this session has spent and may spend."""
        from seedream_nb.budget import Budget

        with self._lock:
            if self._budget is None:
                self._budget = Budget(limit=None, price=0.0)
            self._budget.limit, self._budget.price = self.settings.get("budget"), self.settings.get("price")
            return self._budget

    def usage(self) -> Usage:
        """Return what this session asked for and what came of it, whatever its `home` was meanwhile."""
        return self._homes.usage()

    def find(self, mark: str) -> Generation | Picture:
        """Return what a mark names: `@3` and `@last` a generation, `@3.2` a picture.

        Raises:
            Problem: there is no such thing.
        """
        return self.history.marked(mark)[0] if "." in mark else self.history.generation(mark)

    def star(self, number: int, *, on: bool) -> None:
        """Give a generation a star, or take it away; every kernel that shares the folder sees it.

        Raises:
            OSError: it can't be written down.
        """
        self._homes.current.journal.append("star", number, on=on)

    def recover(self) -> list[Generation]:
        """Fetch every picture whose link is kept and whose file is missing; return the generations concerned."""
        from seedream_nb.fulfil import recover

        self.catch_up()
        tried = [
            self._wait(recover(each, self._tools(for_links(each.backend)), service=self.service_host))
            for each in self.history.lacking(running=self.jobs.ids(self.history.home))
        ]
        self._close_what_was_left()
        return tried

    def catch_up(self) -> str | None:
        """Write what the journal could not be told before, since the disk was full say; return why it still can't."""
        return self._homes.catch_up()

    def reach(self) -> int:
        """Ask whether the service answers, without the key and without a request; return its HTTP status.

        Raises:
            ConnectionFailedError: it does not, and why.
        """
        client = self._clients.of(Endpoint(backend="novita", base_url=self.settings.get("base_url"), found=None))
        return self._wait(client.reach())

    def close(self) -> None:
        """Give back threads, connections and the lock on the journal. The session can still be used: it begins anew."""
        for client in self._clients.forget():
            self.background.start(client.aclose()).result()
        self.background.stop()
        self._homes.close()

    # -- what generations ask of their session (generation.Verbs) -------------------------------------

    def edit(self, generation: Generation, prompt: str, options: Mapping[str, Any]) -> Generation:
        """Generate with a generation's pictures as the first references."""
        check_options("edit", options, ASKED)
        options = dict(options)
        more = as_list(options.pop("images", ()))
        return self.start(prompt, images=[*generation.images, *more], **options).result()

    def rerun(self, generation: Generation, changes: Mapping[str, Any]) -> Generation:
        """Ask the same again; `changes` are options that differ. The prompt is plain text."""
        check_options("rerun", changes, {"prompt", *ASKED})
        options = {"once": False, "defaults": False, **changed(options_of(generation.request), changes)}
        return self.start(**options).result()

    def bundle(self, value: object) -> dict[str, Any]:
        """Return the mime bundle of a generation, a picture or the history."""
        return self._bundle(value) if self._bundle is not None else {"text/plain": str(value)}

    # -- within ------------------------------------------------------------------------------------

    def _price(self, backend: str) -> float:
        return 0.0 if backend == "sandbox" else self.budget.price

    def _close_what_was_left(self) -> None:
        """Write down how far it came, so that no later session tells of it again."""
        home = self._homes.current
        with contextlib.suppress(OSError):
            for each in home.history.left_behind():
                home.journal.append("end", each.id, status=each.status, cost=each.cost)

    def _marked(self, mark: str) -> list[Path]:
        return [picture.path for picture in self.history.marked(mark)]

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for work on the background loop, in a way that an interrupt ends."""
        doing = self.background.start(work)
        try:
            while not doing.done():
                concurrent.futures.wait([doing], timeout=POLL_SECONDS)
        except KeyboardInterrupt:
            doing.cancel()
            raise StoppedError("Stopped. What was fetched is kept; the rest can still be fetched.") from None
        return doing.result()

    def _tools(self, endpoint: Endpoint) -> Tools:
        from seedream_nb.fulfil import Tools

        home, client = self._homes.current, self._clients.of(endpoint)
        self.background.start(client.warm_up()).result()
        return Tools(
            store=home.store,
            journal=home.journal,
            history=home.history,
            budget=self.budget,
            client=client,
            turn=self.background.call(lambda: self.jobs.turn(self.settings.get("concurrency"))),
            verbs=self,
        )
