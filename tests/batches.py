"""Asks for batches in a session of a test, as `sd.batch` does in the session of the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedream_nb.batches.asking import called_batch
from seedream_nb.batches.begin import begin

if TYPE_CHECKING:
    from seedream_nb.batches.batch import Batch
    from seedream_nb.session import Session


def ask(
    session: Session, prompt: str = "a fox", *, repeat: int = 1, over: Any = None, rows: Any = None, **options: Any
) -> Batch:
    """Begin a batch and return it at once."""
    return begin(session, called_batch(session, prompt, options, repeat=repeat, over=over, rows=rows), options)  # type: ignore[arg-type]
