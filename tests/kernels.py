"""The ipykernels that people have beside the one installed here: `python -m tests.kernels` gets those that lack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OLDER = ("7.3.0", "6.31.0")
SLEEPY = ("7.3.0",)
"""Those that now and then never run a cell: https://github.com/ipython/ipykernel/issues/1554."""
FOLDER = Path(sys.prefix) / "kernels"
"""Within the environment of the project, and gone with it."""
ABSENT = "there is no ipykernel {version} beside the one installed: run `python -m tests.kernels`"


def is_there(version: str) -> bool:
    """Return whether this ipykernel can be used."""
    return (FOLDER / version / f"ipykernel-{version}.dist-info").is_dir()


def environment(version: str) -> dict[str, str]:
    """Return what to change in the environment of a kernel so that it is this ipykernel."""
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(FOLDER / version), known]))}


def get() -> list[str]:
    """Install those that lack, each in a folder of its own without what it needs; return those that still lack."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    for version in OLDER:
        if not is_there(version):
            print(f"Getting ipykernel {version} for the tests in a kernel ...", flush=True)  # noqa: T201 - it takes a while
            subprocess.run([*pip, "--target", FOLDER / version, f"ipykernel=={version}"], check=False)
    return [version for version in OLDER if not is_there(version)]


if __name__ == "__main__":
    sys.exit("\n".join(ABSENT.format(version=version) for version in get()) or None)
