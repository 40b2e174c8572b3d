"""Proxies and private certificate authorities, against real sockets: no name is looked up, for the proxy leads on."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import pickle
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import (
    ConnectionFailedError,
    DownloadError,
    OutcomeUnknownError,
    ReplyError,
    SeedreamError,
    SettingsError,
)
from seedream_nb.http.client import Client, Timeouts
from seedream_nb.http.connection import PendingConnection, authorities, connection_error
from seedream_nb.http.proxy import proxy_for
from seedream_nb.service import DEFAULT
from seedream_nb.service.body import Body
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import POST, Cut, FaultServer, Reply, jpeg
from tests.faults.proxy import FaultProxy
from tests.posting import FOX, KEY, QUICK, large, post
from tests.tracebacks import variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.proxy import Trouble

SERVICE = "https://service.example"
LONG_LOGIN = "ada.lovelace"
LOGIN, PASSWORD = "ada", "p@ss:w/rd#1"
ESCAPED = "p%40ss%3Aw%2Frd%231"


@dataclass(frozen=True, kw_only=True)
class Company:
    """A service behind a proxy, with a certificate of an authority that only this company trusts."""

    service: FaultServer
    authority: trustme.CA
    pem: Path

    @property
    def leads(self) -> dict[str, int]:
        """What the proxy makes of names."""
        return {f"{name}:443": self.service.port for name in ("service.example", "other.example")}

    def proxy(self, *, refuse: int = 0, trouble: Trouble = "", tls: ssl.SSLContext | None = None) -> FaultProxy:
        """Start its proxy."""
        return FaultProxy(self.leads, refuse=refuse, trouble=trouble, tls=tls)

    def certificate(self, *names: str) -> ssl.SSLContext:
        """Return what a server of these names shows."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture(autouse=True)
def _trusting_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    """Serve `service.example`, and no other name, over TLS."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("service.example").configure_cert(context)
    pem = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(pem))
    with FaultServer(tls=context) as service:
        yield Company(service=service, authority=authority, pem=pem)


@pytest.fixture
def trusted(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Trust the company's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(company.pem))
    return company


# -- through a proxy -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_of_the_environment(trusted: Company, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str) -> None:
    """The service is reached through a tunnel by its name; the proxy sees neither key nor prompt."""
    with trusted.proxy() as proxy:
        monkeypatch.setenv(name, f"{scheme}{proxy.address}")
        assert post(SERVICE).status == 200
    (asked,) = proxy.asked
    assert (asked.method, asked.target) == ("CONNECT", "service.example:443")
    assert "authorization" not in asked.headers
    assert "proxy-authorization" not in asked.headers
    (seen,) = trusted.service.posts
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert "proxy-authorization" not in seen.headers


@pytest.mark.parametrize("password", [ESCAPED, "p@ss:w%2Frd%231"])
def test_a_proxy_with_a_password(trusted: Company, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """User and password, with special characters as they are or as %XX, go to the proxy and no further."""
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}:{password}@{proxy.address}/")
        assert post(SERVICE).status == 200
    kind, _, told = proxy.asked[0].headers["proxy-authorization"].partition(" ")
    assert (kind, base64.b64decode(told).decode()) == ("Basic", f"{LOGIN}:{PASSWORD}")
    assert "proxy-authorization" not in trusted.service.posts[0].headers


def test_a_proxy_that_speaks_tls(trusted: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy with a certificate of the company's authority is trusted as the service is."""
    with trusted.proxy(tls=trusted.certificate("127.0.0.1")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        assert post(SERVICE).status == 200


@pytest.mark.slow
def test_large_references_through_a_proxy(trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A large body goes through the tunnel, its progress told."""
    told: list[int] = []
    body = large(tmp_path)
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        post(SERVICE, body, on_upload=told.append)
    assert told[-1] == body.length == trusted.service.posts[0].size_bytes


def test_the_certificate_must_be_the_services(trusted: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is verified is the service's name, not the proxy's: another's certificate is refused, nothing is sent."""
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        with pytest.raises(ConnectionFailedError, match="its certificate can't be trusted"):
            post("https://other.example")
    assert trusted.service.seen == []


def test_downloads_go_through_the_proxy_too(trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pictures come through the tunnel, side by side on one connection."""
    trusted.service.picture(64, 64, name="a.jpg")
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        assert fetch(f"{SERVICE}/pictures/a.jpg", tmp_path, times=2) > 0
    assert len(proxy.asked) == 1


def test_an_odd_download_through_the_proxy(trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A picture whose head HTTP's parser refuses comes through a proxy too, whose own answer is none of it."""
    content = jpeg(64, 64, number=1)
    raw = b"HTTP/1.1 200 OK\r\nX-Via : a\r\n\r\n" + content
    trusted.service.on("/odd.jpg", Reply(raw=raw, then="close"))
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        assert fetch(f"{SERVICE}/odd.jpg", tmp_path) == len(content)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's list of connections is read")
def test_a_long_wait_behind_a_proxy_gives_signs_of_life(trusted: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection to a proxy is kept alive as one to the service is: proxies forget silent ones, too."""
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        timers: list[str] = []

        def look(_: object) -> Reply:
            timers.extend(timers_of_connections_to(proxy.port))
            return Reply(body=b"{}")

        trusted.service.on(POST, look)
        post(SERVICE)
    assert timers == ["02"]  # keepalive, as proc(5) has it


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's list of connections is read")
def test_a_long_wait_gives_signs_of_life(fault_server: FaultServer) -> None:
    """The connection to a service without a proxy is kept alive too."""
    timers: list[str] = []

    def look(_: object) -> Reply:
        timers.extend(timers_of_connections_to(fault_server.port))
        return Reply(body=b"{}")

    fault_server.on(POST, look)
    post(fault_server.url)
    assert timers == ["02"]


def timers_of_connections_to(port: int) -> list[str]:
    """Return the kind of timer that runs for each open connection to a port of this machine, when it is quiet."""
    established = transmitting = "01"
    deadline = time.monotonic() + 10
    while True:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        timers = [row[5][:2] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == established]
        if transmitting not in timers or time.monotonic() > deadline:
            return timers
        time.sleep(0.01)


# -- around a proxy --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exceptions", "host", "around"),
    [
        ("inside.example", "inside.example", True), ("inside.example", "a.inside.example", True),
        ("inside.example", "notinside.example", False), (".inside.example", "a.inside.example", True),
        (".inside.example", "inside.example", True), ("*.inside.example", "a.inside.example", True),
        ("INSIDE.example", "inside.EXAMPLE", True), ("inside.example", "inside.example.", True),
        ("a.example, inside.example", "inside.example", True), ("a.example inside.example", "inside.example", True),
        ("*", "inside.example", True), ("a.example,*", "inside.example", True), (",", "inside.example", False),
        ("inside.example:8443", "inside.example:8443", True), ("inside.example:8443", "inside.example", False),
        ("inside.example:443", "inside.example", True), ("https://inside.example", "inside.example", True),
        ("10.0.0.0/8", "10.1.2.3", True), ("10.0.0.0/8", "11.1.2.3", False), ("10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "ten.example", False), ("10.1.2.3:8443", "10.1.2.3:8443", True), ("fd00::/8", "[fd00::1]", True),
        ("[fd00::1]", "[fd00::1]", True), ("[fd00::1]:8443", "[fd00::1]:8443", True), ("[fd00::1]", "[fd00::2]", False),
        ("", "127.0.0.1", True), ("", "localhost", True), ("", "[::1]", True), ("", "app.localhost", True),
        ("", "127.8.8.8", True), ("example", "inside.example", True), ("%", "inside.example", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_exceptions(monkeypatch: pytest.MonkeyPatch, name: str, exceptions: str, host: str, around: bool) -> None:
    """`NO_PROXY` is understood as curl, requests and Go spell it; this machine never has a proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv(name, exceptions)
    assert (proxy_for(f"https://{host}/v3") is None) is around


def test_small_letters_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two spellings the one in small letters counts; if it is empty there is no proxy of that kind."""
    monkeypatch.setenv("HTTPS_PROXY", "http://large.example")
    monkeypatch.setenv("https_proxy", "http://small.example")
    found = proxy_for(SERVICE)
    assert found is not None
    assert (found.name, found.source) == ("small.example", "https_proxy")
    monkeypatch.setenv("https_proxy", "")
    assert proxy_for(SERVICE) is None


def test_the_kind_comes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTPS_PROXY` is for https, `HTTP_PROXY` for http, and `ALL_PROXY` for what has none of its own."""
    monkeypatch.setenv("ALL_PROXY", "all.example")
    monkeypatch.setenv("HTTP_PROXY", "plain.example")
    found = [proxy_for(url) for url in (SERVICE, "http://service.example")]
    assert [proxy and proxy.name for proxy in found] == ["all.example", "plain.example"]


def test_this_machine_has_no_proxy(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on this machine is reached though the environment's proxy is dead."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert post(fault_server.url).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "http://ada:secret@nonsense:port"])
def test_the_sandbox_needs_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """The sandbox inside this process works whatever proxies and certificates the environment names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    settings = Settings(environ={}, folder=tmp_path)
    settings.change(backend="sandbox")
    session = Session(settings=settings, lingers=False)
    assert session.start("a fox", size="1K").result().status == "done"
    session.close()


# -- proxies that refuse ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said", "remedy", "tries"),
    [
        (407, "the proxy asks for a user and password, or rejects the given ones (407)", "user:password@host", 1),
        (403, "the proxy doesn't allow it (403)", "allow service.example", 1),
        (502, "the proxy could not reach it (502)", "Check the network", 3),
        (503, "the proxy refused (503)", "Check the network", 3),
    ],
)
def test_a_proxy_that_refuses(  # noqa: PLR0913, PLR0917 - a row of the table
    trusted: Company, monkeypatch: pytest.MonkeyPatch, status: int, said: str, remedy: str, tries: int
) -> None:
    """It is said that it was the proxy, by its name, and what to do; one that will not change is asked once."""
    with trusted.proxy(refuse=status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}:{ESCAPED}@{proxy.address}")
        with pytest.raises(ConnectionFailedError) as failed:
            post(SERVICE)
    assert said in failed.value.message
    assert f"No connection to service.example through the proxy {proxy.address}" in failed.value.message
    assert "Nothing was sent, nothing was billed." in str(failed.value)
    assert remedy in str(failed.value)
    assert len(proxy.asked) == tries
    assert trusted.service.seen == []


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["close", "nonsense", "mute"])
def test_a_proxy_that_makes_trouble(trusted: Company, monkeypatch: pytest.MonkeyPatch, trouble: Trouble) -> None:
    """A proxy that hangs up, is something else, or says nothing: not sent, not billed."""
    with trusted.proxy(trouble=trouble) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        with pytest.raises(ConnectionFailedError, match=f"through the proxy {proxy.address}, tried 2 times"):
            post(SERVICE, timeouts=Timeouts(connect=0.3 if trouble == "mute" else 5.0, connect_pauses=(0.01,)))


def test_a_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that nobody answers at is named; the service is not blamed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}:{ESCAPED}@127.0.0.1:{port}")
    with pytest.raises(ConnectionFailedError) as failed:
        post(SERVICE)
    reason = "the proxy can't be reached, it refused the connection"
    assert failed.value.lines() == [
        f"No connection to service.example through the proxy 127.0.0.1:{port}, tried 3 times: {reason}.",
        "Nothing was sent, nothing was billed. Correct or unset HTTPS_PROXY, or wait until the proxy is back.",
    ]


def test_a_tunnel_that_breaks_after_sending(trusted: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy changes nothing about what may have been billed: after sending, the outcome is unknown."""
    trusted.service.on(POST, Cut(when="body"))
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        with pytest.raises(OutcomeUnknownError):
            post(SERVICE)
    assert len(trusted.service.posts) == 1


def test_a_download_that_the_proxy_refuses(trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy that refuses for good is asked once, and told; the link is kept."""
    with trusted.proxy(refuse=407) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}:{ESCAPED}@{proxy.address}")
        with pytest.raises(DownloadError, match=r"user and password.*\n.*recover") as failed:
            fetch(f"{SERVICE}/a.jpg", tmp_path)
    assert len(proxy.asked) == 1
    assert_silent_about_the_password(failed.value)


@pytest.mark.parametrize(
    "named",
    ["http://", "http://host:port", f"http://{LOGIN}:{PASSWORD}@proxy.example:1", "ftp://proxy.example",
     f"{LOGIN}:{ESCAPED}@proxy.example:x", "socks4://proxy.example", "http://a b", "http://[bad", "http://a\u0001b",
     f"{LOGIN}://{PASSWORD}", "http://proxy.example:99999"],
)  # fmt: skip
def test_what_is_no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str) -> None:
    """What can't be a proxy is an error before sending that names the variable and shows nothing of it."""
    monkeypatch.setenv("HTTPS_PROXY", named)
    with pytest.raises(SettingsError, match="The proxy of HTTPS_PROXY can't be used") as failed:
        post(SERVICE)
    assert failed.value.hint == "Nothing was sent, nothing was billed. Correct or unset HTTPS_PROXY."
    with pytest.raises(DownloadError, match="The proxy of HTTPS_PROXY can't be used") as missing:
        fetch(f"{SERVICE}/a.jpg", tmp_path)
    for error in (failed.value, missing.value):
        assert_silent_about_the_password(error)


@given(password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=4))
def test_whatever_the_password_it_leads_to_the_proxy(password: str) -> None:
    """However a password is spelled, it never passes for another host; if it can't be read, nothing of it is shown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://{LOGIN}:{password}@proxy.example:3128")
        try:
            proxy = proxy_for(SERVICE)
        except SettingsError as error:
            told = str(error)
            assert told.startswith("The proxy of HTTPS_PROXY can't be used: it must read http://host:port")
        else:
            assert proxy is not None
            assert proxy.name == "proxy.example:3128"
            told = repr(proxy)
            assert told == "Proxy(kind='http', name='proxy.example:3128', source='HTTPS_PROXY')"


def test_socks_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy needs a package that need not be there: it is named, nothing is sent."""
    if "socksio" in sys.modules or _installed("socksio"):
        pytest.skip("it is there")
    monkeypatch.setenv("ALL_PROXY", f"socks5://{LOGIN}:{ESCAPED}@127.0.0.1:1080")
    with pytest.raises(SettingsError, match=r"ALL_PROXY can't be used: .*pip install httpx\[socks\]") as failed:
        post(SERVICE)
    assert_silent_about_the_password(failed.value)


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


# -- the password ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["407", "down", "certificate", "broken"])
def test_the_password_of_a_proxy_is_never_shown(
    company: Company, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """Neither message nor traceback nor log, however verbose, holds the password or what it is sent as."""
    caplog.set_level(logging.DEBUG)
    if fault == "broken":
        monkeypatch.setenv("SSL_CERT_FILE", str(company.pem))
        company.service.on(POST, Cut(when="body"))
    with company.proxy(refuse=407 if fault == "407" else 0) as proxy:
        port = 1 if fault == "down" else proxy.port
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}:{ESCAPED}@127.0.0.1:{port}")
        with pytest.raises(SeedreamError) as failed:
            post(SERVICE)
    assert_silent_about_the_password(failed.value)
    assert not [word for word in secrets() if word in caplog.text]


@pytest.mark.parametrize("trouble", ["echo", "garbled echo"])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_what_a_proxy_echoes_of_its_login_is_never_shown(
    trusted: Company, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: Trouble, scheme: str
) -> None:
    """A proxy that repeats user and password in its refusal, however spelled: neither error, cause nor log has them."""
    caplog.set_level(logging.DEBUG)
    with trusted.proxy(trouble=trouble) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{LONG_LOGIN}:{ESCAPED}@{proxy.address}")
        client = Client(base_url=f"{scheme}://service.example", key=None, timeouts=QUICK)
        reply = error = None
        try:
            reply = asyncio.run(client.post(Body(FOX, [])))
        except SeedreamError as caught:
            error = caught
        error = error or client.refusal(reply or pytest.fail("no answer"), DEFAULT.model)
        with pytest.raises(SeedreamError) as unreached:
            asyncio.run(client.download(f"{scheme}://service.example/a.jpg", Path("a.jpg")))
    assert proxy.asked
    for each in (error, unreached.value):
        assert_silent_about_the_password(each)
        assert LONG_LOGIN not in f"{each}{each!r}{each.__cause__!r}"
        assert not [word.encode() for word in secrets() if word.encode() in pickle.dumps(each)]
    assert not [word for word in [*secrets(), LONG_LOGIN] if word in caplog.text]


def asking(folder: Path) -> Session:
    """Return a session of the company's."""
    settings = Settings(environ={}, folder=folder)
    settings.change(base_url=SERVICE, api_key=KEY)
    return Session(settings=settings, lingers=False)


def echoes() -> list[str]:
    """Return what shows the login, as a proxy may have written it into what it passes on."""
    return [*secrets(), LONG_LOGIN]


@pytest.mark.parametrize("kind", ["senseless", "says", "refused", "links", "broken off"])
def test_what_a_reply_echoes_of_a_proxys_login_is_kept_and_shown_nowhere(
    trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """Neither error, result, warning, links nor journal have user or password that stand in a reply of status 200."""
    login = f"{LONG_LOGIN}:{PASSWORD}"
    sent = base64.b64encode(login.encode()).decode()
    link = f"{SERVICE}{trusted.service.on('/1.jpg', Reply(body=jpeg(64, 64))).removeprefix(trusted.service.url)}"
    link += f"?via={LONG_LOGIN}:{ESCAPED}&sent={sent}"
    error = {"error": {"code": login, "message": f"not through {login} ({sent})"}}
    body = {
        "senseless": f"no {login} {sent}".encode(),
        "says": json.dumps({"message": f"no {login} {sent}"}).encode(),
        "refused": json.dumps({"images": [link, error]}).encode(),
        "links": json.dumps({"images": [link]}).encode(),
        "broken off": json.dumps({"images": [link, error]}).encode()[:-1],
    }[kind]
    trusted.service.on(POST, Reply(body=body))
    shown = []
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LONG_LOGIN}:{ESCAPED}@{proxy.address}")
        session = asking(tmp_path)
        try:
            session.start("a fox", max_images=2).result()
        except SeedreamError as caught:
            shown += [str(caught), repr(caught), *variables(caught), str(pickle.dumps(caught))]
        session.recover()
    generation = session.history[-1]
    session.close()
    shown += [str(generation), repr(generation), repr(generation.links), str(generation.warnings)]
    shown += [path.read_text("latin-1") for path in (tmp_path / "seedream" / "journal").rglob("*") if path.is_file()]
    assert not [word for word in echoes() if any(word in each for each in shown)]
    if kind in {"links", "refused", "broken off"}:  # fetched as it came
        assert [seen.path for seen in trusted.service.gets] == [link.removeprefix(SERVICE)]
        assert len(generation) == 1


def test_a_proxys_user_destroys_no_link(trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A link that has the user's name as a word of its own is kept as it came, so that a later process fetches it."""
    gone, there = Reply(status=404), Reply(body=jpeg(64, 64))
    link = f"{SERVICE}/{trusted.service.on(f'/{LONG_LOGIN}/1.jpg', gone, there).rpartition('//')[2].partition('/')[2]}"
    trusted.service.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LONG_LOGIN}:{ESCAPED}@{proxy.address}")
        session = asking(tmp_path)
        with pytest.raises(DownloadError):
            session.start("a fox").result()
        session.close()
        later = asking(tmp_path)
        (recovered,) = later.recover()
        later.close()
    assert (recovered.status, recovered.links) == ("done", [link])


def test_a_proxys_user_destroys_no_link_of_a_reply_that_is_kept(
    trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The links of a reply that makes no sense stay whole too."""
    body = json.dumps({"images": [[f"{SERVICE}/{LONG_LOGIN}/1.jpg"]]}).encode()
    trusted.service.on(POST, Reply(body=body))
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LONG_LOGIN}:{ESCAPED}@{proxy.address}")
        session = asking(tmp_path)
        with pytest.raises(ReplyError) as failed:
            session.start("a fox").result()
        session.close()
    assert bytes(failed.value.content) == body


def test_a_text_in_place_of_a_picture_shows_no_login(
    trusted: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A text that the reply has in place of a picture is told without what it repeats of the login."""
    text = base64.b64encode(f"no: {LONG_LOGIN[3:]}".encode()).decode()
    trusted.service.on(POST, Reply(body=json.dumps({"images": [f"data:image/png;base64,{text}"]}).encode()))
    with trusted.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LONG_LOGIN}:{ESCAPED}@{proxy.address}")
        session = asking(tmp_path)
        with pytest.raises(DownloadError, match="not a picture but text: no: …"):
            session.start("a fox").result()
        session.close()


def secrets() -> list[str]:
    """Return the password in each form that it has on its way."""
    sent = [base64.b64encode(f"{login}:{PASSWORD}".encode()).decode() for login in (LOGIN, LONG_LOGIN)]
    return [PASSWORD, ESCAPED, *sent, "w/rd", "w%2Frd"]


def assert_silent_about_the_password(error: BaseException) -> None:
    """Look at an error as a verbose traceback does."""
    shown = [str(error), repr(error), *variables(error)]
    cause = error.__cause__ or error.__context__
    while cause is not None:
        shown.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    assert not [(word, each) for word in secrets() for each in shown if word in each]


# -- certificates ----------------------------------------------------------------------------------


def reached(company: Company, monkeypatch: pytest.MonkeyPatch) -> int:
    """Send a request through the company's proxy; return the status."""
    with company.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        return post(SERVICE).status


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_in_a_file(company: Company, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A private authority in a file is trusted, by each of the names that companies set."""
    monkeypatch.setenv(name, str(company.pem))
    assert reached(company, monkeypatch) == 200


@pytest.mark.parametrize("name", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_in_a_folder(company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """A folder of certificates, named as OpenSSL wants them, is trusted too."""
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / f"{subject_hash(company.pem)}.0").write_bytes(company.pem.read_bytes())
    monkeypatch.setenv(name, str(folder) if name != "SSL_CERT_DIR" else f"/nowhere{os.pathsep}{folder}")
    assert reached(company, monkeypatch) == 200


def subject_hash(pem: Path) -> str:
    """Return the name that OpenSSL looks a certificate up by: its subject, spelled in one way, hashed."""
    import hashlib

    from cryptography import x509

    def tagged(tag: int, content: bytes) -> bytes:
        assert len(content) < 128
        return bytes([tag, len(content)]) + content

    subject = x509.load_pem_x509_certificate(pem.read_bytes()).subject
    spelled = b""
    for part in subject:
        text = " ".join(str(part.value).lower().split()).encode()
        numbers = [int(number) for number in part.oid.dotted_string.split(".")]
        oid = bytes([40 * numbers[0] + numbers[1], *numbers[2:]])
        spelled += tagged(0x31, tagged(0x30, tagged(0x06, oid) + tagged(0x0C, text)))
    return f"{int.from_bytes(hashlib.sha1(spelled, usedforsecurity=False).digest()[:4], 'little'):08x}"


def test_the_names_of_openssl_come_first(company: Company) -> None:
    """`SSL_CERT_FILE` and `SSL_CERT_DIR` count together; requests' and curl's only without them, in this order."""
    own = {"SSL_CERT_FILE": str(company.pem), "SSL_CERT_DIR": "/a"}
    others = {"REQUESTS_CA_BUNDLE": "/r", "CURL_CA_BUNDLE": "/c"}
    assert str(authorities({**own, **others})) == f"SSL_CERT_FILE={company.pem} and SSL_CERT_DIR=/a"
    assert str(authorities({**others, "SSL_CERT_FILE": ""})) == "REQUESTS_CA_BUNDLE=/r"
    assert str(authorities({"CURL_CA_BUNDLE": "/c"})) == "CURL_CA_BUNDLE=/c"
    assert str(authorities({})) == "the public authorities (certifi)"


def test_an_authority_that_nobody_named(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the certificate is refused before anything is sent; the message names the remedy."""
    with pytest.raises(ConnectionFailedError, match="certificate can't be trusted") as failed:
        reached(company, monkeypatch)
    assert "SSL_CERT_FILE" in str(failed.value)
    assert company.service.seen == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("what", ["nothing", "text", "empty", "der"])
def test_what_is_no_authority(
    company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, what: str
) -> None:
    """A file that isn't there, or holds no certificate in PEM, is a setting to mend: nothing is sent or billed."""
    path = tmp_path / "named.pem"
    contents = {"text": b"no certificate", "empty": b"", "der": ssl.PEM_cert_to_DER_cert(company.pem.read_text())}
    if what in contents:
        path.write_bytes(contents[what])
    monkeypatch.setenv(name, str(path))
    with pytest.raises(
        SettingsError, match=rf"The certificates that {name} names can't be used: .*named\.pem"
    ) as failed:
        reached(company, monkeypatch)
    assert failed.value.hint == f"Nothing was sent, nothing was billed. Correct or unset {name}."
    assert company.service.seen == []


def test_mending_the_environment_needs_no_new_kernel(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names the authority after a refusal is believed by the same client."""

    async def twice() -> int:
        client = Client(base_url=SERVICE, key=None, timeouts=QUICK)
        with pytest.raises(ConnectionFailedError):
            await client.post(Body(FOX, []))
        monkeypatch.setenv("SSL_CERT_FILE", str(company.pem))
        return (await client.post(Body(FOX, []))).status

    with company.proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        assert asyncio.run(twice()) == 200


def fetch(link: str, folder: Path, *, times: int = 1) -> int:
    """Download a link, with one client; return the size."""

    async def download() -> int:
        client = Client(base_url=SERVICE, key=None, timeouts=QUICK)
        try:
            return [await client.download(link, folder / f"{number}") for number in range(times)][-1]
        finally:
            await client.aclose()

    return asyncio.run(download())


def test_a_question_is_not_ended_twice() -> None:
    """Why there is no connection may be a question: no full stop goes after it."""
    error = socket.gaierror(socket.EAI_NONAME, "unknown")
    told = connection_error(error, PendingConnection(), host="x.test", proxy=None, seconds=1, tries=1)
    assert told.message.endswith("online?")
