"""What it means that no connection came about: who stood in the way, and what can be done. Nothing was sent."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from seedream_nb.client.lines import causes, why
from seedream_nb.client.proxies import corrected, refused_with
from seedream_nb.errors import ConnectionFailedError

if TYPE_CHECKING:
    from seedream_nb.client.lines import Connecting
    from seedream_nb.client.proxies import Proxy

NOT_SENT = "Nothing was sent, nothing was billed."
CHECK = "Check the network, then run it again."
TRUST = "If your company looks into connections, name its certificates: SSL_CERT_FILE=/path/to/them.pem"
LOG_IN = "Name them in {source}: http://user:password@host:port; a special character is written as %XX."
EXCEPT = "Ask who runs the proxy of {source} to allow {host}."


def no_connection(  # noqa: PLR0913 - what happened, where, and on which way
    error: BaseException, connecting: Connecting, *, host: str, proxy: Proxy | None, seconds: float, tries: int
) -> ConnectionFailedError:
    """Return the error for a connection to `host` that did not come about within `seconds`."""
    status = barring(error)
    reason = f"no answer within {seconds:.0f} s" if isinstance(error, TimeoutError) else why(error)
    if proxy is not None and not connecting.reached:
        reason = f"the proxy can't be reached, {reason}"
    through = f" through the proxy {proxy.name}" if proxy is not None else ""
    tried = f", tried {tries} times" if tries > 1 else ""
    remedy = CHECK
    if proxy is not None and status == 407:  # noqa: PLR2004
        remedy = LOG_IN.format(source=proxy.source)
    elif proxy is not None and status is not None:
        remedy = EXCEPT.format(source=proxy.source, host=host)
    elif proxy is not None and not connecting.reached:
        remedy = f"{corrected(proxy.source)}, or wait until the proxy is back."
    elif any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
        remedy = TRUST
    told = f"No connection to {host}{through}{tried}: {reason}{'' if reason.endswith('?') else '.'}"
    return ConnectionFailedError(told, hint=f"{NOT_SENT} {remedy}")


def barring(error: BaseException) -> int | None:
    """Return the status with which a proxy refused for good: asking again changes nothing, or locks an account."""
    import httpx

    for cause in causes(error):
        if isinstance(cause, httpx.ProxyError):
            status = refused_with(cause)
            return status if status is not None and 400 <= status < 500 else None  # noqa: PLR2004 - HTTP's refusals
    return None
