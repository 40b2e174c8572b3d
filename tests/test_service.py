"""The service's spelling: bodies as it reads them, replies as it writes them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
import traceback
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import ReferenceImageError, ReplyError
from seedream_nb.request import ImageRequest, make_request
from seedream_nb.service.body import Body
from seedream_nb.service.redaction import redact
from seedream_nb.service.reply import is_reply, parse_results
from seedream_nb.storage.store import Input

if TYPE_CHECKING:
    from pathlib import Path

FOX = make_request("a fox")
PIECE = 1024 * 1024
KEY = "sk_Tr0ub4dor-and-3-more-words"


def file_input(path: Path, content: bytes, media_type: str = "image/png") -> Input:
    """Return a file that will be sent as a reference."""
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Input(path=path, media_type=media_type, sha256=digest, size_bytes=len(content), note=None)


async def pieces_of(body: Body) -> list[bytes]:
    """Return the body as it would be sent."""
    return [piece async for piece in body]


def sent(request: ImageRequest, *inputs: str | Input) -> bytes:
    """Return what goes over the wire."""
    return b"".join(asyncio.run(pieces_of(Body(request, inputs))))


# -- the body --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (FOX, {"prompt": "a fox", "size": "2048x2048", "sequential_image_generation": "disabled", "watermark": True}),
        (
            make_request("a fox", size="2K", watermark=False),
            {"prompt": "a fox", "size": "2K", "sequential_image_generation": "disabled", "watermark": False},
        ),
        (
            make_request("a fox", size="4K", max_images=4),
            {"prompt": "a fox", "size": "4K", "sequential_image_generation": "auto", "max_images": 4,
             "watermark": True},
        ),
        (
            make_request("a fox", sequential="auto"),
            {"prompt": "a fox", "size": "2048x2048", "sequential_image_generation": "auto", "max_images": 15,
             "watermark": True},
        ),
    ],
    ids=["plain", "options", "series", "auto"],
)  # fmt: skip
def test_fields(request_: ImageRequest, fields: dict[str, Any]) -> None:
    """Only documented fields are sent, in the page's order, `max_images` only with `auto`."""
    assert list(json.loads(sent(request_)).items()) == list(fields.items())


def test_references(tmp_path: Path) -> None:
    """URLs are sent as they are, files as `data:image/<format>;base64,…`, in order, after the prompt."""
    first = file_input(tmp_path / "a.png", os.urandom(1000))
    second = file_input(tmp_path / "b.jpg", os.urandom(2_000_000), "image/jpeg")
    body = json.loads(sent(FOX, first, "https://pictures.example/ü?a=1&b=2", second))
    assert list(body)[:2] == ["prompt", "images"]
    assert body["images"] == [
        "data:image/png;base64," + base64.b64encode(first.path.read_bytes()).decode(),
        "https://pictures.example/ü?a=1&b=2",
        "data:image/jpeg;base64," + base64.b64encode(second.path.read_bytes()).decode(),
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip())))
def test_every_prompt_arrives(prompt: str) -> None:
    """Quotes, line breaks, emoji, control characters: the service reads what was written."""
    request = make_request(prompt)
    assert json.loads(sent(request))["prompt"] == request.prompt


@pytest.mark.parametrize("size", [1, 2, 3, 786_431, 786_432, 786_433, 786_434, 1_572_864, 1_600_001])
def test_length(tmp_path: Path, size: int) -> None:
    """The length is known beforehand, to the byte, wherever the file's pieces end."""
    given_ = file_input(tmp_path / "a.png", os.urandom(size))
    body = Body(make_request("ein Füchslein 狐"), [given_])
    content = b"".join(asyncio.run(pieces_of(body)))
    assert body.length == len(content)
    assert base64.b64decode(json.loads(content)["images"][0].partition(",")[2]) == given_.path.read_bytes()


@pytest.mark.slow
def test_ten_large_references_take_little_memory(tmp_path: Path) -> None:
    """Ten references of 10 MB go out in pieces of at most 1 MiB, and hold a few MB at a time."""
    path = tmp_path / "a.png"
    path.touch()
    os.truncate(path, 10_000_000)
    given_ = Input(path=path, media_type="image/png", sha256="", size_bytes=10_000_000, note=None)
    body = Body(FOX, [given_] * 10)

    async def measure() -> tuple[int, int]:
        sizes = [len(piece) async for piece in body]
        return max(sizes), sum(sizes)

    tracemalloc.start()
    largest, total = asyncio.run(measure())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert largest <= PIECE
    assert total == body.length > 133_000_000
    assert peak < 8_000_000


def test_on_last(tmp_path: Path) -> None:
    """The hook is called once, and all counts as sent, before the last piece, without which it is no request."""
    told: list[str] = []
    body = Body(FOX, [file_input(tmp_path / "a.png", os.urandom(2_000_000))], on_last=lambda: told.append("last"))

    async def send() -> bytes:
        arrived = b""
        async for piece in body:
            if body.complete:
                with pytest.raises(json.JSONDecodeError):
                    json.loads(arrived)
            told.append("complete" if body.complete else "piece")
            arrived += piece
        return arrived

    assert not body.begun
    assert json.loads(asyncio.run(send()))
    assert told == ["piece"] * 4 + ["last", "complete"]


@pytest.mark.parametrize("change", ["grow", "shrink", "vanish"])
def test_a_file_that_changes_is_not_sent(tmp_path: Path, change: str) -> None:
    """A file that is no longer what it was stops the upload before its last piece."""
    given_ = file_input(tmp_path / "a.png", os.urandom(2_000_000))
    body = Body(FOX, [given_])
    if change == "vanish":
        given_.path.unlink()
    else:
        os.truncate(given_.path, 3_000_000 if change == "grow" else 1_000_000)
    with pytest.raises(ReferenceImageError, match=r"a\.png .*\n.*nothing was billed"):
        asyncio.run(pieces_of(body))
    assert body.begun
    assert not body.complete


# -- the reply -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "images",
    [
        ["https://a/1", "https://a/2"],
        [{"image_url": "https://a/1"}, {"image_url": "https://a/2"}],
        [{"url": "https://a/1"}, {"url": "https://a/2", "size": "2K"}],
        ["https://a/1", {"url": "https://a/2"}, "https://a/1", None, 7, "", {}],
    ],
    ids=["strings", "image_url", "url", "mixed"],
)
def test_links(images: list[object]) -> None:
    """Links come as strings or in objects; each counts once, and what isn't one is passed over."""
    assert parse_results(json.dumps({"images": images, "seed": 1}).encode(), 2).links == ["https://a/1", "https://a/2"]


def test_more_links_than_asked_for() -> None:
    """More pictures than were asked for are kept: they may be paid for."""
    assert len(parse_results(json.dumps({"images": [f"https://a/{n}" for n in range(5)]}).encode(), 1).links) == 5


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<html>ok</html>", b'{"images": ["https://a/1"', b"\xff\xfe\x00", b"[" * 200_000, b"null", b"[]", b"{}",
        b'{"images": null}', b'{"images": []}', b'{"images": "https://a/1"}', b'{"images": [{}]}',
        json.dumps({"images": [str(n) for n in range(2000)]}).encode(),
    ],
)  # fmt: skip
def test_nonsense(content: bytes) -> None:
    """A reply that makes no sense says so in a few lines, and that it may have been billed."""
    with pytest.raises(ReplyError) as senseless:
        parse_results(content, 1)
    assert "may have been billed" in str(senseless.value)
    assert len(str(senseless.value)) < 400
    assert senseless.value.content == content


@pytest.mark.parametrize(("status", "is_one"), [(199, False), (200, True), (201, True), (206, True), (300, False)])
def test_successes_are_replies(status: int, is_one: bool) -> None:
    """Any success is read as a reply: its pictures may be paid for."""
    assert is_reply(status) is is_one


# -- an echoed key ---------------------------------------------------------------------------------


def parts(text: str) -> list[str]:
    """Return what a text shows of the key: six characters in a row or more."""
    return [KEY[at : at + 6] for at in range(len(KEY) - 5) if KEY[at : at + 6] in text]


@given(start=st.integers(0, len(KEY) - 6), length=st.integers(6, len(KEY)), before=st.text(), after=st.text())
def test_a_reply_that_echoes_the_key(start: int, length: int, before: str, after: str) -> None:
    """A senseless reply that echoes the key, or a part of it, doesn't get it shown, however verbose the traceback."""
    echoed = "<p>" + before + KEY[start : start + length] + after
    with pytest.raises(ReplyError) as senseless:
        parse_results(echoed.encode(), 1, secret=KEY)
    told = traceback.TracebackException.from_exception(senseless.value, capture_locals=True, limit=-1)
    assert not parts("".join(told.format()))


# What stands around the key has none of its characters, in capitals or not: else a part of the key could go on there.
AROUND = st.text(st.characters(exclude_characters=KEY.upper() + KEY.lower()))


@given(start=st.integers(0, len(KEY) - 6), length=st.integers(6, len(KEY)), before=AROUND, after=AROUND)
def test_blotted(start: int, length: int, before: str, after: str) -> None:
    """What is blotted out is the key alone; what stands around it stays."""
    shown = redact(before + KEY[start : start + length] + after, KEY)
    assert not parts(shown)
    assert shown == f"{before}…{after}"


SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=6, max_size=60)


@given(secret=SECRETS, before=st.text(), after=st.text(), capital=st.booleans(), pick=st.data())
def test_no_six_characters_of_any_key_are_left(
    secret: str, before: str, after: str, pick: st.DataObject, *, capital: bool
) -> None:
    """Whatever the key is and however it is echoed, in part or in capitals: no six characters of it in a row stay."""
    start = pick.draw(st.integers(0, len(secret) - 6))
    part = secret[start : start + pick.draw(st.integers(6, len(secret)))]
    shown = redact(before + (part.upper() if capital else part) + after, secret).lower()
    assert not [at for at in range(len(secret) - 5) if secret[at : at + 6].lower() in shown]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bearer k1", "Bearer …"), ("?key=K1&x=1", "?key=…&x=1"), ("id_k1", "id_…"), ("k1", "…"), ("“k1”", "“…”"),
        ("the k10 broke at a k12k1x", "the k10 broke at a k12k1x"), ("https://k1.example/k1/a.jpg", "https://….example/…/a.jpg"),
    ],
)  # fmt: skip
def test_a_short_key_is_a_word(text: str, shown: str) -> None:
    """A key of less than six characters goes where it stands alone; the texts that merely have its letters stay."""
    assert redact(text, "k1") == shown


@pytest.mark.parametrize("secret", ["", None, "another-key"])
def test_nothing_to_blot_out(secret: str | None) -> None:
    """Without a key, or without an echo of it, a text stays as it is."""
    assert redact(f"the {KEY}", secret) == f"the {KEY}"


@pytest.mark.parametrize(
    "content",
    [b"[" * 8_000_000, b'{"a":' * 1_600_000, b"1" * 8_000_000, b"1." + b"1" * 8_000_000, b'"' + b"\\n" * 4_000_000,
     b" " * 8_000_000, KEY.encode() * 270_000, KEY[:5].encode() * 1_600_000, "\u0301\u0327".encode() * 2_000_000],
    ids=["brackets", "braces", "digits", "fraction", "escapes", "spaces", "keys", "half-keys", "accents"],
)  # fmt: skip
def test_large_nonsense_takes_little_time(content: bytes) -> None:
    """The most that is read of a reply, 8 MB, is found senseless in less than a second, its key blotted out."""
    began = time.thread_time()
    with pytest.raises(ReplyError):
        parse_results(content, 1, secret=KEY)
    redact(content[:64_000].decode(errors="replace"), KEY)
    assert time.thread_time() - began < 1
