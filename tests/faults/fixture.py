"""The fault server as pytest fixtures; `tests.faults` says how it is told what to do."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """Serve on a fresh port, for this test alone, with an empty log."""
    with FaultServer() as server:
        yield server


@dataclass(frozen=True, kw_only=True)
class Tls:
    """A fault server that speaks TLS, and the file with the authority that vouches for it."""

    server: FaultServer
    authority: Path


@pytest.fixture
def tls_fault_server(tmp_path: Path) -> Iterator[Tls]:
    """Serve over TLS with a certificate that nobody trusts who isn't told to."""
    import trustme

    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    with FaultServer(tls=context) as server:
        yield Tls(server=server, authority=path)
