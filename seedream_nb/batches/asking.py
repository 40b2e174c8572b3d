"""From what was written, in a cell or in Python, to what a batch asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedream_nb.batches.plan import Asked, Point, Shape, asked
from seedream_nb.errors import Problem, request_error
from seedream_nb.options import ALL
from seedream_nb.scope import scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session


def typed_batch(session: Session, cell: str, options: CellOptions, problems: Sequence[Problem]) -> Asked:
    """Return what a cell asks for.

    Raises:
        RequestError: something is wrong with any of it; nothing was sent.
    """

    def compose(_point: Point) -> ImageRequest:
        return session.compose(cell, scope=session.scope, typed=True, problems=problems, **options)

    shape = Shape(repeat=options.get("repeat") or 1)
    return asked([Point()], shape, compose, template=cell.strip())


def called_batch(session: Session, prompt: str, options: CellOptions, *, repeat: object) -> Asked:
    """Return what a call asks for.

    Raises:
        RequestError: something is wrong with any of it; nothing was sent.
    """
    times = scalar(repeat)
    if problems := [*ALL["repeat"].problems(times)]:
        raise request_error(problems)
    given: Any = options

    def compose(_point: Point) -> ImageRequest:
        return session.compose(prompt, **given)

    is_template = options.get("values") is not None
    return asked([Point()], Shape(repeat=int(times)), compose, template=prompt if is_template else None)
