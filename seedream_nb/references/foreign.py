"""Pictures of other libraries' objects: whose code runs only when its turn comes, and whatever it raises is told."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, SeedreamError, SettingsError, plain
from seedream_nb.needs import broken, is_of_pillow
from seedream_nb.references.limits import wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

MOST_READ = 600_000_000
"""Bytes that are taken from an object into memory at most: every picture that can be decoded is smaller."""

_SHOWN = 160


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreign:
    """Something of another library (`of`), and how to have its picture: `draw` is given a name for messages.

    `brighter` says what to do about a picture that is all but black.
    """

    of: object
    draw: Callable[[str], bytes | Image.Image]
    brighter: str = ""


@contextlib.contextmanager
def guarded(name: str, remedy: str = "Save it as a picture, and hand over that file.") -> Iterator[None]:
    """Run code of other people: whatever it raises becomes a problem with the reference of this name.

    What we raise ourselves, and an interrupt, come through.

    Raises:
        Problem: what was raised, and the remedy.
        SettingsError: it is Pillow that can't be used, and no picture is at fault.
    """
    try:
        yield
    except (Problem, SeedreamError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Rust and SystemExit are no Exception
        if is_of_pillow(error):
            told, remedy = broken(error)
            raise SettingsError(told, hint=f"Nothing was sent, nothing was billed. {remedy}") from error
        raise wrong(name, f"can't be read: {said(error)}. {remedy}") from error


def said(error: BaseException) -> str:
    """Return what an error says, in one line; even that may fail."""
    kind = type(error).__name__
    try:
        words = plain(str(error), _SHOWN).rstrip(" .")
    except Exception:  # noqa: BLE001 - it is somebody's __str__
        words = ""
    return f"{kind}: {words}" if words else kind


def is_table(value: object) -> bool:
    """Return whether a value is a table of named columns, whatever it could be turned into."""
    return hasattr(type(value), "columns") or hasattr(type(value), "__dataframe__")


def can(value: object, method: str) -> bool:
    """Return whether a value has a method; not so for one that claims to have everything."""
    if not callable(getattr(value, method, None)):
        return False
    return getattr(value, "_seedream_asks_whether_you_claim_to_have_everything_", None) is None


class Bounded(io.BytesIO):
    """What an object writes its picture to: it may not fill the memory."""

    def write(self, data: object, /) -> int:
        """Write all of it.

        Raises:
            ValueError: it is more than any picture has.
        """
        size = super().write(data)  # type: ignore[arg-type]  # whatever it is, it is for BytesIO to judge
        if self.tell() > MOST_READ:
            self.truncate(0)
            raise ValueError(f"it is more than {MOST_READ // 1_000_000} MB")
        return size
