"""An imitation of the service, written from its reference pages alone; it imports nothing else of the package."""

from __future__ import annotations

from .app import create_app

__all__ = ["create_app"]
