"""Looks at an error as a verbose traceback does: at the variables of every frame that it passed."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def variables(error: BaseException | None) -> Iterator[str]:
    """Yield the variables of every frame of an error and its causes, but for those of tests."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                yield from map(repr, frame.f_locals.values())
        error = error.__cause__ or error.__context__
