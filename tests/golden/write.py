"""Writes a golden folder with the code of today: run by hand, once for each release, before it is out.

    python -m tests.golden.write

It makes `tests/golden/VERSION/`, which must not be there yet, from requests to a service on this machine. Afterwards
each address of that service stands there as `service.example`, for the folder is to be the same to everybody.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from seedream_nb import __version__
from seedream_nb.errors import SeedreamError
from seedream_nb.http.client import Timeouts
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.storage.journal import Journal, write_all
from tests.faults import POST, Cut, FaultServer, Links, Reply, Stall, jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.waiting import until

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = Timeouts(download_pauses=(), refused_pauses=(60.0,))
SENSITIVE = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "it may contain sensitive content"}}
HOST, LONGEST_SECONDS = "service.example", 30.0


def write(folder: Path) -> None:
    """Write the folder of a person to whom everything has happened, in the order of the ids."""
    with tempfile.TemporaryDirectory() as work, FaultServer() as server, contextlib.chdir(work):
        (Path(work) / "sketch.jpg").write_bytes(jpeg(96, 64, number=20))
        session = begun(server.url)
        whole(session)
        with_references(session)
        incomplete(session, server)
        odd_replies(session, server)
        ended_otherwise(session, server)
        told_later(session)
        session.close()
        left_behind(server)
        sent_again(server)
        shutil.copytree(Path(work) / "seedream", folder, ignore=shutil.ignore_patterns(".gitignore", "claims"))
    for path in folder.glob("journal/*.jsonl"):
        path.write_bytes(made_public(path.read_bytes(), server))


def whole(session: Session) -> None:
    """Ask for one picture by a template (@1), and for a series (@2)."""
    values = {"animal": "fox 狐"}
    session.start("a {animal} in the snow", values=values, size="1K").result()
    session.start("four seasons of a garden", max_images=3, size="16:9", watermark=False).result()


def with_references(session: Session) -> None:
    """Ask with a file and a URL (@3), and with an earlier result (@4)."""
    session.start("as image 1, lit as image 2", images=["sketch.jpg", "https://pictures.example/light.png"]).result()
    session.start("the same fox asleep", images=session.history[1][0]).result()


def incomplete(session: Session, server: FaultServer) -> None:
    """Lose a picture of two for good (@5), and one that is recovered later (@6)."""
    server.on(POST, replied(server.picture(48, 64), f"{server.url}/gone.jpg"))
    expect(lambda: session.start("two owls", max_images=2).result())
    server.on(POST, replied(server.picture(48, 64), server.picture(64, 48, Reply(status=404))))
    expect(lambda: session.start("two herons", max_images=2).result())
    session.recover()


def odd_replies(session: Session, server: FaultServer) -> None:
    """Get two of three with one refused (@7), a picture within the reply (@8), and a reply without sense (@9)."""
    server.on(POST, replied(server.picture(64, 64), SENSITIVE, server.picture(64, 48)))
    session.start("three knights", max_images=3).result()
    server.on(POST, replied(f"data:image/jpeg;base64,{base64.b64encode(jpeg(64, 64, number=21)).decode()}"))
    session.start("a letter in a bottle").result()
    server.on(POST, Reply(body=b"<html>Welcome to the hotel's network</html>"))
    expect(lambda: session.start("a lighthouse").result())


def ended_otherwise(session: Session, server: FaultServer) -> None:
    """Be refused (@10), stop while the service refuses it for now (@11), lose the connection (@12), imitate (@13)."""
    server.on(POST, Reply(status=400, body=b'{"message": "the prompt is not allowed"}'))
    expect(lambda: session.start("something forbidden").result())
    server.on(POST, Reply(status=429))
    job = session.start("a queue at the gate")
    until(lambda: job.wait)
    job.cancel()
    expect(job.result)
    server.on(POST, Cut(when="body"))
    expect(lambda: session.start("a broken bridge").result())
    session.settings.change(backend="sandbox")
    imitated = session.start("a stage set", size="1K").result()
    imitated[0].path.unlink()  # some people tidy up
    session.settings.change(backend="auto")


def told_later(session: Session) -> None:
    """Ask for @1 once more with `once`; star @1 and @2, and @2 no more."""
    session.start("a fox 狐 in the snow", size="1K", once=True).result()
    for number, on in ((1, True), (2, True), (2, False)):
        session.star(number, on=on)


def left_behind(server: FaultServer) -> None:
    """Let a process die that waits for an answer (@14), and in the middle of its last line, a picture's (@15)."""
    server.on(POST, Stall(when="body"), Links(width=48, height=48))
    command = [sys.executable, "-m", "tests.golden.write", server.url]
    subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=LONGEST_SECONDS)


def die_within_a_line(url: str) -> NoReturn:
    """Be that process."""

    def torn(descriptor: int, content: bytes) -> None:
        if b'"event":"file"' in content:
            write_all(descriptor, content[: len(content) // 2])
            os._exit(0)
        write_all(descriptor, content)

    session = begun(url, journal=lambda folder: Journal(folder, write=torn))
    first = session.start("an hourglass")
    until(lambda: first.sent)
    session.start("a candle").result()
    raise SystemExit("It should have died.")


def sent_again(server: FaultServer) -> None:
    """Be refused for now, and get a picture when it is sent again (@16), in a kernel of its own."""
    server.on(POST, Reply(status=429), Links())
    session = begun(server.url, timeouts=Timeouts(refused_pauses=(0.01,)))
    session.start("a walk after the storm", size="1K").result()
    session.close()


def begun(url: str, timeouts: Timeouts = PATIENCE, journal: Callable[[Path], Journal] = Journal) -> Session:
    """Begin a session in the current folder."""
    settings = Settings(environ={}, folder=Path.cwd())
    settings.change(base_url=url, api_key="sk_golden")
    return Session(
        settings=settings, lingers=False, timeouts=timeouts, notebook=lambda: "golden.ipynb", journal=journal
    )


def replied(*items: object) -> Reply:
    """Return the service's reply with these items."""
    return Reply(body=json.dumps({"images": items}).encode())


def expect(ask: Callable[[], object]) -> None:
    """Ask for what comes to no good end."""
    try:
        ask()
    except SeedreamError:
        return
    raise AssertionError("It should have failed.")


def made_public(content: bytes, server: FaultServer) -> bytes:
    """Name the service in place of this machine's port."""
    for ours, public in ((server.url, f"https://{HOST}"), (f"127.0.0.1:{server.port}", HOST), ("127.0.0.1", HOST)):
        content = content.replace(ours.encode(), public.encode())
    return content


if __name__ == "__main__":
    if sys.argv[1:]:
        die_within_a_line(sys.argv[1])
    write(HERE / __version__)
