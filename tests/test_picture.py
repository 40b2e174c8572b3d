"""Pictures: what a file says about itself, and the ways to its bytes."""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.errors import SeedreamError
from seedream_nb.storage.picture import Picture, inspect

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def encoded(kind: str = "JPEG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """Return the file of a picture with some grain in it."""
    noise = Image.effect_noise(size, 60).convert("RGB")
    file = io.BytesIO()
    noise.save(file, kind, **options)
    return file.getvalue()


def described(path: Path, content: bytes) -> Picture:
    """Write a file and describe it as a picture."""
    path.write_bytes(content)
    return Picture(path=path, mark="@3.1", **vars(inspect(path)))


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    """Return the picture `@3.1`, a JPEG."""
    return described(tmp_path / "0003-1-fox.jpg", encoded())


@pytest.mark.parametrize("kind", KINDS)
def test_inspect(tmp_path: Path, kind: str) -> None:
    """The facts of a file are its type by content, its shape, its hash and its length."""
    content = encoded(kind)
    (tmp_path / "a.part").write_bytes(content)
    assert inspect(tmp_path / "a.part").to_record() == {
        "media_type": KINDS[kind],
        "width": 64,
        "height": 48,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_files_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    """A file that lacks its end, wherever it was cut, is no picture."""
    content = encoded(kind)
    path = tmp_path / "a"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut off|empty|damaged|not a picture"):
        inspect(path)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_with_an_embedded_preview(tmp_path: Path, progressive: bool) -> None:
    """A JPEG that is cut off is refused also when it holds a whole smaller one in its header."""
    exif = Image.Exif()
    exif[0x010E] = encoded(size=(16, 16)).decode("latin-1")
    content = encoded(exif=exif.tobytes() + encoded(size=(16, 16)), progressive=progressive)
    (tmp_path / "a.jpg").write_bytes(content)
    assert inspect(tmp_path / "a.jpg").width == 64
    (tmp_path / "a.jpg").write_bytes(content[:-2])
    with pytest.raises(ValueError, match="cut off"):
        inspect(tmp_path / "a.jpg")


@pytest.mark.parametrize("more", [b"\0" * 100, b"Samsung trailer", b"\0" * 3_000_000])
def test_jpeg_with_something_after_its_end(tmp_path: Path, more: bytes) -> None:
    """A whole JPEG that is followed by other bytes is a picture."""
    (tmp_path / "a.jpg").write_bytes(encoded() + more)
    assert inspect(tmp_path / "a.jpg").height == 48


def test_end_of_a_jpeg_across_two_pieces(tmp_path: Path) -> None:
    """The end of a JPEG is found where one piece that is read ends and the next begins."""
    (tmp_path / "a.jpg").write_bytes(encoded() + b"\0" * ((1 << 20) - 1))
    assert inspect(tmp_path / "a.jpg").height == 48


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "an empty file"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page or an XML message"),
        (b'{"message": "expired"}', 'not a picture but text: {"message": "expired"}'),
        (b"GIF89a\x01\x00", "a GIF"),
        (b"\0\0\0\x20ftypavif", "an AVIF, HEIC or video file"),
        (b"\x80\x81\x82", "not a picture"),
        (b"\x1b[2Jexpired", "not a picture but text: [2Jexpired"),
        (("ü" * 300).encode(), "not a picture but text: ü"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a image/jpeg that is cut off"),
    ],
)
def test_what_it_is_instead(tmp_path: Path, content: bytes, told: str) -> None:
    """Something that is no picture is named, so that a person knows what the link gave."""
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=r".") as caught:
        inspect(tmp_path / "a")
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("place", range(45, 80, 3))
def test_what_came_instead_is_blotted_before_it_is_cut(tmp_path: Path, place: int) -> None:
    """Of a key that stands where the text is cut, no part is told."""
    (tmp_path / "a").write_text(f"{place * '-'} k3y is not one of ours, k3y is not one of ours")
    with pytest.raises(ValueError, match=r".") as caught:
        inspect(tmp_path / "a", redact=lambda text: text.replace("k3y", "…"))
    assert "k" not in str(caught.value)


def test_what_pillow_says_of_its_reader_is_not_told(tmp_path: Path) -> None:
    """Of a file that Pillow can't make out, its kind is told, and nothing of how it was opened."""
    (tmp_path / "a").write_bytes(b"\xff\xd8\xff\xda\0\2\0\0\xff\xd9")
    with pytest.raises(ValueError, match=r"^a damaged image/jpeg$"):
        inspect(tmp_path / "a")


def test_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    """A file that would unpack to far more pixels than the service makes is refused, undecoded."""
    content = bytearray(encoded("PNG"))
    content[16:24] = (50_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match="too many pixels"):
        inspect(tmp_path / "a.png")


def test_large_shapes_are_refused(tmp_path: Path) -> None:
    """The limit is ours, lower than Pillow's."""
    content = bytearray(encoded("PNG"))
    content[16:24] = (8_001).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match="8001x8001 pixels"):
        inspect(tmp_path / "a.png")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP"]), rest=st.binary())
def test_inspect_raises_only_value_error(tmp_path: Path, start: bytes, rest: bytes) -> None:
    """Whatever a link gives, it is a picture or a ValueError."""
    (tmp_path / "a").write_bytes(start + rest)
    with pytest.raises(ValueError, match=r"."):
        inspect(tmp_path / "a")


def test_to_bytes(tmp_path: Path) -> None:
    """The bytes are those that the service sent."""
    content = encoded()
    assert described(tmp_path / "a.jpg", content).to_bytes() == content


def test_to_pil(picture: Picture) -> None:
    """The PIL image is decoded, so it outlives its file."""
    image = picture.to_pil()
    picture.path.unlink()
    assert (image.size, image.getpixel((0, 0)) is not None) == ((64, 48), True)


@pytest.mark.parametrize("kind", KINDS)
def test_to_numpy(tmp_path: Path, kind: str) -> None:
    """The array is height x width x 3, uint8, RGB, and may be written to."""
    array = described(tmp_path / "a", encoded(kind)).to_numpy()
    assert (array.shape, array.dtype.name, array.flags.writeable) == ((48, 64, 3), "uint8", True)


def test_grey_pictures_have_three_channels(tmp_path: Path) -> None:
    """A grey file gives RGB like any other."""
    file = io.BytesIO()
    Image.new("L", (8, 8), 77).save(file, "PNG")
    assert described(tmp_path / "a.png", file.getvalue()).to_numpy()[0, 0].tolist() == [77, 77, 77]


def test_asarray(picture: Picture) -> None:
    """`numpy.asarray(picture)` gives the pixels, in the type that is asked for."""
    assert np.array_equal(np.asarray(picture), picture.to_numpy())
    assert np.asarray(picture, dtype=np.float32).dtype == np.float32


def test_array_without_copy_is_refused(picture: Picture) -> None:
    """`copy=False` can't be had, and says so, as numpy 2 wants it."""
    with pytest.raises(ValueError, match="always a copy"):
        np.array(picture, copy=False)


def test_save_into_a_folder(picture: Picture, tmp_path: Path) -> None:
    """A folder gets the file under its own name, byte for byte."""
    (tmp_path / "out").mkdir()
    path = picture.save(tmp_path / "out")
    assert (path, path.read_bytes()) == (tmp_path / "out" / "0003-1-fox.jpg", picture.to_bytes())


def test_save_makes_the_folder(picture: Picture, tmp_path: Path) -> None:
    """A name with a slash at its end is a folder, made if need be."""
    assert picture.save(f"{tmp_path}/new/er/") == tmp_path / "new" / "er" / "0003-1-fox.jpg"


def test_save_to_a_name(picture: Picture, tmp_path: Path) -> None:
    """A name is taken as it is."""
    assert picture.save(tmp_path / "fox.jpeg") == tmp_path / "fox.jpeg"


@pytest.mark.parametrize(("name", "expected"), [("fox", "fox.jpg"), ("fox.v2", "fox.v2.jpg"), ("a.b.JPG", "a.b.JPG")])
def test_save_adds_the_suffix(picture: Picture, tmp_path: Path, name: str, expected: str) -> None:
    """A name without the suffix of a picture gets it."""
    assert picture.save(tmp_path / name) == tmp_path / expected


def test_save_never_overwrites(picture: Picture, tmp_path: Path) -> None:
    """Where another file has the name, the copy gets a number."""
    for name in ("fox.jpg", "fox-2.jpg"):
        (tmp_path / name).write_text("mine", "utf-8")
    assert picture.save(tmp_path / "fox.jpg") == tmp_path / "fox-3.jpg"
    assert (tmp_path / "fox.jpg").read_text("utf-8") == "mine"


def test_save_finds_its_copy(picture: Picture, tmp_path: Path) -> None:
    """Saving once more gives the copy that is there, so that running all again fills no folder."""
    assert picture.save(tmp_path / "fox.jpg") == picture.save(tmp_path / "fox.jpg")


def test_save_as_another_format_is_refused(picture: Picture, tmp_path: Path) -> None:
    """A name that promises a format that the file has not is refused, with the way to convert."""
    with pytest.raises(SeedreamError, match=r"to_pil\(\)\.save\('fox\.png'\)"):
        picture.save(tmp_path / "fox.png")


def test_repr_touches_no_disk() -> None:
    """A picture whose file is gone still says what and where it was; control characters don't get through."""
    path = Path("/gone/\x1b[2Jfox.jpg")
    gone = Picture(path=path, width=2, height=1, media_type="image/jpeg", sha256="", mark="@1.1", size_bytes=0)
    assert repr(gone) == "<Picture @1.1 2x1 image/jpeg /gone/ [2Jfox.jpg>".replace("/", str(Path("/"))[-1])


class Shown:
    """A session that shows pictures as their mark; `trouble` is raised instead."""

    def __init__(self, trouble: Exception | None = None) -> None:
        """Raise `trouble`, if any."""
        self.trouble = trouble

    def bundle(self, value: Any) -> dict[str, Any]:
        """Return the mark as HTML."""
        if self.trouble:
            raise self.trouble
        return {"text/html": value.mark}


def test_mime_bundle_is_the_sessions(picture: Picture) -> None:
    """In a notebook the session decides how a picture looks."""
    shown = Picture(**{**vars(picture), "verbs": Shown()})
    assert shown._repr_mimebundle_() == {"text/html": "@3.1"}


@pytest.mark.parametrize("verbs", [None, Shown(FileNotFoundError("gone")), Shown(ValueError("damaged"))])
def test_mime_bundle_falls_back_to_text(picture: Picture, verbs: Shown | None) -> None:
    """Without a session, or without its file, a picture shows as text."""
    shown = Picture(**{**vars(picture), "verbs": verbs})
    assert shown._repr_mimebundle_() == {"text/plain": repr(picture)}


@pytest.mark.parametrize(
    "place", ["/proc/nowhere/", "file/deeper/fox.jpg", "file/", "\0", "~nobody-of-that-name/fox.jpg"]
)
def test_save_where_nothing_can_be_is_told_in_words(picture: Picture, tmp_path: Path, place: str) -> None:
    """A place that can't be written is an error of ours, of a few lines that name it and say what to do."""
    if place.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("there is no such folder here")
    (tmp_path / "file").touch()
    with pytest.raises(SeedreamError, match="can't be copied") as caught:
        picture.save(place)
    assert len(caught.value.lines()) == 2


def test_save_of_a_picture_that_is_gone_says_so(picture: Picture, tmp_path: Path) -> None:
    """A file that somebody deleted is named, with what may bring it back."""
    picture.path.unlink()
    with pytest.raises(SeedreamError, match="is not there any more"):
        picture.save(tmp_path / "copy.jpg")
    assert not (tmp_path / "copy.jpg").exists()


def test_a_png_that_is_damaged_within(tmp_path: Path) -> None:
    """One whose end is there, but whose pixels are not what their checksum says, is no picture that came."""
    path = tmp_path / "a.png"
    Image.effect_noise((99, 99), 80).save(path)
    inspect(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a damaged image/png"):
        inspect(path)
