"""Too old a Python, IPython, ipywidgets or anywidget is said in one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

import pytest

from seedream_nb.needs import MIN, TooOldError, need, too_old_notice
from tests.kernel import Kernel

ROOT = Path(__file__).parents[1]
HOME = Path.home()
"""Asked now: a test has a home of its own."""


@pytest.mark.parametrize("name", MIN)
def test_the_oldest_is_enough(name: str) -> None:
    """The version that is named as the oldest does."""
    need(name, ".".join(map(str, MIN[name])))


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("Python", "3.10.13"),
        ("IPython", "7.33.0"),
        ("ipywidgets", "7.7.0"),
        ("ipywidgets", "7.6"),
        ("anywidget", "0.8.1"),
    ],
)
def test_an_older_one_is_a_sentence(name: str, version: str) -> None:
    """It names what is needed, what is there and what to do, in one line."""
    with pytest.raises(TooOldError, match=rf"needs {name} [\d.]+ or later, and this is {name} {version}\. ") as caught:
        need(name, version)
    assert "\n" not in str(caught.value)


def test_they_are_those_of_the_package() -> None:
    """What is checked at load is what an installer is told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    told = [f"Python{project['requires-python']}", *project["dependencies"]]
    least = dict(re.findall(r"^(\w+)>=([\d.]+)", "\n".join(told), re.MULTILINE))
    assert {name: ".".join(map(str, MIN[name])) for name in MIN} == {
        name: least[name if name == "Python" else name.lower()] for name in MIN
    }


def older_python(version: str) -> str | None:
    """Return an older Python of this machine, if it has one that runs."""
    places = [*HOME.glob(f".pyenv/versions/{version}.*/bin/python"), shutil.which(f"python{version}")]
    for each in [str(place) for place in places if place]:
        told = subprocess.run([each, "--version"], capture_output=True, text=True, check=False).stdout
        if told.startswith(f"Python {version}."):
            return each
    return None


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10"])
def test_a_python_too_old_to_read_us_says_so(version: str, tmp_path: Path) -> None:
    """A checkout that an older Python imports is no syntax error, but the sentence."""
    python = older_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [python, "-B", "-c", "import seedream_nb"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert f"TooOldError: seedream_nb needs Python 3.11 or later, and this is Python {version}." in ran.stderr


@pytest.mark.kernel
def test_in_a_notebook_it_is_all_that_is_shown(tmp_path: Path) -> None:
    """An old IPython fails `%load_ext`, old widgets fail the panel, each with the sentence alone."""
    with Kernel(tmp_path) as kernel:
        kernel.execute("import IPython, ipywidgets\nnow = IPython.__version__\nIPython.__version__ = '7.20.0'")
        loading = kernel.execute("%load_ext seedream_nb").error
        kernel.execute("IPython.__version__ = now\nipywidgets.__version__ = '7.6.3'")
        assert kernel.execute("%load_ext seedream_nb").error is None
        panel = kernel.execute("%seedream panel").error
    told = [[] if each is None else each["traceback"] for each in (loading, panel)]
    assert [len(lines) for lines in told] == [1, 1]
    assert "needs IPython 7.34 or later, and this is IPython 7.20.0." in told[0][0]
    assert "needs ipywidgets 7.7.1 or later, and this is ipywidgets 7.6.3." in told[1][0]


def installed(folder: Path, version: str, name: str = "ipywidgets") -> Path:
    """Make a folder with a library of that version, as an installer leaves it; importing it fails."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / f"{name}-{version}.dist-info").mkdir()
    return folder


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("name", "version", "least"),
    [("ipywidgets", "7.6.5", "7.7.1"), ("ipywidgets", "6.0.1", "7.7.1"), ("anywidget", "0.8.9", "0.9")],
)
def test_loading_says_what_is_too_old_for_the_panel(name: str, version: str, least: str, tmp_path: Path) -> None:
    """In one sentence, without importing it; cells work."""
    with Kernel(tmp_path) as kernel:
        kernel.execute(f"import sys\nsys.path.insert(0, {str(installed(tmp_path / 'old', version, name))!r})")
        loaded = kernel.execute("%load_ext seedream_nb")
        ran = kernel.execute("%seedream config backend=sandbox")
    assert (loaded.error, ran.error) == (None, None)
    needed = f"The Seedream panel needs {name} {least} or later, and this is {name} {version}."
    assert loaded.printed == f"{needed} Run this, and restart the kernel: %pip install --upgrade {name}\n"


def test_a_terminal_which_has_no_panel_is_told_of_no_widgets(tmp_path: Path) -> None:
    """Nothing is printed at its start."""
    shell = "from IPython.core.interactiveshell import InteractiveShell as Shell"
    code = f"{shell}\nShell().run_line_magic('load_ext', 'seedream_nb')"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed(tmp_path / "old", "7.6.5")), str(ROOT)])}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout == ""


@pytest.mark.parametrize("version", ["7.7.1", "7.8.5", "8.0.0rc1", "8.1.9", "10.0", "main", ""])
def test_nothing_is_said_of_one_that_is_new_enough(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor of one that is not there."""
    monkeypatch.delitem(sys.modules, "ipywidgets", raising=False)
    monkeypatch.syspath_prepend(installed(tmp_path, version))
    assert too_old_notice("ipywidgets") == ""
    assert too_old_notice("a_library_that_nobody_has") == ""


def test_nothing_is_said_where_no_version_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a zip, in a source folder, of something that has taken its place: loading goes on."""
    (tmp_path / "ipywidgets").mkdir()
    (tmp_path / "ipywidgets" / "__init__.py").touch()
    with zipfile.ZipFile(tmp_path / "library.zip", "w") as library:
        library.writestr("ipywidgets/__init__.py", "")
    for place in (tmp_path, tmp_path / "library.zip"):
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "ipywidgets", raising=False)
            patch.syspath_prepend(place)
            assert too_old_notice("ipywidgets") == ""
    monkeypatch.setitem(sys.modules, "ipywidgets", ModuleType("ipywidgets"))
    assert too_old_notice("ipywidgets") == ""


class Forbids(MetaPathFinder):
    """Lets nobody import anything."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - how it is called
        """Refuse."""
        raise ImportError(fullname)


def test_nothing_is_said_where_nobody_may_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading goes on."""
    monkeypatch.delitem(sys.modules, "ipywidgets", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Forbids()])
    assert too_old_notice("ipywidgets") == ""
