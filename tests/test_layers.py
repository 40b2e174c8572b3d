"""Imports run downward only, and what is heavy or foreign is imported in its own room only."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import seedream_nb

PACKAGE = Path(seedream_nb.__file__).parent

# From the doors down to the ground. A room imports from the rows below its own, never from its own row;
# inside a folder (references/, service/ …) the files of one room import each other as they need. What services and
# models are, as values, lies below all who ask them; how they are spoken to has places of its own.
ROWS = (
    ("__init__", "__main__"),
    ("calls",),
    ("notebook", "widgets"),
    ("doctor", "batches"),
    ("process",),
    ("session", "view", "cell"),
    ("workspace", "compose"),
    ("jobs",),
    ("preview", "http"),
    ("storage.deletion",),
    ("storage.history",),
    ("storage.folding", "storage.index", "storage.usage"),
    ("storage.generation", "storage.journal", "budget"),
    (
        "service.body",
        "service.redaction",
        "service.lifetime",
        "service.refusals",
        "service.reply",
        "service.retry",
        "prompt",
    ),
    ("wording", "unmeant"),
    ("references",),
    ("request",),
    ("service.endpoint", "storage"),
    ("settings",),
    ("hosts", "options"),
    ("keys", "sizes", "scope"),
    ("service", "pickling"),
    ("errors", "background", "files", "frozen", "needs"),
    ("patterns",),
)
RANK = {room: len(ROWS) - number for number, row in enumerate(ROWS) for room in row}

# The sandbox shares nothing with the package: a mistake in a shared table would be right on both sides.
# One room starts it inside the kernel.
SANDBOX = "sandbox"
STARTS_THE_SANDBOX = {"http"}

# Who may import what the package stands on.
FOREIGN = {
    "IPython": {"__init__", "notebook"},
    "PIL": {"preview", "references", "request", "sandbox", "storage"},
    "anywidget": {"widgets"},
    "google": {"hosts"},
    "httpcore": {"http"},
    "httpx": {"http", "sandbox"},
    "ipywidgets": {"widgets"},
    "numpy": {"references", "storage"},
    "starlette": {"sandbox"},
    "traitlets": {"widgets"},
    "uvicorn": {"sandbox"},
    "anyio": {"background", "http", "jobs", "sandbox", "service"},
}

HEAVY = {"PIL", "anywidget", "httpx", "ipywidgets", "starlette"}

LOADS = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
import seedream_nb
shell.run_line_magic("load_ext", "seedream_nb")
print(*sorted(set(sys.modules) - before))
"""
OF_A_REQUEST = {"compose", "http", "jobs", "preview", "prompt", "references", "request", "session", "storage", "view"}


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name within it ("" for the package itself)."""
    files = sorted(PACKAGE.rglob("*.py"))
    parts = {file: file.relative_to(PACKAGE).with_suffix("").parts for file in files}
    return {".".join(part for part in parts[file] if part != "__init__"): file for file in files}


def room(module: str) -> str:
    """Return the room that a module belongs to: its first part, or the module where that has its own place."""
    first, _, rest = module.partition(".")
    own = f"{first}.{rest.partition('.')[0]}"
    return own if own in RANK else first or "__init__"


def room_folder(room: str) -> str:
    """Return the folder that a room is in."""
    return room.partition(".")[0]


def imports(source: str, package: str) -> set[str]:
    """Return what a module imports, wherever in it: absolute dotted names, `from` imports with each name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: 1 - node.level or None]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return found


@functools.cache
def imports_of(module: str, file: Path) -> set[str]:
    """Return what a module of the package imports."""
    name = f"seedream_nb.{module}".rstrip(".")
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return imports(file.read_text("utf-8"), package)


def rooms_above(module: str, file: Path) -> set[str]:
    """Return the rooms that a module imports from although they are not below its own."""
    own = room(module)
    used = {room(name.partition(".")[2]) for name in imports_of(module, file) if name.split(".")[0] == "seedream_nb"}
    used -= {each for each in used if room_folder(each) == room_folder(own)}
    if own == SANDBOX:
        return used
    if own in STARTS_THE_SANDBOX:
        used -= {SANDBOX}
    return {name for name in used if RANK.get(name, len(ROWS) + 1) >= RANK.get(own, 0)}


def strangers(module: str, file: Path) -> set[str]:
    """Return the libraries that a module imports although they are not for its room."""
    used = {name.split(".")[0] for name in imports_of(module, file)}
    outside = used - set(sys.stdlib_module_names) - {"seedream_nb"}
    return {name for name in outside if room_folder(room(module)) not in FOREIGN.get(name, set())}


@pytest.mark.parametrize("module", modules())
def test_every_room_is_on_the_plan(module: str) -> None:
    """Every module belongs to a room with a place in ROWS (or to the sandbox)."""
    assert room(module) in {*RANK, SANDBOX}


@pytest.mark.parametrize("module", modules())
def test_imports_run_downward(module: str) -> None:
    """A module imports only from rooms below its own, for type checking too; the sandbox from none."""
    assert rooms_above(module, modules()[module]) == set()


@pytest.mark.parametrize("module", modules())
def test_libraries_stay_in_their_rooms(module: str) -> None:
    """A library is imported only in the rooms that are for it."""
    assert strangers(module, modules()[module]) == set()


def module_of(name: str) -> str:
    """Return the module of the package that an imported name is, or is in."""
    module = name.removeprefix("seedream_nb").removeprefix(".")
    while module not in modules():
        module = module.rpartition(".")[0]
    return module


STANDING: list[set[str]] = []
"""Circles that are still to be taken apart."""


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the modules that import each other, in however many steps."""
    reached = {module: set(found) for module, found in graph.items()}
    for through in graph:
        for module, found in reached.items():
            if through in found:
                reached[module] = found | reached[through]
    loops = {frozenset(other for other in graph if other in reached[each] and each in reached[other]) for each in graph}
    return sorted((set(loop) for loop in loops if loop), key=sorted)


def test_no_modules_import_each_other() -> None:
    """No module needs itself, by whichever way, in functions and for type checking too: each can be read by itself."""
    graph = {
        module: {module_of(name) for name in imports_of(module, file) if name.split(".")[0] == "seedream_nb"} - {module}
        for module, file in modules().items()
    }
    assert [loop for loop in circles(graph) if loop not in STANDING] == []


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [{"a", "b"}]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}}, [{"a", "b", "c"}, {"d", "e"}]),
    ],
)
def test_circles_are_found(graph: dict[str, set[str]], found: list[set[str]]) -> None:
    """However long they are, and no others."""
    assert circles(graph) == found


def test_one_module_says_with_what_a_forked_child_begins() -> None:
    """Nothing else asks the system to be told of forks."""
    assert [name for name, file in modules().items() if "register_at_fork(" in file.read_text("utf-8")] == ["process"]


@pytest.mark.parametrize("name", sorted(seedream_nb.__all__))
def test_no_module_takes_the_place_of_a_public_name(name: str) -> None:
    """No room has a public object's name: importing it would put the module in the object's place."""
    assert name not in {room(module) for module in modules()}


@functools.cache
def loaded() -> list[str]:
    """Return the modules that importing the package and loading the extension import."""
    ran = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, check=True, env=os.environ)
    return ran.stdout.split()


def test_loading_imports_nothing_heavy() -> None:
    """Importing the package and loading the extension imports no HTTP, picture or widget library."""
    libraries = {name.split(".")[0] for name in loaded()}
    assert "seedream_nb" in libraries
    assert HEAVY & libraries == set()


def test_loading_imports_no_room_of_a_request() -> None:
    """What only a request needs is imported before the first: between cells, or by it."""
    assert {
        room(name.removeprefix("seedream_nb.")) for name in loaded() if "seedream_nb." in name
    } & OF_A_REQUEST == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b", {"a.b"}),
        ("from a.b import c, d", {"a.b.c", "a.b.d"}),
        ("from . import c", {"p.q.c"}),
        ("from .c import d", {"p.q.c.d"}),
        ("from ..c import d", {"p.c.d"}),
        ("def f():\n    import late", {"late"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import t", {"typing.TYPE_CHECKING", "t"}),
    ],
)
def test_imports_are_found(source: str, found: set[str]) -> None:
    """Imports are found in every spelling and at every place."""
    assert imports(source, "p.q") == found


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("request", "from seedream_nb.session import Session", {"session"}),
        ("storage.journal", "from seedream_nb import budget", {"budget"}),
        ("jobs.job", "import seedream_nb", {"__init__"}),
        ("jobs.job", "from seedream_nb import unheard", {"unheard"}),
        ("jobs.job", "from seedream_nb import sandbox", {"sandbox"}),
        ("http.client", "from seedream_nb.sandbox.app import create_app", set()),
        ("sandbox.app", "from seedream_nb.errors import Problem", {"errors"}),
        ("references.encode", "from seedream_nb.references.metadata import strip", set()),
        ("session", "from seedream_nb.errors import Problem", set()),
    ],
)
def test_wrong_directions_are_found(tmp_path: Path, module: str, source: str, found: set[str]) -> None:
    """An import from a room that is not below is found, and no other."""
    file = tmp_path / "module.py"
    file.write_text(source, "utf-8")

    assert rooms_above(module, file) == found
