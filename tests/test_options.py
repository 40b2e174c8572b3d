"""An option added to the table is everywhere: a copy of the package gets one, and is tried through each door."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import seedream_nb
from tests.faults import POST, FaultServer, Links

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(seedream_nb.__file__).parents[1]
BEFORE = "    watermark: Annotated["
GRAIN = """    grain: Annotated[int | None, Option(
        flags=("--grain",), metavar="N", kind="whole", low=0, high=99, suggestions=("7", "42"), is_sent=True,
        since="0.2.0", help="how coarse it looks",
    )]
"""
TRIED = r"""
import contextlib, inspect, io, json, sys
from types import SimpleNamespace
from typing import get_type_hints
from IPython.core.interactiveshell import InteractiveShell
import seedream_nb as sd
from seedream_nb.storage.history import History
from seedream_nb.notebook.complete.lines import complete
from seedream_nb.process import PROCESS
from seedream_nb.service import DEFAULT
from tests import docs

shell, told = InteractiveShell.instance(), {"package": sd.__file__}

def run(cell):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        ran = shell.run_cell(cell)
    error = ran.error_before_exec or ran.error_in_exec
    return SimpleNamespace(value=ran.result, error=str(error or ""), out=out.getvalue())

def offered(line):
    found = complete(line, 0, len(line), SimpleNamespace(model=lambda: DEFAULT.model))
    return [[offer.text, offer.description] for offer in found.offers]

def refused(ask):
    try:
        ask()
    except sd.RequestError as error:
        return str(error)

shell.run_line_magic("load_ext", "seedream_nb")
sd.configure(base_url="https://service.example", api_key="sk_test")
told["old"] = sd.generate("a walk after the storm", size="1K", once=True).id
sd.configure(base_url=sys.argv[1])
first = run("%%seedream --grain 7\na fox").value
told["cell"] = first.request.grain
told["bad cells"] = [run(f"%%seedream --grain {text}\na fox").error for text in ("soon", "100")]
told["bad calls"] = [refused(lambda value=value: sd.generate("a fox", grain=value)) for value in ("soon", True, 100)]
told["Tab"] = [offered("%%seedream --gra"), offered("%%seedream --grain 4")]
told["help"] = shell.magics_manager.magics["cell"]["seedream"].__doc__
told["README"] = docs.tables()["options"]
CALLS = (sd.generate, sd.submit, sd.Generation.edit, sd.Generation.rerun)
told["signatures"] = [str(inspect.signature(call).parameters["grain"]) for call in CALLS]
told["docstrings"] = [inspect.getdoc(call) for call in (sd.generate, sd.submit)]

plain = sd.generate("a fox")
told["calls"] = [sd.generate("a fox", grain=8).request.grain, sd.submit("a fox", grain=9).result().request.grain]
told["edited"] = first.edit("in spring", grain=0).request.grain
told["run again"] = [first.rerun().request.grain, first.rerun(grain=3).request.grain]
told["rerun"] = [run(f"%seedream rerun {first.mark} {line}").value.request.grain for line in ("", "--grain 4")]
told["dry"] = run(f"%seedream rerun {first.mark} --dry-run").out
shell.set_next_input = lambda text: told.update(code=text)
run(f"%seedream code {first.mark}")

count = len(sd.history)
told["once"] = [sd.generate("a fox", grain=grain, once=True).request.grain for grain in (7, 8, None)]
told["bought"] = len(sd.history) - count
read = list(History(PROCESS.the_session().history.home))
told["read"] = [[each.id, each.request.grain, each.request.fingerprint] for each in read]
print("\nTOLD" + json.dumps(told))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where the copy runs, with a history that an earlier version has left there."""
    folder = tmp_path_factory.mktemp("grain")
    shutil.copytree(ROOT / "tests/golden/0.1.0", folder / "seedream")
    return folder


@pytest.fixture(scope="module")
def service() -> Iterator[FaultServer]:
    """Give a service that takes any option."""
    with FaultServer() as server:
        server.on(POST, Links())
        yield server


@pytest.fixture(scope="module")
def tried(home: Path, service: FaultServer) -> dict[str, Any]:
    """Return what became of the option in a copy of the package whose table has it."""
    copy = Path(shutil.copytree(ROOT / "seedream_nb", home / "copy" / "seedream_nb"))
    table = (copy / "options.py").read_text("utf-8")
    assert table.count(BEFORE) == 1
    (copy / "options.py").write_text(table.replace(BEFORE, GRAIN + BEFORE), "utf-8")
    known = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDREAM_", "NOVITA_"))}
    places = dict.fromkeys(("HOME", "USERPROFILE", "IPYTHONDIR"), str(home / "person"))
    env = {**known, **places, "PYTHONPATH": os.pathsep.join([str(copy.parent), str(ROOT)]), "PYTHONUTF8": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", TRIED, service.url], cwd=home, env=env, capture_output=True, text=True, check=False
    )
    assert "\nTOLD" in ran.stdout, ran.stdout + ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.rpartition("\nTOLD")[2])
    assert Path(told["package"]).is_relative_to(home)
    return told


pytestmark = pytest.mark.slow


def test_a_cell_takes_it(tried: dict[str, Any]) -> None:
    """By its flag, as a number."""
    assert tried["cell"] == 7


def test_a_wrong_value_is_refused_plainly(tried: dict[str, Any]) -> None:
    """By the cell and by calls alike: what was found, what may be, and the nearest."""
    assert tried["bad cells"] == [
        "--grain: found soon; write a whole number from 0 to 99.\nNothing was sent, nothing was billed.",
        "--grain: found 100; the range is 0 to 99. The nearest is 99.\nNothing was sent, nothing was billed.",
    ]
    assert tried["bad calls"] == [
        "grain: found 'soon' (str); write a whole number from 0 to 99.\nNothing was sent, nothing was billed.",
        "grain: found True (bool); write a whole number from 0 to 99.\nNothing was sent, nothing was billed.",
        "grain: found 100; the range is 0 to 99. The nearest is 99.\nNothing was sent, nothing was billed.",
    ]


def test_tab_offers_it(tried: dict[str, Any]) -> None:
    """Its flag with its help, and values that begin as what is typed."""
    assert tried["Tab"] == [[["--grain", "how coarse it looks"]], [["42", "value"]]]


def test_the_cells_help_tells_of_it(tried: dict[str, Any]) -> None:
    """Between the options that it stands between in the table."""
    told = tried["help"]
    assert "\n  --grain N               how coarse it looks\n" in told
    assert told.index("--max-images") < told.index("--grain") < told.index("--watermark")


def test_the_readme_has_a_row_for_it(tried: dict[str, Any]) -> None:
    """With its range."""
    assert "| `--grain` | 0 to 99 | how coarse it looks |\n" in tried["README"]


def test_calls_take_it(tried: dict[str, Any]) -> None:
    """Generating, submitting and editing; a value that counts as false is one too."""
    assert (tried["calls"], tried["edited"]) == ([8, 9], 0)


def test_calls_show_it(tried: dict[str, Any]) -> None:
    """In the signature with its type, and explained in the docstring."""
    assert tried["signatures"] == ["grain: int | None = None"] * 4
    assert all("\n    grain: how coarse it looks.\n" in told for told in tried["docstrings"])


def test_what_is_run_again_has_it(tried: dict[str, Any]) -> None:
    """Unless the person says otherwise, by the verb and by the call."""
    assert (tried["run again"], tried["rerun"]) == ([7, 3], [7, 4])


def test_the_cell_that_is_written_has_it(tried: dict[str, Any]) -> None:
    """And only where it differs from what holds anyway."""
    assert tried["code"] == "%%seedream --grain 7\na fox"


def test_a_dry_run_shows_it(tried: dict[str, Any]) -> None:
    """Among what would be sent."""
    assert re.search(r'"?grain"?\W+7', tried["dry"])


def test_the_journal_has_it(tried: dict[str, Any], home: Path) -> None:
    """Written where it was said, and read as it was, with the fingerprint that it had."""
    files = [path.read_text("utf-8").splitlines() for path in home.glob("seedream/journal/*.jsonl")]
    lines = [json.loads(line) for file in files for line in file if line.endswith("}")]
    intents = {line["id"]: line for line in lines if line["event"] == "intent"}
    assert len(tried["read"]) == len(intents)
    for number, grain, fingerprint in tried["read"]:
        assert (intents[number]["request"].get("grain"), intents[number]["fingerprint"]) == (grain, fingerprint)
        assert ("grain" in intents[number]["request"]) == (grain is not None)


def test_once_tells_its_values_apart(tried: dict[str, Any]) -> None:
    """Each finds its own, and without it what was asked without."""
    assert (tried["once"], tried["bought"]) == ([7, 8, None], 0)


def test_once_finds_what_was_made_before_there_was_the_option(tried: dict[str, Any]) -> None:
    """Nothing that an earlier version bought is bought again."""
    assert tried["old"] == 16


def test_it_is_sent(tried: dict[str, Any], service: FaultServer) -> None:
    """As it is, where it was said, and not at all where it was not."""
    assert tried["cell"] == 7
    assert [post.json().get("grain", "not sent") for post in service.posts[:4]] == [7, "not sent", 8, 9]


def test_no_option_is_listed_everywhere() -> None:
    """One that has no rule of its own stands in the table, in the panel's form, and in examples."""
    files = [path.relative_to(ROOT / "seedream_nb") for path in (ROOT / "seedream_nb").rglob("*.py")]
    told = [path for path in files if re.search(r"\bwatermark\b", (ROOT / "seedream_nb" / path).read_text("utf-8"))]
    assert len([path for path in told if path.parts[0] != "sandbox"]) <= 5, told
