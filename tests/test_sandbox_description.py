"""The sandbox and the description of the service say the same, whatever is asked."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.sandbox import create_app
from seedream_nb.sandbox.models import SEEDREAM_4_0
from seedream_nb.sandbox.refusals import FAILURES
from seedream_nb.sandbox.rules import how_many, make_order, rules_of
from tests.service.description import FIELDS, IMAGE, PATH, RESPONSES, SCHEMAS, SIZE, problems

PAINTS = create_app()
JUDGES = create_app(fail="503")  # what breaks no rule fails: no picture need be painted to know

MIN, MAX = SIZE["x-total-pixels"]["minimum"], SIZE["x-total-pixels"]["maximum"]
WIDEST = int(SIZE["x-aspect-ratio"]["maximum"])
BASIC = {"prompt": "a fox", "size": "1024x1024"}


def answer(app: object, body: object) -> httpx.Response:
    """Return what an app answers to a body."""

    async def talk() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.post(PATH, json=body)

    return anyio.run(talk)


def pictures(links: list[str]) -> list[Image.Image]:
    """Return the pictures behind links."""

    async def download() -> list[bytes]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(PAINTS)) as client:
            return [(await client.get(link)).content for link in links]

    return [Image.open(io.BytesIO(content)) for content in anyio.run(download)]


def reference(width: int, height: int, form: str = "png") -> str:
    """Return a plain picture as a data URI."""
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, form)
    return f"data:image/{form};base64,{base64.b64encode(stream.getvalue()).decode()}"


def sizes(most: int = MAX) -> st.SearchStrategy[str]:
    """Return sizes that keep the rules, up to so many pixels, and those at each limit."""

    def spelled(pixels: int, ratio: float) -> str:
        width = round(math.sqrt(pixels * ratio))
        return f"{width}x{round(pixels / width)}"

    among = st.builds(spelled, st.integers(MIN, most), st.floats(1 / WIDEST, WIDEST))
    limits = ["1024x1024", "4096x256", "256x4096", "4096x4096", "16384x1024", "1024x16384", *FIELDS["size"]["examples"]]
    limits = [size for size in limits if math.prod(map(int, size.split("x"))) <= most]
    return st.one_of(
        st.sampled_from(limits), among.filter(lambda size: not problems("Request", {**BASIC, "size": size}))
    )


def bodies(size: st.SearchStrategy[str], most_references: int = 10) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies that keep every rule of the description."""
    side = st.integers(IMAGE["shortest-side"], 45)
    images = st.builds(reference, side, side, st.sampled_from(IMAGE["formats"])).filter(fits)
    return st.fixed_dictionaries(
        {"prompt": st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip())), "size": size},
        optional={
            "images": st.lists(images, max_size=most_references),
            "sequential_image_generation": st.sampled_from(FIELDS["sequential_image_generation"]["enum"]),
            "max_images": st.integers(1, 3),
            "watermark": st.booleans(),
        },
    )


def fits(uri: str) -> bool:
    """Return whether a reference's ratio is allowed."""
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        return 1 / 3 <= picture.width / picture.height <= 3


NEAR_MISSES: list[Any] = [
    *("", "1K", "3K", "1k", " 1K", "1K ", "2K 2048x2048", "2048X2048", "2048×2048", "2048 x 2048", "2048*2048", "16:9"),
    *("02048x2048", "2048x2048\n", "+2048x2048", "-2048x-2048", "2048.0x2048", "2e3x2048", "2048x", "x2048", "2048"),
    *("2048x2048x1", "\uff12048x2048", "1024x1024", "1024x1023", "1023x1024", "4096x4096", "4096x4097", "4097x4096"),
    *("4096x256", "4097x256", "256x4096", "256x4097", "16384x1024", "16385x1024", "1x1048576", "99999999999x1"),
    *("auto", "AUTO", "auto ", "disabled", "off", "true", "false", "1", "None", "null", " ", "\n", "\u3000"),
    *([], [""], [" "], ["x"], ["ftp://x/y.png"], ["data:image/gif;base64,AAAA"], [None], [1], [[]], [""] * 11, {}),
    *(None, True, False, -1, 0, 1, 15, 16, 10**30, 0.0, 1.0, 4.0, 15.0, 0.5, 1e300),
]
VALUES = st.one_of(
    st.sampled_from(NEAR_MISSES), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12)
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(field=st.sampled_from([*FIELDS, "seed", "n"]), value=VALUES)
@example(field="max_images", value=4.0)
@example(field="size", value="2048x2048\n")
@example(field="sequential_image_generation", value=True)
@pytest.mark.slow
def test_the_same_values_are_refused(field: str, value: object) -> None:
    """A value of a field is a 400 that names the field exactly where the description does not allow it."""
    assume(field != "images" or not isinstance(value, list) or problems("Request", {**BASIC, field: value}))
    body = {**BASIC, field: value}
    reply = answer(JUDGES, body)
    broken = bool(problems("Request", body))
    assert reply.status_code == (400 if broken else 503), reply.text
    assert not problems("Error", reply.json())
    if broken:
        assert field in reply.json()["message"]
        assert reply.json()["metadata"]["fields"] == [field]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies(sizes()))
def test_what_is_allowed_is_accepted(body: dict[str, Any]) -> None:
    """Whatever the description allows breaks no rule of the sandbox."""
    assert not problems("Request", body)
    reply = answer(JUDGES, body)
    assert reply.status_code == 503, reply.text


def check_pictures(body: dict[str, Any]) -> None:
    """Ask for pictures and look at what comes."""
    reply = answer(PAINTS, body)
    assert reply.status_code == 200, reply.text
    assert not problems("Reply", reply.json())
    made = pictures(reply.json()["images"])
    assert {"x".join(map(str, picture.size)) for picture in made} == {body["size"]}
    most = body.get("max_images", 15) if body.get("sequential_image_generation") == "auto" else 1
    assert 1 <= len(made) <= min(most, 15 - len(body.get("images", [])))


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies(sizes(MIN + MIN // 10), most_references=2))
def test_pictures_are_as_asked_for(body: dict[str, Any]) -> None:
    """Whatever the description allows gives pictures of exactly the size asked for, and never too many."""
    check_pictures(body)


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies(sizes()))
def test_pictures_of_every_size(body: dict[str, Any]) -> None:
    """The same over the whole range of sizes."""
    check_pictures(body)


def test_the_fields_are_the_same() -> None:
    """The description and the sandbox know the same fields, with the same defaults."""
    assert list(FIELDS) == list(rules_of(SEEDREAM_4_0))
    order = make_order({"prompt": "a fox"})
    for field in ("size", "sequential_image_generation", "watermark"):
        assert getattr(order, field) == FIELDS[field]["default"]


def test_max_images_is_15_by_default() -> None:
    """Where `max_images` is absent, a series may have as many as the description's default."""
    body = {"prompt": "20 views of a chair", "sequential_image_generation": "auto"}
    assert how_many(make_order(body)) == FIELDS["max_images"]["default"]


def test_the_statuses_are_the_same() -> None:
    """Every status that the sandbox answers with is in the description, and the other way round."""
    assert {str(status) for status in FAILURES} == {status for status in RESPONSES if status != "200"}


@pytest.mark.parametrize("status", [status for status in RESPONSES if status != "200"])
def test_error_bodies_are_as_described(status: str) -> None:
    """The error body of every status has the described shape, and no other part."""
    reply = answer(create_app(fail=status), BASIC)
    assert reply.status_code == int(status)
    assert not problems("Error", reply.json())
    assert set(reply.json()) == set(SCHEMAS["Error"]["properties"])
