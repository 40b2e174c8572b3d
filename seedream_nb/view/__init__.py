"""How a request, a job, a generation, a picture and the history look in a notebook, and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.archive import Generations, History
from seedream_nb.generation import Generation
from seedream_nb.job import Job
from seedream_nb.picture import Picture
from seedream_nb.view.asked import request_bundle
from seedream_nb.view.jobs import job_bundle, progress
from seedream_nb.view.markup import Bundle
from seedream_nb.view.past import history_bundle, when
from seedream_nb.view.results import generation_bundle, picture_bundle

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Bundle",
    "bundle",
    "generation_bundle",
    "history_bundle",
    "job_bundle",
    "picture_bundle",
    "progress",
    "request_bundle",
    "when",
]


def bundle(value: object, *, folder: Path | None = None) -> Bundle:
    """Return the mime bundle of anything of ours that a notebook can show.

    Args:
        value: a generation, a picture, a job, the history or a part of it.
        folder: the notebook's, from which its links lead; without it, the current one.
    """
    if isinstance(value, Generation):
        return generation_bundle(value, folder=folder)
    if isinstance(value, Picture):
        return picture_bundle(value, folder=folder)
    if isinstance(value, Job):
        return job_bundle(value, folder=folder)
    if isinstance(value, History):
        return history_bundle(value[:])
    if isinstance(value, Generations):
        return history_bundle(value)
    return {"text/plain": repr(value)}
