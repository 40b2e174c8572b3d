"""The sandbox, asked by a client that knows only the service's reference pages."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
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
from seedream_nb.sandbox.refusals import failures
from seedream_nb.sandbox.rules import how_many, make_order, number_asked, pixels, ratio_asked

if TYPE_CHECKING:
    from starlette.applications import Starlette

PATH = "/v3/seedream-4.0"
SMALL = {"size": "1024x1024"}


@pytest.fixture(scope="module")
def app() -> Starlette:
    """Return a sandbox with no options."""
    return create_app(fetch=served)


@pytest.fixture(scope="module")
def judge() -> Starlette:
    """Return a sandbox that answers 503 to each request that breaks no rule: nothing need be painted to know."""
    return create_app(fetch=served, fail="503")


async def served(url: str) -> bytes:
    """Stand in for the network: one host has a picture, the others can't be reached."""
    if url.lower() == "https://pictures.example/fox.png":
        return picture("PNG", (90, 60))
    if url == "https://pictures.example/page.html":
        return b"<html>"
    raise OSError("no such host")


def send(app: Starlette, method: str, url: str, **options: Any) -> httpx.Response:
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        {"size": "4096x4096"},
        {"size": "16384x1024"},
        {"size": "1024x16384"},
        *({"size": tier} for tier in ("1K", "2K", "4K")),
        {"max_images": 1, "sequential_image_generation": "auto"},
        {"max_images": 15},
        {"max_images": 15, "sequential_image_generation": "auto"},
        {"sequential_image_generation": "disabled"},
        {"watermark": False},
        {"images": []},
        {"images": [data_uri(picture())] * 10},
        {"images": [data_uri(picture("JPEG"), "jpeg")]},
        {"images": [data_uri(picture(size=(15, 45)))]},
        {"images": [data_uri(picture(size=(45, 15)))]},
        {"images": ["https://pictures.example/fox.png"]},
        {"images": ["HTTPS://pictures.example/fox.png"]},
        {"prompt": "词" * 400},
        {"prompt": "word " * 900},
    ],
)
def test_accepted_at_the_limit(judge: Starlette, fields: dict[str, object]) -> None:
    """What the pages allow is accepted, up to each limit."""
    assert post(judge, **fields).status_code == 503


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
def test_refused_beyond_the_limit(judge: Starlette, field: str, value: object) -> None:
    """What the pages do not allow is refused with a 400 whose message names the field."""
    assert refused(post(judge, **{field: value}), field)


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


def test_reference_of_exactly_10_mb(judge: Starlette) -> None:
    """A reference of 10 MB is accepted."""
    content = picture("JPEG")
    assert post(judge, images=[data_uri(content + bytes(10_000_000 - len(content)), "jpeg")]).status_code == 503


def test_reference_of_6000x6000(judge: Starlette) -> None:
    """A reference of 6000x6000 pixels is accepted."""
    assert post(judge, images=[data_uri(picture(size=(6000, 6000), mode="1"))]).status_code == 503


def test_prompt_is_required(app: Starlette) -> None:
    """A body without a prompt is refused."""
    assert refused(send(app, "POST", PATH, json={}), "prompt is required")


def test_every_broken_rule_is_named(app: Starlette) -> None:
    """A body that breaks several rules has all its fields named."""
    fields = post(app, prompt="", max_images=99, watermark="no").json()["metadata"]["fields"]
    assert fields == ["prompt", "max_images", "watermark"]


def test_content_type_with_charset(app: Starlette) -> None:
    """A charset beside application/json makes no difference."""
    body = json.dumps({"prompt": "狐狸", **SMALL}).encode()
    answer = send(app, "POST", PATH, content=body, headers={"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 200


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
def test_number_of_pictures(prompt: str, fields: dict[str, object], count: int) -> None:
    """A series has as many pictures as the prompt asks for, within `max_images` and 15 less the references."""
    assert how_many(make_order({"prompt": prompt, **fields})) == count


@pytest.mark.slow
def test_series(app: Starlette) -> None:
    """The pictures of a series differ, and there are no more than `max_images`."""
    made = links(app, prompt="four views of a chair", sequential_image_generation="auto", max_images=3)
    assert len({send(app, "GET", link).content for link in made}) == 3


@pytest.mark.slow
def test_references_and_pictures_are_15_at_most(app: Starlette) -> None:
    """Ten references leave room for five pictures, however many are asked for."""
    images = [data_uri(picture())] * 10
    assert len(links(app, prompt="9 views", sequential_image_generation="auto", images=images)) == 5


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
        ("a fox, 16:9 image", None),
        ("a 35 mm photo", None),
        ("16:9 images", None),
        ("第二张图", None),
        ("FOUR VIEWS", 4),
        ("one picture of four foxes", 1),
        ("a collage of 4 photos", 4),
        ("20 views", 20),
        ("0 pictures", 1),
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
        ("海报，16：9", (16, 9)),
        ("ratio 16 : 9", (16, 9)),
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
    ("size", "prompt", "first", "painted"),
    [
        ("1K", "a fox", None, (1024, 1024)),
        ("2K", "a fox", None, (2048, 2048)),
        ("4K", "a fox", None, (4096, 4096)),
        ("2K", "a fox 16:9", None, (2560, 1440)),
        ("2K", "a portrait", None, (1728, 2304)),
        ("1K", "a fox", (300, 200), (1256, 840)),
        ("2K", "a fox", (3000, 2000), (2504, 1672)),
        ("4K", "a fox", (15, 45), (2360, 7088)),
        ("1K", "1:1", (300, 200), (1024, 1024)),
        ("1536x1024", "9:16", (300, 200), (1536, 1024)),
    ],
)
def test_tiers_find_their_ratio(
    size: str, prompt: str, first: tuple[int, int] | None, painted: tuple[int, int]
) -> None:
    """A tier takes its ratio from the prompt, else from the first reference, else it is square."""
    assert pixels(size, prompt, first) == painted


@pytest.mark.slow
def test_a_tier_is_painted_in_its_ratio(app: Starlette) -> None:
    """What a tier comes to is what is painted."""
    assert size_of(app, size="1K", images=[data_uri(picture(size=(300, 200)))]) == (1256, 840)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"prompt": "a box"}),
        ({"images": [data_uri(picture())]}, {"images": [data_uri(picture(mode="RGBA"))]}),
    ],
    ids=range(2),
)
def test_other_request_other_picture(app: Starlette, one: dict[str, object], other: dict[str, object]) -> None:
    """Another prompt or reference gives another picture."""
    made = [send(app, "GET", links(app, **fields)[0]).content for fields in (one, other)]
    assert made[0] != made[1]


@pytest.mark.slow
def test_defaults_are_the_pages(app: Starlette) -> None:
    """A body without its optional fields gives the same picture as one that spells out their defaults."""
    defaults = {"size": "2048x2048", "sequential_image_generation": "disabled", "max_images": 15, "watermark": True}
    made = []
    for fields in ({}, defaults):
        (link,) = send(app, "POST", PATH, json={"prompt": "a fox", "images": [], **fields}).json()["images"]
        made.append(send(app, "GET", link).content)
    assert made[0] == made[1]


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


def test_links_are_signed(app: Starlette) -> None:
    """A link that was changed opens nothing; what is added to it does no harm."""
    link = links(app)[0]
    for change in (("expires=", "expires=9"), ("signature=", "signature=0"), (".jpg", ".png")):
        assert send(app, "GET", link.replace(*change, 1)).status_code == 403
    assert send(app, "GET", link.replace("?", "?x=é&")).status_code == 200


@pytest.mark.slow
def test_own_link_as_a_reference(app: Starlette) -> None:
    """A link that the sandbox gave can be used as a reference."""
    assert len(links(app, images=[links(app)[0]])) == 1


@pytest.mark.slow
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


@pytest.mark.slow
def test_failures_by_chance() -> None:
    """Several statuses share the requests between them, the same way for the same seed."""
    one, two = (create_app(fail="429@0.3,403@0.7", seed=7) for _ in range(2))
    answers = [[post(app).status_code for _ in range(40)] for app in (one, two)]
    assert answers[0] == answers[1]
    assert 5 < answers[0].count(429) < 20
    assert set(answers[0]) == {429, 403}


@pytest.mark.slow
def test_other_requests_go_well() -> None:
    """What is left of the shares is answered with pictures."""
    assert {post(create_app(fail="429@0.5", seed=seed)).status_code for seed in (0, 1)} == {200, 429}


@pytest.mark.parametrize("spec", ["200", "429@2", "x", "429@", "42", "429@-0.1"])
def test_unreadable_failures(spec: str) -> None:
    """A failure that can't be read is an error that says how to write one."""
    with pytest.raises(ValueError, match=r"429@0\.2"):
        failures(spec)


@pytest.mark.slow
def test_latency() -> None:
    """An answer takes at least `latency`, painting included."""
    app, begun = create_app(latency=0.4), time.monotonic()
    links(app)
    assert time.monotonic() - begun >= 0.4


def test_a_refusal_of_the_request_does_not_wait() -> None:
    """A request that breaks a rule is refused at once, whatever the latency."""
    app, begun = create_app(latency=20.0), time.monotonic()
    post(app, max_images=0)
    assert time.monotonic() - begun < 5


def test_pictures_are_kept_privately() -> None:
    """Pictures lie in a folder of this user alone, which goes with the app."""
    ours = f"seedream-sandbox-{os.getpid()}-*"
    before = set(Path(tempfile.gettempdir()).glob(ours))
    app = create_app()
    links(app)
    (folder,) = set(Path(tempfile.gettempdir()).glob(ours)) - before
    assert len(list(folder.iterdir())) == 1
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="asking after a process ends it there")
def test_what_a_killed_process_has_left_goes() -> None:
    """A folder whose process is gone, and in which nothing happened for an hour, is removed; others stay."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    place = Path(tempfile.gettempdir())
    left, fresh, living = (
        place / f"seedream-sandbox-{owner}-left"
        for owner in (dead.stdout.decode().strip(), f"{dead.stdout.decode().strip()}-fresh", os.getppid())
    )
    for folder in (left, fresh, living):
        folder.mkdir()
    for folder in (left, living):
        os.utime(folder, (0, 0))
    try:
        create_app()
        assert [folder.exists() for folder in (left, fresh, living)] == [False, True, True]
    finally:
        for folder in (left, fresh, living):
            shutil.rmtree(folder, ignore_errors=True)
