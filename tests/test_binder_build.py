"""What a public Binder builds runs every tutorial: an environment from `binder/` alone, with nothing of this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_docs import CHECKOUT

BINDERS = {"BINDER_LAUNCH_HOST": "https://mybinder.org/"}
QUICKER = {"PIP_NO_COMPILE": "1"}
"""Compiles what the tutorials import as they do, and nothing else."""

MAX_MB = 330

pytestmark = [
    pytest.mark.slow,
    pytest.mark.kernel,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="a Binder is a Linux machine"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what repo2docker does, in a copy of the project: install, then run `postBuild`; return the copy."""
    project = tmp_path_factory.mktemp("binder") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in [name for name in listed.split("\0") if (CHECKOUT / name).is_file()]:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, project / name)
    # With the pip that is here: putting another into the environment takes as long as what the tests do there.
    venv.create(project.parent / "venv", with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", str(project.parent / "venv"), "--disable-pip-version-check")
    in_there(project, *pip, "install", "-q", "-r", "binder/requirements.txt")
    in_there(project, "./binder/postBuild")
    return project


def in_there(project: Path, *command: str) -> str:
    """Run a command at the top of the project as a Binder would; return what it printed."""
    commands = project.parent / "venv" / "bin"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**kept, **BINDERS, **QUICKER, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    program = str(commands / command[0]) if (commands / command[0]).exists() else command[0]
    ran = subprocess.run(
        [program, *command[1:]], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


NAMES = sorted(path.name for path in (CHECKOUT / "notebooks").glob("*.ipynb"))


MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""
"""Runs a command, and prints what the largest of its processes took, in MB: Linux counts in KiB."""


class Ran(NamedTuple):
    """A tutorial that was run there."""

    told: str
    out: Path
    most_mb: int


@pytest.fixture(scope="module", params=NAMES)
def ran(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run each tutorial top to bottom with what `binder/` installs."""
    out = tmp_path_factory.mktemp("ran") / "out"
    command = ("python", "notebooks/run.py", f"notebooks/{request.param}", str(out))
    told, most_mb = in_there(built, "python", "-c", MEASURED, *command).rstrip().rsplit("\n", 1)
    return Ran(told, out, int(most_mb))


@pytest.mark.xdist_group("binder")
def test_a_tutorial_runs_there(ran: Ran) -> None:
    """To its end, and makes its pictures."""
    assert "The executed notebook:" in ran.told
    assert list((ran.out / "seedream").rglob("0001-1-*.jpg"))


@pytest.mark.xdist_group("binder")
def test_a_tutorial_takes_little_memory_there(ran: Ran) -> None:
    """A Binder has 1 GB at least: JupyterLab, what executes and the kernel are three processes, each below a third."""
    assert ran.most_mb < MAX_MB


@pytest.mark.xdist_group("binder")
def test_it_is_this_package_that_is_installed_there(built: Path) -> None:
    """The dot in `binder/requirements.txt` is the project itself, installed and not only lying beside."""
    where = in_there(built, "python", "-P", "-c", "import seedream_nb; print(seedream_nb.__file__)")
    assert Path(where.strip()).is_relative_to(built.parent / "venv")
