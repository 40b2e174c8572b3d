"""Every sentence of the service's two reference pages that binds a client, each with a test that quotes it.

What only describes the service (its introduction, its URL, what a watermark says) binds nobody here. How the
service itself keeps to these sentences is for the sandbox's tests; the two headers are in `test_client.py`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from seedream_nb.errors import Problem, RequestError
from seedream_nb.options import OPTIONS
from seedream_nb.request import Reference, make_request
from seedream_nb.service.body import Body
from seedream_nb.service.reply import parse_results
from tests.pictures import encoded, gradient, noise
from tests.references import fit, load_reference

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.request import ImageRequest
    from seedream_nb.storage.store import Input


def sent(request: ImageRequest, *inputs: str | Input) -> dict[str, Any]:
    """Return the fields that go over the wire."""

    async def content() -> bytes:
        return b"".join([piece async for piece in Body(request, inputs)])

    fields: dict[str, Any] = json.loads(asyncio.run(content()))
    return fields


def with_references(count: int, **options: Any) -> ImageRequest:
    """Return a request with so many references."""
    images = [Reference(name=f"u{index}", url=f"https://x.org/{index}.png") for index in range(count)]
    return make_request("a fox", images=images, **options)


def fitted(content: bytes, folder: Path) -> Input:
    """Return what is sent for a reference."""
    return fit(load_reference("photo", content), folder / "inputs")


# -- prompt ----------------------------------------------------------------------------------------


def test_prompt_is_required() -> None:
    """`body="prompt" type="string" required={true}`: "The prompt for image generation."."""
    assert sent(make_request("a fox"))["prompt"] == "a fox"
    with pytest.raises(RequestError, match="empty"):
        make_request(" ")


def test_prompt_in_chinese_and_english() -> None:
    """The page: "Prompt for image generation, supports Chinese and English."."""
    assert sent(make_request("雪中的狐狸, woodcut"))["prompt"] == "雪中的狐狸, woodcut"


def test_prompt_of_600_english_words() -> None:
    """The page: "The recommended length is no more than 600 English words."."""
    assert make_request("word " * 600).warnings == ()
    (warning,) = make_request("word " * 601).warnings
    assert "601 words" in warning


def test_prompt_of_300_chinese_characters() -> None:
    """The page: "Recommended not to exceed 300 Chinese characters or 600 English words."."""
    assert make_request("狐" * 300).warnings == ()
    (warning,) = make_request("狐" * 301).warnings
    assert "301 Chinese characters" in warning


def test_a_long_prompt_is_advised_against_and_sent() -> None:
    """The page: "Excessive text may scatter information": a warning, no refusal.

    "If the prompt is too long, the information may become scattered."
    """
    request = make_request("word " * 2000)
    assert "may miss details" in request.warnings[0]
    assert sent(request)["prompt"] == request.prompt


# -- images ----------------------------------------------------------------------------------------


def test_images_are_base64_or_urls(tmp_path: Path) -> None:
    """The page: "Enter the Base64 encoding or an accessible URL of the image to edit."."""
    kept = fitted(encoded(gradient(), "PNG"), tmp_path)
    first, second = sent(with_references(2), "https://x.org/0.png", kept)["images"]
    assert first == "https://x.org/0.png"
    assert base64.b64decode(second.partition(",")[2]) == kept.path.read_bytes()


def test_images_are_optional() -> None:
    """`body="images" type="string[]" required={false}`."""
    assert "images" not in sent(make_request("a fox"))


def test_one_image_or_several() -> None:
    """The page: "Supports inputting a single image or multiple images."."""
    for count in (1, 2, 10):
        urls = [f"https://x.org/{index}.png" for index in range(count)]
        assert sent(with_references(count), *urls)["images"] == urls


def test_a_url_is_accessible() -> None:
    """The page: "Image URL: Make sure that the image URL is accessible."."""
    from seedream_nb.references.written import check_url, is_private_url

    for url in ("http://169.254.1.1/a.png", "file:///a.png", "https://"):
        with pytest.raises(Problem):
            check_url(url, url)
    # What the service can't reach is fetched here, and sent inline.
    urls = "http://localhost/a.png", "http://10.0.0.7/a.png", "http://x.org/a.png"
    assert [is_private_url(url) for url in urls] == [True, True, False]
    assert check_url("x", "https://x.org/a.png") == "https://x.org/a.png"


@pytest.mark.parametrize(("form", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_base64_has_its_format(form: str, media_type: str, tmp_path: Path) -> None:
    """The page: "The format must be `data:image/<image format>;base64,<Base64 encoding>`."."""
    (uri,) = sent(with_references(1), fitted(encoded(gradient(), form), tmp_path))["images"]
    head, _, encoding = uri.partition(",")
    assert head == f"data:{media_type};base64"
    assert base64.b64encode(base64.b64decode(encoding, validate=True)).decode() == encoding


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_image_format(form: str, tmp_path: Path) -> None:
    """The page: "Image format: jpeg, png"."""
    kept = fitted(encoded(gradient(), form), tmp_path)
    with Image.open(kept.path) as image:
        assert image.format in {"JPEG", "PNG"}


@pytest.mark.parametrize("shape", [(90, 30), (30, 90), (91, 30), (30, 91)])
def test_image_ratio(shape: tuple[int, int]) -> None:
    """The page: "Aspect ratio (width/height): In the range [1/3, 3]"."""
    content = encoded(Image.new("RGB", shape), "PNG")
    if 91 in shape:
        with pytest.raises(Problem, match="between 1:3 and 3:1"):
            load_reference("photo", content)
    else:
        assert load_reference("photo", content).width == shape[0]


@pytest.mark.parametrize("shape", [(15, 15), (14, 15), (15, 14)])
def test_image_sides(shape: tuple[int, int]) -> None:
    """The page: "Width and height (px): > 14"."""
    content = encoded(Image.new("RGB", shape), "PNG")
    if 14 in shape:
        with pytest.raises(Problem, match="more than 14"):
            load_reference("photo", content)
    else:
        assert load_reference("photo", content).width == 15


@pytest.mark.slow
def test_image_size_in_bytes(tmp_path: Path) -> None:
    """The page: "Size: No more than 10 MB"."""
    content = encoded(noise(2000, 1800), "PNG", compress_level=0)
    assert len(content) > 10_000_000
    assert fitted(content, tmp_path).size_bytes <= 10_000_000


@pytest.mark.slow
def test_image_pixels(tmp_path: Path) -> None:
    """The page: "The value of total pixels: No more than 6000×6000"."""
    for shape in ((6000, 6000), (6001, 6000)):
        with Image.open(fitted(encoded(Image.new("1", shape), "PNG"), tmp_path).path) as image:
            assert image.width * image.height <= 6000 * 6000
            assert (image.size == shape) == (shape == (6000, 6000))


def test_number_of_images() -> None:
    """The page: "supports uploading a maximum of 10 reference images."."""
    assert len(with_references(10).images) == 10
    with pytest.raises(RequestError, match="most is 10"):
        with_references(11)


# -- size ------------------------------------------------------------------------------------------


def test_two_methods_cannot_be_used_together() -> None:
    """The page: "Two methods are available but cannot be used together."."""
    with pytest.raises(RequestError, match="Leave out one of the two"):
        make_request("a fox", size="2048x2048", aspect="16:9")


@pytest.mark.parametrize("tier", ["1K", "2K", "4K"])
def test_size_by_resolution(tier: str) -> None:
    """The page: "Method 1, specify the resolution." "Optional values: `1K`, `2K`, `4K`"."""
    assert sent(make_request("a fox", size=tier))["size"] == tier
    with pytest.raises(RequestError):
        make_request("a fox", size="3K")


def test_size_by_pixels() -> None:
    """The page: "Method 2, specify the width and height of the generated image in pixels."."""
    assert sent(make_request("a fox", size="1600x1200"))["size"] == "1600x1200"


def test_default_size() -> None:
    """The page: "Default: `2048x2048`"."""
    assert sent(make_request("a fox"))["size"] == "2048x2048"


@pytest.mark.parametrize(
    ("size", "fits"), [("1024x1024", True), ("4096x4096", True), ("1023x1024", False), ("4096x4097", False)]
)
def test_pixels_in_all(size: str, fits: bool) -> None:
    """The page: "The value range of total pixels: `[1024x1024, 4096x4096]`"."""
    if fits:
        assert make_request("a fox", size=size).size == size
    else:
        with pytest.raises(RequestError, match="1024x1024 to 4096x4096"):
            make_request("a fox", size=size)


@pytest.mark.parametrize(
    ("size", "fits"), [("4096x256", True), ("256x4096", True), ("4097x256", False), ("256x4097", False)]
)
def test_ratio_of_the_size(size: str, fits: bool) -> None:
    """The page: "The aspect ratio value range: `[1/16, 16]`"."""
    if fits:
        assert make_request("a fox", size=size).size == size
    else:
        with pytest.raises(RequestError, match="1/16 to 16"):
            make_request("a fox", size=size)


TABLE = """
| 1:1  | 2048x2048 |
| 4:3  | 2304x1728 |
| 3:4  | 1728x2304 |
| 16:9 | 2560x1440 |
| 9:16 | 1440x2560 |
| 3:2  | 2496x1664 |
| 2:3  | 1664x2496 |
| 21:9 | 3024x1296 |
"""


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_recommended_width_and_height(row: str) -> None:
    """The page: "Recommended width and height"."""
    ratio, pixels = row.strip("|").replace(" ", "").split("|")
    assert make_request("a fox", size=ratio).size == pixels
    assert make_request("a fox", aspect=ratio).size == pixels


# -- series ----------------------------------------------------------------------------------------


def test_series_are_off_by_default() -> None:
    """`body="sequential_image_generation" default="disabled"`."""
    assert sent(make_request("a fox"))["sequential_image_generation"] == "disabled"


def test_series_are_auto_or_disabled() -> None:
    """The page: "`auto`: In automatic mode, the model automatically determines whether to return multiple images".

    "`disabled`: Disables batch generation feature. The model will only generate one image."
    """
    assert sent(make_request("a fox", sequential="auto"))["sequential_image_generation"] == "auto"
    disabled = make_request("a fox", sequential="disabled")
    assert (sent(disabled)["sequential_image_generation"], disabled.max_pictures) == ("disabled", 1)
    with pytest.raises(RequestError, match="auto or disabled"):
        make_request("a fox", sequential="on")


def test_max_images_only_with_auto() -> None:
    """The page: "This parameter is only effective when `sequential_image_generation` is set to `auto`."."""
    assert "max_images" not in sent(make_request("a fox"))
    assert sent(make_request("a fox", max_images=4))["sequential_image_generation"] == "auto"
    with pytest.raises(RequestError, match="disabled"):
        make_request("a fox", max_images=4, sequential="disabled")


def test_default_of_max_images() -> None:
    """`body="max_images" type="integer" default={15}`: said explicitly, less the references."""
    assert sent(make_request("a fox", sequential="auto"))["max_images"] == 15


@pytest.mark.parametrize(("count", "fits"), [(1, True), (15, True), (0, False), (16, False)])
def test_range_of_max_images(count: int, fits: bool) -> None:
    """The page: "Value range: `[1, 15]`"."""
    if fits:
        assert sent(make_request("a fox", max_images=count))["max_images"] == count
    else:
        with pytest.raises(RequestError, match="1 to 15"):
            make_request("a fox", max_images=count)


def test_references_and_pictures_together() -> None:
    """The page: "Number of input reference images + Number of generated images ≤ 15."."""
    assert with_references(10, max_images=5).max_pictures == 5
    assert with_references(10, sequential="auto").max_pictures == 5
    with pytest.raises(RequestError, match="with 10 references the range is 1 to 5"):
        with_references(10, max_images=6)


# -- watermark and reply ---------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "field"), [(None, True), (True, True), (False, False)])
def test_watermark(asked: bool | None, field: bool) -> None:
    """`body="watermark" type="boolean" default={true}`; "`false`: Does not add a watermark."."""
    assert sent(make_request("a fox", watermark=asked))["watermark"] is field


def test_the_reply_holds_links() -> None:
    """The page: "An array containing links to download the generated images."."""
    assert parse_results(b'{"images": ["https://x.org/1.jpg", "https://x.org/2.jpg"]}', 2).links == [
        "https://x.org/1.jpg", "https://x.org/2.jpg",
    ]  # fmt: skip


def test_nothing_but_the_documented_fields_is_sent() -> None:
    """The fields of both pages, and no others."""
    everything = with_references(2, size="2K", aspect="16:9", max_images=3, watermark=False)
    assert set(sent(everything, "https://x.org/0.png", "https://x.org/1.png")) == {
        "prompt", "images", "size", "sequential_image_generation", "max_images", "watermark",
    }  # fmt: skip


def test_the_options_say_the_same_as_the_pages() -> None:
    """Ranges and defaults of the table that the help and the documentation are made from."""
    table = {option.name: option for option in OPTIONS}
    assert (table["max_images"].low, table["max_images"].high, table["images"].high) == (1, 15, 10)
    assert (table["size"].default, table["sequential"].default, table["watermark"].default) == (
        "2048x2048",
        "disabled",
        True,
    )
