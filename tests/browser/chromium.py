"""Finds a Chromium for the tests, and gets one where there is none: `python -m tests.browser.chromium`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu")

ABSENT = "there is no Chromium: set SEEDREAM_CHROMIUM to one, or run `python -m tests.browser.chromium`"


def find() -> str | None:
    """Return a Chromium: the one in SEEDREAM_CHROMIUM, on the PATH, or Playwright's own."""
    chosen = os.environ.get("SEEDREAM_CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, NAMES)), None) or playwrights_own()


def playwrights_own() -> str | None:
    """Return the Chromium that `playwright install` has put in place."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def ways() -> list[list[list[str]]]:
    """Return the ways to get a Chromium here, the better one first, each as commands."""
    own = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    may_install = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")
    system = [["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", *PACKAGES]]
    return [system, own] if may_install else [own]


def get() -> str | None:
    """Install a Chromium if there is none, and return where it is."""
    for way in ways():
        if found := find():
            return found
        print("Getting a Chromium for the tests in a browser ...", flush=True)  # noqa: T201 - it takes a while
        all(_succeeds(command) for command in way)
    return find()


def _succeeds(command: list[str]) -> bool:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ran = subprocess.run(command, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode:
        print("\n".join(ran.stdout.splitlines()[-5:]))  # noqa: T201 - the tests say what follows from it
    return ran.returncode == 0


if __name__ == "__main__":
    sys.exit(None if get() else ABSENT)
