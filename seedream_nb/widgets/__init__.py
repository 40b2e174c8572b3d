"""The panel and its pieces: making pictures by mouse, keyboard and screen reader."""

from __future__ import annotations

from seedream_nb.widgets.gallery import Gallery
from seedream_nb.widgets.panel import Panel
from seedream_nb.widgets.tray import ReferenceTray

__all__ = ["Gallery", "Panel", "ReferenceTray"]
