"""Fetches and checks references as the service would: from public hosts, within its limits."""

from __future__ import annotations

import binascii
import functools
import io
import ipaddress
import re
import socket
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from PIL.ImageFile import ImageFile

MAX_BYTES = 10_000_000  # "Size: Must not exceed 10 MB"
MAX_PIXELS = 6000 * 6000
SHORTEST_SIDE = 15  # "Width and height (pixels): > 14"
WIDEST = 3
PAINTED_SIDE = 1024  # a reference is painted no larger than this
DATA = re.compile(r"data:image/([a-z]{3,4});base64,")
STARTS: dict[str, bytes | tuple[bytes, ...]] = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff",
    "webp": b"RIFF",
    "bmp": b"BM",
    "tiff": (b"II*\0", b"MM\0*"),
    "gif": (b"GIF87a", b"GIF89a"),
}
FORMATS = ("jpeg", "png")


class UnfitError(ValueError):
    """A reference breaks a rule; the message continues its position: "images[0] …"."""


def is_url(text: str) -> bool:
    """Return whether a reference is a URL; the scheme's case makes no difference."""
    return text[:8].casefold().startswith(("http://", "https://"))


def decode_data(text: str, formats: Sequence[str] = FORMATS) -> tuple[bytes, str]:
    """Return the bytes and the declared format of a data URI, or raise UnfitError."""
    match = DATA.match(text)
    if not match or match[1] not in formats:
        raise UnfitError(f"must be a URL or data:image/<{_either(formats)}>;base64,<Base64 encoding>")
    if len(text) - match.end() > MAX_BYTES * 4 // 3 + 4:
        raise UnfitError("must not exceed 10 MB")
    if (len(text) - match.end()) % 4:  # not every Python checks that
        raise UnfitError("is not valid Base64: its length is not a multiple of 4")
    try:
        return binascii.a2b_base64(text[match.end() :], strict_mode=True), match[1]
    except ValueError as error:
        raise UnfitError(f"is not valid Base64: {error}") from None


def _either(formats: Sequence[str]) -> str:
    return f"{', '.join(formats[:-1])} or {formats[-1]}"


def check_picture(
    content: bytes, named: str | None = None, formats: Sequence[str] = FORMATS
) -> tuple[tuple[int, int], Image.Image]:
    """Return a picture's size and a small copy, or raise UnfitError; `named` is the format declared in its data URI."""
    if len(content) > MAX_BYTES:
        raise UnfitError(f"must not exceed 10 MB; it has {len(content)} bytes")
    form = next((form for form in formats if _begins_as(form, content)), None)
    if not form:
        raise UnfitError(f"must be a {_either(formats)} image; it is {'neither' if formats == FORMATS else 'none'}")
    if named and form != named:
        raise UnfitError(f"says it is {named}, but holds {form}")
    try:
        with _opened(content, form) as picture:
            _check_size(*picture.size)
            return picture.size, _small(picture)
    except UnfitError:
        raise
    except Exception:  # noqa: BLE001 - Pillow raises anything for a damaged file
        raise UnfitError("is damaged: it can't be decoded") from None


def _begins_as(form: str, content: bytes) -> bool:
    return content.startswith(STARTS[form]) and (form != "webp" or content[8:12] == b"WEBP")


def _opened(content: bytes, form: str) -> ImageFile:
    """Return a picture with its header read, whatever size it declares.

    `Image.open` would warn about large pictures, refuse huge ones, and take some JPEGs for MPO.
    """
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    opening: dict[str, type[ImageFile]] = {
        "png": PngImagePlugin.PngImageFile, "jpeg": JpegImagePlugin.JpegImageFile,
        "webp": WebPImagePlugin.WebPImageFile, "bmp": BmpImagePlugin.BmpImageFile,
        "tiff": TiffImagePlugin.TiffImageFile, "gif": GifImagePlugin.GifImageFile,
    }  # fmt: skip
    return opening[form](io.BytesIO(content))


def _check_size(width: int, height: int) -> None:
    if min(width, height) < SHORTEST_SIDE:
        raise UnfitError(f"must have a width and height above 14 pixels; it has {width}x{height}")
    if max(width, height) > WIDEST * min(width, height):
        raise UnfitError(f"must have an aspect ratio from 1/3 to 3; it has {width}x{height}")
    if width * height > MAX_PIXELS:
        raise UnfitError(f"must not exceed 6000x6000 pixels; it has {width}x{height}")


def _small(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB on white, at most PAINTED_SIDE wide and high."""
    from PIL import Image

    picture.draft("RGB", (PAINTED_SIDE, PAINTED_SIDE))
    picture.load()
    if picture.mode.startswith("I"):  # 16 bits per pixel: only the upper eight can be shown
        picture = picture.convert("I").point(lambda shade: shade / 256).convert("L")
    picture.thumbnail((PAINTED_SIDE, PAINTED_SIDE))
    if picture.mode in ("RGB", "L", "CMYK", "YCbCr"):
        return picture.convert("RGB")
    clear = picture.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    white.alpha_composite(clear)
    return white.convert("RGB")


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    LookUp = Callable[[str], Awaitable[list[Address]]]
    Fetch = Callable[[str], Awaitable[bytes]]

MAX_SECONDS = 20.0
MAX_REDIRECTS = 5
NAMES_AT_HOME = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")


async def look_up(host: str) -> list[Address]:
    """Return the addresses of a name; none if a proxy resolves names."""
    import anyio

    if urllib.request.getproxies():
        return []
    results = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(place[4][0].partition("%")[0]) for place in results]


async def fetch(
    url: str, *, max_bytes: int = 10_000_000, seconds: float = MAX_SECONDS, look_up: LookUp = look_up
) -> bytes:
    """Return the content of a public URL, within limits, as the service would fetch it; raise OSError on failure.

    A proxy in the environment is used, because without it a user's network may reach nothing.
    """
    import anyio
    import httpx

    content = bytearray()
    hooks: dict[str, list[Callable[..., object]]] = {"request": [functools.partial(_check_public, look_up)]}
    try:
        with anyio.fail_after(seconds):
            async with (
                httpx.AsyncClient(
                    follow_redirects=True, max_redirects=MAX_REDIRECTS, event_hooks=hooks, timeout=seconds
                ) as client,
                client.stream("GET", url) as reply,
            ):
                reply.raise_for_status()
                async for piece in reply.aiter_bytes():
                    content += piece
                    if len(content) > max_bytes:
                        reason = f"it has more than {max_bytes} bytes"
                        raise OSError(reason)
    except TimeoutError:
        reason = f"it took longer than {seconds:g} seconds"
        raise OSError(reason) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OSError(_reason(error)) from None
    return bytes(content)


def _reason(error: Exception) -> str:
    """Return an error in one line: httpx adds a link to its own documentation."""
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}".rstrip(": ")


async def _check_public(look_up: LookUp, request: httpx.Request) -> None:
    """Raise for hosts that the real service can't reach: loopback and private networks."""
    host = request.url.host.casefold().rstrip(".")
    reachable = not host.endswith(NAMES_AT_HOME)
    if reachable:
        addresses = [address] if (address := _address(host)) else await look_up(host)
        reachable = all(address.is_global for address in addresses)
    if not reachable:
        reason = f"{host} can't be reached from the service"
        raise OSError(reason)


def _address(host: str) -> Address | None:
    """Return the address that a host is written as, in old notations too (127.1, 0x7f.1, 2130706433)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
