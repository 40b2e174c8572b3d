"""What a file shows is what is sent: never its preview, never half of it; what can't be read is named."""

from __future__ import annotations

import contextlib
import io
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seedream_nb.errors import Problem, ReferenceImageError
from seedream_nb.preview import cheap_preview, preview
from seedream_nb.references.load import NotAPicture, open_picture
from seedream_nb.storage.picture import inspect
from seedream_nb.storage.structure import is_complete_jpeg
from tests.pictures import chunk, encoded, gradient, noise, page, segment, tiff
from tests.references import fit, load_reference

if TYPE_CHECKING:
    from pathlib import Path

THUMBNAIL, FULL = gradient(160, 120), gradient(600, 450)
PNG, JPEG = encoded(gradient(), "PNG"), encoded(gradient(), "JPEG")
SENSOR = page(Image.new("L", (600, 450), 80), colours=32803, kind=0)


def sent(content: bytes | Image.Image, folder: Path) -> tuple[Image.Image, str | None]:
    """Return the picture that is sent for a content, and what is said about it."""
    reference = load_reference("photo", content)
    found = fit(reference, folder / "inputs")
    with Image.open(found.path) as image:
        image.load()
    return image, found.note


def refusal(content: bytes | Image.Image, folder: Path) -> str:
    """Return why a content is refused, when the request is made or when it is prepared."""
    with pytest.raises((Problem, ReferenceImageError)) as caught:
        sent(content, folder)
    assert str(caught.value).startswith("photo ")
    return str(caught.value)


RAW = {
    "nef": tiff(page(THUMBNAIL, kind=1, make=b"NIKON\0", within=(page(FULL, kind=1, packed=7), SENSOR))),
    "nef unmarked": tiff(page(THUMBNAIL, make=b"NIKON\0", within=(SENSOR,)), order=">"),
    "nef, pages lost": tiff(page(THUMBNAIL, make=b"NIKON\0", within=2)),
    "nef, one page, lost": tiff(page(THUMBNAIL, within=1)),
    "dng": tiff(page(THUMBNAIL, kind=1, dng=b"\1\4\0\0", within=(SENSOR,))),
    "dng of a phone": tiff(page(THUMBNAIL, kind=1, dng=b"\1\6\0\0", within=(page(FULL, kind=0, colours=34892),))),
    "dng, its preview first": tiff(page(FULL, kind=1, dng=b"\1\4\0\0", within=(SENSOR,))),
    "dng, the sensor first": tiff({**SENSOR, "tags": {**SENSOR["tags"], 50706: (1, b"\1\4\0\0")}}),
    "arw": tiff(page(THUMBNAIL, kind=1, make=b"SONY\0", within=(page(FULL, packed=32767, colours=32803),))),
    "pef": tiff(page(FULL, packed=65535, make=b"PENTAX\0"), page(THUMBNAIL, kind=1), order=">"),
    "srw": tiff(page(THUMBNAIL, kind=1), page(FULL, packed=32770)),
    "cr2": tiff(page(FULL, packed=6), page(THUMBNAIL), start=b"CR\2\0" + bytes(4)),
    "iiq": tiff(page(THUMBNAIL), start=b"IIII" + bytes(4)),
    "a preview alone": tiff(page(THUMBNAIL, make=b"KODAK\0")),
    "orf": b"IIRO\x08\0\0\0" + tiff(page(THUMBNAIL))[8:],
    "rw2": b"IIU\0\x18\0\0\0" + bytes(600),
    "raf": b"FUJIFILMCCD-RAW 0201" + JPEG,
    "cr3": b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(600),
    "mrw": b"\0MRM" + bytes(600),
    "x3f": b"FOVb" + bytes(600),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_photo_is_refused(name: str, tmp_path: Path) -> None:
    """It is no picture yet, and the one in it is a preview; the message says what to do."""
    assert refusal(RAW[name], tmp_path) == "photo is a raw photo: save it as JPEG."


def test_a_raw_photo_that_pillow_has_opened_is_refused(tmp_path: Path) -> None:
    """What Pillow shows of it is its preview; a copy of that is a picture that somebody wanted."""
    image = Image.open(io.BytesIO(RAW["nef"]))
    assert "raw photo" in refusal(image, tmp_path)
    assert sent(image.copy(), tmp_path)[0].size == (160, 120)


REDUCED = {
    "new": tiff(page(THUMBNAIL, kind=1), page(FULL, kind=0)),
    "old": tiff(page(THUMBNAIL, old_kind=2), page(FULL, old_kind=1), order=">"),
    "unmarked": tiff(page(THUMBNAIL), page(FULL)),
    "within": tiff(page(THUMBNAIL, kind=1, within=(page(FULL, kind=0),))),
    "within, unmarked": tiff(page(THUMBNAIL, within=(page(FULL),))),
    "pyramid": tiff(page(FULL), page(gradient(300, 225), kind=1), page(THUMBNAIL, kind=1)),
    "pyramid within": tiff(page(FULL, within=(page(gradient(300, 225), kind=1), page(THUMBNAIL, kind=1)))),
    "mask first": tiff(page(Image.new("L", (600, 450)), kind=4), page(FULL)),
    "first can't be read": tiff(page(THUMBNAIL, kind=1, bits=24), page(FULL)),
}


@pytest.mark.parametrize("name", REDUCED)
def test_the_full_page_of_a_tiff_is_sent(name: str, tmp_path: Path) -> None:
    """Wherever in the file it is: smaller copies of it are told apart by their marks, or by their size."""
    image, note = sent(REDUCED[name], tmp_path)
    assert image.tobytes() == FULL.tobytes()
    assert note == (
        "photo: only page 2 of its 2 pages was sent, converted from TIFF to PNG"
        if name == "unmarked"
        else "photo: converted from TIFF to PNG"
    )


def test_packed_pages_of_a_tiff_are_found(tmp_path: Path) -> None:
    """By the decoder too, which reads the file by itself."""
    path = tmp_path / "photo.tif"
    THUMBNAIL.save(path, save_all=True, append_images=[FULL], compression="tiff_lzw")
    content = path.read_bytes()
    image, note = sent(content, tmp_path)
    assert (image.size, "page 2 of its 2 pages" in str(note)) == (FULL.size, True)
    assert (
        fit(load_reference("photo", path), tmp_path / "inputs").sha256
        == fit(load_reference("photo", content), tmp_path / "inputs").sha256
    )


def test_of_pages_of_like_size_the_first_is_sent(tmp_path: Path) -> None:
    """As of a scanned letter; the note tells how many there are."""
    image, note = sent(tiff(page(gradient(300, 200)), page(gradient(303, 202))), tmp_path)
    assert image.size == (300, 200)
    assert note == "photo: only the first of its 2 pages was sent, converted from TIFF to PNG"


def test_a_tiff_of_smaller_copies_only_is_refused(tmp_path: Path) -> None:
    """As overviews that lie beside their picture."""
    assert "smaller copy" in refusal(tiff(page(THUMBNAIL, kind=1)), tmp_path)


NAMED = {
    "a TIFF with 6 bands of 8 bits": tiff(page(Image.new("L", (60, 40)), bands=6)),
    "a TIFF with 1 band of 16-bit floats": tiff(page(Image.new("L", (60, 40)), bits=16, form=3)),
    "a TIFF with 1 band of 64-bit floats": tiff(page(Image.new("L", (60, 40)), bits=64, form=3)),
    "a TIFF with 3 bands of 32-bit floats": tiff(page(gradient(60, 40), bits=32, form=3)),
    "cannot handle 12-bit layers": JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "NaN or infinite": encoded(Image.new("F", (60, 40), float("nan")), "TIFF"),
}


@pytest.mark.parametrize("told", NAMED)
def test_what_can_not_be_read_is_named(told: str, tmp_path: Path) -> None:
    """It is not called damaged, for it is not."""
    message = refusal(NAMED[told], tmp_path)
    assert told in message
    assert "damaged" not in message
    assert "save it" in message


def test_floats_are_read(tmp_path: Path) -> None:
    """What lies beyond a picture's range is spread over it, and that is said."""
    picture = Image.linear_gradient("L").resize((60, 40)).convert("F").point(lambda value: value * 2 - 50)
    image, note = sent(encoded(picture, "TIFF"), tmp_path)
    assert image.getextrema() == (0, 255)
    assert "were stretched from black to white" in str(note)


def with_chunk(kind: bytes, body: bytes, *, at_end: bool = False, content: bytes = PNG) -> bytes:
    """Return a PNG with another chunk."""
    place = len(content) - 12 if at_end else 33
    return content[:place] + chunk(kind, body) + content[place:]


LONG = zlib.compress(b"x" * 3_000_000)
LONG_TEXTS = {
    "packed": with_chunk(b"zTXt", b"a\0\0" + LONG),
    "international": with_chunk(b"iTXt", b"a\0\1\0\0\0" + LONG),
    "behind": with_chunk(b"zTXt", b"a\0\0" + LONG, at_end=True),
    "many": PNG[:33] + chunk(b"tEXt", b"a\0" + b"x" * 900_000) * 80 + PNG[33:],
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_a_png_with_long_texts_is_whole(name: str, tmp_path: Path) -> None:
    """It is sent as it is, less those; its preview is made, and as a result it would be kept."""
    found = fit(load_reference("photo", LONG_TEXTS[name]), tmp_path / "inputs")
    assert found.path.read_bytes() == PNG
    assert cheap_preview(LONG_TEXTS[name], 100)
    (tmp_path / "result.png").write_bytes(LONG_TEXTS[name])
    assert inspect(tmp_path / "result.png").width == 300
    assert preview(tmp_path / "result.png", 100)


def test_a_png_with_long_texts_is_encoded_again_if_it_must_be(tmp_path: Path) -> None:
    """Decoding reads what lies behind the pixels too."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = with_chunk(b"zTXt", b"a\0\0" + LONG, at_end=True, content=encoded(gradient(), "PNG", exif=exif))
    assert sent(content, tmp_path)[0].size == (200, 300)


def test_a_png_with_a_long_profile_is_sent_in_its_colours(tmp_path: Path) -> None:
    """Few programs read such a profile, so the picture is converted to sRGB."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = profile.replace(b"sRGB built-in", b"xxxx built-in").replace(b"s\0R\0G\0B", b"x\0x\0x\0x")
    content = with_chunk(b"iCCP", b"a\0\0" + zlib.compress(renamed.ljust(2_000_000, b"\0")))
    image, note = sent(content, tmp_path)
    assert "icc_profile" not in image.info
    assert note == "photo: colours converted to sRGB"


EMPTY = {
    "no pixels": PNG[:33] + PNG[-12:],
    "empty pixels": PNG[:33] + chunk(b"IDAT", b"") + PNG[-12:],
    "half the pixels": PNG[:33] + chunk(b"IDAT", zlib.compress(bytes(90_000))) + PNG[-12:],
    "no scan": JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9",
    "empty scan": JPEG[: JPEG.index(b"\xff\xda")] + segment(0xDA, b"\3\1\0\2\x11\3\x11\0\x3f\0") + b"\xff\xd9",
}


@pytest.mark.parametrize("name", EMPTY)
def test_what_lacks_its_picture_is_refused(name: str, tmp_path: Path) -> None:
    """However whole its parts are."""
    assert "use " in refusal(EMPTY[name], tmp_path)


def test_a_result_without_pixels_did_not_come(tmp_path: Path) -> None:
    """Its link is tried again."""
    (tmp_path / "result.png").write_bytes(EMPTY["no pixels"])
    with pytest.raises(ValueError, match="cut off"):
        inspect(tmp_path / "result.png")


JPEGS = {
    "photo": encoded(noise(300, 200), "JPEG"),
    "progressive": encoded(noise(300, 200), "JPEG", progressive=True),
    "gray": encoded(noise(300, 200, "L"), "JPEG"),
    "restarts": encoded(noise(300, 200), "JPEG", restart_marker_blocks=2),
    "smooth": JPEG,
}


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_is_sent_with_it(name: str, lost: int, tmp_path: Path) -> None:
    """Byte for byte; it has its preview too."""
    whole = JPEGS[name]
    found = fit(load_reference("photo", whole[:-lost]), tmp_path / "inputs")
    assert found.path.read_bytes() == whole
    assert cheap_preview(whole[:-lost], 100) == cheap_preview(whole, 100)


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("more", [bytes(500), b"\xff\xd9" + bytes(500), b"\xff\xd9a film"])
def test_what_follows_a_jpeg_is_no_damage(name: str, more: bytes, tmp_path: Path) -> None:
    """Whether its end is there or not."""
    image, _ = sent(JPEGS[name][:-2] + more, tmp_path)
    with Image.open(io.BytesIO(JPEGS[name])) as whole:
        assert image.tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("lost", [5, 30, 200, 1000])
def test_a_jpeg_that_lacks_rows_is_refused(name: str, lost: int, tmp_path: Path) -> None:
    """What is missing would be grey."""
    assert "cut off" in refusal(JPEGS[name][:-lost], tmp_path)


def test_a_png_that_lacks_only_its_end_is_sent(tmp_path: Path) -> None:
    """All its rows are there."""
    assert sent(PNG[:-12], tmp_path)[0].tobytes() == gradient().tobytes()


@pytest.mark.parametrize("form", ["ICO", "ICNS"])
def test_of_several_sizes_the_largest_is_sent(form: str, tmp_path: Path) -> None:
    """Of icons."""
    content = encoded(gradient(256, 256, "RGBA"), form)
    with Image.open(io.BytesIO(content)) as icon:
        largest = max(size[:2] for size in icon.info["sizes"])
    assert sent(content, tmp_path)[0].size[0] >= largest[0] > 128


def test_the_first_picture_of_an_mpo_is_sent(tmp_path: Path) -> None:
    """As it is; the others are previews, or for the other eye. Opened by Pillow it is not called animated either."""
    content = encoded(gradient(), "MPO", save_all=True, append_images=[THUMBNAIL])
    image, note = sent(content, tmp_path)
    assert (image.size, note) == (gradient().size, None)
    assert load_reference("photo", Image.open(io.BytesIO(content))).notes == ()


def test_a_heic_photo_says_how_it_can_be_read(tmp_path: Path) -> None:
    """By a library that Pillow's reader comes with, or as JPEG."""
    told = refusal(b"\0\0\0\x18ftypheic" + bytes(600), tmp_path)
    assert "save it as JPEG" in told
    assert "pip install pillow-heif" in told


@given(st.sampled_from([RAW["nef"], REDUCED["within"], REDUCED["pyramid"], tiff(page(gradient(30, 20)))]), st.data())
def test_no_mutation_of_a_tiff_breaks_it(content: bytes, data: st.DataObject) -> None:
    """A changed byte leaves a picture, or says that it is none."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        tail = data.draw(st.integers(1, min(len(content), 600)))
        changed[-tail] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotAPicture):
        open_picture(io.BytesIO(bytes(changed)))


def test_the_end_of_a_jpeg_is_looked_for_behind_its_first_scan() -> None:
    """A preview in its header has an end of its own."""
    preview = segment(0xE1, b"Exif\0\0" + encoded(gradient(30, 20), "JPEG"))
    content = JPEG[:2] + preview + JPEG[2:]
    assert is_complete_jpeg(io.BytesIO(content))
    assert not is_complete_jpeg(io.BytesIO(content[:-2]))
