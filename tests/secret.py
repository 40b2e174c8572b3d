"""A key that can be found wherever a part of it turns up, and a look at all that a kernel leaves behind."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.conftest import PLACES, leads_astray
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.kernel import Ran

KEY = "sk_Zq7XvTgWpLmRkYbN"
RUN = 6
AROUND, MAX_PLACES = 70, 4

# What a curious person does: everything printed, and looked into three deep. IPython's own objects hold what was typed.
WALK = """
def look_into(value, depth=3):
    print(repr(value))
    ours = type(value).__module__.split(".")[0] in {"seedream_nb", "httpx", "httpcore", "anyio"}
    inner = []
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = [*value]
    elif ours or isinstance(value, BaseException):
        inner = [*vars(value).values()] if hasattr(value, "__dict__") else []
        names = getattr(type(value), "__slots__", ())
        inner += [getattr(value, name, None) for name in names if not name.startswith("_")]
    if depth:
        for each in inner:
            look_into(each, depth - 1)
"""

# The text of every error behind ours, and the variables of every frame, as a debugger or an error reporter shows them.
FRAMES = """
def frames_of(error):
    import traceback
    while error is not None:
        print(repr(error), str(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "seedream_nb" in frame.f_code.co_filename or "http" in frame.f_code.co_filename:
                for name, value in frame.f_locals.items():
                    print(frame.f_code.co_name, name, repr(value))
        error = error.__cause__ or error.__context__
"""


def leaks_in(text: str) -> list[str]:
    """Return where six characters of the key in a row stand in a text, in capitals or not, in base64 or hexadecimal.

    It gives some of what is around.
    """
    runs = {KEY[start : start + RUN] for start in range(len(KEY) - RUN + 1)}
    small = {each.lower() for run in runs for each in (run, run.encode().hex())}
    encoded = {
        base64.b64encode(bytes(before) + run.encode())[before + 1 if before else 0 : (8 * (before + RUN)) // 6].decode()
        for run in runs
        for before in range(3)
    }
    sought = [(each, text.lower()) for each in small] + [(each, text) for each in encoded]
    places = sorted(found.start() for each, within in sought for found in re.finditer(re.escape(each), within))
    apart = [place for before, place in zip([-AROUND, *places], places, strict=False) if place - before >= RUN]
    return [text[max(0, place - AROUND) : place + AROUND] for place in apart[:MAX_PLACES]]


@dataclass(kw_only=True)
class Visit:
    """A kernel with a key, and what it showed, cell by cell."""

    kernel: Kernel
    folder: Path
    shown: dict[str, Ran] = field(default_factory=dict)

    def run(self, label: str, code: str) -> Ran:
        """Run a cell and remember what it showed under this label."""
        self.shown[label] = self.kernel.execute(code)
        return self.shown[label]

    def told(self, label: str) -> str:
        """Return all messages that a cell sent, but for what was typed."""
        return all_of(self.shown[label])

    def leaks(self) -> dict[str, list[str]]:
        """Return the parts of the key that any cell showed, by its label."""
        found = {label: leaks_in(self.told(label)) for label in self.shown}
        return {label: parts for label, parts in found.items() if parts}


def all_of(ran: Ran) -> str:
    """Return all messages of a cell, updates and comms too, but for what was typed."""
    return repr([message for message in ran.history if message["output_type"] != "execute_input"])


def alone(folder: Path, env: Mapping[str, str | None]) -> Kernel:
    """Return a kernel with an environment and a home of its own, in a folder of its own, both below `folder`."""
    home, work = folder / "home", folder / "work"
    home.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    without: dict[str, str | None] = dict.fromkeys(filter(leads_astray, os.environ))
    places: dict[str, str | None] = dict.fromkeys(PLACES, str(home))
    return Kernel(work, env={**without, **places, "IPYTHONDIR": str(home / "ipython"), **env})


def leaking_files(folder: Path, *, but: str = "") -> dict[str, list[str]]:
    """Return the files of a folder that hold a part of the key, by name, but for the one that may."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != but]
    found = {path.name: leaks_in(path.read_bytes().decode("latin-1")) for path in files}
    return {name: parts for name, parts in found.items() if parts}
