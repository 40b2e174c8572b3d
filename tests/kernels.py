"""The ipykernels, and Colab's IPython, that people have beside those installed: `python -m tests.kernels` gets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OLDER = ("7.3.0", "6.31.0")
SLEEPY = ("7.3.0",)
"""Those that now and then never run a cell: https://github.com/ipython/ipykernel/issues/1554."""
OLD_IPYTHON = "7.34.0"
"""Colab's, and what it needs beyond what the one installed does."""
ITS_NEEDS = ("backcall", "decorator", "pickleshare")
FOLDER = Path(sys.prefix) / "kernels"
"""Within the environment of the project, and gone with it."""
ABSENT = "there is no ipykernel (or IPython) {version} beside the one installed: run `python -m tests.kernels`"


def is_there(version: str) -> bool:
    """Return whether this ipykernel, or the old IPython, can be used."""
    package = "ipython" if version == OLD_IPYTHON else "ipykernel"
    return (FOLDER / version / f"{package}-{version}.dist-info").is_dir()


def environment(version: str) -> dict[str, str]:
    """Return what to change in the environment of a kernel so that it is this ipykernel, or has the old IPython."""
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(FOLDER / version), known]))}


def get() -> list[str]:
    """Install those that lack, each in a folder of its own without what it needs; return those that still lack."""
    wanted = {version: [f"ipykernel=={version}"] for version in OLDER}
    wanted[OLD_IPYTHON] = [f"ipython=={OLD_IPYTHON}", *ITS_NEEDS]
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    for version, packages in wanted.items():
        if not is_there(version):
            print(f"Getting {packages[0]} for the tests in a kernel ...", flush=True)  # noqa: T201 - it takes a while
            subprocess.run([*pip, "--target", FOLDER / version, *packages], check=False)
    return [version for version in wanted if not is_there(version)]


if __name__ == "__main__":
    sys.exit("\n".join(ABSENT.format(version=version) for version in get()) or None)
