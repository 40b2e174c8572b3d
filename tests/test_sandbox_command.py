"""`python -m seedream_nb.sandbox`: it says where it is, and ends cleanly whatever it is doing."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedream_nb.sandbox.__main__ import listen, read_options
from tests.service.description import PATH
from tests.service.plain import HEADERS, KEY, received, served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.plain import Served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals to another process")
SIGNALS = [signal.SIGINT, signal.SIGTERM]
FOX = b'{"prompt": "a fox", "size": "1024x1024"}'
MANY = b'{"prompt": "a fox", "size": "4096x4096", "sequential_image_generation": "auto", "max_images": 15}'


def request(body: bytes, length: int | None = None) -> bytes:
    """Return a request as it goes over the wire."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


def check_the_end(sandbox: Served, folder: Path) -> None:
    """Wait for the end of a sandbox, and look at what it left."""
    output = sandbox.process.communicate(timeout=30)
    assert (sandbox.process.returncode, output) == (0, ("", ""))
    assert list(folder.iterdir()) == []
    listen(sandbox.port).close()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.slow
def test_end_at_rest(tmp_path: Path, number: signal.Signals) -> None:
    """After its work it ends with 0, silent, its port free and its folder of pictures, private till then, gone."""
    with served(tmp_path, "--api-key", KEY) as sandbox:
        assert sandbox.ask(FOX).status == 200
        assert [folder.stat().st_mode & 0o777 for folder in tmp_path.iterdir()] == [0o700]
        sandbox.process.send_signal(number)
        check_the_end(sandbox, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "times"), [(signal.SIGINT, 3), (signal.SIGTERM, 1)])
def test_end_with_requests_in_progress(tmp_path: Path, number: signal.Signals, times: int) -> None:
    """Requests that wait, send or have pictures painted are answered with a 503, and it ends as it does at rest."""
    with served(tmp_path, "--latency", "60") as sandbox:
        waiting = [sandbox.connect(request(FOX)), sandbox.connect(request(MANY)), sandbox.connect(request(b"{", 500))]
        waiting.append(sandbox.connect(b"POST /v3/see"))
        # Answered only when those before were read.
        assert sandbox.ask(b"").status == 400
        for _ in range(times):
            sandbox.process.send_signal(number)
        check_the_end(sandbox, tmp_path)
        answers = [received(connection) for connection in waiting]
        assert [answer[:13] for answer in answers] == [b"HTTP/1.1 503 "] * 3 + [b""]
        assert all(b'"code":503' in answer for answer in answers[:3])


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_end_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """It can be ended from the moment that it has said where it is."""
    with served(tmp_path) as sandbox:
        sandbox.process.send_signal(number)
        check_the_end(sandbox, tmp_path)


def run(*options: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "seedream_nb.sandbox"]), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.slow
def test_a_port_that_is_taken() -> None:
    """A port that is taken is an error of one line."""
    with listen(0) as taken:
        done = run("--port", str(taken.getsockname()[1]))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    "options",
    [("--fail", "200"), ("--api-key", ""), ("--port", "99999"), ("--latency", "-1"), ("--link-ttl", "nan"),
     ("--latency", "soon"), ("--port", "x")],
    ids=range(7),
)  # fmt: skip
@pytest.mark.slow
def test_bad_options(options: tuple[str, str]) -> None:
    """An option that makes no sense ends it with 2 and words that name it, and no traceback."""
    done = run("--port", "0", *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_without_uvicorn() -> None:
    """Where uvicorn is missing it says how to install it."""
    done = run(
        code="import sys; sys.modules['uvicorn'] = None; from seedream_nb.sandbox.__main__ import main; exit(main())"
    )
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--port", "--latency", "--link-ttl", "--seed"])
@pytest.mark.parametrize("number", ["٣", "1_0", "inf", "1e400", "-1"])
def test_a_number_that_nobody_means_is_refused(option: str, number: str) -> None:
    """Digits of other scripts, Python's underscores, what no clock holds."""
    with pytest.raises(SystemExit):
        read_options([f"{option}={number}"])


def test_the_options_are_those_of_the_documentation() -> None:
    """The documented options, with their defaults: any key, no failures, links that live a day."""
    options = read_options([])
    assert (options.port, options.latency, options.fail, options.link_ttl, options.api_key) == (
        8787,
        0,
        None,
        86400,
        None,
    )
