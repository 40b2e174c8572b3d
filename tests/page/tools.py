"""Finds node, TypeScript and axe-core, which test what the page gets: `python -m tests.page.tools` installs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "page"
PACKAGES = ("typescript@5", "axe-core@4")
ABSENT = "Node.js 20 or later, with npm, is needed to test the panel's modules (on Debian: apt install nodejs npm)."


def is_installed() -> bool:
    """Return whether everything is there."""
    return shutil.which("node") is not None and all(path.exists() for path in (compiler(), axe()))


def compiler() -> Path:
    """Return where TypeScript's compiler is, or would be."""
    return FOLDER / "node_modules" / "typescript" / "bin" / "tsc"


def axe() -> Path:
    """Return where axe-core's script is, or would be."""
    return FOLDER / "node_modules" / "axe-core" / "axe.min.js"


def install() -> bool:
    """Install what is missing beside the Python environment; return whether all is there."""
    if is_installed():
        return True
    if shutil.which("npm") is None and os.environ.get("CI") and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "nodejs", "npm"], check=False)
    npm = shutil.which("npm")
    if npm is None:
        return False
    FOLDER.mkdir(exist_ok=True)
    command = [npm, "install", "--silent", "--no-save", "--no-fund", "--no-audit", "--prefix", str(FOLDER), *PACKAGES]
    return subprocess.run(command, check=False).returncode == 0 and is_installed()


if __name__ == "__main__":
    if not install():
        sys.exit(ABSENT)
