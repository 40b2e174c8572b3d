"""Makes the environment of `make test-colab`: Colab's own versions, and our wheel as pip makes it for a Colab user.

`python -m tests.colab.environment FOLDER` makes it anew if what it consists of has changed, and installs a fresh wheel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
FREEZE = Path(__file__).with_name("freeze.txt")
REPORT = "installed.json"
"""In the environment: what pip installed when it was asked for our wheel alone."""
TOOLS = ("hatchling", "hypothesis", "jsonschema", "psutil", "pytest", "pytest-timeout", "pytest-xdist", "trustme")
"""What the tests take, of what developers have; none of it may move one of Colab's versions."""


class Environment:
    """An environment with Colab's own versions."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; nothing is made yet."""
        self.folder = folder.absolute()
        places = sysconfig.get_paths("venv", vars={"base": str(self.folder), "platbase": str(self.folder)})
        self.python = Path(places["scripts"]) / ("python.exe" if sys.platform == "win32" else "python")
        self._packages, self._made = Path(places["purelib"]), self.folder / "made-of.txt"

    def prepare(self) -> None:
        """Make it, unless it is there and of the same parts; install this checkout's wheel."""
        if not self._made.exists() or self._made.read_text("utf-8") != _parts():
            shutil.rmtree(self.folder, ignore_errors=True)
            print("Setting up Colab's own versions, once ...", flush=True)  # noqa: T201 - it takes minutes
            venv.create(self.folder, with_pip=True)
            self._pip("--requirement", FREEZE)
            # Before the tools, which could bring along what a user would have to download.
            self._pip("--report", self.folder / REPORT, ROOT)
            self._pip("--constraint", FREEZE, *_tools())
            # Only for `tests`: what is installed comes first, so the package is the one of the wheel.
            (self._packages / "checkout.pth").write_text(f"{ROOT}\n", "utf-8")
            self._made.write_text(_parts(), "utf-8")
        else:
            self._pip("--force-reinstall", "--no-deps", "--no-index", "--no-build-isolation", ROOT)

    def _pip(self, *words: str | Path) -> None:
        quiet = ["-qq", "--disable-pip-version-check", "--no-warn-script-location"]
        subprocess.run(
            [self.python, "-m", "pip", "install", *quiet, *words],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, check=True,
        )  # fmt: skip


def _tools() -> list[str]:
    """Return the tools as the project asks for them."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return [each for each in groups["dev"] if isinstance(each, str) and each.split(">")[0] in TOOLS]


def _parts() -> str:
    """Return what the environment is made of: it is made anew when that changes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return "\n".join([sys.version, FREEZE.read_text("utf-8"), *project["dependencies"], *_tools()])


if __name__ == "__main__":
    Environment(Path(sys.argv[1])).prepare()
