"""`%seedream doctor`: looks whether everything works, and says what to do where it doesn't."""

from __future__ import annotations

import platform
import shutil
import time
from importlib import metadata
from typing import TYPE_CHECKING, Literal, TypeAlias

from seedream_nb.errors import ConnectionFailedError, SeedreamError, SettingsError, plain
from seedream_nb.frozen import frozen
from seedream_nb.hosts import ELSEWHERE
from seedream_nb.needs import changed_versions
from seedream_nb.notebook.shell import frontend, notebook_name
from seedream_nb.notebook.text_table import paragraph
from seedream_nb.notebook.verbs import no_words
from seedream_nb.notebook.verbs.general import unread
from seedream_nb.service import AUTO, is_free
from seedream_nb.service.lifetime import describe_lifetime
from seedream_nb.settings import SETTINGS
from seedream_nb.workspace import fallback_folder, trouble_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.jobs.job import Job
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation

PAID = "--paid"
PACKAGES = ("ipython", "ipykernel", "ipywidgets", "anywidget", "httpx", "anyio", "pillow", "starlette")
SLEEPY_KERNELS = ("7.0.", "7.1.", "7.2.", "7.3.")
"""ipykernel releases that now and then never run a cell: https://github.com/ipython/ipykernel/issues/1554."""
COMPLETES_FROM = (8, 6)
"""The first IPython that lets an extension complete options."""
LITTLE_ROOM_BYTES = 1_000_000_000
SERVER_ERRORS = 500
NOT_SENT = "Nothing was sent, nothing was billed."


@frozen
class Finding:
    """One thing that was looked at; what is not well comes with its remedy."""

    state: Literal["ok", "note", "wrong"] = "ok"
    message: str
    remedy: str = ""


Look: TypeAlias = "Callable[[Session, InteractiveShell | None], Iterator[Finding]]"


def doctor(rest: str, session: Session, ip: InteractiveShell | None) -> Generation | None:
    """Look at everything, or, with `--paid`, at how the service answers; without a shell this is a terminal."""
    if rest == PAID:
        return look_at_the_service(session, ip)
    no_words("doctor", rest)
    look_around(session, ip)
    return None


def look_at_the_service(session: Session, ip: InteractiveShell | None) -> Generation:
    """Make one picture, and one request that is refused, and write down what the service answers; return the picture.

    Raises:
        SeedreamError: whatever fails a request.
    """
    session.make_ready(session.service)
    from seedream_nb.doctor.paid import Look
    from seedream_nb.notebook.output import wait_below, wait_in_terminal

    def wait(job: Job) -> Generation:
        return wait_in_terminal(job) if ip is None else wait_below(ip, session, job)

    made = Look(session, wait=wait, tell=paragraph).run()
    session.bundle(made)  # made here, where an interrupt is understood
    return made


def look_around(session: Session, ip: InteractiveShell | None) -> int:
    """Look at versions, settings, key, folder, service, network and host; tell what is wrong and what to do.

    Returns:
        How many things are to be fixed.
    """
    reported: dict[str, Finding] = {}
    for look in (_versions, _libraries, _settings, _key, _home, _history, _service, _host):
        for finding in _found(look, session, ip):
            if finding.message not in reported:
                _tell(finding)
            reported.setdefault(finding.message, finding)
    wrong = sum(finding.state == "wrong" for finding in reported.values())
    print(f"\n{wrong} to fix." if wrong else "\nNothing to fix.")
    return wrong


def _found(look: Look, session: Session, ip: InteractiveShell | None) -> Iterator[Finding]:
    """Give what a look finds; one that fails, since a setting is wrong say, ends no other."""
    try:
        yield from look(session, ip)
    except SeedreamError as error:
        yield _trouble(error)
    except OSError as error:
        name = look.__name__.strip("_")
        yield Finding(state="wrong", message=f"The check of {name} failed: {error.strerror or type(error).__name__}.")


def _trouble(error: SeedreamError) -> Finding:
    first, *rest = error.lines()
    # Nothing was to be sent; and what stands in columns elsewhere does not here.
    remedy = "\n".join(" ".join(line.split()) for line in rest).removeprefix(NOT_SENT).strip()
    return Finding(state="wrong", message=first, remedy=remedy or "Correct or unset it.")


def _tell(finding: Finding) -> None:
    paragraph(f"{finding.state:<5} {finding.message}")
    for remedy in finding.remedy.splitlines():
        paragraph(f"→ {remedy}", indent="  ")


def _versions(_session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    found = {name: _version(name) for name in PACKAGES}
    message = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    python = f"seedream-nb {_version('seedream-nb') or '(not installed)'}, Python {platform.python_version()}"
    yield Finding(message=f"{python} on {platform.system()}; {message}")
    if (found["ipykernel"] or "").startswith(SLEEPY_KERNELS):
        yield Finding(
            state="note",
            message=f"ipykernel {found['ipykernel']} now and then never runs a cell, with or without this package.",
            remedy='pip install --upgrade "ipykernel>=7.4", then restart the kernel',
        )


def _libraries(session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    for name, loaded, installed in changed_versions():
        message = f"{name} {installed} is installed, but {name} {loaded} was loaded before."
        yield Finding(state="note", message=message, remedy="Restart the kernel.")
    session.make_ready(session.service)


def _settings(session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    for name in SETTINGS:
        try:
            session.settings.get(name)
        except SettingsError as error:
            yield _trouble(error)
    for message, remedy in unread(session.settings):
        yield Finding(state="note", message=message, remedy=remedy)


def _key(session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    endpoint = session.endpoint()
    if is_free(session.settings.get("backend")):
        yield Finding(
            message="Requests go to the sandbox, an imitation of the service: no key needed, nothing is charged."
        )
    elif endpoint.key is None:
        message = f"No key was found, so requests go to the sandbox, an imitation of the service (backend={AUTO})."
        remedy = ELSEWHERE if session.settings.on_binder else "For real pictures: %seedream login"
        yield Finding(state="note", message=message, remedy="" if endpoint.notices else remedy)
    else:
        message = f"The key comes from {endpoint.key.source}. The first request shows whether the service accepts it."
        yield Finding(message=message)
    for notice in endpoint.notices:
        yield Finding(state="note", message=notice)
    if session.login.path is None:
        message = "This user has no home folder, so %seedream login can't store a key."
        yield Finding(
            state="note",
            message=message,
            remedy=f"Set the key in the environment as {session.settings.service.key_variable}, or set HOME.",
        )


def _home(session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    home, model = session.settings.get("home"), session.settings.model
    default = session.settings.source("home") == "default"
    wanted = session.settings.folder / "seedream" if default else home
    trouble, another = trouble_with(wanted), "Choose another: %seedream config home=FOLDER"
    fallback = fallback_folder()
    if trouble and default and fallback and not trouble_with(fallback):
        message = f"{trouble[:-1]}, so pictures go to {fallback}."
        yield Finding(state="note", message=message, remedy=another)
        return
    if trouble:
        yield Finding(state="wrong", message=trouble, remedy=another)
        return
    free = shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists())).free
    made = "" if home.exists() else ", which is created with the first request"
    message = f"Pictures go to {home}{made}; {free / 1e9:.1f} GB are free there."
    if free < LITTLE_ROOM_BYTES:
        yield Finding(
            state="note",
            message=message,
            remedy=f"A series of {model.max_images} in {model.tiers[-1]} may need a GB: make room.",
        )
    else:
        yield Finding(message=message)


def _history(session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    history = session.history
    unfinished = list(history.unfinished())
    if unfinished:
        marks = ", ".join(generation.mark for generation in unfinished)
        of = f"{len(unfinished)} of {len(history)} generations {'is' if len(unfinished) == 1 else 'are'}"
        links = [item.links[index - 1] for item in unfinished for index in item.missing if index <= len(item.links)]
        held = describe_lifetime(links)
        message = f"{of} unfinished: {plain(marks)}{'; ' if held else ''}{held}"
        yield Finding(
            state="note", message=message, remedy="%seedream recover downloads what it can, and lists the rest."
        )
    if history.damaged:
        left = "it is" if history.damaged == 1 else "they are"
        message = f"{_lines(history.damaged)} of the journal can't be read; {left} left out."
        yield Finding(state="note", message=message, remedy=f"See {history.home / 'journal'}.")
    if history.shortened:
        message, remedy = history.shortened
        yield Finding(state="wrong", message=message, remedy=remedy)
    for name, why in history.unreadable.items():
        message = f"The journal file {plain(name)} can't be read ({plain(why)}); its entries are left out."
        yield Finding(state="wrong", message=message, remedy=f"It is in {history.home / 'journal'}.")
    if history.newer:
        was, are = ("was", "is") if history.newer == 1 else ("were", "are")
        message = f"{_lines(history.newer)} of the journal {was} written by a newer seedream-nb, and {are} left out."
        yield Finding(state="note", message=message, remedy="pip install --upgrade seedream-nb")


def _service(session: Session, _ip: InteractiveShell | None) -> Iterator[Finding]:
    if is_free(session.settings.get("backend")):
        return
    url, begun = session.settings.get("base_url"), time.monotonic()
    try:
        status = session.reach()
    except ConnectionFailedError as error:
        yield _trouble(error)
        yield Finding(state="note", message=_way(url))
        return
    took = f"{time.monotonic() - begun:.1f} s"
    if status >= SERVER_ERRORS:
        yield Finding(
            state="note",
            message=f"{url} answers, but with HTTP {status}: the service has a problem.",
            remedy="Wait a bit and try again.",
        )
    else:
        yield Finding(message=f"{url} answers, in {took}. No picture was requested, so that cost nothing.")
    yield Finding(message=_way(url))


def _way(url: str) -> str:
    """Return in words which way requests go, and whose certificates are believed; both must be usable."""
    from seedream_nb.http.client import authorities, proxy_for

    proxy = proxy_for(url)
    authorities().context()
    way = f"through the proxy {proxy.name} (from {proxy.source})" if proxy else "directly, with no proxy"
    return f"Requests go {way}. Certificates are checked against {plain(str(authorities()))}."


def _host(_session: Session, ip: InteractiveShell | None) -> Iterator[Finding]:
    if ip is None:
        yield Finding(message="This is a terminal, without a notebook.")
        return
    name = notebook_name(ip)
    yield Finding(message=f"This is {frontend(ip)}{f', in {plain(name)}' if name else ''}.")
    if not _completes():
        yield Finding(
            state="note",
            message=f"Tab does not complete options here: IPython {_version('ipython')} can't.",
            remedy="IPython 8.6 or later can. %%seedream? lists the options.",
        )


def _completes() -> bool:
    import IPython

    return tuple(IPython.version_info[:2]) >= COMPLETES_FROM


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _lines(number: int) -> str:
    return f"{number} line{'s' * (number != 1)}"
