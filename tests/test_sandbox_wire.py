"""The sandbox over a real connection, asked by a client that knows only the reference pages."""

from __future__ import annotations

import gzip
import io
import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.service.description import PATH, problems
from tests.service.plain import HEADERS, KEY, Answer, Served, received, served

if TYPE_CHECKING:
    from collections.abc import Iterator

# A real server in a process of its own.
pytestmark = pytest.mark.slow

JSON, BEARER = HEADERS
FOX = {"prompt": "a fox", "size": "1024x1024"}
FOX_BYTES = json.dumps(FOX).encode()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve one sandbox with a key to all tests of this file; it must have had nothing to complain of."""
    with served(tmp_path_factory.mktemp("served"), "--api-key", KEY) as one:
        yield one
        one.process.terminate()
        assert one.process.communicate(timeout=20) == ("", "")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a sandbox that answers 503 to each request that breaks no rule: so no picture need be painted."""
    with served(tmp_path_factory.mktemp("served"), "--api-key", KEY, "--fail", "503") as one:
        yield one


def is_refusal(answer: Answer, status: int) -> bool:
    """Return whether an answer has a status and the service's error body for it."""
    shaped = answer.headers["content-type"] == "application/json" and not problems("Error", answer.json)
    return shaped and (answer.status, answer.json["code"]) == (status, status)


def test_a_picture_by_its_link(sandbox: Served) -> None:
    """A request as the pages describe it gives a link, on the host that was asked, to a picture of that size."""
    answer = sandbox.ask(FOX)
    assert (answer.status, problems("Reply", answer.json)) == (200, set())
    (link,) = answer.json["images"]
    assert link.startswith(sandbox.url)
    parts = urlsplit(link)
    picture = sandbox.ask(method="GET", path=f"{parts.path}?{parts.query}", headers=())
    assert (picture.status, picture.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(picture.content)) as made:
        assert (made.format, made.size) == ("JPEG", (1024, 1024))


def test_a_link_is_a_reference(sandbox: Served) -> None:
    """A link of a sandbox on 127.0.0.1 is a reference for it, under whatever name it is asked next."""
    (link,) = sandbox.ask(FOX).json["images"]
    answer = sandbox.ask({**FOX, "images": [link]}, headers=(*HEADERS, ("Host", "localhost")))
    assert answer.status == 200, answer.json


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Bearer sk_two", "Bearer sk_one x", "bearer sk_one", "BEARER sk_one", "Bearer  sk_one",
     "Bearer\tsk_one", "sk_one", "Basic sk_one", "Bearer {{sk_one}}", "Bearer \xe9"],
)  # fmt: skip
def test_the_key(refusing: Served, value: str | None) -> None:
    """The header is `Bearer`, one space and the key, to the letter; all else is a 401 that names the header."""
    headers = (JSON,) if value is None else (JSON, ("Authorization", value))
    answer = refusing.ask(FOX, headers=headers)
    assert is_refusal(answer, 401)
    assert "Authorization" in answer.json["message"]
    assert "sk_" not in answer.content.decode()


def test_the_key_is_no_part_of_the_url(refusing: Served) -> None:
    """A key in the query counts for nothing; a query that says nothing does no harm."""
    assert is_refusal(refusing.ask(FOX, path=f"{PATH}?api_key={KEY}", headers=(JSON,)), 401)
    assert is_refusal(refusing.ask(FOX, path=f"{PATH}?x=1"), 503)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods(refusing: Served, method: str) -> None:
    """Any method but POST is a 405 that says so, with or without a key."""
    for headers in (HEADERS, ()):
        answer = refusing.ask(method=method, headers=headers)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert answer.content == b"" if method == "HEAD" else is_refusal(answer, 405)


@pytest.mark.parametrize(
    "path", ["/", f"{PATH}/", f"/{PATH}", PATH.upper(), "/v3/seedream-5.0", "/v3", "/pictures/", "/pictures/../x", "*"]
)
def test_other_paths(refusing: Served, path: str) -> None:
    """Any other path is a 404, with or without a key."""
    assert is_refusal(refusing.ask(FOX, path=path), 404)
    assert is_refusal(refusing.ask(method="GET", path=path, headers=()), 404)


@pytest.mark.parametrize(
    "kind",
    [None, "", "text/plain", "text/json", "application/jsonx", "application/problem+json", "application/octet-stream",
     "application/json, text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)  # fmt: skip
def test_other_content_types(refusing: Served, kind: str | None) -> None:
    """Any content type but application/json, also none, is a 415 that names it."""
    answer = refusing.ask(FOX, headers=(BEARER,) if kind is None else (BEARER, ("Content-Type", kind)))
    assert is_refusal(answer, 415)
    assert "Content-Type" in answer.json["message"]


@pytest.mark.parametrize("kind", ["application/json;charset=utf-8", "Application/JSON", "application/json ; charset=x"])
def test_content_type_with_parameters(refusing: Served, kind: str) -> None:
    """Case and parameters of application/json make no difference."""
    assert is_refusal(refusing.ask(FOX, headers=(BEARER, ("Content-Type", kind))), 503)


def test_compressed_bodies(refusing: Served) -> None:
    """A body that says it is compressed is a 415 that names the header."""
    answer = refusing.ask(gzip.compress(FOX_BYTES), headers=(*HEADERS, ("Content-Encoding", "gzip")))
    assert is_refusal(answer, 415)
    assert "Content-Encoding" in answer.json["message"]
    assert is_refusal(refusing.ask(FOX, headers=(*HEADERS, ("Content-Encoding", "identity"))), 503)


def test_chunked_bodies(refusing: Served) -> None:
    """A body may come in chunks, without a length."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (FOX_BYTES[:7], FOX_BYTES[7:]))
    headers = (*HEADERS, ("Transfer-Encoding", "chunked"))
    assert is_refusal(refusing.ask(chunks + b"0\r\n\r\n", headers=headers), 503)
    assert is_refusal(refusing.ask(b"0\r\n\r\n", headers=headers), 400)


def head(*lines: str) -> bytes:
    """Return the head of a request with these headers besides the usual ones."""
    usual = [f"{name}: {value}" for name, value in HEADERS]
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", "Connection: close", *usual, *lines, "", ""]).encode()


def test_expect_100_continue(refusing: Served) -> None:
    """A client that asks first is told to go on, and answered then."""
    connection = refusing.connect(head("Expect: 100-continue", f"Content-Length: {len(FOX_BYTES)}"))
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    connection.sendall(FOX_BYTES)
    assert received(connection).startswith(b"HTTP/1.1 503 ")


def test_too_large_a_body_is_refused_before_it_is_sent(refusing: Served) -> None:
    """A length beyond the limit is a 413 at once: the client need not send what would not be read."""
    connection = refusing.connect(head("Expect: 100-continue", "Content-Length: 200000001"))
    answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":413' in answer


def test_too_large_a_body_without_a_length(refusing: Served) -> None:
    """A body in chunks is a 413 as soon as it passes the limit."""
    connection, sent = refusing.connect(head("Transfer-Encoding: chunked")), 0
    chunk = b"%x\r\n%s\r\n" % (1_000_000, b" " * 1_000_000)
    try:
        for sent in range(1, 400):  # noqa: B007 - how far it got is the fact
            connection.sendall(chunk)
    except OSError:
        pass
    connection.close()
    assert 160 <= sent < 400


def test_a_client_that_leaves_half_way(sandbox: Served) -> None:
    """A client that goes away while it sends, or before its answer, leaves no trace (the fixture looks for one)."""
    sandbox.connect(head("Content-Length: 500") + b"{").close()
    sandbox.connect(head(f"Content-Length: {len(FOX_BYTES)}") + FOX_BYTES).close()
    assert is_refusal(sandbox.ask(b"{}"), 400)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "JSON"),
        (b" ", "JSON"),
        (b"{", "JSON"),
        (b"{'prompt': 'a'}", "JSON"),
        (b'{"prompt": "a",}', "JSON"),
        (b'{"prompt": "a\nb"}', "JSON"),
        (FOX_BYTES * 2, "JSON"),
        (FOX_BYTES + b"\0", "JSON"),
        (b'{"prompt": NaN}', "NaN"),
        (b'{"prompt": "a", "max_images": Infinity}', "Infinity"),
        (b'{"prompt": "a", "max_images": -Infinity}', "-Infinity"),
        (b"[]", "an array"),
        (b"null", "null"),
        (b"1", "an integer"),
        (b"1.0", "a number"),
        (b"true", "a boolean"),
        (b'"a"', "a string"),
        (b"9" * 5000, "an integer"),
        (b"\xef\xbb\xbf" + FOX_BYTES, "BOM"),
        (FOX_BYTES.decode().encode("utf-16"), "byte 0 is not UTF-8"),
        (FOX_BYTES.decode().encode("utf-16-le"), "JSON"),
        (FOX_BYTES.decode().encode("utf-32"), "byte 0 is not UTF-8"),
        ('{"prompt": "é"}'.encode("latin-1"), "byte 12 is not UTF-8"),
        (gzip.compress(FOX_BYTES), "not UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b'{"prompt":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested"),
    ],
    ids=range(27),
)
def test_malformed_bodies(refusing: Served, body: bytes, told: str) -> None:
    """A body that holds no JSON object is a 400 that says what it holds."""
    answer = refusing.ask(body)
    assert is_refusal(answer, 400)
    assert told in answer.json["message"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"prompt": "a", "size": "1K", "size": "1024x1024"}', ["size"]),
        (b'{"prompt": "a", "prompt": "a"}', ["prompt"]),
        (b'{"prompt": "a", "max_images": 1e0}', ["max_images"]),
        (b'{"prompt": "a", "max_images": 1e999}', ["max_images"]),
        (b'{"prompt": "a", "max_images": -0}', ["max_images"]),
        (b'{"prompt": "a", "max_images": ' + b"9" * 5000 + b"}", ["max_images"]),
        (b'{"prompt": "a", "sequential_image_generation": ' + b"[" * 900 + b"]" * 900 + b"}",
         ["sequential_image_generation"]),
        (b'{"prompt": "a", "": 1}', ['""']),
        (b'{"prompt": "a", "\\ud800": 1}', ['"\\ud800"']),
        (b'{"prompt": "a", "Prompt": "a"}', ["Prompt"]),
        (b'{"prompt": "a", "size": "\\ud800"}', ["size"]),
        (b'{"prompt": "a", "images": ["\\ud800"]}', ["images"]),
        (b'{"prompt": "a", "images": ["http://\\ud800/"]}', ["images"]),
        (b'{"n": 4, "seed": 1}', ["n", "seed", "prompt"]),
        (b'{"prompt": "", "images": ["x", 1], "size": 1, "max_images": 0, "watermark": 0}',
         ["prompt", "images", "size", "max_images", "watermark"]),
    ],
    ids=range(15),
)  # fmt: skip
def test_fields_at_fault(refusing: Served, body: bytes, fields: list[str]) -> None:
    """Strange values are 400s too, and every field at fault is named."""
    answer = refusing.ask(body)
    assert is_refusal(answer, 400)
    assert answer.json["metadata"]["fields"] == fields
    assert all(field in answer.json["message"] for field in fields)


def test_every_reference_at_fault_is_named(refusing: Served) -> None:
    """What is wrong with the references is told together, and together with what is wrong besides."""
    images = ["x", "data:image/png;base64,AAAA", "http://127.0.0.1:9/x.png", "http://[::1/x.png"]
    answer = refusing.ask({"prompt": "", "images": images})
    assert is_refusal(answer, 400)
    assert answer.json["metadata"]["fields"] == ["prompt", "images"]
    assert all(f"images[{at}]" in answer.json["message"] for at in range(4))


def test_only_this_machine_is_served(sandbox: Served) -> None:
    """The port is open on 127.0.0.1 alone."""
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", sandbox.port))
