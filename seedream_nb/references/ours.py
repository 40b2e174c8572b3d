"""Our own results and jobs, known by where their classes come from: nothing of them is imported to find out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_OURS = __name__.partition(".")[0]


def is_ours(value: object) -> bool:
    """Return whether a value is of a class of ours."""
    module: object = type(value).__module__
    return isinstance(module, str) and module.partition(".")[0] == _OURS


def pictures_of(value: object) -> Sequence[object] | None:
    """Return the pictures of a result, be it without any; None for any other value."""
    return _listed(value, "images") if is_ours(value) else None


def is_job(value: object) -> bool:
    """Return whether a value is a job, whose pictures may be still to come."""
    return is_ours(value) and _listed(value, "pictures") is not None


def _listed(value: object, attribute: str) -> Sequence[object] | None:
    found = getattr(value, attribute, None)
    return found if isinstance(found, list | tuple) else None
