"""A generation: one request and what came of it, read from the journal."""

from __future__ import annotations

from seedream_nb.generation.folding import arrived, fold
from seedream_nb.generation.inputs import called, inputs_line, lineage, origins, written
from seedream_nb.generation.value import NOTE_CHARACTERS, Generation, Verbs

__all__ = [
    "NOTE_CHARACTERS",
    "Generation",
    "Verbs",
    "arrived",
    "called",
    "fold",
    "inputs_line",
    "lineage",
    "origins",
    "written",
]
