"""The wheel: it holds the package and nothing else, and works where there is no checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import seedream_nb
from tests.test_needs import older_python

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[1]
DISTRIBUTION = f"seedream_nb-{seedream_nb.__version__}"
BUILT = CHECKOUT / os.environ["SEEDREAM_DIST"] if "SEEDREAM_DIST" in os.environ else None
"""What `make dist` built, where `make dist-test` runs this."""

MAKES_A_PICTURE = """
import pathlib
import seedream_nb as sd
sd.configure(backend="sandbox", home="pictures")
generation = sd.generate("a fox in the snow", size="1024x1024")
assert generation.status == "done", generation
assert (generation[0].width, generation[0].height) == (1024, 1024)
print(pathlib.Path(sd.__file__).parent)
"""

RUNS_A_CELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "seedream_nb")
shell.run_line_magic("seedream", "config backend=sandbox")
shell.run_cell_magic("seedream", "--size 1024x1024 --out fox", "a fox in the snow")
assert len(shell.user_ns["fox"]) == 1
"""


def run(*command: str | Path, folder: Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed; what it says when it fails is in the error."""
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and unpack it."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=CHECKOUT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the source distribution, as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=sdist)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment that has the dependencies, but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    scheme = sysconfig.get_paths("venv", vars={"base": str(folder), "platbase": str(folder)})
    interpreter = Path(scheme["scripts"]) / Path(sys.executable).name
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", "--no-index", "--find-links", wheel.parent, "seedream-nb", folder=folder)
    # Only this folder's packages: an editable install's own .pth file, which would lead to the checkout,
    # is not read from a folder that is named in a .pth file.
    (Path(scheme["purelib"]) / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    return interpreter


@pytest.fixture
def outside() -> dict[str, str]:
    """Return an environment in which nothing leads to the checkout but the guard."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT / "tests" / "guard")}


def test_it_holds_the_package_only(wheel: Path) -> None:
    """The wheel installs `seedream_nb` and what describes it, nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}

    assert tops == {"seedream_nb", f"{DISTRIBUTION}.dist-info"}


def test_it_holds_all_of_the_package(wheel: Path) -> None:
    """Every file of the package is in the wheel, `py.typed` too."""
    files = [path for path in (CHECKOUT / "seedream_nb").rglob("*") if path.is_file()]
    wanted = {path.relative_to(CHECKOUT).as_posix() for path in files if path.suffix != ".pyc"}
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())

    assert "seedream_nb/py.typed" in wanted
    assert wanted <= packed


def test_its_description(wheel: Path) -> None:
    """The metadata say that this is unofficial, and under which licence it comes."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = HeaderParser().parsestr(archive.read(f"{DISTRIBUTION}.dist-info/METADATA").decode())

    assert "unofficial, not affiliated with ByteDance or Novita" in metadata["Summary"]
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Version"] == seedream_nb.__version__


def test_its_description_leads_somewhere_on_pypi(wheel: Path) -> None:
    """Links and pictures of the README are whole addresses there, and are those of files of the repository."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"{DISTRIBUTION}.dist-info/METADATA").decode().partition("\n\n")[2]
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
    ours = re.compile(r"https://(?:github\.com/[^/]+/[^/]+/blob|raw\.githubusercontent\.com/[^/]+/[^/]+)/main/(.+)")
    files = [match[1] for link in links if (match := ours.fullmatch(link))]
    assert ".github/first-picture.jpg" in files
    assert [name for name in files if not (CHECKOUT / name).exists()] == []


def test_an_older_python_is_refused_in_a_sentence(wheel: Path, tmp_path: Path) -> None:
    """The installer says which Python it needs, and installs nothing."""
    python = older_python("3.10")
    if python is None:
        pytest.skip("there is no Python 3.10 on this machine")
    command = [python, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "Package 'seedream-nb' requires a different Python: 3.10." in ran.stderr
    assert "not in '>=3.11'" in ran.stderr


def test_it_works_in_a_script(python: Path, outside: dict[str, str], tmp_path: Path) -> None:
    """Installed from the wheel, it makes a picture in the sandbox, with no checkout in sight."""
    package = run(python, "-c", MAKES_A_PICTURE, folder=tmp_path, env=outside).strip()

    assert python.parents[1] in Path(package).parents
    assert list((tmp_path / "pictures").glob("0001-1-a-fox-in-the-snow.*"))


def test_it_works_in_ipython(python: Path, outside: dict[str, str], tmp_path: Path) -> None:
    """Installed from the wheel, the cell magic makes a picture in the sandbox."""
    run(python, "-c", RUNS_A_CELL, folder=tmp_path, env=outside)

    assert list((tmp_path / "seedream").glob("0001-1-*"))


# -- before a release ------------------------------------------------------------------------------


def lowest() -> list[str]:
    """Return every library that the package names, in the lowest version that it says is enough."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]
    return [each.replace(">=", "==") for each in named]


@pytest.mark.skipif(BUILT is None, reason="`make dist-test` runs it: what it installs comes from PyPI, in a minute")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("versions", ["lowest", "newest"])
@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_it_works_in_an_empty_environment(kind: str, versions: str, tmp_path: Path) -> None:
    """What was built makes a picture and runs a cell, with the lowest and with the newest version of every library."""
    assert BUILT is not None
    [distribution] = BUILT.glob(f"{DISTRIBUTION}*.{kind}")
    venv.create(tmp_path / "venv", with_pip=True)
    scheme = sysconfig.get_paths("venv", vars={"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")})
    python = Path(scheme["scripts"]) / Path(sys.executable).name
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    libraries = lowest() if versions == "lowest" else []
    pip: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, f"{distribution.resolve()}[sandbox]", *libraries, folder=tmp_path, env=alone)

    package = run(python, "-c", MAKES_A_PICTURE, folder=tmp_path, env=alone).strip()
    assert tmp_path in Path(package).parents
    run(python, "-c", RUNS_A_CELL, folder=tmp_path, env=alone)
    assert list((tmp_path / "seedream").glob("0001-1-*"))
