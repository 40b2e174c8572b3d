"""Reference images as the service takes them: fetched or decoded, and held to the limits of the pages."""

from __future__ import annotations

import binascii
import io
import ipaddress
import re
from typing import TYPE_CHECKING

from .rules import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    from PIL import Image

    Fetch = Callable[[str], Awaitable[bytes]]

MOST_BYTES = 10_000_000  # "Size: Must not exceed 10 MB"
MOST_PIXELS = 6000 * 6000
SHORTEST_SIDE = 15  # "Width and height (pixels): > 14"
WIDEST = 3
FORMATS = {"JPEG": "jpeg", "PNG": "png"}
PAINTED_SIDE = 1024  # a reference is hung into the picture no larger than this
FETCH_SECONDS = 20.0
DATA = re.compile(r"data:image/(jpeg|png);base64,")


def refuse(at: int, told: str) -> Refusal:
    """Return the 400 that names the reference at fault."""
    return Refusal(400, "INVALID_REQUEST_BODY", f"images[{at}] {told}", fields=["images"])


def decode_data(at: int, text: str) -> bytes:
    """Return the bytes in a data URI, or raise the refusal."""
    found = DATA.match(text)
    if not found:
        raise refuse(at, "must be a URL or data:image/<jpeg or png>;base64,<Base64 encoding>")
    if len(text) - found.end() > MOST_BYTES * 4 // 3 + 4:
        raise refuse(at, "must not exceed 10 MB")
    try:
        return binascii.a2b_base64(text[found.end() :], strict_mode=True)
    except ValueError as error:
        raise refuse(at, f"is not valid Base64: {error}") from None


def check_picture(at: int, content: bytes, named: str | None = None) -> tuple[tuple[int, int], Image.Image]:
    """Return a picture's size and a small copy, or raise the refusal; `named` is the format that its data URI gave."""
    from PIL import Image

    if len(content) > MOST_BYTES:
        raise refuse(at, f"must not exceed 10 MB; it has {len(content)} bytes")
    try:
        picture = Image.open(io.BytesIO(content), formats=list(FORMATS))
    except Exception:  # noqa: BLE001 - whatever a damaged header makes Pillow raise
        raise refuse(at, "must be a jpeg or png image; it is neither") from None
    with picture:
        if named and FORMATS[picture.format or ""] != named:
            raise refuse(at, f"says it is {named}, but holds {FORMATS[picture.format or '']}")
        size = picture.size
        _check_size(at, *size)
        try:
            return size, _small(picture)
        except Exception:  # noqa: BLE001 - whatever a damaged file makes Pillow raise
            raise refuse(at, "is damaged: it can't be decoded") from None


def _check_size(at: int, width: int, height: int) -> None:
    if min(width, height) < SHORTEST_SIDE:
        raise refuse(at, f"must have a width and height above 14 pixels; it has {width}x{height}")
    if max(width, height) > WIDEST * min(width, height):
        raise refuse(at, f"must have an aspect ratio from 1/3 to 3; it has {width}x{height}")
    if width * height > MOST_PIXELS:
        raise refuse(at, f"must not exceed 6000x6000 pixels; it has {width}x{height}")


def _small(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB on white, at most PAINTED_SIDE wide and high."""
    from PIL import Image

    picture.draft("RGB", (PAINTED_SIDE, PAINTED_SIDE))
    picture.load()
    picture.thumbnail((PAINTED_SIDE, PAINTED_SIDE))
    if picture.mode in ("RGB", "L", "CMYK", "YCbCr"):
        return picture.convert("RGB")
    clear = picture.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    white.alpha_composite(clear)
    return white.convert("RGB")


async def fetch(url: str) -> bytes:
    """Return what a public URL holds, within bounds, as the service would fetch it; raise OSError where it can't."""
    import anyio
    import httpx

    content = bytearray()
    hooks = {"request": [_check_public]}
    try:
        with anyio.fail_after(FETCH_SECONDS):
            async with (
                httpx.AsyncClient(follow_redirects=True, max_redirects=5, event_hooks=hooks) as client,
                client.stream("GET", url) as reply,
            ):
                reply.raise_for_status()
                async for piece in reply.aiter_bytes():
                    content += piece
                    if len(content) > MOST_BYTES:
                        break
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        told = f"{type(error).__name__}: {error}".rstrip(": ")
        raise OSError(told) from None
    return bytes(content)


async def _check_public(request: httpx.Request) -> None:
    """Raise where the real service could never reach: loopback and private networks, judged by the host as written."""
    host = request.url.host.casefold()
    try:
        public = ipaddress.ip_address(host).is_global
    except ValueError:
        public = host != "localhost" and not host.endswith((".localhost", ".local", ".internal"))
    if not public:
        told = f"{host} can't be reached from the service"
        raise OSError(told)
