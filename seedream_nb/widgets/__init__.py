"""The panel and its pieces: making pictures by mouse, keyboard and screen reader."""

from __future__ import annotations

from seedream_nb.needs import need

need("ipywidgets")
need("anywidget")

from seedream_nb.widgets.panel import Gallery, Panel, ReferenceTray  # noqa: E402 - older ones may lack what it imports

__all__ = ["Gallery", "Panel", "ReferenceTray"]
