"""The body of a request: JSON with its pictures in base64, made while it is being sent."""

from __future__ import annotations

import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from seedream_nb.errors import ReferenceImageError, plain
from seedream_nb.frozen import frozen
from seedream_nb.options import SENT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from seedream_nb.request import ImageRequest
    from seedream_nb.storage.store import Input

CHUNK_BYTES = 768 * 1024
"""How much of a file is in one piece, 1 MiB in base64; a multiple of 3, so that pieces join."""


class Body:
    """A request as JSON in pieces of at most 1 MiB; the total length is known beforehand.

    Files are read and encoded in threads, piece by piece, when the connection is ready for them.

    Attributes:
        length: the total number of bytes.
        begun: whether the first piece was requested, that is, there is a connection.
        path: where to send it, relative to the service's base URL.
        complete: whether the last piece was handed out: from then on the request may be billed.
    """

    def __init__(
        self,
        request: ImageRequest,
        inputs: Sequence[str | Input],
        *,
        on_last: Callable[[], None] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        """Prepare to send a request.

        Args:
            request: the request.
            inputs: its references in order, each a URL or a file within the service's limits.
            on_last: called just before the last piece is handed out.
            without: names of a request's fields to leave out, to see how the service refuses that.
        """
        self.path = request.model.path
        pieces = list(_pieces(request, inputs, without))
        self.length = sum(_length(piece) for piece in pieces)
        *self._pieces, self._last = pieces
        self.begun = self.complete = False
        self._on_last = on_last

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """Yield the pieces in order.

        Raises:
            ReferenceImageError: a file can't be read, or has changed; the last piece is held back.
        """
        self.begun = True
        for piece in self._pieces:
            yield await _ready(piece)
        last = await _ready(self._last)
        if self._on_last is not None:
            self._on_last()
        self.complete = True
        yield last


@frozen
class _Slice:
    """A part of a reference's file, encoded when it is needed."""

    path: Path
    start: int
    stop: int
    whole: int

    def encode(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                data = file.read(self.stop - self.start)
                unchanged = file.seek(0, 2) == self.whole and len(data) == self.stop - self.start
        except OSError as error:
            raise _unusable(self.path, f"can't be read ({error.strerror or type(error).__name__})") from error
        if not unchanged:
            raise _unusable(self.path, "changed while it was being sent")
        return binascii.b2a_base64(data, newline=False)


def _unusable(path: Path, problem: str) -> ReferenceImageError:
    return ReferenceImageError(
        f"The reference {plain(path.name)} {problem}.",
        hint="The request was not sent completely, so nothing was billed. Run it again.",
    )


async def _ready(piece: bytes | _Slice) -> bytes:
    return piece if isinstance(piece, bytes) else await anyio.to_thread.run_sync(piece.encode)


def _length(piece: bytes | _Slice) -> int:
    return len(piece) if isinstance(piece, bytes) else -(-(piece.stop - piece.start) // 3) * 4


def _pieces(request: ImageRequest, inputs: Sequence[str | Input], without: Sequence[str]) -> Iterator[bytes | _Slice]:
    """Yield the JSON in pieces; the last one is always text, because it completes the request."""
    prompt, images = (_json(request.model.spelled(name)) for name in ("prompt", "images"))
    text = b"{" if "prompt" in without else b"{" + prompt + b":" + _json(request.prompt) + b","
    for number, source in enumerate(inputs):
        text += b"," if number else images + b":["
        if isinstance(source, str):
            text += _json(source)
            continue
        yield from _texts(text + f'"data:{source.media_type};base64,'.encode())
        yield from _slices(source)
        text = b'"'
    yield from _texts(text + (b"]," if inputs else b"") + _json(_options(request, without))[1:])


def _texts(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text), CHUNK_BYTES):
        yield text[start : start + CHUNK_BYTES]


def _slices(source: Input) -> Iterator[_Slice]:
    total = source.size_bytes
    for start in range(0, total, CHUNK_BYTES):
        yield _Slice(path=Path(source.path), start=start, stop=min(start + CHUNK_BYTES, total), whole=total)


def fields(request: ImageRequest, images: Sequence[str]) -> dict[str, Any]:
    """Return the fields that are sent, named as the model names them, with `images` for the pictures."""
    spelled = request.model.spelled
    return {
        spelled("prompt"): request.prompt,
        **({spelled("images"): list(images)} if images else {}),
        **_options(request),
    }


def _options(request: ImageRequest, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options, named as the model names them; `max_images` is None outside a series, and not sent."""
    options: dict[str, Any] = {}
    for name in (option.name for option in SENT if getattr(request, option.name) is not None):
        if name in without:
            continue
        *outer, last = request.model.spelled(name).split(".")
        inner = options
        for name_part in outer:
            inner = inner.setdefault(name_part, {})
        inner[last] = getattr(request, name)
    return options


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
