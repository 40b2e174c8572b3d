"""References as the first model takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.references import encode, load
from seedream_nb.service import SEEDREAM_4_0

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from seedream_nb.references.foreign import Foreign
    from seedream_nb.request import Reference
    from seedream_nb.storage.store import Input

LIMITS = SEEDREAM_4_0.references


def load_reference(name: str, source: Path | bytes | Image.Image | Foreign) -> Reference:
    """Return the reference that a picture makes."""
    return load.load_reference(name, source, LIMITS)


def fit(reference: Reference, inputs: Path) -> Input:
    """Return the file that is sent for a reference."""
    return encode.fit(reference, encode.Recipient(limits=LIMITS, inputs=inputs))
