"""The folder of pictures that a sandbox has among the system's temporary ones: private, and gone with its process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

PREFIX = "seedream-sandbox-"
IDLE_SECONDS = 3600.0
"""So long nothing was put into a folder that is taken for left over: process ids may be those of another container."""


def make_folder() -> Path:
    """Make a folder for this user alone; what killed processes have left goes."""
    _sweep()
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def remove_folder(folder: Path, owner: int) -> None:
    """Remove the folder, unless this is a forked child of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            owner = re.match(rf"{PREFIX}(\d+)-", folder.name)
            is_idle = time.time() - folder.stat().st_mtime > IDLE_SECONDS
            if owner and is_idle and not _lives(int(owner[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    if sys.platform == "win32":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
