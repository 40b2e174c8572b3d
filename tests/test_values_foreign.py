"""Objects of other libraries are asked for their picture; whatever they do, a picture or a problem comes of it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import os
import pathlib
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import ipywidgets
import pytest
from IPython import display

from seedream_nb.errors import Problem, RequestError
from seedream_nb.prompt import expand
from seedream_nb.references.adapters import held, is_picture, sources_of
from seedream_nb.references.resolve import Gathering, Lookups
from seedream_nb.scope import NamesScope
from tests.pictures import encoded, gradient
from tests.references import LIMITS, load_reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.request import Reference

PNG, JPEG = encoded(gradient(60, 50), "PNG"), encoded(gradient(60, 50), "JPEG")
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def references(value: object) -> list[Reference]:
    """Return the references that a value makes."""
    return [load_reference(name, source) for name, source in sources_of("x", value) if not isinstance(source, str)]


def refused(value: object) -> str:
    """Return what a person is told of a value that is no picture."""
    with pytest.raises(Problem) as caught:
        references(value)
    assert caught.value.reference
    assert str(caught.value).startswith("x")
    return str(caught.value)


def having(**methods: Any) -> Any:
    """Return an object with these methods: what they return, or raise."""

    def method(outcome: Any) -> Callable[..., Any]:
        def run(_self: object, *_args: object, **_options: object) -> Any:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return run

    return type("Thing", (), {name: method(outcome) for name, outcome in methods.items()})()


SHOWN = [
    {"_repr_png_": PNG},
    {"_repr_png_": bytearray(PNG)},
    {"_repr_png_": base64.b64encode(PNG).decode()},
    {"_repr_png_": base64.encodebytes(PNG).decode()},
    {"_repr_png_": (PNG, {"width": 60})},
    {"_repr_jpeg_": JPEG},
    {"_repr_png_": None, "_repr_jpeg_": JPEG},
    {"_repr_png_": ValueError("no"), "_repr_jpeg_": JPEG},
    {"_repr_mimebundle_": {"image/png": PNG, "text/plain": "x"}},
    {"_repr_mimebundle_": ({"image/jpeg": base64.b64encode(JPEG).decode()}, {"image/jpeg": {}})},
    {"_repr_mimebundle_": {"image/svg+xml": SVG, "image/gif": encoded(gradient(60, 50), "GIF")}},
    {"to_image": PNG},
    {"to_image": gradient(60, 50)},
]


@pytest.mark.parametrize("methods", SHOWN)
def test_what_shows_itself_as_a_picture_is_one(methods: dict[str, Any]) -> None:
    """As bytes or base64, alone or with metadata; another way is tried where one fails."""
    (reference,) = references(having(**methods))
    assert (reference.width, reference.height) == (60, 50)


TROUBLES = [
    ({"_repr_svg_": SVG}, ["only as SVG", "Save it as PNG"]),
    ({"_repr_html_": "<p>"}, ["only as HTML", "Save it as PNG"]),
    ({"_repr_mimebundle_": {"text/html": "<p>", "image/svg+xml": SVG}}, ["as SVG and as HTML"]),
    ({"_repr_mimebundle_": {}}, ["not as PNG or JPEG"]),
    ({"_repr_mimebundle_": None}, ["not as PNG or JPEG"]),
    ({"_repr_mimebundle_": 3}, ["not as PNG or JPEG"]),
    ({"_repr_png_": "not base64!"}, ["broken base64"]),
    ({"_repr_png_": 3}, ["int instead of PNG"]),
    ({"_repr_png_": b"hello"}, ["not a picture but text"]),
    ({"_repr_png_": PNG[:30]}, ["damaged PNG"]),
    ({"_repr_png_": b""}, ["is empty"]),
    ({"_repr_png_": ValueError("out of ink")}, ["ValueError: out of ink", "Save it as PNG"]),
    ({"to_image": ValueError("needs kaleido")}, ["needs kaleido", "pip install"]),
    ({"_repr_png_": SystemExit(3)}, ["SystemExit"]),
    ({"savefig": None}, ["writes no picture"]),
    ({"savefig": RuntimeError("no TeX here")}, ["RuntimeError: no TeX here"]),
    ({"__array__": MemoryError()}, ["MemoryError"]),
    ({"__array__": "text"}, ["x can't be read"]),
    ({"__dlpack__": 3, "__dlpack_device__": 3}, ["x can't be read"]),
    ({"read": 3, "seek": 0, "tell": 0}, ["x can't be read"]),
    ({"read": "text", "seek": 0, "tell": 0}, ["open as text"]),
    ({"read": OSError("gone"), "seek": 0, "tell": 0}, ["gone"]),
]


@pytest.mark.parametrize(("methods", "told"), TROUBLES, ids=[str(told) for _, told in TROUBLES])
def test_what_shows_no_picture_is_told(methods: dict[str, Any], told: list[str]) -> None:
    """With what it is or raised, and what to do."""
    message = refused(having(**methods))
    assert [each for each in told if each not in message] == []


def nothing_yet() -> Gathering:
    """Return the references of a request that has none."""
    return Gathering(Lookups(scope=NamesScope({}), marked=lambda _: [], folder=pathlib.Path(), limits=LIMITS))


CLIP = b"\0\0\0\x20ftypisom" + bytes(100)
MEDIA: list[tuple[object, list[str]]] = [
    (display.Video("https://x.org/a.mp4"), ["is a video", "save the frame"]),
    (display.Video(data=CLIP, embed=True, mimetype="video/mp4"), ["is a video"]),
    (ipywidgets.Video.from_url("https://x.org/a.mp4"), ["is a video"]),
    (ipywidgets.Video(value=CLIP, format="mp4"), ["is a video"]),
    (display.YouTubeVideo("abc"), ["is a video", "save the frame"]),
    (display.VimeoVideo("1"), ["is a video"]),
    (display.Audio(url="https://x.org/a.mp3"), ["is a sound", "describe it in words"]),
    (display.Audio(data=CLIP, rate=8000), ["is a sound"]),
    (ipywidgets.Audio.from_url("https://x.org/a.mp3"), ["is a sound"]),
    (display.IFrame("https://x.org", 40, 30), ["is a web page", "take a screenshot"]),
    (display.ScribdDocument("1"), ["is a web page"]),
    (type("Mine", (display.Video,), {})("https://x.org/a.mp4"), ["is a video"]),
]


@pytest.mark.parametrize(("value", "told"), MEDIA, ids=[type(value).__name__ for value, _ in MEDIA])
@pytest.mark.parametrize("door", ["braces", "image", "list"])
def test_what_plays_or_embeds_is_no_picture(value: object, told: list[str], door: str) -> None:
    """Wherever it stands: it is refused, with what it is and what to do, and nobody is asked for a thumbnail."""
    if door == "braces":
        with pytest.raises(RequestError) as caught:
            expand("like {x}", NamesScope({"x": value}), nothing_yet())
        message = caught.value.problems[0]
        assert message.startswith("{x} is a ")
    else:
        message = refused([value] if door == "list" else value)
    assert [each for each in told if each not in message] == []


@pytest.mark.parametrize("value", [value for value, _ in MEDIA], ids=[type(value).__name__ for value, _ in MEDIA])
def test_tab_offers_nothing_that_plays_or_embeds(value: object) -> None:
    """A video that has a thumbnail is not offered as a drawing."""
    assert held(value) == ""


def test_what_has_an_address_and_no_picture_is_text() -> None:
    """A row with a `url` and no `data` is whatever its own text says."""
    row = dataclasses.make_dataclass("Row", ["url", "data"], namespace={"__str__": lambda row: f"see {row.url}"})
    assert expand("{x}", NamesScope({"x": row("https://x.org/a", None)}), nothing_yet()) == "see https://x.org/a"


class Hostile:
    """Every attribute raises."""

    def __getattribute__(self, name: str) -> Any:
        """Raise."""
        raise RuntimeError(name)


class Unspeakable(Exception):
    """An error that can't even be told."""

    def __str__(self) -> str:
        """Raise."""
        raise RuntimeError


class Pretending:
    """It raises when it is asked of what class it is."""

    @property  # type: ignore[misc]  # on purpose
    def __class__(self) -> Any:
        """Raise."""
        raise RuntimeError


class Locked(list[object]):
    """A list that nobody can look through."""

    def __len__(self) -> int:
        """Raise."""
        raise RuntimeError

    def __iter__(self) -> Any:
        """Raise."""
        raise RuntimeError


class Nowhere:
    """Its class comes from no module."""

    __module__ = 3  # type: ignore[assignment]  # on purpose


class Panics:
    """It ends everything when its text is asked for."""

    def __str__(self) -> str:
        """Raise what is no Exception."""
        raise SystemExit


HOSTILE = [
    Pretending,
    Locked,
    Nowhere,
    Panics,
    lambda: [Pretending()],
    lambda: Locked([PNG]),
    Hostile,
    lambda: [Hostile()],
    lambda: having(_repr_png_=Unspeakable()),
    MagicMock,
]


@pytest.mark.parametrize("make", HOSTILE)
def test_hostile_objects_are_refused(make: Callable[[], object]) -> None:
    """Nothing that they raise comes out."""
    with pytest.raises(Problem):
        [load_reference(name, source) for name, source in sources_of("x", make()) if not isinstance(source, str)]
    assert not is_picture(Hostile())


@pytest.mark.parametrize("make", HOSTILE)
def test_a_hostile_object_fails_a_request_as_any_other_does(make: Callable[[], object], tmp_path: Path) -> None:
    """As one of its references, or in its braces: the problem is told with the others, or it is text."""
    (problem,) = gathered(make(), tmp_path).problems
    assert str(problem).startswith("images[0]")
    with contextlib.suppress(RequestError):
        assert expand("{x}", NamesScope({"x": make()}), gathered(None, tmp_path))


def gathered(value: object, folder: Path) -> Gathering:
    """Return what is gathered of a value, if there is one."""
    gathering = Gathering(Lookups(scope=NamesScope({}), marked=lambda _: [], folder=folder, limits=LIMITS))
    if value is not None:
        gathering.add(value)
    return gathering


def test_an_interrupt_comes_through() -> None:
    """It is the person's own."""
    with pytest.raises(KeyboardInterrupt):
        references(having(_repr_png_=KeyboardInterrupt()))


def test_an_open_file_is_left_where_it_stood(tmp_path: Path) -> None:
    """It is read from its start, wherever that is; nobody else notices."""
    (tmp_path / "a.png").write_bytes(PNG)
    with (tmp_path / "a.png").open("rb") as file, tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(PNG)
        for stream in (file, io.BytesIO(PNG), spooled):
            stream.seek(7)
            (reference,) = references(stream)
            assert (stream.tell(), reference.size_bytes, stream.closed) == (7, len(PNG), False)


def test_files_that_cannot_be_read_from_their_start_are_refused(tmp_path: Path) -> None:
    """Closed, open as text, or without an end: at once."""
    with (closed := io.BytesIO(PNG)):
        pass
    assert "closed file" in refused(closed)
    (tmp_path / "a.png").write_bytes(PNG)
    with (tmp_path / "a.png").open(encoding="latin-1") as text:
        assert "open as text" in refused(text)
    assert "open as text" in refused(io.StringIO("x"))
    ends = os.pipe()
    with os.fdopen(ends[0], "rb") as out, os.fdopen(ends[1], "wb"):
        assert "can't be read from its start" in refused(out)
    if os.path.exists("/dev/zero"):  # noqa: PTH110 - a device
        with open("/dev/zero", "rb") as endless:  # noqa: PTH123 - as above
            assert "can't be read from its start" in refused(endless)


EMPTY = [
    (SimpleNamespace(value=b"", format="png"), "no picture in it"),
    (SimpleNamespace(image_data=None, sync_image_data=False), "sync_image_data=True"),
    (SimpleNamespace(accept="", multiple=True, value=()), "choose one first"),
    (SimpleNamespace(accept="", multiple=True, value={}), "choose one first"),
]


@pytest.mark.parametrize(("widget", "told"), EMPTY)
def test_empty_widgets_are_told(widget: object, told: str) -> None:
    """With what to do first."""
    assert told in refused(widget)


def test_one_figure_is_drawn_once() -> None:
    """However many of its parts are handed over."""
    drawn = []

    class Figure:
        def savefig(self, stream: io.BytesIO, **_options: object) -> None:
            drawn.append(stream.write(PNG))

    figure = Figure()
    bars = [SimpleNamespace(figure=figure) for _ in range(20)]
    assert (len(references([bars, figure])), len(drawn)) == (1, 1)


def test_nothing_is_drawn_before_its_turn() -> None:
    """What comes after the last one that fits is never asked."""
    asked = having(_repr_png_=AssertionError())
    assert len(list(sources_of("x", [asked] * 30))) == 1
    assert is_picture(asked)


IN_BRACES = [
    (PNG, True),
    (b"text", False),
    ("a.png", False),
    (gradient(), True),
    ([gradient(), PNG], True),
    ([gradient(), "a.png"], False),
    ([], False),
    (having(_repr_png_=PNG), True),
    (having(savefig=None), True),
    (having(_repr_html_="<p>"), False),
    (having(_repr_mimebundle_={}), False),
    (SimpleNamespace(value=b"abc", format="png"), True),
    (io.BytesIO(PNG), True),
    (io.BytesIO(b"text"), False),
    (io.StringIO("text"), False),
    (3, False),
    ({"a": 1}, False),
    (None, False),
    (type(gradient()), False),
]


@pytest.mark.parametrize(("value", "expected"), IN_BRACES)
def test_braces_take_what_can_only_be_a_picture(value: object, *, expected: bool) -> None:
    """All else is text there."""
    assert is_picture(value) is expected


def test_an_open_file_in_braces_is_a_picture_if_it_opens_as_one(tmp_path: Path) -> None:
    """It is left where it stood; a closed one, one that is open as text, and a pipe are no pictures."""
    (tmp_path / "a.png").write_bytes(PNG)
    with (tmp_path / "a.png").open("rb") as file:
        file.seek(3)
        assert is_picture(file)
        assert (file.tell(), file.closed) == (3, False)
    assert not is_picture(file)
    with (tmp_path / "a.png").open(encoding="latin-1") as text:
        assert not is_picture(text)
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert not is_picture(pipe)


def test_a_path_in_braces_is_a_picture_if_it_opens_as_one(tmp_path: Path) -> None:
    """Otherwise its text is meant."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(b"text")
    assert [is_picture(tmp_path / name) for name in ("a.png", "b.png", "c.png", ".")] == [True, False, False, False]


def test_an_animated_image_says_what_was_left_out() -> None:
    """The frame that it shows is sent."""
    from PIL import Image

    frames = [Image.new("RGB", (60, 50), colour) for colour in ("red", "blue")]
    with contextlib.closing(
        Image.open(io.BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    ) as image:
        image.seek(1)
        (reference,) = references(image)
        assert isinstance(reference.source, Image.Image)
        assert reference.source.convert("RGB").getpixel((9, 9)) == (0, 0, 255)
        assert reference.notes == ("x: animated, only its current frame was sent",)
