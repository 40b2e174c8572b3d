"""Whose certificates are believed: those that the environment names, else the public authorities."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLIC = "the public authorities (certifi)"


@dataclass(frozen=True, kw_only=True)
class Authorities:
    """What the environment names: `files` by variable, each a PEM file or a folder of such; none: the public ones."""

    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Read as what stands in the environment."""
        return " and ".join(f"{name}={path}" for name, path in self.files) or PUBLIC

    def context(self) -> ssl.SSLContext:
        """Read the certificates, which takes 20 ms and belongs into a thread.

        Raises:
            SettingsError: a file that isn't there, or holds no certificate.
        """
        if not self.files:
            import httpx

            return httpx.create_ssl_context(trust_env=False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for name, path in self.files:
            _load(context, name, path)
        return context


def authorities(environ: Mapping[str, str] = os.environ) -> Authorities:
    """Return whose certificates are to be believed.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` count, both together, as they do for OpenSSL. Where neither is set,
    `REQUESTS_CA_BUNDLE` or else `CURL_CA_BUNDLE` does, a file or a folder: companies whose proxies look inside set
    those for requests, pip and curl. With none of them the public authorities are believed. An empty one is not set.
    """
    found = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    found = found or [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)][:1]
    return Authorities(files=tuple((name, environ[name]) for name in found))


def _load(context: ssl.SSLContext, name: str, path: str) -> None:
    # OpenSSL takes several folders; it says nothing of one that isn't there.
    if name == "SSL_CERT_DIR" or Path(path).is_dir():
        if not any(Path(each).is_dir() for each in path.split(os.pathsep)):
            raise _unreadable(name, path, "no such folder")
        context.load_verify_locations(capath=path)
        return
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise _unreadable(name, path, "it holds no certificate in PEM") from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, path, getattr(error, "strerror", None) or type(error).__name__) from None


def _unreadable(name: str, path: str, why: str) -> SettingsError:
    return SettingsError(
        f"The certificates that {name} names can't be used: {path}: {why}.",
        hint=f"Nothing was sent, nothing was billed. Correct or unset {name}.",
    )
