"""README and docs say what is true: their tables are the package's, and their commands and cells are run here."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import seedream_nb
from seedream_nb.notebook.verbs import VERBS
from tests.docs import IN_COLAB, OPENED, PAGES, PLACES, README, badges, found, tables
from tests.kernel import Kernel
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = README.parent
WRITTEN = [README, PAGES.parent / "python.md", *sorted(PAGES.glob("*.md"))]
TEXT = "\n".join(path.read_text("utf-8") for path in WRITTEN)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
CELLS = list(dict.fromkeys(block for language, block in BLOCKS if language == "python"))
COMMANDS = {
    line.partition(" #")[0].strip() for language, block in BLOCKS if language == "sh" for line in block.splitlines()
}
EXAMPLES = [example for verb in VERBS.values() for example in verb.examples]
NEEDS_A_PERSON = {"login", "logout"}
INSTALLS = {"pip install seedream-nb", 'pip install "seedream-nb[sandbox]"'}


# -- what is written -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLACES)
def test_a_table_is_fresh(name: str) -> None:
    """Else: `python -m tests.docs`, which writes it anew."""
    assert found(name) == tables()[name]


def test_the_readme_is_short() -> None:
    """A stranger reads it in a few minutes; the rest is in the docs."""
    assert len(README.read_text("utf-8").splitlines()) <= 150


def test_the_two_commands_of_a_fresh_checkout() -> None:
    """The README names them."""
    assert {"make demo", "make test"} <= COMMANDS


def test_the_badges_follow_the_project() -> None:
    """Whoever takes the project elsewhere changes its URL in pyproject.toml, and the badges lead there."""
    elsewhere = badges("somebody/pictures")
    assert f"https://mybinder.org/v2/gh/somebody/pictures/main?urlpath=lab/tree/{OPENED}" in elsewhere
    assert f"https://colab.research.google.com/github/somebody/pictures/blob/main/{IN_COLAB}" in elsewhere


def test_every_error_is_told() -> None:
    """The table of what can go wrong names every public error."""
    errors = {name for name in seedream_nb.__all__ if name.endswith("Error")} - {"SeedreamError"}
    assert errors - set(re.findall(r"`(\w+Error)`", (PAGES / "errors.md").read_text("utf-8"))) == set()


def test_every_block_is_a_cell_or_a_command() -> None:
    """Nothing stands in a block that no test runs."""
    assert {language for language, _ in BLOCKS} == {"python", "sh"}


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", ".github/SECURITY.md"])
def test_a_link_leads_somewhere(name: str) -> None:
    """Each file that a text of the repository links to is there; links of the docs are tried where they are built."""
    text = CHECKOUT / name
    links = re.findall(r"\]\(([^)#:]+)\)", text.read_text("utf-8"))
    assert [link for link in links if not (text.parent / link).exists()] == []


# -- cells -----------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_the_cells_run(tmp_path: Path) -> None:
    """All cells of all pages, in their order, in one notebook that has a photo beside it."""
    (tmp_path / "photo.jpg").write_bytes(encoded(gradient(300, 200), "JPEG"))
    with Kernel(tmp_path) as kernel:
        for cell in CELLS:
            assert kernel.execute(cell.rstrip()).error is None, cell
        readme, python, cells = [4, 1], [4, 1, 1], [1] * (1 + 4 + 2 + 4)
        doctor = [0, 1]  # what is refused, and a picture
        first = [1]  # on the first page of the docs
        made = readme + python + cells + doctor + first
        assert kernel.execute("[len(each) for each in sd.history]").result == str(made)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel in the sandbox, with three generations."""
    with Kernel(tmp_path_factory.mktemp("notebook"), env={"SEEDREAM_BACKEND": "sandbox"}) as kernel:
        kernel.execute("%load_ext seedream_nb")
        for prompt in ("a fox in the snow", "two foxes", "three foxes"):
            kernel.execute(f"%%seedream -s 1K -n 2\n{prompt}")
        yield kernel


@pytest.mark.kernel
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_help_run(shared: Kernel, example: str) -> None:
    """What `%seedream help VERB` gives as an example can be pasted."""
    assert shared.execute(f"%seedream {example}").error is None


@pytest.mark.kernel
@pytest.mark.parametrize("verb", sorted(set(VERBS) - NEEDS_A_PERSON - {verb for verb in VERBS if VERBS[verb].words}))
def test_a_verb_without_words_runs(shared: Kernel, verb: str) -> None:
    """What stands in the README's table as it is."""
    assert shared.execute(f"%seedream {verb}").error is None


# -- commands --------------------------------------------------------------------------------------


def copied(folder: Path) -> Path:
    """Copy the project, as a clone has it, with this environment in the place of the one it would set up."""
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(list_files, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in [name for name in listed.split("\0") if (CHECKOUT / name).is_file()]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, folder / name)
    environment = folder / ".venv"
    environment.symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the project in which make finds everything set up."""
    return copied(tmp_path_factory.mktemp("project"))


def ready(target: str) -> list[str]:
    """Return the command of a target, for an environment that has all it needs."""
    return [
        "make",
        target,
        "-o",
        f".venv/{target}.done",
        "-o",
        ".venv/dev.done",
        "-o",
        ".venv/docs.done",
        "-o",
        ".venv/values.done",
        "-o",
        ".venv/browser.done",
        "-o",
        ".venv/kernels.done",
        "-o",
        ".venv/page.done",
    ]


def run(command: list[str], folder: Path) -> str:
    """Run a command to its end and return what it printed."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def until_printed(command: list[str], folder: Path, expected: str) -> None:
    """Run a command that goes on, until it prints what is expected; then end it as Ctrl-C does."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:  # fmt: skip
        assert running.stdout is not None
        lines = []
        try:
            for line in running.stdout:
                lines.append(line)
                if expected in line:
                    return
        finally:
            os.killpg(running.pid, signal.SIGINT)
            os.killpg(running.pid, signal.SIGTERM)
        pytest.fail("".join(lines))


@pytest.mark.slow
def test_make_demo(project: Path) -> None:
    """`make demo` says how many pictures it made, and where."""
    told = run(ready("demo"), project)
    assert "pictures in " in told
    assert list((project / "demo" / "seedream").glob("0001-1-*.jpg"))


def test_make_test(project: Path) -> None:
    """`make test`, which runs this, would run every test: it leaves out none by a mark."""
    told = run([*ready("test"), "--dry-run"], project)
    assert re.search(r"-m pytest -n \d+ --dist loadgroup$", told, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended in another way there")
def test_make_lab(project: Path) -> None:
    """`make lab` serves JupyterLab with the tutorials."""
    until_printed([*ready("lab"), "LAB=--no-browser --ServerApp.port=0"], project, "is running at")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended in another way there")
def test_the_sandbox_serves(tmp_path: Path) -> None:
    """The command that serves the sandbox, on a port that is free."""
    [command] = [each for each in COMMANDS if each.startswith("python -m seedream_nb.sandbox")]
    words = [sys.executable, *command.replace("8787", "0").split()[1:]]
    until_printed(words, tmp_path, "Seedream sandbox at http://127.0.0.1:")


def test_every_command_is_run_here() -> None:
    """A command that is added needs a test of its own; the site's and pip's are in test_site.py and test_wheel.py."""
    tested = {"make demo", "make test", "make lab", "make docs", *INSTALLS}
    assert {each for each in COMMANDS if not each.startswith("python -m seedream_nb.sandbox --port ")} == tested


# -- on GitHub -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workflow", sorted((CHECKOUT / ".github" / "workflows").glob("*.yml")), ids=lambda it: it.stem)
def test_an_action_is_pinned(workflow: Path) -> None:
    """Each that a workflow uses is named by its commit, with its version beside it: a tag can be moved."""
    uses = re.findall(r"uses: (.+)", workflow.read_text("utf-8"))
    assert uses
    assert [each for each in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", each)] == []


def test_who_reports_a_problem_is_asked_for_the_doctors_findings() -> None:
    """The template of an issue asks for what `%seedream doctor` says."""
    template = (CHECKOUT / ".github" / "ISSUE_TEMPLATE" / "problem.yml").read_text("utf-8")
    assert "`%seedream doctor`" in template


@pytest.mark.parametrize("name", ["problem", "transcript"])
def test_who_has_a_key_is_asked_for_a_transcript(name: str) -> None:
    """The templates ask for what `%seedream doctor --paid` writes, and say that nothing private is in it."""
    template = " ".join((CHECKOUT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text("utf-8").split())
    assert "`%seedream doctor --paid`" in template
    assert "no key, no links' signatures, no prompt and no paths" in template


def test_the_version_stands_in_one_place() -> None:
    """No other file has to be changed for a release but the changelog."""
    texts = [*WRITTEN, CHECKOUT / "pyproject.toml", CHECKOUT / "CITATION.cff"]
    version = f'"{seedream_nb.__version__}"'
    assert [path.name for path in texts if version in path.read_text("utf-8")] == []


# -- for developers --------------------------------------------------------------------------------


def test_every_room_is_in_the_list() -> None:
    """CONTRIBUTING tells what is in each room of the package, whether it is a file or a folder."""
    told = set(re.findall(r"`(\w+)(?:\.py|/)`", (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8")))
    package = Path(seedream_nb.__file__).parent
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} <= told
