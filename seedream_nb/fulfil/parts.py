"""What is left of downloads that did not come to an end: taken up again, or kept aside. None of it is deleted."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from seedream_nb.client.part import MOST_BYTES, MOST_REST_BYTES, rest_of
from seedream_nb.files import read_ordinary
from seedream_nb.journal import is_writing
from seedream_nb.store import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.store import Left, Store

LEFT_SECONDS = 86_400.0
"""A download that nobody finished within a day never will be: its links expire after about 24 hours."""


def part_of(store: Store, number: int, index: int) -> Path:
    """Return where a picture is downloaded to; there stands already what a dead process left of it."""
    path = store.partial(number, index)
    if not path.exists():
        for left in store.parts():
            if (left.number, left.index) == (number, index) and not _is_at_work(store, left):
                with contextlib.suppress(FileNotFoundError):  # another kernel was quicker
                    left.path.replace(path)
                    rest_of(left.path).replace(rest_of(path))
    return path


def keep_aside(store: Store, number: int, index: int, *, blot: Callable[[bytes], bytes] = bytes) -> str | None:
    """Keep what came in place of a picture, unless the next try goes on from it; return how `home` names it.

    `blot` takes the key out of it.
    """
    kept = store.kept(number, index)
    with contextlib.suppress(OSError):  # the disk may be what failed
        part = store.partial(number, index)
        if part.exists() and (_blotted(part, blot) or not rest_of(part).exists()):
            kept = _keep(store, part, number, index) or kept
    return store.relative(kept) if kept.exists() else None


def keep_old_aside(store: Store, *, blot: Callable[[bytes], bytes] = bytes) -> None:
    """Keep aside what nobody will go on with: it is a day old, and who wrote it is dead. `blot` takes the key out."""
    for left in store.parts():
        with contextlib.suppress(OSError):  # another kernel may do so at the same time
            if time.time() - left.path.stat().st_mtime > LEFT_SECONDS and not _is_at_work(store, left):
                _blotted(left.path, blot)
                _keep(store, left.path, left.number, left.index)


def _blotted(part: Path, blot: Callable[[bytes], bytes]) -> bool:
    """Take the key out of what a server sent; return whether it was there, and so nothing to go on from."""
    content, rest = read_ordinary(part, MOST_BYTES), rest_of(part)
    told = read_ordinary(rest, MOST_REST_BYTES) if rest.exists() else b""
    kept = blot(content)
    if kept != content:
        write_private(part, kept)
    return kept != content or blot(told) != told


def _keep(store: Store, part: Path, number: int, index: int) -> Path | None:
    rest_of(part).unlink(missing_ok=True)
    if part.stat().st_size:
        return store.keep(part, number, index)
    part.unlink()
    return None


def _is_at_work(store: Store, left: Left) -> bool:
    """Return whether the process that began a download still lives: by its journal, for clocks jump."""
    return is_writing(store.journal, left.process)
