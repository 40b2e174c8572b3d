"""The session, one per kernel: it wires everything together, turns requests into jobs and keeps their results."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
import weakref
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from seedream_nb import needs
from seedream_nb.background import PATIENT_SECONDS, Background
from seedream_nb.budget import Budget, Tally, is_worker
from seedream_nb.compose import Composer, as_list, options_again
from seedream_nb.errors import (
    Problem,
    RequestError,
    SeedreamError,
    SettingsError,
    StoppedError,
    WrongOptionError,
    money,
    plain,
    request_error,
)
from seedream_nb.http.client import Clients
from seedream_nb.jobs.job import POLL_SECONDS, Job
from seedream_nb.jobs.queue import JobQueue
from seedream_nb.jobs.stopping import stoppable
from seedream_nb.keys import Login, Secrets, Unseen, key_in
from seedream_nb.pickling import NotPicklable
from seedream_nb.scope import EmptyScope
from seedream_nb.service.endpoint import Endpoint, Notices, find_endpoint, for_links, host_of, stray_keys
from seedream_nb.service.redaction import shows_key
from seedream_nb.settings import read_setting, user_folder
from seedream_nb.storage.journal import Journal
from seedream_nb.workspace import Workspace, Workspaces, path_as_written, require_room, writable_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from seedream_nb.http.client import Timeouts
    from seedream_nb.http.exchange import Inspection
    from seedream_nb.jobs.pipeline import PipelineContext
    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.scope import Scope
    from seedream_nb.service import Model, Service
    from seedream_nb.settings import Settings
    from seedream_nb.storage.deletion import Deletion
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import History
    from seedream_nb.storage.picture import Picture
    from seedream_nb.storage.store import Store
    from seedream_nb.storage.usage import Usage

OWN_THREAD = (
    "This was called on the background thread of seedream_nb, perhaps by a finalizer: it would wait for itself."
)
BUSY = f"The background thread did not respond within {PATIENT_SECONDS:.0f} s: something keeps Python busy."
NOTHING_SENT = "Nothing was sent, nothing was billed."

Result = TypeVar("Result")


class Session(NotPicklable):
    """Everything that one kernel or script shares: settings, history, budget, running jobs."""

    instead = "Each process has its own, and finds the key itself: call sd.generate there."

    def __init__(  # noqa: PLR0913 - the parts that are wired
        self,
        *,
        settings: Settings,
        scope: Scope | None = None,
        bundle: Callable[[object], dict[str, Any]] | None = None,
        notebook: Callable[[], str | None] = lambda: None,
        journal: Callable[[Path], Journal] = Journal,
        lingers: bool = True,
        timeouts: Timeouts | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Wire a session.

        Args:
            settings: where requests go, and the defaults.
            scope: what the notebook offers; a script offers nothing.
            bundle: returns how a generation or picture is shown.
            notebook: returns the name of the notebook, if it is known.
            journal: makes the journal of a folder.
            lingers: whether the process waits at exit for all that was sent: a script does, a kernel can wait for two
                seconds at most.
            timeouts: how long to wait for connections and downloads; tests wait less.
            tally: what this process, and those that it was forked from, spent before there was a session.
        """
        self.settings, self._environ = settings, Unseen(os.environ)
        self.scope: Scope = scope or EmptyScope()
        self.background = Background()
        self.login = Login(user_folder("config", os.environ))
        self.jobs = JobQueue(lingers=lingers)
        self._composer = Composer(
            settings=settings, scope=self.scope, marked=self._marked,
            fetch=lambda url: self._clients.fetch(url, self.background),
        )  # fmt: skip
        self._bundle, self.notebook, self._notices = bundle, notebook, Notices()
        self.workspaces = Workspaces(settings=settings, journal=journal, verbs=self, running=self.jobs.ids)
        self._clients = Clients(timeouts=timeouts)
        self._secrets = Secrets()
        self.budget = Budget(limit=lambda: settings.get("budget"), tally=tally)
        """What this session has spent, and may spend."""
        self.tally = self.budget.tally
        self._is_told = False
        self._ready: set[bool] = set()
        sessions.add(self)

    # -- sending -----------------------------------------------------------------------------------

    def compose(self, prompt: str, **options: Any) -> ImageRequest:  # noqa: ANN401 - those of `Composer.compose`
        """Make a valid request, or report everything that is wrong with it, as `Composer.compose` does.

        Raises:
            RequestError: lists every problem, unless one of them would show a key; nothing was sent.
        """
        return self.without_key(lambda: self._composer.compose(prompt, **options))

    def without_key(self, read: Callable[[], Result]) -> Result:
        """Do what reads a request's prompt or options; if what is wrong with them would show a key, tell that instead.

        Raises:
            RequestError: what was wrong, or that a key is among it.
        """
        try:
            return read()
        except RequestError as error:
            self._learn_stray_keys()
            if not shows_key("\n".join([str(error), *error.problems]), self._secrets.keys()):
                raise
        raise key_in("the request")  # outside of the block, because the error contains the key

    def submit(
        self,
        request: ImageRequest,
        *,
        template: str | None = None,
        inspection: Inspection | None = None,
        **options: Unpack[CellOptions],
    ) -> Job:
        """Start a request; return at once. Whatever can be checked before sending is checked here.

        Of the options, only those are used that are not part of the request. An `inspection` sees what is sent and
        answered.

        Raises:
            WrongOptionError: `once`, `save` or `timeout` has a value it can't have.
            RequestError: it contains a key.
            SettingsError: no key, a folder that can't be written, no room on the disk.
        """
        self.jobs.open()
        with self.on_the_loop():
            return self.without_key(lambda: self._submit(request, template, inspection, options))

    def _submit(
        self, request: ImageRequest, template: str | None, look: Inspection | None, options: CellOptions
    ) -> Job:
        endpoint = self.endpoint()
        self.refuse_keys(request, endpoint, template=template or "", save=path_as_written(options.get("save")) or "")
        if request.model not in endpoint.service.models:
            raise request_error([Problem(f"{endpoint.service.name} has no model {request.model.name}: name another.")])
        self.make_ready(endpoint.service)
        from seedream_nb.jobs.pipeline import run_pipeline

        folder = writable_folder(save) if (save := options.get("save")) is not None else None
        timeout, once = (self.option(name, options.get(name)) for name in ("timeout", "once"))
        notices, setup_errors = tuple[str, ...](), list[SettingsError]()

        def holding() -> Workspace | None:
            return self.workspaces.holding(request.fingerprint, endpoint.service.name, endpoint.host) if once else None

        with unless(holding, setup_errors):
            notices = self.open_workspace(endpoint, is_here=holding)
        notices += self.notices(endpoint)
        context = self.context(endpoint, holding()).inspected(look)
        job: Job | None = None
        try:
            with self.jobs.lock:  # of two identical requests at the same moment, one sees the other
                others = self.jobs.running(context.store.home)
                with unless(holding, setup_errors):
                    require_room(context.store, request, others, folder)
                job = Job(
                    request, backend=endpoint.service.name, host=endpoint.host,
                    price=self.price(request.model, endpoint.service), timeout=timeout, once=once, save=folder,
                    home=context.store.home, template=template, notebook=self.notebook(), notices=notices,
                )  # fmt: skip
                self.jobs.add(job)
            job.start(self.background, partial(run_pipeline, job, context, others=others, setup_errors=setup_errors))
        except RuntimeError as error:
            if job is not None:
                job.finish(None, no_thread(error))
            raise
        except KeyboardInterrupt:  # it may have started, and the message must be true
            if job is None:
                raise
            job.cancel()
            job.result()
        return job

    def open_workspace(self, endpoint: Endpoint, *, is_here: Callable[[], object] = lambda: None) -> tuple[str, ...]:
        """Make the folder for pictures ready, as `Workspaces.open` does; return what to tell."""
        bought = self.budget.spent or self.budget.reserved
        return self.workspaces.open(first_paid=not endpoint.service.is_free and not bought, is_here=is_here)

    def notices(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return what the next result should tell about settings, each thing once."""
        return (*self._notices.due(endpoint.notices, self.settings.changes), *self._budget_notice())

    def start(self, prompt: str, **options: Any) -> Job:  # noqa: ANN401 - those of `compose`
        """Compose and submit, as `sd.submit` does."""
        request = self.compose(prompt, **options)
        return self.submit(request, template=None if options.get("values") is None else prompt, **options)

    def again(
        self,
        request: ImageRequest,
        changes: Mapping[str, Any],
        *,
        typed: bool = False,
        problems: Sequence[Problem] = (),
    ) -> ImageRequest:
        """Return a request again, with changes; settings don't fill in what it did not specify."""
        return self.compose(**options_again(request, changes), typed=typed, defaults=False, problems=problems)

    def rerun(
        self, request: ImageRequest, changes: Mapping[str, Any] = MappingProxyType({}), *, template: str | None = None
    ) -> Job:
        """Run a request again, with changes. The setting `once` is for cells: here a new result is wanted.

        Args:
            request: the earlier request; its prompt is plain text.
            changes: the options that differ.
            template: the template of the prompt, to be kept with it.

        Raises:
            SeedreamError: what `compose` and `submit` raise.
        """
        if changes.get("values") is not None:
            template = changes.get("prompt", request.prompt)
        options: Any = {"once": False, **changes}
        return self.submit(self.again(request, changes), template=template, **options)

    def make_ready(self, service: Service) -> None:
        """Import and try, once, all that a request needs after it is sent.

        Raises:
            SettingsError: something is broken, or a file is in its way; nothing was sent.
        """
        if service.is_free in self._ready:
            return
        try:
            with needs.imports.going_on():
                needs.load(sandbox=service.is_free)
                from seedream_nb.preview import try_pillow

                try_pillow()
        except Exception as error:
            problem, remedy = needs.explain_broken(error)
            raise SettingsError(problem, hint=f"{NOTHING_SENT} {remedy}") from error
        self._ready.add(service.is_free)

    def rehearsed(self, request: ImageRequest) -> ImageRequest:
        """Return a request that will only be shown; its warnings include what would prevent sending it.

        Raises:
            RequestError: it contains a key.
        """
        with contextlib.suppress(SettingsError):  # it can be shown without a key
            self.refuse_keys(request, self.endpoint())
        error = self.budget.refusal_of(request, self.price(request.model))
        refusal = [f"It would be refused. {error.message}", *error.lines()[1:]] if error else []
        return replace(request, warnings=(*request.warnings, *refusal))

    def endpoint(self) -> Endpoint:
        """Return where requests go now, and with whose key.

        Raises:
            SettingsError: the service needs a key, and there is none.
        """
        return find_endpoint(self.settings, login=self.login, environ=self._environ)

    @property
    def service(self) -> Service:
        """The service that a request would go to now, with or without a key."""
        try:
            return self.endpoint().service
        except SettingsError:
            return self.settings.service

    @property
    def service_host(self) -> str:
        """The host that a key is for, with these settings."""
        return host_of(self.settings.get("base_url"))

    # -- the past ----------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """The generations of this `home`, of all sessions."""
        return self.workspaces.current.history

    @property
    def store(self) -> Store:
        """The files of this `home`."""
        return self.workspaces.current.store

    def holds_key(self, text: str) -> bool:
        """Return whether a text contains a key, or a part of one, that this machine knows of."""
        with contextlib.suppress(SettingsError):
            self._learn(self.endpoint())
        self._learn_stray_keys()
        return shows_key(text, self._secrets.keys())

    def price(self, model: Model, service: Service | None = None) -> float:
        """Return the price of a picture of a model at a service, in USD; None: the service it would go to now."""
        return 0.0 if (service or self.service).is_free else self.settings.price_of(model)

    def usage(self) -> Usage:
        """Return what this session requested and what came of it, in all the folders it used."""
        return self.workspaces.usage()

    def find(self, mark: str) -> Generation | Picture:
        """Return what a mark names: `@3` and `@last` a generation, `@3.2` a picture.

        Raises:
            Problem: there is no such generation or picture.
        """
        return self.history.marked(mark)[0] if "." in mark else self.history.generation(mark)

    def star(self, number: int, *, on: bool) -> None:
        """Star a generation, or remove its star; every kernel that shares the folder sees it.

        Raises:
            OSError: it can't be written down.
        """
        self.workspaces.current.journal.append("star", number, on=on)

    @property
    def deletion(self) -> Deletion:
        """What deletes generations of the current folder, restores them, and removes their files."""
        from seedream_nb.storage.deletion import Deletion

        here, jobs = self.workspaces.current, self.jobs
        return Deletion(here.history, here.journal, lambda: jobs.references(here.history.home))

    def recover(self) -> list[Generation]:
        """Download every missing picture whose link is kept; return the generations concerned."""
        from seedream_nb.jobs.pipeline import recover

        with contextlib.suppress(SettingsError):  # a storage's answer may contain the key, though it is not sent there
            self._learn(self.endpoint())
        self.catch_up()
        tried: list[Generation] = []
        trouble: Exception | None = None
        for generation in self.history.lacking(running=self.jobs.ids(self.history.home)):
            try:
                context = self.context(for_links(generation.backend))
                tried.append(self._wait(partial(recover, generation, context, service=self.service_host)))
            except StoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are paid for too
                trouble = error
        if trouble is not None:
            raise trouble
        self.close_left_behind()
        return tried

    def catch_up(self) -> str | None:
        """Write what the journal could not store before, for example on a full disk; return why that still fails."""
        return self.workspaces.catch_up()

    def reach(self) -> int:
        """Check whether the service answers, without the key and without a request; return its HTTP status.

        Raises:
            ConnectionFailedError: it does not; the message says why.
        """
        base_url = self.settings.get("base_url")
        client = self._clients.of(Endpoint(service=self.settings.service, base_url=base_url, key=None))
        return self._wait(client.reach)

    def close(self) -> None:
        """Release threads, connections and the lock on the journal. The session can be used again."""
        for client in self._clients.forget():
            self.background.start(client.aclose).result()
        self.background.stop()
        self.workspaces.close()

    def reset_after_fork(self) -> None:
        """Start afresh in a forked child, with the same settings; the parent's requests go on there."""
        for part in (self.background, self.jobs, self._clients, self.workspaces):
            part.reset_after_fork()

    # -- for generations (generation.Verbs) -----------------------------------------------------------

    def edit(self, generation: Generation, prompt: str, options: Mapping[str, Any]) -> Generation:
        """Generate with a generation's pictures as the first references."""
        images = [*generation.images, *as_list(options.get("images", ()))]
        return stoppable(lambda: self.start(prompt, **{**options, "images": images}).result(), lambda: self.jobs)

    def run_again(self, request: ImageRequest, changes: Mapping[str, Any]) -> Generation:
        """Do what `rerun` does, and wait for the generation."""
        return stoppable(lambda: self.rerun(request, changes).result(), lambda: self.jobs)

    def bundle(self, value: object) -> dict[str, Any]:
        """Return the mime bundle of a generation, a picture or the history."""
        if self._bundle is None:
            return {"text/plain": str(value)}
        try:
            return self._bundle(value)
        except Exception as error:  # noqa: BLE001 - it was paid for: then it is shown as text
            return {"text/plain": f"{value}\nIt can't be shown here ({type(error).__name__}): %seedream doctor"}

    # -- internal ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def on_the_loop(self) -> Iterator[None]:
        """Turn the failures of the background thread into clear errors, instead of waiting for ever."""
        if threading.current_thread() is self.background.thread:
            raise SeedreamError(OWN_THREAD, hint="Nothing was sent, nothing was billed. Call it from another thread.")
        try:
            yield
        except TimeoutError:
            raise SeedreamError(BUSY, hint=NOTHING_SENT) from None
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # subclasses say themselves what they are
                raise
            raise no_thread(error) from error

    def _budget_notice(self) -> tuple[str, ...]:
        """Warn once that a worker process counts for itself: started anew, it knows nothing of the others."""
        limit, was_told, self._is_told = self.budget.limit, self._is_told, True
        if was_told or limit is None or self.budget.tally.is_shared or not is_worker():
            return ()
        return (f"This worker process counts its budget of {money(limit)} separately from all others.",)

    def option(self, name: str, value: object) -> Any:  # noqa: ANN401 - each has its own type
        """Return an option of a request, or the setting if it is not given; raises WrongOptionError."""
        try:
            read = read_setting(name, value)
        except SettingsError as error:
            raise WrongOptionError(error.message) from None
        return self.settings.get(name) if read is None else read

    def close_left_behind(self) -> None:
        """Write down how far abandoned generations came, so that no later session reports them again."""
        home = self.workspaces.current
        with contextlib.suppress(OSError):
            for generation in home.history.left_behind():
                home.journal.append("end", generation.id, status=generation.status, cost=generation.cost)

    def _marked(self, mark: str) -> list[tuple[str, Path]]:
        return [(picture.mark, picture.path) for picture in self.history.marked(mark)]

    def _wait(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Wait for work on the background loop; an interrupt ends the wait and the work."""
        future = self.background.start(work)
        try:
            while not future.done():
                concurrent.futures.wait([future], timeout=POLL_SECONDS)
        except KeyboardInterrupt:
            future.cancel()
            raise StoppedError("Stopped. What was downloaded is kept; the rest can still be downloaded.") from None
        return future.result()

    def _learn(self, endpoint: Endpoint) -> None:
        """Remember the key, to redact it in all that is kept."""
        self._secrets.learn(endpoint.key)

    def _learn_stray_keys(self) -> None:
        """Remember the keys that a request may contain, even unused ones: sandbox requests are written down too."""
        for key in stray_keys(self.settings, login=self.login, environ=self._environ):
            self._secrets.learn(key)

    def refuse_keys(self, request: ImageRequest, endpoint: Endpoint, *, template: str = "", save: str = "") -> None:
        """Raise RequestError, without showing it, for a key in what would be sent and written down."""
        self._learn(endpoint)
        self._learn_stray_keys()
        places = {
            "the prompt": [request.prompt, template],
            "the name of a reference image": [
                text for image in request.images for text in (image.name, image.url or "")
            ],
            "the folder of `save`": [save],
        }
        for place, texts in places.items():
            self._refuse(place, texts)

    def refuse_key_in(self, place: str, texts: Iterable[str]) -> None:
        """Raise RequestError, without showing it, for a key in texts that would be shown or written down."""
        self._learn_stray_keys()
        self._refuse(place, ["\n".join(texts)])

    def _refuse(self, place: str, texts: Iterable[str]) -> None:
        if any(shows_key(text, self._secrets.keys()) for text in texts):
            raise key_in(place)

    def context(self, endpoint: Endpoint, home: Workspace | None = None) -> PipelineContext:
        """Return what the pipeline works with."""
        from seedream_nb.jobs.pipeline import PipelineContext

        self._learn(endpoint)
        home, client = home or self.workspaces.current, self._clients.of(endpoint)
        self.background.start(client.warm_up).result()
        return PipelineContext(
            store=home.store,
            journal=home.journal,
            history=home.history,
            budget=self.budget,
            client=client,
            limiter=self.background.call(lambda: self.jobs.limiter(self.settings.get("concurrency"))),
            daily_budget=lambda: self.settings.get("daily_budget"),
            pace=self.background.call(lambda: self.jobs.pace(lambda: self.settings.get("rate"))),
            verbs=self,
            secrets=self._secrets,
        )


sessions: weakref.WeakSet[Session] = weakref.WeakSet()
"""The sessions of this process."""


@contextlib.contextmanager
def unless(is_here: Callable[[], object], setup_errors: list[SettingsError]) -> Iterator[None]:
    """Collect, instead of raising, what prevents sending a request, if its result is here already."""
    try:
        yield
    except SettingsError as error:
        if not is_here():
            raise
        setup_errors.append(error)


def no_thread(error: RuntimeError) -> SeedreamError:
    """Return the error for when Python can't start a thread: in a subinterpreter, or at exit."""
    message = f"Requests need a thread of their own, but Python can't start one here: {plain(str(error))}."
    return SeedreamError(message, hint=NOTHING_SENT)
