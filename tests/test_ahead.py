"""What the first request needs is imported between cells, one module at a time, and never while a cell runs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from seedream_nb import needs
from tests import kernels
from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults import FaultServer

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

INSTALLED = "the ipykernel installed"
LAST = needs.KERNEL_MODULES[-1]
WATCH = f"""
import importlib.abc, pathlib, sys, time

class Watch(importlib.abc.MetaPathFinder):
    names = []
    def find_spec(self, name, path, target=None):
        self.names.append(name)
        if name == "h11" and pathlib.Path("slow").exists():
            pathlib.Path("begun").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
        if name == {LAST!r}:
            pathlib.Path("all").touch()

sys.meta_path.insert(0, Watch())
"""
LOAD = f"{WATCH}\n%load_ext seedream_nb\nbefore = set(sys.modules)"
LOADED = "print(*sorted({'httpx', 'httpcore', 'PIL', 'seedream_nb.session'} & set(sys.modules)))"
"""Says which of those that take long are imported."""
AWAITS = "import asyncio\nhere = set(sys.modules)\nawait asyncio.sleep(1)\nprint(set(sys.modules) - here)"
QUIET_SECONDS = 1.0
"""Long enough to have imported much, if it was done."""


@pytest.fixture
def kernel(tmp_path: Path, fault_server: FaultServer) -> Iterator[Kernel]:
    """Start a kernel whose requests go to the fault server."""
    env = {"NOVITA_API_KEY": "sk_test", "SEEDREAM_BASE_URL": fault_server.url, "SEEDREAM_BACKEND": None}
    with Kernel(tmp_path, env=env) as started:
        yield started


def test_the_first_cell_then_imports_nothing(kernel: Kernel) -> None:
    """After a while of rest all is there that a plain cell needs, and `%load_ext` had imported none of it."""
    assert kernel.execute(f"{LOAD}\n{LOADED}").printed == "\n"
    kernel.until((kernel.folder / "all").exists)
    kernel.execute("Watch.names.clear()")
    assert kernel.execute("%%seedream\na fox").error is None
    # IPython's own, for what is large; what httpcore looks for each time where it is not installed; what shows results.
    ours = "{name for name in Watch.names if name.split('.')[0] in {'seedream_nb', *LIBRARIES}} - {'sniffio'}"
    said = kernel.execute(f"from seedream_nb.needs import LIBRARIES\nprint({ours})")
    assert said.printed == "set()\n"


def test_nothing_is_imported_while_a_cell_runs(kernel: Kernel) -> None:
    """Though the kernel's loop turns meanwhile, as where a cell awaits; and it goes on after its end."""
    assert kernel.execute(f"{LOAD}\n{AWAITS}").printed == "set()\n"
    kernel.until((kernel.folder / "all").exists)


@pytest.mark.parametrize("version", [INSTALLED, *kernels.OLDER, kernels.OLD_IPYTHON])
def test_a_cell_that_begins_stops_it(version: str, tmp_path: Path) -> None:
    """After the module of that moment, however much is left; and it goes on after the cell's end."""
    if version != INSTALLED and not kernels.is_there(version):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(kernels.ABSENT.format(version=version))
    (tmp_path / "slow").touch()
    with Kernel(tmp_path, env={} if version == INSTALLED else kernels.environment(version)) as kernel:
        kernel.execute(LOAD)
        kernel.until((tmp_path / "begun").exists)
        ran = kernel.start(AWAITS)
        (tmp_path / "go").touch()
        assert ran.wait().printed == "set()\n"
        kernel.until((tmp_path / "all").exists)


def test_an_environment_variable_switches_it_off(tmp_path: Path) -> None:
    """With SEEDREAM_IDLE_IMPORTS=0 nothing is imported before the first request."""
    with Kernel(tmp_path, env={"SEEDREAM_IDLE_IMPORTS": "0"}) as kernel:
        kernel.execute(LOAD)
        time.sleep(QUIET_SECONDS)
        assert kernel.execute("print(set(sys.modules) - before)").printed == "set()\n"


def test_unloading_ends_it(kernel: Kernel) -> None:
    """After `%unload_ext` nothing of ours happens between cells."""
    kernel.execute(f"{LOAD}\n%unload_ext seedream_nb")
    time.sleep(QUIET_SECONDS)
    assert kernel.execute(LOADED).printed == "\n"


def test_what_can_not_be_imported_is_told_by_the_first_request(kernel: Kernel, fault_server: FaultServer) -> None:
    """Nothing is said of it before, below whatever cell ran last, and the rest is imported."""
    loaded = kernel.execute(f"import sys\nsys.modules['PIL._imaging'] = None\n{LOAD}")
    kernel.until((kernel.folder / "all").exists)
    assert (loaded.text, kernel.execute("1 + 1").text) == ("", "2")
    assert "The library pillow can't be used: " in kernel.execute("%%seedream\na fox").text
    assert fault_server.posts == []


@pytest.mark.parametrize("name", ["h11", "click"])
def test_no_file_of_the_notebooks_folder_is_run(kernel: Kernel, name: str) -> None:
    """One that has a library's name, or that of one which a library would use: a person's code runs when they say."""
    (kernel.folder / f"{name}.py").write_text("open('was-run', 'w')")
    kernel.execute(LOAD)
    time.sleep(QUIET_SECONDS)
    assert kernel.execute(LOADED).printed == "\n"
    assert not (kernel.folder / "was-run").exists()


def test_a_child_that_is_forked_meanwhile_can_import(kernel: Kernel) -> None:
    """A thread of the notebook forks again and again: no child waits for an import that its parent had begun."""
    code = """
import os, threading, traceback

def fork():
    while not pathlib.Path("all").exists():
        child = os.fork()
        if not child:
            try:
                import h11, http.cookiejar
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    pathlib.Path("forked").touch()

threading.Thread(target=fork, daemon=True).start()
"""
    kernel.execute(f"import warnings\nwarnings.simplefilter('ignore')\n{LOAD}\n{code}")
    kernel.until((kernel.folder / "forked").exists, seconds=60)


def test_in_a_terminal_nothing_is_imported(tmp_path: Path) -> None:
    """Even where a loop runs."""
    code = f"""
import asyncio, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()

async def main():
    shell.run_cell("%load_ext seedream_nb")
    shell.run_cell("1 + 1")
    await asyncio.sleep({QUIET_SECONDS})
    {LOADED}

asyncio.run(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=os.environ
    )
    assert ran.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in (*needs.SPLIT_MODULES, *needs.REQUEST_MODULES, *needs.KERNEL_MODULES)
        if name.startswith("seedream_nb")
    ],
)
def test_each_module_of_ours_that_is_named_exists(name: str) -> None:
    """A list that names what was moved would import the rest in one long step."""
    assert importlib.util.find_spec(name) is not None
