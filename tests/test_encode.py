"""References are made to fit the service's limits, and show the same as before."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from seedream_nb.errors import Problem, ReferenceImageError, SettingsError
from seedream_nb.references.encode import resized
from seedream_nb.request import Reference
from tests.pictures import SECRETS, chunk, encoded, gradient, noise, segment, telling_jpeg, telling_png
from tests.reader import size_of
from tests.references import fit, load_reference

if TYPE_CHECKING:
    from seedream_nb.storage.store import Input

from tests.waiting import tries

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


def fitted(content: bytes | Image.Image, folder: Path, name: str = "photo") -> Input:
    """Return what is sent for a content."""
    return fit(load_reference(name, content), folder / "inputs")


def opened(sent: Input, *, decoded: bool = True) -> Image.Image:
    """Return the picture that is sent, after checking what every one must keep to."""
    content = sent.path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == sent.sha256 == sent.path.stem
    assert sent.size_bytes == len(content) <= 10_000_000
    with Image.open(io.BytesIO(content)) as image:
        if decoded:
            image.load()
    assert image.format == {"image/jpeg": "JPEG", "image/png": "PNG"}[sent.media_type]
    assert sent.path.suffix == {"image/jpeg": ".jpg", "image/png": ".png"}[sent.media_type]
    width, height = image.size
    assert size_of(content) == (width, height)
    assert min(width, height) > 14
    assert max(width, height) <= 3 * min(width, height)
    assert width * height <= 36_000_000
    assert [secret for secret in SECRETS if secret in content] == []
    assert image.info.get("exif") is None
    return image


def distance(one: Image.Image, other: Image.Image) -> float:
    """Return the largest difference of two pictures, in steps of 255, spots left out."""
    assert one.size == other.size
    shrunk = [image.convert("RGBA").resize((16, 16), Image.Resampling.BOX) for image in (one, other)]
    return max(high for _, high in ImageChops.difference(*shrunk).getextrema())  # type: ignore[misc]  # bands


EXACT = {
    "jpeg": encoded(gradient(), "JPEG"),
    "gray jpeg": encoded(gradient(mode="L"), "JPEG"),
    "png": encoded(gradient(), "PNG"),
    "palette": encoded(gradient().quantize(), "PNG"),
    "alpha": encoded(noise(60, 50, "RGBA"), "PNG"),
    "bits": encoded(gradient(mode="1"), "PNG"),
    "16 bits": encoded(Image.new("I;16", (40, 40), 40_000), "PNG"),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_fits_is_sent_as_it_is(name: str, tmp_path: Path) -> None:
    """Byte for byte, and there is nothing to say about it."""
    sent = fitted(EXACT[name], tmp_path)
    assert sent.path.read_bytes() == EXACT[name]
    assert sent.note is None
    opened(sent)


@pytest.mark.parametrize(("telling", "plain"), [(telling_jpeg(), EXACT["jpeg"]), (telling_png(), EXACT["png"])])
def test_what_must_stay_home_does(telling: bytes, plain: bytes, tmp_path: Path) -> None:
    """And nothing else is changed."""
    sent = fitted(telling, tmp_path)
    assert sent.path.read_bytes() == plain
    assert sent.note is None


CONVERTED = [
    ("GIF", "P", {}),
    ("BMP", "RGB", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "LA", {}),
    ("TIFF", "1", {}),
    ("PPM", "RGB", {}),
    ("TGA", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("ICO", "RGBA", {"sizes": [(150, 100)]}),
    ("PCX", "RGB", {}),
    ("JPEG2000", "RGB", {}),
    ("QOI", "RGB", {}),
    ("SGI", "RGB", {}),
    ("JPEG", "CMYK", {}),
]


@pytest.mark.parametrize(("form", "mode", "options"), CONVERTED)
def test_other_formats_and_modes_are_converted(form: str, mode: str, options: dict[str, Any], tmp_path: Path) -> None:
    """To PNG or JPEG that shows the same, and the note says so."""
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow reads {form}, but can't make one")
    picture = gradient(150, 100).convert(mode)
    sent = fitted(encoded(picture, form, **options), tmp_path, "drawing")
    shown = opened(sent)
    assert distance(shown, picture.convert("RGBA")) <= 4
    assert shown.mode in {"L", "RGB", "RGBA"}
    assert sent.note is not None
    assert sent.note.startswith("drawing: converted from")


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_picture_is_sent_upright(form: str, turn: int, tmp_path: Path) -> None:
    """All eight ways in which a camera can be held, in every format that tells."""
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }[turn]  # fmt: skip
    sent = fitted(encoded(gradient(150, 100), form, exif=exif), tmp_path)
    assert distance(opened(sent), gradient(150, 100).transpose(upright)) <= 6


def test_turning_is_noted(tmp_path: Path) -> None:
    """In the reader's words."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert fitted(encoded(gradient(), "JPEG", exif=exif), tmp_path, "me.jpg").note == "me.jpg: turned upright"


def swapped_profile() -> bytes:
    """Return a profile that says something: gamma 1.8 in place of sRGB's curve."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    return bytes(content).replace(b"sRGB built-in", b"xxxx built-in").replace(b"s\0R\0G\0B", b"x\0x\0x\0x")


def test_encoding_again_converts_to_srgb(tmp_path: Path) -> None:
    """By the picture's own profile, within 2 of 255 of what a colour engine says."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    picture = gradient(150, 100)
    content = encoded(picture, "TIFF", icc_profile=swapped_profile())
    shown = opened(sent := fitted(content, tmp_path))
    own = ImageCms.ImageCmsProfile(io.BytesIO(swapped_profile()))
    expected = ImageCms.profileToProfile(picture, own, lab, outputMode="RGB")
    assert expected is not None
    assert distance(shown, expected) <= 2
    assert "icc_profile" not in shown.info
    assert sent.note is not None
    assert "colours converted to sRGB" in sent.note


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200])
def test_a_broken_profile_is_no_obstacle(profile: bytes, tmp_path: Path) -> None:
    """The picture is fine without it."""
    picture = gradient(150, 100)
    assert distance(opened(fitted(encoded(picture, "TIFF", icc_profile=profile), tmp_path)), picture) <= 1


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    """And says so."""
    frames = [Image.new("RGB", (60, 50), colour) for colour in ("red", "green", "blue")]
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        sent = fitted(encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=100), tmp_path)
        assert distance(opened(sent), frames[0]) <= 8
        assert sent.note is not None
        assert "first" in sent.note


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    """40000 of 65535 is 156 of 255, not cut off at 255."""
    shown = opened(fitted(encoded(Image.new("I;16", (40, 40), 40_000), "TIFF"), tmp_path))
    assert shown.getpixel((9, 9)) in {155, 156}


@pytest.mark.parametrize(("value", "expected"), [(0.5, 127), (1.0, 255), (128.0, 128)])
def test_floats_are_fractions_or_bytes(value: float, expected: int, tmp_path: Path) -> None:
    """0 to 1, or 0 to 255."""
    shown = opened(fitted(encoded(Image.new("F", (40, 40), value), "TIFF"), tmp_path))
    assert shown.getpixel((9, 9)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.slow
def test_what_is_over_ten_megabytes_is_made_to_fit(mode: str, tmp_path: Path) -> None:
    """With alpha it stays a PNG; the note tells the sizes."""
    sent = fitted(
        encoded(noise(3700, 3000 if mode == "L" else 1300, mode), "PNG", compress_level=1), tmp_path, "big.png"
    )
    shown = opened(sent)
    assert (sent.media_type == "image/png") == (mode == "RGBA")
    assert shown.width / shown.height == pytest.approx(3700 / (3000 if mode == "L" else 1300), rel=0.01)
    assert sent.note is not None


@pytest.mark.slow
@pytest.mark.parametrize(("size_bytes", "as_it_is"), [(10_000_000, True), (10_000_001, False)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_ten_megabytes_are_ten_million_bytes(form: str, size_bytes: int, tmp_path: Path, *, as_it_is: bool) -> None:
    """The last byte decides: the service may count the stricter way."""
    content = of_size(form, size_bytes)
    assert len(content) == size_bytes
    sent = fitted(content, tmp_path)
    opened(sent)
    assert (sent.path.read_bytes() == content) == as_it_is


def of_size(form: str, size_bytes: int) -> bytes:
    """Return a picture that has exactly so many bytes, all of which are kept: its colour profile is long."""
    content = encoded(gradient(), form)
    if form == "PNG":
        room = size_bytes - len(content) - 12
        return content[:33] + chunk(b"iCCP", b"x\0\0" + bytes(room - 3)) + content[33:]
    rest = size_bytes - len(content)
    parts = []
    while rest:
        size = min(rest, 60_000) if rest < 60_000 or rest > 60_100 else 30_000
        parts.append(segment(0xE2, b"ICC_PROFILE\0".ljust(size - 4, b"\0")))
        rest -= size
    return content[:2] + b"".join(parts) + content[2:]


@pytest.mark.slow
def test_what_is_over_36_million_pixels_is_scaled_down(tmp_path: Path) -> None:
    """And the note says from what to what."""
    sent = fitted(encoded(Image.new("L", (9000, 4500), 99), "PNG"), tmp_path, "plan.png")
    assert opened(sent).size == (8485, 4242)
    assert sent.note == "plan.png: scaled down from 9000x4500 to 8485x4242 (at most 36 million pixels and 10 MB)"


@pytest.mark.slow
def test_scaling_never_leaves_the_ratio(tmp_path: Path) -> None:
    """A picture of exactly 3:1 stays within 3:1."""
    shown = opened(fitted(encoded(Image.new("1", (10_500, 3500), 1), "PNG"), tmp_path))
    assert shown.width <= 3 * shown.height


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_a_film_behind_a_photo_does_not_count(name: str, tmp_path: Path) -> None:
    """What is sent decides whether it fits."""
    content = EXACT[name] + bytes(11_000_000)
    assert fitted(content, tmp_path).path.read_bytes() == EXACT[name]


def test_a_pil_image_is_sent_losslessly(tmp_path: Path) -> None:
    """What was drawn stays as it was drawn, and there is nothing to say about it."""
    for mode in ("RGB", "RGBA", "L", "P", "1", "LA"):
        picture = gradient(150, 100).convert(mode)
        sent = fitted(picture, tmp_path)
        assert sent.note is None
        assert ImageChops.difference(opened(sent).convert("RGBA"), picture.convert("RGBA")).getbbox() is None


def test_a_pil_image_brings_nothing_along(tmp_path: Path) -> None:
    """Comments and texts of the file it came from stay home."""
    picture = gradient(150, 100)
    picture.info.update(
        {"comment": b"SECRET-COMMENT", "exif": b"Exif\0\0SECRET-GPS", "xmp": b"SECRET-XMP", "dpi": (1, 1)}
    )
    assert opened(fitted(picture, tmp_path)).info == {}


def test_a_missing_end_is_mended(tmp_path: Path) -> None:
    """A JPEG that only lacks its last two bytes shows everything, so it is encoded again."""
    shown = opened(fitted(EXACT["jpeg"][:-2], tmp_path))
    assert distance(shown, gradient()) <= 6


DAMAGED = {
    "half a jpeg": encoded(noise(300, 200), "JPEG")[:9000],
    "half a png": encoded(noise(300, 200), "PNG")[:9000],
    "half a webp": encoded(noise(300, 200), "WEBP")[:9000],
    "half a tiff": encoded(noise(300, 200), "TIFF")[:9000],
    "flipped png": encoded(noise(300, 200), "PNG").replace(b"IDATx", b"IDATy", 1),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused(name: str, tmp_path: Path) -> None:
    """At birth or when it is fitted, with its name, what is wrong and what to do; nothing stays behind."""
    with pytest.raises((ReferenceImageError, Problem), match=r"holiday.*(damaged|cut off).*cop"):
        fitted(DAMAGED[name], tmp_path, "holiday")
    assert not (tmp_path / "inputs").exists() or not any((tmp_path / "inputs").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("form", ["JPEG", "GIF"])
def test_a_file_that_changed_is_refused(form: str, tmp_path: Path) -> None:
    """What is sent is what was asked for."""
    path = tmp_path / "a.png"
    path.write_bytes(encoded(gradient(), form))
    reference = load_reference("a.png", path)
    path.write_bytes(encoded(noise(300, 200), form))
    with pytest.raises(ReferenceImageError, match=r"a\.png changed"):
        fit(reference, tmp_path / "inputs")


def test_a_file_that_was_only_touched_is_the_same(tmp_path: Path) -> None:
    """It is hashed again to find out."""
    path = tmp_path / "a.gif"
    path.write_bytes(encoded(gradient().quantize(), "GIF"))
    reference = load_reference("a.gif", path)
    os.utime(path, (1, 1))
    assert opened(fit(reference, tmp_path / "inputs")).size == (300, 200)


def test_a_file_that_went_is_refused(tmp_path: Path) -> None:
    """With its name."""
    path = tmp_path / "a.png"
    path.write_bytes(EXACT["png"])
    reference = load_reference("a.png", path)
    path.unlink()
    with pytest.raises(ReferenceImageError, match=r"a\.png can't be read"):
        fit(reference, tmp_path / "inputs")
    with pytest.raises(ReferenceImageError, match="no copy"):
        fit(Reference(name="old.png", sha256="0" * 64), tmp_path / "inputs")


def test_a_picture_is_kept_once(tmp_path: Path) -> None:
    """By its content, whatever it was called and however often it is sent at the same time."""
    path = tmp_path / "a.png"
    path.write_bytes(EXACT["png"])
    references = [load_reference("a", path), load_reference("b", EXACT["png"])] * 10
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda reference: fit(reference, tmp_path / "inputs"), references))
    assert len({each.path for each in sent}) == 1
    assert [each.name for each in (tmp_path / "inputs").iterdir()] == [sent[0].path.name]


def test_what_was_kept_can_be_sent_again(tmp_path: Path) -> None:
    """From the history: the copy is the source."""
    first = fitted(telling_jpeg(), tmp_path)
    record = load_reference("a", telling_jpeg()).to_record(f"inputs/{first.path.name}")
    again = fit(Reference.from_record(record, tmp_path), tmp_path / "inputs")
    assert (again.path, again.sha256) == (first.path, first.sha256)
    assert again.path.read_bytes() == EXACT["jpeg"]


@posix
def test_what_is_sent_is_private(tmp_path: Path) -> None:
    """Only its owner can read it."""
    sent = fitted(EXACT["png"], tmp_path)
    assert stat.S_IMODE(sent.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(sent.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    """It is a matter of settings."""
    (tmp_path / "inputs").write_text("in the way")
    with pytest.raises(SettingsError):
        fitted(EXACT["png"], tmp_path)


FULL = """
import io, resource, sys
from pathlib import Path
from PIL import Image
from seedream_nb.errors import SettingsError
from tests.references import fit, load_reference

photo = Image.effect_noise((900, 700), 90)
photo.save("photo.webp", quality=90)
whole = fit(load_reference("photo", Path("photo.webp")), Path("whole"))
for missing in (70_000, 30):
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole.size_bytes - missing, resource.RLIM_INFINITY))
    try:
        fit(load_reference("photo", Path("photo.webp")), Path("full"))
    except SettingsError as error:
        print(error.message)
    print(list(Path("full").iterdir()))
"""


@pytest.mark.slow
@posix
def test_a_full_disk_never_cuts_a_picture_short(tmp_path: Path) -> None:
    """Not by the last bytes either: Pillow does not notice when only a part of a piece was written."""
    command = [sys.executable, "-c", FULL]
    root = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run(command, cwd=tmp_path, env=root, capture_output=True, text=True, check=True)
    told, left, again, still_left = ran.stdout.splitlines()
    assert ("can't be written" in told, "can't be written" in again) == (True, True)
    assert (left, still_left) == ("[]", "[]")


@pytest.mark.slow
def test_sending_a_file_as_it_is_takes_little_memory(tmp_path: Path) -> None:
    """It passes in pieces."""
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(1900, 1700), "PNG", compress_level=0))
    tracemalloc.start()
    try:
        sent = fit(load_reference("a.png", path), tmp_path / "inputs")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent.note is None
    assert sent.size_bytes > 9_000_000
    assert peak < 6_000_000


MUTABLE = [
    encoded(gradient(60, 50), "JPEG"),
    encoded(gradient(60, 50), "PNG"),
    encoded(gradient(60, 50).quantize(), "GIF"),
    encoded(gradient(60, 50), "WEBP"),
    encoded(gradient(60, 50), "TIFF", compression="tiff_lzw"),
    encoded(gradient(60, 50), "BMP"),
]


MUTATIONS = {
    "content": st.sampled_from(MUTABLE),
    "changes": st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    "end": st.integers(1, 20_000),
}


@given(**MUTATIONS)
@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about broken EXIF and the like
def test_a_mutated_file_fits_or_is_refused(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    """Never another exception, and what is sent keeps to every limit."""
    fits_or_is_refused(tmp_path, content, changes, end)


@pytest.mark.slow
@given(**MUTATIONS)
@settings(max_examples=tries(500, 5000), derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_thousands_of_mutated_files_fit_or_are_refused(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    """The same, more of them: thousands at night."""
    fits_or_is_refused(tmp_path, content, changes, end)


def fits_or_is_refused(folder: Path, content: bytes, changes: list[tuple[int, int]], end: int) -> None:
    """Fit a file that was changed.

    A JPEG that goes as it is was not decoded: a flipped bit in its compressed data may be sent.
    """
    mutated = bytearray(content[:end])
    for place, value in changes:
        mutated[place % len(mutated)] = value
    told = "photo"
    try:
        sent = fitted(bytes(mutated), folder)
    except (Problem, ReferenceImageError) as error:
        told = str(error)
    else:
        opened(sent, decoded=sent.media_type == "image/png")
    assert "photo" in told


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_scaling_in_bands_shows_no_seams(mode: str) -> None:
    """It gives what scaling in one go gives."""
    smooth, shape = gradient(1500, 900).convert(mode), (1200, 720)
    at_once = smooth.resize(shape, Image.Resampling.LANCZOS)
    difference = ImageChops.difference(resized(smooth, shape).convert("RGB"), at_once.convert("RGB"))
    assert max(high for _, high in difference.getextrema()) <= 2  # type: ignore[misc]  # of three bands


@pytest.mark.slow
def test_a_photo_is_thinned_out_before_it_is_scaled_down(tmp_path: Path) -> None:
    """A little less of its colours shows less of a difference than a quarter less of its sides."""
    sent = fitted(encoded(noise(2000, 1900), "PNG", compress_level=1), tmp_path)
    assert opened(sent).size == (2000, 1900)
    assert sent.media_type == "image/jpeg"


def test_many_at_once_hold_few_pictures(tmp_path: Path) -> None:
    """However many threads ask, two do the work: each waits for its turn, and all get theirs."""
    references = [load_reference(str(number), encoded(gradient(200, 100 + number), "BMP")) for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        sent = list(pool.map(lambda reference: fit(reference, tmp_path / "inputs"), references))
    assert [opened(each).height for each in sent] == list(range(100, 112))
    assert sum(thread.name.startswith("seedream pictures") for thread in threading.enumerate()) <= 2
