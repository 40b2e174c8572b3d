"""A picture: a file of the service, described. Its bytes stay on disk until asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from seedream_nb.errors import MOST_CHARACTERS, SettingsError, StoppedError, plain, shortened
from seedream_nb.files import open_ordinary
from seedream_nb.pickling import for_elsewhere
from seedream_nb.picture.copying import copied, made_folder
from seedream_nb.picture.inspecting import FORMATS, MOST_PIXELS, Facts, inspect
from seedream_nb.picture.structure import opened

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["MOST_PIXELS", "Facts", "Picture", "Shows", "bundle_of", "inspect", "made_folder"]


class Shows(Protocol):
    """Who knows how a notebook shows a value: the session fills it in."""

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a picture, a generation or a history
        """Return the mime bundle of the value."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of a generation: where it is, how big it is (pixels), its mark (`@3.1`), who made it (`backend`)."""

    path: Path
    width: int
    height: int
    media_type: str
    sha256: str
    mark: str
    size_bytes: int
    backend: str = ""
    verbs: Shows | None = field(default=None, repr=False, compare=False)

    def to_bytes(self) -> bytes:
        """Return the file just as the service sent it; raises FileNotFoundError when it is gone."""
        with open_ordinary(self.path) as file:
            return file.read()

    def to_pil(self) -> Image.Image:
        """Return the picture as a `PIL.Image`, decoded, its file closed."""
        from PIL import Image

        with open_ordinary(self.path) as file, opened(file, partial(Image.open, formats=tuple(FORMATS))) as image:
            image.load()
        return image

    def to_numpy(self) -> NDArray[np.uint8]:
        """Return the pixels as an array of its own: height x width x 3, uint8, RGB."""
        import numpy as np

        return np.array(self.to_pil().convert("RGB"), dtype=np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: ANN401, FBT001 - numpy's protocol
        """Let `numpy.asarray(picture)` work; `copy=False` can't, for the pixels are read from the file."""
        if copy is False:
            raise ValueError("A picture is read from its file, so its array is always a copy.")
        pixels = self.to_numpy()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Copy the file, byte for byte, into a folder or to a file name; returns where it is.

        Another file is never overwritten: `fox.jpg` becomes `fox-2.jpg`; a copy made before is found again.

        Raises:
            SeedreamError: the name asks for another format (`to_pil().save(…)` converts), or can't be written.
        """
        return copied(self, path)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session behind: a pickle is the record and the path."""
        return for_elsewhere(self.__dict__)

    def __repr__(self) -> str:
        """Tell mark, size and path in one line; touches no disk."""
        made = " sandbox" if self.backend == "sandbox" else ""
        size = f"{self.width}x{self.height} {plain(self.media_type, 20)}"
        return f"<Picture {self.mark} {size} {shortened(str(self.path), MOST_CHARACTERS)}{made}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the picture in a notebook; without a session, as plain text."""
        return bundle_of(self, self.verbs)


def bundle_of(value: object, verbs: Shows | None) -> dict[str, Any]:
    """Return how a notebook shows a value: through the session if there is one, else as plain text."""
    if verbs is None:
        return {"text/plain": str(value)}
    try:
        return verbs.bundle(value)
    # Its files are gone or damaged, or no session can be had where it has come to: it still says what it is.
    except (OSError, ValueError, SettingsError):
        return {"text/plain": str(value)}
    except KeyboardInterrupt:
        raise StoppedError("Stopped while it was shown. Nothing is lost: it is in the history.") from None
