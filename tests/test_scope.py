"""The notebook around a session: whose names count, which folder, and what outlives a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all these tests."""
    with Kernel(tmp_path_factory.mktemp("notebook")) as kernel:
        yield kernel


@pytest.fixture
def notebook(shared: Kernel) -> Kernel:
    """Give a notebook that has a variable, and whose last value was 42."""
    shared.execute("%reset -f")
    shared.execute("style = 'ink'")
    shared.execute("6 * 7")
    return shared


def expanded(kernel: Kernel, template: str) -> str:
    """Return what a template becomes in the notebook, or the error, leaving no value behind."""
    imports = "from seedream_nb.prompt import expand as _e; from seedream_nb.notebook.scope import NotebookScope as _s"
    return kernel.execute(f"{imports}\nprint(_e({template!r}, _s(get_ipython())), end='')").text


HIDDEN = ["In", "Out", "exit", "quit", "get_ipython", "open", "_ih", "_oh", "_dh", "_i", "_ii", "_i1"]


@pytest.mark.parametrize("name", HIDDEN)
def test_what_ipython_put_there_is_no_variable(notebook: Kernel, name: str) -> None:
    """A name that IPython put into the notebook is an error in a prompt: a typo must not cost money."""
    told = expanded(notebook, f"a fox {{{name}}}")
    assert told.startswith(f"RequestError: {{{name}}}")


def test_earlier_cells_are_not_sent(notebook: Kernel) -> None:
    """`{In[1]}` is an error: what was typed into other cells is nobody's business."""
    assert "no variable In" in expanded(notebook, "a fox {In[1]}")


@pytest.mark.parametrize("name", ["In", "open", "exit", "_dh", "_ii"])
def test_what_the_user_sets_is_a_variable(notebook: Kernel, name: str) -> None:
    """A name of IPython's that the user has set is the user's."""
    assert expanded_in_one_cell(notebook, f"{name} = 'red'", f"a {{{name}}} fox") == "a red fox"


def expanded_in_one_cell(kernel: Kernel, code: str, template: str) -> str:
    """Return what a template becomes after some code in the same cell; IPython sets some names at each cell's start."""
    kernel.execute(f"_before = {{name: get_ipython().user_ns.get(name) for name in {HIDDEN!r}}}")
    imports = "from seedream_nb.prompt import expand\nfrom seedream_nb.notebook.scope import NotebookScope\n"
    ran = kernel.execute(f"{imports}{code}\nprint(expand({template!r}, NotebookScope(get_ipython())), end='')")
    kernel.execute("get_ipython().user_ns.update(_before)")
    return ran.text


@pytest.mark.parametrize("expression", ["style", "_", "Out[max(Out)]"])
def test_variables_and_results_are_there(notebook: Kernel, expression: str) -> None:
    """The user's variables and the results of cells, by their short names too, have their values."""
    assert expanded(notebook, f"{{{expression}}}") == ("ink" if expression == "style" else "42")


def test_a_result_is_there_by_its_number(notebook: Kernel) -> None:
    """`{_12}` is the value of cell 12."""
    number = notebook.execute("print(max(Out), end='')").printed
    assert expanded(notebook, f"{{_{number}}}") == "42"


@pytest.mark.parametrize("name", ["_", "__", "___", "_1"])
def test_before_the_first_result_there_is_none(shared: Kernel, name: str) -> None:
    """Where no cell has had a value yet, the names of results are an error, not an empty text."""
    shared.execute("%reset -f")
    shared.execute("get_ipython().push({'_': '', '__': '', '___': ''}, interactive=False)  # as at the start")
    assert f"no variable {name}." in expanded(shared, f"{{{name}}}")


def test_a_bare_builtin_is_no_variable(notebook: Kernel) -> None:
    """`{id}` is an error; a builtin may be called."""
    assert "no variable id" in expanded(notebook, "{id}")
    assert expanded(notebook, "{len(style)}") == "3"


def test_what_a_startup_file_set_is_a_variable(notebook: Kernel) -> None:
    """IPython hides the names of startup files from `%who`; they are the user's all the same."""
    notebook.execute("get_ipython().push({'palette': 'teal'}, interactive=False)")
    assert expanded(notebook, "{palette}") == "teal"


AGAIN = ["%reload_ext seedream_nb", "import importlib, seedream_nb; importlib.reload(seedream_nb)"]


@pytest.mark.parametrize("again", AGAIN, ids=["reload_ext", "importlib"])
def test_a_reload_keeps_the_session(kernel: Kernel, again: str) -> None:
    """Loading again forgets neither settings nor what was spent: the session is the same."""
    kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd\n%seedream config backend=sandbox budget=2")
    kernel.execute("before = sd._default_session(), sd.history")
    assert kernel.execute(again).error is None
    assert kernel.execute("before == (sd._default_session(), sd.history)").result == "True"
    assert "the sandbox" in kernel.execute("%seedream").printed
    assert "of 2.00 USD" in kernel.execute("%seedream").printed


def home_of(kernel: Kernel) -> str:
    """Return the folder where the session's pictures go."""
    return kernel.execute("import seedream_nb\nprint(seedream_nb._default_session().settings.get('home'))").printed


MOVES = "import os; os.mkdir('elsewhere'); os.chdir('elsewhere'); os.environ['SEEDREAM_HOME'] = 'other'"


@pytest.mark.parametrize(
    "load", ["%load_ext seedream_nb", "import seedream_nb", "%load_ext seedream_nb\n%reload_ext seedream_nb"]
)
def test_home_is_where_it_was_at_load(kernel: Kernel, tmp_path: Path, load: str) -> None:
    """A change of folders or of SEEDREAM_HOME between loading and the first use moves no pictures."""
    kernel.execute(load)
    kernel.execute(MOVES)
    kernel.execute("%reload_ext seedream_nb" if "reload" in load else "")
    assert home_of(kernel) == f"{(tmp_path / 'seedream').resolve()}\n"


def test_the_key_is_looked_for_where_the_notebook_was_loaded(kernel: Kernel, tmp_path: Path) -> None:
    """The `.env` beside the notebook counts, not one in a folder that was changed to."""
    (tmp_path / ".env").write_text("NOVITA_API_KEY=sk_x")
    kernel.execute("%load_ext seedream_nb")
    kernel.execute(MOVES)
    assert f"with the key from the file {tmp_path.resolve()}" in " ".join(kernel.execute("%seedream").printed.split())


def test_loading_the_extension_counts_for_what_was_imported_before(kernel: Kernel, tmp_path: Path) -> None:
    """With an import first and `%load_ext` later, the place of `%load_ext` is the one that counts."""
    kernel.execute("import seedream_nb")
    kernel.execute(MOVES)
    kernel.execute("%load_ext seedream_nb")
    assert home_of(kernel) == f"{(tmp_path / 'elsewhere' / 'other').resolve()}\n"


def file_told(kernel: Kernel) -> str:
    """Return which file the notebook is taken to be."""
    return kernel.execute(
        "from seedream_nb.notebook.shell import notebook_file\nprint(notebook_file(get_ipython()))"
    ).printed.strip()


HOSTS = [
    ("work.ipynb", "", "work.ipynb"),
    ("/srv/elsewhere/work.ipynb", "", "work.ipynb"),
    ("gone.ipynb", "", None),
    ("3f9c2a6e-1d", "", None),
    ("", "work.ipynb", "work.ipynb"),
    ("gone.ipynb", "work.ipynb", "work.ipynb"),
    ("", "", None),
]


@pytest.mark.parametrize(("session_name", "of_vs_code", "found"), HOSTS)
def test_the_notebook_is_a_file_only_where_there_is_one(
    shared: Kernel, session_name: str, of_vs_code: str, found: str | None
) -> None:
    """Jupyter tells a path, perhaps from another folder, or a name that is no file's; VS Code tells the path."""
    shared.execute("%reset -f")
    (shared.folder / "work.ipynb").write_text("{}")
    path = str(shared.folder / of_vs_code) if of_vs_code else ""
    shared.execute(f"import os; os.environ['JPY_SESSION_NAME'] = {session_name!r}; __vsc_ipynb_file__ = {path!r}")
    told = file_told(shared)
    shared.execute("os.environ.pop('JPY_SESSION_NAME')")
    assert (None if told == "None" else told.rpartition("/")[2]) == found


def test_what_was_shown_is_known_once_the_extension_is_loaded(kernel: Kernel) -> None:
    """An import alone changes nothing about how the notebook shows things; it says what to do."""
    code = "import seedream_nb as sd\nsd.configure(backend='sandbox')\nsd.generate('a fox', images='@out')"
    assert "only after %load_ext seedream_nb" in kernel.execute(code).text
