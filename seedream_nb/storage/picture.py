"""A picture: a file from the service with its properties. Its bytes stay on disk until they are needed."""

from __future__ import annotations

import filecmp
import hashlib
import itertools
import os
import shutil
from dataclasses import asdict, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from seedream_nb.errors import MAX_CHARACTERS, SeedreamError, SettingsError, StoppedError, plain, shorten
from seedream_nb.files import is_refused_name, is_regular_file, name_without_words, open_regular
from seedream_nb.frozen import frozen
from seedream_nb.pickling import picklable_fields
from seedream_nb.service import all_models, is_free
from seedream_nb.storage.structure import is_complete_jpeg, is_complete_png, open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["ImageInfo", "Picture", "Renderer", "bundle_of", "inspect", "make_folder"]

_TIMES_THE_LARGEST = 1.25
"""A file with more pixels than so many times what a model can make is not a result."""

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_START_BYTES = 256
_OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip file",
    b"<": "a web page or an XML message",
}


@frozen
class ImageInfo:
    """The properties of a picture file: pixels, media type, bytes."""

    media_type: str
    width: int
    height: int
    sha256: str
    size_bytes: int

    def to_record(self) -> dict[str, str | int]:
        """Return the properties as the journal has them."""
        return asdict(self)


def inspect(path: Path, *, redact: Callable[[str], str] = str) -> ImageInfo:
    """Return what a downloaded file is, by its content: a complete JPEG, PNG or WebP.

    Args:
        path: of the file.
        redact: removes the key from foreign text, before that is cut for a message.

    Raises:
        ValueError: says what it is instead: cut off, damaged, too large, or not a picture at all.
    """
    with path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        media_type = _media_type(file.read(_START_BYTES), redact)
        if not _IS_COMPLETE[media_type](file):
            raise ValueError(f"a {media_type} that is cut off after {size_bytes} bytes")
        file.seek(0)
        width, height = _shape(file, media_type, redact)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ImageInfo(media_type=media_type, width=width, height=height, sha256=sha256, size_bytes=size_bytes)


def _media_type(start: bytes, redact: Callable[[str], str]) -> str:
    """Return the media type by the first bytes; raises ValueError that says what else it is."""
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError(_describe(start, redact))


def _describe(start: bytes, redact: Callable[[str], str] = str) -> str:
    """Say what a file is that is not a picture, quoting the beginning of a text."""
    if not start:
        return "an empty file"
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            return name
    if start[4:8] == b"ftyp":
        return "an AVIF, HEIC or video file"
    try:
        text = start.decode("utf-8", "strict" if len(start) < _START_BYTES else "ignore")
    except UnicodeDecodeError:
        return "not a picture"
    if not plain(text).isprintable() or "\0" in text:
        return "not a picture"
    return f"not a picture but text: {plain(redact(plain(text)), 80)}"


def _is_complete_webp(file: BinaryIO) -> bool:
    """Compare a WebP's length with its header."""
    file.seek(4)
    declared = 8 + int.from_bytes(file.read(4), "little")
    return file.seek(0, os.SEEK_END) >= declared


def _shape(file: BinaryIO, media_type: str, redact: Callable[[str], str]) -> tuple[int, int]:
    """Read width and height from the header; raises ValueError if it is damaged or declares too many pixels."""
    from PIL import Image, UnidentifiedImageError

    formats = [name for name, known in FORMATS.items() if known == media_type]
    try:
        with open_image(file, partial(Image.open, formats=formats)) as image:
            width, height = image.size
            animated = getattr(image, "is_animated", False)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"a {media_type} of too many pixels: {error}") from error
    except UnidentifiedImageError:  # it only says how the file was opened
        raise ValueError(f"a damaged {media_type}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"a damaged {media_type}: {plain(redact(str(error)))}") from error
    if animated:
        raise ValueError(f"an animated {media_type}")
    most = int(_TIMES_THE_LARGEST * max(model.max_pixels for model in all_models()))
    if width * height > most:
        raise ValueError(f"a {media_type} of {width}x{height} pixels: no result has more than {most}")
    return width, height


_IS_COMPLETE = {"image/jpeg": is_complete_jpeg, "image/png": is_complete_png, "image/webp": _is_complete_webp}


class Renderer(Protocol):
    """Returns how a notebook shows a value; implemented by the session."""

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a picture, a generation or a history
        """Return the mime bundle of the value."""


@frozen
class Picture:
    """One picture of a generation: where it is, its size in pixels, its mark (`@3.1`), who made it (`backend`)."""

    path: Path
    width: int
    height: int
    media_type: str
    sha256: str
    mark: str
    size_bytes: int
    backend: str = ""
    verbs: Renderer | None = field(default=None, repr=False, compare=False)

    @property
    def is_free(self) -> bool:
        """Whether the sandbox made it, at no cost."""
        return is_free(self.backend)

    def to_bytes(self) -> bytes:
        """Return the file just as the service sent it; raises FileNotFoundError if it is gone."""
        with open_regular(self.path) as file:
            return file.read()

    def to_pil(self) -> Image.Image:
        """Return the picture as a `PIL.Image`, decoded, its file closed."""
        from PIL import Image

        with open_regular(self.path) as file, open_image(file, partial(Image.open, formats=tuple(FORMATS))) as image:
            image.load()
        return image

    def to_numpy(self) -> NDArray[np.uint8]:
        """Return the pixels as a new array: height x width x 3, uint8, RGB."""
        import numpy as np

        return np.array(self.to_pil().convert("RGB"), dtype=np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: ANN401, FBT001 - numpy's protocol
        """Support `numpy.asarray(picture)`; `copy=False` is not possible, because the pixels are read from the file."""
        if copy is False:
            raise ValueError("A picture is read from its file, so its array is always a copy.")
        pixels = self.to_numpy()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Copy the file, byte for byte, into a folder or to a file name; return its path.

        Another file is never overwritten: `fox.jpg` becomes `fox-2.jpg`; an earlier copy is reused.

        Raises:
            SeedreamError: the name is for another format (`to_pil().save(…)` converts), or can't be written.
        """
        return copy_picture(self, path)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the session: a pickle has the record and the path."""
        return picklable_fields(self.__dict__)

    def __repr__(self) -> str:
        """Return mark, size and path in one line; touches no disk."""
        made = f" {self.backend}" if self.is_free else ""
        size = f"{self.width}x{self.height} {plain(self.media_type, 20)}"
        return f"<Picture {self.mark} {size} {shorten(str(self.path), MAX_CHARACTERS)}{made}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the picture in a notebook; without a session, as plain text."""
        return bundle_of(self, self.verbs)


def bundle_of(value: object, verbs: Renderer | None) -> dict[str, Any]:
    """Return how a notebook shows a value: through the session if there is one, else as plain text."""
    if verbs is None:
        return {"text/plain": str(value)}
    try:
        return verbs.bundle(value)
    # Its files are gone or damaged, or this process can have no session: the text still says what it is.
    except (OSError, ValueError, SettingsError):
        return {"text/plain": str(value)}
    except KeyboardInterrupt:
        raise StoppedError("Stopped while it was shown. Nothing is lost: it is in the history.") from None


# -- copies for the user -----------------------------------------------------------------------------

_SUFFIXES = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/webp": (".webp",),
}
_OTHER_SUFFIXES = (".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jp2")
_PIECE_BYTES = 1 << 20


def copy_picture(picture: Picture, written: str | os.PathLike[str]) -> Path:
    """Copy a picture's file into a folder or to a file name, never over another file; return its path.

    Raises:
        SeedreamError: the name is for another format, or nothing can be written there.
    """
    try:
        target = _target(picture, written)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _copy_once(picture.path, target)
        except (OSError, UnicodeError) as error:
            # Another disk may refuse a name that ours accepted; a name that the user wrote is reported, not changed.
            if not is_refused_name(error) or target.name != picture.path.name:
                raise
            return _copy_once(picture.path, target.with_name(name_without_words(target.name)))
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name, a user that doesn't exist
        if not is_regular_file(picture.path):
            raise file_missing(picture) from None
        raise unwritable(picture.mark, written, error) from None


def make_folder(mark: str, written: str | os.PathLike[str]) -> Path:
    """Return the folder for copies of a generation's pictures, made if needed; raises SeedreamError."""
    try:
        folder = Path(written).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise unwritable(mark, written, error) from None
    return folder


def file_missing(picture: Picture) -> SeedreamError:
    """Return the error for a picture whose file was removed."""
    message = f"The file of {picture.mark} is not there any more: {shorten(str(picture.path), MAX_CHARACTERS)}"
    return SeedreamError(message, hint="As long as its link lives, this brings it back: %seedream recover")


def unwritable(mark: str, written: str | os.PathLike[str], error: Exception) -> SeedreamError:
    """Return the error for a place where no copy can be made."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    message = f"{mark} can't be copied to {shorten(os.fspath(written), MAX_CHARACTERS)}: {plain(reason)}."
    return SeedreamError(message, hint="Choose a place where you may write. The pictures themselves are untouched.")


def _copy_once(source: Path, target: Path) -> Path:
    for candidate in _names(target):
        if candidate.is_file() and filecmp.cmp(source, candidate, shallow=False):
            return candidate
        try:
            _copy(source, candidate)
        except FileExistsError:
            continue
        return candidate
    raise AssertionError


def _target(picture: Picture, written: str | os.PathLike[str]) -> Path:
    """Return the target file: the given name, or the picture's own name in the given folder."""
    target = Path(written).expanduser()
    if target.is_dir() or os.fspath(written).endswith(("/", os.sep)):
        return target / picture.path.name
    fitting = _SUFFIXES.get(picture.media_type, (picture.path.suffix,))
    suffix = target.suffix.lower()
    if suffix in fitting:
        return target
    if suffix in {*_OTHER_SUFFIXES, *(known for names in _SUFFIXES.values() for known in names)}:
        raise SeedreamError(
            f"{picture.mark} is {picture.media_type}, copied as it is: it can't be saved as {target.name}.",
            hint=f"Save it as {target.stem}{fitting[0]}, or picture.to_pil().save({target.name!r})",
        )
    return target.with_name(target.name + fitting[0])


def _names(target: Path) -> Iterator[Path]:
    """Yield `fox.jpg`, then `fox-2.jpg`, `fox-3.jpg` and so on."""
    yield target
    for number in itertools.count(2):
        yield target.with_name(f"{target.stem}-{number}{target.suffix}")


def _copy(source: Path, target: Path) -> None:
    """Copy a file to a new one; a failed copy leaves nothing behind."""
    with open_regular(source) as original, target.open("xb") as copy:
        try:
            shutil.copyfileobj(original, copy, _PIECE_BYTES)
        except OSError:
            target.unlink(missing_ok=True)
            raise
