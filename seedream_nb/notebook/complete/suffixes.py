"""Tells by its name whether a file may be a picture: none is opened for a Tab."""

from __future__ import annotations

_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic"})
"""The formats that people have pictures in; whether one can be read is found out when it is used."""


def is_picture_name(name: str) -> bool:
    """Return whether a file of this name may be a picture."""
    return name.rpartition(".")[2].lower() in _SUFFIXES and "." in name
