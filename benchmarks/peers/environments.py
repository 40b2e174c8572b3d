"""A virtual environment for each way, made anew from PyPI, and what is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment with its packages (name and version) and its size on disk."""

    python: Path
    packages: dict[str, str]
    size_bytes: int


def make(folder: Path, requirements: Sequence[str]) -> Environment:
    """Make an environment in this folder, or take the one that is there and renew what is installed from a folder."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "done").exists():
        venv.create(folder, clear=True, symlinks=sys.platform != "win32")
        _pip(python, "install", "-qq", *requirements)
        (folder / "done").touch()
    if local := [each for each in requirements if Path(each).is_absolute()]:
        _pip(python, "install", "-qq", "--no-deps", "--force-reinstall", *local)
    listed = json.loads(_pip(python, "list", "--format=json"))
    return Environment(
        python=python, packages={each["name"].lower(): each["version"] for each in listed}, size_bytes=_size(folder)
    )


def _pip(python: Path, *words: str) -> str:
    """Run our own pip on that environment, which needs none."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _size(folder: Path) -> int:
    files = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)  # noqa: PTH118 - many
    return sum(os.lstat(file).st_size for file in files)
