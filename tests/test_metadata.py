"""What must stay home does; the picture itself is not touched."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from seedream_nb.references.load import orientation
from seedream_nb.references.metadata import PIECE_BYTES, Damaged, Stripped, strip
from tests.pictures import SECRETS, chunk, encoded, gradient, noise, segment, telling_jpeg, telling_png

JPEG, PNG = "image/jpeg", "image/png"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class Dribble(io.BytesIO):
    """A file that gives a few bytes at a time, so that everything lies across two pieces."""

    def __init__(self, content: bytes, most: int) -> None:
        """Give at most `most` bytes."""
        super().__init__(content)
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """Return a few bytes."""
        return super().read(self.most if size is None or size < 0 else min(size, self.most))


def stripped(content: bytes, media_type: str, most: int = PIECE_BYTES) -> tuple[bytes, Stripped]:
    """Return what is left of a file."""
    target = io.BytesIO()
    facts = strip(Dribble(content, most), target, media_type)
    assert facts.read_bytes == len(content)
    assert facts.kept_bytes == len(target.getvalue())
    return target.getvalue(), facts


def pixels(content: bytes) -> bytes:
    """Return what a file shows."""
    with Image.open(io.BytesIO(content)) as image:
        return image.tobytes()


INDEXED = gradient().quantize()  # once, for each process that tests reads this
JPEGS = {
    "plain": encoded(gradient(), "JPEG"),
    "progressive": encoded(gradient(), "JPEG", progressive=True, quality=95),
    "gray": encoded(gradient(mode="L"), "JPEG"),
    "cmyk": encoded(gradient(mode="CMYK"), "JPEG"),
    "profile": encoded(gradient(), "JPEG", icc_profile=PROFILE),
    "restarts": encoded(noise(200, 100), "JPEG", restart_marker_blocks=2),
    "large": encoded(noise(1500, 900), "JPEG", quality=100),
}
PNGS = {
    "plain": encoded(gradient(), "PNG"),
    "alpha": encoded(noise(60, 40, "RGBA"), "PNG"),
    "palette": encoded(INDEXED, "PNG", transparency=3),
    "gray": encoded(gradient(mode="L"), "PNG"),
    "bits": encoded(gradient(mode="1"), "PNG"),
    "profile": encoded(gradient(), "PNG", icc_profile=PROFILE),
    "large": encoded(noise(900, 700), "PNG"),
}
OTHERS = {
    "webp-lossy": encoded(gradient(), "WEBP"),
    "webp-lossless": encoded(noise(60, 40, "RGBA"), "WEBP", lossless=True),
    "webp-profile": encoded(gradient(), "WEBP", icc_profile=PROFILE),
    "bmp-plain": encoded(gradient(), "BMP"),
    "bmp-palette": encoded(INDEXED, "BMP"),
    "gif-plain": encoded(INDEXED, "GIF"),
    "gif-clear": encoded(INDEXED, "GIF", transparency=3),
    "tiff-plain": encoded(gradient(), "TIFF"),
    "tiff-packed": encoded(gradient(), "TIFF", compression="tiff_lzw"),
    "tiff-palette": encoded(INDEXED, "TIFF"),
}
FILES = [
    *((JPEG, content) for content in JPEGS.values()),
    *((PNG, content) for content in PNGS.values()),
    *((f"image/{name.partition('-')[0]}", content) for name, content in OTHERS.items()),
]
IDS = [*(f"jpeg-{name}" for name in JPEGS), *(f"png-{name}" for name in PNGS), *OTHERS]


@pytest.mark.parametrize(("media_type", "content"), FILES, ids=IDS)
@pytest.mark.parametrize("most", [1, 7, 1000, PIECE_BYTES])
@pytest.mark.slow
def test_a_clean_file_stays_byte_for_byte(media_type: str, content: bytes, most: int) -> None:
    """However it is read."""
    if most == 1 and len(content) > 100_000:
        most = 3
    kept, _ = stripped(content, media_type, most)
    assert kept == content


@pytest.mark.parametrize("name", JPEGS)
def test_what_a_jpeg_tells_stays_home(name: str) -> None:
    """EXIF, XMP, comments, thumbnails, and whatever follows its end; not one byte of the picture."""
    content = JPEGS[name]
    told = content[:2] + segment(0xE1, b"Exif\0\0SECRET-GPS") + segment(0xFE, b"SECRET-COMMENT") + content[2:]
    kept, _ = stripped(told + b"SECRET-TRAILER", JPEG)
    assert kept == content


def test_everything_that_tells_is_gone() -> None:
    """Byte for byte the file that had nothing to tell."""
    for telling, media_type, plain in ((telling_jpeg(), JPEG, JPEGS["plain"]), (telling_png(), PNG, PNGS["plain"])):
        kept, _ = stripped(telling, media_type)
        assert [secret for secret in SECRETS if secret in kept] == []
        assert kept == plain


def test_what_a_webp_tells_is_gone() -> None:
    """EXIF and XMP leave the file and its flags, and whatever follows its end; the orientation is handed over."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SECRET-MAKER"
    plain = encoded(gradient(), "WEBP", icc_profile=PROFILE)
    telling = encoded(gradient(), "WEBP", icc_profile=PROFILE, exif=exif, xmp=b"SECRET-XMP") + b"SECRET-TRAILER"
    kept, facts = stripped(telling, "image/webp")
    assert kept == plain
    assert orientation(facts.exif) == 6


def test_what_a_gif_tells_is_gone() -> None:
    """Comments, other programs' data, and whatever follows its end."""
    plain = OTHERS["gif-plain"]
    place = 13 + 3 * 256  # behind the colours
    told = b"!\xfe\x0eSECRET-COMMENT\0" + b"!\xff\x0bXMP DataXMP\x0aSECRET-XMP\0"
    assert stripped(plain[:place] + told + plain[place:] + b"SECRET-TRAILER", "image/gif")[0] == plain


def test_what_follows_a_bmp_goes() -> None:
    """It declares how long it is."""
    assert stripped(OTHERS["bmp-plain"] + b"SECRET-TRAILER", "image/bmp")[0] == OTHERS["bmp-plain"]


@pytest.mark.parametrize("more", [{"description": "SECRET-MAKER"}, {"software": "SECRET"}, {"dpi": (72, 72)}])
def test_a_tiff_that_tells_more_is_no_plain_one(more: dict[str, object]) -> None:
    """It is decoded and encoded again; resolution is nothing that tells."""
    content = encoded(gradient(), "TIFF", **more)
    if "dpi" in more:
        assert stripped(content, "image/tiff")[0] == content
    else:
        with pytest.raises(Damaged, match="more than a picture"):
            stripped(content, "image/tiff")


def test_a_tiff_that_hides_something_between_its_parts_is_no_plain_one() -> None:
    """Also behind its end, and in a second page."""
    content = OTHERS["tiff-plain"]
    pages = encoded(gradient(), "TIFF", save_all=True, append_images=[noise(40, 30)])
    for hiding in (content + b"SECRET-TRAILER" * 5, pages):
        with pytest.raises(Damaged, match="more than a picture"):
            stripped(hiding, "image/tiff")


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_an_animation_of_another_format_is_encoded_again(form: str) -> None:
    """Its frames can't just be left out."""
    moving = encoded(gradient(), form, save_all=True, append_images=[noise(300, 200)])
    with pytest.raises(Damaged, match="animated"):
        stripped(moving, f"image/{form.lower()}")


# Named, since a profile holds the time at which it was made.
@pytest.mark.parametrize(
    ("media_type", "content"), [(JPEG, JPEGS["profile"]), (PNG, PNGS["profile"])], ids=["jpeg", "png"]
)
def test_the_colour_profile_stays(media_type: str, content: bytes) -> None:
    """Without it the colours would be others."""
    with Image.open(io.BytesIO(stripped(content, media_type)[0])) as image:
        assert image.info["icc_profile"] == PROFILE


def test_adobes_segment_stays() -> None:
    """Without it a CMYK picture would be inverted."""
    assert b"Adobe" in JPEGS["cmyk"]
    assert pixels(stripped(JPEGS["cmyk"], JPEG)[0]) == pixels(JPEGS["cmyk"])


def test_the_orientation_is_handed_over() -> None:
    """It leaves the file with the rest of the EXIF, so somebody must know of it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for form, media_type in (("JPEG", JPEG), ("PNG", PNG)):
        _, facts = stripped(encoded(gradient(), form, exif=exif), media_type)
        assert facts.exif is not None
        found = Image.Exif()
        found.load(facts.exif)
        assert found[0x0112] == 6


def test_the_frames_of_an_animation_go() -> None:
    """What is left is an ordinary PNG of the first."""
    frames = [noise(40, 30) for _ in range(3)]
    kept, facts = stripped(encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]), PNG)
    assert facts.animated
    assert pixels(kept) == frames[0].tobytes()
    assert all(name not in kept for name in (b"acTL", b"fcTL", b"fdAT"))


def test_a_second_picture_behind_the_first_goes() -> None:
    """Phones append depth maps and films with the place where they were taken."""
    kept, _ = stripped(JPEGS["plain"] + JPEGS["gray"], JPEG)
    assert kept == JPEGS["plain"]


def test_fill_bytes_between_segments_are_no_damage() -> None:
    """Any number of 0xFF may stand before a marker."""
    content = JPEGS["plain"]
    assert pixels(stripped(content[:2] + b"\xff\xff\xff" + content[2:], JPEG)[0]) == pixels(content)


@pytest.mark.parametrize(("media_type", "content"), FILES, ids=IDS)
def test_a_file_that_is_cut_off_is_damaged(media_type: str, content: bytes) -> None:
    """Wherever it was cut."""
    for end in {0, 1, 2, 10, 40, len(content) // 2, len(content) - 1}:
        with pytest.raises(Damaged):
            stripped(content[:end], media_type)


def test_a_wrong_checksum_is_damage() -> None:
    """A flipped bit in the compressed data of a PNG is found without decoding it."""
    content = bytearray(PNGS["large"])
    content[len(content) // 2] ^= 1
    with pytest.raises(Damaged, match="checksum"):
        stripped(bytes(content), PNG)


def test_an_impossible_length_is_damage() -> None:
    """Before anything is read because of it."""
    with pytest.raises(Damaged):
        stripped(PNGS["plain"][:33] + b"\xff\xff\xff\xffIDAT", PNG)
    with pytest.raises(Damaged):
        stripped(JPEGS["plain"][:2] + b"\xff\xe1\0\0", JPEG)


@given(st.sampled_from(FILES), st.integers(0), st.integers(0, 255))
def test_no_mutation_breaks_it(file: tuple[str, bytes], place: int, value: int) -> None:
    """A changed byte leaves a file, or damage, never another exception."""
    media_type, content = file
    mutated = bytearray(content)
    mutated[place % len(content)] = value
    try:
        kept, _ = stripped(bytes(mutated), media_type)
    except Damaged as error:
        kept = str(error).encode()
    assert kept


def test_chunks_that_nobody_knows_go() -> None:
    """The list says what stays, not what goes."""
    content = PNGS["plain"]
    told = content[:33] + chunk(b"abCd", b"SECRET") + chunk(b"pHYs", bytes(9)) + content[33:]
    assert stripped(told, PNG)[0] == content
