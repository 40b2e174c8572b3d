"""The guard: a test that would leave this machine fails, whatever becomes of the error."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.guard import loopback

CHECKOUT = Path(__file__).parents[1]

# 192.0.2.1 belongs to nobody (RFC 5737), and names under .invalid exist nowhere (RFC 2606):
# even with the guard broken nothing would get far.
ATTEMPTS = {
    "connects": 'socket.create_connection(("192.0.2.1", 80), timeout=0.1)',
    "connects_quietly": 'socket.socket().connect_ex(("192.0.2.1", 80))',
    "sends": 'socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 9))',
    "looks_up": 'socket.getaddrinfo("service.invalid", 443)',
}

PLACES = {
    "itself": """
def test_{name}_itself():
    attempt_{name}()
""",
    "thread": """
def test_{name}_thread():
    thread = threading.Thread(target=attempt_{name})
    thread.start()
    thread.join()
""",
    "child": """
def test_{name}_child():
    subprocess.run([sys.executable, "-c", "import socket; " + {code!r}], stderr=subprocess.DEVNULL)
""",
}

SWALLOW = """
def attempt_{name}():
    with contextlib.suppress(OSError):
        {code}
"""

TESTS = """
import contextlib, socket, subprocess, sys, threading

def test_stays():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        socket.create_connection(("localhost", server.getsockname()[1])).close()
"""


def written() -> str:
    """Return a test file in which every test but one tries to leave this machine, and hides that."""
    attempts = ATTEMPTS.items()
    bodies = [body.format(name=name, code=code) for name, code in attempts for body in (SWALLOW, *PLACES.values())]
    return TESTS + "\n".join(bodies)


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run that file under the guard, in a process of its own; return by each test's name why it failed."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "test_guarded.py").write_text(written(), "utf-8")
    report = folder / "report.xml"
    guarded = [sys.executable, "-m", "pytest", "-p", "tests.guard.plugin", "-p", "no:cacheprovider"]
    subprocess.run(
        [*guarded, "--rootdir", str(folder), "--junit-xml", str(report), str(folder)],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )
    cases = ET.parse(report).iter("testcase")
    return {case.attrib["name"]: "".join(bad.attrib["message"] for bad in case) for case in cases}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ATTEMPTS)
@pytest.mark.slow
def test_leaving_fails(complaints: dict[str, str], name: str, place: str) -> None:
    """A test fails that connects, sends or looks up a name: itself, in a thread, or in a child process."""
    complaint = complaints[f"test_{name}_{place}"]

    assert "This tried to leave the machine:" in complaint
    assert ("service.invalid" if name == "looks_up" else "192.0.2.1") in complaint


@pytest.mark.slow
def test_loopback_is_free(complaints: dict[str, str]) -> None:
    """A test may connect to servers of its own."""
    assert complaints["test_stays"] == ""


HERE = (None, "", b"", "localhost", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1")
ELSEWHERE = (
    "192.0.2.1",
    b"192.0.2.1",
    "10.0.0.1",
    "169.254.169.254",
    "fe80::1%eth0",
    "::ffff:192.0.2.1",
    "a.b",
    7,
)


@pytest.mark.parametrize("host", HERE)
def test_this_machine(host: object) -> None:
    """Loopback in all its spellings is this machine."""
    assert loopback.stays_here(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_other_machines(host: object) -> None:
    """Any other address or name is not, private and link-local ones included."""
    assert not loopback.stays_here(host)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has internet sockets only")
def test_other_kinds_of_sockets() -> None:
    """A socket that is no internet socket can't leave this machine."""
    with socket.socket(socket.AF_UNIX) as local:
        assert loopback.target("socket.connect", (local, "192.0.2.1")) is None
