"""The sandbox, asked by a client that knows only the service's reference pages."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from PIL import Image

from seedream_nb.sandbox import create_app
from seedream_nb.sandbox.app import failures
from seedream_nb.sandbox.asked import number_asked, ratio_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

PATH = "/v3/seedream-4.0"
SMALL = {"size": "1024x1024"}


@pytest.fixture(scope="module")
def app() -> Starlette:
    """Return a sandbox with no options."""
    return create_app(fetch=served)


async def served(url: str) -> bytes:
    """Stand in for the network: one host has a picture, the others can't be reached."""
    if url == "https://pictures.example/fox.png":
        return picture("PNG", (90, 60))
    if url == "https://pictures.example/page.html":
        return b"<html>"
    raise OSError("no such host")


def send(app: Starlette, method: str, url: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    """Return the app's answer, each time from an event loop of its own."""

    async def talk() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox.example") as client:
            return await client.request(method, url, **options)

    return anyio.run(talk)


def post(app: Starlette, **fields: object) -> httpx.Response:
    """Ask for pictures."""
    return send(app, "POST", PATH, json={"prompt": "a fox", **SMALL, **fields})


def links(app: Starlette, **fields: object) -> list[str]:
    """Return the links of an answer that must be a good one."""
    answer = post(app, **fields)
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["images"]
    return found


def size_of(app: Starlette, **fields: object) -> tuple[int, int]:
    """Return the size of the first picture of an answer."""
    with Image.open(io.BytesIO(send(app, "GET", links(app, **fields)[0]).content)) as made:
        return made.size


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    """Return the bytes of a plain picture."""
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind)
    return stream.getvalue()


def data_uri(content: bytes, kind: str = "png") -> str:
    """Return a data URI as the pages spell it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def refused(answer: httpx.Response, field: str) -> bool:
    """Return whether an answer is a 400 in the service's shape that names a field."""
    body = answer.json()
    shape = set(body) == {"code", "reason", "message", "metadata"}
    return answer.status_code == 400 and shape and body["code"] == 400 and field in body["message"]


def test_prompt_alone_is_enough(app: Starlette) -> None:
    """A prompt alone gives one link to a JPEG of 2048x2048, the default."""
    answer = send(app, "POST", PATH, json={"prompt": "a fox"})
    assert list(answer.json()) == ["images"]
    (link,) = answer.json()["images"]
    file = send(app, "GET", link)
    assert file.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(file.content)) as made:
        assert (made.format, made.size) == ("JPEG", (2048, 2048))


def test_links_are_on_the_requests_host(app: Starlette) -> None:
    """Links are absolute, on the host that was asked."""
    assert links(app)[0].startswith("http://sandbox.example/")


def test_same_request_same_picture(app: Starlette) -> None:
    """The same request gives the same bytes behind another link."""
    one, two = links(app)[0], links(app)[0]
    assert one != two
    assert send(app, "GET", one).content == send(app, "GET", two).content


@pytest.mark.parametrize(
    "fields",
    [
        {"size": "1024x1024"},
        {"size": "4096x256"},
        {"size": "256x4096"},
        {"max_images": 1, "sequential_image_generation": "auto"},
        {"max_images": 15},
        {"sequential_image_generation": "disabled"},
        {"watermark": False},
        {"images": []},
        {"images": [data_uri(picture())] * 10},
        {"images": [data_uri(picture("JPEG"), "jpeg")]},
        {"images": [data_uri(picture(size=(15, 45)))]},
        {"images": [data_uri(picture(size=(45, 15)))]},
        {"images": ["https://pictures.example/fox.png"]},
        {"images": [data_uri(picture(mode="RGBA"))]},
        {"images": [data_uri(picture(mode="1"))]},
        {"images": [data_uri(picture("JPEG", mode="CMYK"), "jpeg")]},
        {"prompt": "词" * 400},
        {"prompt": "word " * 900},
    ],
)
def test_accepted_at_the_limit(app: Starlette, fields: dict[str, object]) -> None:
    """What the pages allow is accepted, up to each limit."""
    assert post(app, **fields).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4096x4096", "16384x1024", "1024x16384", "3024x1296"])
def test_largest_pictures(app: Starlette, size: str) -> None:
    """The largest sizes of the pages are painted as asked for."""
    assert "{}x{}".format(*size_of(app, size=size)) == size


NOT_ALLOWED: dict[str, list[object]] = {
    "prompt": ["", " \n", 3, None, True, ["a"], {}],
    "size": [
        *("3K", "1k", "", "2048", "2048*2048", "2K 2048x2048", " 1K", "02048x2048", "\u0662048x2048", 2048, None),
        *("1024x1023", "4097x4096", "16385x1024", "5000x300", "300x5000", "-2048x2048"),
    ],
    "sequential_image_generation": ["on", "Auto", "", True, 1, None, []],
    "max_images": [0, 16, -1, 10**30, "4", 4.0, True, None],
    "watermark": ["true", 1, 0, None, ""],
    "images": ["https://pictures.example/fox.png", {}, None, [3], [None], [data_uri(picture())] * 11],
    "seed": [1, None],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in NOT_ALLOWED for value in NOT_ALLOWED[field]])
def test_refused_beyond_the_limit(app: Starlette, field: str, value: object) -> None:
    """What the pages do not allow is refused with a 400 whose message names the field."""
    assert refused(post(app, **{field: value}), field)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "fox.png",
        "ftp://pictures.example/fox.png",
        "https://pictures.example/page.html",
        "https://nowhere.example/fox.png",
        "data:image/png;base64,",
        "data:image/png;base64,????",
        "data:image/png," + base64.b64encode(picture()).decode(),
        "data:;base64," + base64.b64encode(picture()).decode(),
        data_uri(picture(), "jpg"),
        data_uri(picture(), "jpeg"),
        data_uri(picture("WEBP"), "webp"),
        data_uri(picture("WEBP"), "png"),
        data_uri(picture("GIF"), "png"),
        data_uri(picture(size=(14, 14))),
        data_uri(picture(size=(30, 14))),
        data_uri(picture(size=(91, 30))),
        data_uri(picture(size=(30, 91))),
        data_uri(picture(size=(6001, 6000), mode="1")),
        data_uri(picture(size=(300, 300))[:-30]),
        data_uri(picture() + bytes(10_000_000)),
    ],
    ids=range(21),
)
def test_references_are_held_to_the_pages(app: Starlette, reference: str) -> None:
    """A reference that breaks a rule is refused with a 400 that names its place."""
    assert refused(post(app, images=[data_uri(picture()), reference]), "images[1]")


def test_reference_of_exactly_10_mb(app: Starlette) -> None:
    """A reference of 10 MB is accepted."""
    content = picture("JPEG")
    assert post(app, images=[data_uri(content + bytes(10_000_000 - len(content)), "jpeg")]).status_code == 200


def test_reference_of_6000x6000(app: Starlette) -> None:
    """A reference of 6000x6000 pixels is accepted."""
    assert post(app, images=[data_uri(picture(size=(6000, 6000), mode="1"))]).status_code == 200


def test_prompt_is_required(app: Starlette) -> None:
    """A body without a prompt is refused."""
    assert refused(send(app, "POST", PATH, json={}), "prompt is required")


def test_every_broken_rule_is_named(app: Starlette) -> None:
    """A body that breaks several rules has all its fields named."""
    fields = post(app, prompt="", max_images=99, watermark="no").json()["metadata"]["fields"]
    assert fields == ["prompt", "max_images", "watermark"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"1", b"\xff", b'{"prompt": NaN}', b"[" * 100_000, b"1" * 5000],
    ids=range(9),
)  # fmt: skip
def test_malformed_bodies(app: Starlette, content: bytes) -> None:
    """A body that is no JSON object is refused with a 400."""
    answer = send(app, "POST", PATH, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 404),
        ("POST", PATH + "/", 404),
        ("POST", "/v3/seedream-5.0", 404),
        ("GET", PATH, 405),
        ("PUT", PATH, 405),
    ],
)
def test_other_paths_and_methods(app: Starlette, method: str, path: str, status: int) -> None:
    """An unknown path is a 404, a wrong method a 405, both with the service's error body."""
    answer = send(app, method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, status)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""])
def test_other_content_types(app: Starlette, kind: str) -> None:
    """Any content type but application/json is a 415."""
    answer = send(app, "POST", PATH, content=b'{"prompt": "a fox"}', headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, 415)


def test_content_type_with_charset(app: Starlette) -> None:
    """A charset beside application/json makes no difference."""
    body = json.dumps({"prompt": "狐狸", **SMALL}).encode()
    answer = send(app, "POST", PATH, content=body, headers={"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer sk_one", 200),
        ("Bearer sk_two", 401),
        ("sk_one", 401),
        ("Bearer", 401),
        ("Basic sk_one", 401),
        (None, 401),
    ],
)
def test_key(authorization: str | None, status: int) -> None:
    """Where a key is set, a missing or wrong one is a 401."""
    headers = {} if authorization is None else {"authorization": authorization}
    answer = send(create_app(api_key="sk_one"), "POST", PATH, json={"prompt": "a fox", **SMALL}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("prompt", "fields", "count"),
    [
        ("four views of a chair", {}, 1),
        ("four views of a chair", {"sequential_image_generation": "disabled", "max_images": 9}, 1),
        ("four views of a chair", {"sequential_image_generation": "auto", "max_images": 9}, 4),
        ("four views of a chair", {"sequential_image_generation": "auto"}, 4),
        ("four views of a chair", {"sequential_image_generation": "auto", "max_images": 2}, 2),
        ("a chair", {"sequential_image_generation": "auto", "max_images": 3}, 3),
        ("a chair", {"sequential_image_generation": "auto"}, 1),
        ("a chair", {"sequential_image_generation": "auto", "max_images": 15, "images": [data_uri(picture())] * 10}, 5),
        ("12 views", {"sequential_image_generation": "auto", "images": [data_uri(picture())] * 9}, 6),
    ],
)
def test_series(app: Starlette, prompt: str, fields: dict[str, object], count: int) -> None:
    """A series has as many pictures as the prompt asks for, within `max_images` and 15 less the references."""
    assert len(links(app, prompt=prompt, **fields)) == count


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("four views of a chair", 4),
        ("3 banners for a shop", 3),
        ("a series of 5 about rain", 5),
        ("a set of twelve", 12),
        ("Three small watercolour paintings", 3),
        ("one image", 1),
        ("四张海报", 4),
        ("画3幅画", 3),
        ("两个视角", 2),
        ("十二张图", 12),
        ("一组四张", 4),
        ("four foxes", None),
        ("a fox in 2026", None),
        ("狐狸", None),
    ],
)
def test_number_in_a_prompt(prompt: str, number: int | None) -> None:
    """A prompt names its number in digits, English words or Chinese."""
    assert number_asked(prompt) == number


@pytest.mark.parametrize(
    ("prompt", "ratio"),
    [
        ("a fox, 16:9", (16, 9)),
        ("9:16 poster", (9, 16)),
        ("海报 3:4", (3, 4)),
        ("Portrait of a fox", (3, 4)),
        ("in landscape format", (4, 3)),
        ("a panoramic view", (21, 9)),
        ("a clock at 10:30", None),
        ("12:34:56", None),
        ("a fox", None),
    ],
)
def test_ratio_in_a_prompt(prompt: str, ratio: tuple[int, int] | None) -> None:
    """A prompt names its ratio in figures or words; a time of day is none."""
    assert ratio_asked(prompt) == ratio


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"size": "1K"}, (1024, 1024)),
        ({"size": "2K"}, (2048, 2048)),
        ({"size": "2K", "prompt": "a fox 16:9"}, (2560, 1440)),
        ({"size": "2K", "prompt": "a portrait"}, (1728, 2304)),
        ({"size": "1K", "images": [data_uri(picture(size=(300, 200)))]}, (1256, 840)),
        ({"size": "1K", "prompt": "1:1", "images": [data_uri(picture(size=(300, 200)))]}, (1024, 1024)),
        ({"size": "1536x1024", "prompt": "9:16"}, (1536, 1024)),
    ],
)
def test_tiers_find_their_ratio(app: Starlette, fields: dict[str, object], size: tuple[int, int]) -> None:
    """A tier takes its ratio from the prompt, else from the first reference, else it is square."""
    assert size_of(app, **fields) == size


@pytest.mark.slow
def test_4k(app: Starlette) -> None:
    """4K is 4096x4096."""
    assert size_of(app, size="4K") == (4096, 4096)


def test_range(app: Starlette) -> None:
    """A part of a picture can be asked for."""
    link = links(app)[0]
    whole, part = send(app, "GET", link), send(app, "GET", link, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])


def test_links_expire() -> None:
    """A link opens nothing after its time: 403, as object storage says it."""
    app = create_app(link_ttl=0.0)
    answer = send(app, "GET", links(app)[0])
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (403, "application/xml")
    assert "Request has expired" in answer.text


@pytest.mark.parametrize(
    "change", [("expires=", "expires=9"), ("signature=", "signature=0"), (".jpg", ".png"), ("?", "?x=é&")]
)
def test_links_are_signed(app: Starlette, change: tuple[str, str]) -> None:
    """A link that was changed opens nothing."""
    link = links(app)[0]
    changed = send(app, "GET", link.replace(*change, 1))
    assert changed.status_code == (200 if "x=" in change[1] else 403)


def test_own_link_as_a_reference(app: Starlette) -> None:
    """A link that the sandbox gave can be used as a reference."""
    assert len(links(app, images=[links(app)[0]])) == 1


def test_expired_own_link_as_a_reference() -> None:
    """An expired link of the sandbox is refused as a reference."""
    app = create_app(link_ttl=0.0)
    assert refused(post(app, images=[links(app)[0]]), "images[0]")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x.png", "http://localhost/x.png", "http://[::1]/x.png", "http://10.0.0.1/x", "http://"]
)
def test_private_hosts_are_out_of_reach(url: str) -> None:
    """A reference on this machine or a private network is refused: the real service could not fetch it."""
    assert refused(post(create_app(), images=[url]), "images[0]")


@pytest.mark.parametrize("status", [400, 402, 403, 429, 500, 502, 503, 504])
def test_failures(status: int) -> None:
    """A status given by `fail` is answered in the service's shape."""
    answer = post(create_app(fail=str(status)))
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert ("retry-after" in answer.headers) == (status == 429)


def test_failures_by_chance() -> None:
    """Several statuses share the requests between them, the same way for the same seed."""
    one, two = (create_app(fail="429@0.3,403@0.3", seed=7) for _ in range(2))
    answers = [[post(app).status_code for _ in range(20)] for app in (one, two)]
    assert answers[0] == answers[1]
    assert set(answers[0]) == {200, 429, 403}


@pytest.mark.parametrize("spec", ["200", "429@2", "x", "429@", "42", "429@-0.1"])
def test_unreadable_failures(spec: str) -> None:
    """A failure that can't be read is an error that says how to write one."""
    with pytest.raises(ValueError, match=r"429@0\.2"):
        failures(spec)


def test_latency() -> None:
    """An answer takes at least `latency`, painting included."""
    app, begun = create_app(latency=0.4), time.monotonic()
    links(app)
    assert 0.4 <= time.monotonic() - begun < 2


def test_a_refusal_of_the_request_does_not_wait() -> None:
    """A request that breaks a rule is refused at once, whatever the latency."""
    app, begun = create_app(latency=20.0), time.monotonic()
    post(app, max_images=0)
    assert time.monotonic() - begun < 5


# Alone on a port, for any client.


def start(*options: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command; return the process and the URL that it printed."""
    command = [sys.executable, "-m", "seedream_nb.sandbox", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    if not found:
        process.kill()
        raise AssertionError(process.communicate())
    return process, found[0]


@pytest.fixture
def served_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve on a free port, with temporary files under `tmp_path`."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process, url = start("--api-key", "sk_one")
    try:
        yield process, url
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for another process")
def test_command(served_alone: tuple[subprocess.Popen[str], str], tmp_path: Path, number: signal.Signals) -> None:
    """The command prints its URL, serves pictures, and ends cleanly: no output, no files left."""
    process, url = served_alone
    key = {"authorization": "Bearer sk_one"}
    answer = httpx.post(url + PATH, json={"prompt": "a fox", **SMALL}, headers=key)
    (link,) = answer.json()["images"]
    assert link.startswith(url)
    assert httpx.get(link).content[:3] == b"\xff\xd8\xff"
    assert [folder.stat().st_mode & 0o777 for folder in tmp_path.iterdir()] == [0o700]
    process.send_signal(number)
    output = process.communicate(timeout=10)
    assert (process.returncode, output) == (0, ("", ""))
    assert list(tmp_path.iterdir()) == []


def test_command_names_a_bad_option(served_alone: tuple[subprocess.Popen[str], str]) -> None:
    """A port that is taken is an error of one line."""
    port = served_alone[1].rpartition(":")[2]
    command = [sys.executable, "-m", "seedream_nb.sandbox", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_pictures_are_kept_privately() -> None:
    """Pictures lie in a folder of this user alone, which goes with the app."""
    before = set(Path(tempfile.gettempdir()).glob("seedream-sandbox-*"))
    app = create_app()
    links(app)
    (folder,) = set(Path(tempfile.gettempdir()).glob("seedream-sandbox-*")) - before
    assert len(list(folder.iterdir())) == 1
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o777 == 0o700
