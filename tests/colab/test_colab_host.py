"""On Colab's own versions, in a real kernel: what is installed, the key, the panel's messages, the notebook."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

import seedream_nb
from tests.colab.environment import FREEZE, REPORT, ROOT
from tests.kernel import Kernel, Ran
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.server import FaultServer

STANDIN = str(Path(__file__).with_name("standin"))
STARTUP = """
import google.colab

def pip(line):
    with open("pip.txt", "a") as file:
        file.write(line + "\\n")

get_ipython().register_magic_function(pip, "line", "pip")
"""
"""What a kernel of Colab has done before the first cell; and a %pip that only writes down what it was told."""


def in_colab(**more: str) -> dict[str, str]:
    """Return the environment of a kernel that is as Colab's."""
    startup = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-colab.py").write_text(STARTUP, "utf-8")
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [STANDIN, known])), **more}


# -- what is installed ---------------------------------------------------------------------------------


def test_the_versions_are_colabs() -> None:
    """Nothing that the tests need has moved one of them."""
    frozen = [line.split("==") for line in FREEZE.read_text("utf-8").split()]
    assert {name: importlib.metadata.version(name) for name, _ in frozen} == dict(frozen)


def test_installing_there_downloads_our_wheel_alone() -> None:
    """Of what it needs, Colab has everything."""
    report = json.loads((Path(sys.prefix) / REPORT).read_text("utf-8"))
    assert [each["metadata"]["name"] for each in report["install"]] == ["seedream-nb"]


def test_what_is_tested_is_the_wheel() -> None:
    """The package comes from the environment, not from the checkout."""
    assert Path(sys.prefix) in Path(seedream_nb.__file__).parents


# -- the key -------------------------------------------------------------------------------------------


def test_the_secret_is_asked_for_once_and_not_at_load(tmp_path: Path, fault_server: FaultServer) -> None:
    """Loading asks for nothing; however many cells follow, the main thread asks once."""
    asked = tmp_path / "asked.txt"
    with Kernel(tmp_path, in_colab(STANDIN_SECRET="sk_of_colab", SEEDREAM_BASE_URL=fault_server.url)) as kernel:
        assert kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd").outputs == []
        assert not asked.exists()
        for code in ("%%seedream\na fox", "%%seedream\na hare", "%seedream", "sd.panel()"):
            ran = kernel.execute(code)
            assert ran.error is None, ran.text
    assert asked.read_text("utf-8") == "NOVITA_API_KEY True\n"
    assert {post.headers["authorization"] for post in fault_server.posts} == {"Bearer sk_of_colab"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [("missing", "Add new secret"), ("refused", "may not read"), ("no page", "Colab's own page")],
)
def test_without_it_the_cell_says_what_to_click(tmp_path: Path, answer: str, words: str) -> None:
    """In a few lines, with no traceback."""
    with Kernel(tmp_path, in_colab(STANDIN_SECRET=answer)) as kernel:
        kernel.execute("%load_ext seedream_nb")
        error = kernel.execute("%%seedream\na fox").error
    assert error is not None
    told = "\n".join(error["traceback"])
    assert words in told
    assert len(told.splitlines()) <= 5
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("answer", "words"), [("refused", "Notebook access"), ("no page", "Colab's own page"), ("missing", None)]
)
def test_with_auto_the_first_result_says_why_it_is_the_sandboxs(tmp_path: Path, answer: str, words: str | None) -> None:
    """In one line below it, once, and not at load; with no secret at all there is nothing to say."""
    with Kernel(tmp_path, in_colab(STANDIN_SECRET=answer, SEEDREAM_BACKEND="auto")) as kernel:
        assert kernel.execute("%load_ext seedream_nb").outputs == []
        first, second = (kernel.execute(f"%%seedream\n{prompt}") for prompt in ("a fox", "a hare"))
    assert (first.error, second.error) == (None, None)
    told = words or "Colab"
    assert (told in first.text, told in second.text) == (words is not None, False)


# -- the panel -----------------------------------------------------------------------------------------


class Page:
    """The page of a panel: it asks the kernel over the panel's comm, as the browser does."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        """Show a panel in the notebook."""
        self._kernel, self._name, self._asked = kernel, name, 0

    def ask(self, question: str, *, buffers: tuple[bytes, ...] = (), **fields: Any) -> dict[str, Any]:
        """Ask the panel, and return its answer."""
        comm = self._kernel.execute(f"print({self._name}.model_id)").printed.strip()
        self._asked += 1
        asked = {"id": str(self._asked), "ask": question, **fields}
        session = self._kernel.client.session
        data = {"method": "custom", "content": asked}
        message = session.msg("comm_msg", {"comm_id": comm, "data": data})
        heard = self._kernel.cells[message["header"]["msg_id"]] = Ran(question)
        session.send(self._kernel.client.shell_channel.socket, message, buffers=list(buffers))
        heard.wait(20)
        contents = [each["data"]["content"] for each in heard.history if each["output_type"] == "comm_msg"]
        return next(each for each in contents if each.get("id") == asked["id"])


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Kernel]:
    """Start a kernel as Colab's, in the sandbox, with a panel."""
    with Kernel(tmp_path, in_colab(SEEDREAM_BACKEND="sandbox")) as kernel:
        ran = kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd\np = sd.panel()\np")
        assert ran.error is None, ran.text
        yield kernel


FORM = {"prompt": "a fox", "size": "1K", "aspect": "1:1", "width": 2048, "height": 2048, "max_images": 1,
        "watermark": True}  # fmt: skip


def test_the_panel_shows_itself(tmp_path: Path) -> None:
    """A view for the page, and before it the history for where there is no kernel."""
    with Kernel(tmp_path, in_colab(SEEDREAM_BACKEND="sandbox")) as kernel:
        shown = kernel.execute("import seedream_nb as sd\nsd.panel()").shown
    assert len(shown) == 2
    assert "Run this cell again" in shown[0]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown[1]


def test_the_panel_answers_its_page(notebook: Kernel) -> None:
    """A question over the comm is answered: what it shows, what is wrong, what was generated."""
    page = Page(notebook, "p")
    assert page.ask("here", view="page")["ok"]["version"] >= 0
    wrong = page.ask("generate", form={**FORM, "prompt": " "})
    assert "prompt" in wrong["error"]["fields"]
    assert page.ask("generate", form=FORM)["ok"] == {}
    made = notebook.execute(
        "import time\nwhile not sd.history or sd.history[-1].status != 'done':\n    time.sleep(0.05)"
    )
    assert made.error is None
    assert notebook.execute("sd.history[-1].prompt").result == "'a fox'"


def test_bytes_from_the_page_become_a_reference(notebook: Kernel) -> None:
    """A file that is dropped arrives beside its message, byte for byte."""
    page, content = Page(notebook, "p"), encoded(gradient(60, 50), "PNG")
    said = page.ask(
        "file", key="k", name="a.png", size_bytes=len(content), offset=0, buffers=(content,),
    )  # fmt: skip
    assert said["ok"] == {"whole": True}
    assert notebook.execute("len(p._state.tray.held())").result == "1"


# -- the notebook --------------------------------------------------------------------------------------


def test_its_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """With no key it ends in the sandbox, in less than a minute; it installs from the project's one address."""
    homepage = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Homepage"]
    document = nbformat.read(ROOT / "notebooks" / "colab.ipynb", as_version=4)
    client = NotebookClient(document, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env={**os.environ, **in_colab()})
    outputs = [each for cell in document.cells if cell.cell_type == "code" for each in cell.outputs]
    assert not [each for each in outputs if each.output_type == "error" or each.get("name") == "stderr"]
    assert len(list((tmp_path / "seedream").glob("0*.jpg"))) == 7
    assert (tmp_path / "pip.txt").read_text("utf-8") == f"install -q git+{homepage}\n"
    assert (tmp_path / "asked.txt").read_text("utf-8") == "NOVITA_API_KEY True\n"
