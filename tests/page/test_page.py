"""The panel's modules hold their types, and their pure functions do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from importlib.resources import files
from inspect import get_annotations
from pathlib import Path

import pytest

from seedream_nb.widgets.modules import STYLES, ModuleError, joined, static
from seedream_nb.widgets.protocol import Draft, Entry, EntryPicture, Held, Most, Result, Row, Snapshot
from tests.page import tools

FOLDER = Path(str(files("seedream_nb.widgets"))) / "static"
ENTRIES = ("panel.js", "trayAlone.js", "galleryAlone.js")
FILES = sorted(path.name for path in FOLDER.glob("*.js"))
MAX_LINES, MAX_FUNCTION_LINES = 300, 60
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var) (\w+)", re.MULTILINE)


@pytest.fixture
def node() -> str:
    """Find node; without it, fail on a machine that is there for tests (CI), and skip elsewhere."""
    if not tools.is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(tools.ABSENT)
    return str(shutil.which("node"))


def run(command: list[str], folder: Path) -> str:
    """Return what a command prints; it must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_modules_hold_their_types(node: str) -> None:
    """As they lie in their folder, checked as strictly as TypeScript can."""
    run([node, str(tools.compiler()), "--project", str(FOLDER)], FOLDER)


@pytest.mark.slow
def test_no_function_is_too_long_and_no_type_is_any(node: str) -> None:
    """As TypeScript's own parser reads the modules, comments and all."""
    script, typescript = (
        Path(__file__).with_name("structure.mjs"),
        tools.compiler().parents[1] / "lib" / "typescript.js",
    )
    assert run([node, str(script), str(typescript), str(MAX_FUNCTION_LINES), *FILES], FOLDER) == ""


@pytest.mark.parametrize(
    "kind", [Draft, Held, Row, EntryPicture, Entry, Result, Most, Snapshot], ids=lambda kind: kind.__name__
)
def test_page_and_kernel_know_the_same_fields(kind: type) -> None:
    """What one side writes and the other reads stands in two files."""
    (fields,) = re.findall(rf"@typedef \{{\{{([^@]*?)\}}\}} {kind.__name__} \*/", static("protocol.js"))
    assert set(re.findall(r"(\w+): ", re.sub(r"\{[^{}]*\}", "", fields))) == set(get_annotations(kind))


@pytest.mark.slow
def test_the_pure_functions_do_what_they_say(node: str) -> None:
    """In node's own test runner, which imports the modules from where they lie."""
    here = Path(__file__).parent
    tests = sorted(path.name for path in here.glob("*.test.mjs"))
    assert "# fail 0" in run([node, "--test", "--test-reporter=tap", *tests], here)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES)
def test_what_the_page_gets_is_a_module(node: str, tmp_path: Path, name: str) -> None:
    """Joined, it can be read as one: nothing is declared twice, and nothing is imported."""
    (tmp_path / "joined.mjs").write_text(joined(name), "utf-8")
    run([node, "--check", "joined.mjs"], tmp_path)
    assert "import " not in re.sub(r"/\*.*?\*/|//.*", "", joined(name), flags=re.DOTALL)


@pytest.mark.parametrize("name", ENTRIES)
def test_no_two_modules_declare_the_same_name(name: str) -> None:
    """Joined for the page, they share one scope."""
    names = Counter(DECLARED.findall(joined(name)))
    assert [each for each, count in names.items() if count > 1] == []


def test_each_module_stands_behind_what_it_imports() -> None:
    """However many import it, it is there once; the lines that say so are not."""
    modules = {
        "a.js": 'import { b } from "./b.js"\nimport { c } from "./c.js"\nexport default b + c\n',
        "b.js": 'import { c } from "./c.js"\nexport const b = c\n',
        "c.js": "export const c = 1\n",
    }
    assert joined("a.js", modules.__getitem__) == "const c = 1\n\nconst b = c\n\nexport default b + c\n"


def test_comments_stay_behind() -> None:
    """Whole lines of them, and types; never what only looks so within a line."""
    text = """// A module.
/** What it is
 * for. @param {string} a */
function f(a) { return `// ${a} /* no */` }  // stays
  /** @type {number} */
const n = /** @type {number} */ (f("http://x")) /* and this */
"""
    made = 'function f(a) { return `// ${a} /* no */` }  // stays\nconst n = (f("http://x")) /* and this */\n'
    assert joined("a.js", {"a.js": text}.__getitem__) == made


def test_modules_that_import_each_other_are_an_error() -> None:
    """It names the circle: joined, one of them would stand before what it needs."""
    modules = {"a.js": 'import { b } from "./b.js"\n', "b.js": 'import { a } from "./a.js"\n'}
    with pytest.raises(ModuleError, match=r"a\.js imports b\.js imports a\.js"):
        joined("a.js", modules.__getitem__)


@pytest.mark.parametrize(
    "line",
    [
        'import * as b from "./b.js"',
        'import b from "./b.js"',
        'import { b as c } from "./b.js"',
        'export { b } from "./b.js"',
        'export * from "./b.js"',
        'import { b } from "elsewhere"',
    ],
)
def test_an_import_that_would_be_left_in_is_an_error(line: str) -> None:
    """Only names of modules beside it, as they are: anything else would stand in what the page gets."""
    with pytest.raises(ModuleError, match=r"a\.js: "):
        joined("a.js", {"a.js": f"{line}\n", "b.js": ""}.__getitem__)


def test_each_style_sheet_is_joined() -> None:
    """One that nobody joins is one that the page never gets."""
    assert sorted(STYLES) == sorted(path.name for path in FOLDER.glob("*.css"))


@pytest.mark.parametrize("name", FILES)
def test_a_module_is_short_enough_to_read(name: str) -> None:
    """No bundler stands between a checkout and a running panel, so what is written is what is read."""
    assert len(static(name).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("name", [*FILES, *STYLES])
def test_nothing_is_fetched_from_anywhere(name: str) -> None:
    """No address stands in what the page gets, but for the name of SVG."""
    text = static(name).replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text
    assert "https://" not in text
    assert "innerHTML" not in text
